#include "golden.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* One below, at and above the edges of a device's tiles, and a long one. */
static const int lengths[] = {5, 16, 33, 1, 64, 128};
enum { SEQUENCES = sizeof lengths / sizeof *lengths, TOKENS = 5 + 16 + 33 + 1 + 64 + 128 };

/* Of all that a precision may cost.  The reference texts stay above 0.9999, 0.999 and 0.99; random ids are harder, and
 * a wrong number anywhere in a row's way costs far more than this. */
static const struct { const char *precision; double cosine; } limits[] = {
    {"float32", 0.9999}, {"float16", 0.9990}, {"bfloat16", 0.990}, {"int8", 0.970},
};

struct golden {
    batch   in;
    int     columns;
    double  limit;
    int32_t ids[TOKENS], starts[SEQUENCES + 1];
    uint8_t normalize[SEQUENCES];
    float   want[]; /* [SEQUENCES,columns] */
};

static int least(int x, int y)
{
    return x < y ? x : y;
}

/* As many of the sequences, each as long, as one batch of the device takes. */
static void fill(golden *g, const model_description *d, backend_reserve reserve, int vocab)
{
    batch *in = &g->in;
    *in = (batch){.ids = g->ids, .starts = g->starts, .normalize = g->normalize};
    for (int s = 0; s < least(SEQUENCES, reserve.max_sequences); s++) {
        const int n = least(lengths[s], d->max_tokens);
        if (in->T + n > reserve.max_tokens) continue;
        for (int i = 0; i < n; i++) g->ids[in->T + i] = (int32_t)((in->T * 131 + i * 7919 + 17) % vocab);
        g->normalize[in->S++] = d->normalize;
        in->T += n;
        g->starts[in->S] = in->T;
        if (n > in->longest) in->longest = n;
    }
}

static status compute(golden *g, const model *m, backend_reserve reserve, error *err)
{
    backend *b = NULL;
    const backend_reserve own = {.max_tokens = g->in.T, .max_sequences = g->in.S, .threads = reserve.threads,
                                 .kernel = reserve.kernel};
    status rc = backend_cpu.open(&b, m, own, err);
    if (rc == OK) rc = backend_forward(&backend_cpu, b, &g->in, g->want, err);
    backend_cpu.close(b);
    return rc;
}

status golden_open(golden **out, const model *m, backend_reserve reserve, int vocab, const char *precision, error *err)
{
    const int columns = backend_columns(&m->description);
    golden   *g = calloc(1, sizeof *g + (size_t)SEQUENCES * (size_t)columns * sizeof *g->want);
    *out = NULL;
    if (!g) return fail(err, NO_MEMORY, "no memory for the golden rows");
    g->columns = columns;
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++)
        if (!strcmp(limits[i].precision, precision)) g->limit = limits[i].cosine;
    status rc = OK;
    if (g->limit <= 0) rc = fail(err, BAD_INPUT, "precision \"%.40s\": no limit is known for it", precision);
    if (rc == OK) {
        fill(g, &m->description, reserve, vocab);
        rc = compute(g, m, reserve, err);
    }
    if (rc != OK) golden_close(g);
    else *out = g;
    return rc;
}

void golden_close(golden *g)
{
    free(g);
}

const batch *golden_batch(const golden *g)
{
    return &g->in;
}

double golden_cosine(const float *x, const float *y, int n)
{
    double xy = 0, xx = 0, yy = 0;
    for (int i = 0; i < n; i++) {
        xy += (double)x[i] * (double)y[i];
        xx += (double)x[i] * (double)x[i];
        yy += (double)y[i] * (double)y[i];
    }
    return xy / sqrt(xx * yy);
}

double golden_rank_agreement(const float *rows, const float *want, int n, int columns)
{
    int64_t pairs = 0, same = 0;
    for (int query = 0; query < n; query++)
        for (int a = 0; a < n; a++)
            for (int b = 0; b < a; b++) {
                if (a == query || b == query) continue;
                const size_t w = (size_t)columns, q = (size_t)query * w, i = (size_t)a * w, j = (size_t)b * w;
                const double far = golden_cosine(want + q, want + i, columns) - golden_cosine(want + q, want + j, columns);
                if (fabs(far) < GOLDEN_RANK_MARGIN) continue;
                const double seen = golden_cosine(rows + q, rows + i, columns) - golden_cosine(rows + q, rows + j, columns);
                pairs++;
                same += far > 0 ? seen > 0 : seen < 0;
            }
    return pairs ? (double)same / (double)pairs : 1;
}

status golden_check(const golden *g, const float *rows, error *err)
{
    for (int s = 0; s < g->in.S; s++) {
        const size_t at = (size_t)s * (size_t)g->columns;
        const double seen = golden_cosine(rows + at, g->want + at, g->columns);
        if (!(seen >= g->limit)) /* NaN is below */
            return fail(err, GPU_FAILED,
                        "the device computes wrong numbers: cosine %.6f to the fp32 CPU for a golden sequence of %d "
                        "tokens, wanted at least %.4f",
                        seen, g->starts[s + 1] - g->starts[s], g->limit);
    }
    return OK;
}
