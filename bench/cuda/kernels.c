/* kernels.c - every operation of the encoder on a GPU: held to its plain float64 loop, then timed with a warm and a cold
 * L2, against the two peaks of the same run.
 *
 * A batch's first sequences are compared number by number; of the rest it is checked that every number was written and
 * is finite.  What is wrong gets no time, and the run's exit status says so. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "bench/random_model.h"
#include "cudnn_attention.h"
#include "entries.h"
#include "kernels/cost.h"
#include "kernels/cuda/plain.h"
#include "peaks.h"
#include "products.h"
#include "scene.h"

enum { CHECKED_TOKENS = 160, CHECKED_ROWS = 8, HALF = 2 };

static const char *const models[] = {"minilm", "base", "large"}, *const quick_models[] = {"tiny"};
typedef struct { const char *name; int sequences, tokens; } load;
static const load loads[] = {
    {"1x16", 1, 16}, {"1x128", 1, 128}, {"1x512", 1, 512}, {"32x128", 32, 128}, {"8x512", 8, 512},
    {"mixed", WORKLOAD_SEQUENCES, WORKLOAD_MIXED},
};
static const load quick_loads[] = {{"1x16", 1, 16}, {"3x40", 3, 40}};
#define COUNT(list) ((int)(sizeof(list) / sizeof *(list)))

static const report_column columns[] = {
    {"error", "error", "%.1e", 9},       {"cold_us", "cold us", "%.2f", 10},     {"warm_us", "warm us", "%.2f", 10},
    {"spread", "spread", "%.3f", 7},     {"gb_s", "GB/s", "%.0f", 8},            {"tflops", "TFLOP/s", "%.1f", 8},
    {"roof_us", "roof us", "%.2f", 9},   {"of_roof_cold", "cold/roof", "%.2f", 9}, {"of_roof_warm", "warm/roof", "%.2f", 9},
};

typedef struct {
    const bench_options *options;
    device              *device;
    peaks                peaks;
    element_type         element;
    int                  wrong; /* rows without a time */
} session;

/* ---- one row ---- */

typedef struct { size_t offset, columns; int rows, checked; bool fp32; } output; /* rows of it, the first `checked` compared */

static float number_of(const output *o, element_type element, const unsigned char *at, size_t i)
{
    return o->fp32 ? ((const float *)(const void *)at)[i] : element_to_f32(element, ((const uint16_t *)(const void *)at)[i]);
}

/* 16-bit results differ by the rounding of the result and of what went in between: four units in the last place. */
static double tolerance_of(element_type element) { return element == ELEMENT_F16 ? 2e-3 : 1.6e-2; }

/* The mirror has what the plain loop wrote; *worst is relative to the number, or to 1 where it is smaller. */
static status compare(session *s, const output *o, double *worst, error *err)
{
    const size_t   n = (size_t)o->rows * o->columns, compared = (size_t)o->checked * o->columns;
    const size_t   bytes = n * (o->fp32 ? sizeof(float) : sizeof(uint16_t));
    unsigned char *seen = malloc(bytes);
    status         rc = seen ? device_download(s->device, o->offset, bytes, seen, err) : fail(err, NO_MEMORY, "no memory");
    *worst = 0;
    for (size_t i = 0; i < n && rc == OK; i++) {
        const float got = number_of(o, s->element, seen, i);
        if (!isfinite(got)) rc = fail(err, NOT_FINITE, "row %zu, number %zu is %g", i / o->columns, i % o->columns, (double)got);
        if (rc != OK || i >= compared) continue;
        const double want = (double)number_of(o, s->element, device_mirror(s->device) + o->offset, i);
        *worst = fmax(*worst, fabs((double)got - want) / fmax(1, fabs(want)));
    }
    free(seen);
    if (rc == OK && !(*worst <= tolerance_of(s->element)))
        rc = fail(err, NOT_FINITE, "error %.2e, wanted at most %.1e", *worst, tolerance_of(s->element));
    return rc;
}

static bool asked_for(const session *s, const char *name) { return !s->options->filter || strstr(name, s->options->filter); }

static void say_wrong(session *s, const char *name, const char *why)
{
    s->wrong++;
    report_note(s->options->report, "%-40s WRONG, no time: %s", name, why);
}

/* Times what was found right. */
static status time_row(session *s, const char *name, device_work *work, void *context, double error_seen, cost c, error *err)
{
    device_time cold, warm;
    status      rc = device_measure(s->device, work, context, DEVICE_COLD, &cold, err);
    if (rc == OK) rc = device_measure(s->device, work, context, DEVICE_WARM, &warm, err);
    if (rc != OK) return rc;
    const double roof = peaks_roof_us(&s->peaks, c.flops, c.bytes);
    report_row(s->options->report, name,
               (double[]){error_seen, cold.us, warm.us, warm.spread, c.bytes / cold.us / 1e3, c.flops / warm.us / 1e6, roof,
                          roof / cold.us, roof / warm.us});
    return OK;
}

/* ---- the operations besides products ---- */

static int run_embed(void *context, kernel_stream stream)
{
    const scene     *c = context;
    const cuda_embed e = scene_embed(c, device_base(c->device));
    return cuda_embed_run(&e, stream);
}
static void plain_embed(scene *c)
{
    const cuda_embed e = scene_embed(c, device_mirror(c->device));
    cuda_embed_plain(&e);
}

static int run_norm(void *context, kernel_stream stream)
{
    const scene    *c = context;
    const cuda_norm n = scene_norm(c, device_base(c->device));
    return cuda_norm_run(&n, stream);
}
static void plain_norm(scene *c)
{
    const cuda_norm n = scene_norm(c, device_mirror(c->device));
    cuda_norm_plain(&n);
}

static int run_attention(void *context, kernel_stream stream)
{
    const scene         *c = context;
    const cuda_attention a = scene_attention(c, device_base(c->device));
    return cuda_attention_run(&a, stream);
}
static void plain_attention(scene *c)
{
    const cuda_attention a = scene_attention(c, device_mirror(c->device));
    cuda_attention_plain(&a);
}

static int run_gelu(void *context, kernel_stream stream)
{
    const scene    *c = context;
    const cuda_gelu g = scene_gelu(c, device_base(c->device));
    return cuda_gelu_run(&g, stream);
}
static void plain_gelu(scene *c)
{
    const cuda_gelu g = scene_gelu(c, device_mirror(c->device));
    cuda_gelu_plain(&g);
}

static int run_pool(void *context, kernel_stream stream)
{
    const scene    *c = context;
    const cuda_pool p = scene_pool(c, device_base(c->device));
    return cuda_pool_run(&p, stream);
}
static void plain_pool(scene *c)
{
    const cuda_pool p = scene_pool(c, device_mirror(c->device));
    cuda_pool_plain(&p);
}

static int run_head(void *context, kernel_stream stream)
{
    const scene    *c = context;
    const cuda_head h = scene_head(c, device_base(c->device));
    return cuda_head_run(&h, stream);
}
static void plain_head(scene *c)
{
    const cuda_head h = scene_head(c, device_mirror(c->device));
    cuda_head_plain(&h);
}

static cost cost_of_attention(const scene *c)
{
    cost total = {0};
    for (int i = 0; i < c->work.in.S; i++) {
        const cost one = cost_attention(c->work.lengths[i], c->shape.hidden, HALF);
        total.flops += one.flops;
        total.bytes += one.bytes;
    }
    return total;
}
static cost cost_of_embed(const scene *c) { return cost_embed(c->work.in.T, c->shape.hidden, HALF); }
static cost cost_of_norm(const scene *c) { return cost_residual_norm(c->work.in.T, c->shape.hidden, HALF); }
static cost cost_of_gelu(const scene *c) { return cost_gelu(c->work.in.T, c->shape.inner, HALF); }
static cost cost_of_pool(const scene *c) { return cost_pool(c->work.in.T, c->shape.hidden, HALF); }
static cost cost_of_head(const scene *c) { return cost_head(c->work.in.S, c->shape.hidden, SCENE_LABELS, HALF); }

/* wide: writes [T,I] in place; by_sequence: a row for each sequence, in fp32. */
typedef enum { BY_TOKEN, WIDE, BY_SEQUENCE, LOGITS } result;
static const struct {
    const char  *name;
    device_work *run;
    void (*plain)(scene *);
    cost (*cost)(const scene *);
    result       result;
} operations[] = {
    {"embed", run_embed, plain_embed, cost_of_embed, BY_TOKEN},
    {"attention", run_attention, plain_attention, cost_of_attention, BY_TOKEN},
    {"residual norm", run_norm, plain_norm, cost_of_norm, BY_TOKEN},
    {"gelu", run_gelu, plain_gelu, cost_of_gelu, WIDE},
    {"pool", run_pool, plain_pool, cost_of_pool, BY_SEQUENCE},
    {"head", run_head, plain_head, cost_of_head, LOGITS},
};

static output output_of(const scene *c, result r, int tokens, int sequences)
{
    const size_t H = (size_t)c->shape.hidden;
    switch (r) {
    case BY_TOKEN: return (output){c->out, H, c->work.in.T, tokens, false};
    case WIDE: return (output){c->wide, (size_t)c->shape.inner, c->work.in.T, tokens, false};
    case BY_SEQUENCE: return (output){c->rows, H, c->work.in.S, sequences, true};
    case LOGITS: break;
    }
    return (output){c->rows, SCENE_LABELS, c->work.in.S, sequences, true};
}

static status check_operation(session *s, scene *c, int which, double *worst, error *err)
{
    int           sequences = 0;
    const int     tokens = scene_shorten(c, CHECKED_TOKENS, &sequences);
    const output  o = output_of(c, operations[which].result, tokens, sequences);
    const size_t  bytes = (size_t)o.rows * o.columns * (o.fp32 ? sizeof(float) : sizeof(uint16_t));
    status        rc = OK;
    if (operations[which].result == WIDE) rc = device_upload(s->device, o.offset, bytes, err); /* in place: its input */
    else rc = device_poison(s->device, o.offset, bytes, err);
    if (rc == OK) rc = device_run(s->device, operations[which].run, c, err);
    if (rc == OK) operations[which].plain(c);
    return rc == OK ? compare(s, &o, worst, err) : rc;
}

/* ---- cuDNN's attention beside ours ---- */

static status place_rows(scene *c, size_t step, size_t *offset, error *err)
{
    const size_t n = (size_t)c->work.in.S + 1;
    status       rc = device_place(c->device, n * sizeof(int32_t), offset, err);
    if (rc != OK) return rc;
    int32_t *at = (int32_t *)(device_mirror(c->device) + *offset);
    for (size_t i = 0; i < n; i++) at[i] = (int32_t)((size_t)c->work.starts[i] * step);
    return device_upload(c->device, *offset, n * sizeof(int32_t), err);
}

/* `ours` has been checked and lies in the mirror as far as it was compared. */
static status row_of_cudnn(session *s, scene *c, const char *model, const char *load_name, error *err)
{
    const size_t     H = (size_t)c->shape.hidden, T = (size_t)c->work.in.T, S = (size_t)c->work.in.S;
    size_t           lengths = 0, qkv_rows = 0, out_rows = 0;
    cudnn_attention *theirs = NULL;
    error            refused = {""};
    char             name[64];
    double           worst = 0;
    int              sequences = 0;
    snprintf(name, sizeof name, "%s attention of cuDNN %s", model, load_name);
    if (!asked_for(s, name)) return OK;
    status rc = device_place(c->device, S * sizeof(int32_t), &lengths, err);
    if (rc != OK) return rc;
    memcpy(device_mirror(c->device) + lengths, c->work.lengths, S * sizeof(int32_t));
    rc = device_upload(c->device, lengths, S * sizeof(int32_t), err);
    if (rc == OK) rc = place_rows(c, 3 * H, &qkv_rows, err);
    if (rc == OK) rc = place_rows(c, H, &out_rows, err);
    if (rc != OK) return rc;
    unsigned char *base = device_base(c->device);
    const cudnn_attention_operands operands = {
        .qkv = base + c->qkv, .out = base + c->out, .lengths = (int32_t *)(base + lengths),
        .qkv_rows = (int32_t *)(base + qkv_rows), .out_rows = (int32_t *)(base + out_rows), .sequences = (int)S,
        .longest = c->work.in.longest, .heads = c->shape.heads, .width = c->shape.hidden / c->shape.heads,
        .element = c->element};
    if (cudnn_attention_open(&theirs, &operands, &refused) != OK) {
        report_note(s->options->report, "%-40s %s", name, refused.text);
        return OK;
    }
    const output o = {c->out, H, (int)T, scene_shorten(c, CHECKED_TOKENS, &sequences), false};
    rc = device_poison(c->device, c->out, T * H * sizeof(uint16_t), err);
    if (rc == OK) rc = device_run(c->device, cudnn_attention_run, theirs, err);
    if (rc == OK) plain_attention(c);
    if (rc == OK && compare(s, &o, &worst, &refused) != OK) say_wrong(s, name, refused.text);
    else if (rc == OK) rc = time_row(s, name, cudnn_attention_run, theirs, worst, cost_of_attention(c), err);
    cudnn_attention_close(theirs);
    return rc;
}

static status rows_of_operations(session *s, const char *model, const load *l, error *err)
{
    static scene c;
    status rc = scene_make(&c, s->device, random_model_shape(model), s->element, l->sequences, l->tokens, err);
    for (int i = 0; i < COUNT(operations) && rc == OK; i++) {
        char   name[64];
        double worst = 0;
        error  why = {""};
        snprintf(name, sizeof name, "%s %s %s", model, operations[i].name, l->name);
        if (!asked_for(s, name)) continue;
        const status right = check_operation(s, &c, i, &worst, &why);
        if (right == OK) rc = time_row(s, name, operations[i].run, &c, worst, operations[i].cost(&c), err);
        else if (right == NOT_FINITE) say_wrong(s, name, why.text);
        else rc = fail(err, right, "%s: %.200s", name, why.text);
    }
    return rc == OK ? row_of_cudnn(s, &c, model, l->name, err) : rc;
}

/* ---- products ---- */

typedef enum { HIDDEN, QKV, INNER } side;
static const struct { const char *name; side out, in; cuda_gemm_then then; } products[] = {
    {"qkv product", QKV, HIDDEN, CUDA_GEMM_BIAS},
    {"out product", HIDDEN, HIDDEN, CUDA_GEMM_BIAS_RESIDUAL},
    {"inner product", INNER, HIDDEN, CUDA_GEMM_BIAS},
    {"inner product, gelu", INNER, HIDDEN, CUDA_GEMM_BIAS_GELU},
    {"outer product", HIDDEN, INNER, CUDA_GEMM_BIAS_RESIDUAL},
};

static int side_of(side s, const model_shape *m) { return s == HIDDEN ? m->hidden : s == QKV ? 3 * m->hidden : m->inner; }

/* The first rows and the last, against the plain loop; the others are finite. */
static status check_product(session *s, product *p, const size_t at[5], double *worst, error *err)
{
    const cuda_gemm_shape shape = p->shape;
    const size_t          M = (size_t)shape.M, N = (size_t)shape.N, K = (size_t)shape.K;
    const size_t          rows = M < CHECKED_ROWS ? M : CHECKED_ROWS, firsts[] = {0, M - rows};
    unsigned char        *host = device_mirror(s->device);
    double                part = 0;
    status                rc = device_poison(s->device, at[4], M * N * sizeof(uint16_t), err);
    if (rc == OK) rc = device_run(s->device, product_run, p, err);
    for (int i = 0; i < 2 && rc == OK; i++) {
        const size_t             x_at = firsts[i] * K * sizeof(uint16_t), out_at = firsts[i] * N * sizeof(uint16_t);
        const bool               residual = shape.then == CUDA_GEMM_BIAS_RESIDUAL;
        const cuda_gemm_operands plain = {.x = host + at[0] + x_at, .w = host + at[1], .bias = host + at[2],
                                          .residual = residual ? host + at[3] + out_at : NULL, .out = host + at[4] + out_at};
        cuda_gemm_plain(s->element, (cuda_gemm_shape){(int)rows, shape.N, shape.K, shape.then}, plain);
        const output o = {at[4] + out_at, N, (int)(M - firsts[i]), (int)rows, false};
        rc = compare(s, &o, &part, err);
        *worst = fmax(*worst, part);
    }
    return rc;
}

static status row_of_product(session *s, const char *model, int which, int tokens, error *err)
{
    const model_shape *m = random_model_shape(model);
    const int          N = side_of(products[which].out, m), K = side_of(products[which].in, m);
    const bool         residual = products[which].then == CUDA_GEMM_BIAS_RESIDUAL;
    const size_t       sizes[5] = {(size_t)tokens * (size_t)K, (size_t)N * (size_t)K, (size_t)N,
                                   (size_t)tokens * (size_t)N, (size_t)tokens * (size_t)N};
    const float        scales[5] = {1, 2 / sqrtf((float)K), 1, 1, 1}; /* sums near 1, whatever K */
    cuda_gemm          library = {0};
    product            p = {.library = &library, .shape = {tokens, N, K, products[which].then}};
    device_time        best;
    size_t             at[5] = {0};
    char               name[64];
    double             worst = 0;
    error              why = {""};
    snprintf(name, sizeof name, "%s %s %dx%dx%d", model, products[which].name, tokens, N, K);
    if (!asked_for(s, name)) return OK;
    device_clear(s->device);
    status rc = products_open(&library, s->device, s->element, err);
    for (int i = 0; i < 5 && rc == OK; i++) rc = device_random(s->device, s->element, sizes[i], scales[i], &at[i], err);
    unsigned char *base = device_base(s->device);
    p.operands = (cuda_gemm_operands){.x = base + at[0], .w = base + at[1], .bias = base + at[2],
                                      .residual = residual ? base + at[3] : NULL, .out = base + at[4]};
    if (rc == OK) rc = product_choose(s->device, &p, &best, err);
    const status right = rc == OK ? check_product(s, &p, at, &worst, &why) : rc;
    cost         c = cost_gemm(tokens, K, N, HALF);
    if (residual) c.bytes += HALF * (double)tokens * N;
    if (rc == OK && right == OK) rc = time_row(s, name, product_run, &p, worst, c, err);
    else if (rc == OK && right == NOT_FINITE) say_wrong(s, name, why.text);
    else if (rc == OK) rc = fail(err, right, "%s: %.200s", name, why.text);
    cuda_gemm_close(&library);
    return rc;
}

/* ---- the run ---- */

static status run(session *s, error *err)
{
    static const int     tokens[] = {16, 128, 512, 4096}, quick_tokens[] = {16, 40};
    const int            quick = s->options->quick;
    const char *const   *names = quick ? quick_models : models;
    const load          *each = quick ? quick_loads : loads;
    const int           *rows = quick ? quick_tokens : tokens;
    const int            n_names = quick ? COUNT(quick_models) : COUNT(models), n_loads = quick ? COUNT(quick_loads) : COUNT(loads);
    const int            n_rows = quick ? COUNT(quick_tokens) : COUNT(tokens);
    status               rc = peaks_measure(s->device, s->element, &s->peaks, s->options->report, err);
    report_table(s->options->report, "kernels cuda", columns, COUNT(columns));
    for (int m = 0; m < n_names && rc == OK; m++) {
        for (int l = 0; l < n_loads && rc == OK; l++) rc = rows_of_operations(s, names[m], &each[l], err);
        for (int t = 0; t < n_rows && rc == OK; t++)
            for (int p = 0; p < COUNT(products) && rc == OK; p++) rc = row_of_product(s, names[m], p, rows[t], err);
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
