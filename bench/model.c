/* model.c - loads a model directory and times the shapes that matter: one short text, one long one, a full batch, and
 * a batch of mixed lengths, whose tokens should cost no more than those of a uniform one.
 *
 * Peak and shapes take turns, so that both sides see the same machine; a median for each.  Before it is timed a set of
 * kernels must agree with the portable one. */
#include "bench.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "kernels/cost.h"
#include "kernels/cpu/kernels.h"
#include "median.h"
#include "peak.h"
#include "runtime/backend/backend.h"
#include "runtime/base/clock.h"
#include "runtime/text/tokenizer.h"

enum { SEQUENCES = 32, TOKENS = 4096, ROUNDS = 21, ROUND_NS = 100000000 };

typedef struct { const char *name; int sequences, tokens; } workload; /* tokens of each sequence; 0: mixed */
static const workload shapes[] = {
    {"1 x 16", 1, 16}, {"1 x 128", 1, 128}, {"8 x 128", 8, 128}, {"32 mixed", SEQUENCES, 0},
};
enum { SHAPES = sizeof shapes / sizeof *shapes };

typedef struct {
    int     lengths[SEQUENCES];
    int32_t ids[TOKENS], starts[SEQUENCES + 1];
    uint8_t normalize[SEQUENCES];
    batch   in;
} packed;

/* Ids from all over the vocabulary, so that the embedding's rows come from memory as they do in life. */
static void fill(packed *p, workload s, const model_shape *m)
{
    memset(p, 0, sizeof *p);
    p->in = (batch){.S = s.sequences, .ids = p->ids, .starts = p->starts, .normalize = p->normalize};
    for (int i = 0; i < s.sequences; i++) {
        int n = s.tokens ? s.tokens : 4 + (i * i * 37 + i * 11) % 140; /* 4 to 143, mean near that of search texts */
        if (n > m->positions) n = m->positions;
        p->lengths[i] = n;
        p->normalize[i] = 1;
        for (int t = 0; t < n; t++)
            p->ids[p->in.T + t] = (int32_t)(((unsigned)(p->in.T + t) * 2654435761u) % (unsigned)m->vocab);
        p->in.T += n;
        p->starts[i + 1] = p->in.T;
        if (n > p->in.longest) p->in.longest = n;
    }
}

/* Nanoseconds of one forward, from as many as fit a tenth of a second; negative when it fails. */
static double time_forward(backend *b, const packed *p, float *out, error *err)
{
    int     runs = 0;
    int64_t start = clock_ns(), now = start;
    for (; runs == 0 || now - start < ROUND_NS; runs++, now = clock_ns())
        if (backend_forward(&backend_cpu, b, &p->in, out, err) != OK) return -1;
    return (double)(now - start) / runs;
}

static status check(const model *m, backend *b, packed *p, float *out, float *want, error *err)
{
    const size_t floats = (size_t)p->in.S * (size_t)m->description.dimensions;
    backend     *plain = NULL;
    status       rc =
        backend_cpu.open(&plain, m, (backend_reserve){.max_tokens = TOKENS, .max_sequences = SEQUENCES, .kernel = "portable"}, err);
    if (rc == OK) rc = backend_forward(&backend_cpu, plain, &p->in, want, err);
    if (rc == OK) rc = backend_forward(&backend_cpu, b, &p->in, out, err);
    for (size_t i = 0; i < floats && rc == OK; i++)
        if (!(fabsf(out[i] - want[i]) <= 4e-6f))
            rc = fail(err, NOT_FINITE, "component %zu: %g, wanted %g", i, (double)out[i], (double)want[i]);
    backend_cpu.close(plain);
    return rc;
}

static status run(const model *m, backend *b, workers *w, error *err)
{
    const model_shape *shape = &m->description.shape;
    static double  ns[SHAPES][ROUNDS], one[ROUNDS], all[ROUNDS];
    static packed  work[SHAPES];
    const size_t   floats = (size_t)SEQUENCES * (size_t)m->description.dimensions;
    float         *out = malloc(2 * floats * sizeof *out);
    status         rc = out ? OK : fail(err, NO_MEMORY, "no memory for the vectors");
    for (int s = 0; s < SHAPES; s++) fill(&work[s], shapes[s], shape);
    if (rc == OK) rc = check(m, b, &work[SHAPES - 1], out, out + floats, err);
    for (int round = 0; round < ROUNDS && rc == OK; round++) {
        peak p = peak_measure(kernels_best(), w);
        one[round] = p.one;
        all[round] = p.all;
        for (int s = 0; s < SHAPES && rc == OK; s++) {
            ns[s][round] = time_forward(b, &work[s], out, err);
            if (ns[s][round] < 0) rc = UNAVAILABLE;
        }
    }
    free(out);
    if (rc != OK) return rc;
    const double top = median(all, ROUNDS);
    printf("%s: %s; fp32 peak %.1f GFLOP/s a core, %.1f on all\n", m->description.name, backend_cpu.describe(b),
           median(one, ROUNDS), top);
    printf("%-10s %8s %10s %12s %10s %14s\n", "sequences", "tokens", "median ms", "tokens/s", "GFLOP/s",
           "share of peak");
    for (int s = 0; s < SHAPES; s++) {
        const double took = median(ns[s], ROUNDS);
        const double flops = cost_model_flops(shape->layers, shape->hidden, shape->inner, work[s].lengths,
                                              work[s].in.S);
        printf("%-10s %8d %10.3f %12.0f %10.1f %14.2f\n", shapes[s].name, work[s].in.T, took / 1e6,
               work[s].in.T / took * 1e9, flops / took, flops / took / top);
    }
    return OK;
}

int bench_model(int argc, char **argv)
{
    if (argc < 1) {
        fprintf(stderr, "model: wanted a model directory\n");
        return 2;
    }
    directory *d = NULL;
    tokenizer *t = NULL;
    model     *m = NULL;
    backend   *b = NULL;
    workers   *w = NULL;
    error      err = {""};
    status     rc = directory_open(&d, argv[0], &err);
    if (rc == OK) rc = tokenizer_open(&t, d, &err);
    if (rc == OK) rc = model_open(&m, d, tokenizer_model_max_length(t), tokenizer_vocab_size(t), &err);
    if (rc == OK) rc = backend_cpu.open(&b, m, (backend_reserve){.max_tokens = TOKENS, .max_sequences = SEQUENCES}, &err);
    if (rc == OK) rc = workers_open(&w, 0, &err);
    if (rc == OK) rc = run(m, b, w, &err);
    if (rc != OK) fprintf(stderr, "model: %s\n", err.text);
    workers_close(w);
    backend_cpu.close(b);
    model_close(m);
    tokenizer_close(t);
    directory_close(d);
    return rc != OK;
}
