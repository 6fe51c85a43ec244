/* load_schedule.h - when requests are due: one list for all connections, made before the first is sent.
 *
 * The same arguments give the same list, and nothing that happens during a run changes it: who is late stays late. */
#ifndef BENCH_LOAD_SCHEDULE_H
#define BENCH_LOAD_SCHEDULE_H
#include <stdint.h>
#include "runtime/base/status.h"

enum { LOAD_REQUESTS_MAX = 10000000 };
typedef enum { LOAD_FIXED, LOAD_POISSON, LOAD_BURST, LOAD_REPLAY, LOAD_CLOSED } load_arrivals;
typedef struct {
    double ratio;
    int64_t each_ns;
} load_burst;
typedef struct {
    int64_t *at_ns; /* [n], since the start, never falling, all within the duration */
    int *tokens;    /* [n] of the requests' texts; NULL: it says nothing of them */
    int n;
} load_schedule;

/* LOAD_FIXED or LOAD_POISSON.  BAD_INPUT: nothing is due in that time, or more than LOAD_REQUESTS_MAX. */
status load_schedule_open(load_schedule *out, load_arrivals arrivals, double rate, int64_t duration_ns, uint64_t seed,
                          error *err);
/* LOAD_BURST: Poisson arrivals whose rate alternates: for burst.each_ns it is burst.ratio times what it is for the
 * burst.each_ns of calm that follow, from the start on.  `rate` is the mean of the two, which the burst exceeds
 * 2 ratio / (1 + ratio) times. */
status load_schedule_bursts(load_schedule *out, load_burst burst, double rate, int64_t duration_ns, uint64_t seed,
                            error *err);
void load_schedule_close(load_schedule *s);

/* What else chance decides about a request: each in [0, 1), of the seed alone. */
typedef enum { LOAD_GAP, LOAD_BODY, LOAD_LEAVES, LOAD_LEAVES_AFTER } load_choice;
double load_chance(uint64_t seed, load_choice what, int request);
#endif
