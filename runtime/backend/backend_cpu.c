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
    int32_t       *blocks;    /* [S+1]: query blocks before sequence s */
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
    b->blocks = carve(a, ((size_t)b->reserve.max_sequences + 1) * sizeof *b->blocks);
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

typedef struct {
    backend   *b;
    embed      embed;
    layer_norm norm;
    attention  attention;
    gemm       product;
    int        row_blocks, panel_chunks;
    pool       pool;
    float     *out; /* [S,columns] */
    int        columns;
    uint8_t   *finite; /* [S] */
    const batch *in;
} step;

static int blocks_of(int n, int block)
{
    return (n + block - 1) / block;
}

static void embed_task(void *context, int task, int worker)
{
    (void)worker;
    const step *s = context;
    const int   row = task * ROW_BLOCK, end = row + ROW_BLOCK < s->in->T ? row + ROW_BLOCK : s->in->T;
    s->b->k->embed(&s->embed, row, end);
}

static void norm_task(void *context, int task, int worker)
{
    (void)worker;
    const step *s = context;
    const int   row = task * ROW_BLOCK, end = row + ROW_BLOCK < s->in->T ? row + ROW_BLOCK : s->in->T;
    s->b->k->layer_norm(&s->norm, row, end);
}

static void product_task(void *context, int task, int worker)
{
    (void)worker;
    const step *s = context;
    const gemm *g = &s->product;
    const int   block = task / s->panel_chunks, chunk = task % s->panel_chunks, pairs = (gemm_panels(g->N) + 1) / 2;
    const int   row0 = (int)((int64_t)g->M * block / s->row_blocks);
    const int   row1 = (int)((int64_t)g->M * (block + 1) / s->row_blocks);
    const int   panel0 = pairs * chunk / s->panel_chunks * 2, panel1 = pairs * (chunk + 1) / s->panel_chunks * 2;
    s->b->k->gemm(g, row0, row1, panel0, panel1 < gemm_panels(g->N) ? panel1 : gemm_panels(g->N));
}

/* A block of rows stays in L2 while the panels pass; few rows are cut along the panels instead, in pairs. */
static void run_product(step *s, const gemm *g)
{
    const int threads = workers_count(s->b->pool), pairs = (gemm_panels(g->N) + 1) / 2;
    const int rows = BLOCK_FLOATS / g->K > 28 ? BLOCK_FLOATS / g->K : 28;
    s->product = *g;
    s->row_blocks = blocks_of(g->M, rows);
    s->panel_chunks = blocks_of(TASKS_PER_THREAD * threads, s->row_blocks);
    if (s->panel_chunks > pairs) s->panel_chunks = pairs;
    workers_run(s->b->pool, s->row_blocks * s->panel_chunks, product_task, s);
}

static void attention_task(void *context, int task, int worker)
{
    const step    *s = context;
    backend       *b = s->b;
    const int      block = task / b->shape.heads, head = task % b->shape.heads;
    int            low = 0, high = s->in->S; /* blocks[low] <= block < blocks[high] */
    while (high - low > 1) {
        const int middle = (low + high) / 2;
        if (b->blocks[middle] <= block) low = middle;
        else high = middle;
    }
    const int first = s->in->starts[low], n = s->in->starts[low + 1] - first;
    const int query0 = (block - b->blocks[low]) * QUERY_BLOCK;
    const int query1 = query0 + QUERY_BLOCK < n ? query0 + QUERY_BLOCK : n;
    b->k->attention(&s->attention, (attention_part){first, n, head, query0, query1},
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
    const step *s = context;
    s->finite[task] = all_finite(s->out + (size_t)task * (size_t)s->columns, s->columns);
}

static void pool_task(void *context, int task, int worker)
{
    const step *s = context;
    s->b->k->pool(&s->pool, task, task + 1);
    finite_task(context, task, worker);
}

static void tanh_task(void *context, int task, int worker)
{
    (void)worker;
    const backend *b = ((const step *)context)->b;
    float         *row = b->qkv + (size_t)task * b->qkv_stride;
    for (int h = 0; h < b->shape.hidden; h++) row[h] = tanhf(row[h]);
}

static void run_layer(step *s, const layer *l)
{
    backend  *b = s->b;
    const int T = s->in->T, H = b->shape.hidden, I = b->shape.inner;
    run_product(s, &(gemm){.M = T, .K = H, .N = 3 * H, .a = b->x, .a_stride = b->x_stride, .b = l->qkv,
                           .bias = l->qkv_b, .c = b->qkv, .c_stride = b->qkv_stride});
    workers_run(b->pool, b->blocks[s->in->S] * b->shape.heads, attention_task, s);
    run_product(s, &(gemm){.M = T, .K = H, .N = H, .a = b->context, .a_stride = b->x_stride, .b = l->attention_out,
                           .bias = l->attention_out_b, .residual = b->x, .residual_stride = b->x_stride, .c = b->x,
                           .c_stride = b->x_stride});
    s->norm.gamma = l->norm1_gamma;
    s->norm.beta = l->norm1_beta;
    workers_run(b->pool, blocks_of(T, ROW_BLOCK), norm_task, s);
    run_product(s, &(gemm){.M = T, .K = H, .N = I, .a = b->x, .a_stride = b->x_stride, .b = l->inner,
                           .bias = l->inner_b, .c = b->inner, .c_stride = b->inner_stride,
                           .activation = b->activation});
    run_product(s, &(gemm){.M = T, .K = I, .N = H, .a = b->inner, .a_stride = b->inner_stride, .b = l->outer,
                           .bias = l->outer_b, .residual = b->x, .residual_stride = b->x_stride, .c = b->x,
                           .c_stride = b->x_stride});
    s->norm.gamma = l->norm2_gamma;
    s->norm.beta = l->norm2_beta;
    workers_run(b->pool, blocks_of(T, ROW_BLOCK), norm_task, s);
}

/* Of each sequence the first token alone: S rows, gathered into the context's room, which no step needs any more. */
static void run_head(step *s)
{
    backend  *b = s->b;
    const int S = s->in->S, H = b->shape.hidden;
    for (int i = 0; i < S; i++)
        memcpy(b->context + (size_t)i * b->x_stride, b->x + (size_t)s->in->starts[i] * b->x_stride,
               (size_t)H * sizeof(float));
    run_product(s, &(gemm){.M = S, .K = H, .N = H, .a = b->context, .a_stride = b->x_stride, .b = b->pooler,
                           .bias = b->pooler_b, .c = b->qkv, .c_stride = b->qkv_stride});
    workers_run(b->pool, S, tanh_task, s);
    run_product(s, &(gemm){.M = S, .K = H, .N = b->labels, .a = b->qkv, .a_stride = b->qkv_stride,
                           .b = b->classifier, .bias = b->classifier_b, .c = s->out, .c_stride = (size_t)b->labels});
    workers_run(b->pool, S, finite_task, s);
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
    b->blocks[0] = 0;
    for (int s = 0; s < in->S; s++) {
        const int n = in->starts[s + 1] - in->starts[s];
        b->blocks[s + 1] = b->blocks[s] + blocks_of(n, QUERY_BLOCK);
        for (int t = 0; t < n; t++) b->positions[in->starts[s] + t] = t;
    }
    const layer_norm norm = {.in = b->x, .out = b->x, .in_stride = b->x_stride, .out_stride = b->x_stride,
                             .hidden = b->shape.hidden, .gamma = b->embed_gamma, .beta = b->embed_beta, .eps = b->eps};
    step s = {
        .b = b, .in = in, .norm = norm, .out = out, .finite = finite,
        .columns = b->labels ? b->labels : b->shape.hidden * __builtin_popcount((unsigned)b->poolings),
        .embed = {.ids = in->ids, .positions = b->positions, .types = in->types, .word = b->word,
                  .position = b->position, .type = b->type, .norm = norm},
        .attention = {.qkv = b->qkv, .out = b->context, .qkv_stride = b->qkv_stride, .out_stride = b->x_stride,
                      .heads = b->shape.heads, .width = b->shape.hidden / b->shape.heads},
        .pool = {.in = b->x, .in_stride = b->x_stride, .starts = in->starts, .normalize = in->normalize, .out = out,
                 .hidden = b->shape.hidden, .poolings = b->poolings},
    };
    workers_run(b->pool, blocks_of(in->T, ROW_BLOCK), embed_task, &s);
    for (int i = 0; i < b->shape.layers; i++) run_layer(&s, &b->layers[i]);
    if (b->labels) run_head(&s);
    else workers_run(b->pool, in->S, pool_task, &s);
    return OK;
}

const backend_ops backend_cpu = {
    .abi = BACKEND_ABI, .name = "cpu", .slots = 1, .open = cpu_open, .submit = cpu_submit, .collect = cpu_collect,
    .close = cpu_close, .describe = cpu_describe, .precision = cpu_precision, .room = cpu_room,
};
