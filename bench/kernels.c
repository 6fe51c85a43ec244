/* kernels.c - every kernel of every instruction set here, on one core: held to its plain loop, then timed.  Those of a
 * GPU are cuda/kernels.c's.
 *
 * Shapes are MiniLM's; lower precisions are kernels_low.c's.  Each row's median comes with the peak of the same run and instruction set; products and
 * attention are read as GFLOP/s, what only moves memory as GB/s of the least traffic it could do (kernels/cost.h). */
#include "kernels/cpu/kernels.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "bench.h"
#include "cuda_load.h"
#include "kernels/cost.h"
#include "kernels_low.h"
#include "median.h"
#include "peak.h"
#include "runtime/base/clock.h"

enum { T = 128, H = 384, I = 1536, HEADS = 12, WORDS = 1000, ROUNDS = 15, ROUND_NS = 4000000 };

typedef enum { PRODUCT, ATTENTION, NORM, EMBED, POOL } operation;
typedef struct { const char *name; operation what; int rows, K, N; gemm_activation activation; } workload;

static const workload workloads[] = {
    {"product 16x384x1152", PRODUCT, 16, H, 3 * H, GEMM_LINEAR},
    {"product 16x1536x384", PRODUCT, 16, I, H, GEMM_LINEAR},
    {"product 128x384x1152", PRODUCT, T, H, 3 * H, GEMM_LINEAR},
    {"product 128x384x384", PRODUCT, T, H, H, GEMM_LINEAR},
    {"product 128x384x1536 gelu", PRODUCT, T, H, I, GEMM_GELU},
    {"product 128x384x1536 tanh", PRODUCT, T, H, I, GEMM_GELU_TANH},
    {"product 128x1536x384", PRODUCT, T, I, H, GEMM_LINEAR},
    {"attention 12 heads, 16", ATTENTION, 16, 0, 0, GEMM_LINEAR},
    {"attention 12 heads, 128", ATTENTION, T, 0, 0, GEMM_LINEAR},
    {"layer norm 128x384", NORM, T, 0, 0, GEMM_LINEAR},
    {"embed 128x384", EMBED, T, 0, 0, GEMM_LINEAR},
    {"pool mean 128x384", POOL, T, 0, 0, GEMM_LINEAR},
};

/* As the backend lays its rows: never a multiple of 1 KiB apart. */
static size_t stride_of(int columns) { return (size_t)columns % 256 ? (size_t)columns : (size_t)columns + 16; }

/* Everything any row needs, made once. */
typedef struct {
    float  *a, *weight, *packed, *vectors, *table, *out, *want, *scratch;
    int32_t ids[T], positions[T], starts[2];
    uint8_t normalize[1];
} room;

static float *floats(size_t n)
{
    float *p = aligned_alloc(64, (n * sizeof *p + 63) & ~(size_t)63);
    for (size_t i = 0; p && i < n; i++) p[i] = (float)((i * 2654435761u >> 7) % 2001) / 1000.0f - 1.0f;
    return p;
}

static int room_make(room *r)
{
    float **each[] = {&r->a, &r->weight, &r->packed, &r->vectors, &r->table, &r->out, &r->want, &r->scratch};
    size_t  sizes[] = {T * stride_of(I), (size_t)I * H, gemm_packed_floats(I, I), I, (size_t)WORDS * H,
                       T * stride_of(I), T * stride_of(I), attention_scratch_floats(T, H / HEADS)};
    int     made = 1;
    memset(r, 0, sizeof *r);
    for (size_t i = 0; i < sizeof each / sizeof *each; i++) made = (*each[i] = floats(sizes[i])) && made;
    for (int t = 0; t < T; t++) {
        r->ids[t] = t * 7919 % WORDS;
        r->positions[t] = t;
    }
    r->normalize[0] = 1;
    return made;
}

static void room_free(room *r)
{
    float *each[] = {r->a, r->weight, r->packed, r->vectors, r->table, r->out, r->want, r->scratch};
    for (size_t i = 0; i < sizeof each / sizeof *each; i++) free(each[i]);
}

/* k NULL: the plain loop, into `want`. */
static void run(const workload *w, const kernels *k, room *r)
{
    float *out = k ? r->out : r->want;
    switch (w->what) {
    case PRODUCT: {
        gemm g = {.M = w->rows, .K = w->K, .N = w->N, .a = r->a, .b = r->packed, .bias = r->vectors, .c = out,
                  .a_stride = stride_of(w->K), .c_stride = stride_of(w->N), .activation = w->activation};
        if (k) k->gemm(&g, 0, w->rows, 0, gemm_panels(w->N));
        else gemm_plain(&g, r->weight);
        break;
    }
    case ATTENTION: {
        attention a = {.qkv = r->a, .out = out, .qkv_stride = 3 * H, .out_stride = H, .heads = HEADS,
                       .width = H / HEADS};
        if (!k) attention_plain(&a, 0, w->rows);
        for (int head = 0; k && head < HEADS; head++)
            k->attention(&a, (attention_part){0, w->rows, head, 0, w->rows}, r->scratch);
        break;
    }
    case NORM:
    case EMBED: {
        layer_norm l = {.in = w->what == NORM ? r->a : out, .out = out, .in_stride = H, .out_stride = H, .hidden = H,
                        .gamma = r->vectors, .beta = r->vectors + H, .eps = 1e-12f};
        embed e = {.ids = r->ids, .positions = r->positions, .word = r->table, .position = r->weight,
                   .type = r->vectors, .norm = l};
        if (w->what == NORM) (k ? k->layer_norm : layer_norm_plain)(&l, 0, w->rows);
        else (k ? k->embed : embed_plain)(&e, 0, w->rows);
        break;
    }
    case POOL: {
        pool p = {.in = r->a, .in_stride = H, .starts = r->starts, .normalize = r->normalize, .out = out, .hidden = H,
                  .poolings = POOLING_MEAN};
        (k ? k->pool : pool_plain)(&p, 0, 1);
        break;
    }
    }
}

static cost cost_of(const workload *w)
{
    switch (w->what) {
    case PRODUCT: return cost_gemm(w->rows, w->K, w->N, sizeof(float));
    case ATTENTION: return cost_attention(w->rows, H, sizeof(float));
    case NORM: return cost_layer_norm(w->rows, H, sizeof(float));
    case EMBED: return cost_embed(w->rows, H, sizeof(float));
    case POOL: break;
    }
    return cost_pool(w->rows, H, sizeof(float));
}

static size_t floats_of(const workload *w)
{
    return w->what == POOL ? H : (size_t)w->rows * (w->what == PRODUCT ? stride_of(w->N) : H);
}

static double median_ns(const workload *w, const kernels *k, room *r, int n_rounds)
{
    double rounds[ROUNDS];
    for (int i = 0; i < n_rounds; i++) {
        int     runs = 0;
        int64_t start = clock_ns(), now = start;
        for (; now - start < ROUND_NS; runs++, now = clock_ns()) run(w, k, r);
        rounds[i] = (double)(now - start) / runs;
    }
    return median(rounds, n_rounds);
}

/* Relative to the largest value: sums of a thousand products of numbers below 1 are not small. */
static double error_of(const workload *w, const room *r)
{
    double worst = 0, largest = 1;
    for (size_t i = 0; i < floats_of(w); i++) {
        double d = fabs((double)r->out[i] - (double)r->want[i]);
        if (!(d <= worst)) worst = d;
        largest = fmax(largest, fabs((double)r->want[i]));
    }
    return worst / largest;
}

static const report_column columns[] = {
    {"error", "error", "%.1e", 10}, {"median_us", "median us", "%.2f", 10}, {"gflops", "GFLOP/s", "%.1f", 10},
    {"share_of_peak", "share of peak", "%.2f", 14}, {"gb_s", "GB/s", "%.1f", 8},
};

/* 0, or 1 when a kernel is wrong. */
static int run_set(const kernels *k, const bench_options *o, room *r, workers *w)
{
    const peak p = peak_measure(k, "float32", w);
    char       table[64];
    int        bad = 0;
    snprintf(table, sizeof table, "kernels cpu %s", k->name);
    report_note(o->report, "%s: fp32 peak %.1f GFLOP/s on one core", k->name, p.one);
    report_table(o->report, table, columns, sizeof columns / sizeof *columns);
    for (size_t n = 0; n < sizeof workloads / sizeof *workloads; n++) {
        const workload *one = &workloads[n];
        if (o->filter && !strstr(one->name, o->filter)) continue;
        if (one->what == PRODUCT) gemm_pack(r->packed, r->weight, one->K, one->N, 0);
        run(one, NULL, r);
        run(one, k, r);
        const double error_seen = error_of(one, r);
        if (!(error_seen < 1e-5)) {
            fprintf(stderr, "%s, %s: error %g, wanted less than 1e-5\n", k->name, one->name, error_seen);
            bad = 1;
            continue;
        }
        const double ns = median_ns(one, k, r, o->quick ? 1 : ROUNDS), flops = cost_of(one).flops / ns;
        report_row(o->report, one->name,
                   (double[]){error_seen, ns / 1e3, flops, flops / p.one, cost_of(one).bytes / ns});
    }
    return bad;
}

static int run_cpu(const bench_options *o)
{
    static room r;
    workers    *w = NULL;
    error       err = {""};
    int         bad = 0;
    if (!room_make(&r) || workers_open(&w, 1, &err) != OK) {
        fprintf(stderr, "kernels: no memory\n");
        room_free(&r);
        return 1;
    }
    r.starts[1] = T;
    for (int i = 0; i < kernels_count(); i++) {
        const kernels *k = kernels_at(i);
        const bool own = k == kernels_at(kernels_count() - 1) || k->gemm != (k + 1)->gemm; /* else it stands with the next */
        if (kernels_runs_here(k) && own) bad |= run_set(k, o, &r, w);
        if (kernels_runs_here(k)) bad |= kernels_low_run(k, o, w);
        else report_note(o->report, "%s: skipped, this machine lacks the instructions", k->name);
    }
    workers_close(w);
    room_free(&r);
    return bad;
}

int bench_kernels(const bench_options *o)
{
    const bool          cpu = !o->target || !strcmp(o->target, "cpu"), cuda = !o->target || !strcmp(o->target, "cuda");
    const cuda_benches *gpu = NULL;
    error               err = {""};
    int                 bad = 0;
    if (!cpu && !cuda) {
        fprintf(stderr, "kernels %s: wanted cpu, cuda or nothing\n", o->target);
        return 2;
    }
    if (cpu) bad = run_cpu(o);
    if (!cuda) return bad;
    const status rc = cuda_load(&gpu, &err);
    if (rc == OK) return gpu->kernels(o) || bad;
    report_note(o->report, "kernels cuda: not measured, %s", err.text);
    return bad || o->target || rc != NOT_FOUND; /* who asked for a GPU wants to know */
}
