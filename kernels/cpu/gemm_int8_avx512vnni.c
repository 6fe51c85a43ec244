/* gemm_int8_avx512vnni.c - the product with vpdpbusd: four products into each of 16 sums at once.
 *
 *              panels of b, a register each
 *              |  b[k..k+4)  |
 *     a[r][k]  |    sums     |   every sum stays in a register for the whole of K
 *
 * vpdpbusd takes 5 cycles and two begin in each, so fewer than ten sums would wait for themselves: few rows take four
 * panels at once, and one or two rows several sums for each element (`chains`), added up at the end; whole numbers do
 * not mind the order. */
#include <string.h>
#include "lanes_int8_avx512.h"
#include "gemm_low_store.h"

enum { MOST_ROWS = 14, FEW_ROWS = 6, QUAD_BYTES = 4 * GEMM_PANEL, STEP_QUADS = 4 };

ALWAYS_INLINE __m512i quad(const uint8_t *a)
{
    int32_t four;
    memcpy(&four, a, sizeof four);
    return _mm512_set1_epi32(four);
}

/* rows, panels and chains are constants wherever this is inlined, so that the sums live in registers.  A row is found
 * from the first of its four by a multiple of the stride: six registers of addresses, and none of them in memory. */
ALWAYS_INLINE void tile(const gemm_int8 *g, int row, const int rows, int panel, const int panels, const int chains)
{
    const size_t depth = (size_t)gemm_int8_depth(g->K), panel_bytes = depth * GEMM_PANEL, a_stride = g->a_stride;
    const uint8_t *a[4];
    const int8_t *b = g->b.panels + (size_t)panel * panel_bytes;
    __m512i sums[MOST_ROWS * 4];
    size_t three = 3 * a_stride;
    _Alignas(64) int32_t whole[MOST_ROWS * LOW_SUMS];

    __asm__("" : "+r"(three)); /* or the compiler makes a pointer of every row and keeps them in vectors */
#pragma GCC unroll 4
    for (int i = 0; i < (rows + 3) / 4; i++) {
        a[i] = g->a + (size_t)(row + 4 * i) * a_stride;
        __asm__("" : "+r"(a[i]));
    }
#pragma GCC unroll 64
    for (int i = 0; i < rows * panels; i++)
        sums[i] = _mm512_loadu_si512(g->b.start + (panel + i % panels) * GEMM_PANEL);
#pragma GCC unroll 64
    for (int i = rows * panels; i < rows * panels * chains; i++) sums[i] = _mm512_setzero_si512();

    for (size_t k = 0; k < depth; k += 4 * STEP_QUADS) {
#pragma GCC unroll 4
        for (int q = 0; q < STEP_QUADS; q++) {
            __m512i column[4];
#pragma GCC unroll 4
            for (int p = 0; p < panels; p++)
                column[p] = _mm512_loadu_si512(b + (size_t)p * panel_bytes + q * QUAD_BYTES);
#pragma GCC unroll 16
            for (int r = 0; r < rows; r++) {
                const size_t below = r % 4 == 3 ? three : (size_t)(r % 4) * a_stride;
                const __m512i x = quad(a[r / 4] + below + 4 * q);
#pragma GCC unroll 4
                for (int p = 0; p < panels; p++) {
                    const int at = (q % chains * rows + r) * panels + p;
                    sums[at] = _mm512_dpbusd_epi32(sums[at], x, column[p]);
                }
            }
        }
#pragma GCC unroll 4
        for (int i = 0; i < (rows + 3) / 4; i++) a[i] += 4 * STEP_QUADS;
        b += STEP_QUADS * QUAD_BYTES;
    }

#pragma GCC unroll 64
    for (int i = 0; i < rows * panels; i++) {
#pragma GCC unroll 4
        for (int chain = 1; chain < chains; chain++)
            sums[i] = _mm512_add_epi32(sums[i], sums[chain * rows * panels + i]);
        _mm512_store_si512(whole + i / panels * LOW_SUMS + i % panels * GEMM_PANEL, sums[i]);
    }
    low_store_int8(g, row, rows, panel, panels, whole);
}

#define ROWS(n, panels, chains)                                                                                        \
    case n:                                                                                                            \
        tile(g, row, n, panel, panels, chains);                                                                        \
        break;

static void tile_wide(const gemm_int8 *g, int row, int rows, int panel)
{
    switch (rows) {
        ROWS(1, 4, 4)
        ROWS(2, 4, 2) ROWS(3, 4, 2) ROWS(4, 4, 1) ROWS(5, 4, 1) ROWS(6, 4, 1) ROWS(7, 2, 1) ROWS(8, 2, 1) ROWS(9, 2, 1)
            ROWS(10, 2, 1) ROWS(11, 2, 1) ROWS(12, 2, 1) ROWS(13, 2, 1) ROWS(14, 2, 1)
    }
}

static void tile_one(const gemm_int8 *g, int row, int rows, int panel)
{
    switch (rows) {
        ROWS(1, 1, 4)
        ROWS(2, 1, 4) ROWS(3, 1, 4) ROWS(4, 1, 4) ROWS(5, 1, 2) ROWS(6, 1, 2) ROWS(7, 1, 2) ROWS(8, 1, 2) ROWS(9, 1, 2)
            ROWS(10, 1, 2) ROWS(11, 1, 2) ROWS(12, 1, 2) ROWS(13, 1, 2) ROWS(14, 1, 2)
    }
}

/* Rows are dealt evenly: 16 rows are 8 + 8, not 14 + 2, whose second tile would wait for b. */
void gemm_int8_avx512vnni(const gemm_int8 *g, int row0, int row1, int panel0, int panel1)
{
    const int tiles = (row1 - row0 + MOST_ROWS - 1) / MOST_ROWS;
    const int most_rows = tiles ? (row1 - row0 + tiles - 1) / tiles : 0, wide = most_rows <= FEW_ROWS ? 4 : 2;
    for (int panel = panel0, step; panel < panel1; panel += step) {
        step = panel1 - panel >= wide ? wide : 1;
        for (int t = 0; t < tiles; t++) {
            int row = row0 + (row1 - row0) * t / tiles, rows = row0 + (row1 - row0) * (t + 1) / tiles - row;
            if (step == wide) tile_wide(g, row, rows, panel);
            else tile_one(g, row, rows, panel);
        }
    }
}
