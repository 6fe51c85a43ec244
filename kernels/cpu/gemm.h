/* gemm.h - the product behind every dense layer: c = activation(a b + bias + residual).
 *
 * a [M,K] and c [M,N] are row-major with a stride; b is packed once, at load, into panels of 16 columns, each
 * [K,16], so that a micro-kernel reads it in one line:
 *
 *     weight [N,K] as in the file  ->  panel 0: columns 0..15 | panel 1: 16..31 | ... the last one filled with zeros
 *
 * One layout serves every instruction set.  Each element of c is summed over k in order, whatever M is and wherever
 * its row stands in a tile: a row's result does not depend on its batch mates.
 * Pure functions on memory that the caller owns; any number of threads may work on disjoint parts of c. */
#ifndef KERNELS_CPU_GEMM_H
#define KERNELS_CPU_GEMM_H
#include <stddef.h>

enum { GEMM_PANEL = 16 };

typedef enum { GEMM_LINEAR, GEMM_GELU, GEMM_GELU_TANH, GEMM_RELU } gemm_activation;

typedef struct {
    int             M, K, N;
    const float    *a; /* [M,K] */
    const float    *b; /* packed */
    const float    *bias;     /* [N], or NULL */
    const float    *residual; /* [M,N], or NULL; may be c itself */
    float          *c;        /* [M,N]; only residual may overlap it */
    size_t          a_stride, residual_stride, c_stride; /* floats from row to row */
    gemm_activation activation;
} gemm;

static inline int gemm_panels(int N) { return (N + GEMM_PANEL - 1) / GEMM_PANEL; }

size_t gemm_packed_floats(int K, int N);
/* Writes columns first .. first+N of a packed matrix with `panels` x 16 columns; query, key and value become one. */
void gemm_pack(float *packed, const float *weight /* [N,K] */, int K, int N, int first);

/* The truth: one loop in float64 over the unpacked weight; g->b is not read. */
void gemm_plain(const gemm *g, const float *weight /* [N,K] */);

/* Rows row0..row1 and panels panel0..panel1 of c. */
typedef void gemm_part(const gemm *g, int row0, int row1, int panel0, int panel1);
gemm_part gemm_portable, gemm_avx2, gemm_avx512;
#endif
