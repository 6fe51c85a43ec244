/* model.c - loads a model, or makes one of a known shape, and times the batches that matter: one short text, one long
 * one, a full batch, and a batch of mixed lengths, whose tokens should cost no more than those of a uniform one.  On a
 * GPU that is cuda/model.c's.
 *
 * Peak and shapes take turns, so that both sides see the same machine; a median for each.  Before it is timed a set of
 * kernels must agree with the portable one. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "bench.h"
#include "cuda_load.h"
#include "kernels/cost.h"
#include "kernels/cpu/kernels.h"
#include "median.h"
#include "peak.h"
#include "random_model.h"
#include "runtime/backend/backend_cpu.h"
#include "runtime/base/clock.h"
#include "runtime/text/tokenizer.h"
#include "workload.h"

enum { SEQUENCES = 32, ROUNDS = 21, ROUND_NS = 100000000 };

static const struct { const char *name; int sequences, tokens; } shapes[] = {
    {"1 x 16", 1, 16},   {"1 x 128", 1, 128},
    {"8 x 128", 8, 128}, {"1 x 256", 1, 256},
    {"32 uniform", SEQUENCES, 69}, /* as many tokens as the mixed ones, in whole texts */
    {"32 mixed", SEQUENCES, WORKLOAD_MIXED},
};
enum { SHAPES = sizeof shapes / sizeof *shapes };

static const report_column columns[] = {
    {"tokens", "tokens", "%.0f", 8}, {"median_ms", "median ms", "%.3f", 10}, {"tokens_s", "tokens/s", "%.0f", 12},
    {"gflops", "GFLOP/s", "%.1f", 10}, {"share_of_peak", "share of peak", "%.2f", 14},
};

/* Where the time of the largest uniform one goes. */
enum { WATCHED = 2 };
static const report_column step_columns[] = {
    {"ms", "ms", "%.3f", 10}, {"share", "of the time", "%.3f", 12}, {"gflops", "GFLOP/s", "%.1f", 10},
    {"share_of_peak", "share of peak", "%.2f", 14},
};
static const char *const step_names[CPU_STEPS] = {
    [CPU_EMBED] = "embed", [CPU_QKV] = "qkv product", [CPU_ATTENTION] = "attention",
    [CPU_ATTENTION_OUT] = "attention's product", [CPU_NORM] = "norms", [CPU_INNER] = "inner product, gelu",
    [CPU_OUTER] = "outer product", [CPU_CONVERT] = "conversions", [CPU_END] = "pooling", [CPU_WAIT] = "waiting",
};

static void fill(packed *p, int shape, const model_shape *m)
{
    int lengths[SEQUENCES];
    for (int i = 0; i < SEQUENCES; i++) lengths[i] = 4 + (i * i * 37 + i * 11) % 140; /* 4 to 143, as search texts */
    if (shapes[shape].tokens == WORKLOAD_MIXED) workload_fill(p, lengths, SEQUENCES, m);
    else workload_make(p, shapes[shape].sequences, shapes[shape].tokens, WORKLOAD_TOKENS, m);
}

/* What a precision may cost a row: of float32 no more than the order of its sums. */
static const struct { const char *name; float error; } precisions[] = {
    {"float32", 4e-6f}, {"bfloat16", 4e-3f}, {"int8", 4e-2f},
};
enum { PRECISIONS = sizeof precisions / sizeof *precisions };

/* Nanoseconds of one forward, from as many as fit a tenth of a second; negative when it fails. */
static double time_forward(backend *b, const packed *p, float *out, error *err)
{
    int     runs = 0;
    int64_t start = clock_ns(), now = start;
    for (; runs == 0 || now - start < ROUND_NS; runs++, now = clock_ns())
        if (backend_forward(&backend_cpu, b, &p->in, out, err) != OK) return -1;
    return (double)(now - start) / runs;
}

static status check(const model *m, backend *b, packed *p, float *out, float *want, double *worst, error *err)
{
    const size_t          floats = (size_t)p->in.S * (size_t)m->description.dimensions;
    const backend_reserve portable = {.max_tokens = WORKLOAD_TOKENS, .max_sequences = SEQUENCES, .kernel = "portable"};
    backend              *plain = NULL;
    status                rc = backend_cpu.open(&plain, m, portable, err);
    if (rc == OK) rc = backend_forward(&backend_cpu, plain, &p->in, want, err);
    if (rc == OK) rc = backend_forward(&backend_cpu, b, &p->in, out, err);
    float limit = 0;
    for (int i = 0; i < PRECISIONS; i++)
        if (!strcmp(precisions[i].name, backend_cpu.precision(b))) limit = precisions[i].error;
    *worst = 0;
    for (size_t i = 0; i < floats && rc == OK; i++) {
        const float off = fabsf(out[i] - want[i]);
        if (!(off <= limit))
            rc = fail(err, NOT_FINITE, "component %zu: %g, wanted %g, within %g of %s", i, (double)out[i],
                      (double)want[i], (double)limit, backend_cpu.precision(b));
        *worst = fmax(*worst, (double)off);
    }
    backend_cpu.close(plain);
    return rc;
}

/* Of a forward, what a kernel must do; a norm's and the like are no part of what papers count, and of no peak. */
static double step_flops(cpu_step step, const model_shape *m, const packed *p)
{
    const double T = p->in.T, H = m->hidden, inner = m->inner, layers = m->layers;
    double       pairs = 0;
    for (int s = 0; s < p->in.S; s++) pairs += cost_attention(p->lengths[s], H, 1).flops;
    switch (step) {
    case CPU_QKV: return layers * cost_gemm(T, H, 3 * H, 1).flops;
    case CPU_ATTENTION: return layers * pairs;
    case CPU_ATTENTION_OUT: return layers * cost_gemm(T, H, H, 1).flops;
    case CPU_INNER:
    case CPU_OUTER: return layers * cost_gemm(T, H, inner, 1).flops;
    default: return 0;
    }
}

/* One row for each step, in the mean of all threads; what is left is the wait for the last thread, and the sharing out. */
static status tell_steps(const bench_options *o, const model *m, backend *b, const packed *p, float *out, double top,
                         error *err)
{
    const int  threads = backend_cpu_threads(b), runs = o->quick ? 2 : 10;
    const char *precision = backend_cpu.precision(b);
    cpu_times *times = aligned_alloc(_Alignof(cpu_times), (size_t)threads * sizeof *times);
    double     took = 0, told = 0;
    char       table[64]; /* the report's while there are rows */
    status     rc = times ? OK : fail(err, NO_MEMORY, "no memory for times");
    if (rc == OK) memset(times, 0, (size_t)threads * sizeof *times);
    backend_cpu_watch(b, times);
    for (int i = 0; i < runs && rc == OK; i++) {
        const int64_t begin_ns = clock_ns();
        rc = backend_forward(&backend_cpu, b, &p->in, out, err);
        took += (double)(clock_ns() - begin_ns) / runs;
    }
    backend_cpu_watch(b, NULL);
    if (rc == OK) {
        snprintf(table, sizeof table, "%s cpu %s, steps", shapes[WATCHED].name, precision);
        report_table(o->report, table, step_columns, sizeof step_columns / sizeof *step_columns);
    }
    for (int step = 0; step < CPU_STEPS && rc == OK; step++) {
        const double flops = step_flops(step, &m->description.shape, p);
        double       ns = 0;
        for (int i = 0; i < threads; i++) ns += (double)times[i].ns[step] / threads / runs;
        told += ns;
        if (ns > 0)
            report_row(o->report, step_names[step], (double[]){ns / 1e6, ns / took, flops > 0 ? flops / ns : NAN,
                                                               flops > 0 ? flops / ns / top : NAN});
    }
    if (rc == OK) report_row(o->report, "the rest", (double[]){(took - told) / 1e6, 1 - told / took, NAN, NAN});
    free(times);
    return rc;
}

static status measure(const bench_options *o, const model *m, backend *b, workers *w, error *err)
{
    const kernels     *k = o->kernel ? kernels_find(o->kernel) : NULL;
    const model_shape *shape = &m->description.shape;
    const int          rounds = o->quick ? 1 : ROUNDS;
    static double      ns[SHAPES][ROUNDS], one[ROUNDS], all[ROUNDS];
    static packed      work[SHAPES];
    const char        *precision = backend_cpu.precision(b);
    double             worst = 0;
    const size_t       floats = (size_t)SEQUENCES * (size_t)m->description.dimensions;
    float             *out = malloc(2 * floats * sizeof *out);
    status             rc = out ? OK : fail(err, NO_MEMORY, "no memory for the vectors");
    if (!k) k = strcmp(precision, "float32") ? kernels_best_low() : kernels_best();
    for (int s = 0; s < SHAPES; s++) fill(&work[s], s, shape);
    if (rc == OK) rc = check(m, b, &work[SHAPES - 1], out, out + floats, &worst, err);
    for (int round = 0; round < rounds && rc == OK; round++) {
        peak p = peak_measure(k, precision, w);
        one[round] = p.one;
        all[round] = p.all;
        for (int s = 0; s < SHAPES && rc == OK; s++) {
            ns[s][round] = time_forward(b, &work[s], out, err);
            if (ns[s][round] < 0) rc = UNAVAILABLE;
        }
    }
    const double top = median(all, rounds);
    if (rc != OK) goto done;
    char table[64];
    snprintf(table, sizeof table, "model cpu %s", precision);
    report_note(o->report, "%s: %s, %s, max error %.1e; peak %.1f GFLOP/s a core, %.1f on all", m->description.name,
                backend_cpu.describe(b), precision, worst, median(one, rounds), top);
    report_table(o->report, table, columns, sizeof columns / sizeof *columns);
    for (int s = 0; s < SHAPES; s++) {
        const double took = median(ns[s], rounds);
        const double flops = cost_model_flops(shape->layers, shape->hidden, shape->inner, work[s].lengths,
                                              work[s].in.S);
        report_row(o->report, shapes[s].name,
                   (double[]){work[s].in.T, took / 1e6, work[s].in.T / took * 1e9, flops / took, flops / took / top});
    }
    rc = tell_steps(o, m, b, &work[WATCHED], out, top, err);
done:
    free(out);
    return rc;
}

static int run_precision(const bench_options *o, const model *m, const char *precision)
{
    const backend_reserve reserve = {.max_tokens = WORKLOAD_TOKENS, .max_sequences = SEQUENCES,
                                     .precision = precision, .kernel = o->kernel, .threads = o->threads ? atoi(o->threads) : 0};
    backend              *b = NULL;
    workers              *w = NULL;
    error                 err = {""};
    status                rc = backend_cpu.open(&b, m, reserve, &err);
    if (rc == OK) rc = workers_open(&w, reserve.threads, &err);
    if (rc == OK) rc = measure(o, m, b, w, &err);
    if (rc != OK) fprintf(stderr, "model: %s\n", err.text);
    workers_close(w);
    backend_cpu.close(b);
    return rc != OK;
}

/* The one that was asked for, or each. */
static int run_cpu(const bench_options *o, const model *m)
{
    int bad = 0;
    for (int i = 0; i < PRECISIONS; i++)
        if (!o->precision || !strcmp(o->precision, precisions[i].name)) bad |= run_precision(o, m, precisions[i].name);
    return bad;
}

static int run(const bench_options *o, const model *m)
{
    const cuda_benches *gpu = NULL;
    error               err = {""};
    if (!strcmp(o->backend, "cpu")) return run_cpu(o, m);
    const status rc = cuda_load(&gpu, &err);
    if (rc == OK) return gpu->model(o, m);
    report_note(o->report, "model cuda: not measured, %s", err.text);
    if (!strcmp(o->backend, "cuda") || rc != NOT_FOUND) return 1;
    return run_cpu(o, m);
}

int bench_model(const bench_options *o)
{
    if (!o->target) {
        fprintf(stderr, "model: wanted a model directory, or tiny, minilm, base or large\n");
        return 2;
    }
    directory    *d = NULL;
    tokenizer    *t = NULL;
    model        *m = NULL;
    random_model *random = NULL;
    error         err = {""};
    int           bad = 1;
    status        rc = OK;
    if (random_model_shape(o->target)) {
        rc = random_model_open(&random, o->target, &err);
    } else {
        rc = directory_open(&d, o->target, &err);
        if (rc == OK) rc = tokenizer_open(&t, d, &err);
        if (rc == OK) rc = model_open(&m, d, tokenizer_model_max_length(t), tokenizer_vocab_size(t), &err);
    }
    if (rc == OK) bad = run(o, random ? random_model_get(random) : m);
    else fprintf(stderr, "model: %s\n", err.text);
    random_model_close(random);
    model_close(m);
    tokenizer_close(t);
    directory_close(d);
    return bad;
}
