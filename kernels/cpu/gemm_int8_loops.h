/* gemm_int8_loops.h - the product where no instruction multiplies bytes without loss: they are widened first.
 *
 * b is widened once for every BLOCK_ROWS rows and a once for every four panels, a chunk of k at a time that stays in
 * L1. A step of the loop takes one word of a row and VECTORS registers of a panel:
 *
 *     a [row][step] word      b [step][VECTORS] wide      sums [row][VECTORS] wide, exact within a chunk
 *
 * Before this file come lanes_int8_*.h, the types word and wide, STEPS (of a quad of four k), LANES_SET, TILE_ROWS and
 *
 *     widen_row(words, a, quads)    widen_panel(wides, b, quads)
 *     wide_zero    wide_load(wide *)    wide_step(sum, word, wide)    wide_add_to(ints, sum): LANES sums onto those in
 * memory */
#include "gemm_low_store.h"

enum {
    VECTORS = GEMM_PANEL / LANES,
    CHUNK = 256, /* of k */
    CHUNK_QUADS = CHUNK / 4,
    CHUNK_STEPS = CHUNK_QUADS * STEPS,
    BLOCK_ROWS = 48,
    BLOCK_PANELS = LOW_SUMS / GEMM_PANEL,
};

typedef struct {
    wide b[CHUNK_STEPS * VECTORS];
    _Alignas(32) word a[BLOCK_ROWS][CHUNK_STEPS];
    _Alignas(32) int32_t sums[BLOCK_ROWS * LOW_SUMS];
} workspace;

/* rows is a constant wherever this is inlined, so that the sums live in registers. */
ALWAYS_INLINE void tile(workspace *w, int row, const int rows, int panel, int steps)
{
    const word *a = w->a[row];
    const wide *b = w->b;
    wide sums[TILE_ROWS][VECTORS];

#pragma GCC unroll 6
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
        for (int v = 0; v < VECTORS; v++) sums[r][v] = wide_zero();
    for (int step = 0; step < steps; step++, a++, b += VECTORS) {
        wide column[VECTORS];
#pragma GCC unroll 4
        for (int v = 0; v < VECTORS; v++) column[v] = wide_load(b + v);
#pragma GCC unroll 6
        for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
            for (int v = 0; v < VECTORS; v++) sums[r][v] = wide_step(sums[r][v], a[r * CHUNK_STEPS], column[v]);
    }
#pragma GCC unroll 6
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
        for (int v = 0; v < VECTORS; v++)
            wide_add_to(w->sums + (row + r) * LOW_SUMS + panel * GEMM_PANEL + v * LANES, sums[r][v]);
}

static void tile_of(workspace *w, int row, int rows, int panel, int steps)
{
    switch (rows) {
    case 1:
        tile(w, row, 1, panel, steps);
        break;
    case 2:
        tile(w, row, 2, panel, steps);
        break;
    case 3:
        tile(w, row, 3, panel, steps);
        break;
#if TILE_ROWS >= 6
    case 4:
        tile(w, row, 4, panel, steps);
        break;
    case 5:
        tile(w, row, 5, panel, steps);
        break;
    case 6:
        tile(w, row, 6, panel, steps);
        break;
#endif
    }
}

static void block(const gemm_int8 *g, workspace *w, int row, int rows, int panel, int panels)
{
    const size_t depth = (size_t)gemm_int8_depth(g->K);
    const int tiles = (rows + TILE_ROWS - 1) / TILE_ROWS;
    for (int r = 0; r < rows; r++)
        memcpy(w->sums + r * LOW_SUMS, g->b.start + panel * GEMM_PANEL, (size_t)panels * GEMM_PANEL * sizeof *w->sums);
    for (size_t k = 0; k < depth; k += CHUNK) {
        const int quads = (int)((depth - k < CHUNK ? depth - k : CHUNK) / 4);
        for (int r = 0; r < rows; r++) widen_row(w->a[r], g->a + (size_t)(row + r) * g->a_stride + k, quads);
        for (int p = 0; p < panels; p++) {
            widen_panel(w->b, g->b.panels + (size_t)(panel + p) * depth * GEMM_PANEL + k * GEMM_PANEL, quads);
            for (int t = 0; t < tiles; t++) {
                const int first = rows * t / tiles;
                tile_of(w, first, rows * (t + 1) / tiles - first, p, quads * STEPS);
            }
        }
    }
    low_store_int8(g, row, rows, panel, panels, w->sums);
}

void LANES_SET(gemm_int8)(const gemm_int8 *g, int row0, int row1, int panel0, int panel1)
{
    workspace w;
    for (int row = row0; row < row1; row += BLOCK_ROWS)
        for (int panel = panel0; panel < panel1; panel += BLOCK_PANELS)
            block(g, &w, row, row1 - row < BLOCK_ROWS ? row1 - row : BLOCK_ROWS, panel,
                  panel1 - panel < BLOCK_PANELS ? panel1 - panel : BLOCK_PANELS);
}
