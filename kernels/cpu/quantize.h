/* quantize.h - rows of activations as bytes, each row with its scale: what gemm_int8.h multiplies.
 *
 *     scale = largest |x| / 127        byte = x / scale, to nearest even, + 128        x = (byte - 128) * scale, nearly
 *
 * A row has depth = gemm_int8_depth(K) bytes; those beyond K are 128, which is 0.  A row of zeros, or of numbers so
 * small (below 1e-36) that 127 / largest has no float, has scale 0; a row with NaN or infinity has scale NaN: its
 * product is NaN and no other row's is. Every kernel writes the same bits.  Pure functions on memory that the caller
 * owns; any number of threads may work on disjoint rows. */
#ifndef KERNELS_CPU_QUANTIZE_H
#define KERNELS_CPU_QUANTIZE_H
#include <stddef.h>
#include <stdint.h>

typedef struct {
    int M, K;
    const float *x;              /* [M,K], or NULL */
    const uint16_t *x16;         /* [M,K] bfloat16, where x is NULL */
    uint8_t *out;                /* [M, depth] */
    float *scale;                /* [M] */
    size_t x_stride, out_stride; /* elements from row to row */
} quantize;

/* The truth: one loop. */
void quantize_plain(const quantize *q);

/* Rows row0..row1. */
typedef void quantize_rows(const quantize *q, int row0, int row1);
quantize_rows quantize_portable, quantize_avx2, quantize_avx512;
#endif
