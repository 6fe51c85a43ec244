/* gemm_bf16_amx.c - the product with tdpbf16ps: tiles of 16 x 32 by 32 x 16 bfloat16 into 16 x 16 sums.
 *
 *                  b: tile 6  tile 7            rows <= 16:   b: 6  7  6  7
 *     a:  tile 4     0          1               a: tile 4        0  1  2  3
 *         tile 5     2          3
 *
 * Panels are the outer loop: b comes from L3 once for all rows of the part, and the rows of a from L2 once for every two
 * panels.  While a pair of panels is multiplied, the next pair is fetched, a slice for each block of rows. */
#include <immintrin.h>
#include "lanes_int8_avx512.h"
#include "gemm_bf16_store.h"

enum { ROWS = 16, BLOCK_ROWS = 2 * ROWS, STEP = 32, TILE_HALVES = ROWS * STEP, LINE = 64 };

typedef struct {
    uint8_t  palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t  rows[16];
} tiles;

/* Tiles of exactly the rows that are there: nothing beyond is read. */
static void configure(int rows)
{
    const uint8_t first = (uint8_t)(rows < ROWS ? rows : ROWS), second = (uint8_t)(rows > ROWS ? rows - ROWS : first);
    const tiles   t = {.palette = 1,
                       .row_bytes = {64, 64, 64, 64, 64, 64, 64, 64},
                       .rows = {first, first, second, second, first, second, ROWS, ROWS}};
    __asm__ volatile("ldtilecfg %0" : : "m"(t));
}

/* lines: of 64 bytes from `ahead` on, fetched at every step. */
typedef struct { const char *at; int lines; } ahead;

ALWAYS_INLINE void fetch(ahead *next)
{
    for (int i = 0; i < next->lines; i++, next->at += LINE) __builtin_prefetch(next->at, 0, 2);
}

static void block(const gemm_bf16 *g, int row, int rows, int panel, int panels, ahead next)
{
    const size_t    depth = (size_t)gemm_bf16_depth(g->K), panel_halves = depth * GEMM_PANEL;
    const size_t    a_stride = g->a_stride, a_bytes = a_stride * sizeof *g->a, b_bytes = 2 * GEMM_PANEL * sizeof *g->b;
    const uint16_t *a = g->a + (size_t)row * a_stride, *low = a + ROWS * a_stride;
    const uint16_t *b = g->b + (size_t)panel * panel_halves;
    _Alignas(64) float sums[BLOCK_ROWS * BF16_SUMS];
    const size_t       stride = BF16_SUMS * sizeof *sums;

    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    if (rows > ROWS && panels == 2) {
        for (size_t k = 0; k < depth; k += STEP, b += TILE_HALVES) {
            fetch(&next);
            _tile_loadd(6, b, b_bytes);
            _tile_loadd(4, a + k, a_bytes);
            _tile_dpbf16ps(0, 4, 6);
            _tile_loadd(5, low + k, a_bytes);
            _tile_dpbf16ps(2, 5, 6);
            _tile_loadd(7, b + panel_halves, b_bytes);
            _tile_dpbf16ps(1, 4, 7);
            _tile_dpbf16ps(3, 5, 7);
        }
    } else if (rows > ROWS) {
        for (size_t k = 0; k < depth; k += STEP, b += TILE_HALVES) {
            fetch(&next);
            _tile_loadd(6, b, b_bytes);
            _tile_loadd(4, a + k, a_bytes);
            _tile_dpbf16ps(0, 4, 6);
            _tile_loadd(5, low + k, a_bytes);
            _tile_dpbf16ps(2, 5, 6);
        }
    } else if (panels == 4) {
        for (size_t k = 0; k < depth; k += STEP, b += TILE_HALVES) {
            fetch(&next);
            _tile_loadd(4, a + k, a_bytes);
            _tile_loadd(6, b, b_bytes);
            _tile_dpbf16ps(0, 4, 6);
            _tile_loadd(7, b + panel_halves, b_bytes);
            _tile_dpbf16ps(1, 4, 7);
            _tile_loadd(6, b + 2 * panel_halves, b_bytes);
            _tile_dpbf16ps(2, 4, 6);
            _tile_loadd(7, b + 3 * panel_halves, b_bytes);
            _tile_dpbf16ps(3, 4, 7);
        }
    } else {
        for (size_t k = 0; k < depth; k += STEP, b += TILE_HALVES) {
            fetch(&next);
            _tile_loadd(4, a + k, a_bytes);
            _tile_loadd(6, b, b_bytes);
            _tile_dpbf16ps(0, 4, 6);
        }
    }
    _tile_stored(0, sums, stride);
    if (rows > ROWS) {
        _tile_stored(2, sums + ROWS * BF16_SUMS, stride);
        if (panels == 2) {
            _tile_stored(1, sums + GEMM_PANEL, stride);
            _tile_stored(3, sums + ROWS * BF16_SUMS + GEMM_PANEL, stride);
        }
    } else if (panels == 4) {
        _tile_stored(1, sums + GEMM_PANEL, stride);
        _tile_stored(2, sums + 2 * GEMM_PANEL, stride);
        _tile_stored(3, sums + 3 * GEMM_PANEL, stride);
    }
    bf16_store(g, row, rows, panel, panels, sums);
}

void gemm_bf16_amx(const gemm_bf16 *g, int row0, int row1, int panel0, int panel1)
{
    const int    steps = gemm_bf16_depth(g->K) / STEP, blocks = (row1 - row0 + BLOCK_ROWS - 1) / BLOCK_ROWS;
    const size_t panel_halves = (size_t)gemm_bf16_depth(g->K) * GEMM_PANEL;
    const int    wide = row1 - row0 > ROWS ? 2 : 4;
    int          configured = 0;
    for (int panel = panel0, step; panel < panel1; panel += step) {
        step = panel1 - panel >= wide ? wide : 1;
        const int left = panel1 - panel - step, coming = left < wide ? left : wide;
        const int lines = (int)((size_t)coming * panel_halves * sizeof *g->b / LINE);
        ahead     next = {(const char *)(g->b + (size_t)(panel + step) * panel_halves),
                          (lines + steps * blocks - 1) / (steps * blocks)};
        for (int row = row0; row < row1; row += BLOCK_ROWS, next.at += (size_t)(next.lines * steps) * LINE) {
            const int rows = row1 - row < BLOCK_ROWS ? row1 - row : BLOCK_ROWS;
            if (rows != configured) configure(configured = rows);
            if (rows <= ROWS && step == 2) {
                block(g, row, rows, panel, 1, next);
                block(g, row, rows, panel + 1, 1, (ahead){0});
            } else {
                block(g, row, rows, panel, step, next);
            }
        }
    }
    _tile_release();
}
