/* attention_bf16.h - attention.h on rows of bfloat16, for versions of low precision.
 *
 * Scores, their exponentials and all sums are float32; a weight is rounded to bfloat16 before its product with a value,
 * and the sum that divides is the rounded weights' own, so that they add up to 1.  The output is rounded once.
 *
 * As in attention.h, but one call does some queries of several heads of one sequence: a head of 16 tokens takes a fifth
 * of a microsecond, and to take and give back the processor's tiles half of that.  A query's result depends on its own
 * sequence only, bit for bit, and NaN in a row comes out as NaN.  Sets of kernels differ in the last place. */
#ifndef KERNELS_CPU_ATTENTION_BF16_H
#define KERNELS_CPU_ATTENTION_BF16_H
#include <stdint.h>
#include "attention.h"

typedef struct {
    const uint16_t *qkv;           /* [T,3H] */
    uint16_t *out;                 /* [T,H] */
    size_t qkv_stride, out_stride; /* elements from row to row */
    int heads, width;              /* N, D */
} attention_bf16;

typedef struct {
    int first, n; /* the sequence: rows first .. first+n */
    int head0, head1;
    int query0, query1; /* within the sequence */
} attention_bf16_part;

/* What one thread needs for sequences of up to n tokens, on a boundary of 64 bytes; enough for every set. */
size_t attention_bf16_scratch_bytes(int n, int width);

void attention_bf16_plain(const attention_bf16 *a, int first, int n); /* the truth: float64, rounded at the end */

typedef void attention_bf16_run(const attention_bf16 *a, attention_bf16_part part, void *scratch);
attention_bf16_run attention_bf16_portable, attention_bf16_avx2, attention_bf16_avx512, attention_bf16_avx512bf16;
attention_bf16_run attention_bf16_amx; /* where amx_permitted() */
#endif
