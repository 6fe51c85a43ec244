/* kernel_sets.h - runs a check on every set of kernels that this machine can run, and says which ones it skipped. */
#ifndef TESTS_SUPPORT_KERNEL_SETS_H
#define TESTS_SUPPORT_KERNEL_SETS_H
#include "kernels/cpu/kernels.h"

void kernel_sets_each(void (*check)(const kernels *k));

/* n floats in [-1, 1), the same for the same seed; exactly n, so that a sanitizer sees one too many.  free() it. */
float *random_floats(size_t n, unsigned seed);
#endif
