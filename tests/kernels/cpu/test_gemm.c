/* The product against its float64 loop, on every set of kernels that this machine runs. */
#include <CUnit/CUnit.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "kernels/cpu/kernels.h"
#include "tests/support/kernel_sets.h"

static const float UNTOUCHED = 12345.0f;

/* One product with everything it needs; strides leave a gap after each row, which must stay as it is. */
typedef struct {
    gemm   g;
    float *a, *weight, *packed, *bias, *residual, *c, *want;
    size_t c_floats;
} product;

static product product_make(int M, int K, int N, int variant)
{
    product p = {.g = {.M = M, .K = K, .N = N, .a_stride = (size_t)K + 3, .residual_stride = (size_t)N + 1,
                       .c_stride = (size_t)N + 5, .activation = (gemm_activation)(variant % 4)}};
    p.a = random_floats((size_t)(M - 1) * p.g.a_stride + (size_t)K, 1);
    p.weight = random_floats((size_t)N * (size_t)K, 2);
    p.bias = random_floats((size_t)N, 3);
    p.residual = random_floats((size_t)(M - 1) * p.g.residual_stride + (size_t)N, 4);
    p.packed = calloc(gemm_packed_floats(K, N), sizeof *p.packed);
    gemm_pack(p.packed, p.weight, K, N, 0);
    p.c_floats = (size_t)(M - 1) * p.g.c_stride + (size_t)N;
    p.c = malloc(p.c_floats * sizeof *p.c);
    p.want = malloc(p.c_floats * sizeof *p.want);
    for (size_t i = 0; i < p.c_floats; i++) p.c[i] = p.want[i] = UNTOUCHED;
    p.g.a = p.a;
    p.g.b = p.packed;
    p.g.bias = variant & 4 ? p.bias : NULL;
    p.g.residual = variant & 8 ? p.residual : NULL;
    p.g.c = p.want;
    gemm_plain(&p.g, p.weight);
    p.g.c = p.c;
    return p;
}

static void product_free(product *p)
{
    float *each[] = {p->a, p->weight, p->packed, p->bias, p->residual, p->c, p->want};
    for (size_t i = 0; i < sizeof each / sizeof *each; i++) free(each[i]);
}

/* Sums of K products below 1: rounding grows with K's root, and stays far below this. */
static int differs(const product *p)
{
    for (size_t i = 0; i < p->c_floats; i++)
        if (!(fabs((double)p->c[i] - (double)p->want[i]) <= 1e-6 * (1 + sqrt(p->g.K)))) return 1;
    return 0;
}

static const int Ks[] = {1, 2, 7, 16, 33, 101}, Ns[] = {1, 5, 15, 16, 17, 31, 32, 33, 47, 50};
enum { N_KS = sizeof Ks / sizeof *Ks, N_NS = sizeof Ns / sizeof *Ns, MOST_ROWS = 30 };

static void check_shapes(const kernels *k)
{
    int wrong = 0;
    for (int M = 1; M <= MOST_ROWS; M += M < 17 ? 1 : 6) {
        for (int i = 0; i < N_KS * N_NS; i++) {
            product p = product_make(M, Ks[i / N_NS], Ns[i % N_NS], M + i);
            k->gemm(&p.g, 0, M, 0, gemm_panels(p.g.N));
            if (differs(&p) && wrong++ == 0) printf(" (%s: M %d, K %d, N %d)", k->name, M, p.g.K, p.g.N);
            product_free(&p);
        }
    }
    CU_ASSERT_EQUAL(wrong, 0);
}

static void check_every_variant(const kernels *k)
{
    for (int variant = 0; variant < 16; variant++) {
        product p = product_make(17, 65, 41, variant);
        k->gemm(&p.g, 0, 17, 0, gemm_panels(41));
        CU_ASSERT_FALSE(differs(&p));
        product_free(&p);
    }
}

static void check_parts(const kernels *k)
{
    product p = product_make(23, 37, 75, 4 + 8 + GEMM_GELU);
    k->gemm(&p.g, 0, 23, 0, gemm_panels(75));
    float *whole = malloc(p.c_floats * sizeof *whole);
    memcpy(whole, p.c, p.c_floats * sizeof *whole);
    memset(p.c, 0, p.c_floats * sizeof *p.c);
    for (int row = 0; row < 23; row++) /* alone, in a tile of one, panel by panel */
        for (int panel = 0; panel < gemm_panels(75); panel++) k->gemm(&p.g, row, row + 1, panel, panel + 1);
    for (size_t at = 0; at < 23 * p.g.c_stride; at += p.g.c_stride)
        CU_ASSERT_EQUAL(memcmp(p.c + at, whole + at, 75 * sizeof(float)), 0);
    memset(p.c, 0, p.c_floats * sizeof *p.c);
    k->gemm(&p.g, 5, 9, 1, 3); /* a part is that part and nothing else */
    int outside = 0;
    for (int row = 0; row < 23; row++)
        for (int n = 0; n < 75; n++)
            if (row < 5 || row >= 9 || n < 16 || n >= 48) outside += p.c[(size_t)row * p.g.c_stride + (size_t)n] != 0;
    CU_ASSERT_EQUAL(outside, 0);
    CU_ASSERT_EQUAL(memcmp(p.c + 5 * p.g.c_stride + 16, whole + 5 * p.g.c_stride + 16, 32 * sizeof(float)), 0);
    free(whole);
    product_free(&p);
}

static void check_in_place(const kernels *k)
{
    product p = product_make(9, 20, 35, 4 + 8);
    for (int row = 0; row < 9; row++)
        memcpy(p.c + (size_t)row * p.g.c_stride, p.residual + (size_t)row * p.g.residual_stride, 35 * sizeof(float));
    p.g.residual = p.c;
    p.g.residual_stride = p.g.c_stride;
    k->gemm(&p.g, 0, 9, 0, gemm_panels(35));
    CU_ASSERT_FALSE(differs(&p));
    product_free(&p);
}

/* The activation alone: a product with the 1 x 1 matrix 1. */
static float activated(const kernels *k, gemm_activation activation, float x)
{
    float packed[GEMM_PANEL] = {1}, out = 0;
    gemm  g = {.M = 1, .K = 1, .N = 1, .a = &x, .b = packed, .c = &out, .a_stride = 1, .c_stride = 1,
              .activation = activation};
    k->gemm(&g, 0, 1, 0, 1);
    return out;
}

static void check_activations(const kernels *k)
{
    double erf_error = 0, tanh_error = 0;
    for (int i = -60000; i <= 60000; i++) {
        const float  x = (float)i / 5000.0f;
        const double d = (double)x, unit = fmax(1, fabs(d));
        const double by_erf = d * 0.5 * erfc(-d * M_SQRT1_2);
        const double by_tanh = d * 0.5 * (1 + tanh(M_2_SQRTPI * M_SQRT1_2 * (d + 0.044715 * d * d * d)));
        erf_error = fmax(erf_error, fabs((double)activated(k, GEMM_GELU, x) - by_erf) / unit);
        tanh_error = fmax(tanh_error, fabs((double)activated(k, GEMM_GELU_TANH, x) - by_tanh) / unit);
    }
    printf(" (%s: erf %.2g, tanh %.2g)", k->name, erf_error, tanh_error);
    CU_ASSERT(erf_error <= 3e-7);
    CU_ASSERT(tanh_error <= 3e-7);
}

static void check_ends(const kernels *k)
{
    for (int a = GEMM_GELU; a <= GEMM_RELU; a++) {
        const gemm_activation activation = (gemm_activation)a;
        CU_ASSERT_EQUAL(activated(k, activation, 0), 0);
        CU_ASSERT_EQUAL(activated(k, activation, -100), 0);
        CU_ASSERT_EQUAL(activated(k, activation, -1e30f), 0);
        CU_ASSERT(fabs((double)activated(k, activation, 100) - 100) <= 1e-5);
        CU_ASSERT(fabs((double)activated(k, activation, 1e30f) / 1e30 - 1) <= 1e-6);
        CU_ASSERT(isnan(activated(k, activation, NAN)));
        CU_ASSERT(isinf(activated(k, activation, INFINITY)));
    }
}

static void a_shape_of_any_size_is_right(void) { kernel_sets_each(check_shapes); }
static void every_end_of_a_product_is_right(void) { kernel_sets_each(check_every_variant); }
static void a_part_has_the_bits_of_the_whole(void) { kernel_sets_each(check_parts); }
static void a_residual_may_be_the_result(void) { kernel_sets_each(check_in_place); }
static void activations_keep_fp32_precision(void) { kernel_sets_each(check_activations); }
static void activations_end_well(void) { kernel_sets_each(check_ends); }

static void three_weights_packed_as_one(void)
{
    enum { K = 11, EACH = 21 };
    float *weight = random_floats(3 * EACH * K, 9);
    float *one = calloc(gemm_packed_floats(K, 3 * EACH), sizeof *one);
    float *parts = calloc(gemm_packed_floats(K, 3 * EACH), sizeof *parts);
    gemm_pack(one, weight, K, 3 * EACH, 0);
    for (int i = 0; i < 3; i++) gemm_pack(parts, weight + i * EACH * K, K, EACH, i * EACH);
    CU_ASSERT_EQUAL(memcmp(one, parts, gemm_packed_floats(K, 3 * EACH) * sizeof *one), 0);
    CU_ASSERT_EQUAL(gemm_packed_floats(K, 3 * EACH), 4 * 16 * K);
    free(weight);
    free(one);
    free(parts);
}

static void a_set_is_found_by_its_name(void)
{
    for (int i = 0; i < kernels_count(); i++) CU_ASSERT_PTR_EQUAL(kernels_find(kernels_at(i)->name), kernels_at(i));
    CU_ASSERT_PTR_NULL(kernels_find("sse9"));
    CU_ASSERT(kernels_runs_here(kernels_best()));
    CU_ASSERT(kernels_runs_here(kernels_find("portable")));
}

void gemm_suite(CU_pSuite s)
{
    CU_add_test(s, "a product of any M, K and N agrees with float64 and writes nothing beside its rows",
                a_shape_of_any_size_is_right);
    CU_add_test(s, "bias, residual and each activation, in every combination", every_end_of_a_product_is_right);
    CU_add_test(s, "a part of a product is only that part, with the bits it has in the whole",
                a_part_has_the_bits_of_the_whole);
    CU_add_test(s, "the residual may be the result itself", a_residual_may_be_the_result);
    CU_add_test(s, "GELU and tanh GELU are within 3e-7 from -12 to 12", activations_keep_fp32_precision);
    CU_add_test(s, "far negative is 0, far positive is x, NaN stays NaN", activations_end_well);
    CU_add_test(s, "query, key and value packed one by one are the fused matrix", three_weights_packed_as_one);
    CU_add_test(s, "a set of kernels is found by its name, and the best one runs here", a_set_is_found_by_its_name);
}
