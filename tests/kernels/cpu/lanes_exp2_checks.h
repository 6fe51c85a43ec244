/* lanes_exp2_checks.h - 2^x in the registers whose header is included before this, against the C library's. */
#ifndef TESTS_KERNELS_CPU_LANES_EXP2_CHECKS_H
#define TESTS_KERNELS_CPU_LANES_EXP2_CHECKS_H
#include <math.h>
#include "kernels/cpu/lanes_exp2.h"

/* The largest relative error over -125..0 in steps that meet every part of a fit; infinite where NaN is lost. */
static double exp2_error(int low)
{
    double most = 0;
    for (int i = 0; i < 125 * 997; i += LANES) {
        float x[LANES], y[LANES];
        for (int j = 0; j < LANES; j++) x[j] = -(float)(i + j) / 997;
        lanes_store(y, low ? lanes_exp2_low(lanes_load(x)) : lanes_exp2(lanes_load(x)));
        for (int j = 0; j < LANES; j++) {
            const double error = fabs((double)y[j] / exp2((double)x[j]) - 1);
            if (!(error <= most)) most = error;
        }
    }
    for (int payload = 0; payload < 512; payload++) {
        union {
            unsigned bits;
            float x;
        } nan = {.bits = 0x7fc00000u + (unsigned)payload};
        float y[LANES];
        lanes_store(y, low ? lanes_exp2_low(lanes_set(nan.x)) : lanes_exp2(lanes_set(nan.x)));
        if (!isnan(y[LANES - 1])) most = INFINITY;
    }
    return most;
}

/* Registers as rows: number j of register i becomes number i of register j. */
static int turn_is_wrong(void)
{
    lanes x[LANES];
    int wrong = 0;
    for (int i = 0; i < LANES; i++) {
        float row[LANES];
        for (int j = 0; j < LANES; j++) row[j] = (float)(i * 100 + j);
        x[i] = lanes_load(row);
    }
    lanes_turn(x);
    for (int i = 0; i < LANES; i++) {
        float row[LANES];
        lanes_store(row, x[i]);
        for (int j = 0; j < LANES; j++) wrong += row[j] != (float)(j * 100 + i);
    }
    return wrong;
}
#endif
