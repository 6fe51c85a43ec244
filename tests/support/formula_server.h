/* formula_server.h - load runs that take no time: what a queue of one server would have answered, by its formula. */
#ifndef TESTS_SUPPORT_FORMULA_SERVER_H
#define TESTS_SUPPORT_FORMULA_SERVER_H
#include "bench/load_run.h"

/* Rates in requests/s, INFINITY: never.  A run is exact: its latencies are the quantiles of 1 / (capacity - rate). */
typedef struct {
    double capacity;             /* of a closed loop, whatever its connections */
    double noise;                /* of a run's latencies, as a share, by its seed */
    double refuses_from;         /* beyond it, a hundredth */
    double unsteady_from;        /* beyond it, the run is not steady */
    double late_from, busy_from; /* beyond them the client is */
} formula_server;
extern const formula_server formula_server_good; /* 1000/s, and nothing ever goes wrong */

enum { FORMULA_RUNS_MAX = 1000 };
/* Of each run so far: the plan's. */
typedef struct {
    int n;
    struct {
        int port, connections;
        double rate;
        int64_t duration_ns, warmup_ns;
        uint64_t seed;
        load_arrivals arrivals;
    } at[FORMULA_RUNS_MAX];
} formula_runs;
extern formula_runs formula_made;

/* From now on: whoever is at `port`; 0: whoever is at none of the others.  Forgets the runs. */
void formula_server_set(int port, const formula_server *s);
/* A load_runner.  UNAVAILABLE at port 1. */
status formula_server_run(load_outcome *out, const load_plan *p, error *err);
#endif
