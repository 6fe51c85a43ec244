/* backend_cpu.c - the encoder on every core, in the precision that the version declares; float32 where it declares none.
 *
 * Sequences lie end to end and nothing knows of padding.  A batch of many sequences is cut into groups of whole ones,
 * each the work of one thread from its embedding to its rows (cpu_flow.h): no thread waits for another but at the end,
 * and what a group computes stays in that core's L2.  A batch that cannot be cut evenly, one long text or one short, is
 * shared out step by step instead.
 *
 * Everything, weights and workspace, is one block of memory taken at open; a batch takes none.  There is one slot:
 * submit() keeps the batch and collect() computes it, on the caller's thread and the pool's, so it is never PENDING. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include "backend.h"
#include "cpu_flow.h"
#include "runtime/base/memory.h"

_Static_assert((int)POOL_CLS == POOLING_CLS && (int)POOL_MAX == POOLING_MAX && (int)POOL_MEAN == POOLING_MEAN &&
               (int)POOL_MEAN_SQRT_LEN == POOLING_MEAN_SQRT_LEN && (int)POOL_LAST == POOLING_LAST &&
               (int)POOL_WEIGHTED_MEAN == POOLING_WEIGHTED_MEAN, "the description's bits are the kernel's");

enum {
    UNEVEN_PERCENT = 12, /* by which the busiest thread may have more than its share */
    HUGE_PAGE = 2 << 20,
};

static const struct {
    const char *name;
    int group_rows; /* the weights pass once through a core for as many: the faster the product, the more */
} precisions[] = {[CPU_FLOAT32] = {"float32", 128}, [CPU_BFLOAT16] = {"bfloat16", 256}, [CPU_INT8] = {"int8", 256}};

struct backend {
    cpu_weights     weights;
    cpu_model       model;
    backend_reserve reserve;
    char            description[64];
    const batch    *submitted; /* what is in the slot */
    unsigned char  *memory;    /* all but the layers */
    int32_t        *positions; /* [T] */
    /* A group of n sequences has n + 1 blocks and starts of its own, so there are up to 2S of each. */
    int32_t        *groups, *starts, *blocks; /* [S+1]: first sequences; [2S+1] */
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
    const size_t S = (size_t)b->reserve.max_sequences;
    cpu_weights_place(&b->weights, a);
    cpu_room_place(&b->model.room, &b->model, b->reserve.max_tokens, b->reserve.max_sequences, a);
    b->positions = cpu_arena_take(a, (size_t)b->reserve.max_tokens * sizeof *b->positions);
    b->groups = cpu_arena_take(a, (S + 1) * sizeof *b->groups);
    b->starts = cpu_arena_take(a, (2 * S + 1) * sizeof *b->starts);
    b->blocks = cpu_arena_take(a, (2 * S + 1) * sizeof *b->blocks);
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

typedef struct { backend *b; const batch *in; float *out; uint8_t *finite; } whole;

/* Sequences s0..s1, with blocks of their own. */
static cpu_rows rows_of(const whole *w, int s0, int s1, int32_t *blocks)
{
    const batch *in = w->in;
    const int    first = in->starts[s0], columns = cpu_columns(&w->b->model);
    return (cpu_rows){.worker = CPU_SHARED, .T = in->starts[s1] - first, .S = s1 - s0, .ids = in->ids + first,
                      .positions = w->b->positions + first, .types = in->types ? in->types + first : NULL,
                      .starts = in->starts, .normalize = in->normalize + s0, .blocks = blocks,
                      .out = w->out + (size_t)s0 * (size_t)columns, .finite = w->finite + s0};
}

/* Rows of the workspace that a thread has for its groups: the same ones for each, so that they stay in its L2. */
static int share_of(const backend *b)
{
    return b->reserve.max_tokens / workers_count(b->model.pool);
}

static void group_task(void *context, int task, int worker)
{
    const whole *w = context;
    backend     *b = w->b;
    const int    s0 = b->groups[task], s1 = b->groups[task + 1];
    int32_t     *starts = b->starts + s0 + task; /* each group before has one more than it has sequences */
    cpu_rows     rows = rows_of(w, s0, s1, b->blocks + s0 + task);
    for (int s = s0; s <= s1; s++) starts[s - s0] = w->in->starts[s] - w->in->starts[s0];
    rows.starts = starts;
    rows.worker = worker;
    rows.row = (size_t)worker * (size_t)share_of(b);
    cpu_flow_run(&b->model, &rows);
}

/* Cuts a batch into groups of whole sequences; returns their number, or 0 where threads would wait for each other at
 * the end for longer than the steps of a shared batch cost. */
static int make_groups(backend *b, const batch *in)
{
    const int share = share_of(b), threads = workers_count(b->model.pool);
    const int most = precisions[b->weights.precision].group_rows < in->T / threads
                         ? precisions[b->weights.precision].group_rows
                         : in->T / threads;
    int       n = 0, tokens = 0, last = 0, busiest = 0, load[WORKERS_MOST] = {0};
    if (b->weights.labels) return 0;
    for (int s = 0; s < in->S; s++) {
        const int length = in->starts[s + 1] - in->starts[s];
        if (length > share) return 0;
        if (s == 0 || tokens + length > most) {
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
    for (int s = 0; s < in->S; s++) {
        const int n = in->starts[s + 1] - in->starts[s];
        for (int t = 0; t < n; t++) b->positions[in->starts[s] + t] = t;
    }
    whole     w = {.b = b, .in = in, .out = out, .finite = finite};
    const int groups = make_groups(b, in);
    if (groups) {
        workers_run(b->model.pool, groups, group_task, &w);
    } else {
        const cpu_rows rows = rows_of(&w, 0, in->S, b->blocks);
        cpu_flow_run(&b->model, &rows);
    }
    return OK;
}

const backend_ops backend_cpu = {
    .abi = BACKEND_ABI, .name = "cpu", .slots = 1, .open = cpu_open, .submit = cpu_submit, .collect = cpu_collect,
    .close = cpu_close, .describe = cpu_describe, .precision = cpu_precision_name, .room = cpu_room_of,
};
