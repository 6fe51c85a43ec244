/* knee.h - the highest rate of Poisson arrivals at which an objective holds, found by sending it.
 *
 * Requests of one sequence, log-normal lengths of 100 tokens in the mean, go through a batcher and an executor of their
 * own in real time; a request's time runs from when it should have been sent until its rows are there.  First the
 * device is kept full, then requests go one at a time, then rates are bisected, and the best one has to hold once more.
 */
#ifndef RUNTIME_SERVE_KNEE_H
#define RUNTIME_SERVE_KNEE_H
#include "executor.h"

typedef struct {
    int64_t full_ns, alone_ns; /* how long each is looked at */
    int64_t least_ns, most_ns; /* of one rate: within them until `tail` requests may lie beyond the quantile */
    int tail;
    int64_t search_ns; /* no further rate is tried after this; the confirmation follows */
} knee_pace;

typedef struct {
    policy_limits limits; /* objective_ns is the objective's */
    double ratio;         /* of all requests within it */
    const service_table *service;
    executor_options executor;
    knee_pace pace;
    void (*note)(const char *line); /* what was measured so far, for whoever waits */
} knee_plan;

typedef struct {
    double saturated_tokens_per_s;
    double requests_per_s, tokens_per_s; /* 0: it does not hold at any rate worth the name */
    double p50_ms, p99_ms;               /* at that rate; with 0 of a request alone */
} knee;

/* The active version is used by nobody else meanwhile.  The device's failure, NO_MEMORY; after GPU_LOST neither the device nor
 * a thread that is in it may ever return. */
status knee_find(knee *out, versions *vs, const knee_plan *plan, error *err);
#endif
