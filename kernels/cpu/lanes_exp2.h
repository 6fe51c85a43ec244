/* lanes_exp2.h - 2^x where x is known not to leave -125..127, as a softmax knows: its largest x is 0.
 *
 * No clamps and no second part of ln 2: x less its nearest whole number is exact, and that number is the exponent.
 * NaN stays NaN.  The polynomials are minimax fits on +-1/2 made for this file (Remez, relative error);
 * test_lanes_exp2.c holds them to the C library's function. */
#ifndef KERNELS_CPU_LANES_EXP2_H
#define KERNELS_CPU_LANES_EXP2_H
#include "lanes.h"

/* Relative error below 3e-7. */
static inline lanes lanes_exp2(lanes x)
{
    static const float fit[] = {1.000000072f,   0.6931469671f,   0.2402211972f,
                                0.05550713274f, 0.009675541334f, 0.001327647198f};
    return lanes_scale_near(lanes_polynomial(lanes_rest(x), fit, 6), x);
}

/* Relative error below 7.6e-5: a fiftieth of what bfloat16 rounds away. */
static inline lanes lanes_exp2_low(lanes x)
{
    static const float fit[] = {0.9999280735f, 0.6932609855f, 0.2426111222f, 0.05517166907f};
    return lanes_scale_near(lanes_polynomial(lanes_rest(x), fit, 4), x);
}
#endif
