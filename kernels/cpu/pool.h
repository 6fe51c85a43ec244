/* pool.h - a sequence's tokens -> one row: first, largest, mean..., several side by side; then length 1 if asked.
 *
 * Sums are kept in float64: the pass is bound by memory, and a mean over 512 tokens should cost no precision.
 * One loop for every instruction set: the compiler vectorises it, and it is a thousandth of the work. */
#ifndef KERNELS_CPU_POOL_H
#define KERNELS_CPU_POOL_H
#include <stddef.h>
#include <stdint.h>

enum { /* concatenated in this order */
    POOLING_CLS = 1, POOLING_MAX = 2, POOLING_MEAN = 4, POOLING_MEAN_SQRT_LEN = 8, POOLING_WEIGHTED_MEAN = 16,
    POOLING_LAST = 32, POOLING_ALL = 63,
};

typedef struct {
    const float   *in;     /* [T,H] */
    size_t         in_stride;
    const int32_t *starts; /* [S+1] */
    const uint8_t *normalize; /* [S]: 1 for x / max(|x|, 1e-12) */
    float         *out;    /* [S, H x number of poolings] */
    int            hidden, poolings; /* POOLING_* bits */
} pool;

void pool_plain(const pool *p, int sequence0, int sequence1); /* the truth */

typedef void pool_sequences(const pool *p, int sequence0, int sequence1);
pool_sequences pool_portable;
#endif
