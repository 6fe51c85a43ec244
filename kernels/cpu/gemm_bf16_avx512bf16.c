/* gemm_bf16_avx512bf16.c - the product with vdpbf16ps: two products into each of 16 sums at once.
 *
 *              2 panels of b, a register each
 *              | b[k..k+2) |
 *     a[r][k]  |   sums    |   12 rows: every sum stays in a register for the whole of K */
#include <string.h>
#include "lanes_int8_avx512.h"
#include "gemm_low_store.h"

enum { MOST_ROWS = 12, WIDE = 2, PAIR_HALVES = 2 * GEMM_PANEL, STEP_PAIRS = 4 };

ALWAYS_INLINE __m512bh pair(const uint16_t *a)
{
    int32_t two;
    memcpy(&two, a, sizeof two);
    return (__m512bh)_mm512_set1_epi32(two);
}

/* rows and panels are constants wherever this is inlined, so that the sums live in registers.  A row is found from the
 * first of its four by a multiple of the stride: three registers of addresses, and none of them in memory. */
ALWAYS_INLINE void tile(const gemm_bf16 *g, int row, const int rows, int panel, const int panels)
{
    const size_t    depth = (size_t)gemm_bf16_depth(g->K), panel_halves = depth * GEMM_PANEL, a_stride = g->a_stride;
    const uint16_t *a[3], *b = g->b + (size_t)panel * panel_halves;
    __m512          sums[MOST_ROWS * WIDE];
    size_t          three = 3 * a_stride;
    _Alignas(64) float whole[MOST_ROWS * LOW_SUMS];

    __asm__("" : "+r"(three)); /* or the compiler makes a pointer of every row and keeps them in memory */
#pragma GCC unroll 3
    for (int i = 0; i < (rows + 3) / 4; i++) {
        a[i] = g->a + (size_t)(row + 4 * i) * a_stride;
        __asm__("" : "+r"(a[i]));
    }
#pragma GCC unroll 64
    for (int i = 0; i < rows * panels; i++) sums[i] = _mm512_setzero_ps();
    for (size_t k = 0; k < depth; k += 2 * STEP_PAIRS) {
#pragma GCC unroll 4
        for (int q = 0; q < STEP_PAIRS; q++) {
            __m512bh column[WIDE];
#pragma GCC unroll 2
            for (int p = 0; p < panels; p++)
                column[p] = (__m512bh)_mm512_loadu_si512(b + (size_t)p * panel_halves + q * PAIR_HALVES);
#pragma GCC unroll 16
            for (int r = 0; r < rows; r++) {
                const size_t   below = r % 4 == 3 ? three : (size_t)(r % 4) * a_stride;
                const __m512bh x = pair(a[r / 4] + below + 2 * q);
#pragma GCC unroll 2
                for (int p = 0; p < panels; p++)
                    sums[r * panels + p] = _mm512_dpbf16_ps(sums[r * panels + p], x, column[p]);
            }
        }
#pragma GCC unroll 3
        for (int i = 0; i < (rows + 3) / 4; i++) a[i] += 2 * STEP_PAIRS;
        b += STEP_PAIRS * PAIR_HALVES;
    }
#pragma GCC unroll 64
    for (int i = 0; i < rows * panels; i++)
        _mm512_store_ps(whole + i / panels * LOW_SUMS + i % panels * GEMM_PANEL, sums[i]);
    low_store_bf16(g, row, rows, panel, panels, whole);
}

#define ROWS(n) case n: tile(g, row, n, panel, panels); break;

ALWAYS_INLINE void tile_of(const gemm_bf16 *g, int row, int rows, int panel, const int panels)
{
    switch (rows) {
        ROWS(1) ROWS(2) ROWS(3) ROWS(4) ROWS(5) ROWS(6) ROWS(7) ROWS(8) ROWS(9) ROWS(10) ROWS(11) ROWS(12)
    }
}

/* Rows are dealt evenly: 16 rows are 8 + 8, not 12 + 4, whose second tile would wait for b. */
void gemm_bf16_avx512bf16(const gemm_bf16 *g, int row0, int row1, int panel0, int panel1)
{
    const int tiles = (row1 - row0 + MOST_ROWS - 1) / MOST_ROWS;
    for (int panel = panel0, step; panel < panel1; panel += step) {
        step = panel1 - panel >= WIDE ? WIDE : 1;
        for (int t = 0; t < tiles; t++) {
            int row = row0 + (row1 - row0) * t / tiles, rows = row0 + (row1 - row0) * (t + 1) / tiles - row;
            if (step == WIDE) tile_of(g, row, rows, panel, WIDE);
            else tile_of(g, row, rows, panel, 1);
        }
    }
}
