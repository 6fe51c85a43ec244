/* load_hist.h - latencies as HdrHistogram writes them (.hgrm), in milliseconds, for its plotter and whatever reads it.
 *
 *          Value     Percentile TotalCount 1/(1-Percentile)
 *
 *          1.023 0.500000000000       5123           2.00
 *          ...
 *   #[Mean    =        1.187, StdDeviation   =        0.312]
 *
 * Five steps for each halving of what lies beyond, up to the last sample.  A value is the highest of its bucket, at
 * most 1.6 % above what was measured, and never above the longest, which is exact. */
#ifndef BENCH_LOAD_HIST_H
#define BENCH_LOAD_HIST_H
#include <stdio.h>
#include "load_latency.h"
#include "runtime/base/status.h"

void load_hist_print(FILE *f, const load_latency *l);
status load_hist_write(const load_latency *l, const char *file, error *err);
#endif
