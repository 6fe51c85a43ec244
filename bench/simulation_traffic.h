/* simulation_traffic.h - what a simulated fleet is asked: when requests are due, and the tokens of their inputs.
 *
 * Rates and seeds give the very schedule and the very texts' lengths that `load` sends, so that a simulation and a
 * measurement can be laid side by side.  Bursts alternate between two rates, each for a time of exponential length. */
#ifndef BENCH_SIMULATION_TRAFFIC_H
#define BENCH_SIMULATION_TRAFFIC_H
#include <stdbool.h>
#include "load_schedule.h"

/* What a recorded workload asks: a request a row. */
typedef struct {
    int64_t *at_ns; /* [n], from 0, never falling */
    int *first;     /* [n + 1] into tokens: of a row's inputs */
    int *tokens;
    int n;
} simulation_record;

typedef struct {
    double rate;                     /* requests/s; a record is played faster or slower to have it */
    int64_t duration_ns;             /* of the schedule; a record's is its own */
    load_arrivals arrivals;          /* unless it bursts or plays a record */
    double burst_ratio;              /* of the two rates; 0: no bursts */
    int64_t burst_ns;                /* how long one of them lasts, in the mean */
    const simulation_record *record; /* NULL: none.  Without rows of tokens (first NULL) only the times are its own */
    const int *lengths;              /* [n_lengths] tokens of the texts, in turn */
    int n_lengths, inputs;           /* texts of a request */
    int longest;                     /* what is longer is cut, as the server does */
    double length_factor;            /* 1: as they are */
    uint64_t seed;
} simulation_mix;

typedef struct {
    int64_t *at_ns; /* [n] */
    int32_t *body;  /* [n]: of a request */
    int n;
    int64_t duration_ns;
    int32_t *starts; /* body b, of `inputs` texts end to end: starts[first[b]] == 0 .. starts[first[b + 1] - 1] */
    int *first;      /* [n_bodies + 1] */
    int n_bodies;
    double mean_tokens, mean_inputs; /* of a request, over the bodies */
} simulation_traffic;

/* BAD_INPUT as load_schedule_open(). */
status simulation_traffic_open(simulation_traffic *out, const simulation_mix *m, error *err);
void simulation_traffic_close(simulation_traffic *t); /* {0} is fine */
#endif
