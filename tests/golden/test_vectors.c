/* Sentence vectors of the real model against a float64 reference (golden/data/README.md): 361 texts, every length from
 * 3 to 256 tokens, alone and in company, on every set of kernels that this machine runs; of the lower precisions every
 * eighth text. */
#include <CUnit/CUnit.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "kernels/cpu/kernels.h"
#include "runtime/backend/backend.h"
#include "runtime/serve/golden.h"
#include "tests/support/kernel_sets.h"
#include "tests/support/reference.h"

enum { ROWS = REFERENCE_ROWS, DIMENSIONS = REFERENCE_DIMENSIONS, BATCH_TOKENS = 2048, BATCH_ROWS = 64 };
static const double BAR = 2e-6;

/* What each precision may cost: of a component, of a row's direction, of the order of neighbours. */
typedef struct { const char *name; double error, cosine, agreement; int sample; } limit;
static const limit BFLOAT16 = {"bfloat16", 2.5e-3, 0.9998, 0.999, 8}, INT8 = {"int8", 0.022, 0.99, 0.99, 8};

/* A sanitizer makes the arithmetic some twenty times slower: then a sample, spread over all lengths. */
static int stride(void) { return *BEELINE_SANITIZED ? 24 : 1; }

static backend *open_backend(const kernels *k, const char *precision)
{
    model   *m = reference_read() ? reference_model() : NULL;
    backend *b = NULL;
    error    err;
    CU_ASSERT_PTR_NOT_NULL(m);
    const backend_reserve reserve = {.max_tokens = BATCH_TOKENS, .max_sequences = BATCH_ROWS, .kernel = k->name,
                                     .precision = precision};
    if (m && backend_cpu.open(&b, m, reserve, &err) != OK)
        fprintf(stderr, "%s\n", err.text);
    model_close(m);
    CU_ASSERT_PTR_NOT_NULL(b);
    return b;
}

/* The largest error of any component when these rows are one batch; each vector is also left in `kept`. */
static double run(backend *b, const int *which, int n, float (*kept)[DIMENSIONS])
{
    static int32_t ids[BATCH_TOKENS], starts[BATCH_ROWS + 1];
    static float   out[BATCH_ROWS][DIMENSIONS];
    uint8_t        normalize[BATCH_ROWS];
    batch          in = {.S = n, .ids = ids, .starts = starts, .normalize = normalize};
    memset(normalize, 1, sizeof normalize);
    for (int i = 0; i < n; i++) {
        int            tokens;
        const int32_t *text = reference_ids(which[i], &tokens);
        memcpy(ids + in.T, text, (size_t)tokens * sizeof *ids);
        in.T += tokens;
        starts[i + 1] = in.T;
        if (tokens > in.longest) in.longest = tokens;
    }
    error  err;
    double worst = 0;
    if (backend_forward(&backend_cpu, b, &in, out[0], &err) != OK) return INFINITY;
    for (int i = 0; i < n; i++) {
        memcpy(kept[which[i]], out[i], sizeof out[i]);
        for (int d = 0; d < DIMENSIONS; d++) {
            double error_seen = fabs((double)out[i][d] - (double)reference_vector(which[i])[d]);
            if (!(error_seen <= worst)) worst = error_seen; /* NaN counts as worse */
        }
    }
    return worst;
}

static double run_alone(backend *b, int sample, float (*kept)[DIMENSIONS])
{
    double worst = 0;
    for (int i = 0; i < ROWS; i += sample) worst = fmax(worst, run(b, &i, 1, kept));
    return worst;
}

/* Rows in an order that mixes lengths, as many to a batch as fit. */
static double run_mixed(backend *b, int sample, float (*kept)[DIMENSIONS])
{
    double worst = 0;
    int    which[BATCH_ROWS], n = 0, tokens = 0;
    for (int i = 0; i < ROWS; i++) {
        int row = i * 100 % ROWS; /* 361 = 19 x 19: every row once */
        if (row % sample) continue;
        int length;
        (void)reference_ids(row, &length);
        if (n == BATCH_ROWS || tokens + length > BATCH_TOKENS) {
            worst = fmax(worst, run(b, which, n, kept));
            n = tokens = 0;
        }
        which[n++] = row;
        tokens += length;
    }
    return fmax(worst, run(b, which, n, kept));
}

static void check(const kernels *k)
{
    static float alone[ROWS][DIMENSIONS], mixed[ROWS][DIMENSIONS];
    const int    sample = stride();
    if (!kernels_runs_here(k)) {
        printf(" (%s skipped: this machine lacks the instructions)", k->name);
        return;
    }
    backend *b = open_backend(k, NULL);
    if (!b) return;
    double single = run_alone(b, sample, alone), company = run_mixed(b, sample, mixed);
    printf(" (largest error %.2g alone, %.2g in company)", single, company);
    CU_ASSERT(single <= BAR);
    CU_ASSERT(company <= BAR);
    int different = 0;
    for (int i = 0; i < ROWS; i += sample) different += memcmp(alone[i], mixed[i], sizeof alone[i]) != 0;
    CU_ASSERT_EQUAL(different, 0);
    backend_cpu.close(b);
}

static void check_low(const kernels *k, const limit *l)
{
    static float alone[ROWS][DIMENSIONS], mixed[ROWS][DIMENSIONS], want[ROWS][DIMENSIONS];
    const int    sample = *BEELINE_SANITIZED ? stride() : l->sample;
    backend     *b = open_backend(k, l->name);
    if (!b) return;
    CU_ASSERT_STRING_EQUAL(backend_cpu.precision(b), l->name);
    const double worst = fmax(run_alone(b, sample, alone), run_mixed(b, sample, mixed));
    double       least = 1;
    int          different = 0, n = 0;
    for (int i = 0; i < ROWS; i += sample, n++) {
        different += memcmp(alone[i], mixed[i], sizeof alone[i]) != 0;
        memcpy(want[n], reference_vector(i), sizeof want[n]);
        memcpy(mixed[n], mixed[i], sizeof mixed[n]);
        least = fmin(least, golden_cosine(mixed[n], want[n], DIMENSIONS));
    }
    const double agreement = golden_rank_agreement(mixed[0], want[0], n < 40 ? n : 40, DIMENSIONS);
    printf(" (%s: error %.2g, cosine %.6f, rank %.4f)", k->name, worst, least, agreement);
    CU_ASSERT(worst <= l->error && least >= l->cosine && agreement >= l->agreement);
    CU_ASSERT_EQUAL(different, 0);
    backend_cpu.close(b);
}

static void check_bfloat16(const kernels *k) { check_low(k, &BFLOAT16); }
static void check_int8(const kernels *k) { check_low(k, &INT8); }
static void bfloat16_on_every_set(void) { kernel_sets_each(check_bfloat16); }
static void int8_on_every_set(void) { kernel_sets_each(check_int8); }

static void every_text_within_2e_6_on_avx512(void) { check(kernels_find("avx512")); }
static void every_text_within_2e_6_on_avx2(void) { check(kernels_find("avx2")); }
static void every_text_within_2e_6_on_portable(void) { check(kernels_find("portable")); }

void vectors_suite(CU_pSuite s)
{
    CU_add_test(s, "avx512: 361 texts within 2e-6 of float64, the same bits alone and in company",
                every_text_within_2e_6_on_avx512);
    CU_add_test(s, "avx2: 361 texts within 2e-6 of float64, the same bits alone and in company",
                every_text_within_2e_6_on_avx2);
    CU_add_test(s, "portable: 361 texts within 2e-6 of float64, the same bits alone and in company",
                every_text_within_2e_6_on_portable);
    CU_add_test(s, "bfloat16 on every set: cosine 0.9998, error 2.5e-3, neighbours in order, the same bits in company",
                bfloat16_on_every_set);
    CU_add_test(s, "int8 on every set: cosine 0.99, error 0.022, neighbours in order, the same bits in company",
                int8_on_every_set);
}
