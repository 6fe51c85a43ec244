/* simulation_traffic.h - what a simulated fleet is asked: when requests are due, and the tokens of their inputs.
 *
 * It is the very schedule and the very texts' lengths that `load` sends with the same words, so that a simulation and a
 * measurement can be laid side by side. */
#ifndef BENCH_SIMULATION_TRAFFIC_H
#define BENCH_SIMULATION_TRAFFIC_H
#include <stdbool.h>
#include "load_schedule.h"

typedef struct {
    double rate;                 /* requests/s; a replay goes faster or slower to have it */
    int64_t duration_ns;         /* of the schedule; of a replay at its own pace */
    load_arrivals arrivals;      /* but LOAD_CLOSED, which has no schedule */
    load_burst burst;            /* LOAD_BURST */
    const load_schedule *replay; /* LOAD_REPLAY; its tokens, where it has them, are those of the texts */
    const int *lengths;          /* [n_lengths] tokens of the texts, in turn */
    int n_lengths, inputs;       /* texts of a request */
    int longest;                 /* what is longer is cut, as the server does */
    double length_factor;        /* 1: as they are */
    uint64_t seed;
} simulation_mix;

typedef struct {
    int64_t *at_ns; /* [n] */
    int32_t *body;  /* [n]: of a request */
    int n;
    int64_t duration_ns;
    int32_t *starts; /* [n_bodies, inputs + 1]: of a body's texts, end to end, from 0 */
    int n_bodies, inputs;
    double mean_tokens; /* of a request, over the bodies */
} simulation_traffic;

/* BAD_INPUT as load_schedule_open(). */
status simulation_traffic_open(simulation_traffic *out, const simulation_mix *m, error *err);
void simulation_traffic_close(simulation_traffic *t); /* {0} is fine */
#endif
