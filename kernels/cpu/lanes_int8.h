/* lanes_int8.h - what a product in whole numbers wants of a register beyond lanes.h.  lanes_int8_avx2.h and its like
 * give:
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
#include "lanes_low.h"

enum { INT8_SUMS = 4 * GEMM_PANEL }; /* from row to row of a tile of sums */

#define ALWAYS_INLINE static inline __attribute__((always_inline))

/* One register wide, rows down.  `left`, activation and bf16 are constants where it is inlined; *g is read first,
 * because what is stored might change it, for all that the compiler knows. */
ALWAYS_INLINE void int8_store_lanes(const gemm_int8 *g, size_t row, int rows, size_t column, const int left,
                                    const int32_t *sums, const gemm_activation activation, const int bf16)
{
    const lanes scale = lanes_load(g->b.scale + column);
    const lanes bias = g->bias ? lanes_load_n(g->bias + column, left) : lanes_set(0);
    const float *a_scale = g->a_scale + row;
    const size_t c_stride = g->c_stride, residual_stride = g->residual_stride;
    const float *residual = g->residual ? g->residual + row * residual_stride + column : NULL;
    float *c = bf16 ? NULL : g->c + row * c_stride + column;
    uint16_t *c16 = bf16 ? g->c16 + row * c_stride + column : NULL;
#pragma GCC unroll 1
    for (int r = 0; r < rows; r++, sums += INT8_SUMS) {
        lanes x = lanes_fma(lanes_mul(lanes_of_ints(sums), lanes_set(a_scale[r])), scale, bias);
        if (residual) {
            x = lanes_add(x, lanes_load_n(residual, left));
            residual += residual_stride;
        }
        x = lanes_activate_low(x, activation);
        if (bf16) lanes_store_bf16_n(c16, x, left);
        else lanes_store_n(c, x, left);
        if (bf16) c16 += c_stride;
        else c += c_stride;
    }
}

ALWAYS_INLINE void int8_store_as(const gemm_int8 *g, size_t row, int rows, int column, int columns, const int32_t *sums,
                                 const gemm_activation activation, const int bf16)
{
    int n = 0;
    for (; n <= columns - LANES; n += LANES)
        int8_store_lanes(g, row, rows, (size_t)(column + n), LANES, sums + n, activation, bf16);
    if (n < columns) int8_store_lanes(g, row, rows, (size_t)(column + n), columns - n, sums + n, activation, bf16);
}

#define INT8_STORE(activation)                                                                                         \
    case activation:                                                                                                   \
        if (g->c) int8_store_as(g, (size_t)row, rows, column, columns, sums, activation, 0);                           \
        else int8_store_as(g, (size_t)row, rows, column, columns, sums, activation, 1);                                \
        break;

/* The sums of a tile [rows, INT8_SUMS], whose first column is `panel`'s; they lie in L1.  Apart and never inlined: one
 * copy for every size of a tile. */
__attribute__((noinline)) static void int8_store(const gemm_int8 *g, int row, int rows, int panel, int panels,
                                                 const int32_t *sums)
{
    const int column = panel * GEMM_PANEL, whole = panels * GEMM_PANEL;
    const int columns = g->N - column < whole ? g->N - column : whole;
    switch (g->activation) {
        INT8_STORE(GEMM_LINEAR) INT8_STORE(GEMM_GELU) INT8_STORE(GEMM_GELU_TANH) INT8_STORE(GEMM_RELU)
    }
}
#endif
