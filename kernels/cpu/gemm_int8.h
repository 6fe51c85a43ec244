/* gemm_int8.h - the product in whole numbers: c = activation(a b + bias + residual), a and b int8.
 *
 *     c[m,n] = activation((float)sum * a_scale[m] * b_scale[n] + bias[n] + residual[m,n])
 *     sum    = (a[m,0] - 128) w[0,n] + ... + (a[m,K-1] - 128) w[K-1,n]
 *
 * The sum is exact: no step of any kernel saturates or rounds, so all kernels have the same sums, in whatever order
 * they add them up; the rest is fp32 in one order.  A scale that is NaN (see quantize.h) makes its own row of c NaN and
 * touches no other.
 *
 * a is unsigned, value + 128, because vpdpbusd multiplies unsigned by signed bytes; 128 times the sum of a column's
 * weights, counted too much, is taken off through `start`.  Rows of a are padded to gemm_int8_depth(K) bytes, which are
 * read and multiplied by zeros.  b is packed once, at load, into panels of 16 columns:
 *
 *     weight [N,K] -> w, its scale [N] -> panel [depth/4][16][4] int8: four k of one column side by side
 *
 * which is a register of vpdpbusd, and 16 of them in a row are a tile of tdpbusd.  Columns of the last panel beyond N
 * are zeros.  Pure functions on memory that the caller owns; any number of threads may work on disjoint parts of c. */
#ifndef KERNELS_CPU_GEMM_INT8_H
#define KERNELS_CPU_GEMM_INT8_H
#include <stddef.h>
#include <stdint.h>
#include "gemm.h"

/* 255 * 127 * K stays an int32. */
enum { GEMM_INT8_MAX_K = 65536 };

/* One weight, packed; columns are whole panels. */
typedef struct {
    int8_t *panels; /* gemm_int8_packed_bytes(K, N), at a multiple of 64 */
    int32_t *start; /* [columns]: -128 * the sum of the column's weights */
    float *scale;   /* [columns]: largest |w| / 127 */
} gemm_int8_weight;

typedef struct {
    int M, K, N;
    const uint8_t *a;     /* [M, depth], value + 128 */
    const float *a_scale; /* [M] */
    gemm_int8_weight b;
    const float *bias;                          /* [N], or NULL */
    const float *residual;                      /* [M,N], or NULL; may be c itself */
    float *c;                                   /* [M,N], or NULL; only residual may overlap it */
    uint16_t *c16;                              /* [M,N] bfloat16, nearest even, where c is NULL; below 2^-126 perhaps 0 */
    size_t a_stride, residual_stride, c_stride; /* elements from row to row; a_stride >= depth */
    gemm_activation activation;
} gemm_int8;

/* K in whole steps of a tile of tdpbusd. */
static inline int gemm_int8_depth(int K) { return (K + 63) / 64 * 64; }
static inline int gemm_int8_columns(int N) { return gemm_panels(N) * GEMM_PANEL; }

size_t gemm_int8_packed_bytes(int K, int N);
/* Writes columns first .. first+N of a packed matrix, whose memory was zeros: query, key and value become one.  Rounds
 * to nearest even; a column of zeros has scale 0, one that is not finite scale NaN. */
void gemm_int8_pack(gemm_int8_weight *packed, const float *weight /* [N,K] */, int K, int N, int first);

/* The truth: whole numbers one by one, then float64. */
void gemm_int8_plain(const gemm_int8 *g);

/* Rows row0..row1 and panels panel0..panel1 of c.  gemm_int8_amx wants amx_permitted(), see amx.h. */
typedef void gemm_int8_part(const gemm_int8 *g, int row0, int row1, int panel0, int panel1);
gemm_int8_part gemm_int8_portable, gemm_int8_avx2, gemm_int8_avx512vnni, gemm_int8_amx;
#endif
