/* gemm_low_store.h - the end of every product below float32: a tile's sums, in L1, become c.
 *
 *     sums of bfloat16    x = sum + bias
 *     whole sums          x = sum * (scale of the row) * (scale of the column) + bias
 *
 * and c = activation(x + residual). */
#ifndef KERNELS_CPU_GEMM_LOW_STORE_H
#define KERNELS_CPU_GEMM_LOW_STORE_H
#include "gemm_bf16.h"
#include "gemm_int8.h"
#include "lanes_low.h"

#define ALWAYS_INLINE static inline __attribute__((always_inline))

enum { LOW_SUMS = 4 * GEMM_PANEL }; /* from row to row of a tile of sums */

typedef struct {
    int             N;
    const float    *a_scale, *b_scale; /* [M], [N] of whole sums */
    const float    *bias, *residual;   /* these are the product's own */
    float          *c;
    uint16_t       *c16;
    size_t          residual_stride, c_stride;
    gemm_activation activation;
} low_end;

ALWAYS_INLINE low_end low_end_bf16(const gemm_bf16 *g)
{
    return (low_end){.N = g->N, .bias = g->bias, .residual = g->residual, .c = g->c, .c16 = g->c16,
                     .residual_stride = g->residual_stride, .c_stride = g->c_stride, .activation = g->activation};
}

ALWAYS_INLINE low_end low_end_int8(const gemm_int8 *g)
{
    return (low_end){.N = g->N, .a_scale = g->a_scale, .b_scale = g->b.scale, .bias = g->bias,
                     .residual = g->residual, .c = g->c, .c16 = g->c16, .residual_stride = g->residual_stride,
                     .c_stride = g->c_stride, .activation = g->activation};
}

/* One register wide, rows down.  `left`, activation, bf16 and whole are constants where it is inlined; *e is read first,
 * because what is stored might change it, for all that the compiler knows. */
ALWAYS_INLINE void low_store_lanes(const low_end *e, size_t row, int rows, size_t column, const int left,
                                   const void *sums, const gemm_activation activation, const int bf16, const int whole)
{
    const int32_t *ints = sums;
    const float   *floats = sums, *a_scale = whole ? e->a_scale + row : NULL;
    const lanes    scale = whole ? lanes_load(e->b_scale + column) : lanes_set(0);
    const lanes    bias = e->bias ? lanes_load_n(e->bias + column, left) : lanes_set(0);
    const size_t   c_stride = e->c_stride, residual_stride = e->residual_stride;
    const float   *residual = e->residual ? e->residual + row * residual_stride + column : NULL;
    float         *c = bf16 ? NULL : e->c + row * c_stride + column;
    uint16_t      *c16 = bf16 ? e->c16 + row * c_stride + column : NULL;
#pragma GCC unroll 1
    for (int r = 0; r < rows; r++) {
        lanes x = whole ? lanes_fma(lanes_mul(lanes_of_ints(ints + r * LOW_SUMS), lanes_set(a_scale[r])), scale, bias)
                        : lanes_add(lanes_load(floats + r * LOW_SUMS), bias);
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

/* A sum has four bytes either way. */
ALWAYS_INLINE void low_store_as(const low_end *e, size_t row, int rows, int column, int columns, const void *sums,
                                const gemm_activation activation, const int bf16, const int whole)
{
    const float *at = sums;
    int          n = 0;
    for (; n <= columns - LANES; n += LANES)
        low_store_lanes(e, row, rows, (size_t)(column + n), LANES, at + n, activation, bf16, whole);
    if (n < columns)
        low_store_lanes(e, row, rows, (size_t)(column + n), columns - n, at + n, activation, bf16, whole);
}

#define LOW_STORE(activation) case activation: \
    if (e->c) low_store_as(e, (size_t)row, rows, column, columns, sums, activation, 0, whole); \
    else low_store_as(e, (size_t)row, rows, column, columns, sums, activation, 1, whole); \
    break;

ALWAYS_INLINE void low_store(const low_end *e, int row, int rows, int panel, int panels, const void *sums,
                             const int whole)
{
    const int column = panel * GEMM_PANEL, width = panels * GEMM_PANEL;
    const int columns = e->N - column < width ? e->N - column : width;
    switch (e->activation) {
        LOW_STORE(GEMM_LINEAR) LOW_STORE(GEMM_GELU) LOW_STORE(GEMM_GELU_TANH) LOW_STORE(GEMM_RELU)
    }
}

/* The sums of a tile [rows, LOW_SUMS], whose first column is `panel`'s.  Apart and never inlined: one copy for every
 * size of a tile. */
__attribute__((noinline, unused)) static void low_store_bf16(const gemm_bf16 *g, int row, int rows, int panel,
                                                             int panels, const float *sums)
{
    const low_end e = low_end_bf16(g);
    low_store(&e, row, rows, panel, panels, sums, 0);
}

__attribute__((noinline, unused)) static void low_store_int8(const gemm_int8 *g, int row, int rows, int panel,
                                                             int panels, const int32_t *sums)
{
    const low_end e = low_end_int8(g);
    low_store(&e, row, rows, panel, panels, sums, 1);
}
#endif
