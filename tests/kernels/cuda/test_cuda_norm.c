/* Residual + LayerNorm on the device against its float64 loop. */
#include <CUnit/CUnit.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "kernels/cuda/plain.h"
#include "tests/support/cuda_batch.h"
#include "tests/support/elements.h"
#include "tests/support/kernel_sets.h"

enum { SPARE = 6, UNTOUCHED = 0x7e };
enum { IN, RESIDUAL, GAMMA, BETA, OUT, ARRAYS };

/* A batch of T rows in a bucket of T + SPARE; the rows beyond T are NaN. */
typedef struct {
    cuda_batch   batch;
    device_array arrays[ARRAYS];
    cuda_norm    norm; /* on the device */
    size_t       used; /* elements of the batch */
} scene;

static scene open_scene(element_type element, int T, int hidden, float size)
{
    scene        s = {.batch = cuda_batch_open(&T, 1, SPARE)};
    const size_t H = (size_t)hidden, n = (size_t)s.batch.tokens * H;
    s.used = (size_t)T * H;
    uint16_t *in = elements_random(element, n, 1, size), *residual = elements_random(element, n, 2, size);
    for (size_t i = s.used; i < n; i++) in[i] = residual[i] = 0x7fff;
    s.arrays[IN] = device_array_of(in, 2 * n);
    s.arrays[RESIDUAL] = device_array_of(residual, 2 * n);
    s.arrays[GAMMA] = device_array_of(random_floats(H, 3), 4 * H);
    s.arrays[BETA] = device_array_of(random_floats(H, 4), 4 * H);
    s.arrays[OUT] = device_array_filled(UNTOUCHED, 2 * n);
    s.norm = (cuda_norm){s.batch.device, s.arrays[IN].device, s.arrays[RESIDUAL].device, s.arrays[GAMMA].device,
                         s.arrays[BETA].device, s.arrays[OUT].device, s.batch.tokens, hidden, 1e-3f, element};
    return s;
}

static void close_scene(scene *s)
{
    device_array_free(s->arrays, ARRAYS);
    cuda_batch_close(&s->batch);
}

/* Runs the kernel and counts what is wrong: in the batch, and beyond it. */
static size_t run(scene *s, double slack, const char *what)
{
    double   *want = malloc(s->used * sizeof *want);
    cuda_norm truth = s->norm;
    truth.input = s->batch.host;
    truth.in = s->arrays[IN].host;
    truth.residual = s->norm.residual ? s->arrays[RESIDUAL].host : NULL;
    truth.gamma = s->arrays[GAMMA].host;
    truth.beta = s->arrays[BETA].host;
    cuda_norm_plain(&truth, want);
    CU_ASSERT_EQUAL_FATAL(cuda_norm_run(&s->norm, NULL), 0);

    const int which = s->norm.out == s->norm.in ? IN : s->norm.out == s->norm.residual ? RESIDUAL : OUT;
    uint16_t *before = malloc(s->arrays[which].bytes), *got = s->arrays[which].host;
    memcpy(before, got, s->arrays[which].bytes);
    device_array_pull(&s->arrays[which]);
    size_t wrong = elements_wrong(s->norm.element, got, want, s->used, 1, slack, what);
    wrong += memcmp(got + s->used, before + s->used, s->arrays[which].bytes - 2 * s->used) != 0;
    free(want), free(before);
    return wrong;
}

static void rows_of_every_width(void)
{
    static const int widths[] = {8, 40, 72, 128, 136, 384, 512, 640, 768, 896, 1024}, rows[] = {1, 3, 4, 5, 16, 65};
    for (size_t i = 0; i < sizeof widths / sizeof *widths * 6; i++) {
        for (element_type element = ELEMENT_F16; element <= ELEMENT_BF16; element++) {
            char what[64];
            snprintf(what, sizeof what, "H %d, T %d, %s", widths[i / 6], rows[i % 6], element ? "bf16" : "f16");
            scene s = open_scene(element, rows[i % 6], widths[i / 6], 2);
            CU_ASSERT_EQUAL(run(&s, 2e-6, what), 0);
            close_scene(&s);
        }
    }
}

static void nothing_is_added_without_a_residual(void)
{
    for (element_type element = ELEMENT_F16; element <= ELEMENT_BF16; element++) {
        scene s = open_scene(element, 5, 384, 2);
        s.norm.residual = NULL;
        CU_ASSERT_EQUAL(run(&s, 2e-6, "without"), 0);
        close_scene(&s);
    }
}

static void a_row_may_be_normalised_in_place(void)
{
    for (int which = IN; which <= RESIDUAL; which++) {
        scene s = open_scene(ELEMENT_F16, 9, 768, 2);
        s.norm.out = s.arrays[which].device;
        CU_ASSERT_EQUAL(run(&s, 2e-6, "in place"), 0);
        close_scene(&s);
    }
}

/* E[x^2] - E[x]^2 in fp32 would lose this variance altogether. */
static void a_large_mean_keeps_its_variance(void)
{
    scene     s = open_scene(ELEMENT_F16, 2, 384, 1);
    uint16_t *in = s.arrays[IN].host;
    for (size_t i = 0; i < s.used; i++) in[i] = f16_from_f32((float)(8192 + 8 * (i * 7 % 3)));
    device_array_push(&s.arrays[IN]);
    s.norm.residual = NULL;
    CU_ASSERT_EQUAL(run(&s, 2e-4, "mean 8200"), 0); /* steps of the fp32 mean are 1e-3 there, the deviation is 7 */
    close_scene(&s);
}

static void a_flat_row_becomes_beta_and_a_nan_stays_in_its_row(void)
{
    scene     s = open_scene(ELEMENT_BF16, 3, 72, 1);
    uint16_t *in = s.arrays[IN].host, *residual = s.arrays[RESIDUAL].host;
    for (int h = 0; h < 72; h++) in[h] = bf16_from_f32(3), residual[h] = 0;
    in[2 * 72 + 71] = 0x7fff;
    device_array_push(&s.arrays[IN]);
    device_array_push(&s.arrays[RESIDUAL]);
    s.norm.eps = 1e-12f;
    CU_ASSERT_EQUAL(run(&s, 2e-6, "flat, NaN"), 0); /* the truth has the NaN in its own row alone, too */
    close_scene(&s);
}

static void shapes_out_of_bounds_are_refused(void)
{
    static const struct { int tokens, hidden; } bad[] = {
        {0, 8}, {-1, 8}, {1, 0}, {1, 12}, {1, KERNEL_HIDDEN_MAX + 8}};
    scene s = open_scene(ELEMENT_F16, 1, 8, 1);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        cuda_norm n = s.norm;
        n.tokens = bad[i].tokens;
        n.hidden = bad[i].hidden;
        CU_ASSERT_EQUAL(cuda_norm_run(&n, NULL), KERNEL_BAD_SHAPE);
    }
    close_scene(&s);
}

void cuda_norm_suite(CU_pSuite s)
{
    CU_add_test(s, "residual and LayerNorm of any width agree with float64, and rows beyond the batch stay",
                rows_of_every_width);
    CU_add_test(s, "without a residual nothing is added", nothing_is_added_without_a_residual);
    CU_add_test(s, "out may be in, or the residual", a_row_may_be_normalised_in_place);
    CU_add_test(s, "a mean far above the deviation does not swallow the variance", a_large_mean_keeps_its_variance);
    CU_add_test(s, "a row without variance becomes beta, and a NaN makes its row NaN and no other",
                a_flat_row_becomes_beta_and_a_nan_stays_in_its_row);
    CU_add_test(s, "a shape that the kernel does not take is refused", shapes_out_of_bounds_are_refused);
}
