#include "kernel_sets.h"
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

void kernel_sets_each(void (*check)(const kernels *k))
{
    for (int i = 0; i < kernels_count(); i++) {
        if (kernels_runs_here(kernels_at(i))) check(kernels_at(i));
        else printf(" (%s skipped: this machine lacks the instructions)", kernels_at(i)->name);
    }
}

float *random_floats(size_t n, unsigned seed)
{
    float   *p = malloc(n * sizeof *p);
    uint64_t state = seed + 1;
    for (size_t i = 0; i < n; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        p[i] = (float)(state >> 40) / (float)(1 << 23) - 1;
    }
    return p;
}
