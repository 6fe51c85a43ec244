/* attention.h - softmax(q k' / sqrt(D)) v over sequences laid end to end, no mask and no padding.
 *
 * One call does one head of one sequence, for some of its queries, so that a caller can deal the work to threads as
 * it likes.  Keys and values are read where they lie, or copied to the scratch where that is quicker.
 *
 *     qkv row t: | q of head 0 .. N-1 | k of head 0 .. N-1 | v of head 0 .. N-1 |     each head D wide, H = N x D
 *
 * A query's result depends on its own sequence only, bit for bit.  NaN in a row comes out as NaN. */
#ifndef KERNELS_CPU_ATTENTION_H
#define KERNELS_CPU_ATTENTION_H
#include <stddef.h>

typedef struct {
    const float *qkv; /* [T,3H] */
    float       *out; /* [T,H] */
    size_t       qkv_stride, out_stride; /* floats from row to row */
    int          heads, width;           /* N, D */
} attention;

typedef struct {
    int first, n;       /* the sequence: rows first .. first+n */
    int head;
    int query0, query1; /* within the sequence */
} attention_part;

/* Floats that one thread needs for sequences of up to n tokens. */
size_t attention_scratch_floats(int n, int width);

void attention_plain(const attention *a, int first, int n); /* the truth: float64, every head and query */

typedef void attention_run(const attention *a, attention_part part, float *scratch);
attention_run attention_portable, attention_avx2, attention_avx512;

enum { ATTENTION_QUERIES = 32 }; /* the most queries whose scores are alive at once: two registers of AVX-512 */
#endif
