/* monitor.h - what the service has done, as its clients saw it: counts, durations, stages, windows, the slowest, the
 * SLO.
 *
 * Each loop of the public port writes a part of its own, without locks; readers add the parts.  The SLO's history is
 * kept by the one thread that ticks. */
#ifndef SERVER_MONITOR_H
#define SERVER_MONITOR_H
#include "http.h"
#include "runtime/base/window.h"

enum {
    MONITOR_EDGES = 31 /* 30 x1.5 from 100 us to 12.8 s, and the objective */,
    MONITOR_ENDPOINTS_MAX = 24,
    MONITOR_CODES_MAX = 32,
    MONITOR_TOKEN_EDGES = 16,
    MONITOR_SLOWEST = 60 /* seconds whose slowest request is told */,
    MONITOR_BURN_WINDOWS = 3
};

typedef struct {
    int loops;
    int64_t objective_ns;
    double objective_ratio;
    const route *routes;
    int n_routes;
} monitor_options;
typedef struct monitor monitor;

status monitor_open(monitor **out, monitor_options o, error *err);
void monitor_close(monitor *m); /* NULL is fine */
/* As http_limits.ended: the loop's thread. */
void monitor_ended(monitor *m, int loop, const call_record *r);
/* Every second or so, always by the same thread. */
void monitor_tick(monitor *m, int64_t now_ns);
/* tokens of a request that was refused before they were counted are estimated from its bytes. */

typedef struct {
    int64_t ended_ns;
    call_record record;
} monitor_slow;

/* Any thread.  An endpoint is a POST route of the table, or the last: all others together. */
int monitor_endpoints(const monitor *m);
const char *monitor_endpoint(const monitor *m, int endpoint); /* "/embed", ..., "other" */
typedef struct {
    int64_t count[MONITOR_EDGES + 1], n;
    double sum_s;
} monitor_durations; /* count[i]: <= edge i and above the one before; the last: more */
typedef struct {
    int codes[MONITOR_CODES_MAX], n_codes; /* that were ever answered, ascending */
    int64_t requests[MONITOR_ENDPOINTS_MAX][MONITOR_CODES_MAX];
    int64_t failures[FAILURES];
    int64_t good, bad; /* of the SLO */
    int64_t tokens_accepted, tokens_shed;
    int64_t sequences, tokens;                       /* answered with 2xx */
    int64_t request_tokens[MONITOR_TOKEN_EDGES + 1]; /* <= 2^i; the last: more */
    monitor_durations durations[MONITOR_ENDPOINTS_MAX], stages[STAGES];
} monitor_sum;
void monitor_add_up(const monitor *m, monitor_sum *out);
const double *monitor_edges_s(const monitor *m); /* [MONITOR_EDGES], ascending */
void monitor_window(const monitor *m, int64_t now_ns, int seconds,
                    histogram_sum *out); /* of requests that count for the SLO */
/* Share of bad over the share allowed, over the last 5 min, 1 h, 6 h; 0 when nothing came. */
void monitor_burn(const monitor *m, double out[MONITOR_BURN_WINDOWS]);
/* The slowest request of each of the last seconds that had one, newest first; returns how many. */
int monitor_slowest(const monitor *m, int64_t now_ns, monitor_slow *out, int cap);
#endif
