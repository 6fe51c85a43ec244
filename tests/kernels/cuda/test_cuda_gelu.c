/* Bias + GELU on the device against its float64 loop. */
#include <CUnit/CUnit.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "kernels/cuda/plain.h"
#include "tests/support/cuda_batch.h"
#include "tests/support/elements.h"

enum { SPARE = 3 };
enum { X, BIAS, ARRAYS };

typedef struct {
    cuda_batch   batch;
    device_array arrays[ARRAYS];
    cuda_gelu    gelu; /* on the device */
} scene;

static scene open_scene(element_type element, int T, int inner, float size)
{
    scene        s = {.batch = cuda_batch_open(&T, 1, SPARE)};
    const size_t I = (size_t)inner, n = (size_t)s.batch.tokens * I;
    s.arrays[X] = device_array_of(elements_random(element, n, 1, size), 2 * n);
    s.arrays[BIAS] = device_array_of(elements_random(element, I, 2, 1), 2 * I);
    s.gelu = (cuda_gelu){s.batch.device, s.arrays[X].device, s.arrays[BIAS].device, s.batch.tokens, inner, element};
    return s;
}

static void close_scene(scene *s)
{
    device_array_free(s->arrays, ARRAYS);
    cuda_batch_close(&s->batch);
}

static size_t run(scene *s, const char *what)
{
    const size_t used = (size_t)s->batch.T * (size_t)s->gelu.inner;
    double      *want = malloc(used * sizeof *want);
    uint16_t    *before = malloc(s->arrays[X].bytes), *got = s->arrays[X].host;
    cuda_gelu    truth = s->gelu;
    truth.input = s->batch.host;
    truth.x = s->arrays[X].host;
    truth.bias = s->arrays[BIAS].host;
    cuda_gelu_plain(&truth, want);
    memcpy(before, got, s->arrays[X].bytes);
    CU_ASSERT_EQUAL_FATAL(cuda_gelu_run(&s->gelu, NULL), 0);
    device_array_pull(&s->arrays[X]);
    size_t wrong = elements_wrong(s->gelu.element, got, want, used, 1, 4e-7, what);
    wrong += memcmp(got + used, before + used, s->arrays[X].bytes - 2 * used) != 0;
    free(want), free(before);
    return wrong;
}

static void every_width(void)
{
    static const int widths[] = {8, 40, 72, 1016, 1024, 1032, 1536, 4096}, rows[] = {1, 2, 3, 17};
    for (size_t i = 0; i < sizeof widths / sizeof *widths * 4; i++) {
        for (element_type element = ELEMENT_F16; element <= ELEMENT_BF16; element++) {
            char what[64];
            snprintf(what, sizeof what, "I %d, T %d, %s", widths[i / 4], rows[i % 4], element ? "bf16" : "f16");
            scene s = open_scene(element, rows[i % 4], widths[i / 4], 8);
            CU_ASSERT_EQUAL(run(&s, what), 0);
            close_scene(&s);
        }
    }
}

/* Every f16 number, bias 0: both ends, where erf is 1 or -1, and the tiny ones too. */
static void every_number(void)
{
    enum { I = 1024, T = 64 };
    scene     s = open_scene(ELEMENT_F16, T, I, 1);
    uint16_t *x = s.arrays[X].host;
    for (int i = 0; i < T * I; i++) x[i] = (uint16_t)i;
    memset(s.arrays[BIAS].host, 0, s.arrays[BIAS].bytes);
    device_array_push(&s.arrays[X]);
    device_array_push(&s.arrays[BIAS]);
    CU_ASSERT_EQUAL(run(&s, "every f16"), 0);
    close_scene(&s);
}

static void shapes_out_of_bounds_are_refused(void)
{
    static const struct { int tokens, inner; } bad[] = {{0, 8}, {1, 0}, {1, 12}, {1, 0x7ffffff8}};
    scene s = open_scene(ELEMENT_F16, 1, 8, 1);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        cuda_gelu g = s.gelu;
        g.tokens = bad[i].tokens;
        g.inner = bad[i].inner;
        CU_ASSERT_EQUAL(cuda_gelu_run(&g, NULL), KERNEL_BAD_SHAPE);
    }
    close_scene(&s);
}

void cuda_gelu_suite(CU_pSuite s)
{
    CU_add_test(s, "bias and GELU of any width agree with float64 in place, and rows beyond the batch stay",
                every_width);
    CU_add_test(s, "GELU of every f16 number agrees with float64, NaN with NaN", every_number);
    CU_add_test(s, "a shape that the kernel does not take is refused", shapes_out_of_bounds_are_refused);
}
