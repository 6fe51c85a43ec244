/* Attention on the device against its float64 loop.
 *
 * The bound: one rounding of the result, and one of each weight before the second product.  The latter are of random
 * signs and n weights share them, so their sum is about a quarter of a unit / sqrt(n); twice a unit / sqrt(n) is far
 * above that and still sees one key too many or too few. */
#include <CUnit/CUnit.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "kernels/cuda/plain.h"
#include "tests/support/cuda_batch.h"
#include "tests/support/elements.h"

enum { SPARE = 5, UNTOUCHED = 0x7e, NAN_BITS = 0x7fff };
enum { QKV, OUT, ARRAYS };

typedef struct {
    cuda_batch     batch;
    device_array   arrays[ARRAYS];
    cuda_attention attention; /* on the device */
} scene;

/* q and k are in [-size, size), v in [-1, 1); the rows beyond T are NaN. */
static scene open_scene(element_type element, const int *lengths, int sequences, int heads, int width, float size)
{
    scene        s = {.batch = cuda_batch_open(lengths, sequences, SPARE)};
    const size_t H = (size_t)(heads * width), n = (size_t)s.batch.tokens * 3 * H;
    uint16_t    *qkv = elements_random(element, n, (unsigned)(sequences * 31 + heads), 1);
    for (size_t i = 0; i < n; i++) {
        if (i / (3 * H) >= (size_t)s.batch.T) qkv[i] = NAN_BITS;
        else if (i % (3 * H) < 2 * H) qkv[i] = element_from_f32(element, element_to_f32(element, qkv[i]) * size);
    }
    s.arrays[QKV] = device_array_of(qkv, 2 * n);
    s.arrays[OUT] = device_array_filled(UNTOUCHED, (size_t)s.batch.tokens * H * 2);
    s.attention = (cuda_attention){s.batch.device, s.arrays[QKV].device, s.arrays[OUT].device, heads, width,
                                   s.batch.work_items, element};
    return s;
}

static void close_scene(scene *s)
{
    device_array_free(s->arrays, ARRAYS);
    cuda_batch_close(&s->batch);
}

static size_t run(scene *s, double slack, const char *what)
{
    const size_t   H = (size_t)(s->attention.heads * s->attention.width), T = (size_t)s->batch.T;
    double        *want = malloc(T * H * sizeof *want);
    const int32_t *starts = s->batch.host.starts;
    cuda_attention truth = s->attention;
    size_t         wrong = 0;
    truth.input = s->batch.host;
    truth.qkv = s->arrays[QKV].host;
    cuda_attention_plain(&truth, want);
    CU_ASSERT_EQUAL_FATAL(cuda_attention_run(&s->attention, NULL), 0);
    device_array_pull(&s->arrays[OUT]);
    for (int i = 0; i < s->batch.S; i++) {
        const size_t n = (size_t)(starts[i + 1] - starts[i]), first = (size_t)starts[i] * H;
        const double weights = fmin(1, 2 / sqrt((double)n)) * elements_unit(s->attention.element);
        wrong += elements_wrong(s->attention.element, (uint16_t *)s->arrays[OUT].host + first, want + first, n * H, 1,
                                slack + (n == 1 ? 0 : weights), what);
    }
    const uint8_t *got = s->arrays[OUT].host;
    for (size_t i = T * H * 2; i < s->arrays[OUT].bytes; i++) wrong += got[i] != UNTOUCHED;
    free(want);
    return wrong;
}

static void check(element_type element, const int *lengths, int sequences, int heads, int width)
{
    char what[80];
    snprintf(what, sizeof what, "%d sequences, the first of %d, %d heads of %d, %s", sequences, lengths[0], heads,
             width, element ? "bf16" : "f16");
    scene s = open_scene(element, lengths, sequences, heads, width, 1);
    CU_ASSERT_EQUAL(run(&s, 1e-6, what), 0);
    close_scene(&s);
}

static void every_length(void)
{
    static const int lengths[] = {1, 2, 7, 8, 9, 15, 16, 17, 31, 33, 48,
                                  63, 64, 65, 79, 80, 81, 127, 128, 129, 192, 193};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++)
        for (int which = 0; which < 4; which++)
            check(which % 2 ? ELEMENT_F16 : ELEMENT_BF16, &lengths[i], 1, 1, which / 2 ? 32 : 64);
}

static void long_texts(void)
{
    static const int lengths[] = {512, 1025};
    for (int i = 0; i < (*BEELINE_SANITIZED ? 1 : 2); i++) {
        check(ELEMENT_F16, &lengths[i], 1, 1, 64);
        check(ELEMENT_BF16, &lengths[i], 1, 1, 32);
    }
}

/* Runs of every kind between tiles: two of 32, one and 63, sixteen of 4, a group of 16 that three sequences share. */
static void a_mixed_batch(void)
{
    static const int lengths[] = {32, 32, 1, 63, 129, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 64,
                                  65, 5, 6, 7, 17, 15, 16, 1, 1, 1, 200, 33, 31, 128, 2};
    static const int heads[] = {1, 3, 12};
    for (int i = 0; i < (*BEELINE_SANITIZED ? 2 : 3); i++)
        for (int which = 0; which < 4; which++)
            check(which % 2 ? ELEMENT_F16 : ELEMENT_BF16, lengths, sizeof lengths / sizeof *lengths, heads[i],
                  which / 2 ? 32 : 64);
}

static void every_schedule(void)
{
    static const int lengths[] = {17, 30, 200, 1, 64, 3, 5};
    for (unsigned seed = 1; seed <= (*BEELINE_SANITIZED ? 3u : 12u); seed++) {
        device_schedule(seed);
        check(ELEMENT_F16, lengths, sizeof lengths / sizeof *lengths, 2, seed % 2 ? 32 : 64);
    }
    device_schedule(0);
}

/* Scores of several hundred: e^score alone would be infinite, and the softmax is nearly one key. */
static void large_scores(void)
{
    static const int lengths[] = {150, 20, 44};
    for (int which = 0; which < 4; which++) {
        scene s = open_scene(which % 2 ? ELEMENT_F16 : ELEMENT_BF16, lengths, 3, 2, which / 2 ? 32 : 64, 12);
        /* scores near 800 have steps of 6e-5 in fp32; few weights share the roundings, so these do not cancel out */
        CU_ASSERT_EQUAL(run(&s, 2e-4 + elements_unit(s.attention.element), "large scores"), 0);
        close_scene(&s);
    }
}

/* The largest score may come in the first tile, or in a later one: then all before is rescaled. */
static void the_largest_score_may_come_late(void)
{
    static const int length = 200, places[] = {0, 63, 64, 130, 199};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        scene     s = open_scene(ELEMENT_F16, &length, 1, 1, 32, 1);
        uint16_t *qkv = s.arrays[QKV].host;
        for (int t = 0; t < length; t++) qkv[t * 96] = f16_from_f32(4);
        qkv[places[i] * 96 + 32] = f16_from_f32(6); /* its score is 4 above the others: a weight of a fifth */
        device_array_push(&s.arrays[QKV]);
        CU_ASSERT_EQUAL(run(&s, 1e-6 + elements_unit(ELEMENT_F16) / 4, "one large key"), 0);
        close_scene(&s);
    }
}

/* Counts the tokens whose out of `head` has a number that is not finite. */
static int not_finite(const scene *s, int head, int t0, int t1)
{
    const int H = s->attention.heads * s->attention.width;
    int       n = 0;
    for (int t = t0; t < t1; t++) {
        int bad = 0;
        for (int d = 0; d < s->attention.width; d++)
            bad |= !isfinite(element_to_f32(s->attention.element,
                                            ((uint16_t *)s->arrays[OUT].host)[t * H + head * s->attention.width + d]));
        n += bad;
    }
    return n;
}

/* One number of one head of a sequence that shares its run, as q, k and v, NaN or infinite. */
static void what_is_not_finite_stays_at_home(void)
{
    static const int lengths[] = {9, 5, 11, 100};
    for (int what = 0; what < 6; what++) {
        for (element_type element = ELEMENT_F16; element <= ELEMENT_BF16; element++) {
            scene     s = open_scene(element, lengths, 4, 2, 32, 1);
            const int token = 11, part = what % 3; /* of the second sequence */
            const uint16_t infinity = element == ELEMENT_F16 ? 0x7c00 : 0x7f80;
            ((uint16_t *)s.arrays[QKV].host)[token * 192 + part * 64 + 32 + 5] = what / 3 ? infinity : NAN_BITS;
            device_array_push(&s.arrays[QKV]);
            CU_ASSERT_EQUAL_FATAL(cuda_attention_run(&s.attention, NULL), 0);
            device_array_pull(&s.arrays[OUT]);
            CU_ASSERT_EQUAL(not_finite(&s, 0, 0, 125), 0);
            CU_ASSERT_EQUAL(not_finite(&s, 1, 0, 9) + not_finite(&s, 1, 14, 125), 0);
            /* q: its own row; k infinite: rows whose score is not -infinity; k NaN and v: every row */
            if (part == 0) CU_ASSERT_EQUAL(not_finite(&s, 1, 9, 14), 1)
            else if (part == 2 || what < 3) CU_ASSERT_EQUAL(not_finite(&s, 1, 9, 14), 5)
            else CU_ASSERT(not_finite(&s, 1, 9, 14) > 0)
            close_scene(&s);
        }
    }
}

static void shapes_out_of_bounds_are_refused(void)
{
    static const struct { int heads, width, work_items; } bad[] = {
        {0, 32, 1}, {1, 16, 1}, {1, 128, 1}, {1, 32, 0}, {1, 32, 65536}};
    static const int length = 1;
    scene            s = open_scene(ELEMENT_F16, &length, 1, 1, 32, 1);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        cuda_attention a = s.attention;
        a.heads = bad[i].heads;
        a.width = bad[i].width;
        a.work_items = bad[i].work_items;
        CU_ASSERT_EQUAL(cuda_attention_run(&a, NULL), KERNEL_BAD_SHAPE);
    }
    close_scene(&s);
}

void cuda_attention_suite(CU_pSuite s)
{
    CU_add_test(s, "one sequence of any length agrees with float64, for both widths and types", every_length);
    CU_add_test(s, "512 and 1025 tokens agree with float64", long_texts);
    CU_add_test(s, "runs of short sequences among long ones agree with float64, and no row beyond", a_mixed_batch);
    CU_add_test(s, "every schedule of threads and of late copies agrees with float64", every_schedule);
    CU_add_test(s, "scores of several hundred do not overflow", large_scores);
    CU_add_test(s, "a largest score in a later tile rescales what came before", the_largest_score_may_come_late);
    CU_add_test(s, "a number that is not finite reaches no other head and no other sequence of its run",
                what_is_not_finite_stays_at_home);
    CU_add_test(s, "a shape that the kernel does not take is refused", shapes_out_of_bounds_are_refused);
}
