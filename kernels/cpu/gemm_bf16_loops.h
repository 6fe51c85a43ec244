/* gemm_bf16_loops.h - the product where no instruction multiplies bfloat16, compiled once for each instruction set: a
 * bfloat16 is the upper half of a float, so a pair is two floats after a shift and a mask. */
#include <string.h>
#include "gemm_low_store.h"

static inline float bfloat16_at(const uint16_t *p)
{
    const uint32_t wide = (uint32_t)*p << 16;
    float          x;
    memcpy(&x, &wide, sizeof x);
    return x;
}

typedef uint32_t bits __attribute__((vector_size(sizeof(lanes))));
enum { VECTORS = GEMM_PANEL / LANES, MOST_ROWS = TILE_ROWS < 6 ? TILE_ROWS : 6 };

/* rows is a constant wherever this is inlined, so that the sums live in registers. */
ALWAYS_INLINE void tile(const gemm_bf16 *g, int row, const int rows, int panel)
{
    const size_t    depth = (size_t)gemm_bf16_depth(g->K), a_stride = g->a_stride;
    const uint16_t *a = g->a + (size_t)row * a_stride, *b = g->b + (size_t)panel * GEMM_PANEL * depth;
    lanes           sums[MOST_ROWS * VECTORS];
    float           whole[MOST_ROWS * LOW_SUMS];
#pragma GCC unroll 64
    for (int i = 0; i < rows * VECTORS; i++) sums[i] = lanes_set(0);
    for (size_t k = 0; k < depth; k += 2, b += 2 * GEMM_PANEL) {
        bits pairs[VECTORS];
#pragma GCC unroll 4
        for (int v = 0; v < VECTORS; v++) memcpy(&pairs[v], b + 2 * LANES * v, sizeof pairs[v]);
#pragma GCC unroll 16
        for (int r = 0; r < rows; r++) {
            const lanes even = lanes_set(bfloat16_at(a + (size_t)r * a_stride + k));
            const lanes odd = lanes_set(bfloat16_at(a + (size_t)r * a_stride + k + 1));
#pragma GCC unroll 4
            for (int v = 0; v < VECTORS; v++) {
                lanes *sum = &sums[r * VECTORS + v];
                *sum = lanes_fma(even, (lanes)(pairs[v] << 16), *sum);
                *sum = lanes_fma(odd, (lanes)(pairs[v] & 0xffff0000u), *sum);
            }
        }
    }
#pragma GCC unroll 64
    for (int i = 0; i < rows * VECTORS; i++)
        lanes_store(whole + i / VECTORS * LOW_SUMS + i % VECTORS * LANES, sums[i]);
    low_store_bf16(g, row, rows, panel, 1, whole);
}

#define ROWS(n) case n: tile(g, row, n, panel); break;

void LANES_SET(gemm_bf16)(const gemm_bf16 *g, int row0, int row1, int panel0, int panel1)
{
    const int tiles = (row1 - row0 + MOST_ROWS - 1) / MOST_ROWS;
    for (int panel = panel0; panel < panel1; panel++)
        for (int t = 0; t < tiles; t++) {
            int row = row0 + (row1 - row0) * t / tiles, rows = row0 + (row1 - row0) * (t + 1) / tiles - row;
            switch (rows) {
                ROWS(1) ROWS(2) ROWS(3)
#if TILE_ROWS >= 6
                ROWS(4) ROWS(5) ROWS(6)
#endif
            }
        }
}
