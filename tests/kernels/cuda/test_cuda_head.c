/* Pooler and classifier on the device against their float64 loop. */
#include <CUnit/CUnit.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "kernels/cuda/plain.h"
#include "tests/support/cuda_batch.h"
#include "tests/support/elements.h"

enum { SPARE = 2, UNTOUCHED = 0x7e };
enum { X, POOLER, POOLER_BIAS, CLASSIFIER, CLASSIFIER_BIAS, OUT, FINITE, ARRAYS };
static const int lengths[] = {3, 1, 7};
enum { SEQUENCES = 3 };

typedef struct {
    cuda_batch   batch;
    device_array arrays[ARRAYS];
    cuda_head    head; /* on the device */
} scene;

static device_array random_array(element_type element, size_t n, unsigned seed, float size)
{
    return device_array_of(elements_random(element, n, seed, size), 2 * n);
}

static scene open_scene(element_type element, int hidden, int labels)
{
    scene        s = {.batch = cuda_batch_open(lengths, SEQUENCES, SPARE)};
    const size_t H = (size_t)hidden, L = (size_t)labels;
    const float  weight = 1.5f / sqrtf((float)hidden); /* so that tanh sees numbers near 1 */
    s.arrays[X] = random_array(element, (size_t)s.batch.tokens * H, 1, 2);
    s.arrays[POOLER] = random_array(element, H * H, 2, weight);
    s.arrays[POOLER_BIAS] = random_array(element, H, 3, 0.5f);
    s.arrays[CLASSIFIER] = random_array(element, L * H, 4, 1);
    s.arrays[CLASSIFIER_BIAS] = random_array(element, L, 5, 1);
    s.arrays[OUT] = device_array_filled(UNTOUCHED, (size_t)s.batch.sequences * L * 4);
    s.arrays[FINITE] = device_array_filled(UNTOUCHED, (size_t)s.batch.sequences);
    s.head = (cuda_head){s.batch.device, s.arrays[X].device, s.arrays[POOLER].device, s.arrays[POOLER_BIAS].device,
                         s.arrays[CLASSIFIER].device, s.arrays[CLASSIFIER_BIAS].device, s.arrays[OUT].device,
                         s.arrays[FINITE].device, s.batch.sequences, hidden, labels, element};
    return s;
}

static void close_scene(scene *s)
{
    device_array_free(s->arrays, ARRAYS);
    cuda_batch_close(&s->batch);
}

static size_t run(scene *s, const char *what)
{
    const size_t used = SEQUENCES * (size_t)s->head.labels;
    double      *want = malloc(used * sizeof *want);
    uint8_t      want_finite[SEQUENCES];
    cuda_head    truth = s->head;
    truth.input = s->batch.host;
    truth.x = s->arrays[X].host;
    truth.pooler = s->arrays[POOLER].host;
    truth.pooler_bias = s->arrays[POOLER_BIAS].host;
    truth.classifier = s->arrays[CLASSIFIER].host;
    truth.classifier_bias = s->arrays[CLASSIFIER_BIAS].host;
    cuda_head_plain(&truth, want, want_finite);
    CU_ASSERT_EQUAL_FATAL(cuda_head_run(&s->head, NULL), 0);
    device_array_pull(&s->arrays[OUT]);
    device_array_pull(&s->arrays[FINITE]);
    const uint8_t *out = s->arrays[OUT].host, *finite = s->arrays[FINITE].host;
    /* Each of the H terms may be wrong by a few units of 2^-24: sums of random signs stay far below. */
    size_t wrong = floats_wrong(s->arrays[OUT].host, want, used, 1e-6, 1e-6 * sqrt((double)s->head.hidden), what);
    wrong += memcmp(finite, want_finite, SEQUENCES) != 0;
    for (size_t i = 4 * used; i < s->arrays[OUT].bytes; i++) wrong += out[i] != UNTOUCHED;
    for (size_t i = SEQUENCES; i < s->arrays[FINITE].bytes; i++) wrong += finite[i] != UNTOUCHED;
    free(want);
    return wrong;
}

static void every_width_and_number_of_labels(void)
{
    static const int widths[] = {8, 40, 72, 256, 264, 384, 768, 1024}, labels[] = {1, 2, 17, 33};
    for (size_t i = 0; i < sizeof widths / sizeof *widths; i++) {
        for (element_type element = ELEMENT_F16; element <= ELEMENT_BF16; element++) {
            char what[64];
            snprintf(what, sizeof what, "H %d, %d labels, %s", widths[i], labels[i % 4], element ? "bf16" : "f16");
            scene s = open_scene(element, widths[i], labels[i % 4]);
            CU_ASSERT_EQUAL(run(&s, what), 0);
            close_scene(&s);
        }
    }
}

static void schedules(void)
{
    for (unsigned seed = 1; seed <= 4; seed++) {
        scene s = open_scene(ELEMENT_F16, 384, 3);
        device_schedule(seed);
        CU_ASSERT_EQUAL(run(&s, "a schedule"), 0);
        close_scene(&s);
    }
    device_schedule(0);
}

/* The NaN is in one token; the infinity in the last of many labels, which one warp alone computes. */
static void what_is_not_finite_is_said(void)
{
    scene s = open_scene(ELEMENT_BF16, 40, 1);
    ((uint16_t *)s.arrays[X].host)[3 * 40 + 39] = 0x7fff; /* the first token of sequence 1 */
    device_array_push(&s.arrays[X]);
    CU_ASSERT_EQUAL(run(&s, "NaN"), 0);
    CU_ASSERT_EQUAL(memcmp(s.arrays[FINITE].host, (uint8_t[]){1, 0, 1}, SEQUENCES), 0);
    close_scene(&s);

    s = open_scene(ELEMENT_F16, 40, 7);
    ((uint16_t *)s.arrays[CLASSIFIER_BIAS].host)[6] = 0x7c00;
    device_array_push(&s.arrays[CLASSIFIER_BIAS]);
    CU_ASSERT_EQUAL(run(&s, "infinity"), 0);
    CU_ASSERT_EQUAL(memcmp(s.arrays[FINITE].host, (uint8_t[]){0, 0, 0}, SEQUENCES), 0);
    close_scene(&s);
}

static void shapes_out_of_bounds_are_refused(void)
{
    static const struct { int sequences, hidden, labels; } bad[] = {
        {0, 8, 1}, {1, 0, 1}, {1, 12, 1}, {1, KERNEL_HIDDEN_MAX + 8, 1}, {1, 8, 0}};
    scene s = open_scene(ELEMENT_F16, 8, 1);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        cuda_head h = s.head;
        h.sequences = bad[i].sequences;
        h.hidden = bad[i].hidden;
        h.labels = bad[i].labels;
        CU_ASSERT_EQUAL(cuda_head_run(&h, NULL), KERNEL_BAD_SHAPE);
    }
    close_scene(&s);
}

void cuda_head_suite(CU_pSuite s)
{
    CU_add_test(s, "logits of any width and number of labels agree with float64, and no row beyond",
                every_width_and_number_of_labels);
    CU_add_test(s, "logits agree in every schedule of threads", schedules);
    CU_add_test(s, "logits that are not finite are said of their row alone", what_is_not_finite_is_said);
    CU_add_test(s, "a shape that the kernel does not take is refused", shapes_out_of_bounds_are_refused);
}
