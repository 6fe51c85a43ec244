/* lanes_exp2.h - 2^x where x is known not to leave -125..127, as a softmax knows: its largest x is 0.
 *
 * No clamps and no second part of ln 2: x less a whole number is exact, and that number is the exponent.  NaN stays NaN.
 * The polynomials are minimax fits of the relative error made for this file (Remez), one for each way that registers
 * take a whole number off: -1/2..1/2 and 0..1.  test_lanes_exp2*.c hold them to the C library's function. */
#ifndef KERNELS_CPU_LANES_EXP2_H
#define KERNELS_CPU_LANES_EXP2_H
#include "lanes.h"

/* Relative error below 4e-7. */
static inline lanes lanes_exp2(lanes x)
{
    static const float fit[2][6] = {
        {1.000000072f, 0.6931469671f, 0.2402211972f, 0.05550713274f, 0.009675541334f, 0.001327647198f},
        {0.9999999251f, 0.6931530732f, 0.240153617f, 0.05582631805f, 0.008989340095f, 0.001877576673f},
    };
    return lanes_scale_whole(lanes_polynomial(lanes_rest(x), fit[LANES_FLOOR], 6), x);
}

/* Relative error below 7.6e-5: a twenty-fifth of what rounding to bfloat16 may take. */
static inline lanes lanes_exp2_low(lanes x)
{
    static const float fit[2][4] = {
        {0.9999280735f, 0.6932609855f, 0.2426111222f, 0.05517166907f},
        {0.9999252186f, 0.6958335405f, 0.2260671554f, 0.07802452266f},
    };
    return lanes_scale_whole(lanes_polynomial(lanes_rest(x), fit[LANES_FLOOR], 4), x);
}
#endif
