/* gemm_bf16_store.h - the end of every product in bfloat16: a tile's sums, in L1, become c. */
#ifndef KERNELS_CPU_GEMM_BF16_STORE_H
#define KERNELS_CPU_GEMM_BF16_STORE_H
#include "gemm_bf16.h"
#include "lanes_low.h"

#define ALWAYS_INLINE static inline __attribute__((always_inline))

enum { BF16_SUMS = 4 * GEMM_PANEL }; /* floats from row to row of a tile of sums */

/* One register wide, rows down.  `left`, activation and bf16 are constants where it is inlined; *g is read first, because
 * what is stored might change it, for all that the compiler knows. */
ALWAYS_INLINE void bf16_store_lanes(const gemm_bf16 *g, size_t row, int rows, size_t column, const int left,
                                    const float *sums, const gemm_activation activation, const int bf16)
{
    const lanes  bias = g->bias ? lanes_load_n(g->bias + column, left) : lanes_set(0);
    const size_t c_stride = g->c_stride, residual_stride = g->residual_stride;
    const float *residual = g->residual ? g->residual + row * residual_stride + column : NULL;
    float       *c = bf16 ? NULL : g->c + row * c_stride + column;
    uint16_t    *c16 = bf16 ? g->c16 + row * c_stride + column : NULL;
#pragma GCC unroll 1
    for (int r = 0; r < rows; r++, sums += BF16_SUMS) {
        lanes x = lanes_add(lanes_load(sums), bias);
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

ALWAYS_INLINE void bf16_store_as(const gemm_bf16 *g, size_t row, int rows, int column, int columns, const float *sums,
                                 const gemm_activation activation, const int bf16)
{
    int n = 0;
    for (; n <= columns - LANES; n += LANES)
        bf16_store_lanes(g, row, rows, (size_t)(column + n), LANES, sums + n, activation, bf16);
    if (n < columns) bf16_store_lanes(g, row, rows, (size_t)(column + n), columns - n, sums + n, activation, bf16);
}

#define BF16_STORE(activation) case activation: \
    if (g->c) bf16_store_as(g, (size_t)row, rows, column, columns, sums, activation, 0); \
    else bf16_store_as(g, (size_t)row, rows, column, columns, sums, activation, 1); \
    break;

/* The sums of a tile [rows, BF16_SUMS], whose first column is `panel`'s.  Apart and never inlined: one copy for every
 * size of a tile. */
__attribute__((noinline)) static void bf16_store(const gemm_bf16 *g, int row, int rows, int panel, int panels,
                                                 const float *sums)
{
    const int column = panel * GEMM_PANEL, whole = panels * GEMM_PANEL;
    const int columns = g->N - column < whole ? g->N - column : whole;
    switch (g->activation) {
        BF16_STORE(GEMM_LINEAR) BF16_STORE(GEMM_GELU) BF16_STORE(GEMM_GELU_TANH) BF16_STORE(GEMM_RELU)
    }
}
#endif
