/* kernels_low.h - the kernels of the CPU's lower precisions, as kernels.c does those of float32. */
#ifndef BENCH_KERNELS_LOW_H
#define BENCH_KERNELS_LOW_H
#include "bench.h"
#include "kernels/cpu/kernels.h"
#include "runtime/backend/workers.h"

/* Those of k that no lesser set has.  0, or 1 where one is wrong. */
int kernels_low_run(const kernels *k, const bench_options *o, workers *w);
#endif
