/* peak.h - what this machine can do at most: multiply-adds a second of a set of kernels at a precision, measured in the
 * same run as what is divided by it, because a shared or throttled machine has another peak every minute. */
#ifndef BENCH_PEAK_H
#define BENCH_PEAK_H
#include "kernels/cpu/kernels.h"
#include "runtime/backend/workers.h"

typedef struct { double one, all; } peak; /* 10^9 operations/s of one core, and of every worker at once */

/* With the instruction that this set's products use at this precision ("float32", "bfloat16", "int8"): a loop of it that
 * touches no memory.  A set without one of its own for a precision is measured with that of what it does instead. */
peak peak_measure(const kernels *k, const char *precision, workers *w);
#endif
