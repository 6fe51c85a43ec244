/* LayerNorm and the embedding against their float64 loops, on every set of kernels that this machine runs. */
#include <CUnit/CUnit.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "kernels/cpu/kernels.h"
#include "tests/support/kernel_sets.h"

static const float UNTOUCHED = 12345.0f;
static const int   widths[] = {1, 2, 3, 7, 8, 15, 16, 17, 31, 33, 100, 384, 385};
enum { ROWS = 6, GAP = 3, WORDS = 9, N_WIDTHS = sizeof widths / sizeof *widths };

static int differs(const float *out, const float *want, size_t n, double bar)
{
    for (size_t i = 0; i < n; i++)
        if (!(fabs((double)out[i] - (double)want[i]) <= bar)) return 1;
    return 0;
}

static float *untouched(size_t n)
{
    float *p = malloc(n * sizeof *p);
    for (size_t i = 0; i < n; i++) p[i] = UNTOUCHED;
    return p;
}

static void check_layer_norm(const kernels *k)
{
    for (int i = 0; i < N_WIDTHS; i++) {
        const size_t H = (size_t)widths[i], stride = H + GAP, floats = (ROWS - 1) * stride + H;
        float *in = random_floats(floats, 1), *gamma = random_floats(H, 2), *beta = random_floats(H, 3);
        float *out = untouched(floats), *want = untouched(floats);
        layer_norm l = {in, want, stride, stride, (int)H, gamma, beta, 1e-3f};
        layer_norm_plain(&l, 1, ROWS);
        l.out = out;
        k->layer_norm(&l, 1, ROWS);
        CU_ASSERT_FALSE(differs(out, want, floats, 2e-6));
        l.out = in;
        k->layer_norm(&l, 1, ROWS); /* in place */
        CU_ASSERT_EQUAL(memcmp(in + stride, out + stride, H * sizeof *in), 0);
        free(in), free(gamma), free(beta), free(out), free(want);
    }
}

/* E[x^2] - E[x]^2 in fp32 would lose this variance altogether. */
static void check_large_mean(const kernels *k)
{
    enum { H = 384 };
    float *in = random_floats(H, 5), *gamma = random_floats(H, 6), *beta = random_floats(H, 7), out[H], want[H];
    for (int h = 0; h < H; h++) in[h] = 4096 + roundf(in[h] * 64) / 64;
    layer_norm l = {in, want, H, H, H, gamma, beta, 1e-12f};
    layer_norm_plain(&l, 0, 1);
    l.out = out;
    k->layer_norm(&l, 0, 1);
    CU_ASSERT_FALSE(differs(out, want, H, 2e-3)); /* the mean itself has steps of 2.4e-4 there */
    free(in), free(gamma), free(beta);
}

static void check_flat_and_nan(const kernels *k)
{
    float in[20], gamma[20], beta[20], out[20];
    for (int h = 0; h < 20; h++) in[h] = 3, gamma[h] = 1, beta[h] = (float)h;
    layer_norm l = {in, out, 20, 20, 20, gamma, beta, 1e-12f};
    k->layer_norm(&l, 0, 1);
    CU_ASSERT_FALSE(differs(out, beta, 20, 0)); /* no variance: beta, not 0 / 0 */
    in[19] = NAN;
    k->layer_norm(&l, 0, 1);
    int bad = 0;
    for (int h = 0; h < 20; h++) bad += isnan(out[h]) != 0;
    CU_ASSERT_EQUAL(bad, 20);
}

static void check_embed(const kernels *k)
{
    static const int32_t ids[ROWS] = {8, 0, 3, 3, 7, 1}, positions[ROWS] = {0, 1, 0, 1, 2, 3};
    static const int8_t  types[ROWS] = {0, 1, 1, 0, 1, 0};
    for (int i = 0; i < 2 * N_WIDTHS; i++) {
        const size_t H = (size_t)widths[i / 2], stride = H + GAP, floats = (ROWS - 1) * stride + H;
        float *word = random_floats(WORDS * H, 1), *position = random_floats(4 * H, 2), *type = random_floats(2 * H, 3);
        float *gamma = random_floats(H, 4), *beta = random_floats(H, 5);
        float *out = untouched(floats), *want = untouched(floats);
        embed  e = {.ids = ids, .positions = positions, .types = i % 2 ? types : NULL, .word = word,
                    .position = position, .type = type,
                    .norm = {want, want, stride, stride, (int)H, gamma, beta, 1e-3f}};
        embed_plain(&e, 0, ROWS);
        e.norm.in = e.norm.out = out;
        k->embed(&e, 0, 2); /* in two parts, as threads do it */
        k->embed(&e, 2, ROWS);
        CU_ASSERT_FALSE(differs(out, want, floats, 4e-6));
        free(word), free(position), free(type), free(gamma), free(beta), free(out), free(want);
    }
}

static void rows_of_any_width(void) { kernel_sets_each(check_layer_norm); }
static void a_large_mean_keeps_its_variance(void) { kernel_sets_each(check_large_mean); }
static void a_flat_row_and_a_nan(void) { kernel_sets_each(check_flat_and_nan); }
static void embeddings_of_any_width(void) { kernel_sets_each(check_embed); }

void norm_suite(CU_pSuite s)
{
    CU_add_test(s, "LayerNorm of any width agrees with float64, also in place, and writes nothing beside it",
                rows_of_any_width);
    CU_add_test(s, "a mean far above the deviation does not swallow the variance", a_large_mean_keeps_its_variance);
    CU_add_test(s, "a row without variance becomes beta; one NaN makes its row NaN", a_flat_row_and_a_nan);
    CU_add_test(s, "word, position and type of any width are summed and normalised, with and without types",
                embeddings_of_any_width);
}
