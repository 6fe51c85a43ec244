/* load_latency.h - how long many requests took: buckets of 1.6 % from 1 us to 67 s, and the longest to the nanosecond.
 */
#ifndef BENCH_LOAD_LATENCY_H
#define BENCH_LOAD_LATENCY_H
#include "runtime/base/histogram.h"

typedef struct {
    histogram_sum sum;
    int64_t longest_ns;
} load_latency; /* {0} is empty; 13 KiB */
typedef struct {
    double low, high;
} load_bounds;

void load_latency_record(load_latency *l, int64_t ns);
void load_latency_add(load_latency *into, const load_latency *l);

/* The q-quantile in milliseconds, or NAN where n (1 - q) < 10: fewer than ten samples lie beyond it.  q 1: the longest.
 */
double load_quantile_ms(const load_latency *l, double q);
/* Samples that the q-quantile needs. */
int64_t load_quantile_needs(double q);

/* What chance makes of a figure: two of them whose bounds do not meet differ by more than three standard errors.
 * The quantile's in milliseconds, by the ranks beside its own; that of a count n of independent events. */
load_bounds load_quantile_bounds_ms(const load_latency *l, double q);
/* The same where samples that follow each other are alike, as in a queue: wander is the standard error of such a
 * quantile in milliseconds, as it was observed.  The wider bounds count. */
load_bounds load_wandering_bounds_ms(const load_latency *l, double q, double wander);
load_bounds load_count_bounds(double n);
#endif
