/* model.c - a whole forward on a GPU: held to the CPU backend, then timed three ways.
 *
 *   graph     device time of one replay, between two events (forward.h)
 *   latency   submit to collect of one batch through the backend that serves, by the host's clock
 *   period    the same with every slot filled: one batch out, one in; what throughput is made of
 *
 * Against the peak of the same run, and against the sum of the products that it cannot do without. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "bench/median.h"
#include "bench/workload.h"
#include "entries.h"
#include "forward.h"
#include "kernels/cost.h"
#include "peaks.h"
#include "runtime/backend/backend.h"
#include "runtime/base/clock.h"

enum {
    ROUNDS = 9, ROUND_NS = 60000000, CALLS_MOST = 4096,
    CHECKED_TOKENS = 192, QUICK_TOKENS = 128, QUICK_SEQUENCES = 8,
};
static const double COSINE = 0.9999; /* what a float16 vector owes the float32 one */

extern const backend_ops beeline_backend; /* runtime/backend/backend_cuda.c */

static const struct { const char *name; int sequences, tokens; } loads[] = {
    {"1x16", 1, 16}, {"1x128", 1, 128}, {"1x512", 1, 512}, {"32x128", 32, 128},
    {"mixed", WORKLOAD_SEQUENCES, WORKLOAD_MIXED},
}, quick_loads[] = {{"1x16", 1, 16}, {"mixed", WORKLOAD_SEQUENCES, WORKLOAD_MIXED}};
#define COUNT(list) ((int)(sizeof(list) / sizeof *(list)))

static const report_column columns[] = {
    {"tokens", "tokens", "%.0f", 7},           {"graph_us", "graph us", "%.1f", 10},
    {"graph_tanh_us", "(tanh)", "%.1f", 10},   {"layer_us", "layer us", "%.2f", 9},
    {"products_us", "products us", "%.1f", 12}, {"over_products", "ratio", "%.2f", 6},
    {"latency_us", "latency us", "%.1f", 11},  {"latency_spread", "spread", "%.3f", 7},
    {"period_us", "period us", "%.1f", 10},    {"tokens_s", "tokens/s", "%.0f", 11},
    {"tflops", "TFLOP/s", "%.1f", 8},          {"of_peak", "of peak", "%.2f", 8},
};

typedef struct {
    const bench_options *options;
    const model         *model;
    device              *device;
    forward             *forward;
    backend             *backend;
    peaks                peaks;
    float               *out;    /* [slots, S, columns] */
    uint8_t             *finite; /* [S] */
    int                  max_tokens, max_sequences, columns;
} session;

static void note(const char *line) { printf("# backend: %s\n", line); }

/* ---- checked ---- */

static double least_cosine(const float *a, const float *b, int rows, int n)
{
    double least = 1;
    for (int r = 0; r < rows; r++) {
        double ab = 0, aa = 0, bb = 0;
        for (int i = r * n; i < (r + 1) * n; i++) {
            ab += (double)a[i] * (double)b[i];
            aa += (double)a[i] * (double)a[i];
            bb += (double)b[i] * (double)b[i];
        }
        const double seen = ab / sqrt(aa * bb);
        if (!(seen >= least)) least = seen;
    }
    return least;
}

static status check(session *s, double *cosine, error *err)
{
    static packed         work;
    const int             most = s->options->quick ? QUICK_TOKENS : CHECKED_TOKENS;
    const backend_reserve reserve = {.max_tokens = most, .max_sequences = s->max_sequences};
    backend              *cpu = NULL;
    workload_make(&work, s->max_sequences, WORKLOAD_MIXED, most, &s->model->description.shape);
    float *want = malloc((size_t)work.in.S * (size_t)s->columns * sizeof *want);
    status rc = want ? OK : fail(err, NO_MEMORY, "no memory for the vectors");
    if (rc == OK) rc = backend_cpu.open(&cpu, s->model, reserve, err);
    if (rc == OK) rc = backend_forward(&backend_cpu, cpu, &work.in, want, err);
    if (rc == OK) rc = backend_forward(&beeline_backend, s->backend, &work.in, s->out, err);
    if (rc == OK) *cosine = least_cosine(s->out, want, work.in.S, s->columns);
    if (rc == OK && !(*cosine >= COSINE))
        rc = fail(err, NOT_FINITE, "a vector's cosine to the CPU's is %.6f, wanted %.4f", *cosine, COSINE);
    backend_cpu.close(cpu);
    free(want);
    return rc;
}

/* ---- timed through the backend ---- */

static status collect(session *s, int slot, error *err)
{
    status rc;
    while ((rc = beeline_backend.collect(s->backend, slot, s->out, s->finite, err)) == PENDING) {}
    return rc;
}

static status measure_latency(session *s, const batch *in, double *us, double *spread, error *err)
{
    static double samples[CALLS_MOST];
    const int     least = s->options->quick ? 3 : 50;
    const int64_t end_ns = clock_ns() + (s->options->quick ? 0 : ROUNDS * ROUND_NS / 2);
    int           n = 0;
    status        rc = OK;
    while (rc == OK && n < CALLS_MOST && (n < least || clock_ns() < end_ns)) {
        const int64_t begun_ns = clock_ns();
        rc = beeline_backend.submit(s->backend, 0, in, err);
        if (rc == OK) rc = collect(s, 0, err);
        samples[n++] = (double)(clock_ns() - begun_ns) / 1e3;
    }
    if (rc != OK) return rc;
    *us = median(samples, n);
    *spread = median_distance(samples, n, *us) / *us;
    return OK;
}

/* Fills every slot, then takes the oldest and puts the next in its place, `batches` times; the rest is collected. */
static status run_full(session *s, const batch *in, int batches, int64_t *took_ns, error *err)
{
    const int slots = beeline_backend.slots;
    int       sent = 0, done = 0;
    status    rc = OK;
    for (; sent < slots && rc == OK; sent++) rc = beeline_backend.submit(s->backend, sent, in, err);
    const int64_t begun_ns = clock_ns();
    while (done < batches && rc == OK) {
        rc = collect(s, done++ % slots, err);
        if (rc == OK) rc = beeline_backend.submit(s->backend, sent++ % slots, in, err);
    }
    *took_ns = clock_ns() - begun_ns;
    while (done < sent && rc == OK) rc = collect(s, done++ % slots, err);
    return rc;
}

static status measure_period(session *s, const batch *in, double latency_us, double *us, error *err)
{
    const int rounds = s->options->quick ? 1 : ROUNDS;
    const int batches = s->options->quick ? 3 : 10 + (int)(ROUND_NS / 1e3 / latency_us);
    double    samples[ROUNDS];
    status    rc = OK;
    for (int i = 0; i < rounds && rc == OK; i++) {
        int64_t took_ns = 0;
        rc = run_full(s, in, batches, &took_ns, err);
        samples[i] = (double)took_ns / 1e3 / batches;
    }
    if (rc == OK) *us = median(samples, rounds);
    return rc;
}

static status measure(session *s, const char *name, int sequences, int tokens, error *err)
{
    static packed      work;
    const model_shape *m = &s->model->description.shape;
    forward_times      f;
    double             latency_us = NAN, spread = NAN, period_us = NAN;
    workload_make(&work, sequences, tokens, s->max_tokens, m);
    status rc = forward_measure(s->forward, &work.in, &f, err);
    if (rc == OK) rc = measure_latency(s, &work.in, &latency_us, &spread, err);
    if (rc == OK) rc = measure_period(s, &work.in, latency_us, &period_us, err);
    if (rc != OK) return rc;
    const double flops = cost_model_flops(m->layers, m->hidden, m->inner, work.lengths, work.in.S);
    const double tflops = flops / f.whole_us / 1e6;
    report_row(s->options->report, name,
               (double[]){work.in.T, f.whole_us, f.tanh_us, f.layer_us, f.products_us, f.whole_us / f.products_us,
                          latency_us, spread, period_us, work.in.T / period_us * 1e6, tflops, tflops / s->peaks.tflops});
    return OK;
}

/* ---- the run ---- */

static status open_all(session *s, error *err)
{
    const backend_reserve reserve = {.max_tokens = s->max_tokens, .max_sequences = s->max_sequences, .note = note};
    const size_t          S = (size_t)s->max_sequences;
    s->out = malloc(S * (size_t)s->columns * sizeof *s->out);
    s->finite = malloc(S);
    status rc = s->out && s->finite ? OK : fail(err, NO_MEMORY, "no memory for the vectors");
    if (rc == OK) rc = device_open(&s->device, s->options->quick, err);
    if (rc == OK) device_describe(s->device, s->options->report);
    if (rc == OK)
        rc = peaks_measure(s->device, s->model->description.precision == PRECISION_F16 ? ELEMENT_F16 : ELEMENT_BF16,
                           &s->peaks, s->options->report, err);
    if (rc == OK) rc = beeline_backend.open(&s->backend, s->model, reserve, err);
    if (rc == OK) rc = forward_open(&s->forward, s->device, s->model, s->max_tokens, s->max_sequences, err);
    return rc;
}

static status run(session *s, error *err)
{
    report *r = s->options->report;
    double  cosine = NAN;
    char    table[160];
    status  rc = open_all(s, err);
    if (rc == OK) rc = check(s, &cosine, err);
    if (rc != OK) return rc;
    report_fact(r, "model", "%s, %s on %s", s->model->description.name, beeline_backend.precision(s->backend),
                beeline_backend.describe(s->backend));
    report_fact(r, "least cosine to the CPU", "%.6f", cosine);
    snprintf(table, sizeof table, "model cuda %s", s->model->description.name);
    report_table(r, table, columns, COUNT(columns));
    for (int i = 0; i < COUNT(loads) && rc == OK && !s->options->quick; i++)
        rc = measure(s, loads[i].name, loads[i].sequences, loads[i].tokens, err);
    for (int i = 0; i < COUNT(quick_loads) && rc == OK && s->options->quick; i++)
        rc = measure(s, quick_loads[i].name, quick_loads[i].sequences, quick_loads[i].tokens, err);
    return rc;
}

int cuda_model(const bench_options *o, const model *m)
{
    session s = {.options = o, .model = m, .columns = backend_columns(&m->description),
                 .max_tokens = o->quick ? QUICK_TOKENS : WORKLOAD_TOKENS,
                 .max_sequences = o->quick ? QUICK_SEQUENCES : WORKLOAD_SEQUENCES};
    error   err = {""};
    status  rc = run(&s, &err);
    if (rc != OK) report_note(o->report, "model cuda: no times: %s", err.text);
    forward_close(s.forward);
    beeline_backend.close(s.backend);
    device_close(s.device);
    free(s.out);
    free(s.finite);
    return rc != OK;
}
