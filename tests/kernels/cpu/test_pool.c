/* Pooling against its float64 loop and against sums done by hand. */
#include <CUnit/CUnit.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "kernels/cpu/kernels.h"
#include "tests/support/kernel_sets.h"

static void check_all(const kernels *k)
{
    static const int     widths[] = {1, 3, 16, 63, 64, 65, 130};
    static const int32_t starts[] = {0, 1, 3, 20, 37};
    static const uint8_t normalize[] = {0, 1, 1, 0};
    int wrong = 0;
    for (int poolings = 1; poolings <= POOLING_ALL; poolings++) {
        for (size_t i = 0; i < sizeof widths / sizeof *widths; i++) {
            const size_t H = (size_t)widths[i], stride = H + 2;
            const size_t floats = 4 * H * (size_t)__builtin_popcount((unsigned)poolings);
            float *in = random_floats(36 * stride + H, (unsigned)poolings), *out = malloc(floats * sizeof *out);
            float *want = malloc(floats * sizeof *want);
            pool   p = {in, stride, starts, normalize, want, (int)H, poolings};
            pool_plain(&p, 0, 4);
            p.out = out;
            k->pool(&p, 0, 1);
            k->pool(&p, 1, 4);
            for (size_t n = 0; n < floats; n++) wrong += !(fabs((double)out[n] - (double)want[n]) <= 1e-6);
            free(in), free(out), free(want);
        }
    }
    CU_ASSERT_EQUAL(wrong, 0);
}

static void check_by_hand(const kernels *k)
{
    static const float   in[] = {1, -2, 4, 0, -2, -1, 5, 7}; /* four tokens of two columns */
    static const int32_t starts[] = {0, 4};
    static const uint8_t no[] = {0}, yes[] = {1};
    static const double want[] = {1, -2, /* first */ 5, 7, /* largest */ 2, 1, /* mean */ 4, 2, /* by the root of 4 */
                                  2.3, 2.3, /* (1 + 8 - 6 + 20) / 10, (-2 + 0 - 3 + 28) / 10 */ 5, 7 /* last */};
    float out[12];
    pool  p = {in, 2, starts, no, out, 2, POOLING_ALL};
    k->pool(&p, 0, 1);
    for (int i = 0; i < 12; i++) CU_ASSERT_DOUBLE_EQUAL(out[i], want[i], 1e-6);
    p.normalize = yes;
    p.poolings = POOLING_MEAN;
    k->pool(&p, 0, 1);
    CU_ASSERT_DOUBLE_EQUAL(out[0], 2 / sqrt(5), 1e-7);
    CU_ASSERT_DOUBLE_EQUAL(out[1], 1 / sqrt(5), 1e-7);
}

static void check_ends(const kernels *k)
{
    static const int32_t starts[] = {0, 2};
    static const uint8_t yes[] = {1};
    float in[] = {0, 0, 0, 0}, out[2] = {1, 1};
    pool  p = {in, 2, starts, yes, out, 2, POOLING_MEAN};
    k->pool(&p, 0, 1);
    CU_ASSERT(out[0] == 0 && out[1] == 0); /* no length: zeros, not 0 / 0 */
    in[2] = NAN;
    p.normalize = (const uint8_t[]){0};
    for (int pooling = POOLING_MAX; pooling < POOLING_ALL; pooling <<= 1) {
        p.poolings = pooling;
        k->pool(&p, 0, 1);
        CU_ASSERT(isnan(out[0]) && !isnan(out[1]));
    }
}

static void every_combination_agrees(void) { kernel_sets_each(check_all); }
static void six_poolings_by_hand(void) { kernel_sets_each(check_by_hand); }
static void zero_and_nan(void) { kernel_sets_each(check_ends); }

void pool_suite(CU_pSuite s)
{
    CU_add_test(s, "every combination of poolings, of any width, agrees with float64", every_combination_agrees);
    CU_add_test(s, "first, max, mean, mean by root, weighted mean and last, in this order, as done by hand",
                six_poolings_by_hand);
    CU_add_test(s, "a zero vector stays zero when normalised; NaN stays NaN", zero_and_nan);
}
