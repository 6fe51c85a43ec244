/* lanes_avx2.h - eight floats side by side, AVX2 and FMA; see lanes.h. */
#ifndef KERNELS_CPU_LANES_AVX2_H
#define KERNELS_CPU_LANES_AVX2_H
#include <immintrin.h>

#define LANES_SET(operation) operation##_avx2
enum { LANES = 8, TILE_PANELS = 1, LANES_FLOOR = 0 };
#define TILE_ROWS 6 /* 12 of 16 registers hold sums */

typedef __m256 lanes;

static inline __m256i lanes_first(int n)
{
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

static inline lanes lanes_set(float x) { return _mm256_set1_ps(x); }
static inline lanes lanes_load(const float *p) { return _mm256_loadu_ps(p); }
static inline void  lanes_store(float *p, lanes x) { _mm256_storeu_ps(p, x); }

static inline lanes lanes_load_n(const float *p, int n)
{
    return n >= LANES ? lanes_load(p) : _mm256_maskload_ps(p, lanes_first(n));
}

static inline void lanes_store_n(float *p, lanes x, int n) /* a masked store costs some 20 cycles on AMD */
{
    if (n >= LANES) lanes_store(p, x);
    else _mm256_maskstore_ps(p, lanes_first(n), x);
}

static inline lanes lanes_add(lanes a, lanes b) { return _mm256_add_ps(a, b); }
static inline lanes lanes_sub(lanes a, lanes b) { return _mm256_sub_ps(a, b); }
static inline lanes lanes_mul(lanes a, lanes b) { return _mm256_mul_ps(a, b); }
static inline lanes lanes_div(lanes a, lanes b) { return _mm256_div_ps(a, b); }
static inline lanes lanes_fma(lanes a, lanes b, lanes c) { return _mm256_fmadd_ps(a, b, c); }
static inline lanes lanes_min(lanes limit, lanes x) { return _mm256_min_ps(limit, x); }
static inline lanes lanes_max(lanes limit, lanes x) { return _mm256_max_ps(limit, x); }
static inline lanes lanes_round(lanes x) { return _mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }

static inline lanes lanes_zero_below(lanes y, lanes x, lanes limit)
{
    return _mm256_and_ps(y, _mm256_cmp_ps(x, limit, _CMP_NLT_UQ));
}

static inline lanes lanes_scale(lanes x, lanes power)
{
    __m256i exponent = _mm256_slli_epi32(_mm256_cvtps_epi32(power), 23);
    return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(x), exponent));
}

/* 1.5 * 2^23 leaves no bits for a fraction: the sum's low bits are the nearest whole number, 127 more as an exponent is.
 * The power is multiplied by, not added to the exponent: NaN stays NaN whatever its low bits. */
static inline lanes lanes_shifted(lanes x) { return _mm256_add_ps(x, lanes_set(12582912.0f + 127)); }

static inline lanes lanes_rest(lanes x)
{
    return _mm256_sub_ps(x, _mm256_sub_ps(lanes_shifted(x), lanes_set(12582912.0f + 127)));
}

static inline lanes lanes_scale_whole(lanes y, lanes x)
{
    return _mm256_mul_ps(y, _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_castps_si256(lanes_shifted(x)), 23)));
}

static inline float lanes_sum(lanes x)
{
    __m128 four = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

static inline float lanes_largest(lanes x)
{
    __m128 four = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
}

static inline void lanes_turn(lanes x[LANES])
{
    lanes y[LANES];
    for (int i = 0; i < LANES; i += 4) { /* 4 x 4 in each half of a register */
        const lanes a = _mm256_unpacklo_ps(x[i], x[i + 1]), b = _mm256_unpackhi_ps(x[i], x[i + 1]);
        const lanes c = _mm256_unpacklo_ps(x[i + 2], x[i + 3]), d = _mm256_unpackhi_ps(x[i + 2], x[i + 3]);
        y[i] = _mm256_shuffle_ps(a, c, 0x44);
        y[i + 1] = _mm256_shuffle_ps(a, c, 0xee);
        y[i + 2] = _mm256_shuffle_ps(b, d, 0x44);
        y[i + 3] = _mm256_shuffle_ps(b, d, 0xee);
    }
    for (int i = 0; i < 4; i++) {
        x[i] = _mm256_permute2f128_ps(y[i], y[i + 4], 0x20);
        x[i + 4] = _mm256_permute2f128_ps(y[i], y[i + 4], 0x31);
    }
}
#endif
