/* load_connections.h - the run itself: one thread, one list of due times, a FIFO, and connections that serve it.
 *
 *   schedule --due--> FIFO --first free--> connection: CONNECTING -> FREE -> BUSY -> FREE ...
 *                                              a closed one is opened anew
 *
 * The FIFO is two places in the schedule: up to where requests are due, and up to where they were sent.  A timerfd, to
 * the nanosecond, wakes for the next due time: epoll's own timeout is in milliseconds.  Nobody spins: on a small
 * machine the server needs the core.  What is not sent when it is due is sent late, and never dropped. */
#ifndef BENCH_LOAD_CONNECTIONS_H
#define BENCH_LOAD_CONNECTIONS_H
#include "load_requests.h"
#include "load_schedule.h"
#include "load_tally.h"

typedef struct {
    const load_plan *plan;
    const load_schedule *schedule;
    const load_requests *requests;
    /* Each second of the run, between two events; NULL: nobody looks. */
    void (*progress)(const load_tally *t, double seconds, int waiting);
} load_job;

/* Opens every connection first, and fails where one cannot be: no figure tells of a server that is not there.  Then
 * runs the whole schedule, and waits at most plan->grace_ns for what is open. */
status load_connections_run(load_tally *t, const load_job *j, error *err);
#endif
