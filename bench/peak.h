/* peak.h - what this machine can do at most: fp32 multiply-adds a second, measured in the same run as what is divided
 * by it, because a shared or throttled machine has another peak every minute. */
#ifndef BENCH_PEAK_H
#define BENCH_PEAK_H
#include "kernels/cpu/kernels.h"
#include "runtime/backend/workers.h"

typedef struct { double one, all; } peak; /* GFLOP/s of one core, and of every worker at once */

/* With the registers of this set of kernels; the best of a few tenths of a second. */
peak peak_measure(const kernels *k, workers *w);
#endif
