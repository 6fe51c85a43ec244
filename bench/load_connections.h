/* load_connections.h - the run itself: one thread, one list of due times, a FIFO, and connections that serve it.
 *
 *   schedule --due--> FIFO --first free--> connection: CONNECTING -> FREE -> BUSY -> FREE ...
 *                                              a closed one is opened anew
 *
 * The FIFO is two places in the schedule: up to where requests are due, and up to where they were sent.  A timerfd, to
 * the nanosecond, wakes for the next due time: epoll's own timeout is in milliseconds.  Nobody spins: on a small
 * machine the server needs the core.  What is not sent when it is due is sent late, and never dropped.
 *
 * A closed loop has no list: each connection's next request is due when its last has ended.
 *
 * The warm-up is a schedule of its own before, on the same connections.  What it has not sent when it ends is dropped;
 * what is then under way is read to its end, as the server is busy with it, and counts nowhere. */
#ifndef BENCH_LOAD_CONNECTIONS_H
#define BENCH_LOAD_CONNECTIONS_H
#include "load_requests.h"
#include "load_schedule.h"
#include "load_tally.h"
#include "load_warmup.h"

typedef struct {
    const load_window *window; /* what came lately */
    double lately_s, seconds;  /* since the last look, and since the start of the run, or of its warm-up */
    int waiting;               /* due and not sent */
    const char *phase;         /* "warm-up" or "run" */
} load_progress;

typedef struct {
    const load_plan *plan;
    const load_schedule *schedule, *warmup; /* of a closed loop: both empty */
    const load_requests *requests;
    load_warmup *warm; /* what came of it; NULL: there is none */
    /* Each second, between two events; NULL: nobody looks. */
    void (*progress)(const load_progress *p);
    /* Before the first request that counts, and after the last reply: a moment of a few milliseconds.  NULL: nothing.
     */
    status (*mark)(void *context, error *err);
    void *context;
} load_job;

/* Opens every connection first, and fails where one cannot be: no figure tells of a server that is not there.  Then
 * warms up, runs the whole schedule, and waits at most plan->grace_ns for what is open. */
status load_connections_run(load_tally *t, const load_job *j, error *err);
#endif
