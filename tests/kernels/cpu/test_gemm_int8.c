/* The product in whole numbers against its plain loop, and every kernel against every other, bit by bit. */
#include <CUnit/CUnit.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include "kernels/cpu/amx.h"
#include "kernels/cpu/gemm_int8.h"
#include "kernels/cpu/quantize.h"
#include "tests/support/kernel_sets.h"

enum { UNTOUCHED = 0x4d };

typedef struct {
    const char *name; /* of the set of kernels that runs where this one does */
    gemm_int8_part *run;
} kernel;

static const kernel all[] = {{"portable", gemm_int8_portable},
                             {"avx2", gemm_int8_avx2},
                             {"avx512vnni", gemm_int8_avx512vnni},
                             {"amx", gemm_int8_amx}};

static int here(const kernel *k) { return kernels_runs_here(kernels_find(k->name)); }

static void each(void (*check)(const kernel *k))
{
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        if (here(&all[i])) check(&all[i]);
        else printf(" (%s skipped: this machine lacks the instructions)", all[i].name);
    }
}

/* One product with everything it needs; strides leave a gap after each row, which must stay as it is. */
typedef struct {
    gemm_int8 g;
    uint8_t *a;
    float *a_scale, *weight, *bias, *residual;
    void *c;
    size_t c_bytes; /* exactly up to the last element, so that a sanitizer sees one too many */
} product;

enum { BIAS = 1, RESIDUAL = 2, BF16 = 4 };

static gemm_int8_weight weight_make(const float *weight, int K, int N)
{
    const size_t columns = (size_t)gemm_int8_columns(N), bytes = gemm_int8_packed_bytes(K, N);
    gemm_int8_weight w = {aligned_alloc(64, bytes), calloc(columns, sizeof(int32_t)), calloc(columns, sizeof(float))};
    memset(w.panels, 0, bytes);
    gemm_int8_pack(&w, weight, K, N, 0);
    return w;
}

static void weight_free(gemm_int8_weight *w)
{
    free(w->panels);
    free(w->start);
    free(w->scale);
}

static void product_output(product *p, int with)
{
    const size_t size = with & BF16 ? sizeof(uint16_t) : sizeof(float);
    p->c_bytes = ((size_t)(p->g.M - 1) * p->g.c_stride + (size_t)p->g.N) * size;
    p->c = malloc(p->c_bytes);
    memset(p->c, UNTOUCHED, p->c_bytes);
    p->g.c = with & BF16 ? NULL : p->c;
    p->g.c16 = with & BF16 ? p->c : NULL;
}

static product product_make(int M, int K, int N, gemm_activation activation, int with)
{
    const size_t depth = (size_t)gemm_int8_depth(K);
    product p = {.g = {.M = M,
                       .K = K,
                       .N = N,
                       .a_stride = depth + 5,
                       .residual_stride = (size_t)N + 1,
                       .c_stride = (size_t)N + 3,
                       .activation = activation}};
    const size_t a_bytes = (size_t)(M - 1) * p.g.a_stride + depth;
    float *random = random_floats(a_bytes, 1);
    p.a = malloc(a_bytes);
    for (size_t i = 0; i < a_bytes; i++) p.a[i] = (uint8_t)(128.5f + 127 * random[i]);
    free(random);
    p.a_scale = random_floats((size_t)M, 2);
    for (int m = 0; m < M; m++) p.a_scale[m] = fabsf(p.a_scale[m]) / 127;
    p.weight = random_floats((size_t)N * (size_t)K, 3);
    p.bias = random_floats((size_t)N, 4);
    p.residual = random_floats((size_t)(M - 1) * p.g.residual_stride + (size_t)N, 5);
    p.g.a = p.a;
    p.g.a_scale = p.a_scale;
    p.g.b = weight_make(p.weight, K, N);
    p.g.bias = with & BIAS ? p.bias : NULL;
    p.g.residual = with & RESIDUAL ? p.residual : NULL;
    product_output(&p, with);
    return p;
}

static void product_free(product *p)
{
    free(p->a);
    free(p->a_scale);
    free(p->weight);
    free(p->bias);
    free(p->residual);
    free(p->c);
    weight_free(&p->g.b);
}

static float bf16_value(uint16_t half)
{
    const uint32_t bits = (uint32_t)half << 16;
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static double value(const product *p, const void *c, size_t at)
{
    return p->g.c ? (double)((const float *)c)[at] : (double)bf16_value(((const uint16_t *)c)[at]);
}

/* What the plain loop writes in place of p->c. */
static void *plain_result(product *p)
{
    gemm_int8 g = p->g;
    void *want = malloc(p->c_bytes);
    memset(want, UNTOUCHED, p->c_bytes);
    g.c = g.c ? want : NULL;
    g.c16 = g.c16 ? want : NULL;
    gemm_int8_plain(&g);
    return want;
}

/* fp32's rounding of sums up to some 100, lanes_low.h's GELU, or a unit of bfloat16; what lies between rows must have
 * its bits. */
static int differs(const product *p, const void *want)
{
    const size_t size = p->g.c ? sizeof(float) : sizeof(uint16_t), elements = p->c_bytes / size;
    const double near = p->g.c16 ? 1.0 / 128 : p->g.activation == GEMM_GELU || p->g.activation == GEMM_GELU_TANH ? 4e-5 : 2e-6;
    for (size_t at = 0; at < elements; at++) {
        const double c = value(p, p->c, at), w = value(p, want, at);
        if (at % p->g.c_stride >= (size_t)p->g.N) {
            if (memcmp((char *)p->c + at * size, (const char *)want + at * size, size)) return 1;
        } else if (isnan(w) ? !isnan(c) : !(fabs(c - w) <= near * (1 + fabs(w)))) {
            return 1;
        }
    }
    return 0;
}

static const int Ms[] = {1, 2, 3, 15, 16, 17, 31, 33, 100}, Ks[] = {1, 3, 4, 31, 32, 33, 63, 64, 65, 384, 1536};
static const int Ns[] = {1, 15, 16, 17, 33, 48, 384};
#define COUNT(of) ((int)(sizeof(of) / sizeof *(of)))

/* Each kernel against the truth and, without an activation, bit by bit against the first that fuses multiply and add.
 */
static void check_shape(int M, int K, int N, gemm_activation activation, int with)
{
    product p = product_make(M, K, N, activation, with);
    void *want = plain_result(&p);
    for (int i = 0; i < COUNT(all); i++) {
        if (!here(&all[i])) continue;
        memset(p.c, UNTOUCHED, p.c_bytes);
        all[i].run(&p.g, 0, M, 0, gemm_panels(N));
        const int wrong = differs(&p, want);
        if (wrong)
            printf(" (%s: M %d, K %d, N %d, activation %d, with %d)", all[i].name, M, K, N, (int)activation, with);
        CU_ASSERT_FALSE(wrong);
    }
    free(want);
    product_free(&p);
}

static void a_shape_of_any_size_is_right(void)
{
    for (int m = 0; m < COUNT(Ms); m++)
        for (int k = 0; k < COUNT(Ks); k++)
            for (int n = 0; n < COUNT(Ns); n++) {
                const int variant = m + k + n;
                if ((long)Ms[m] * Ks[k] * Ns[n] > 8000000) continue; /* the plain loop would take seconds */
                check_shape(Ms[m], Ks[k], Ns[n], (gemm_activation)(variant % 4), variant % 8);
            }
    for (int M = 4; M <= 48; M++) check_shape(M, 70, 100, GEMM_LINEAR, M % 8);
}

static void every_end_of_a_product_is_right(void)
{
    for (int a = GEMM_LINEAR; a <= GEMM_RELU; a++)
        for (int with = 0; with < 8; with++) check_shape(19, 65, 41, (gemm_activation)a, with);
}

/* Sums alone: scales of 1 and no bias, so that c is the sum, to within a float. */
static product sums_make(int M, int K, int N)
{
    product p = product_make(M, K, N, GEMM_LINEAR, 0);
    for (int m = 0; m < M; m++) p.a_scale[m] = 1;
    for (int n = 0; n < gemm_int8_columns(N); n++) p.g.b.scale[n] = 1;
    return p;
}

static void check_extremes(const kernel *k)
{
    enum { M = 34, K = 4096, N = 35 };
    static const uint8_t a[] = {255, 1, 0, 255}; /* 127, -127, and -128, which no quantiser writes */
    static const int w[] = {127, 127, -127, -127};
    for (int i = 0; i < 4; i++) {
        product p = sums_make(M, K, N);
        memset(p.a, a[i], (size_t)(M - 1) * p.g.a_stride + (size_t)gemm_int8_depth(K));
        for (int j = 0; j < N * K; j++) p.weight[j] = (float)w[i];
        gemm_int8_pack(&p.g.b, p.weight, K, N, 0);
        for (int n = 0; n < N; n++) p.g.b.scale[n] = 1;
        k->run(&p.g, 0, M, 0, gemm_panels(N));
        int wrong = 0;
        for (int at = 0; at < M * N; at++)
            wrong += p.g.c[(size_t)(at / N) * p.g.c_stride + (size_t)(at % N)] != (float)((a[i] - 128) * w[i] * K);
        CU_ASSERT_EQUAL(wrong, 0);
        product_free(&p);
    }
}

static void sums_have_the_same_bits_everywhere(void)
{
    for (int i = 0; i < COUNT(Ms); i++) {
        product p = sums_make(Ms[i], 1536, 50);
        void *want = plain_result(&p);
        for (int k = 0; k < COUNT(all); k++) {
            if (!here(&all[k])) continue;
            memset(p.c, UNTOUCHED, p.c_bytes);
            all[k].run(&p.g, 0, Ms[i], 0, gemm_panels(50));
            CU_ASSERT_EQUAL(memcmp(p.c, want, p.c_bytes), 0);
        }
        free(want);
        product_free(&p);
    }
}

static void check_parts(const kernel *k)
{
    enum { M = 41, N = 150 };
    product p = product_make(M, 130, N, GEMM_GELU, BIAS | RESIDUAL);
    k->run(&p.g, 0, M, 0, gemm_panels(N));
    float *whole = malloc(p.c_bytes);
    memcpy(whole, p.c, p.c_bytes);
    memset(p.c, UNTOUCHED, p.c_bytes);
    for (int row = 0; row < M; row += 1 + row % 7) /* few rows at a time, panel by panel */
        for (int panel = 0; panel < gemm_panels(N); panel += 2)
            k->run(&p.g, row, row + 1 + row % 7 < M ? row + 1 + row % 7 : M, panel,
                   panel + 2 < gemm_panels(N) ? panel + 2 : gemm_panels(N));
    CU_ASSERT_EQUAL(memcmp(p.c, whole, p.c_bytes), 0);
    memset(p.c, 0, p.c_bytes);
    k->run(&p.g, 5, 9, 1, 3); /* a part is that part and nothing else */
    int outside = 0;
    for (size_t row = 0; row < M; row++)
        for (size_t n = 0; n < N; n++)
            outside += (row < 5 || row >= 9 || n < 16 || n >= 48) && p.g.c[row * p.g.c_stride + n] != 0;
    CU_ASSERT_EQUAL(outside, 0);
    CU_ASSERT_EQUAL(memcmp(p.g.c + 5 * p.g.c_stride + 16, whole + 5 * p.g.c_stride + 16, 32 * sizeof(float)), 0);
    k->run(&p.g, 7, 7, 0, gemm_panels(N)); /* nothing to do is nothing done */
    k->run(&p.g, 0, M, 2, 2);
    free(whole);
    product_free(&p);
}

static void check_in_place(const kernel *k)
{
    product p = product_make(37, 20, 35, GEMM_LINEAR, BIAS | RESIDUAL);
    void *want = plain_result(&p);
    for (size_t row = 0; row < 37; row++)
        memcpy(p.g.c + row * p.g.c_stride, p.residual + row * p.g.residual_stride, 35 * sizeof(float));
    p.g.residual = p.g.c;
    p.g.residual_stride = p.g.c_stride;
    k->run(&p.g, 0, 37, 0, gemm_panels(35));
    CU_ASSERT_FALSE(differs(&p, want));
    free(want);
    product_free(&p);
}

/* Rows that end where memory ends: a sanitizer does not see what a tile loads. */
static void check_nothing_beyond(const kernel *k)
{
    enum { K = 64, N = 40, PAGES = 1 << 16 };
    uint8_t *memory = mmap(NULL, 2 * PAGES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CU_ASSERT_FATAL(memory != MAP_FAILED && mprotect(memory + PAGES, PAGES, PROT_NONE) == 0);
    for (int M = 1; M <= 50; M++) {
        product p = product_make(M, K, N, GEMM_LINEAR, BIAS);
        uint8_t *a = memory + PAGES - M * K;
        for (int m = 0; m < M; m++) memcpy(a + m * K, p.a + (size_t)m * p.g.a_stride, K);
        void *want = plain_result(&p);
        p.g.a = a;
        p.g.a_stride = K;
        k->run(&p.g, 0, M, 0, gemm_panels(N));
        CU_ASSERT_FALSE(differs(&p, want));
        free(want);
        product_free(&p);
    }
    munmap(memory, 2 * PAGES);
}

/* A row without numbers is quantised like any other and stays alone with it. */
static void check_rows_without_numbers(const kernel *k)
{
    enum { M = 21, K = 70, N = 20 };
    for (int i = 0; i < 4 * 2 * 2; i++) {
        product p = product_make(M, K, N, (gemm_activation)(i % 4), BIAS | (i & 4 ? BF16 : 0));
        float *x = random_floats(M * K, 7);
        quantize q = {
            .M = M, .K = K, .x = x, .x_stride = K, .out = p.a, .out_stride = p.g.a_stride, .scale = p.a_scale};
        x[3 * K + 69] = i & 8 ? NAN : INFINITY;
        x[17 * K] = i & 8 ? -NAN : -INFINITY;
        quantize_plain(&q);
        k->run(&p.g, 0, M, 0, gemm_panels(N));
        int wrong = 0;
        for (int at = 0; at < M * N; at++) {
            const double c = value(&p, p.c, (size_t)(at / N) * p.g.c_stride + (size_t)(at % N));
            wrong += at / N == 3 || at / N == 17 ? !isnan(c) : !isfinite(c);
        }
        CU_ASSERT_EQUAL(wrong, 0);
        free(x);
        product_free(&p);
    }
}

static void check_zeros(const kernel *k)
{
    enum { M = 18, K = 65, N = 37 };
    product p = product_make(M, K, N, GEMM_LINEAR, BIAS);
    p.a_scale[5] = 0;
    memset(p.weight + 17 * K, 0, K * sizeof(float));
    weight_free(&p.g.b);
    p.g.b = weight_make(p.weight, K, N);
    CU_ASSERT_EQUAL(p.g.b.scale[17], 0);
    k->run(&p.g, 0, M, 0, gemm_panels(N));
    for (size_t n = 0; n < N; n++) CU_ASSERT_EQUAL(p.g.c[5 * p.g.c_stride + n], p.bias[n]);
    for (size_t m = 0; m < M; m++) CU_ASSERT_EQUAL(p.g.c[m * p.g.c_stride + 17], p.bias[17]);
    product_free(&p);
}

/* A NaN is as good as another, and what is below 2^-126 may be 0: vcvtneps2bf16 does both in its own way. */
static bool same_bfloat16(uint16_t got, uint16_t want)
{
    const bool subnormal = (want & 0x7f80) == 0;
    return (want & 0x7fff) > 0x7f80 ? (got & 0x7fff) > 0x7f80 : got == want || (subnormal && (got & 0x7fff) == 0);
}

/* bfloat16 by way of the bias: the product is 0. */
static void check_bfloat16(const kernel *k)
{
    static const uint32_t in[] = {0x3f808000, 0x3f818000, 0x3f808001, 0x3f807fff, 0x7f7fffff, 0xff7fffff, 0x00008000,
                                  0x00018000, 0x80000000, 0x7f800000, 0x7fffffff, 0xffffffff, 0x7f800001, 0x42280000};
    static const uint16_t out[] = {0x3f80, 0x3f82, 0x3f81, 0x3f80, 0x7f80, 0xff80, 0x0000,
                                   0x0002, 0x0000, 0x7f80, 0x7fc0, 0x7fc0, 0x7fc0, 0x4228};
    enum { N = COUNT(in) };
    product p = product_make(1, 1, N, GEMM_LINEAR, BIAS | BF16);
    p.a_scale[0] = 0;
    memcpy(p.bias, in, sizeof in);
    k->run(&p.g, 0, 1, 0, 1);
    for (int n = 0; n < N; n++) CU_ASSERT(same_bfloat16(p.g.c16[n], out[n]));
    product_free(&p);
}

static void nothing_beyond_the_rows_is_read(void) { each(check_nothing_beyond); }
static void no_sum_saturates(void) { each(check_extremes); }
static void a_part_has_the_bits_of_the_whole(void) { each(check_parts); }
static void a_residual_may_be_the_result(void) { each(check_in_place); }
static void rows_without_numbers_stay_alone(void) { each(check_rows_without_numbers); }
static void zeros_leave_the_bias(void) { each(check_zeros); }
static void bfloat16_is_nearest_even(void) { each(check_bfloat16); }

static void a_weight_is_rounded_by_its_column(void)
{
    enum { K = 6, N = 3 };
    const float weight[N * K] = {127, 2.5f, 3.5f, -2.5f,  -126.5f, 0.4f, 0,      -0.0f, 0,
                                 0,   0,    0,    1e-30f, -1e-30f, 0,    5e-31f, 0,     0};
    gemm_int8_weight w = weight_make(weight, K, N);
    static const int want[N][K] = {{127, 2, 4, -2, -126, 0}, {0}, {127, -127, 0, 64, 0, 0}};
    for (int n = 0; n < N; n++) {
        int sum = 0;
        for (int k = 0; k < 64; k++) {
            const int byte = w.panels[k / 4 * 64 + n * 4 + k % 4];
            CU_ASSERT_EQUAL(byte, k < K ? want[n][k] : 0);
            sum += byte;
        }
        CU_ASSERT_EQUAL(w.start[n], -128 * sum);
    }
    CU_ASSERT_EQUAL(w.scale[0], 1);
    CU_ASSERT_EQUAL(w.scale[1], 0);
    CU_ASSERT_EQUAL(w.scale[2], (float)((double)1e-30f / 127));
    weight_free(&w);
}

static void a_column_without_numbers_is_none(void)
{
    const float weight[4] = {1, NAN, -INFINITY, 2};
    gemm_int8_weight w = weight_make(weight, 2, 2);
    CU_ASSERT(isnan(w.scale[0]));
    CU_ASSERT(isnan(w.scale[1]));
    CU_ASSERT_EQUAL(w.panels[0], 0);
    weight_free(&w);
}

static void three_weights_packed_as_one(void)
{
    enum { K = 11, EACH = 21, COLUMNS = 64 };
    float *weight = random_floats(3 * EACH * K, 9);
    gemm_int8_weight one = weight_make(weight, K, 3 * EACH), parts = weight_make(weight, K, 3 * EACH);
    memset(parts.panels, 0, gemm_int8_packed_bytes(K, 3 * EACH));
    memset(parts.start, 0, COLUMNS * sizeof *parts.start);
    memset(parts.scale, 0, COLUMNS * sizeof *parts.scale);
    for (int i = 0; i < 3; i++) gemm_int8_pack(&parts, weight + i * EACH * K, K, EACH, i * EACH);
    CU_ASSERT_EQUAL(gemm_int8_packed_bytes(K, 3 * EACH), COLUMNS * 64);
    CU_ASSERT_EQUAL(memcmp(one.panels, parts.panels, COLUMNS * 64), 0);
    CU_ASSERT_EQUAL(memcmp(one.start, parts.start, COLUMNS * sizeof *one.start), 0);
    CU_ASSERT_EQUAL(memcmp(one.scale, parts.scale, COLUMNS * sizeof *one.scale), 0);
    weight_free(&one);
    weight_free(&parts);
    free(weight);
}

static void a_product_is_near_the_real_one(void)
{
    enum { M = 8, K = 384, N = 48 };
    product p = product_make(M, K, N, GEMM_LINEAR, BIAS);
    float *x = random_floats(M * K, 7);
    quantize q = {.M = M, .K = K, .x = x, .x_stride = K, .out = p.a, .out_stride = p.g.a_stride, .scale = p.a_scale};
    quantize_plain(&q);
    gemm_int8_plain(&p.g);
    double error = 0;
    for (int at = 0; at < M * N; at++) {
        double sum = (double)p.bias[at % N];
        for (int k = 0; k < K; k++) sum += (double)x[at / N * K + k] * (double)p.weight[at % N * K + k];
        error = fmax(error, fabs(value(&p, p.c, (size_t)(at / N) * p.g.c_stride + (size_t)(at % N)) - sum));
    }
    CU_ASSERT(error <= 0.2); /* 768 roundings of at most 1/254 each, most of which cancel */
    CU_ASSERT(error > 0);
    free(x);
    product_free(&p);
}

static void amx_answers_the_same_again(void)
{
    const int first = amx_permitted();
    CU_ASSERT(first == 0 || first == 1);
    CU_ASSERT_EQUAL(amx_permitted(), first);
}

void gemm_int8_suite(CU_pSuite s)
{
    CU_add_test(s, "a product of any M, K and N agrees with whole numbers and writes nothing beside its rows",
                a_shape_of_any_size_is_right);
    CU_add_test(s, "bias, residual, bfloat16 and each activation, in every combination",
                every_end_of_a_product_is_right);
    CU_add_test(s, "nothing beyond the last row is read", nothing_beyond_the_rows_is_read);
    CU_add_test(s, "4,096 products of the largest bytes do not saturate", no_sum_saturates);
    CU_add_test(s, "every kernel has the sums of the plain loop, bit by bit", sums_have_the_same_bits_everywhere);
    CU_add_test(s, "a part of a product is only that part, with the bits it has in the whole",
                a_part_has_the_bits_of_the_whole);
    CU_add_test(s, "the residual may be the result itself", a_residual_may_be_the_result);
    CU_add_test(s, "a row with NaN or infinity comes out as NaN, and alone", rows_without_numbers_stay_alone);
    CU_add_test(s, "a row or a column of zeros leaves the bias", zeros_leave_the_bias);
    CU_add_test(s, "bfloat16 is rounded to nearest even, and NaN stays NaN", bfloat16_is_nearest_even);
    CU_add_test(s, "a weight is rounded to nearest even by the scale of its column", a_weight_is_rounded_by_its_column);
    CU_add_test(s, "a column of weights that is not finite has the scale NaN", a_column_without_numbers_is_none);
    CU_add_test(s, "query, key and value packed one by one are the fused matrix", three_weights_packed_as_one);
    CU_add_test(s, "quantised and multiplied, the result is near the real product", a_product_is_near_the_real_one);
    CU_add_test(s, "whether AMX may be used is answered the same again", amx_answers_the_same_again);
}
