/* workers.h - one standing pool of threads that shares out numbered tasks.
 *
 * Pools of one size are one: a version that is loaded beside the one that answers brings no threads of its own.
 *
 * The caller works too, as worker 0.  An encoder's forward is some forty short steps in a row, so a thread that runs
 * out of work spins for a moment before it sleeps; between batches all of them sleep and cost nothing.  Threads
 * inherit the process's affinity mask and block every signal.
 * workers_run() returns when every task is done; what the tasks wrote is then visible to the caller.  Who calls while
 * another does waits.  Nothing is allocated after workers_open(). */
#ifndef RUNTIME_BACKEND_WORKERS_H
#define RUNTIME_BACKEND_WORKERS_H
#include "runtime/base/status.h"

enum { WORKERS_MOST = 256 };

typedef struct workers workers;
typedef void workers_task(void *context, int task, int worker);

/* threads: the caller included; 0: one for each core of the affinity mask.  The pool of that size that is open already,
 * else a new one. */
status workers_open(workers **out, int threads, error *err);
void   workers_close(workers *w); /* the last one ends the threads; NULL is fine */
int    workers_count(const workers *w);

/* Runs task(context, 0..tasks-1, worker), each once, in no order that may be relied on; worker < workers_count(). */
void workers_run(workers *w, int tasks, workers_task *task, void *context);

/* Meetings, inside tasks of a run of no more tasks than threads: each task says that it has come as far, and waits, by
 * then or later, until every task has.  One that arrives again has awaited the meeting before.  What a task wrote before
 * it arrived is visible to who has awaited it. */
void workers_arrive(workers *w);
void workers_await(workers *w, int meeting); /* 1: the run's first */
#endif
