/* backend_cpu.c - the encoder on every core, in the precision that the version declares; float32 where it declares none.
 *
 * Sequences lie end to end and nothing knows of padding.  A batch is cut among the threads (cpu_share.h), and each
 * takes its rows from the embedding to the end (cpu_flow.h); one of a few rows is shared out step by step instead.
 *
 * Everything, weights and workspace, is one block of memory taken at open; a batch takes none.  There is one slot:
 * submit() keeps the batch and collect() computes it, on the caller's thread and the pool's, so it is never PENDING. */
#include <assert.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include "backend_cpu.h"
#include "cpu_share.h"
#include "runtime/base/memory.h"

_Static_assert((int)POOL_CLS == POOLING_CLS && (int)POOL_MAX == POOLING_MAX && (int)POOL_MEAN == POOLING_MEAN &&
               (int)POOL_MEAN_SQRT_LEN == POOLING_MEAN_SQRT_LEN && (int)POOL_LAST == POOLING_LAST &&
               (int)POOL_WEIGHTED_MEAN == POOLING_WEIGHTED_MEAN, "the description's bits are the kernel's");

enum {
    HUGE_PAGE = 2 << 20,
    LEAST_ROWS = 16, /* of a thread: with fewer, all of the weights in every core cost more than steps in tasks */
    ROW_COST = 6, PAIR_COST = 2, /* of a row per column, of a pair: a layer's products and, at its lower speed, attention */
};

static const struct {
    const char *name;
    int most; /* rows that a thread has at once: the weights pass once through its core for as many */
    int tile; /* rows that a product takes at once */
} precisions[] = {[CPU_FLOAT32] = {"float32", 128, 8},
                  [CPU_BFLOAT16] = {"bfloat16", 256, 16},
                  [CPU_INT8] = {"int8", 256, 16}};

struct backend {
    cpu_weights     weights;
    cpu_model       model;
    backend_reserve reserve;
    char            description[64];
    const batch    *submitted; /* what is in the slot */
    unsigned char  *memory;    /* all but the layers */
    int32_t        *positions; /* [T] */
    cpu_share       share;      /* of the batch under way: [S] groups, [S] numbers */
    int32_t        *ids, *starts, *blocks; /* [T] in the share's order; [2S+1] of groups; [2S+2*threads] */
    int8_t         *types;      /* [T] likewise */
    atomic_bool    *taken;      /* [threads+S]: parts or groups */
};

static int larger(int x, int y)
{
    return x > y ? x : y;
}

/* ---- open and close ---- */

static void cpu_close(backend *b)
{
    if (!b) return;
    workers_close(b->model.pool);
    free(b->memory);
    free(b->weights.layers);
    free(b);
}

static cpu_precision precision_of(const char *declared)
{
    if (declared && !strcmp(declared, "bfloat16")) return CPU_BFLOAT16;
    return declared && !strcmp(declared, "int8") ? CPU_INT8 : CPU_FLOAT32;
}

static status choose_kernels(const kernels **out, const char *name, cpu_precision p, error *err)
{
    const kernels *k = name ? kernels_find(name) : p == CPU_FLOAT32 ? kernels_best() : kernels_best_low();
    char           names[128];
    if (!k) return fail(err, BAD_INPUT, "kernel \"%s\": wanted %s", name, kernels_names(names, sizeof names));
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

static cpu_weights weights_of(const model_description *d, cpu_precision p)
{
    return (cpu_weights){.precision = p, .shape = d->shape, .labels = d->task == TASK_EMBED ? 0 : d->n_labels,
                         .layers = calloc((size_t)d->shape.layers, sizeof(cpu_layer))};
}

static void place(backend *b, cpu_arena *a)
{
    const size_t S = (size_t)b->reserve.max_sequences, T = (size_t)b->reserve.max_tokens;
    const size_t threads = (size_t)workers_count(b->model.pool);
    cpu_weights_place(&b->weights, a);
    cpu_room_place(&b->model.room, &b->model, b->reserve.max_tokens, b->reserve.max_sequences, a);
    b->positions = cpu_arena_take(a, T * sizeof *b->positions);
    b->share.group = cpu_arena_take(a, S * sizeof *b->share.group);
    b->share.order = cpu_arena_take(a, S * sizeof *b->share.order);
    b->ids = cpu_arena_take(a, T * sizeof *b->ids);
    b->types = cpu_arena_take(a, T * sizeof *b->types);
    b->starts = cpu_arena_take(a, (2 * S + 1) * sizeof *b->starts);
    b->blocks = cpu_arena_take(a, 2 * (S + threads) * sizeof *b->blocks);
    b->taken = cpu_arena_take(a, (S + threads) * sizeof *b->taken);
}

static status take_memory(backend *b, const char *name, error *err)
{
    cpu_arena room = {0};
    if (b->weights.layers) {
        place(b, &room);
        room.used = (room.used + HUGE_PAGE - 1) & ~((size_t)HUGE_PAGE - 1);
        b->memory = aligned_alloc(HUGE_PAGE, room.used);
    }
    if (!b->memory)
        return fail(err, NO_MEMORY, "%s: no memory for %zu MiB of weights and workspace", name, room.used >> 20);
    madvise(b->memory, room.used, MADV_HUGEPAGE); /* fewer TLB misses where the system allows it; no harm where not */
    memset(b->memory, 0, room.used); /* packed panels end in zeros, and so do rows */
    room = (cpu_arena){.base = b->memory};
    place(b, &room);
    return OK;
}

static status cpu_open(backend **out, const model *m, backend_reserve reserve, error *err)
{
    const model_description *d = &m->description;
    const cpu_precision      p = precision_of(reserve.precision);
    *out = NULL;
    status rc = check(d, reserve, err);
    if (rc != OK) return rc;
    backend *b = calloc(1, sizeof *b);
    if (!b) return fail(err, NO_MEMORY, "%s: no memory", d->name);
    b->reserve = reserve;
    b->weights = weights_of(d, p);
    b->model = (cpu_model){.weights = &b->weights, .activation = activation_of(d->act), .eps = d->layer_norm_eps,
                           .poolings = d->pooling};
    rc = choose_kernels(&b->model.k, reserve.kernel, p, err);
    if (rc == OK) rc = workers_open(&b->model.pool, reserve.threads, err);
    if (rc == OK) rc = take_memory(b, d->name, err);
    if (rc == OK) rc = cpu_weights_load(&b->weights, m, err);
    if (rc == OK) {
        const int threads = workers_count(b->model.pool);
        snprintf(b->description, sizeof b->description, "%s, %d thread%s", b->model.k->name, threads,
                 threads == 1 ? "" : "s");
        *out = b;
    } else {
        cpu_close(b);
    }
    return rc;
}

static const char *cpu_describe(const backend *b)
{
    return b->description;
}

static const char *cpu_precision_name(const backend *b)
{
    return precisions[b->weights.precision].name;
}

/* The block of memory, and while it is filled the largest weight as floats; the file's bytes are the loader's. */
static void cpu_room_of(const backend *b, const model_description *d, int64_t *wanted, int64_t *available)
{
    const int   rows = larger(larger(d->shape.inner, 3 * d->shape.hidden), d->n_labels);
    backend     other = {.weights = weights_of(d, b->weights.precision), .reserve = b->reserve};
    cpu_arena   room = {0};
    other.model = (cpu_model){.weights = &other.weights, .pool = b->model.pool};
    if (other.weights.layers) place(&other, &room);
    free(other.weights.layers);
    *wanted = (int64_t)(room.used + (size_t)d->shape.hidden * (size_t)rows * sizeof(float));
    *available = memory_available();
}

/* ---- a batch ---- */

typedef struct {
    backend        *b;
    const batch    *in;
    cpu_share_rules rules;
    cpu_rows        rows; /* all of them, or a round; out, finite and normalize are the batch's */
    cpu_part        part[WORKERS_MOST];
} whole;

/* A batch of rows, at the begin of the room and in the order of the batch. */
static void set_rows(whole *w, int s0, int s1)
{
    const batch *in = w->in;
    backend     *b = w->b;
    const int    first = in->starts[s0];
    for (int s = s0; s < s1; s++) {
        b->share.order[s - s0] = (uint64_t)s;
        b->starts[s - s0] = in->starts[s] - first;
        for (int t = in->starts[s]; t < in->starts[s + 1]; t++) b->positions[t - first] = t - in->starts[s];
    }
    b->starts[s1 - s0] = in->starts[s1] - first;
    w->rows.T = in->starts[s1] - first;
    w->rows.S = s1 - s0;
    w->rows.ids = in->ids + first;
    w->rows.positions = b->positions;
    w->rows.types = in->types ? in->types + first : NULL;
    w->rows.order = b->share.order;
    w->rows.starts = b->starts;
}

static void run_steps(whole *w)
{
    set_rows(w, 0, w->in->S);
    cpu_flow_run(&w->b->model, &w->rows, &(cpu_part){.worker = CPU_SHARED, .row1 = w->rows.T, .blocks = w->b->blocks});
}

/* A worker's own part, whose rows are in its L2 since the round before; or one of a worker that comes late. */
static void part_task(void *context, int task, int worker)
{
    whole *w = context;
    int    own = worker;
    (void)task;
    while (atomic_exchange(&w->b->taken[own], true)) own = (own + 1) % w->rules.threads;
    w->part[own].worker = worker;
    cpu_flow_run(&w->b->model, &w->rows, &w->part[own]);
}

static void untake(backend *b, int n)
{
    for (int i = 0; i < n; i++) atomic_store_explicit(&b->taken[i], false, memory_order_relaxed);
}

static void run_rounds(whole *w)
{
    backend   *b = w->b;
    const int *starts = w->in->starts, S = w->in->S, threads = w->rules.threads;
    int        ends[WORKERS_MOST];
    for (int s0 = 0, s1; s0 < S; s0 = s1) {
        s1 = cpu_share_round(&w->rules, starts, S, s0);
        set_rows(w, s0, s1);
        const bool meets = cpu_share_rows(ends, &w->rules, starts, s0, s1);
        for (int i = 0, first = 0; i < threads; i++) {
            const int row0 = i ? ends[i - 1] : 0;
            while (first < s1 - s0 && b->starts[first + 1] <= row0) first++;
            w->part[i] = (cpu_part){.meets = meets, .row0 = row0, .row1 = ends[i], /* two blocks more: ends, a cut text */
                                    .blocks = b->blocks + first + 2 * i};
        }
        untake(b, threads);
        workers_run(b->model.pool, threads, part_task, w);
    }
}

/* Rows of the room that a thread has for its groups: the same ones for each, so that they stay in its L2. */
static int area_of(const backend *b)
{
    return b->reserve.max_tokens / workers_count(b->model.pool);
}

/* Group i, in the order of the share; what it reads is copied together. */
static void run_group(const whole *w, int i, int worker)
{
    backend         *b = w->b;
    const batch     *in = w->in;
    const cpu_group *g = &b->share.group[i];
    const int        area = worker * area_of(b);
    int32_t         *starts = b->starts + g->n0 + i; /* each group before has one more than it has sequences */
    int              T = 0;
    for (int n = g->n0; n < g->n1; n++) {
        const int s = (int)(uint32_t)b->share.order[n], length = in->starts[s + 1] - in->starts[s];
        starts[n - g->n0] = T;
        memcpy(b->ids + area + T, in->ids + in->starts[s], (size_t)length * sizeof *b->ids);
        if (in->types) memcpy(b->types + area + T, in->types + in->starts[s], (size_t)length);
        for (int t = 0; t < length; t++) b->positions[area + T + t] = t;
        T += length;
    }
    starts[g->n1 - g->n0] = T;
    cpu_rows rows = w->rows;
    rows.row = area;
    rows.head = g->n0;
    rows.T = T;
    rows.S = g->n1 - g->n0;
    rows.ids = b->ids + area;
    rows.positions = b->positions + area;
    rows.types = in->types ? b->types + area : NULL;
    rows.starts = starts;
    rows.order = b->share.order + g->n0;
    cpu_flow_run(&b->model, &rows, &(cpu_part){.worker = worker, .row1 = T, .blocks = b->blocks + g->n0 + i});
}

/* A worker's own groups, then what another comes late for. */
static void groups_task(void *context, int task, int worker)
{
    const whole     *w = context;
    const cpu_share *share = &w->b->share;
    (void)task;
    for (int others = 0; others < 2; others++)
        for (int i = 0; i < share->groups; i++)
            if ((share->group[i].thread != worker) == others && !atomic_exchange(&w->b->taken[i], true))
                run_group(w, i, worker);
}

static bool run_groups(whole *w)
{
    backend *b = w->b;
    if (!cpu_share_whole(&b->share, &w->rules, w->in->starts, w->in->S)) return false;
    untake(b, b->share.groups);
    workers_run(b->model.pool, w->rules.threads, groups_task, w);
    return true;
}

static status cpu_submit(backend *b, int slot, const batch *in, error *err)
{
    assert(slot == 0 && !b->submitted);
    status rc = batch_check(in, &b->weights.shape, b->reserve.max_tokens, b->reserve.max_sequences, err);
    if (rc == OK) b->submitted = in;
    return rc;
}

static status cpu_collect(backend *b, int slot, float *out, uint8_t *finite, error *err)
{
    const batch *in = b->submitted;
    (void)err; /* nothing of it can fail */
    assert(slot == 0 && in);
    b->submitted = NULL;
    const int threads = workers_count(b->model.pool);
    whole     w = {.b = b, .in = in, .rows = {.normalize = in->normalize, .out = out, .finite = finite}};
    w.rules = (cpu_share_rules){.threads = threads, .most_rows = precisions[b->weights.precision].most,
                                .area_rows = area_of(b), .tile_rows = precisions[b->weights.precision].tile,
                                .row_cost = ROW_COST * b->weights.shape.hidden, .pair_cost = PAIR_COST};
    if (in->T < threads * LEAST_ROWS) run_steps(&w);
    else if (!run_groups(&w)) run_rounds(&w);
    return OK;
}

int backend_cpu_threads(const backend *b)
{
    return workers_count(b->model.pool);
}

void backend_cpu_watch(backend *b, cpu_times *times)
{
    b->model.times = times;
}

const backend_ops backend_cpu = {
    .abi = BACKEND_ABI, .name = "cpu", .slots = 1, .open = cpu_open, .submit = cpu_submit, .collect = cpu_collect,
    .close = cpu_close, .describe = cpu_describe, .precision = cpu_precision_name, .room = cpu_room_of,
};
