/* lanes_avx512.h - sixteen floats side by side, AVX-512; see lanes.h. */
#ifndef KERNELS_CPU_LANES_AVX512_H
#define KERNELS_CPU_LANES_AVX512_H
#include <immintrin.h>

#define LANES_SET(operation) operation##_avx512
enum { LANES = 16, TILE_PANELS = 3, LANES_FLOOR = 1 };
#define TILE_ROWS 8 /* 24 of 32 registers hold sums: 11 loads for 24 products; 14 x 2 has 16 for 28, and is slower */

typedef __m512 lanes;

static inline __mmask16 lanes_first(int n) { return (__mmask16)(n >= LANES ? 0xffff : (1 << n) - 1); }

static inline lanes lanes_set(float x) { return _mm512_set1_ps(x); }
static inline lanes lanes_load(const float *p) { return _mm512_loadu_ps(p); }
static inline lanes lanes_load_n(const float *p, int n) { return _mm512_maskz_loadu_ps(lanes_first(n), p); }
static inline void  lanes_store(float *p, lanes x) { _mm512_storeu_ps(p, x); }
static inline void  lanes_store_n(float *p, lanes x, int n) { _mm512_mask_storeu_ps(p, lanes_first(n), x); }
static inline lanes lanes_add(lanes a, lanes b) { return _mm512_add_ps(a, b); }
static inline lanes lanes_sub(lanes a, lanes b) { return _mm512_sub_ps(a, b); }
static inline lanes lanes_mul(lanes a, lanes b) { return _mm512_mul_ps(a, b); }
static inline lanes lanes_div(lanes a, lanes b) { return _mm512_div_ps(a, b); }
static inline lanes lanes_fma(lanes a, lanes b, lanes c) { return _mm512_fmadd_ps(a, b, c); }
static inline lanes lanes_min(lanes limit, lanes x) { return _mm512_min_ps(limit, x); }
static inline lanes lanes_max(lanes limit, lanes x) { return _mm512_max_ps(limit, x); }

static inline lanes lanes_round(lanes x)
{
    return _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

static inline lanes lanes_zero_below(lanes y, lanes x, lanes limit)
{
    return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(x, limit, _CMP_NLT_UQ), y);
}

static inline lanes lanes_scale(lanes x, lanes power) { return _mm512_scalef_ps(x, power); }

static inline lanes lanes_rest(lanes x) { return _mm512_reduce_ps(x, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC); }
static inline lanes lanes_scale_whole(lanes y, lanes x) { return _mm512_scalef_ps(y, x); } /* takes the floor itself */
static inline float lanes_sum(lanes x) { return _mm512_reduce_add_ps(x); }

static inline float lanes_largest(lanes x)
{
    __m256 eight = _mm256_max_ps(_mm512_castps512_ps256(x), _mm512_extractf32x8_ps(x, 1));
    __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
}

static inline __m512 lanes_pair_low(__m512 a, __m512 b)
{
    return _mm512_castpd_ps(_mm512_unpacklo_pd(_mm512_castps_pd(a), _mm512_castps_pd(b)));
}

static inline __m512 lanes_pair_high(__m512 a, __m512 b)
{
    return _mm512_castpd_ps(_mm512_unpackhi_pd(_mm512_castps_pd(a), _mm512_castps_pd(b)));
}

static inline void lanes_turn(lanes x[LANES])
{
    lanes y[LANES];
    for (int i = 0; i < LANES; i += 4) { /* 4 x 4 in each quarter of a register */
        const lanes a = _mm512_unpacklo_ps(x[i], x[i + 1]), b = _mm512_unpackhi_ps(x[i], x[i + 1]);
        const lanes c = _mm512_unpacklo_ps(x[i + 2], x[i + 3]), d = _mm512_unpackhi_ps(x[i + 2], x[i + 3]);
        y[i] = lanes_pair_low(a, c);
        y[i + 1] = lanes_pair_high(a, c);
        y[i + 2] = lanes_pair_low(b, d);
        y[i + 3] = lanes_pair_high(b, d);
    }
    for (int i = 0; i < 4; i++) { /* quarters as numbers: 4 x 4 again */
        const lanes a = _mm512_shuffle_f32x4(y[i], y[i + 4], 0x88), b = _mm512_shuffle_f32x4(y[i], y[i + 4], 0xdd);
        const lanes c = _mm512_shuffle_f32x4(y[i + 8], y[i + 12], 0x88);
        const lanes d = _mm512_shuffle_f32x4(y[i + 8], y[i + 12], 0xdd);
        x[i] = _mm512_shuffle_f32x4(a, c, 0x88);
        x[i + 4] = _mm512_shuffle_f32x4(b, d, 0x88);
        x[i + 8] = _mm512_shuffle_f32x4(a, c, 0xdd);
        x[i + 12] = _mm512_shuffle_f32x4(b, d, 0xdd);
    }
}
#endif
