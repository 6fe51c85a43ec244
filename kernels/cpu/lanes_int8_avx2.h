/* lanes_int8_avx2.h - whole numbers and bfloat16 in and out of the registers of lanes_avx2.h; see lanes_low.h. */
#ifndef KERNELS_CPU_LANES_INT8_AVX2_H
#define KERNELS_CPU_LANES_INT8_AVX2_H
#include <stdint.h>
#include <string.h>
#include "lanes_avx2.h"

static inline lanes lanes_of_ints(const int32_t *p)
{
    return _mm256_cvtepi32_ps(_mm256_loadu_si256((const __m256i *)p));
}

static inline lanes lanes_load_bf16_n(const uint16_t *p, int n)
{
    uint16_t part[LANES] = {0};
    if (n < LANES) memcpy(part, p, (size_t)n * sizeof *p);
    __m128i half = _mm_loadu_si128((const __m128i *)(n < LANES ? part : p));
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(half), 16));
}

static inline void lanes_store_bf16_n(uint16_t *p, lanes x, int n)
{
    __m256i bits = _mm256_castps_si256(x), odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
    __m256i up = _mm256_add_epi32(_mm256_add_epi32(bits, _mm256_set1_epi32(0x7fff)), odd);
    __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(x, x, _CMP_UNORD_Q));
    up = _mm256_srli_epi32(_mm256_blendv_epi8(up, _mm256_set1_epi32(0x7fc00000), nan), 16);
    __m128i half = _mm_packus_epi32(_mm256_castsi256_si128(up), _mm256_extracti128_si256(up, 1));
    if (n >= LANES) {
        _mm_storeu_si128((__m128i *)p, half);
        return;
    }
    uint16_t part[LANES];
    _mm_storeu_si128((__m128i *)part, half);
    memcpy(p, part, (size_t)n * sizeof *p);
}

static inline lanes lanes_larger(lanes most, lanes x)
{
    __m256i bits = _mm256_and_si256(_mm256_castps_si256(x), _mm256_set1_epi32(0x7fffffff));
    return _mm256_castsi256_ps(_mm256_max_epi32(_mm256_castps_si256(most), bits));
}

static inline int32_t lanes_largest_bits(lanes most)
{
    __m256i bits = _mm256_castps_si256(most);
    __m128i four = _mm_max_epi32(_mm256_castsi256_si128(bits), _mm256_extracti128_si256(bits, 1));
    __m128i two = _mm_max_epi32(four, _mm_shuffle_epi32(four, 0x4e));
    return _mm_cvtsi128_si32(_mm_max_epi32(two, _mm_shuffle_epi32(two, 0xb1)));
}

static inline void lanes_store_bytes(uint8_t *p, const lanes *x)
{
    __m256i ab = _mm256_packs_epi32(_mm256_cvtps_epi32(x[0]), _mm256_cvtps_epi32(x[1]));
    __m256i cd = _mm256_packs_epi32(_mm256_cvtps_epi32(x[2]), _mm256_cvtps_epi32(x[3]));
    __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    __m256i bytes = _mm256_permutevar8x32_epi32(_mm256_packs_epi16(ab, cd), order); /* packs works in halves */
    _mm256_storeu_si256((__m256i *)p, _mm256_xor_si256(bytes, _mm256_set1_epi8(-128)));
}
#endif
