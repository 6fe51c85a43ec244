/* kernels.c - every operation of the encoder on a GPU: held to its plain float64 loop, then timed with a cold and a
 * warm L2, against the two peaks of the same run.  What is wrong gets no time, and the run's exit status says so. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "bench/random_model.h"
#include "cudnn_attention.h"
#include "entries.h"
#include "kernels/cuda/plain.h"
#include "operations.h"
#include "peaks.h"
#include "products.h"

enum { CHECKED_ROWS = 8, HALF = 2 };

typedef struct { const char *name; int sequences, tokens; } load;
typedef struct { const char *const *models; const load *loads; const int *rows; int n_models, n_loads, n_rows; } extent;
#define COUNT(list) ((int)(sizeof(list) / sizeof *(list)))
#define EXTENT(m, l, r) {m, l, r, COUNT(m), COUNT(l), COUNT(r)}

static const char *const models[] = {"minilm", "base", "large"}, *const tiny[] = {"tiny"};
static const load loads[] = {{"1x16", 1, 16},   {"1x128", 1, 128}, {"1x512", 1, 512},
                             {"32x128", 32, 128}, {"8x512", 8, 512}, {"mixed", WORKLOAD_SEQUENCES, WORKLOAD_MIXED}};
static const load   few_loads[] = {{"1x16", 1, 16}, {"3x40", 3, 40}};
static const int    rows[] = {16, 128, 512, 4096}, few_rows[] = {16, 40};
static const extent whole = EXTENT(models, loads, rows), quick = EXTENT(tiny, few_loads, few_rows);

static const report_column columns[] = {
    {"error", "error", "%.1e", 9},     {"cold_us", "cold us", "%.2f", 10},         {"warm_us", "warm us", "%.2f", 10},
    {"spread", "spread", "%.3f", 7},   {"gb_s", "cold GB/s", "%.0f", 9},           {"tflops", "TFLOP/s", "%.1f", 8},
    {"roof_us", "roof us", "%.2f", 9}, {"roof_over_cold", "of roof", "%.2f", 7}, {"roof_over_warm", "warm", "%.2f", 6},
};

typedef struct {
    const bench_options *options;
    device              *device;
    peaks                peaks;
    element_type         element;
    int                  wrong; /* rows without a time */
} session;

static bool asked_for(const session *s, const char *name)
{
    return !s->options->filter || strstr(name, s->options->filter);
}

/* `right` is what the check said.  Times what is right, says what is wrong; anything else ends the run. */
static status finish_row(session *s, const char *name, status right, const error *why, double worst, cost c,
                         device_work *work, void *context, error *err)
{
    device_time cold, warm;
    if (right == NOT_FINITE) {
        s->wrong++;
        report_note(s->options->report, "%-40s WRONG, no time: %s", name, why->text);
        return OK;
    }
    if (right != OK) return fail(err, right, "%s: %.200s", name, why->text);
    status rc = device_measure(s->device, work, context, DEVICE_COLD, &cold, err);
    if (rc == OK) rc = device_measure(s->device, work, context, DEVICE_WARM, &warm, err);
    if (rc != OK) return rc;
    const double roof = peaks_roof_us(&s->peaks, c.flops, c.bytes);
    report_row(s->options->report, name,
               (double[]){worst, cold.us, warm.us, warm.spread, c.bytes / cold.us / 1e3, c.flops / warm.us / 1e6, roof,
                          roof / cold.us, roof / warm.us});
    return OK;
}

/* ---- operations besides products, and cuDNN's attention beside ours ---- */

/* `step` numbers for each token: where each sequence begins. */
static status place_starts(scene *c, size_t step, size_t *offset, error *err)
{
    const size_t n = (size_t)c->work.in.S + 1;
    status       rc = device_place(c->device, n * sizeof(int32_t), offset, err);
    if (rc != OK) return rc;
    int32_t *at = (int32_t *)(device_mirror(c->device) + *offset);
    for (size_t i = 0; i < n; i++) at[i] = (int32_t)((size_t)c->work.starts[i] * step);
    return device_upload(c->device, *offset, n * sizeof(int32_t), err);
}

static status place_lengths(scene *c, size_t *offset, error *err)
{
    const size_t bytes = (size_t)c->work.in.S * sizeof(int32_t);
    status       rc = device_place(c->device, bytes, offset, err);
    if (rc != OK) return rc;
    for (int i = 0; i < c->work.in.S; i++)
        ((int32_t *)(device_mirror(c->device) + *offset))[i] = c->work.lengths[i];
    return device_upload(c->device, *offset, bytes, err);
}

static status row_of_cudnn(session *s, scene *c, const char *shape, const char *load_name, error *err)
{
    const operation *ours = &operations[operation_attention];
    const size_t     H = (size_t)c->shape.hidden;
    size_t           lengths = 0, qkv_starts = 0, out_starts = 0;
    cudnn_attention *theirs = NULL;
    error            why = {""};
    char             name[64];
    double           worst = 0;
    snprintf(name, sizeof name, "%s attention by cuDNN %s", shape, load_name);
    if (!asked_for(s, name)) return OK;
    status rc = place_lengths(c, &lengths, err);
    if (rc == OK) rc = place_starts(c, 3 * H, &qkv_starts, err);
    if (rc == OK) rc = place_starts(c, H, &out_starts, err);
    if (rc != OK) return rc;
    unsigned char                 *base = device_base(c->device);
    const cudnn_attention_operands operands = {
        .qkv = base + c->qkv, .out = base + c->out, .lengths = (int32_t *)(base + lengths),
        .qkv_rows = (int32_t *)(base + qkv_starts), .out_rows = (int32_t *)(base + out_starts),
        .sequences = c->work.in.S, .longest = c->work.in.longest, .heads = c->shape.heads,
        .width = c->shape.hidden / c->shape.heads, .element = c->element};
    if (cudnn_attention_open(&theirs, &operands, &why) != OK) {
        report_note(s->options->report, "%-40s %s", name, why.text);
        return OK;
    }
    const status right = operation_check(c, ours, cudnn_attention_run, theirs, &worst, &why);
    rc = finish_row(s, name, right, &why, worst, ours->cost(c), cudnn_attention_run, theirs, err);
    cudnn_attention_close(theirs);
    return rc;
}

static status rows_of_operations(session *s, const char *shape, const load *l, error *err)
{
    static scene c;
    status rc = scene_make(&c, s->device, random_model_shape(shape), s->element, l->sequences, l->tokens, err);
    for (int i = 0; i < operations_count && rc == OK; i++) {
        const operation *o = &operations[i];
        char             name[64];
        double           worst = 0;
        error            why = {""};
        snprintf(name, sizeof name, "%s %s %s", shape, o->name, l->name);
        if (!asked_for(s, name)) continue;
        const status right = operation_check(&c, o, o->run, &c, &worst, &why);
        rc = finish_row(s, name, right, &why, worst, o->cost(&c), o->run, &c, err);
    }
    return rc == OK ? row_of_cudnn(s, &c, shape, l->name, err) : rc;
}

/* ---- products ---- */

typedef enum { HIDDEN, QKV, INNER } side;
static const struct { const char *name; side out, in; cuda_gemm_then then; } products[] = {
    {"qkv product", QKV, HIDDEN, CUDA_GEMM_BIAS},
    {"out product", HIDDEN, HIDDEN, CUDA_GEMM_BIAS_RESIDUAL},
    {"inner product", INNER, HIDDEN, CUDA_GEMM_BIAS},
    {"inner gelu product", INNER, HIDDEN, CUDA_GEMM_BIAS_GELU},
    {"outer product", HIDDEN, INNER, CUDA_GEMM_BIAS_RESIDUAL},
};

static int side_of(side s, const model_shape *m)
{
    return s == HIDDEN ? m->hidden : s == QKV ? 3 * m->hidden : m->inner;
}

typedef enum { X, W, BIAS, RESIDUAL, OUT, OPERANDS } operand;

static cuda_gemm_operands operands_at(const unsigned char *base, const size_t at[OPERANDS], bool residual)
{
    return (cuda_gemm_operands){.x = base + at[X], .w = base + at[W], .bias = base + at[BIAS],
                                .residual = residual ? base + at[RESIDUAL] : NULL, .out = (void *)(base + at[OUT])};
}

/* The first rows and the last, against the plain loop; all are finite. */
static status check_product(session *s, const product *p, const size_t at[OPERANDS], double *worst, error *err)
{
    const size_t M = (size_t)p->shape.M, N = (size_t)p->shape.N, K = (size_t)p->shape.K;
    const size_t compared = M < CHECKED_ROWS ? M : CHECKED_ROWS, firsts[] = {0, M - compared};
    double      *want = malloc(compared * N * sizeof *want), part = 0;
    status       rc = want ? OK : fail(err, NO_MEMORY, "no memory for the plain loop");
    if (rc == OK) rc = device_poison(s->device, at[OUT], M * N * sizeof(uint16_t), err);
    if (rc == OK) rc = device_run(s->device, product_run, (void *)p, err);
    for (int i = 0; i < COUNT(firsts) && rc == OK; i++) {
        const size_t       from = firsts[i] * sizeof(uint16_t);
        const size_t       there[OPERANDS] = {at[X] + from * K, at[W], at[BIAS], at[RESIDUAL] + from * N,
                                              at[OUT] + from * N};
        const check_output out = {.offset = there[OUT], .columns = N, .rows = (int)(M - firsts[i]),
                                  .compared = (int)compared, .element = s->element};
        cuda_gemm_plain(s->element, (cuda_gemm_shape){(int)compared, p->shape.N, p->shape.K, p->shape.then},
                        operands_at(device_mirror(s->device), there, p->operands.residual != NULL), want);
        rc = check_compare(s->device, &out, want, &part, err);
        *worst = fmax(*worst, part);
    }
    free(want);
    return rc;
}

static status row_of_product(session *s, const char *shape, int which, int tokens, error *err)
{
    const model_shape *m = random_model_shape(shape);
    const int          N = side_of(products[which].out, m), K = side_of(products[which].in, m);
    const bool         residual = products[which].then == CUDA_GEMM_BIAS_RESIDUAL;
    const size_t       t = (size_t)tokens, n = (size_t)N, k = (size_t)K;
    const size_t       sizes[OPERANDS] = {t * k, n * k, n, t * n, t * n};
    const float        scales[OPERANDS] = {1, 2 / sqrtf((float)K), 1, 1, 1}; /* sums near 1, whatever K */
    cuda_gemm          library = {0};
    product            p = {.library = &library, .shape = {tokens, N, K, products[which].then}};
    device_time        best;
    size_t             at[OPERANDS] = {0};
    char               name[64];
    double             worst = 0;
    error              why = {""};
    snprintf(name, sizeof name, "%s %s %dx%dx%d", shape, products[which].name, tokens, N, K);
    if (!asked_for(s, name)) return OK;
    device_clear(s->device);
    status rc = products_open(&library, s->device, s->element, err);
    for (int i = 0; i < OPERANDS && rc == OK; i++)
        rc = device_random(s->device, s->element, sizes[i], scales[i], &at[i], err);
    p.operands = operands_at(device_base(s->device), at, residual);
    if (rc == OK) rc = product_choose(s->device, &p, &best, err);
    cost c = cost_gemm(tokens, K, N, HALF);
    if (residual) c.bytes += HALF * (double)tokens * N;
    if (rc == OK) {
        const status right = check_product(s, &p, at, &worst, &why);
        rc = finish_row(s, name, right, &why, worst, c, product_run, &p, err);
    }
    cuda_gemm_close(&library);
    return rc;
}

/* ---- the run ---- */

static status run(session *s, error *err)
{
    const extent *e = s->options->quick ? &quick : &whole;
    status        rc = peaks_measure(s->device, s->element, &s->peaks, s->options->report, err);
    if (rc == OK) report_table(s->options->report, "kernels cuda", columns, COUNT(columns));
    for (int m = 0; m < e->n_models && rc == OK; m++) {
        for (int l = 0; l < e->n_loads && rc == OK; l++) rc = rows_of_operations(s, e->models[m], &e->loads[l], err);
        for (int r = 0; r < e->n_rows && rc == OK; r++)
            for (int p = 0; p < COUNT(products) && rc == OK; p++)
                rc = row_of_product(s, e->models[m], p, e->rows[r], err);
    }
    return rc;
}

int cuda_kernels(const bench_options *o)
{
    session s = {.options = o, .element = ELEMENT_F16};
    error   err = {""};
    status  rc = device_open(&s.device, o->quick, &err);
    if (rc == OK) device_describe(s.device, o->report);
    if (rc == OK) rc = run(&s, &err);
    if (rc != OK) report_note(o->report, "kernels cuda: %s", err.text);
    if (s.wrong) report_note(o->report, "kernels cuda: %d rows are WRONG and have no time", s.wrong);
    device_close(s.device);
    return rc != OK || s.wrong;
}
