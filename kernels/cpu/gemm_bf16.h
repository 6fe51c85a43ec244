/* gemm_bf16.h - the product of a version in bfloat16: c = activation(a b + bias + residual), sums in float32.
 *
 * a is bfloat16 with rows padded to gemm_bf16_depth(K) numbers, zeros, which are read.  b is packed once, at load, into
 * panels of 16 columns, two k of one column side by side:
 *
 *     weight [N,K], rounded to nearest even  ->  panel [depth/2][16][2]
 *
 * which is a register of vdpbf16ps, and 16 of them in a row are a tile of tdpbf16ps.  Beyond K and N are zeros.
 * Each element of c is summed in an order that is its set's, whatever M is and wherever its row stands in a tile: a row's
 * result does not depend on its batch mates.  The instructions of bfloat16 take subnormal numbers for zero.
 * Pure functions on memory that the caller owns; any number of threads may work on disjoint parts of c. */
#ifndef KERNELS_CPU_GEMM_BF16_H
#define KERNELS_CPU_GEMM_BF16_H
#include <stddef.h>
#include <stdint.h>
#include "gemm.h"

typedef struct {
    int             M, K, N;
    const uint16_t *a;        /* [M,depth] */
    const uint16_t *b;        /* packed */
    const float    *bias;     /* [N], or NULL */
    const float    *residual; /* [M,N], or NULL; may be c itself */
    float          *c;        /* [M,N], or NULL; only residual may overlap it */
    uint16_t       *c16;      /* [M,N] bfloat16, to nearest even, where c is NULL; below 2^-126 perhaps 0 */
    size_t          a_stride, residual_stride, c_stride; /* elements from row to row; a_stride >= depth */
    gemm_activation activation;
} gemm_bf16;

/* K in whole steps of a tile of tdpbf16ps. */
static inline int gemm_bf16_depth(int K) { return (K + 31) / 32 * 32; }

size_t   gemm_bf16_packed_halves(int K, int N);
/* Writes columns first .. first+N of a packed matrix, whose memory was zeros: query, key and value become one. */
void     gemm_bf16_pack(uint16_t *packed, const float *weight /* [N,K] */, int K, int N, int first);
uint16_t bfloat16_of(float x); /* to nearest even; NaN stays NaN */
float    bfloat16_float(uint16_t x);

/* The truth: one loop in float64 over a and the packed weight. */
void gemm_bf16_plain(const gemm_bf16 *g);

/* Rows row0..row1 and panels panel0..panel1 of c.  gemm_bf16_amx wants amx_permitted(), see amx.h. */
typedef void gemm_bf16_part(const gemm_bf16 *g, int row0, int row1, int panel0, int panel1);
gemm_bf16_part gemm_bf16_portable, gemm_bf16_avx2, gemm_bf16_avx512, gemm_bf16_avx512bf16, gemm_bf16_amx;
#endif
