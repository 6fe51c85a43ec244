/* lanes.h - the arithmetic of one vector register, so that each loop is written once and compiled three times.
 *
 * A file like norm_avx2.c includes lanes_avx2.h (the register), then norm_loops.h (the loop).  A register header gives
 * the type `lanes`, LANES (its floats), the product's tile that fits its registers, LANES_SET(name) and:
 *
 *     set, load, store            load_n, store_n: the first n floats only; nothing beyond is read or written
 *     add sub mul div fma         fma(a,b,c) = a*b + c, rounded once where the machine can
 *     min max (limit, x)          x when x is NaN, so that NaN is never clamped away
 *     zero_below(y, x, limit)     0 where x < limit, else y
 *     round, scale(x, n)          nearest whole number; x * 2^n for whole n in -125..127
 *     rest(x)                     x less a whole number: the one below if LANES_FLOOR, else the nearest
 *     scale_whole(y, x)           y * 2^n for that number n, in -125..127
 *     sum, largest                over the register, in a fixed order
 *     turn                        LANES registers as rows become columns
 *
 * Below are the functions made of them.  The polynomials are minimax fits made for this file (Remez); test_norm.c and
 * test_gemm.c hold them to the C library's functions. */
#ifndef KERNELS_CPU_LANES_H
#define KERNELS_CPU_LANES_H

static inline lanes lanes_polynomial(lanes x, const float *coefficients, int n)
{
    lanes sum = lanes_set(coefficients[n - 1]);
    for (int i = n - 2; i >= 0; i--) sum = lanes_fma(sum, x, lanes_set(coefficients[i]));
    return sum;
}

/* e^x, relative error below 2e-7 up to 88; 0 below -86.6, where results would become denormal. */
static inline lanes lanes_exp(lanes x)
{
    static const float fit[] = {1.000000001f,   1.000000036f,    0.4999999208f,  0.1666642015f,
                                0.04166822568f, 0.008374817334f, 0.001383684412f}; /* on +-ln(2)/2 */
    lanes bounded = lanes_max(lanes_set(-86.6f), lanes_min(lanes_set(88.0f), x));
    lanes power = lanes_round(lanes_mul(bounded, lanes_set(1.44269504f)));
    lanes rest = lanes_fma(power, lanes_set(-0.693359375f), bounded); /* ln 2 in two parts: the first is exact */
    rest = lanes_fma(power, lanes_set(2.12194440e-4f), rest);
    return lanes_zero_below(lanes_scale(lanes_polynomial(rest, fit, 7), power), x, lanes_set(-86.6f));
}

/* x (1 + erf(x / sqrt 2)) / 2.  erf(x / sqrt 2) / x is a polynomial in x^2, centred so that its terms stay small;
 * at 5.6, and so beyond, it comes out as exactly 1 and the result as x or 0.  No division and no exponential. */
static inline lanes lanes_gelu(lanes x)
{
    static const float fit[] = {0.2525191863f,   -0.1261025778f,  0.09396210741f,  -0.07669102405f,
                                0.06393359066f,  -0.05262307592f, 0.04192398202f,  -0.03151571934f,
                                0.02184651343f,  -0.01505561853f, 0.01085092609f,  -0.005777982827f,
                                0.001462600007f, -0.00121586692f, 0.001729041581f, -0.0006746620116f};
    const float limit = 5.6f;
    lanes bounded = lanes_max(lanes_set(-limit), lanes_min(lanes_set(limit), x));
    lanes centred = lanes_fma(lanes_mul(bounded, bounded), lanes_set(2 / (limit * limit)), lanes_set(-1));
    lanes erf = lanes_mul(bounded, lanes_polynomial(centred, fit, 16));
    lanes half = lanes_mul(x, lanes_set(0.5f));
    return lanes_fma(half, erf, half);
}

/* x (1 + tanh u) / 2 with u = sqrt(2 / pi) (x + 0.044715 x^3), written as x / (1 + e^-2u);
 * below -8 that is less than 1e-20 and on its way to denormal numbers, which are slow: 0. */
static inline lanes lanes_gelu_tanh(lanes x)
{
    lanes cubed = lanes_mul(lanes_mul(x, x), lanes_mul(x, lanes_set(-2 * 0.79788456f * 0.044715f)));
    lanes power = lanes_fma(x, lanes_set(-2 * 0.79788456f), cubed);
    return lanes_zero_below(lanes_div(x, lanes_add(lanes_set(1), lanes_exp(power))), x, lanes_set(-8));
}
#endif
