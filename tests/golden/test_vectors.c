/* Sentence vectors of the real model against a float64 reference (golden/data/README.md): 361 texts, every length from
 * 3 to 256 tokens, alone and in company, on every set of kernels that this machine runs. */
#include <CUnit/CUnit.h>
#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "kernels/cpu/kernels.h"
#include "runtime/backend/backend.h"

enum { ROWS = 361, DIMENSIONS = 384, LONGEST = 256, BATCH_TOKENS = 2048, BATCH_ROWS = 64, VOCABULARY = 30522 };
static const double BAR = 2e-6;

/* A sanitizer makes the arithmetic some twenty times slower: then a sample, spread over all lengths. */
static int stride(void) { return *BEELINE_SANITIZED ? 24 : 1; }

static struct { int n; int32_t ids[LONGEST]; } texts[ROWS];
static float   expected[ROWS][DIMENSIONS];

static bool read_reference(void)
{
    static bool done;
    if (done) return true;
    FILE *lines = fopen(BEELINE_SOURCE_DIR "/tests/golden/data/minilm_reference.jsonl", "r");
    FILE *rows = fopen(BEELINE_SOURCE_DIR "/tests/golden/data/minilm_reference.f32", "rb");
    char *line = NULL;
    size_t size = 0;
    int    n = 0;
    done = lines && rows && fread(expected, sizeof *expected, ROWS, rows) == ROWS && fgetc(rows) == EOF;
    for (; done && getline(&line, &size, lines) > 0; n++) {
        cJSON *row = cJSON_Parse(line), *ids = cJSON_GetObjectItem(row, "ids"), *id;
        done = n < ROWS && cJSON_GetArraySize(ids) > 0 && cJSON_GetArraySize(ids) <= LONGEST;
        if (done) cJSON_ArrayForEach(id, ids) texts[n].ids[texts[n].n++] = id->valueint;
        cJSON_Delete(row);
    }
    done = done && n == ROWS;
    free(line);
    if (lines) fclose(lines);
    if (rows) fclose(rows);
    return done;
}

static model *open_minilm(void)
{
    directory *d;
    model     *m = NULL;
    error      err;
    if (directory_open(&d, BEELINE_SOURCE_DIR "/models/all-MiniLM-L6-v2", &err) != OK ||
        model_open(&m, d, 512, VOCABULARY, &err) != OK)
        fprintf(stderr, "%s (make model)\n", err.text);
    directory_close(d);
    return m;
}

static backend *open_backend(const kernels *k)
{
    model   *m = read_reference() ? open_minilm() : NULL;
    backend *b = NULL;
    error    err;
    CU_ASSERT_PTR_NOT_NULL(m);
    const backend_reserve reserve = {.max_tokens = BATCH_TOKENS, .max_sequences = BATCH_ROWS, .kernel = k->name};
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
        memcpy(ids + in.T, texts[which[i]].ids, (size_t)texts[which[i]].n * sizeof *ids);
        in.T += texts[which[i]].n;
        starts[i + 1] = in.T;
        if (texts[which[i]].n > in.longest) in.longest = texts[which[i]].n;
    }
    error  err;
    double worst = 0;
    if (backend_forward(&backend_cpu, b, &in, out[0], &err) != OK) return INFINITY;
    for (int i = 0; i < n; i++) {
        memcpy(kept[which[i]], out[i], sizeof out[i]);
        for (int d = 0; d < DIMENSIONS; d++) {
            double error_seen = fabs((double)out[i][d] - (double)expected[which[i]][d]);
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
        if (n == BATCH_ROWS || tokens + texts[row].n > BATCH_TOKENS) {
            worst = fmax(worst, run(b, which, n, kept));
            n = tokens = 0;
        }
        which[n++] = row;
        tokens += texts[row].n;
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
    backend *b = open_backend(k);
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
}
