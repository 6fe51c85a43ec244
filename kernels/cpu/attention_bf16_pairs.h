/* attention_bf16_pairs.h - what both users of the processor's products of bfloat16 need: neighbours as one 32-bit
 * number.
 *
 * Such a product multiplies two numbers by two and adds both to one float32 sum, so its operands come in pairs: of a
 * row's neighbours for q k', of two keys for weights times values.  Numbers that are missing are zeros. */
#ifndef KERNELS_CPU_ATTENTION_BF16_PAIRS_H
#define KERNELS_CPU_ATTENTION_BF16_PAIRS_H
#include <math.h>
#include <string.h>
#include "attention_bf16.h"
#include "lanes_exp2.h"

#define ALWAYS_INLINE static inline __attribute__((always_inline))

enum { PAIRS = 16, PAIR_NUMBERS = 32 }; /* in one register */

static inline __mmask32 pair_mask(int n) { return n >= PAIR_NUMBERS ? ~(__mmask32)0 : ((__mmask32)1 << n) - 1; }

/* The first n of 32 numbers of a row, as 16 pairs. */
static inline __m512i pairs_load(const uint16_t *row, int n) { return _mm512_maskz_loadu_epi16(pair_mask(n), row); }

/* Sixteen rows' pairs of 32 numbers from `first` on, turned: to[pair][row].  Rows that are missing repeat the last. */
static void pairs_turn(uint32_t *to, size_t to_stride, const uint16_t *rows, size_t stride, int n_rows, int n)
{
    lanes x[PAIRS];
#pragma GCC unroll 16
    for (int i = 0; i < PAIRS; i++)
        x[i] = _mm512_castsi512_ps(pairs_load(rows + (size_t)(i < n_rows ? i : n_rows - 1) * stride, n));
    lanes_turn(x);
#pragma GCC unroll 16
    for (int i = 0; i < PAIRS; i++) _mm512_storeu_ps(to + (size_t)i * to_stride, x[i]);
}

/* Two rows of values as pairs, 16 columns of which the first n are there; below NULL: zeros. */
static inline __m512i pairs_of_rows(const uint16_t *above, const uint16_t *below, int n)
{
    const __mmask16 mask = lanes_first(n);
    const __m512i a = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(mask, above));
    if (!below) return a;
    return _mm512_or_si512(a, _mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(mask, below)), 16));
}

/* 2^(c score - most): see soften in attention_head.h. */
static inline lanes pair_weight(lanes score, lanes c, lanes negative_most)
{
    return lanes_exp2_low(lanes_max(lanes_set(-100), lanes_fma(score, c, negative_most)));
}
#endif
