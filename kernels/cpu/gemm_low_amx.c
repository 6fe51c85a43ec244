/* gemm_low_amx.c - the products with tdpbf16ps and tdpbusd.  A row of a tile is 64 bytes of either: 32 bfloat16 or 64
 * bytes of a, 16 pairs or 16 fours of b; 16 x 16 sums come of two tiles.
 *
 *                  b: tile 6  tile 7            rows <= 16:   b: 6  7  6  7
 *     a:  tile 4     0          1               a: tile 4        0  1  2  3
 *         tile 5     2          3
 *
 * Panels are the outer loop: b comes from L3 once for all rows of the part, and the rows of a from L2 once for every two
 * panels.  While a pair of panels is multiplied, the next pair is fetched, a slice for each block of rows. */
#include <immintrin.h>
#include "lanes_int8_avx512.h"
#include "gemm_low_store.h"

enum { ROWS = 16, BLOCK_ROWS = 2 * ROWS, STEP = 64, TILE = ROWS * STEP, LINE = 64 };

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

/* lines: of 64 bytes from `at` on, fetched at every step. */
typedef struct { const uint8_t *at; int lines; } ahead;

ALWAYS_INLINE void fetch(ahead *next)
{
    for (int i = 0; i < next->lines; i++, next->at += LINE) __builtin_prefetch(next->at, 0, 2);
}

/* Everything in bytes.  Exactly one of the products is there. */
typedef struct {
    const uint8_t   *a, *b;
    size_t           a_stride, depth;
    const gemm_bf16 *bf16;
    const gemm_int8 *int8;
} product;

#define MULTIPLY(c, a, b) do { if (whole) _tile_dpbusd(c, a, b); else _tile_dpbf16ps(c, a, b); } while (0)
/* Sums of bytes begin at what their 128 too much comes to. */
#define BEGIN(c, n) do { if (whole) _tile_loadd(c, start + (n) * GEMM_PANEL, 0); else _tile_zero(c); } while (0)

/* whole: a constant where it is inlined, and so in all that follows. */
ALWAYS_INLINE void block(const product *p, int row, int rows, int panel, int panels, ahead next, const int whole)
{
    const size_t   a_stride = p->a_stride, depth = p->depth, b_panel = depth * GEMM_PANEL;
    const uint8_t *a = p->a + (size_t)row * a_stride, *low = a + ROWS * a_stride, *b = p->b + (size_t)panel * b_panel;
    const int32_t *start = whole ? p->int8->b.start + panel * GEMM_PANEL : NULL;
    _Alignas(64) int32_t sums[BLOCK_ROWS * LOW_SUMS]; /* or floats */
    const size_t         stride = LOW_SUMS * sizeof *sums;

    BEGIN(0, 0);
    if (rows > ROWS) {
        BEGIN(2, 0);
        if (panels == 2) {
            BEGIN(1, 1);
            BEGIN(3, 1);
            for (size_t k = 0; k < depth; k += STEP, b += TILE) {
                fetch(&next);
                _tile_loadd(6, b, STEP);
                _tile_loadd(4, a + k, a_stride);
                MULTIPLY(0, 4, 6);
                _tile_loadd(5, low + k, a_stride);
                MULTIPLY(2, 5, 6);
                _tile_loadd(7, b + b_panel, STEP);
                MULTIPLY(1, 4, 7);
                MULTIPLY(3, 5, 7);
            }
            _tile_stored(1, sums + GEMM_PANEL, stride);
            _tile_stored(3, sums + ROWS * LOW_SUMS + GEMM_PANEL, stride);
        } else {
            for (size_t k = 0; k < depth; k += STEP, b += TILE) {
                fetch(&next);
                _tile_loadd(6, b, STEP);
                _tile_loadd(4, a + k, a_stride);
                MULTIPLY(0, 4, 6);
                _tile_loadd(5, low + k, a_stride);
                MULTIPLY(2, 5, 6);
            }
        }
        _tile_stored(2, sums + ROWS * LOW_SUMS, stride);
    } else if (panels == 4) {
        BEGIN(1, 1);
        BEGIN(2, 2);
        BEGIN(3, 3);
        for (size_t k = 0; k < depth; k += STEP, b += TILE) {
            fetch(&next);
            _tile_loadd(4, a + k, a_stride);
            _tile_loadd(6, b, STEP);
            MULTIPLY(0, 4, 6);
            _tile_loadd(7, b + b_panel, STEP);
            MULTIPLY(1, 4, 7);
            _tile_loadd(6, b + 2 * b_panel, STEP);
            MULTIPLY(2, 4, 6);
            _tile_loadd(7, b + 3 * b_panel, STEP);
            MULTIPLY(3, 4, 7);
        }
        _tile_stored(1, sums + GEMM_PANEL, stride);
        _tile_stored(2, sums + 2 * GEMM_PANEL, stride);
        _tile_stored(3, sums + 3 * GEMM_PANEL, stride);
    } else {
        for (size_t k = 0; k < depth; k += STEP, b += TILE) {
            fetch(&next);
            _tile_loadd(4, a + k, a_stride);
            _tile_loadd(6, b, STEP);
            MULTIPLY(0, 4, 6);
        }
    }
    _tile_stored(0, sums, stride);
    if (whole) low_store_int8(p->int8, row, rows, panel, panels, sums);
    else low_store_bf16(p->bf16, row, rows, panel, panels, (const float *)(const void *)sums);
}

ALWAYS_INLINE void multiply(const product *p, int row0, int row1, int panel0, int panel1, const int whole)
{
    const int    steps = (int)(p->depth / STEP), blocks = (row1 - row0 + BLOCK_ROWS - 1) / BLOCK_ROWS;
    const size_t b_panel = p->depth * GEMM_PANEL;
    const int    wide = row1 - row0 > ROWS ? 2 : 4;
    int          configured = 0;
    if (!blocks) return;
    for (int panel = panel0, step; panel < panel1; panel += step) {
        step = panel1 - panel >= wide ? wide : 1;
        const int left = panel1 - panel - step, coming = left < wide ? left : wide;
        const int lines = (int)((size_t)coming * b_panel / LINE);
        ahead     next = {p->b + (size_t)(panel + step) * b_panel, (lines + steps * blocks - 1) / (steps * blocks)};
        for (int row = row0; row < row1; row += BLOCK_ROWS, next.at += (size_t)(next.lines * steps) * LINE) {
            const int rows = row1 - row < BLOCK_ROWS ? row1 - row : BLOCK_ROWS;
            if (rows != configured) configure(configured = rows);
            if (rows <= ROWS && step == 2) {
                block(p, row, rows, panel, 1, next, whole);
                block(p, row, rows, panel + 1, 1, (ahead){0}, whole);
            } else {
                block(p, row, rows, panel, step, next, whole);
            }
        }
    }
    _tile_release();
}

void gemm_bf16_amx(const gemm_bf16 *g, int row0, int row1, int panel0, int panel1)
{
    const product p = {.a = (const uint8_t *)g->a, .b = (const uint8_t *)g->b, .a_stride = g->a_stride * sizeof *g->a,
                       .depth = (size_t)gemm_bf16_depth(g->K) * sizeof *g->b, .bf16 = g};
    multiply(&p, row0, row1, panel0, panel1, 0);
}

void gemm_int8_amx(const gemm_int8 *g, int row0, int row1, int panel0, int panel1)
{
    const product p = {.a = g->a, .b = (const uint8_t *)g->b.panels, .a_stride = g->a_stride,
                       .depth = (size_t)gemm_int8_depth(g->K), .int8 = g};
    multiply(&p, row0, row1, panel0, panel1, 1);
}
