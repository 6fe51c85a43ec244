/* workers.h - one standing pool of threads that shares out numbered tasks.
 *
 * The caller works too, as worker 0.  An encoder's forward is some forty short steps in a row, so a thread that runs
 * out of work spins for a moment before it sleeps; between batches all of them sleep and cost nothing.  Threads
 * inherit the process's affinity mask and block every signal.
 * workers_run() is called by one thread at a time and returns when every task is done; what the tasks wrote is then
 * visible to the caller.  Nothing is allocated after workers_open(). */
#ifndef RUNTIME_BACKEND_WORKERS_H
#define RUNTIME_BACKEND_WORKERS_H
#include "runtime/base/status.h"

enum { WORKERS_MOST = 256 };

typedef struct workers workers;
typedef void workers_task(void *context, int task, int worker);

/* threads: the caller included; 0: one for each core of the affinity mask. */
status workers_open(workers **out, int threads, error *err);
void   workers_close(workers *w); /* NULL is fine */
int    workers_count(const workers *w);

/* Runs task(context, 0..tasks-1, worker), each once, in no order that may be relied on; worker < workers_count(). */
void workers_run(workers *w, int tasks, workers_task *task, void *context);
#endif
