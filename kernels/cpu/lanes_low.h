/* lanes_low.h - what the precisions below float32 want of a register beyond lanes.h.  lanes_int8_avx2.h and its like give:
 *
 *     of_ints(p)                  LANES int32 as floats
 *     load_bf16_n, store_bf16_n   the first n bfloat16 only; stores round to nearest even, and NaN stays NaN
 *     larger(most, x)             per lane the larger magnitude; compared as bits, so that NaN and infinity are the largest
 *     largest_bits(most)          the bits of the largest lane
 *     store_bytes(p, x)           x[0..4) rounded to nearest even, + 128, as 4 * LANES bytes
 *
 * Below is GELU for results that are rounded to bfloat16 anyway: within 3e-5 of the exact one, at half its price.
 *
 * gelu(x) is max(x, 0) less a bump that is the same on both sides of 0 and gone some way out; less it is
 *
 *     v (v + limit)^2 r(v)  with  v = -min(|x|, limit)
 *
 * so that 0 stays 0 and from the limit on, however far, the result is exactly x or 0.  (A clamped erf that ends as 1
 * within 2e-6 leaves an error that grows with |x|, and NaN at minus infinity.)  r is a fit made for this file: weighted
 * least squares, the weights driven towards the least largest error, which below 1/4 has to shrink with x.
 * test_gemm_bf16.c holds both to the C library's functions. */
#ifndef KERNELS_CPU_LANES_LOW_H
#define KERNELS_CPU_LANES_LOW_H
#include "gemm.h"
#include "lanes.h"

static inline lanes lanes_less_bump(lanes x, float limit, const float *fit /* 8 */)
{
    lanes v = lanes_max(lanes_set(-limit), lanes_min(lanes_sub(lanes_set(0), x), x));
    lanes u = lanes_add(v, lanes_set(limit));
    lanes bump = lanes_mul(v, lanes_mul(u, u));
    return lanes_fma(bump, lanes_polynomial(v, fit, 8), lanes_max(lanes_set(0), x));
}

static inline lanes lanes_gelu_low(lanes x)
{
    static const float fit[] = {0.02468590477f, 0.008662965995f, -0.0051467704f,  -0.001076796741f,
                                0.001747060372f, 0.0009071293939f, 0.0001680965632f, 1.118920213e-05f};
    return lanes_less_bump(x, 4.5f, fit);
}

static inline lanes lanes_gelu_tanh_low(lanes x)
{
    static const float fit[] = {0.02703740715f,  0.008946882201f, -0.005678956392f, -0.00110068022f,
                                0.001849902858f, 0.0009413351996f, 0.0001725074365f, 1.140551261e-05f};
    return lanes_less_bump(x, 4.3f, fit);
}

/* activation is a constant wherever this is inlined. */
static inline __attribute__((always_inline)) lanes lanes_activate_low(lanes x, const gemm_activation activation)
{
    if (activation == GEMM_GELU) return lanes_gelu_low(x);
    if (activation == GEMM_GELU_TANH) return lanes_gelu_tanh_low(x);
    return activation == GEMM_RELU ? lanes_max(lanes_set(0), x) : x;
}
#endif
