/* gemm_int8_amx.c - the product with tdpbusd: tiles of 16 x 64 by 64 x 16 bytes into 16 x 16 sums.
 *
 *                  b: tile 6  tile 7            rows <= 16:   b: 6  7  6  7
 *     a:  tile 4     0          1               a: tile 4        0  1  2  3
 *         tile 5     2          3 */
#include <immintrin.h>
#include "lanes_int8_avx512.h"
#include "lanes_int8.h"

enum { ROWS = 16, BLOCK_ROWS = 2 * ROWS, STEP = 64, TILE_BYTES = ROWS * STEP };

typedef struct {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
} tiles;

/* Tiles of exactly the rows that are there: nothing beyond is read. */
static void configure(int rows)
{
    const uint8_t first = (uint8_t)(rows < ROWS ? rows : ROWS), second = (uint8_t)(rows > ROWS ? rows - ROWS : first);
    const tiles t = {.palette = 1,
                     .row_bytes = {64, 64, 64, 64, 64, 64, 64, 64},
                     .rows = {first, first, second, second, first, second, ROWS, ROWS}};
    __asm__ volatile("ldtilecfg %0" : : "m"(t));
}

static void block(const gemm_int8 *g, int row, int rows, int panel, int panels)
{
    const size_t depth = (size_t)gemm_int8_depth(g->K), panel_bytes = depth * GEMM_PANEL, a_stride = g->a_stride;
    const uint8_t *a = g->a + (size_t)row * a_stride, *low = a + ROWS * a_stride;
    const int8_t *b = g->b.panels + (size_t)panel * panel_bytes;
    const int32_t *start = g->b.start + panel * GEMM_PANEL;
    _Alignas(64) int32_t sums[BLOCK_ROWS * INT8_SUMS];
    const size_t stride = INT8_SUMS * sizeof *sums;

    _tile_loadd(0, start, 0);
    if (rows > ROWS) {
        _tile_loadd(2, start, 0);
        if (panels == 2) {
            _tile_loadd(1, start + GEMM_PANEL, 0);
            _tile_loadd(3, start + GEMM_PANEL, 0);
            for (size_t k = 0; k < depth; k += STEP, b += TILE_BYTES) {
                _tile_loadd(6, b, STEP);
                _tile_loadd(4, a + k, a_stride);
                _tile_dpbusd(0, 4, 6);
                _tile_loadd(5, low + k, a_stride);
                _tile_dpbusd(2, 5, 6);
                _tile_loadd(7, b + panel_bytes, STEP);
                _tile_dpbusd(1, 4, 7);
                _tile_dpbusd(3, 5, 7);
            }
            _tile_stored(1, sums + GEMM_PANEL, stride);
            _tile_stored(3, sums + ROWS * INT8_SUMS + GEMM_PANEL, stride);
        } else {
            for (size_t k = 0; k < depth; k += STEP, b += TILE_BYTES) {
                _tile_loadd(6, b, STEP);
                _tile_loadd(4, a + k, a_stride);
                _tile_dpbusd(0, 4, 6);
                _tile_loadd(5, low + k, a_stride);
                _tile_dpbusd(2, 5, 6);
            }
        }
        _tile_stored(2, sums + ROWS * INT8_SUMS, stride);
    } else if (panels == 4) {
        _tile_loadd(1, start + GEMM_PANEL, 0);
        _tile_loadd(2, start + 2 * GEMM_PANEL, 0);
        _tile_loadd(3, start + 3 * GEMM_PANEL, 0);
        for (size_t k = 0; k < depth; k += STEP, b += TILE_BYTES) {
            _tile_loadd(4, a + k, a_stride);
            _tile_loadd(6, b, STEP);
            _tile_dpbusd(0, 4, 6);
            _tile_loadd(7, b + panel_bytes, STEP);
            _tile_dpbusd(1, 4, 7);
            _tile_loadd(6, b + 2 * panel_bytes, STEP);
            _tile_dpbusd(2, 4, 6);
            _tile_loadd(7, b + 3 * panel_bytes, STEP);
            _tile_dpbusd(3, 4, 7);
        }
        _tile_stored(1, sums + GEMM_PANEL, stride);
        _tile_stored(2, sums + 2 * GEMM_PANEL, stride);
        _tile_stored(3, sums + 3 * GEMM_PANEL, stride);
    } else {
        for (size_t k = 0; k < depth; k += STEP, b += TILE_BYTES) {
            _tile_loadd(4, a + k, a_stride);
            _tile_loadd(6, b, STEP);
            _tile_dpbusd(0, 4, 6);
        }
    }
    _tile_stored(0, sums, stride);
    int8_store(g, row, rows, panel, panels, sums);
}

void gemm_int8_amx(const gemm_int8 *g, int row0, int row1, int panel0, int panel1)
{
    int configured = 0;
    for (int row = row0; row < row1; row += BLOCK_ROWS) {
        const int rows = row1 - row < BLOCK_ROWS ? row1 - row : BLOCK_ROWS, wide = rows > ROWS ? 2 : 4;
        if (rows != configured) configure(configured = rows);
        for (int panel = panel0, step; panel < panel1; panel += step) {
            step = panel1 - panel >= wide ? wide : 1;
            block(g, row, rows, panel, step);
        }
    }
    _tile_release();
}
