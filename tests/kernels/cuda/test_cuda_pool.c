/* Pooling on the device against its float64 loop. */
#include <CUnit/CUnit.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "kernels/cpu/pool.h"
#include "kernels/cuda/plain.h"
#include "tests/support/cuda_batch.h"
#include "tests/support/elements.h"

enum { SPARE = 3, UNTOUCHED = 0x7e };
enum { X, OUT, FINITE, ARRAYS };

typedef struct {
    cuda_batch   batch;
    device_array arrays[ARRAYS];
    cuda_pool    pool; /* on the device */
    size_t       dimensions;
} scene;

static scene open_scene(element_type element, const int *lengths, int sequences, int hidden, int poolings)
{
    scene        s = {.batch = cuda_batch_open(lengths, sequences, SPARE)};
    const size_t H = (size_t)hidden, n = (size_t)s.batch.tokens * H;
    uint16_t    *x = elements_random(element, n, 1, 2);
    for (size_t i = (size_t)s.batch.T * H; i < n; i++) x[i] = 0x7fff;
    s.dimensions = (size_t)__builtin_popcount((unsigned)poolings) * H;
    s.arrays[X] = device_array_of(x, 2 * n);
    s.arrays[OUT] = device_array_filled(UNTOUCHED, (size_t)s.batch.sequences * s.dimensions * 4);
    s.arrays[FINITE] = device_array_filled(UNTOUCHED, (size_t)s.batch.sequences);
    s.pool = (cuda_pool){s.batch.device, s.arrays[X].device, s.arrays[OUT].device, s.arrays[FINITE].device,
                         s.batch.sequences, hidden, poolings, element};
    return s;
}

static void close_scene(scene *s)
{
    device_array_free(s->arrays, ARRAYS);
    cuda_batch_close(&s->batch);
}

static size_t run(scene *s, const char *what)
{
    const size_t S = (size_t)s->batch.S, used = S * s->dimensions;
    double      *want = malloc(used * sizeof *want);
    uint8_t     *want_finite = malloc(S);
    cuda_pool    truth = s->pool;
    truth.input = s->batch.host;
    truth.x = s->arrays[X].host;
    cuda_pool_plain(&truth, want, want_finite);
    CU_ASSERT_EQUAL_FATAL(cuda_pool_run(&s->pool, NULL), 0);
    device_array_pull(&s->arrays[OUT]);
    device_array_pull(&s->arrays[FINITE]);
    const uint8_t *out = s->arrays[OUT].host, *finite = s->arrays[FINITE].host;
    size_t         wrong = floats_wrong(s->arrays[OUT].host, want, used, 1e-6, 1e-6, what);
    wrong += memcmp(finite, want_finite, S) != 0;
    for (size_t i = 4 * used; i < s->arrays[OUT].bytes; i++) wrong += out[i] != UNTOUCHED;
    for (size_t i = S; i < s->arrays[FINITE].bytes; i++) wrong += finite[i] != UNTOUCHED;
    free(want), free(want_finite);
    return wrong;
}

static const int lengths[] = {1, 2, 17, 512, 3, 63, 129, 5}; /* normalised and not, in turns */
enum { LENGTHS = sizeof lengths / sizeof *lengths };

static void every_pooling_and_width(void)
{
    static const int widths[] = {8, 40, 72, 384, 768, 1024};
    for (size_t i = 0; i < sizeof widths / sizeof *widths; i++) {
        for (int pooling = POOLING_CLS; pooling <= POOLING_LAST; pooling <<= 1) {
            for (element_type element = ELEMENT_F16; element <= ELEMENT_BF16; element++) {
                char what[64];
                snprintf(what, sizeof what, "H %d, poolings %d, %s", widths[i], pooling, element ? "bf16" : "f16");
                scene s = open_scene(element, lengths, LENGTHS, widths[i], pooling);
                CU_ASSERT_EQUAL(run(&s, what), 0);
                close_scene(&s);
            }
        }
    }
}

static void poolings_side_by_side(void)
{
    for (int poolings = 1; poolings <= POOLING_ALL; poolings++) {
        char what[64];
        snprintf(what, sizeof what, "poolings %d", poolings);
        scene s = open_scene(ELEMENT_F16, lengths, 3, 40, poolings);
        CU_ASSERT_EQUAL(run(&s, what), 0);
        close_scene(&s);
    }
}

static void a_text_has_the_same_bits_in_every_batch(void)
{
    static const int both[] = {129, 63}, alone = 63;
    scene a = open_scene(ELEMENT_F16, both, 2, 384, POOLING_ALL);
    scene b = open_scene(ELEMENT_F16, &alone, 1, 384, POOLING_ALL);
    memcpy(b.arrays[X].host, (char *)a.arrays[X].host + 129 * 384 * 2, 63 * 384 * 2);
    device_array_push(&b.arrays[X]);
    ((uint8_t *)a.batch.block.host)[a.batch.host.normalize - (uint8_t *)a.batch.block.host + 1] = 1;
    device_array_push(&a.batch.block);
    CU_ASSERT_EQUAL(run(&a, "both"), 0);
    device_schedule(3);
    CU_ASSERT_EQUAL(run(&b, "alone"), 0);
    device_schedule(0);
    CU_ASSERT_EQUAL(memcmp((float *)a.arrays[OUT].host + a.dimensions, b.arrays[OUT].host, b.dimensions * 4), 0);
    close_scene(&a);
    close_scene(&b);
}

/* A NaN, an infinity, and bf16 numbers whose squares are beyond fp32, each in a row of its own. */
static void what_is_not_finite_is_said_of_its_row_alone(void)
{
    static const int five[] = {4, 4, 4, 4, 4};
    for (int pooling = POOLING_CLS; pooling <= POOLING_LAST; pooling <<= 1) {
        scene     s = open_scene(ELEMENT_BF16, five, 5, 72, pooling);
        uint16_t *x = s.arrays[X].host;
        for (int t = 4; t < 8; t++) x[t * 72 + 71] = 0x7fff;   /* NaN */
        for (int t = 12; t < 16; t++) x[t * 72] = 0x7f80;      /* infinity */
        for (int t = 16; t < 20; t++) x[t * 72 + 5] = 0x7a00;  /* 1.7e35 */
        device_array_push(&s.arrays[X]);
        CU_ASSERT_EQUAL(run(&s, "not finite"), 0);
        const uint8_t want[] = {1, 0, 1, 0, 1};
        CU_ASSERT_EQUAL(memcmp(s.arrays[FINITE].host, want, 5), 0);
        close_scene(&s);
    }
}

static void one_nan_token_in_the_middle_is_largest(void)
{
    static const int length = 130;
    scene            s = open_scene(ELEMENT_F16, &length, 1, 384, POOLING_MAX);
    ((uint16_t *)s.arrays[X].host)[1 * 384 + 17] = 0x7fff;
    device_array_push(&s.arrays[X]);
    CU_ASSERT_EQUAL(run(&s, "NaN in the middle"), 0);
    CU_ASSERT_EQUAL(*(uint8_t *)s.arrays[FINITE].host, 0);
    close_scene(&s);
}

/* A row of zeros has no direction: it stays zero. */
static void a_row_of_zeros_stays(void)
{
    static const int length = 3;
    scene            s = open_scene(ELEMENT_F16, &length, 1, 40, POOLING_MEAN);
    memset(s.arrays[X].host, 0, 3 * 40 * 2);
    device_array_push(&s.arrays[X]);
    CU_ASSERT_EQUAL(run(&s, "zeros"), 0);
    CU_ASSERT_EQUAL(*(uint8_t *)s.arrays[FINITE].host, 1);
    close_scene(&s);
}

static void every_schedule_gives_the_same_bits(void)
{
    float *first = NULL;
    for (unsigned seed = 0; seed < 6; seed++) {
        scene s = open_scene(ELEMENT_F16, lengths, 3, 384, POOLING_ALL);
        device_schedule(seed);
        CU_ASSERT_EQUAL(run(&s, "a schedule"), 0);
        if (!first) first = memcpy(malloc(s.arrays[OUT].bytes), s.arrays[OUT].host, s.arrays[OUT].bytes);
        CU_ASSERT_EQUAL(memcmp(first, s.arrays[OUT].host, s.arrays[OUT].bytes), 0);
        close_scene(&s);
    }
    device_schedule(0);
    free(first);
}

static void shapes_out_of_bounds_are_refused(void)
{
    static const struct { int sequences, hidden, poolings; } bad[] = {
        {0, 8, 1}, {1, 0, 1}, {1, 12, 1}, {1, KERNEL_HIDDEN_MAX + 8, 1}, {1, 8, 0}, {1, 8, 64}};
    static const int length = 1;
    scene            s = open_scene(ELEMENT_F16, &length, 1, 8, POOLING_CLS);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        cuda_pool p = s.pool;
        p.sequences = bad[i].sequences;
        p.hidden = bad[i].hidden;
        p.poolings = bad[i].poolings;
        CU_ASSERT_EQUAL(cuda_pool_run(&p, NULL), KERNEL_BAD_SHAPE);
    }
    close_scene(&s);
}

void cuda_pool_suite(CU_pSuite s)
{
    CU_add_test(s, "every pooling of any width and length agrees with float64, normalised and not, and no row beyond",
                every_pooling_and_width);
    CU_add_test(s, "any set of poolings stands side by side", poolings_side_by_side);
    CU_add_test(s, "a text has the same bits alone and in a batch", a_text_has_the_same_bits_in_every_batch);
    CU_add_test(s, "a row with a NaN or an infinity is not finite; squares beyond fp32 are no infinity",
                what_is_not_finite_is_said_of_its_row_alone);
    CU_add_test(s, "one NaN token in the middle is the largest", one_nan_token_in_the_middle_is_largest);
    CU_add_test(s, "a row of zeros is normalised to zeros", a_row_of_zeros_stays);
    CU_add_test(s, "every schedule of threads gives the same bits", every_schedule_gives_the_same_bits);
    CU_add_test(s, "a shape that the kernel does not take is refused", shapes_out_of_bounds_are_refused);
}
