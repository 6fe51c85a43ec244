/* gemm_loops.h - the product's tile, compiled once for each instruction set (see lanes.h).
 *
 *              TILE_PANELS panels of b (one register or more each)
 *              |  b[k]  |
 *     a[r][k]  |  sums  |   TILE_ROWS rows: every sum stays in a register for the whole of K
 *
 * K is not cut: a tile reads its panels from L2 (16 bytes a cycle with AVX-512, of 48), stores once, and the order of
 * every sum is plain.  Rows are dealt evenly: 9 rows are 5 + 4, not 8 + 1, whose second tile would wait for b. */
#include <math.h>
#include "gemm.h"
#include "lanes.h"

enum { VECTORS = GEMM_PANEL / LANES }; /* registers a panel */

#define ALWAYS_INLINE static inline __attribute__((always_inline))

__attribute__((noinline)) static void activate_tile(const gemm *g, int row, int rows, int column, int columns)
{
    for (int r = 0; r < rows; r++) {
        float *c = g->c + (size_t)(row + r) * g->c_stride + (size_t)column;
        for (int n = 0; n < columns; n += LANES) {
            lanes x = lanes_load_n(c + n, columns - n);
            if (g->activation == GEMM_GELU) x = lanes_gelu(x);
            else if (g->activation == GEMM_GELU_TANH) x = lanes_gelu_tanh(x);
            else x = lanes_max(lanes_set(0), x);
            lanes_store_n(c + n, x, columns - n);
        }
    }
}

/* The panels that come next, a slice of them for each tile of these: from L3 they would come too late. */
typedef struct { const char *at; int lines; /* of 64 bytes, for every STRETCH of k */ } ahead;

enum { STRETCH = 16, LINE = 64 };

/* rows and panels are constants wherever this is inlined, so that the sums live in registers. */
ALWAYS_INLINE void tile(const gemm *g, int row, const int rows, int panel, const int panels, ahead next)
{
    const size_t panel_floats = (size_t)GEMM_PANEL * (size_t)g->K;
    const float *a = g->a + (size_t)row * g->a_stride, *b = g->b + (size_t)panel * panel_floats;
    const size_t a_stride = g->a_stride;
    const int    vectors = panels * VECTORS, columns = g->N - panel * GEMM_PANEL;
    lanes        sums[TILE_ROWS][TILE_PANELS * VECTORS];

#pragma GCC unroll 16
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++) sums[r][v] = lanes_set(0);

    for (int k = 0; k < g->K; k += STRETCH) {
        const int steps = g->K - k < STRETCH ? g->K - k : STRETCH;
        for (int line = 0; line < next.lines; line++, next.at += LINE) __builtin_prefetch(next.at, 0, 2);
#pragma GCC unroll 4
        for (int step = 0; step < steps; step++) {
            lanes column[TILE_PANELS * VECTORS];
#pragma GCC unroll 4
            for (int v = 0; v < vectors; v++)
                column[v] = lanes_load(b + (size_t)(v / VECTORS) * panel_floats + (v % VECTORS) * LANES);
#pragma GCC unroll 16
            for (int r = 0; r < rows; r++) {
                lanes x = lanes_set(a[(size_t)r * a_stride]);
#pragma GCC unroll 4
                for (int v = 0; v < vectors; v++) sums[r][v] = lanes_fma(x, column[v], sums[r][v]);
            }
            a++;
            b += GEMM_PANEL;
        }
    }

#pragma GCC unroll 4
    for (int v = 0; v < vectors; v++) {
        const int first = panel * GEMM_PANEL + v * LANES, left = columns - v * LANES;
        if (left <= 0) break;
        lanes bias = g->bias ? lanes_load_n(g->bias + first, left) : lanes_set(0);
#pragma GCC unroll 16
        for (int r = 0; r < rows; r++) {
            lanes x = lanes_add(sums[r][v], bias);
            if (g->residual)
                x = lanes_add(x, lanes_load_n(g->residual + (size_t)(row + r) * g->residual_stride + first, left));
            lanes_store_n(g->c + (size_t)(row + r) * g->c_stride + first, x, left);
        }
    }
    if (g->activation != GEMM_LINEAR) /* a second look while the tile is in L1: one copy of the function, not 28 */
        activate_tile(g, row, rows, panel * GEMM_PANEL, columns < panels * GEMM_PANEL ? columns : panels * GEMM_PANEL);
}

#define ROWS(n) case n: tile(g, row, n, panel, panels, next); break;

ALWAYS_INLINE void tile_of(const gemm *g, int row, int rows, int panel, const int panels, ahead next)
{
    switch (rows) {
        ROWS(1) ROWS(2) ROWS(3)
#if TILE_ROWS >= 6
        ROWS(4) ROWS(5) ROWS(6)
#endif
#if TILE_ROWS >= 8
        ROWS(7) ROWS(8)
#endif
    }
}

void LANES_SET(gemm)(const gemm *g, int row0, int row1, int panel0, int panel1)
{
    const size_t panel_floats = (size_t)GEMM_PANEL * (size_t)g->K;
    const int tiles = (row1 - row0 + TILE_ROWS - 1) / TILE_ROWS;
    for (int panel = panel0, panels; panel < panel1; panel += panels) {
        panels = panel1 - panel < TILE_PANELS ? panel1 - panel : TILE_PANELS;
        const int left = panel1 - panel - panels, coming = left < TILE_PANELS ? left : TILE_PANELS;
        const int steps = (g->K + STRETCH - 1) / STRETCH; /* of a tile, each with its lines */
        ahead     next = {(const char *)(g->b + (size_t)(panel + panels) * panel_floats),
                          (int)((size_t)coming * panel_floats * sizeof(float) / LINE + (size_t)(tiles * steps) - 1) / (tiles * steps)};
        for (int t = 0; t < tiles; t++) {
            int row = row0 + (row1 - row0) * t / tiles, rows = row0 + (row1 - row0) * (t + 1) / tiles - row;
            if (panels == TILE_PANELS) tile_of(g, row, rows, panel, TILE_PANELS, next);
            else if (panels == 2) tile_of(g, row, rows, panel, 2, next);
            else tile_of(g, row, rows, panel, 1, next);
            next.at += (size_t)(next.lines * steps) * LINE;
        }
    }
}
