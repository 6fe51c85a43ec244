/* Sentence vectors of the real model through the CUDA backend on the fake device, against the float64 reference: texts
 * of 2 to 256 tokens, mixed with short ones, three batches in flight, under a hundred schedules. */
#include <CUnit/CUnit.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "runtime/backend/backend.h"
#include "tests/fake_cuda/fake_cuda.h"
#include "tests/support/reference.h"

extern const backend_ops beeline_backend;

enum { SEEDS = 100, SLOTS = 3, MOST_TOKENS = 384, MOST_TEXTS = 8, SHORT_ROWS = 12, POLLS = 1000000 };
static const double BAR_F16 = 0.9999, BAR_BF16 = 0.999;

/* Emulated and sanitized arithmetic is a thousand times slower than a GPU's: then a few schedules stand for all. */
static int seed_stride(void) { return *BEELINE_SANITIZED ? 33 : 1; }

typedef struct {
    int32_t ids[MOST_TOKENS], starts[MOST_TEXTS + 1];
    uint8_t normalize[MOST_TEXTS];
    int     rows[MOST_TEXTS];
    batch   in;
} texts;

static texts  slots[SLOTS];
static bool   seen[REFERENCE_ROWS];
static double worst;
static int    n_texts, n_pending;

static backend *open_minilm(model_precision precision, int max_tokens)
{
    backend *b = NULL;
    error    err = {""};
    model   *m = reference_read() ? reference_model() : NULL;
    CU_ASSERT_PTR_NOT_NULL_FATAL(m);
    fake_cuda_reset();
    m->description.precision = precision;
    const backend_reserve reserve = {.max_tokens = max_tokens, .max_sequences = MOST_TEXTS};
    if (beeline_backend.open(&b, m, reserve, &err) != OK) fprintf(stderr, "%s\n", err.text);
    model_close(m);
    CU_ASSERT_PTR_NOT_NULL_FATAL(b);
    fake_cuda_serving(true);
    return b;
}

static void close_minilm(backend *b)
{
    fake_cuda_serving(false);
    beeline_backend.close(b);
    CU_ASSERT_EQUAL(fake_cuda_held(), 0);
}

static void add(texts *t, int row)
{
    int            n;
    const int32_t *ids = reference_ids(row, &n);
    memcpy(t->ids + t->in.T, ids, (size_t)n * sizeof *ids);
    t->rows[t->in.S] = row;
    t->normalize[t->in.S] = 1;
    t->in.T += n;
    t->starts[++t->in.S] = t->in.T;
    if (n > t->in.longest) t->in.longest = n;
}

static double cosine(const float *a, const float *b)
{
    double ab = 0, aa = 0, bb = 0;
    for (int i = 0; i < REFERENCE_DIMENSIONS; i++) {
        ab += (double)a[i] * (double)b[i];
        aa += (double)a[i] * (double)a[i];
        bb += (double)b[i] * (double)b[i];
    }
    CU_ASSERT(fabs(aa - 1) < 1e-5);
    return ab / sqrt(aa * bb);
}

/* Waits for the slot, judges its rows, leaves it empty. */
static void finish(backend *b, int slot)
{
    static float out[MOST_TEXTS][REFERENCE_DIMENSIONS];
    texts  *t = &slots[slot];
    uint8_t finite[MOST_TEXTS];
    error   err = {""};
    status  rc = PENDING;
    if (!t->in.S) return;
    for (int i = 0; i < POLLS && rc == PENDING; i++) {
        rc = beeline_backend.collect(b, slot, out[0], finite, &err);
        n_pending += rc == PENDING;
    }
    CU_ASSERT_EQUAL(rc, OK);
    for (int s = 0; rc == OK && s < t->in.S; s++) {
        const double seen_cosine = cosine(out[s], reference_vector(t->rows[s]));
        CU_ASSERT_EQUAL(finite[s], 1);
        if (!(seen_cosine >= worst)) worst = seen_cosine; /* NaN counts as worse */
        seen[t->rows[s]] = true;
        n_texts++;
    }
    t->in = (batch){0};
}

/* The seed's own rows and some short ones, shuffled and dealt to three batches, the lightest first. */
static void deal(texts to[SLOTS], int seed)
{
    int      rows[16], n = 0;
    unsigned state = (unsigned)seed * 2654435761u + 1;
    for (int row = seed; row < REFERENCE_ROWS; row += SEEDS) rows[n++] = row;
    for (int i = 0; i < 2; i++) rows[n++] = (seed + 5 * i) % SHORT_ROWS;
    for (int i = n - 1; i > 0; i--) {
        state = state * 1664525u + 1013904223u;
        const int other = (int)((state >> 8) % (unsigned)(i + 1)), row = rows[i];
        rows[i] = rows[other];
        rows[other] = row;
    }
    for (int i = 0; i < SLOTS; i++)
        to[i].in = (batch){.ids = to[i].ids, .starts = to[i].starts, .normalize = to[i].normalize};
    for (int i = 0; i < n; i++) {
        texts *lightest = &to[0];
        for (int k = 1; k < SLOTS; k++)
            if (to[k].in.T < lightest->in.T) lightest = &to[k];
        add(lightest, rows[i]);
    }
}

static void run_seed(backend *b, int seed)
{
    static texts dealt[SLOTS];
    char         setting[32];
    error        err = {""};
    deal(dealt, seed);
    snprintf(setting, sizeof setting, "seed=%d", seed + 1);
    fake_cuda_configure(setting);
    for (int i = 0; i < SLOTS; i++) {
        const int slot = (i + seed) % SLOTS; /* the other two are still in flight */
        finish(b, slot);
        memcpy(&slots[slot], &dealt[i], sizeof slots[slot]);
        texts *t = &slots[slot];
        t->in.ids = t->ids;
        t->in.starts = t->starts;
        t->in.normalize = t->normalize;
        CU_ASSERT_EQUAL(beeline_backend.submit(b, slot, &t->in, &err), OK);
    }
}

static void every_text_agrees_under_a_hundred_schedules(void)
{
    backend *b = open_minilm(PRECISION_F16, MOST_TOKENS);
    CU_ASSERT_STRING_EQUAL(beeline_backend.precision(b), "float16");
    memset(seen, 0, sizeof seen);
    worst = 1;
    n_texts = n_pending = 0;
    for (int seed = 0; seed < SEEDS; seed += seed_stride()) run_seed(b, seed);
    for (int slot = 0; slot < SLOTS; slot++) finish(b, slot);
    int missing = 0;
    for (int row = 0; row < REFERENCE_ROWS; row++) missing += !seen[row] && row % SEEDS % seed_stride() == 0;
    printf(" (worst cosine %.7f of %d rows)", worst, n_texts);
    CU_ASSERT_EQUAL(missing, 0);
    CU_ASSERT(worst >= BAR_F16);
    CU_ASSERT(n_pending > 0); /* else nothing was ever in flight */
    CU_ASSERT(fake_cuda_overlap() >= 2);
    close_minilm(b);
}

static void bfloat16_agrees_too(void)
{
    backend *b = open_minilm(PRECISION_BF16, 64);
    CU_ASSERT_STRING_EQUAL(beeline_backend.precision(b), "bfloat16");
    worst = 1;
    n_texts = 0;
    for (int row = 0; row < 60; row += 12 * (*BEELINE_SANITIZED ? 4 : 1)) {
        texts *t = &slots[row % SLOTS];
        error  err = {""};
        t->in = (batch){.ids = t->ids, .starts = t->starts, .normalize = t->normalize};
        add(t, row);
        CU_ASSERT_EQUAL(beeline_backend.submit(b, row % SLOTS, &t->in, &err), OK);
        finish(b, row % SLOTS);
    }
    printf(" (worst cosine %.6f of %d rows)", worst, n_texts);
    CU_ASSERT(worst >= BAR_BF16);
    close_minilm(b);
}

void cuda_vectors_suite(CU_pSuite s)
{
    CU_add_test(s, "361 texts in mixed batches, three in flight, 100 schedules: cosine >= 0.9999 in float16",
                every_text_agrees_under_a_hundred_schedules);
    CU_add_test(s, "bfloat16: cosine >= 0.999", bfloat16_agrees_too);
}
