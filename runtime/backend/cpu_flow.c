#include "cpu_flow.h"
#include <math.h>
#include <stdbool.h>
#include <string.h>
#include "runtime/base/clock.h"

enum {
    QUERY_BLOCK = 128,    /* queries of a task: packing keys and values again costs less than a tenth of that */
    ROW_BLOCK = 32,       /* rows of an embedding's or a norm's task: some 10 us */
    BLOCK_BYTES = 262144, /* of what is multiplied, in a product's task: of L2 */
    LEAST_ROWS = 32,      /* in a product's task */
    TASKS_PER_THREAD = 4, /* so that a thread that is late by one task costs little */
};

/* A dense layer on its way. */
typedef struct {
    cpu_precision precision; /* of d; a head's are float32 */
    int           M, unit, row_blocks, panel_chunks;
    union {
        gemm      f32;
        gemm_bf16 bf16;
        gemm_int8 int8;
    };
} product;

typedef struct {
    const cpu_model *m;
    const cpu_rows  *rows;
    cpu_part         part;
    int              first, end;   /* sequences with a row of the part */
    int              owned, T;     /* the first that begins in the part; rows of the part */
    int              meeting;      /* the last one where this worker arrived */
    int64_t          since_ns;     /* of the step under way, where times are wanted */
    int              H, I, columns;
    float           *all_x; /* the room's, from the sequences' first row on */
    void            *all_qkv, *all_context;
    float           *x; /* from the part's */
    uint16_t        *x16;
    uint8_t         *bytes;
    float           *scales;
    void            *qkv, *context, *inner;
    product          product; /* the step under way */
    int              head_chunks;
    layer_norm       norm;
    const cpu_dense *next; /* what multiplies x after the norm; NULL after the last one */
    quantize         quantize;
} flow;

static int blocks_of(int n, int block)
{
    return (n + block - 1) / block;
}

static int smaller(int x, int y)
{
    return x < y ? x : y;
}

static int larger(int x, int y)
{
    return x > y ? x : y;
}

/* ---- room ---- */

int cpu_columns(const cpu_model *m)
{
    const cpu_weights *w = m->weights;
    return w->labels ? w->labels : w->shape.hidden * __builtin_popcount((unsigned)m->poolings);
}

/* Rows a multiple of 1 KiB apart would fall into the same few sets of L1. */
static size_t stride_of(size_t columns, size_t element)
{
    size_t stride = (columns * element + 63) & ~(size_t)63;
    return (stride % 1024 ? stride : stride + 64) / element;
}

static size_t element_of(cpu_precision p)
{
    return p == CPU_FLOAT32 ? sizeof(float) : sizeof(uint16_t);
}

void cpu_room_place(cpu_room *r, const cpu_model *m, int max_tokens, int max_sequences, cpu_arena *a)
{
    const model_shape *shape = &m->weights->shape;
    const cpu_precision p = m->weights->precision;
    const size_t T = (size_t)max_tokens, S = (size_t)max_sequences, H = (size_t)shape->hidden;
    const size_t element = element_of(p);
    /* A product reads whole steps of a row, and what lies beyond its columns is zeros: nothing writes there. */
    r->x_stride = stride_of((size_t)gemm_bf16_depth(shape->hidden), sizeof(float));
    r->qkv_stride = stride_of(3 * H, element);
    r->inner_stride = stride_of((size_t)gemm_bf16_depth(shape->inner), element);
    r->bytes_stride = stride_of((size_t)gemm_int8_depth(larger(shape->inner, shape->hidden)), 1);
    r->x = cpu_arena_take(a, T * r->x_stride * sizeof(float));
    r->qkv = cpu_arena_take(a, T * r->qkv_stride * element);
    r->context = cpu_arena_take(a, T * r->x_stride * element);
    r->inner = cpu_arena_take(a, T * r->inner_stride * element);
    if (p == CPU_BFLOAT16) r->x16 = cpu_arena_take(a, T * r->x_stride * sizeof *r->x16);
    if (p == CPU_INT8) {
        r->bytes = cpu_arena_take(a, T * r->bytes_stride);
        r->scales = cpu_arena_take(a, T * sizeof *r->scales);
    }
    if (m->weights->labels) {
        r->first = cpu_arena_take(a, S * r->x_stride * sizeof(float));
        r->pooled = cpu_arena_take(a, S * r->x_stride * sizeof(float));
    }
    const int width = shape->hidden / shape->heads;
    r->scratch_bytes = p == CPU_FLOAT32 ? attention_scratch_floats(shape->positions, width) * sizeof(float)
                                        : attention_bf16_scratch_bytes(shape->positions, width);
    r->scratch_bytes = (r->scratch_bytes + 63) & ~(size_t)63;
    r->scratch = cpu_arena_take(a, (size_t)workers_count(m->pool) * r->scratch_bytes);
}

/* ---- the steps ---- */

/* The step that ends here. */
static void lap(flow *f, cpu_step step)
{
    if (!f->m->times) return;
    const int64_t now_ns = clock_ns();
    f->m->times[larger(f->part.worker, 0)].ns[step] += now_ns - f->since_ns;
    f->since_ns = now_ns;
}

/* One step: task(f, 0..tasks-1). */
static void run(flow *f, int tasks, workers_task *task)
{
    if (f->part.worker == CPU_SHARED) workers_run(f->m->pool, tasks, task, f);
    else
        for (int i = 0; i < tasks; i++) task(f, i, f->part.worker);
}

static int row_end(const flow *f, int task)
{
    return smaller((task + 1) * ROW_BLOCK, f->T);
}

/* x, whose rows were just written, as what the next product multiplies. */
static void convert(const flow *f, int row0, int row1)
{
    if (!f->next) return;
    const cpu_room *r = &f->m->room;
    if (f->x16)
        f->m->k->narrow(&(narrow){.columns = f->H, .in = f->x, .out = f->x16, .in_stride = r->x_stride,
                                  .out_stride = r->x_stride},
                        row0, row1);
    if (f->bytes)
        f->m->k->quantize(&(quantize){.M = f->T, .K = f->H, .x = f->x, .inverse = f->next->inverse, .out = f->bytes,
                                      .scale = f->scales, .x_stride = r->x_stride, .out_stride = r->bytes_stride},
                          row0, row1);
}

static void embed_task(void *context, int task, int worker)
{
    (void)worker;
    const flow        *f = context;
    const cpu_weights *w = f->m->weights;
    const int          row0 = f->part.row0;
    const embed        e = {.ids = f->rows->ids + row0, .positions = f->rows->positions + row0,
                            .types = f->rows->types ? f->rows->types + row0 : NULL,
                            .word = w->word, .position = w->position, .type = w->type, .norm = f->norm};
    f->m->k->embed(&e, task * ROW_BLOCK, row_end(f, task));
    convert(f, task * ROW_BLOCK, row_end(f, task));
}

static void norm_task(void *context, int task, int worker)
{
    (void)worker;
    const flow *f = context;
    f->m->k->layer_norm(&f->norm, task * ROW_BLOCK, row_end(f, task));
    convert(f, task * ROW_BLOCK, row_end(f, task));
}

static void run_norm(flow *f, const float *gamma, const float *beta, const cpu_dense *next)
{
    f->next = next;
    f->norm.gamma = gamma;
    f->norm.beta = beta;
    run(f, blocks_of(f->T, ROW_BLOCK), norm_task);
    lap(f, CPU_NORM);
}

static void quantize_task(void *context, int task, int worker)
{
    (void)worker;
    const flow *f = context;
    f->m->k->quantize(&f->quantize, task * ROW_BLOCK, row_end(f, task));
}

/* Of CPU_INT8: bfloat16 rows [T,K] as bytes. */
static void run_quantize(flow *f, const void *in, int K, size_t stride)
{
    f->quantize = (quantize){.M = f->T, .K = K, .x16 = in, .out = f->bytes, .scale = f->scales,
                             .x_stride = stride, .out_stride = f->m->room.bytes_stride};
    run(f, blocks_of(f->T, ROW_BLOCK), quantize_task);
    lap(f, CPU_CONVERT);
}

static void product_task(void *context, int task, int worker)
{
    (void)worker;
    const flow    *f = context;
    const product *p = &f->product;
    const int      panels = gemm_panels(p->f32.N), units = blocks_of(panels, p->unit);
    const int      block = task / p->panel_chunks, chunk = task % p->panel_chunks;
    const int      row0 = (int)((int64_t)p->M * block / p->row_blocks);
    const int      row1 = (int)((int64_t)p->M * (block + 1) / p->row_blocks);
    const int      panel0 = units * chunk / p->panel_chunks * p->unit;
    const int      panel1 = smaller(units * (chunk + 1) / p->panel_chunks * p->unit, panels);
    switch (p->precision) {
    case CPU_FLOAT32: f->m->k->gemm(&p->f32, row0, row1, panel0, panel1); break;
    case CPU_BFLOAT16: f->m->k->gemm_bf16(&p->bf16, row0, row1, panel0, panel1); break;
    case CPU_INT8: f->m->k->gemm_int8(&p->int8, row0, row1, panel0, panel1); break;
    }
}

/* A block of rows stays in L2 while the panels pass; few rows are cut along the panels instead. */
static void run_product(flow *f, const cpu_dense *d, size_t element)
{
    product *p = &f->product;
    if (!p->M) return;
    p->unit = p->precision == CPU_FLOAT32 ? KERNELS_UNIT_PANELS : KERNELS_LOW_UNIT_PANELS;
    p->row_blocks = p->panel_chunks = 1;
    if (f->part.worker == CPU_SHARED) {
        const int rows = larger((int)(BLOCK_BYTES / element) / d->K, LEAST_ROWS);
        const int chunks = TASKS_PER_THREAD * workers_count(f->m->pool);
        p->row_blocks = blocks_of(p->M, rows);
        p->panel_chunks = smaller(blocks_of(gemm_panels(d->N), p->unit), blocks_of(chunks, p->row_blocks));
    }
    run(f, p->row_blocks * p->panel_chunks, product_task);
}

/* Where a product reads, of the precision: rows of x, of context or of inner. */
typedef struct { const void *rows; size_t stride; } operand;

static operand operand_x(const flow *f)
{
    const cpu_room *r = &f->m->room;
    if (f->bytes) return (operand){f->bytes, r->bytes_stride};
    return (operand){f->x16 ? (const void *)f->x16 : f->x, r->x_stride};
}

static operand operand_of(flow *f, const void *rows, int K, size_t stride)
{
    if (!f->bytes) return (operand){rows, stride};
    run_quantize(f, rows, K, stride);
    return (operand){f->bytes, f->m->room.bytes_stride};
}

/* out = activation(a d + bias), in the element of the precision; or, residual, x = x + a d + bias. */
static void run_dense(flow *f, const cpu_dense *d, operand a, void *out, size_t out_stride, gemm_activation then)
{
    const int    M = f->T;
    const bool   adds = out == f->x;
    product     *p = &f->product;
    const float *residual = adds ? f->x : NULL;
    p->precision = f->m->weights->precision;
    p->M = M;
    switch (p->precision) {
    case CPU_FLOAT32:
        p->f32 = (gemm){.M = M, .K = d->K, .N = d->N, .a = a.rows, .b = d->w.f32, .bias = d->bias,
                        .residual = residual, .c = out, .a_stride = a.stride, .residual_stride = out_stride,
                        .c_stride = out_stride, .activation = then};
        run_product(f, d, sizeof(float));
        break;
    case CPU_BFLOAT16:
        p->bf16 = (gemm_bf16){.M = M, .K = d->K, .N = d->N, .a = a.rows, .b = d->w.bf16, .bias = d->bias,
                              .residual = residual, .c = adds ? out : NULL, .c16 = adds ? NULL : out,
                              .a_stride = a.stride, .residual_stride = out_stride, .c_stride = out_stride,
                              .activation = then};
        run_product(f, d, sizeof(uint16_t));
        break;
    case CPU_INT8:
        p->int8 = (gemm_int8){.M = M, .K = d->K, .N = d->N, .a = a.rows, .a_scale = f->scales, .b = d->w.int8,
                              .bias = d->bias, .residual = residual, .c = adds ? out : NULL,
                              .c16 = adds ? NULL : out, .a_stride = a.stride, .residual_stride = out_stride,
                              .c_stride = out_stride, .activation = then};
        run_product(f, d, sizeof(uint8_t));
        break;
    }
}

static void attention_task(void *context, int task, int worker)
{
    const flow        *f = context;
    const cpu_model   *m = f->m;
    const model_shape *shape = &m->weights->shape;
    const int32_t     *blocks = f->part.blocks;
    const int          block = task / f->head_chunks, chunk = task % f->head_chunks, width = f->H / shape->heads;
    const int          head0 = shape->heads * chunk / f->head_chunks;
    const int          head1 = shape->heads * (chunk + 1) / f->head_chunks;
    int                low = 0, high = f->end - f->first; /* blocks[low] <= block < blocks[high] */
    while (high - low > 1) {
        const int middle = (low + high) / 2;
        if (blocks[middle] <= block) low = middle;
        else high = middle;
    }
    const int      s = f->first + low, start = f->rows->starts[s], n = f->rows->starts[s + 1] - start;
    const int      query0 = larger(f->part.row0 - start, 0) + (block - blocks[low]) * QUERY_BLOCK;
    const int      query1 = smaller(query0 + QUERY_BLOCK, smaller(f->part.row1 - start, n));
    unsigned char *scratch = m->room.scratch + (size_t)worker * m->room.scratch_bytes;
    if (m->weights->precision != CPU_FLOAT32) {
        m->k->attention_bf16(&(attention_bf16){.qkv = f->all_qkv, .out = f->all_context,
                                               .qkv_stride = m->room.qkv_stride, .out_stride = m->room.x_stride,
                                               .heads = shape->heads, .width = width},
                             (attention_bf16_part){start, n, head0, head1, query0, query1}, scratch);
        return;
    }
    const attention a = {.qkv = f->all_qkv, .out = f->all_context, .qkv_stride = m->room.qkv_stride,
                         .out_stride = m->room.x_stride, .heads = shape->heads, .width = width};
    for (int head = head0; head < head1; head++)
        m->k->attention(&a, (attention_part){start, n, head, query0, query1}, (float *)scratch);
}

static void run_attention(flow *f)
{
    const int blocks = f->part.blocks[f->end - f->first], heads = f->m->weights->shape.heads;
    if (f->part.worker == CPU_SHARED)
        f->head_chunks = smaller(heads, blocks_of(TASKS_PER_THREAD * workers_count(f->m->pool), blocks));
    else f->head_chunks = 1;
    run(f, blocks * f->head_chunks, attention_task);
}

/* ---- workers with rows of the same sequence ---- */

static void arrive(flow *f)
{
    if (!f->part.meets) return;
    workers_arrive(f->m->pool);
    f->meeting++;
}

static void await(flow *f)
{
    if (!f->part.meets) return;
    workers_await(f->m->pool, f->meeting);
    lap(f, CPU_WAIT);
}

/* ---- the end ---- */

/* All bits of the exponent are set in NaN and in infinities.  Without a branch, so that the compiler uses vectors. */
static bool all_finite(const float *x, int n)
{
    const uint32_t exponent = 0x7f800000u;
    uint32_t       bad = 0;
    for (int i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, x + i, sizeof bits);
        bad |= (bits & exponent) == exponent;
    }
    return !bad;
}

static int place(const flow *f, int s)
{
    return (int)(uint32_t)f->rows->order[s];
}

static float *row_out(const flow *f, int s)
{
    return f->rows->out + (size_t)place(f, s) * (size_t)f->columns;
}

static void finite_task(void *context, int task, int worker)
{
    (void)worker;
    const flow *f = context;
    const int   s = place(f, f->owned + task);
    f->rows->finite[s] = all_finite(row_out(f, f->owned + task), f->columns);
}

static void pool_task(void *context, int task, int worker)
{
    const flow *f = context;
    const int   s = f->owned + task;
    const pool  p = {.in = f->all_x, .in_stride = f->m->room.x_stride, .starts = f->rows->starts + s,
                     .normalize = f->rows->normalize + place(f, s), .out = row_out(f, s), .hidden = f->H,
                     .poolings = f->m->poolings};
    f->m->k->pool(&p, 0, 1);
    finite_task(context, task, worker);
}

static void run_layer(flow *f, const cpu_layer *l, const cpu_dense *next)
{
    const cpu_room *r = &f->m->room;
    await(f); /* whoever reads the keys and values of the layer before */
    run_dense(f, &l->qkv, operand_x(f), f->qkv, r->qkv_stride, GEMM_LINEAR);
    lap(f, CPU_QKV);
    arrive(f);
    await(f);
    run_attention(f);
    lap(f, CPU_ATTENTION);
    arrive(f);
    run_dense(f, &l->attention_out, operand_of(f, f->context, f->H, r->x_stride), f->x, r->x_stride, GEMM_LINEAR);
    lap(f, CPU_ATTENTION_OUT);
    run_norm(f, l->norm1_gamma, l->norm1_beta, &l->inner);
    run_dense(f, &l->inner, operand_x(f), f->inner, r->inner_stride, f->m->activation);
    lap(f, CPU_INNER);
    run_dense(f, &l->outer, operand_of(f, f->inner, f->I, r->inner_stride), f->x, r->x_stride, GEMM_LINEAR);
    lap(f, CPU_OUTER);
    run_norm(f, l->norm2_gamma, l->norm2_beta, next);
}

static float *head_row(const flow *f, float *of, int s)
{
    return of + (size_t)(f->rows->head + s) * f->m->room.x_stride;
}

static void logits_task(void *context, int task, int worker)
{
    const flow      *f = context;
    const cpu_dense *d = &f->m->weights->classifier;
    float           *row = head_row(f, f->m->room.pooled, f->owned + task);
    for (int h = 0; h < f->H; h++) row[h] = tanhf(row[h]);
    const gemm g = {.M = 1, .K = d->K, .N = d->N, .a = row, .a_stride = f->m->room.x_stride, .b = d->w.f32,
                    .bias = d->bias, .c = row_out(f, f->owned + task), .c_stride = (size_t)d->N};
    f->m->k->gemm(&g, 0, 1, 0, gemm_panels(d->N));
    finite_task(context, task, worker);
}

/* Of each sequence the first token alone. */
static void run_head(flow *f)
{
    const cpu_room  *r = &f->m->room;
    const cpu_dense *d = &f->m->weights->pooler;
    const int        n = f->end - f->owned;
    for (int s = f->owned; s < f->end; s++)
        memcpy(head_row(f, r->first, s), f->all_x + (size_t)f->rows->starts[s] * r->x_stride,
               (size_t)f->H * sizeof(float));
    f->product = (product){.precision = CPU_FLOAT32, .M = n};
    f->product.f32 = (gemm){.M = n, .K = d->K, .N = d->N, .a = head_row(f, r->first, f->owned), .a_stride = r->x_stride,
                            .b = d->w.f32, .bias = d->bias, .c = head_row(f, r->pooled, f->owned),
                            .c_stride = r->x_stride};
    run_product(f, d, sizeof(float));
    run(f, n, logits_task);
}

/* The part's sequences, and how their queries are cut. */
static void find_sequences(flow *f)
{
    const int32_t *starts = f->rows->starts;
    int32_t       *blocks = f->part.blocks;
    int            s = 0;
    while (s < f->rows->S && starts[s + 1] <= f->part.row0) s++;
    f->first = s;
    f->owned = s < f->rows->S && starts[s] < f->part.row0 ? s + 1 : s;
    blocks[0] = 0;
    for (; s < f->rows->S && starts[s] < f->part.row1; s++) {
        const int queries = smaller(starts[s + 1], f->part.row1) - larger(starts[s], f->part.row0);
        blocks[s - f->first + 1] = blocks[s - f->first] + blocks_of(queries, QUERY_BLOCK);
    }
    f->end = larger(s, f->owned);
}

void cpu_flow_run(const cpu_model *m, const cpu_rows *rows, const cpu_part *part)
{
    const cpu_weights *w = m->weights;
    const cpu_room    *r = &m->room;
    const size_t       element = element_of(w->precision), row = (size_t)rows->row, at = row + (size_t)part->row0;
    flow f = {.m = m, .rows = rows, .part = *part, .T = part->row1 - part->row0, .H = w->shape.hidden,
              .I = w->shape.inner, .all_x = r->x + row * r->x_stride,
              .all_qkv = (unsigned char *)r->qkv + row * r->qkv_stride * element,
              .all_context = (unsigned char *)r->context + row * r->x_stride * element,
              .x = r->x + at * r->x_stride, .x16 = r->x16 ? r->x16 + at * r->x_stride : NULL,
              .bytes = r->bytes ? r->bytes + at * r->bytes_stride : NULL,
              .scales = r->scales ? r->scales + at : NULL,
              .qkv = (unsigned char *)r->qkv + at * r->qkv_stride * element,
              .context = (unsigned char *)r->context + at * r->x_stride * element,
              .inner = (unsigned char *)r->inner + at * r->inner_stride * element};
    f.columns = cpu_columns(m);
    f.norm = (layer_norm){.in = f.x, .out = f.x, .in_stride = r->x_stride, .out_stride = r->x_stride, .hidden = f.H,
                          .gamma = w->embed_gamma, .beta = w->embed_beta, .eps = m->eps};
    find_sequences(&f);
    if (m->times) f.since_ns = clock_ns();
    f.next = &w->layers[0].qkv;
    run(&f, blocks_of(f.T, ROW_BLOCK), embed_task);
    lap(&f, CPU_EMBED);
    const int last = w->shape.layers - 1;
    for (int i = 0; i <= last; i++) run_layer(&f, &w->layers[i], i < last ? &w->layers[i + 1].qkv : NULL);
    if (w->labels) {
        run_head(&f);
    } else {
        await(&f); /* the last attention: no two meetings are under way at once */
        arrive(&f);
        await(&f);
        run(&f, f.end - f.owned, pool_task);
    }
    lap(&f, CPU_END);
}
