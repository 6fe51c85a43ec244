/* lanes_int8_avx512.h - whole numbers and bfloat16 in and out of the registers of lanes_avx512.h; see lanes_low.h. */
#ifndef KERNELS_CPU_LANES_INT8_AVX512_H
#define KERNELS_CPU_LANES_INT8_AVX512_H
#include <stdint.h>
#include "lanes_avx512.h"

static inline lanes lanes_of_ints(const int32_t *p) { return _mm512_cvtepi32_ps(_mm512_loadu_si512(p)); }

static inline lanes lanes_load_bf16_n(const uint16_t *p, int n)
{
    __m256i half = n >= LANES ? _mm256_loadu_si256((const __m256i *)p) : _mm256_maskz_loadu_epi16(lanes_first(n), p);
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(half), 16));
}

#ifdef __AVX512BF16__ /* one instruction; what is smaller than 2^-126 becomes 0 */
static inline void lanes_store_bf16_n(uint16_t *p, lanes x, int n)
{
    _mm256_mask_storeu_epi16(p, lanes_first(n), (__m256i)_mm512_cvtneps_pbh(x));
}
#else
static inline void lanes_store_bf16_n(uint16_t *p, lanes x, int n)
{
    __m512i bits = _mm512_castps_si512(x), odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
    __m512i up = _mm512_add_epi32(_mm512_add_epi32(bits, _mm512_set1_epi32(0x7fff)), odd);
    up = _mm512_mask_mov_epi32(up, _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q), _mm512_set1_epi32(0x7fc00000));
    _mm256_mask_storeu_epi16(p, lanes_first(n), _mm512_cvtepi32_epi16(_mm512_srli_epi32(up, 16)));
}
#endif

static inline lanes lanes_larger(lanes most, lanes x)
{
    __m512i bits = _mm512_and_si512(_mm512_castps_si512(x), _mm512_set1_epi32(0x7fffffff));
    return _mm512_castsi512_ps(_mm512_max_epi32(_mm512_castps_si512(most), bits));
}

static inline int32_t lanes_largest_bits(lanes most) { return _mm512_reduce_max_epi32(_mm512_castps_si512(most)); }

static inline void lanes_store_bytes(uint8_t *p, const lanes *x)
{
    __m512i ab = _mm512_packs_epi32(_mm512_cvtps_epi32(x[0]), _mm512_cvtps_epi32(x[1]));
    __m512i cd = _mm512_packs_epi32(_mm512_cvtps_epi32(x[2]), _mm512_cvtps_epi32(x[3]));
    __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    __m512i bytes = _mm512_permutexvar_epi32(order, _mm512_packs_epi16(ab, cd)); /* packs works in quarters */
    _mm512_storeu_si512(p, _mm512_xor_si512(bytes, _mm512_set1_epi8(-128)));
}
#endif
