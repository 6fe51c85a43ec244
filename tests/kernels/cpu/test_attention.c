/* Attention against its float64 loop, on every set of kernels that this machine runs. */
#include <CUnit/CUnit.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "kernels/cpu/kernels.h"
#include "tests/support/kernel_sets.h"

static const float UNTOUCHED = 12345.0f;

/* A batch of one sequence between two others that must not matter, in rows with a gap. */
typedef struct {
    attention a;
    float    *qkv, *out, *want, *scratch;
    size_t    out_floats;
    int       before, n, rows;
} scene;

static scene scene_make(int n, int heads, int width, float size)
{
    const size_t hidden = (size_t)(heads * width);
    scene s = {.before = 3, .n = n, .rows = n + 5};
    s.a = (attention){.qkv_stride = 3 * hidden + 2, .out_stride = hidden + 3, .heads = heads, .width = width};
    s.qkv = random_floats((size_t)s.rows * s.a.qkv_stride, (unsigned)(n * 31 + width));
    for (size_t i = 0; i < (size_t)s.rows * s.a.qkv_stride; i++) s.qkv[i] *= size;
    s.out_floats = (size_t)s.rows * s.a.out_stride;
    s.out = malloc(s.out_floats * sizeof *s.out);
    s.want = malloc(s.out_floats * sizeof *s.want);
    for (size_t i = 0; i < s.out_floats; i++) s.out[i] = s.want[i] = UNTOUCHED;
    s.scratch = malloc(attention_scratch_floats(n, width) * sizeof *s.scratch);
    s.a.qkv = s.qkv;
    s.a.out = s.want;
    attention_plain(&s.a, s.before, n);
    s.a.out = s.out;
    return s;
}

static void scene_free(scene *s)
{
    float *each[] = {s->qkv, s->out, s->want, s->scratch};
    for (size_t i = 0; i < sizeof each / sizeof *each; i++) free(each[i]);
}

static void run(const kernels *k, scene *s, int block)
{
    for (int head = 0; head < s->a.heads; head++)
        for (int query = 0; query < s->n; query += block) {
            const int end = query + block < s->n ? query + block : s->n;
            k->attention(&s->a, (attention_part){s->before, s->n, head, query, end}, s->scratch);
        }
}

static double worst(const scene *s)
{
    double most = 0;
    for (size_t i = 0; i < s->out_floats; i++) {
        double d = fabs((double)s->out[i] - (double)s->want[i]);
        if (!(d <= most)) most = isnan(d) ? INFINITY : d; /* NaN would be forgotten with the next */
    }
    return most;
}

static void check_lengths(const kernels *k)
{
    static const int widths[] = {32, 1, 5, 16, 20, 64};
    int wrong = 0;
    for (int n = 1; n <= 70; n += n < 34 ? 1 : 9) {
        for (size_t i = 0; i < sizeof widths / sizeof *widths; i++) {
            scene s = scene_make(n, 2, widths[i], 1);
            run(k, &s, n);
            if (!(worst(&s) <= 1e-6) && wrong++ == 0)
                printf(" (%s: n %d, width %d: %g)", k->name, n, widths[i], worst(&s));
            scene_free(&s);
        }
    }
    CU_ASSERT_EQUAL(wrong, 0);
}

static void check_long(const kernels *k)
{
    scene s = scene_make(*BEELINE_SANITIZED ? 150 : 512, 1, 32, 1);
    run(k, &s, 128);
    CU_ASSERT(worst(&s) <= 1e-6);
    scene_free(&s);
}

static void check_blocks(const kernels *k)
{
    scene s = scene_make(61, 2, 32, 1);
    run(k, &s, 61);
    float *whole = malloc(s.out_floats * sizeof *whole);
    memcpy(whole, s.out, s.out_floats * sizeof *whole);
    run(k, &s, 7);
    CU_ASSERT_EQUAL(memcmp(whole, s.out, s.out_floats * sizeof *whole), 0);
    free(whole);
    scene_free(&s);
}

/* Scores of several hundred: e^score alone would be infinite, and the softmax is nearly one key. */
static void check_large_scores(const kernels *k)
{
    scene s = scene_make(40, 2, 32, 12);
    run(k, &s, 40);
    CU_ASSERT(worst(&s) <= 12 * 2e-5); /* scores near 800 have steps of 6e-5 in fp32 */
    scene_free(&s);
}

/* Two keys whose values are 0 and 1: the output is w / (1 + w), which tells w = e^-x to its last bits. */
static void check_weights(const kernels *k)
{
    double most = 0;
    for (int i = 0; i <= 800; i++) {
        float     out, qkv[6] = {(float)i / 100, 0, 0, 0, -1, 1}, scratch[2048];
        attention a = {.qkv = qkv, .out = &out, .qkv_stride = 3, .out_stride = 1, .heads = 1, .width = 1};
        k->attention(&a, (attention_part){0, 2, 0, 0, 1}, scratch);
        most = fmax(most, fabs((double)out / (1 - (double)out) / exp(-(double)qkv[0]) - 1));
    }
    CU_ASSERT(most <= 1e-6);
}

static void check_nan(const kernels *k)
{
    scene s = scene_make(20, 2, 16, 1);
    s.qkv[(size_t)s.before * s.a.qkv_stride + 32 + 3] = NAN; /* key 0 of head 0 */
    s.qkv[0] = s.qkv[(size_t)(s.rows - 1) * s.a.qkv_stride] = NAN; /* other sequences */
    run(k, &s, 20);
    int head0 = 0, head1 = 0;
    for (int row = s.before; row < s.before + s.n; row++) {
        head0 += isnan(s.out[(size_t)row * s.a.out_stride]) != 0;
        head1 += isnan(s.out[(size_t)row * s.a.out_stride + 16]) != 0;
    }
    CU_ASSERT_EQUAL(head0, s.n);
    CU_ASSERT_EQUAL(head1, 0);
    scene_free(&s);
}

static void every_length_and_width(void) { kernel_sets_each(check_lengths); }
static void the_longest_sequence(void) { kernel_sets_each(check_long); }
static void a_block_of_queries_has_the_bits_of_the_whole(void) { kernel_sets_each(check_blocks); }
static void large_scores_do_not_overflow(void) { kernel_sets_each(check_large_scores); }
static void a_weight_is_a_power_of_e(void) { kernel_sets_each(check_weights); }
static void nan_is_seen_and_stays_at_home(void) { kernel_sets_each(check_nan); }

void attention_suite(CU_pSuite s)
{
    CU_add_test(s, "any length and head width agrees with float64 and touches no other row", every_length_and_width);
    CU_add_test(s, "512 tokens in blocks of 128 queries agree with float64", the_longest_sequence);
    CU_add_test(s, "a query has the same bits in any block", a_block_of_queries_has_the_bits_of_the_whole);
    CU_add_test(s, "scores of several hundred do not overflow", large_scores_do_not_overflow);
    CU_add_test(s, "a weight is e^x within a millionth of itself", a_weight_is_a_power_of_e);
    CU_add_test(s, "a NaN key makes its head NaN, and no other head or sequence", nan_is_seen_and_stays_at_home);
}
