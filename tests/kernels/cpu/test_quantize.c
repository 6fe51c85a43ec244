/* Rows as bytes: every kernel against the plain loop, bit by bit. */
#include <CUnit/CUnit.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "kernels/cpu/gemm_int8.h"
#include "kernels/cpu/quantize.h"
#include "tests/support/kernel_sets.h"

enum { UNTOUCHED = 77, GAP = 3 };

static const struct {
    const char *name; /* of the set of kernels that runs where this one does */
    quantize_rows *run;
} all[] = {{"portable", quantize_portable}, {"avx2", quantize_avx2}, {"avx512", quantize_avx512}};

static void each(void (*check)(quantize_rows *run))
{
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        if (kernels_runs_here(kernels_find(all[i].name))) check(all[i].run);
        else printf(" (%s skipped: this machine lacks the instructions)", all[i].name);
    }
}

/* Rows to quantise, exactly as long as they are; `bf16` of them are the upper halves of the floats. */
typedef struct {
    quantize q;
    float *x;
    uint16_t *x16;
    size_t out_bytes;
} rows;

static rows rows_make(int M, int K, int bf16)
{
    const size_t depth = (size_t)gemm_int8_depth(K);
    rows r = {.q = {.M = M, .K = K, .x_stride = (size_t)K + 2, .out_stride = depth + GAP}};
    const size_t n = (size_t)(M - 1) * r.q.x_stride + (size_t)K;
    r.x = random_floats(n, (unsigned)(M * 1000 + K));
    r.x16 = malloc(n * sizeof *r.x16);
    for (size_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, r.x + i, sizeof bits);
        r.x16[i] = (uint16_t)(bits >> 16);
    }
    r.out_bytes = (size_t)(M - 1) * r.q.out_stride + depth;
    r.q.x = bf16 ? NULL : r.x;
    r.q.x16 = bf16 ? r.x16 : NULL;
    r.q.out = malloc(r.out_bytes);
    memset(r.q.out, UNTOUCHED, r.out_bytes);
    r.q.scale = malloc((size_t)M * sizeof *r.q.scale);
    memset(r.q.scale, UNTOUCHED, (size_t)M * sizeof *r.q.scale);
    return r;
}

static void rows_free(rows *r)
{
    free(r->x);
    free(r->x16);
    free(r->q.out);
    free(r->q.scale);
}

/* The kernel's bytes and scales, all of them, against those of the plain loop. */
static int differs(rows *r, quantize_rows *run)
{
    const size_t scales = (size_t)r->q.M * sizeof(float);
    uint8_t *out = malloc(r->out_bytes);
    float *scale = malloc(scales);
    memset(r->q.out, UNTOUCHED, r->out_bytes);
    run(&r->q, 0, r->q.M);
    memcpy(out, r->q.out, r->out_bytes);
    memcpy(scale, r->q.scale, scales);
    memset(r->q.out, UNTOUCHED, r->out_bytes);
    quantize_plain(&r->q);
    int wrong = memcmp(out, r->q.out, r->out_bytes) != 0;
    for (int m = 0; m < r->q.M; m++)
        wrong |= isnan(r->q.scale[m]) ? !isnan(scale[m]) : memcmp(scale + m, r->q.scale + m, sizeof *scale) != 0;
    free(out);
    free(scale);
    return wrong;
}

static void check_shapes(quantize_rows *run)
{
    for (int K = 1; K <= 130; K++) {
        for (int bf16 = 0; bf16 < 2; bf16++) {
            rows r = rows_make(1 + K % 5, K, bf16);
            CU_ASSERT_FALSE(differs(&r, run));
            float *inverse = random_floats((size_t)K, (unsigned)K);
            r.q.inverse = inverse;
            CU_ASSERT_FALSE(differs(&r, run));
            free(inverse);
            rows_free(&r);
        }
    }
    for (int K = 384; K <= 1536; K *= 4) {
        rows r = rows_make(7, K, 0);
        CU_ASSERT_FALSE(differs(&r, run));
        rows_free(&r);
    }
}

/* Halves on purpose: with a largest of 127 the scale is 1, and each x is its own quotient. */
static void check_rounding(quantize_rows *run)
{
    static const float x[] = {127, 0.5f, 1.5f, 2.5f, -0.5f, -1.5f, -2.5f, -126.5f, 126.5f, 0.49f, -127, -0.0f};
    static const uint8_t want[] = {255, 128, 130, 130, 128, 126, 126, 2, 254, 128, 1, 128};
    enum { K = sizeof x / sizeof *x };
    rows r = rows_make(1, K, 0);
    memcpy(r.x, x, sizeof x);
    run(&r.q, 0, 1);
    CU_ASSERT_EQUAL(memcmp(r.q.out, want, K), 0);
    CU_ASSERT_EQUAL(r.q.scale[0], 1);
    for (int k = K; k < 64; k++) CU_ASSERT_EQUAL(r.q.out[k], 128);
    rows_free(&r);
}

/* Ends of the range of floats, and each place of a row in turn. */
static void check_ends(quantize_rows *run)
{
    static const float ends[] = {0,        1e-45f,   1e-38f,    0.99e-36f, 1.01e-36f, 2.5e38f,
                                 -2.5e38f, INFINITY, -INFINITY, NAN,       -NAN};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        for (int at = 0; at < 70; at++) {
            rows r = rows_make(3, 70, 0);
            memset(r.x + r.q.x_stride, 0, 70 * sizeof(float));
            r.x[r.q.x_stride + (size_t)at] = ends[i];
            r.x[r.q.x_stride + (size_t)(at * 7 % 70)] += ends[i] / 3;
            CU_ASSERT_FALSE(differs(&r, run));
            CU_ASSERT_EQUAL(isnan(r.q.scale[1]) != 0, !isfinite(ends[i]));
            CU_ASSERT(isfinite(r.q.scale[0]) && isfinite(r.q.scale[2]) && r.q.scale[0] > 0 && r.q.scale[2] > 0);
            rows_free(&r);
        }
    }
}

static void check_no_byte_is_zero(quantize_rows *run) /* -127..127: the range that a weight has, too */
{
    rows r = rows_make(200, 64, 0);
    run(&r.q, 0, 200);
    int least = 255, largest_missing = 0;
    for (size_t m = 0; m < 200; m++) {
        int ends = 0;
        for (size_t k = 0; k < 64; k++) {
            const int byte = r.q.out[m * r.q.out_stride + k];
            least = byte < least ? byte : least;
            ends |= byte == 1 || byte == 255;
        }
        largest_missing += !ends;
    }
    CU_ASSERT(least >= 1);
    CU_ASSERT_EQUAL(largest_missing, 0);
    rows_free(&r);
}

static void check_part(quantize_rows *run)
{
    rows r = rows_make(9, 65, 0);
    run(&r.q, 2, 5);
    for (size_t i = 0; i < r.out_bytes; i++) {
        const size_t row = i / r.q.out_stride, column = i % r.q.out_stride;
        if (row < 2 || row >= 5 || column >= 128) CU_ASSERT_EQUAL(r.q.out[i], UNTOUCHED);
    }
    float untouched;
    memset(&untouched, UNTOUCHED, sizeof untouched);
    for (int m = 0; m < 9; m++) CU_ASSERT_EQUAL(r.q.scale[m] == untouched, m < 2 || m >= 5);
    rows_free(&r);
}

static void a_row_of_any_length_is_the_plain_one(void) { each(check_shapes); }
static void halves_go_to_the_even_number(void) { each(check_rounding); }
static void ends_of_the_range_are_kept_apart(void) { each(check_ends); }
static void no_byte_is_zero(void) { each(check_no_byte_is_zero); }
static void a_part_is_only_that_part(void) { each(check_part); }

void quantize_suite(CU_pSuite s)
{
    CU_add_test(s,
                "a row of any length, float or bfloat16, has the plain loop's bytes and scale, and nothing beside it",
                a_row_of_any_length_is_the_plain_one);
    CU_add_test(s, "halves go to the even number, and padding is 128", halves_go_to_the_even_number);
    CU_add_test(s, "zeros, the smallest, the largest, infinity and NaN, at each place of a row",
                ends_of_the_range_are_kept_apart);
    CU_add_test(s, "bytes are 1 to 255, and each row has one of the ends", no_byte_is_zero);
    CU_add_test(s, "rows that were not asked for stay as they were", a_part_is_only_that_part);
}
