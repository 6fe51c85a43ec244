/* lanes_int8.h - what a product in whole numbers wants of a register beyond lanes.h.  lanes_int8_avx2.h and its like give:
 *
 *     of_ints(p)              LANES int32 as floats
 *     load_bf16_n, store_bf16_n   the first n bfloat16 only; stores round to nearest even, and NaN stays NaN
 *     larger(most, x)         per lane the larger magnitude; compared as bits, so that NaN and infinity are the largest
 *     largest_bits(most)      the bits of the largest lane
 *     store_bytes(p, x)       x[0..4) rounded to nearest even, + 128, as 4 * LANES bytes
 *
 * Below is the end of every product: whole sums become c. */
#ifndef KERNELS_CPU_LANES_INT8_H
#define KERNELS_CPU_LANES_INT8_H
#include "gemm_int8.h"
#include "lanes.h"

enum { INT8_SUMS = 4 * GEMM_PANEL }; /* from row to row of a tile of sums */

#define ALWAYS_INLINE static inline __attribute__((always_inline))

ALWAYS_INLINE lanes int8_activate(lanes x, const gemm_activation activation)
{
    if (activation == GEMM_GELU) return lanes_gelu(x);
    if (activation == GEMM_GELU_TANH) return lanes_gelu_tanh(x);
    return activation == GEMM_RELU ? lanes_max(lanes_set(0), x) : x;
}

ALWAYS_INLINE void int8_store_as(const gemm_int8 *g, int row, int rows, int column, int columns, const int32_t *sums,
                                 const gemm_activation activation)
{
    for (int n = 0; n < columns; n += LANES) {
        const int   left = columns - n;
        const lanes scale = lanes_load(g->b.scale + column + n);
        const lanes bias = g->bias ? lanes_load_n(g->bias + column + n, left) : lanes_set(0);
        for (int r = 0; r < rows; r++) {
            const size_t at = (size_t)(row + r) * g->c_stride + (size_t)(column + n);
            const lanes  sum = lanes_of_ints(sums + r * INT8_SUMS + n);
            lanes        x = lanes_fma(lanes_mul(sum, lanes_set(g->a_scale[row + r])), scale, bias);
            if (g->residual)
                x = lanes_add(x, lanes_load_n(g->residual + (size_t)(row + r) * g->residual_stride + column + n, left));
            x = int8_activate(x, activation);
            if (g->c) lanes_store_n(g->c + at, x, left);
            else lanes_store_bf16_n(g->c16 + at, x, left);
        }
    }
}

/* The sums of a tile [rows, INT8_SUMS], whose first column is `panel`'s; they lie in L1.  Apart and never inlined: one
 * copy for every size of a tile. */
__attribute__((noinline)) static void int8_store(const gemm_int8 *g, int row, int rows, int panel, int panels,
                                                 const int32_t *sums)
{
    const int column = panel * GEMM_PANEL, whole = panels * GEMM_PANEL;
    const int columns = g->N - column < whole ? g->N - column : whole;
    switch (g->activation) {
    case GEMM_LINEAR: int8_store_as(g, row, rows, column, columns, sums, GEMM_LINEAR); break;
    case GEMM_GELU: int8_store_as(g, row, rows, column, columns, sums, GEMM_GELU); break;
    case GEMM_GELU_TANH: int8_store_as(g, row, rows, column, columns, sums, GEMM_GELU_TANH); break;
    case GEMM_RELU: int8_store_as(g, row, rows, column, columns, sums, GEMM_RELU); break;
    }
}
#endif
