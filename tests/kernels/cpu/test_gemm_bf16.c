/* The product in bfloat16 against its float64 loop, on every set of kernels that this machine runs; narrowing; GELU. */
#include <CUnit/CUnit.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "kernels/cpu/kernels.h"
#include "tests/support/kernel_sets.h"

static const float UNTOUCHED = 12345.0f;
enum { HALF_UNTOUCHED = 0x4640 };

/* One product with everything it needs.  Rows of a end in zeros up to whole steps; those of c leave a gap, which must
 * stay as it is.  Every array ends where its last row does, so that a sanitizer sees one too many. */
typedef struct {
    gemm_bf16 g;
    uint16_t *a, *packed, *c16, *want16;
    float    *weight, *bias, *residual, *c, *want;
    size_t    floats;
} product;

static uint16_t *random_halves(int M, int K, size_t stride, unsigned seed)
{
    float    *x = random_floats((size_t)M * (size_t)K, seed);
    uint16_t *p = aligned_alloc(64, ((size_t)M * stride * sizeof *p + 63) & ~(size_t)63);
    memset(p, 0, (size_t)M * stride * sizeof *p);
    for (int m = 0; m < M; m++)
        for (int k = 0; k < K; k++) p[(size_t)m * stride + (size_t)k] = bfloat16_of(x[m * K + k]);
    free(x);
    return p;
}

/* variant: activation in the lowest two bits, then bias, residual, bfloat16 out. */
static product product_make(int M, int K, int N, int variant)
{
    const size_t depth = (size_t)gemm_bf16_depth(K);
    product p = {.g = {.M = M, .K = K, .N = N, .a_stride = depth, .residual_stride = (size_t)N + 1,
                       .c_stride = (size_t)N + 5, .activation = (gemm_activation)(variant % 4)}};
    p.a = random_halves(M, K, depth, 1);
    p.weight = random_floats((size_t)N * (size_t)K, 2);
    p.bias = random_floats((size_t)N, 3);
    p.residual = random_floats((size_t)(M - 1) * p.g.residual_stride + (size_t)N, 4);
    p.packed = aligned_alloc(64, gemm_bf16_packed_halves(K, N) * sizeof *p.packed);
    memset(p.packed, 0, gemm_bf16_packed_halves(K, N) * sizeof *p.packed);
    gemm_bf16_pack(p.packed, p.weight, K, N, 0);
    p.floats = (size_t)(M - 1) * p.g.c_stride + (size_t)N;
    p.c = malloc(p.floats * sizeof *p.c);
    p.want = malloc(p.floats * sizeof *p.want);
    p.c16 = malloc(p.floats * sizeof *p.c16);
    p.want16 = malloc(p.floats * sizeof *p.want16);
    for (size_t i = 0; i < p.floats; i++) {
        p.c[i] = p.want[i] = UNTOUCHED;
        p.c16[i] = p.want16[i] = HALF_UNTOUCHED;
    }
    p.g.a = p.a;
    p.g.b = p.packed;
    p.g.bias = variant & 4 ? p.bias : NULL;
    p.g.residual = variant & 8 ? p.residual : NULL;
    p.g.c = p.want;
    gemm_bf16_plain(&p.g);
    for (int m = 0; m < M; m++)
        for (int n = 0; n < N; n++) {
            const size_t at = (size_t)m * p.g.c_stride + (size_t)n;
            p.want16[at] = bfloat16_of(p.want[at]);
        }
    p.g.c = variant & 16 ? NULL : p.c;
    p.g.c16 = variant & 16 ? p.c16 : NULL;
    return p;
}

static void product_free(product *p)
{
    void *each[] = {p->a, p->packed, p->c16, p->want16, p->weight, p->bias, p->residual, p->c, p->want};
    for (size_t i = 0; i < sizeof each / sizeof *each; i++) free(each[i]);
}

/* What a sum may lose to its order, GELU to its shorter polynomial, and a bfloat16 to a tie that falls the other way. */
static int differs(const product *p)
{
    const int    gelu = p->g.activation == GEMM_GELU || p->g.activation == GEMM_GELU_TANH;
    const double bar = 1e-6 * (1 + sqrt(p->g.K)) + (gelu ? 3e-5 : 0);
    for (size_t i = 0; i < p->floats; i++) {
        const double got = p->g.c ? (double)p->c[i] : (double)bfloat16_float(p->c16[i]);
        const double want = p->g.c ? (double)p->want[i] : (double)bfloat16_float(p->want16[i]);
        const int    gap = i % p->g.c_stride >= (size_t)p->g.N;
        const double off = p->g.c16 ? bar + fabs(want) / 128 : bar;
        if (gap ? got != want : !(fabs(got - want) <= off)) return 1;
    }
    return 0;
}

static const int Ks[] = {1, 2, 31, 32, 33, 64, 101, 384}, Ns[] = {1, 15, 16, 17, 33, 48, 50, 64};
enum { N_KS = sizeof Ks / sizeof *Ks, N_NS = sizeof Ns / sizeof *Ns };

static void check_shapes(const kernels *k)
{
    static const int Ms[] = {1, 2, 3, 11, 12, 13, 15, 16, 17, 31, 32, 33, 47, 64, 100};
    int wrong = 0;
    for (size_t m = 0; m < sizeof Ms / sizeof *Ms; m++)
        for (int i = 0; i < N_KS * N_NS; i++) {
            product p = product_make(Ms[m], Ks[i / N_NS], Ns[i % N_NS], (int)m + i);
            k->gemm_bf16(&p.g, 0, Ms[m], 0, gemm_panels(p.g.N));
            if (differs(&p) && wrong++ == 0) printf(" (%s: M %d, K %d, N %d)", k->name, Ms[m], p.g.K, p.g.N);
            product_free(&p);
        }
    CU_ASSERT_EQUAL(wrong, 0);
}

static void check_every_variant(const kernels *k)
{
    for (int variant = 0; variant < 32; variant++)
        for (int M = 5; M <= 40; M += 35) {
            product p = product_make(M, 65, 71, variant);
            k->gemm_bf16(&p.g, 0, M, 0, gemm_panels(71));
            CU_ASSERT_FALSE(differs(&p));
            product_free(&p);
        }
}

static void check_parts(const kernels *k)
{
    enum { M = 43, N = 135 };
    product p = product_make(M, 70, N, 4 + 8 + GEMM_GELU);
    k->gemm_bf16(&p.g, 0, M, 0, gemm_panels(N));
    float *whole = malloc(p.floats * sizeof *whole);
    memcpy(whole, p.c, p.floats * sizeof *whole);
    memset(p.c, 0, p.floats * sizeof *p.c);
    for (int row = 0; row < M; row++) /* alone, in a tile of one, panel by panel */
        for (int panel = 0; panel < gemm_panels(N); panel++) k->gemm_bf16(&p.g, row, row + 1, panel, panel + 1);
    for (size_t at = 0; at < M * p.g.c_stride; at += p.g.c_stride)
        CU_ASSERT_EQUAL(memcmp(p.c + at, whole + at, N * sizeof(float)), 0);
    memset(p.c, 0, p.floats * sizeof *p.c);
    k->gemm_bf16(&p.g, 5, 40, 1, 4); /* a part is that part and nothing else */
    int outside = 0, inside = 0;
    for (int row = 0; row < M; row++)
        for (int n = 0; n < N; n++) {
            const size_t at = (size_t)row * p.g.c_stride + (size_t)n;
            if (row < 5 || row >= 40 || n < 16 || n >= 64) outside += p.c[at] != 0;
            else inside += memcmp(&p.c[at], &whole[at], sizeof(float)) != 0;
        }
    CU_ASSERT_EQUAL(outside, 0);
    CU_ASSERT_EQUAL(inside, 0);
    free(whole);
    product_free(&p);
}

static void check_nan(const kernels *k)
{
    enum { M = 35, N = 40 };
    product p = product_make(M, 64, N, 16 + GEMM_GELU);
    p.a[7 * p.g.a_stride + 3] = 0x7fc0;
    p.a[20 * p.g.a_stride + 5] = 0x7f80;
    k->gemm_bf16(&p.g, 0, M, 0, gemm_panels(N));
    int wrong = 0;
    for (int row = 0; row < M; row++)
        for (int n = 0; n < N; n++) {
            const float x = bfloat16_float(p.c16[(size_t)row * p.g.c_stride + (size_t)n]);
            if (row == 7) wrong += !isnan(x);
            else if (row != 20) wrong += !isfinite(x);
        }
    CU_ASSERT_EQUAL(wrong, 0);
    product_free(&p);
}

/* x = 0 * 0 + bias: the activation alone. */
static float activated(const kernels *k, gemm_activation activation, float x)
{
    enum { DEPTH = 32 };
    _Alignas(64) static const uint16_t a[DEPTH], b[DEPTH * GEMM_PANEL];
    float           y = UNTOUCHED;
    const gemm_bf16 g = {.M = 1, .K = 1, .N = 1, .a = a, .b = b, .bias = &x, .c = &y, .a_stride = DEPTH, .c_stride = 1,
                         .activation = activation};
    k->gemm_bf16(&g, 0, 1, 0, 1);
    return y;
}

static void check_gelu(const kernels *k)
{
    double worst = 0, small = 0;
    for (int i = -60000; i <= 60000; i++) {
        const float  x = (float)i / 5000;
        const double d = (double)x;
        const double by_erf = d * 0.5 * erfc(-d * M_SQRT1_2);
        const double by_tanh = d * 0.5 * (1 + tanh(M_2_SQRTPI * M_SQRT1_2 * (d + 0.044715 * d * d * d)));
        const double off_erf = fabs((double)activated(k, GEMM_GELU, x) - by_erf);
        const double off_tanh = fabs((double)activated(k, GEMM_GELU_TANH, x) - by_tanh);
        worst = fmax(worst, fmax(off_erf, off_tanh));
        if (i && fabs(d) < 1) small = fmax(small, fmax(off_erf / fabs(by_erf), off_tanh / fabs(by_tanh)));
    }
    CU_ASSERT(worst <= 3e-5);
    CU_ASSERT(small <= 3e-4);
}

static void check_ends(const kernels *k)
{
    static const float far[] = {4.6f, 100, 1e4f, 1e30f, INFINITY};
    for (int i = GEMM_GELU; i <= GEMM_RELU; i++) {
        const gemm_activation activation = (gemm_activation)i;
        CU_ASSERT_EQUAL(activated(k, activation, 0), 0);
        CU_ASSERT(isnan(activated(k, activation, NAN)));
        for (size_t at = 0; at < sizeof far / sizeof *far; at++) {
            CU_ASSERT_EQUAL(activated(k, activation, far[at]), far[at]);
            CU_ASSERT_EQUAL(activated(k, activation, -far[at]), 0);
        }
    }
}

static void check_narrow(const kernels *k)
{
    static const uint32_t bits[] = {0, 0x80000000, 0x3f800000, 0x3f808000, 0x3f818000, 0x3f808001, 0x7f7fffff,
                                    0x7f800000, 0xff800000, 0x7f800001, 0x7fffffff, 0xffc00000, 0x00000001};
    enum { N = sizeof bits / sizeof *bits, GAP = 3, ROWS = 3 };
    float    in[ROWS][N + GAP];
    uint16_t out[ROWS][N + GAP];
    memset(out, 0xab, sizeof out);
    for (int row = 0; row < ROWS; row++) memcpy(in[row], bits, sizeof bits);
    k->narrow(&(narrow){.columns = N, .in = in[0], .out = out[0], .in_stride = N + GAP, .out_stride = N + GAP}, 1, ROWS);
    for (int row = 0; row < ROWS; row++)
        for (int i = 0; i < N + GAP; i++) {
            if (row == 0 || i >= N) CU_ASSERT_EQUAL(out[row][i], 0xabab)
            else CU_ASSERT_EQUAL(out[row][i], bfloat16_of(in[row][i]))
        }
    CU_ASSERT_EQUAL(bfloat16_of(1.00390625f), 0x3f80); /* a tie goes to the even one */
    CU_ASSERT_EQUAL(bfloat16_of(1.01171875f), 0x3f82);
    CU_ASSERT(isnan(bfloat16_float(out[1][9])) && isnan(bfloat16_float(out[1][10])));
}

static void pack_joins(void)
{
    enum { K = 5, N = 20 };
    float    *weight = random_floats(2 * N * K, 9);
    uint16_t *joined = calloc(gemm_bf16_packed_halves(K, 2 * N), 2), *once = calloc(gemm_bf16_packed_halves(K, 2 * N), 2);
    gemm_bf16_pack(once, weight, K, 2 * N, 0);
    gemm_bf16_pack(joined, weight + N * K, K, N, N);
    gemm_bf16_pack(joined, weight, K, N, 0);
    CU_ASSERT_EQUAL(memcmp(joined, once, 2 * gemm_bf16_packed_halves(K, 2 * N)), 0);
    CU_ASSERT_EQUAL(once[0], bfloat16_of(weight[0]));
    CU_ASSERT_EQUAL(once[1], bfloat16_of(weight[1]));
    CU_ASSERT_EQUAL(once[2], bfloat16_of(weight[K]));
    free(weight), free(joined), free(once);
}

static void every_shape_agrees(void) { kernel_sets_each(check_shapes); }
static void every_variant_agrees(void) { kernel_sets_each(check_every_variant); }
static void a_row_does_not_depend_on_its_mates(void) { kernel_sets_each(check_parts); }
static void nan_stays_in_its_row(void) { kernel_sets_each(check_nan); }
static void gelu_is_near(void) { kernel_sets_each(check_gelu); }
static void activations_end_well(void) { kernel_sets_each(check_ends); }
static void narrowing_rounds_to_nearest_even(void) { kernel_sets_each(check_narrow); }

void gemm_bf16_suite(CU_pSuite s)
{
    CU_add_test(s, "products of every awkward shape agree with float64", every_shape_agrees);
    CU_add_test(s, "every activation, bias, residual and output agrees", every_variant_agrees);
    CU_add_test(s, "a row has the same bits alone, in a part and in the whole; a part writes nothing else",
                a_row_does_not_depend_on_its_mates);
    CU_add_test(s, "NaN and infinity stay in their rows", nan_stays_in_its_row);
    CU_add_test(s, "both GELUs are within 3e-5 from -12 to 12, and within 3e-4 of small results", gelu_is_near);
    CU_add_test(s, "far positive is exactly x, far negative exactly 0, NaN stays NaN", activations_end_well);
    CU_add_test(s, "narrowing rounds to nearest even, NaN stays NaN, gaps stay as they are", narrowing_rounds_to_nearest_even);
    CU_add_test(s, "packing joins weights of one depth", pack_joins);
}
