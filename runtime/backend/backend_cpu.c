/* backend_cpu.c - the encoder in fp32 on every core: a list of steps, each shared out over the pool of workers.
 *
 *     embed -> per layer: qkv product -> attention -> product + residual -> norm
 *                         -> product, activation -> product + residual -> norm
 *           -> pool; or, of a reranker and a classifier: first tokens -> product, tanh -> product
 *
 * Sequences lie end to end and no step knows of padding.  Everything, weights and workspace, is one block of memory
 * taken at open; a batch takes none.  There is one slot: submit() keeps the batch and collect() computes it, on the
 * caller's thread and the pool's, so it is never PENDING.  A step is cut into tasks by its shape alone, and every kernel
 * computes a row from that row (attention: from its sequence) in a fixed order, so a text's vector has the same bits
 * alone and in any company. */
#include <assert.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include "backend.h"
#include "kernels/cpu/kernels.h"
#include "runtime/base/memory.h"
#include "workers.h"

_Static_assert((int)POOL_CLS == POOLING_CLS && (int)POOL_MAX == POOLING_MAX && (int)POOL_MEAN == POOLING_MEAN &&
               (int)POOL_MEAN_SQRT_LEN == POOLING_MEAN_SQRT_LEN && (int)POOL_LAST == POOLING_LAST &&
               (int)POOL_WEIGHTED_MEAN == POOLING_WEIGHTED_MEAN, "the description's bits are the kernel's");

enum {
    QUERY_BLOCK = 128,     /* queries of a task: packing keys and values again costs less than a tenth of that */
    ROW_BLOCK = 32,        /* rows of an embedding's or a norm's task: some 10 us */
    BLOCK_FLOATS = 65536,  /* of a, in a product's task: 256 KiB of L2 */
    LEAST_ROWS = 32,       /* in a product's task */
    UNIT_PANELS = 3,       /* in which a product's columns are dealt: the widest tile */
    GROUP_ROWS = 128,      /* of a group: the weights pass once through a core for as many */
    UNEVEN_PERCENT = 12,   /* by which the busiest thread may have more than its share */
    TASKS_PER_THREAD = 4,  /* so that a thread that is late by one task costs little */
    HUGE_PAGE = 2 << 20,
};

typedef struct {
    float *qkv, *attention_out, *inner, *outer;                       /* packed */
    float *qkv_b, *attention_out_b, *inner_b, *outer_b;               /* [3H], [H], [I], [H] */
    float *norm1_gamma, *norm1_beta, *norm2_gamma, *norm2_beta;       /* [H] */
} layer;

struct backend {
    model_shape     shape;
    gemm_activation activation;
    float           eps;
    int             poolings, labels; /* labels: of the head, 0 without one */
    backend_reserve reserve;
    const kernels  *k;
    workers        *pool;
    char            description[64];
    const batch    *submitted; /* what is in the slot */

    unsigned char *memory; /* everything below but `layers` */
    layer         *layers;
    float         *word, *position, *type, *embed_gamma, *embed_beta;
    float         *pooler, *classifier, *pooler_b, *classifier_b; /* packed; [H], [labels] */
    float         *x, *qkv, *context, *inner; /* [T,H], [T,3H], [T,H], [T,I], each with its stride */
    size_t         x_stride, qkv_stride, inner_stride;
    int32_t       *positions; /* [T] */
    int32_t       *blocks;    /* [2S+1]: query blocks before sequence s; each group's have one more than it has */
    int32_t       *groups, *group_starts; /* [S+1]: first sequences; [2S+1]: first rows, as blocks */
    float         *scratch;   /* [threads, scratch_floats] */
    size_t         scratch_floats;
};

/* ---- memory ---- */

typedef struct { unsigned char *base; size_t used; } arena;

/* Lines of 64 bytes; with no base it only counts, so that one function both measures and places. */
static void *carve(arena *a, size_t bytes)
{
    void *at = a->base ? a->base + a->used : NULL;
    a->used += (bytes + 63) & ~(size_t)63;
    return at;
}

static float *carve_floats(arena *a, size_t n)
{
    return carve(a, n * sizeof(float));
}

/* Rows a multiple of 1 KiB apart would fall into the same few sets of L1. */
static size_t stride_of(int columns)
{
    size_t stride = ((size_t)columns + 15) & ~(size_t)15;
    return stride % 256 ? stride : stride + 16;
}

static void place(backend *b, arena *a)
{
    const int    H = b->shape.hidden, I = b->shape.inner;
    const size_t h = (size_t)H, T = (size_t)b->reserve.max_tokens;
    b->word = carve_floats(a, (size_t)b->shape.vocab * h);
    b->position = carve_floats(a, (size_t)b->shape.positions * h);
    b->type = carve_floats(a, (size_t)b->shape.types * h);
    b->embed_gamma = carve_floats(a, h);
    b->embed_beta = carve_floats(a, h);
    for (int i = 0; i < b->shape.layers; i++) {
        layer *l = &b->layers[i];
        l->qkv = carve_floats(a, gemm_packed_floats(H, 3 * H));
        l->attention_out = carve_floats(a, gemm_packed_floats(H, H));
        l->inner = carve_floats(a, gemm_packed_floats(H, I));
        l->outer = carve_floats(a, gemm_packed_floats(I, H));
        l->qkv_b = carve_floats(a, 3 * h);
        l->inner_b = carve_floats(a, (size_t)I);
        float **rows[] = {&l->attention_out_b, &l->outer_b, &l->norm1_gamma, &l->norm1_beta, &l->norm2_gamma,
                          &l->norm2_beta};
        for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) *rows[r] = carve_floats(a, h);
    }
    if (b->labels) {
        b->pooler = carve_floats(a, gemm_packed_floats(H, H));
        b->classifier = carve_floats(a, gemm_packed_floats(H, b->labels));
        b->pooler_b = carve_floats(a, h);
        b->classifier_b = carve_floats(a, (size_t)b->labels);
    }
    b->x_stride = stride_of(H);
    b->qkv_stride = stride_of(3 * H);
    b->inner_stride = stride_of(I);
    b->x = carve_floats(a, T * b->x_stride);
    b->qkv = carve_floats(a, T * b->qkv_stride);
    b->context = carve_floats(a, T * b->x_stride);
    b->inner = carve_floats(a, T * b->inner_stride);
    b->positions = carve(a, T * sizeof *b->positions);
    const size_t S = (size_t)b->reserve.max_sequences;
    b->blocks = carve(a, (2 * S + 1) * sizeof *b->blocks);
    b->groups = carve(a, (S + 1) * sizeof *b->groups);
    b->group_starts = carve(a, (2 * S + 1) * sizeof *b->group_starts);
    b->scratch_floats = attention_scratch_floats(b->shape.positions, H / b->shape.heads);
    b->scratch = carve_floats(a, (size_t)workers_count(b->pool) * b->scratch_floats);
}

/* ---- weights ---- */

typedef struct { backend *b; const model *m; float *loose; } loading; /* loose: room for the largest [out,in] weight */

static void pack(loading *l, float *packed, const tensor *weight, int K, int N, int first)
{
    tensor_to_f32(l->loose, weight);
    gemm_pack(packed, l->loose, K, N, first);
}

static void load_layer(loading *from, layer *to, const layer_weights *w)
{
    const int H = from->b->shape.hidden, I = from->b->shape.inner;
    const tensor *qkv[] = {w->query_w, w->key_w, w->value_w}, *qkv_b[] = {w->query_b, w->key_b, w->value_b};
    for (int i = 0; i < 3; i++) {
        pack(from, to->qkv, qkv[i], H, H, i * H);
        tensor_to_f32(to->qkv_b + i * H, qkv_b[i]);
    }
    pack(from, to->attention_out, w->attention_out_w, H, H, 0);
    pack(from, to->inner, w->inner_w, H, I, 0);
    pack(from, to->outer, w->outer_w, I, H, 0);
    tensor_to_f32(to->attention_out_b, w->attention_out_b);
    tensor_to_f32(to->inner_b, w->inner_b);
    tensor_to_f32(to->outer_b, w->outer_b);
    tensor_to_f32(to->norm1_gamma, w->norm1_gamma);
    tensor_to_f32(to->norm1_beta, w->norm1_beta);
    tensor_to_f32(to->norm2_gamma, w->norm2_gamma);
    tensor_to_f32(to->norm2_beta, w->norm2_beta);
}

static void load_head(loading *from, const head_weights *w)
{
    backend  *b = from->b;
    const int H = b->shape.hidden;
    pack(from, b->pooler, w->pooler_w, H, H, 0);
    pack(from, b->classifier, w->classifier_w, H, b->labels, 0);
    tensor_to_f32(b->pooler_b, w->pooler_b);
    tensor_to_f32(b->classifier_b, w->classifier_b);
}

static int larger(int x, int y)
{
    return x > y ? x : y;
}

static status load(backend *b, const model *m, error *err)
{
    const int rows = larger(larger(b->shape.inner, b->shape.hidden), b->labels);
    loading   from = {b, m, malloc((size_t)b->shape.hidden * (size_t)rows * sizeof(float))};
    if (!from.loose) return fail(err, NO_MEMORY, "%s: no memory to read a weight into", m->description.name);
    tensor_to_f32(b->word, m->embedding.word);
    tensor_to_f32(b->position, m->embedding.position);
    tensor_to_f32(b->type, m->embedding.type);
    tensor_to_f32(b->embed_gamma, m->embedding.norm_gamma);
    tensor_to_f32(b->embed_beta, m->embedding.norm_beta);
    for (int i = 0; i < b->shape.layers; i++) load_layer(&from, &b->layers[i], &m->layer[i]);
    if (b->labels) load_head(&from, &m->head);
    free(from.loose);
    return OK;
}

/* ---- open and close ---- */

static void cpu_close(backend *b)
{
    if (!b) return;
    workers_close(b->pool);
    free(b->memory);
    free(b->layers);
    free(b);
}

static status choose_kernels(const kernels **out, const char *name, error *err)
{
    const kernels *k = name ? kernels_find(name) : kernels_best();
    if (!k) return fail(err, BAD_INPUT, "kernel \"%s\": wanted avx512, avx2 or portable", name);
    if (!kernels_runs_here(k)) return fail(err, BAD_INPUT, "kernel \"%s\": this machine lacks the instructions", name);
    *out = k;
    return OK;
}

static gemm_activation activation_of(activation a)
{
    switch (a) {
    case ACTIVATION_GELU: return GEMM_GELU;
    case ACTIVATION_GELU_TANH: return GEMM_GELU_TANH;
    case ACTIVATION_RELU: return GEMM_RELU;
    }
    return GEMM_LINEAR;
}

static status check(const model_description *d, backend_reserve reserve, error *err)
{
    const int poolings = __builtin_popcount((unsigned)d->pooling);
    if (d->task == TASK_EMBED && (d->dimensions != d->shape.hidden * poolings || d->pooling > POOLING_ALL))
        return fail(err, BAD_INPUT, "%s: %d dimensions, wanted %d for each pooling in %#x", d->name, d->dimensions,
                    d->shape.hidden, (unsigned)d->pooling);
    if (d->task != TASK_EMBED && d->n_labels < 1)
        return fail(err, BAD_INPUT, "%s: a head of %d labels, wanted at least 1", d->name, d->n_labels);
    if (reserve.max_tokens < 1 || reserve.max_sequences < 1)
        return fail(err, BAD_INPUT, "a batch of %d tokens and %d sequences: wanted at least 1 of each",
                    reserve.max_tokens, reserve.max_sequences);
    return OK;
}

static status cpu_open(backend **out, const model *m, backend_reserve reserve, error *err)
{
    const model_description *d = &m->description;
    *out = NULL;
    status rc = check(d, reserve, err);
    if (rc != OK) return rc;
    backend *b = calloc(1, sizeof *b);
    if (!b) return fail(err, NO_MEMORY, "%s: no memory", d->name);
    b->shape = d->shape;
    b->activation = activation_of(d->act);
    b->eps = d->layer_norm_eps;
    b->poolings = d->pooling;
    b->labels = d->task == TASK_EMBED ? 0 : d->n_labels;
    b->reserve = reserve;
    rc = choose_kernels(&b->k, reserve.kernel, err);
    if (rc == OK) rc = workers_open(&b->pool, reserve.threads, err);
    if (rc != OK) goto done;
    b->layers = calloc((size_t)d->shape.layers, sizeof *b->layers);
    arena room = {0};
    if (b->layers) {
        place(b, &room);
        room.used = (room.used + HUGE_PAGE - 1) & ~((size_t)HUGE_PAGE - 1);
        b->memory = aligned_alloc(HUGE_PAGE, room.used);
    }
    if (!b->memory) {
        rc = fail(err, NO_MEMORY, "%s: no memory for %zu MiB of weights and workspace", d->name, room.used >> 20);
        goto done;
    }
    madvise(b->memory, room.used, MADV_HUGEPAGE); /* fewer TLB misses where the system allows it; no harm where not */
    room = (arena){.base = b->memory};
    place(b, &room);
    memset(b->memory, 0, (size_t)((unsigned char *)b->x - b->memory)); /* packed panels end in zeros */
    rc = load(b, m, err);
    snprintf(b->description, sizeof b->description, "%s, %d thread%s", b->k->name, workers_count(b->pool),
             workers_count(b->pool) == 1 ? "" : "s");
done:
    if (rc != OK) cpu_close(b);
    else *out = b;
    return rc;
}

static const char *cpu_describe(const backend *b)
{
    return b->description;
}

static const char *cpu_precision(const backend *b)
{
    (void)b;
    return "float32";
}

/* The block of memory, and while it is filled the largest weight as floats; the file's bytes are the loader's. */
static void cpu_room(const backend *b, const model_description *d, int64_t *wanted, int64_t *available)
{
    const int rows = larger(larger(d->shape.inner, d->shape.hidden), d->n_labels);
    backend other = {.shape = d->shape,
                     .labels = d->task == TASK_EMBED ? 0 : d->n_labels,
                     .reserve = b->reserve,
                     .pool = b->pool,
                     .layers = calloc((size_t)d->shape.layers, sizeof *other.layers)};
    arena room = {0};
    if (other.layers) place(&other, &room);
    free(other.layers);
    *wanted = (int64_t)(room.used + (size_t)d->shape.hidden * (size_t)rows * sizeof(float));
    *available = memory_available();
}

/* ---- the steps ---- */

/* The rows that go through the steps together: all of a batch, each step shared out over the pool; or those of some
 * sequences, all steps on one thread. */
typedef struct {
    backend       *b;
    int            worker; /* whose rows they are; SHARED: every thread's */
    int            T, S;
    const int32_t *ids, *positions, *starts; /* [T], [T], [S+1] */
    const int8_t  *types;                    /* [T], or NULL */
    const uint8_t *normalize;                /* [S] */
    int32_t       *blocks;                   /* [S+1]: query blocks before sequence s */
    float         *x, *qkv, *context, *inner;
    float         *out; /* [S,columns] */
    uint8_t       *finite; /* [S] */
    int            columns;
    gemm           product; /* the step under way, how it is cut */
    layer_norm     norm;
    int            row_blocks, panel_chunks;
} flow;
enum { SHARED = -1 };

static int blocks_of(int n, int block)
{
    return (n + block - 1) / block;
}

static int smaller(int x, int y)
{
    return x < y ? x : y;
}

/* One step.  A task knows its flow and its number. */
static void run(flow *f, int tasks, workers_task *task)
{
    if (f->worker == SHARED) workers_run(f->b->pool, tasks, task, f);
    else
        for (int i = 0; i < tasks; i++) task(f, i, f->worker);
}

static void embed_task(void *context, int task, int worker)
{
    (void)worker;
    const flow    *f = context;
    const backend *b = f->b;
    const embed    e = {.ids = f->ids, .positions = f->positions, .types = f->types, .word = b->word,
                        .position = b->position, .type = b->type, .norm = f->norm};
    b->k->embed(&e, task * ROW_BLOCK, smaller((task + 1) * ROW_BLOCK, f->T));
}

static void norm_task(void *context, int task, int worker)
{
    (void)worker;
    const flow *f = context;
    f->b->k->layer_norm(&f->norm, task * ROW_BLOCK, smaller((task + 1) * ROW_BLOCK, f->T));
}

static void run_norm(flow *f, const float *gamma, const float *beta)
{
    f->norm.gamma = gamma;
    f->norm.beta = beta;
    run(f, blocks_of(f->T, ROW_BLOCK), norm_task);
}

static void product_task(void *context, int task, int worker)
{
    (void)worker;
    const flow *f = context;
    const gemm *g = &f->product;
    const int   block = task / f->panel_chunks, chunk = task % f->panel_chunks;
    const int   units = blocks_of(gemm_panels(g->N), UNIT_PANELS);
    const int   row0 = (int)((int64_t)g->M * block / f->row_blocks);
    const int   row1 = (int)((int64_t)g->M * (block + 1) / f->row_blocks);
    const int   panel0 = units * chunk / f->panel_chunks * UNIT_PANELS;
    const int   panel1 = units * (chunk + 1) / f->panel_chunks * UNIT_PANELS;
    f->b->k->gemm(g, row0, row1, panel0, smaller(panel1, gemm_panels(g->N)));
}

/* A block of rows stays in L2 while the panels pass; few rows are cut along the panels instead. */
static void run_product(flow *f, const gemm *g)
{
    f->product = *g;
    f->row_blocks = f->panel_chunks = 1;
    if (f->worker == SHARED) {
        const int units = blocks_of(gemm_panels(g->N), UNIT_PANELS);
        f->row_blocks = blocks_of(g->M, larger(BLOCK_FLOATS / g->K, LEAST_ROWS));
        f->panel_chunks = smaller(units, blocks_of(TASKS_PER_THREAD * workers_count(f->b->pool), f->row_blocks));
    }
    run(f, f->row_blocks * f->panel_chunks, product_task);
}

static void attention_task(void *context, int task, int worker)
{
    const flow *f = context;
    backend    *b = f->b;
    const int   block = task / b->shape.heads, head = task % b->shape.heads;
    int         low = 0, high = f->S; /* blocks[low] <= block < blocks[high] */
    while (high - low > 1) {
        const int middle = (low + high) / 2;
        if (f->blocks[middle] <= block) low = middle;
        else high = middle;
    }
    const int       first = f->starts[low], n = f->starts[low + 1] - first;
    const int       query0 = (block - f->blocks[low]) * QUERY_BLOCK;
    const attention a = {.qkv = f->qkv, .out = f->context, .qkv_stride = b->qkv_stride, .out_stride = b->x_stride,
                         .heads = b->shape.heads, .width = b->shape.hidden / b->shape.heads};
    b->k->attention(&a, (attention_part){first, n, head, query0, smaller(query0 + QUERY_BLOCK, n)},
                    b->scratch + (size_t)worker * b->scratch_floats);
}

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

static void finite_task(void *context, int task, int worker)
{
    (void)worker;
    const flow *f = context;
    f->finite[task] = all_finite(f->out + (size_t)task * (size_t)f->columns, f->columns);
}

static void pool_task(void *context, int task, int worker)
{
    const flow    *f = context;
    const backend *b = f->b;
    const pool     p = {.in = f->x, .in_stride = b->x_stride, .starts = f->starts, .normalize = f->normalize,
                        .out = f->out, .hidden = b->shape.hidden, .poolings = b->poolings};
    b->k->pool(&p, task, task + 1);
    finite_task(context, task, worker);
}

static void tanh_task(void *context, int task, int worker)
{
    (void)worker;
    const flow *f = context;
    float      *row = f->qkv + (size_t)task * f->b->qkv_stride;
    for (int h = 0; h < f->b->shape.hidden; h++) row[h] = tanhf(row[h]);
}

static void run_layer(flow *f, const layer *l)
{
    const backend *b = f->b;
    const int      T = f->T, H = b->shape.hidden, I = b->shape.inner;
    run_product(f, &(gemm){.M = T, .K = H, .N = 3 * H, .a = f->x, .a_stride = b->x_stride, .b = l->qkv,
                           .bias = l->qkv_b, .c = f->qkv, .c_stride = b->qkv_stride});
    run(f, f->blocks[f->S] * b->shape.heads, attention_task);
    run_product(f, &(gemm){.M = T, .K = H, .N = H, .a = f->context, .a_stride = b->x_stride, .b = l->attention_out,
                           .bias = l->attention_out_b, .residual = f->x, .residual_stride = b->x_stride, .c = f->x,
                           .c_stride = b->x_stride});
    run_norm(f, l->norm1_gamma, l->norm1_beta);
    run_product(f, &(gemm){.M = T, .K = H, .N = I, .a = f->x, .a_stride = b->x_stride, .b = l->inner,
                           .bias = l->inner_b, .c = f->inner, .c_stride = b->inner_stride,
                           .activation = b->activation});
    run_product(f, &(gemm){.M = T, .K = I, .N = H, .a = f->inner, .a_stride = b->inner_stride, .b = l->outer,
                           .bias = l->outer_b, .residual = f->x, .residual_stride = b->x_stride, .c = f->x,
                           .c_stride = b->x_stride});
    run_norm(f, l->norm2_gamma, l->norm2_beta);
}

/* Of each sequence the first token alone: S rows, gathered into the context's room, which no step needs any more. */
static void run_head(flow *f)
{
    const backend *b = f->b;
    const int      S = f->S, H = b->shape.hidden;
    for (int i = 0; i < S; i++)
        memcpy(f->context + (size_t)i * b->x_stride, f->x + (size_t)f->starts[i] * b->x_stride,
               (size_t)H * sizeof(float));
    run_product(f, &(gemm){.M = S, .K = H, .N = H, .a = f->context, .a_stride = b->x_stride, .b = b->pooler,
                           .bias = b->pooler_b, .c = f->qkv, .c_stride = b->qkv_stride});
    run(f, S, tanh_task);
    run_product(f, &(gemm){.M = S, .K = H, .N = b->labels, .a = f->qkv, .a_stride = b->qkv_stride,
                           .b = b->classifier, .bias = b->classifier_b, .c = f->out, .c_stride = (size_t)b->labels});
    run(f, S, finite_task);
}

static void run_all(flow *f)
{
    const backend *b = f->b;
    f->norm = (layer_norm){.in = f->x, .out = f->x, .in_stride = b->x_stride, .out_stride = b->x_stride,
                           .hidden = b->shape.hidden, .gamma = b->embed_gamma, .beta = b->embed_beta, .eps = b->eps};
    f->blocks[0] = 0;
    for (int s = 0; s < f->S; s++)
        f->blocks[s + 1] = f->blocks[s] + blocks_of(f->starts[s + 1] - f->starts[s], QUERY_BLOCK);
    run(f, blocks_of(f->T, ROW_BLOCK), embed_task);
    for (int i = 0; i < b->shape.layers; i++) run_layer(f, &b->layers[i]);
    if (b->labels) run_head(f);
    else run(f, f->S, pool_task);
}

/* ---- a batch ---- */

typedef struct { backend *b; const batch *in; float *out; uint8_t *finite; int columns; } whole;

/* Sequences s0..s1 as rows from `row` on of the workspace. */
static flow flow_of(const whole *w, int worker, int s0, int s1, size_t row)
{
    backend     *b = w->b;
    const batch *in = w->in;
    const int    first = in->starts[s0];
    return (flow){.b = b, .worker = worker, .T = in->starts[s1] - first, .S = s1 - s0, .ids = in->ids + first,
                  .positions = b->positions + first, .types = in->types ? in->types + first : NULL,
                  .normalize = in->normalize + s0, .x = b->x + row * b->x_stride, .qkv = b->qkv + row * b->qkv_stride,
                  .context = b->context + row * b->x_stride, .inner = b->inner + row * b->inner_stride,
                  .out = w->out + (size_t)s0 * (size_t)w->columns, .finite = w->finite + s0, .columns = w->columns};
}

static int group_room(const backend *b)
{
    return b->reserve.max_tokens / workers_count(b->pool);
}

/* A group's rows are the first of its thread's share of the workspace, whichever they are in the batch: they stay in
 * that core's L2 from step to step and from group to group. */
static void group_task(void *context, int task, int worker)
{
    const whole *w = context;
    backend     *b = w->b;
    const int    s0 = b->groups[task], s1 = b->groups[task + 1];
    flow         f = flow_of(w, worker, s0, s1, (size_t)worker * (size_t)group_room(b));
    int32_t     *starts = b->group_starts + s0 + task; /* one more than it has sequences, as blocks */
    for (int s = s0; s <= s1; s++) starts[s - s0] = w->in->starts[s] - w->in->starts[s0];
    f.starts = starts;
    f.blocks = b->blocks + s0 + task;
    run_all(&f);
}

/* Cuts a batch into groups of whole sequences; returns their number, or 0 where threads would wait for each other at
 * the end for longer than the steps of a shared batch cost. */
static int make_groups(backend *b, const batch *in)
{
    const int threads = workers_count(b->pool);
    int       n = 0, tokens = 0, last = 0, busiest = 0, load[WORKERS_MOST] = {0};
    for (int s = 0; s < in->S; s++) {
        const int length = in->starts[s + 1] - in->starts[s];
        if (length > group_room(b)) return 0;
        if (s == 0 || tokens + length > GROUP_ROWS || tokens + length > group_room(b)) {
            b->groups[n++] = s;
            tokens = 0;
        }
        tokens += length;
    }
    b->groups[n] = in->S;
    for (int g = 0; g < n; g++) { /* to the thread that is free first */
        for (int t = 0; t < threads; t++) last = load[t] < load[last] ? t : last;
        load[last] += in->starts[b->groups[g + 1]] - in->starts[b->groups[g]];
        busiest = larger(busiest, load[last]);
    }
    return (int64_t)busiest * threads * 100 <= (int64_t)in->T * (100 + UNEVEN_PERCENT) ? n : 0;
}

static status cpu_submit(backend *b, int slot, const batch *in, error *err)
{
    assert(slot == 0 && !b->submitted);
    status rc = batch_check(in, &b->shape, b->reserve.max_tokens, b->reserve.max_sequences, err);
    if (rc == OK) b->submitted = in;
    return rc;
}

static status cpu_collect(backend *b, int slot, float *out, uint8_t *finite, error *err)
{
    const batch *in = b->submitted;
    (void)err; /* nothing of it can fail */
    assert(slot == 0 && in);
    b->submitted = NULL;
    for (int s = 0; s < in->S; s++) {
        const int n = in->starts[s + 1] - in->starts[s];
        for (int t = 0; t < n; t++) b->positions[in->starts[s] + t] = t;
    }
    whole     w = {.b = b, .in = in, .out = out, .finite = finite,
                   .columns = b->labels ? b->labels : b->shape.hidden * __builtin_popcount((unsigned)b->poolings)};
    const int groups = make_groups(b, in);
    if (groups) {
        workers_run(b->pool, groups, group_task, &w);
        return OK;
    }
    flow f = flow_of(&w, SHARED, 0, in->S, 0);
    f.starts = in->starts;
    f.blocks = b->blocks;
    run_all(&f);
    return OK;
}

const backend_ops backend_cpu = {
    .abi = BACKEND_ABI, .name = "cpu", .slots = 1, .open = cpu_open, .submit = cpu_submit, .collect = cpu_collect,
    .close = cpu_close, .describe = cpu_describe, .precision = cpu_precision, .room = cpu_room,
};
