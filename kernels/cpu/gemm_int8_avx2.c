/* gemm_int8_avx2.c - gemm_int8_loops.h with vpmaddwd: two products of 16 bits into each of 8 sums at once.
 *
 * vpmaddubsw would take bytes as they are, but adds two products in 16 bits and saturates: sums would not be exact.
 * A quad of four k is two steps, its even and its odd bytes, because a mask or a shift makes each. */
#include <string.h>
#include "lanes_int8_avx2.h"

typedef int32_t word;
typedef __m256i wide;
enum { STEPS = 2 };

static inline void widen_row(word *words, const uint8_t *a, int quads)
{
    __m128i *out = (__m128i *)words;
    for (int q = 0; q < quads; q += 8, out += 4) {
        const __m256i x = _mm256_loadu_si256((const __m256i *)(a + 4 * q));
        const __m256i even = _mm256_and_si256(x, _mm256_set1_epi16(0xff)), odd = _mm256_srli_epi16(x, 8);
        const __m256i low = _mm256_unpacklo_epi32(even, odd), high = _mm256_unpackhi_epi32(even, odd);
        _mm_store_si128(out, _mm256_castsi256_si128(low));
        _mm_store_si128(out + 1, _mm256_castsi256_si128(high));
        _mm_store_si128(out + 2, _mm256_extracti128_si256(low, 1));
        _mm_store_si128(out + 3, _mm256_extracti128_si256(high, 1));
    }
}

static inline void widen_panel(wide *out, const int8_t *b, int quads)
{
    for (int q = 0; q < quads; q++, b += 64, out += 4) {
        const __m256i left = _mm256_loadu_si256((const __m256i *)b),
                      right = _mm256_loadu_si256((const __m256i *)(b + 32));
        out[0] = _mm256_srai_epi16(_mm256_slli_epi16(left, 8), 8);
        out[1] = _mm256_srai_epi16(_mm256_slli_epi16(right, 8), 8);
        out[2] = _mm256_srai_epi16(left, 8);
        out[3] = _mm256_srai_epi16(right, 8);
    }
}

static inline wide wide_zero(void) { return _mm256_setzero_si256(); }

/* Sums, a step of b, a word of a and a product are just the sixteen registers; the empty instructions keep the compiler
 * from having more of them under way, or from loading b once for each row. */
static inline wide wide_load(const wide *b)
{
    wide x = *b;
    __asm__ volatile("" : "+x"(x));
    return x;
}

static inline wide wide_step(wide sum, word a, wide b)
{
    sum = _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_set1_epi32(a), b));
    __asm__ volatile("" : "+x"(sum));
    return sum;
}

static inline void wide_add_to(int32_t *sums, wide sum)
{
    _mm256_store_si256((__m256i *)sums, _mm256_add_epi32(_mm256_load_si256((const __m256i *)sums), sum));
}
#include "gemm_int8_loops.h"
