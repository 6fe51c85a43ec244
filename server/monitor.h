/* monitor.h - what the service has done, as its clients saw it: counts, durations, stages, windows, the slowest, the
 * SLO.
 *
 * Each loop of the public port writes a part of its own, without locks; readers add the parts.  The SLO's history is
 * kept by the one thread that ticks.
 *
 * The SLO is about routes that compute.  Good: 2xx within the objective.  Bad: later, or 429, or the server's failure
 * (500, 503, 504), or a client that left after the objective had passed.  All else is not counted: what the client did
 * wrong (4xx, 501, 505), who left sooner, and every other route. */
#ifndef SERVER_MONITOR_H
#define SERVER_MONITOR_H
#include "http.h"
#include "runtime/base/window.h"

enum {
    MONITOR_EDGES = 31 /* 30 x1.5 from 100 us to 12.8 s, and the objective */,
    MONITOR_ENDPOINTS_MAX = 24,
    MONITOR_CODES = 21,
    MONITOR_TOKEN_EDGES = 16 /* 1 .. 32768 */,
    MONITOR_SLOWEST = 60 /* seconds whose slowest request is told */,
    MONITOR_WINDOWS = 3,
    MONITOR_QUANTILES = 4,
    MONITOR_BURN_WINDOWS = 3
};
extern const int monitor_codes[MONITOR_CODES];       /* that this server answers, ascending; 0 before them: any other */
extern const char *const monitor_failures[FAILURES]; /* "invalid", ...; FAILURE_NONE: "" */
extern const char *const monitor_windows[MONITOR_WINDOWS],
    *const monitor_quantiles[MONITOR_QUANTILES];                     /* "10s", "0.5" */
extern const char *const monitor_burn_windows[MONITOR_BURN_WINDOWS]; /* "5m", "1h", "6h" */

typedef struct {
    int loops;
    int64_t objective_ns;
    double objective_ratio; /* 0.99: one in a hundred may be bad */
    const route *routes;    /* [n_routes], outlives the monitor */
    int n_routes;
    bool (*computes)(const route *r); /* is the SLO about it?  routes_compute() */
} monitor_options;
typedef struct monitor monitor;

/* BAD_INPUT: a loop too few, an objective that is none, more endpoints than there is room for. */
status monitor_open(monitor **opened, monitor_options o, error *err);
void monitor_close(monitor *m); /* NULL is fine */
/* As http_limits.ended: the loop's thread.  The record's times are settled. */
void monitor_ended(monitor *m, int loop, const call_record *r);
/* Every second or so, always by the same thread. */
void monitor_tick(monitor *m, int64_t now_ns);

/* Any thread, from here on.  An endpoint is a POST route of the table, or the last: all others together. */
int monitor_endpoints(const monitor *m);
const char *monitor_endpoint(const monitor *m, int endpoint); /* "/embed", ..., "other" */
const int64_t *monitor_edges_ns(const monitor *m);            /* [MONITOR_EDGES], ascending */

typedef struct {
    int64_t count[MONITOR_EDGES + 1]; /* count[i]: <= edge i and above the one before; the last: more */
    double sum_s;
} monitor_durations;
typedef struct {
    int64_t requests[MONITOR_ENDPOINTS_MAX][MONITOR_CODES];
    int64_t failures[FAILURES];
    int64_t good, bad; /* of the SLO */
    /* Of routes that compute: what came in to be computed, and what of it was refused or given up for want of time or
     * room.  Refused before they were counted, tokens are estimated from the text's bytes. */
    int64_t tokens_accepted, tokens_shed;
    /* Of those that were answered with 2xx. */
    int64_t sequences, tokens, request_tokens[MONITOR_TOKEN_EDGES + 1]; /* <= 2^i; the last: more */
    monitor_durations stages[STAGES];
    monitor_durations durations[MONITOR_ENDPOINTS_MAX]; /* of every request that was answered */
} monitor_sum;
void monitor_add_up(const monitor *m, monitor_sum *sum);
/* Adds the durations of the last `seconds`: of requests that count for the SLO and were not refused at the door (429,
 * 503), whose quick no would hide how long the others wait. */
void monitor_window(const monitor *m, int64_t now_ns, int seconds, histogram_sum *into);
/* The quantiles of each window; a millisecond's work, so that it is done once a second, however many ask. */
void monitor_lately(monitor *m, int64_t now_ns, int64_t took_ns[MONITOR_WINDOWS][MONITOR_QUANTILES]);
/* Share of bad over the share allowed, over the last 5 min, 1 h, 6 h before the last tick; 0 when nothing came. */
void monitor_burn(const monitor *m, double rate[MONITOR_BURN_WINDOWS]);
/* Tokens that came in each second, accepted or not, over the last 10 to 20 s before the last tick. */
double monitor_offered_per_s(const monitor *m);

typedef struct {
    int64_t ended_ns;
    call_record record;
} monitor_slow;
/* The slowest of each of the last MONITOR_SLOWEST seconds that had one, newest first; returns how many, at most cap.
 * Of the same requests as monitor_window(). */
int monitor_slowest(monitor *m, int64_t now_ns, monitor_slow *slow, int cap);
#endif
