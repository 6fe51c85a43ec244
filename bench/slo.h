/* slo.h - what is asked of a server's latencies: "p99<=10ms". */
#ifndef BENCH_SLO_H
#define BENCH_SLO_H
#include "runtime/base/status.h"

typedef struct {
    const char *percentile; /* "p99" */
    double q, most_ms;      /* 0.99 of the requests within it */
} slo;

/* BAD_INPUT: with what was seen of "pNN<=TIME", NN one of 50, 90, 99, 99.9, and a time of 10us to 60s. */
status slo_read(slo *out, const char *text, error *err);
#endif
