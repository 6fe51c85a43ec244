/* norm.h - what is done to one row at a time: LayerNorm, and the embedding that ends in one.
 *
 * out = (x - mean) / sqrt(variance + eps) * gamma + beta, the variance over H, not H - 1.  Two passes, not
 * E[x^2] - E[x]^2: that form loses the variance when |mean| is large beside it, and the row is in L1 anyway. */
#ifndef KERNELS_CPU_NORM_H
#define KERNELS_CPU_NORM_H
#include <stddef.h>
#include <stdint.h>

typedef struct {
    const float *in;  /* [T,H] */
    float       *out; /* [T,H]; may be in */
    size_t       in_stride, out_stride; /* floats from row to row */
    int          hidden;
    const float *gamma, *beta; /* [H] */
    float        eps;
} layer_norm;

typedef struct {
    const int32_t *ids, *positions;        /* [T] */
    const int8_t  *types;                  /* [T], or NULL: all 0 */
    const float   *word, *position, *type; /* [vocab,H], [positions,H], [types,H] */
    layer_norm     norm;                   /* in and out are the same rows */
} embed;

void layer_norm_plain(const layer_norm *l, int row0, int row1); /* the truth, in float64 */
void embed_plain(const embed *e, int row0, int row1);

typedef void layer_norm_rows(const layer_norm *l, int row0, int row1);
typedef void embed_rows(const embed *e, int row0, int row1);
layer_norm_rows layer_norm_portable, layer_norm_avx2, layer_norm_avx512;
embed_rows      embed_portable, embed_avx2, embed_avx512;
#endif
