/* kernels_low.c - products, attention and conversions of bfloat16 and int8, on one core: held to their plain loops, then
 * timed against the peak of the instruction that their set multiplies with.
 *
 * A kernel that several sets have stands with the least of them.  Products write what the encoder has them write:
 * bfloat16, which is what their error is of. */
#include "kernels_low.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "kernels/cost.h"
#include "median.h"
#include "peak.h"
#include "runtime/base/clock.h"

enum { T = 128, H = 384, I = 1536, HEADS = 12, WIDTH = H / HEADS, ROUNDS = 15, ROUND_NS = 4000000 };

typedef enum { PRODUCT16, ATTENTION16, NARROW, PRODUCT8, QUANTIZE } operation;
typedef struct { const char *name; operation what; int rows, K, N; gemm_activation activation; } workload;

static const workload workloads[] = {
    {"bf16 product 16x384x1152", PRODUCT16, 16, H, 3 * H, GEMM_LINEAR},
    {"bf16 product 16x1536x384", PRODUCT16, 16, I, H, GEMM_LINEAR},
    {"bf16 product 128x384x1152", PRODUCT16, T, H, 3 * H, GEMM_LINEAR},
    {"bf16 product 128x384x384", PRODUCT16, T, H, H, GEMM_LINEAR},
    {"bf16 product 128x384x1536 gelu", PRODUCT16, T, H, I, GEMM_GELU},
    {"bf16 product 128x1536x384", PRODUCT16, T, I, H, GEMM_LINEAR},
    {"bf16 attention 12 heads, 16", ATTENTION16, 16, 0, 0, GEMM_LINEAR},
    {"bf16 attention 12 heads, 128", ATTENTION16, T, 0, 0, GEMM_LINEAR},
    {"bf16 narrow 128x384", NARROW, T, H, 0, GEMM_LINEAR},
    {"int8 product 16x384x1152", PRODUCT8, 16, H, 3 * H, GEMM_LINEAR},
    {"int8 product 16x1536x384", PRODUCT8, 16, I, H, GEMM_LINEAR},
    {"int8 product 128x384x1152", PRODUCT8, T, H, 3 * H, GEMM_LINEAR},
    {"int8 product 128x384x384", PRODUCT8, T, H, H, GEMM_LINEAR},
    {"int8 product 128x384x1536 gelu", PRODUCT8, T, H, I, GEMM_GELU},
    {"int8 product 128x1536x384", PRODUCT8, T, I, H, GEMM_LINEAR},
    {"int8 quantize 128x1536", QUANTIZE, T, I, 0, GEMM_LINEAR},
};
enum { WORKLOADS = sizeof workloads / sizeof *workloads, STRIDE = I + 64 }; /* never a multiple of 1 KiB apart */

/* Everything any row needs, made once. */
typedef struct {
    float           *x, *weight, *bias, *scales;
    uint16_t        *halves, *packed, *out, *want; /* [T,STRIDE], as are the bytes */
    uint8_t         *bytes, *bytes_want;
    gemm_int8_weight packed8;
    void            *scratch;
} room;

static void *take(size_t bytes)
{
    void *p = aligned_alloc(64, (bytes + 63) & ~(size_t)63);
    if (p) memset(p, 0, bytes);
    return p;
}

static int room_make(room *r)
{
    const size_t cells = (size_t)T * STRIDE, weights = (size_t)I * H;
    *r = (room){.x = take(cells * 4), .weight = take(weights * 4), .bias = take(I * 4), .scales = take(T * 4),
                .halves = take(cells * 2), .packed = take(gemm_bf16_packed_halves(H, I) * 2), .out = take(cells * 2),
                .want = take(cells * 2), .bytes = take(cells), .bytes_want = take(cells),
                .packed8 = {take(gemm_int8_packed_bytes(H, I)), take(I * 4), take(I * 4)},
                .scratch = take(attention_bf16_scratch_bytes(T, WIDTH))};
    if (!r->x || !r->weight || !r->bias || !r->scales || !r->halves || !r->packed || !r->out || !r->want || !r->bytes ||
        !r->bytes_want || !r->packed8.panels || !r->packed8.start || !r->packed8.scale || !r->scratch)
        return 0;
    for (size_t i = 0; i < cells; i++) r->x[i] = (float)((i * 2654435761u >> 7) % 2001) / 1000.0f - 1.0f;
    for (size_t i = 0; i < cells; i++) r->halves[i] = bfloat16_of(r->x[i]);
    for (size_t i = 0; i < weights; i++) r->weight[i] = (float)((i * 2654435761u >> 9) % 2001) / 10000.0f - 0.1f;
    return 1;
}

static void room_free(room *r)
{
    void *each[] = {r->x, r->weight, r->bias, r->scales, r->halves, r->packed, r->out, r->want, r->bytes,
                    r->bytes_want, r->packed8.panels, r->packed8.start, r->packed8.scale, r->scratch};
    for (size_t i = 0; i < sizeof each / sizeof *each; i++) free(each[i]);
}

static void pack(const workload *w, room *r)
{
    if (w->what == PRODUCT16) {
        memset(r->packed, 0, gemm_bf16_packed_halves(w->K, w->N) * sizeof *r->packed);
        gemm_bf16_pack(r->packed, r->weight, w->K, w->N, 0);
    }
    if (w->what != PRODUCT8) return;
    memset(r->packed8.panels, 0, gemm_int8_packed_bytes(w->K, w->N));
    gemm_int8_pack(&r->packed8, r->weight, w->K, w->N, 0);
    quantize_plain(&(quantize){.M = w->rows, .K = w->K, .x = r->x, .out = r->bytes, .scale = r->scales,
                               .x_stride = STRIDE, .out_stride = STRIDE});
}

/* k NULL: the plain loop, into `want`. */
static void run(const workload *w, const kernels *k, room *r)
{
    uint16_t *out = k ? r->out : r->want;
    switch (w->what) {
    case PRODUCT16: {
        const gemm_bf16 g = {.M = w->rows, .K = w->K, .N = w->N, .a = r->halves, .b = r->packed, .bias = r->bias,
                             .c16 = out, .a_stride = STRIDE, .c_stride = STRIDE, .activation = w->activation};
        if (k) k->gemm_bf16(&g, 0, w->rows, 0, gemm_panels(w->N));
        else gemm_bf16_plain(&g);
        break;
    }
    case PRODUCT8: {
        const gemm_int8 g = {.M = w->rows, .K = w->K, .N = w->N, .a = r->bytes, .a_scale = r->scales, .b = r->packed8,
                             .bias = r->bias, .c16 = out, .a_stride = STRIDE, .c_stride = STRIDE,
                             .activation = w->activation};
        if (k) k->gemm_int8(&g, 0, w->rows, 0, gemm_panels(w->N));
        else gemm_int8_plain(&g);
        break;
    }
    case ATTENTION16: {
        const attention_bf16 a = {.qkv = r->halves, .out = out, .qkv_stride = STRIDE, .out_stride = STRIDE,
                                  .heads = HEADS, .width = WIDTH};
        if (k) k->attention_bf16(&a, (attention_bf16_part){0, w->rows, 0, HEADS, 0, w->rows}, r->scratch);
        else attention_bf16_plain(&a, 0, w->rows);
        break;
    }
    case NARROW:
        if (k)
            k->narrow(&(narrow){.columns = w->K, .in = r->x, .out = out, .in_stride = STRIDE, .out_stride = STRIDE}, 0,
                      w->rows);
        else
            for (int row = 0; row < w->rows; row++)
                for (int i = 0; i < w->K; i++) out[row * STRIDE + i] = bfloat16_of(r->x[row * STRIDE + i]);
        break;
    case QUANTIZE: {
        const quantize q = {.M = w->rows, .K = w->K, .x16 = r->halves, .out = k ? r->bytes : r->bytes_want,
                            .scale = r->scales, .x_stride = STRIDE, .out_stride = STRIDE};
        if (k) k->quantize(&q, 0, w->rows);
        else quantize_plain(&q);
        break;
    }
    }
}

/* Of the largest value; of bytes 1 where any differs. */
static double error_of(const workload *w, const room *r)
{
    double worst = 0, largest = 1;
    const int columns = w->what == ATTENTION16 ? H : w->what == NARROW ? w->K : w->N;
    if (w->what == QUANTIZE) return memcmp(r->bytes, r->bytes_want, (size_t)w->rows * STRIDE) != 0;
    for (int row = 0; row < w->rows; row++)
        for (int i = 0; i < columns; i++) {
            const double got = (double)bfloat16_float(r->out[row * STRIDE + i]);
            const double want = (double)bfloat16_float(r->want[row * STRIDE + i]), off = fabs(got - want);
            if (!(off <= worst)) worst = off;
            largest = fmax(largest, fabs(want));
        }
    return worst / largest;
}

static cost cost_of(const workload *w)
{
    switch (w->what) {
    case PRODUCT16: return cost_gemm(w->rows, w->K, w->N, sizeof(uint16_t));
    case PRODUCT8: return cost_gemm(w->rows, w->K, w->N, sizeof(uint8_t));
    case ATTENTION16: return cost_attention(w->rows, H, sizeof(uint16_t));
    case NARROW: break;
    case QUANTIZE: return (cost){0, 3.0 * w->rows * w->K};
    }
    return (cost){0, 6.0 * w->rows * w->K};
}

static int has_same(const kernels *a, const kernels *b, operation what)
{
    switch (what) {
    case PRODUCT16: return a->gemm_bf16 == b->gemm_bf16;
    case ATTENTION16: return a->attention_bf16 == b->attention_bf16;
    case NARROW: return a->narrow == b->narrow;
    case PRODUCT8: return a->gemm_int8 == b->gemm_int8;
    case QUANTIZE: break;
    }
    return a->quantize == b->quantize;
}

static int a_lesser_set_has_it(const kernels *k, operation what)
{
    int has = 0;
    for (const kernels *other = k + 1; other < kernels_at(0) + kernels_count(); other++)
        has |= has_same(k, other, what);
    return has;
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

static const report_column columns[] = {
    {"error", "error", "%.1e", 10}, {"median_us", "median us", "%.2f", 10}, {"gflops", "Gop/s", "%.1f", 10},
    {"share_of_peak", "share of peak", "%.2f", 14}, {"gb_s", "GB/s", "%.1f", 8},
};

int kernels_low_run(const kernels *k, const bench_options *o, workers *w)
{
    static const double LIMIT = 0.01; /* a bfloat16 that falls the other way is 1/128 of its value */
    room       r;
    char       table[64];
    const peak bf16 = peak_measure(k, "bfloat16", w), int8 = peak_measure(k, "int8", w);
    int        bad = 0;
    if (!room_make(&r)) {
        fprintf(stderr, "kernels: no memory\n");
        room_free(&r);
        return 1;
    }
    snprintf(table, sizeof table, "kernels cpu %s, lower", k->name);
    report_note(o->report, "%s: peak %.1f Gop/s in bfloat16, %.1f in int8, on one core", k->name, bf16.one, int8.one);
    report_table(o->report, table, columns, sizeof columns / sizeof *columns);
    for (int i = 0; i < WORKLOADS; i++) {
        const workload *one = &workloads[i];
        if ((o->filter && !strstr(one->name, o->filter)) || a_lesser_set_has_it(k, one->what)) continue;
        pack(one, &r);
        run(one, NULL, &r);
        run(one, k, &r);
        const double seen = error_of(one, &r);
        if (!(seen < LIMIT)) {
            fprintf(stderr, "%s, %s: error %g, wanted less than %g\n", k->name, one->name, seen, LIMIT);
            bad = 1;
            continue;
        }
        const double ns = median_ns(one, k, &r, o->quick ? 1 : ROUNDS), rate = cost_of(one).flops / ns;
        const double top = one->what == PRODUCT8 ? int8.one : bf16.one;
        report_row(o->report, one->name,
                   (double[]){seen, ns / 1e3, rate ? rate : NAN, rate ? rate / top : NAN, cost_of(one).bytes / ns});
    }
    room_free(&r);
    return bad;
}
