/* load_tally.h - what came of a run's requests.
 *
 * Two latencies each: `intended` from the time the request was due, which is what a user saw, and `service` from the
 * time it was sent.  A request has one end: a reply, by status; no reply in time or at the end of the run, which counts
 * with its age; a fault; or it left as it was told to.  One thread. */
#ifndef BENCH_LOAD_TALLY_H
#define BENCH_LOAD_TALLY_H
#include "load_latency.h"
#include "load_reply.h"
#include "load_windows.h"
#include "runtime/base/status.h"

enum { LOAD_CODES = 24 };
typedef struct {
    int code; /* of a reply; 0: there was none */
    int64_t n;
    load_latency intended, service;
} load_row;
typedef struct {
    char name[LOAD_STAGE_NAME];
    int64_t total_ns;
    histogram_sum sum;
} load_stage;

typedef struct {
    /* faults: each a request that got no valid reply, except the first */
    int64_t connects_failed, resets, malformed, timeouts;
    int64_t censored;                                /* open at the end */
    int64_t left;                                    /* as --leave wants it */
    int64_t sent, sent_late;                         /* late: after the schedule's end, for want of a free connection */
    int64_t waited;                                  /* found no free connection when due */
    int64_t reopened;                                /* connections */
    int64_t served_in_time, tokens_in_time;          /* 200s seen before the schedule's end, and what they computed */
    int64_t retry_after_least_s, retry_after_most_s; /* -1: none seen */
    load_row rows[LOAD_CODES];                       /* by the order of their first reply; rows[0]: no reply */
    int n_rows;
    load_stage stages[LOAD_STAGES]; /* of the 200s' server-timing */
    int n_stages;
    load_latency lateness; /* from the moment a request was due and a connection free, to its sending */
    double cpu;            /* share of a core that the client used, 0 to 1 */
    load_windows windows;
} load_tally;

status load_tally_open(load_tally **out, error *err);
void load_tally_close(load_tally *t); /* NULL is fine */

/* in_time: before the schedule's end.  A 25th status is counted as malformed. */
void load_tally_reply(load_tally *t, const load_reply *r, int64_t intended_ns, int64_t service_ns, bool in_time);
/* No reply yet, at this age; service_ns < 0: it was never sent. */
void load_tally_unanswered(load_tally *t, int64_t intended_ns, int64_t service_ns);
#endif
