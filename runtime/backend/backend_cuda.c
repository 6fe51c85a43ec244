/* backend_cuda.c - the encoder on a GPU: three slots, three streams, one captured graph for each bucket and slot.
 *
 *   submit:  fill --> [copy_in] H2D --event--> [compute] graph --event--> [copy_out] D2H --event--> collect: asks it
 *
 * A slot has memory of its own at both ends, pinned and on the device, so while one batch computes the next is copied
 * in and the one before is copied out; order is kept by events alone.  The activations between the ends are shared: the
 * compute stream runs one batch after the other.  Everything is taken, tuned, captured and launched once at open;
 * submit and collect allocate nothing, capture nothing and wait for nothing; only after a failure do they wait, a
 * bounded time, until nothing reads the slots any more.
 * open and close on any one thread, submit and collect on another's: one at a time. */
#include "backend.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "cuda_forward.h"
#include "kernels/cpu/pool.h"
#include "runtime/base/clock.h"

_Static_assert((int)POOL_CLS == POOLING_CLS && (int)POOL_MAX == POOLING_MAX && (int)POOL_MEAN == POOLING_MEAN &&
               (int)POOL_MEAN_SQRT_LEN == POOLING_MEAN_SQRT_LEN && (int)POOL_LAST == POOLING_LAST &&
               (int)POOL_WEIGHTED_MEAN == POOLING_WEIGHTED_MEAN, "the description's bits are the kernel's");

enum { SLOTS = 3, GOLDEN_TOKENS = 128, GOLDEN_SEQUENCES = 8, FINITE_ALIGNMENT = 256 };
static const int64_t TUNE_NS = 3000000000;   /* of a start without a cache: 3000 graphs of 50 us, made and launched */
static const int64_t SETTLE_NS = 1000000000; /* three batches take milliseconds */

/* A vector may differ from float32's by a cosine of 1e-4 in all; the tanh form of GELU may take a tenth of that. */
static const double GELU_COSINE = 1 - 1e-5;

typedef struct {
    cuda_input_layout input;
    cuda_products     products;
    cuda_graph        graph[SLOTS];
} bucket;

typedef struct {
    void      *host_in, *device_in, *device_out, *host_out; /* out: finite [max_sequences], then rows */
    cuda_event copied_in, computed, copied_out;
    int        sequences; /* of the batch in it; 0: free */
    status     failed;    /* while another slot was asked */
} slot;

struct backend {
    cuda_device    *device;
    kernel_stream   copy_in, compute, copy_out;
    cuda_weights   *weights;
    cuda_forward    forward;
    bucket         *buckets; /* [n_buckets], ascending */
    int             n_buckets;
    slot            slots[SLOTS];
    model_shape     shape;
    element_type    element;
    int             max_tokens, max_sequences, columns;
    size_t          rows_at; /* in the output block */
    size_t          workspace_bytes; /* of the device, all but weights and what tuning took for a while */
    error           failure; /* of slots that have failed */
    char            description[192];
};

/* ---- what it runs ---- */

static status check(const model_description *d, backend_reserve reserve, error *err)
{
    const model_shape *s = &d->shape;
    const int width = s->heads > 0 ? s->hidden / s->heads : 0;
    if ((width != 32 && width != 64) || width * s->heads != s->hidden)
        return fail(err, BAD_INPUT, "%s: heads of width %d (hidden %d, heads %d), wanted 32 or 64 on a GPU", d->name,
                    width, s->hidden, s->heads);
    if (s->hidden > KERNEL_HIDDEN_MAX)
        return fail(err, BAD_INPUT, "%s: hidden %d, wanted at most %d on a GPU", d->name, s->hidden, KERNEL_HIDDEN_MAX);
    if (s->inner % 8)
        return fail(err, BAD_INPUT, "%s: inner %d, wanted a multiple of 8 on a GPU", d->name, s->inner);
    if (s->positions > UINT16_MAX)
        return fail(err, BAD_INPUT, "%s: %d positions, wanted at most %d on a GPU", d->name, s->positions, UINT16_MAX);
    if (d->task == TASK_EMBED && (d->pooling < 1 || d->pooling > POOLING_ALL ||
                                  d->dimensions != s->hidden * __builtin_popcount((unsigned)d->pooling)))
        return fail(err, BAD_INPUT, "%s: %d dimensions, wanted %d for each pooling in %#x", d->name, d->dimensions,
                    s->hidden, (unsigned)d->pooling);
    if (d->task != TASK_EMBED && d->n_labels < 1)
        return fail(err, BAD_INPUT, "%s: %d labels, wanted at least 1", d->name, d->n_labels);
    if (reserve.max_tokens < 1 || reserve.max_sequences < 1)
        return fail(err, BAD_INPUT, "a batch of %d tokens and %d sequences: wanted at least 1 of each",
                    reserve.max_tokens, reserve.max_sequences);
    return OK;
}

static int bucket_of(const backend *b, int tokens)
{
    int i = 0;
    while (b->buckets[i].input.tokens < tokens) i++;
    return i;
}

/* ---- a batch on its way ---- */

static status send(backend *b, slot *s, int which, const batch *in, error *err)
{
    const bucket *k = &b->buckets[which];
    const size_t  bytes = b->rows_at + (size_t)in->S * (size_t)b->columns * sizeof(float);
    cuda_device  *d = b->device;
    cuda_input_fill(&k->input, s->host_in, in);
    status rc = cuda_device_copy_in(d, s->device_in, s->host_in, k->input.bytes, b->copy_in, err);
    if (rc == OK) rc = cuda_device_record(d, s->copied_in, b->copy_in, err);
    if (rc == OK) rc = cuda_device_wait(d, b->compute, s->copied_in, err);
    if (rc == OK) rc = cuda_device_launch(d, k->graph[s - b->slots], b->compute, err);
    if (rc == OK) rc = cuda_device_record(d, s->computed, b->compute, err);
    if (rc == OK) rc = cuda_device_wait(d, b->copy_out, s->computed, err);
    if (rc == OK) rc = cuda_device_copy_out(d, s->host_out, s->device_out, bytes, b->copy_out, err);
    if (rc == OK) rc = cuda_device_record(d, s->copied_out, b->copy_out, err);
    return rc;
}

/* After a failure part of a batch may still be under way, and the slot must not be filled while a copy reads it: asks
 * the streams until they are idle.  Returns `why`, or GPU_LOST when that does not come about. */
static status settle(backend *b, status why, error *err)
{
    const kernel_stream   streams[] = {b->copy_in, b->compute, b->copy_out};
    const struct timespec pause = {.tv_nsec = 50000};
    const int64_t         end_ns = clock_ns() + SETTLE_NS;
    const error           first = *err;
    for (size_t i = 0; i < sizeof streams / sizeof *streams; i++) {
        status rc;
        while ((rc = cuda_device_idle(b->device, streams[i], err)) == PENDING && clock_ns() < end_ns)
            nanosleep(&pause, NULL);
        if (rc == PENDING) rc = cuda_device_condemn(b->device, "the GPU did not finish what a failed batch left", err);
        if (rc == GPU_LOST) return rc;
    }
    *err = first;
    return why;
}

static status cuda_submit(backend *b, int number, const batch *in, error *err)
{
    if (number < 0 || number >= SLOTS) return fail(err, BAD_INPUT, "slot %d, wanted 0 to %d", number, SLOTS - 1);
    slot *s = &b->slots[number];
    if (s->sequences) return fail(err, BAD_INPUT, "slot %d holds a batch that was not collected", number);
    status rc = batch_check(in, &b->shape, b->max_tokens, b->max_sequences, err);
    if (rc != OK) return rc;
    rc = send(b, s, bucket_of(b, in->T), in, err);
    if (rc != OK) return settle(b, rc, err);
    s->sequences = in->S;
    return OK;
}

/* What fails while it runs is reported by whatever asks next, and CUDA does not say whose work it was: every batch in
 * flight is lost then, rather than that one of them is answered with what happens to be in its rows. */
static void fail_all(backend *b, status why, error *err)
{
    why = settle(b, why, err);
    b->failure = *err;
    for (int i = 0; i < SLOTS; i++)
        if (b->slots[i].sequences) b->slots[i].failed = why;
}

static status cuda_collect(backend *b, int number, float *out, uint8_t *finite, error *err)
{
    if (number < 0 || number >= SLOTS || !b->slots[number].sequences)
        return fail(err, BAD_INPUT, "slot %d holds no batch", number);
    slot *s = &b->slots[number];
    if (s->failed == OK) {
        const status rc = cuda_device_done(b->device, s->copied_out, err);
        if (rc == PENDING) return rc;
        if (rc != OK) fail_all(b, rc, err);
    }
    const size_t S = (size_t)s->sequences;
    const status rc = s->failed;
    s->sequences = 0;
    s->failed = OK;
    if (rc != OK) {
        *err = b->failure;
        return rc;
    }
    memcpy(finite, s->host_out, S);
    memcpy(out, (const char *)s->host_out + b->rows_at, S * (size_t)b->columns * sizeof *out);
    return OK;
}

/* ---- open: memory ---- */

static status make_buckets(backend *b, error *err)
{
    b->n_buckets = cuda_input_buckets(b->max_tokens, NULL, 0);
    b->buckets = calloc((size_t)b->n_buckets, sizeof *b->buckets);
    int *tokens = calloc((size_t)b->n_buckets, sizeof *tokens);
    if (b->buckets && tokens) {
        cuda_input_buckets(b->max_tokens, tokens, b->n_buckets);
        for (int i = 0; i < b->n_buckets; i++)
            b->buckets[i].input =
                cuda_input_layout_of(tokens[i], tokens[i] < b->max_sequences ? tokens[i] : b->max_sequences);
    }
    const status rc = b->buckets && tokens ? OK : fail(err, NO_MEMORY, "no memory for %d buckets", b->n_buckets);
    free(tokens);
    return rc;
}

static status open_streams(backend *b, error *err)
{
    status rc = cuda_device_stream(b->device, &b->copy_in, err);
    if (rc == OK) rc = cuda_device_stream(b->device, &b->compute, err);
    if (rc == OK) rc = cuda_device_stream(b->device, &b->copy_out, err);
    return rc;
}

static status open_slot(backend *b, slot *s, error *err)
{
    const int    numbers = b->columns > b->shape.hidden ? b->columns : b->shape.hidden; /* choose_gelu() pools */
    const size_t S = (size_t)b->max_sequences, in = b->buckets[b->n_buckets - 1].input.bytes;
    const size_t out = b->rows_at + S * (size_t)numbers * sizeof(float);
    cuda_device *d = b->device;
    status rc = cuda_device_pinned(d, &s->host_in, in, "a batch's input", err);
    if (rc == OK) rc = cuda_device_pinned(d, &s->host_out, out, "a batch's rows", err);
    if (rc == OK) rc = cuda_device_memory(d, &s->device_in, in, "a batch's input", err);
    if (rc == OK) rc = cuda_device_memory(d, &s->device_out, out, "a batch's rows", err);
    if (rc == OK) rc = cuda_device_event(d, &s->copied_in, err);
    if (rc == OK) rc = cuda_device_event(d, &s->computed, err);
    if (rc == OK) rc = cuda_device_event(d, &s->copied_out, err);
    if (rc == OK) memset(s->host_in, 0, in); /* a block is copied whole, also where a batch ends before it */
    return rc;
}

static cuda_forward_ends ends_of(const backend *b, const slot *s)
{
    return (cuda_forward_ends){s->device_in, (float *)(void *)((char *)s->device_out + b->rows_at), s->device_out};
}

/* ---- open: which GELU ---- */

typedef struct {
    int32_t ids[GOLDEN_TOKENS], starts[GOLDEN_SEQUENCES + 1];
    uint8_t normalize[GOLDEN_SEQUENCES];
    batch   in;
} golden;

/* Short and long texts of tokens from the whole vocabulary, as many as the reserve allows. */
static void make_golden(golden *g, const backend *b)
{
    static const int lengths[GOLDEN_SEQUENCES] = {32, 3, 16, 24, 9, 12, 20, 12}; /* GOLDEN_TOKENS together */
    *g = (golden){.in = {.ids = g->ids, .starts = g->starts, .normalize = g->normalize}};
    for (int s = 0; s < GOLDEN_SEQUENCES && s < b->max_sequences; s++) {
        int n = lengths[s] < b->shape.positions ? lengths[s] : b->shape.positions;
        if (n > b->max_tokens - g->in.T) n = b->max_tokens - g->in.T;
        if (n == 0) break;
        for (int i = 0; i < n; i++, g->in.T++)
            g->ids[g->in.T] = (int32_t)((int64_t)(g->in.T + 1) * 7919 % b->shape.vocab);
        g->starts[++g->in.S] = g->in.T;
        if (n > g->in.longest) g->in.longest = n;
    }
}

/* The golden batch once, as it is, with the library's first algorithms; rows [S, numbers] are left in slot 0. */
static status run_golden(backend *b, const golden *g, cuda_gemm_then gelu, int numbers, error *err)
{
    slot         *s = &b->slots[0];
    const bucket *k = &b->buckets[bucket_of(b, g->in.T)];
    cuda_products products;
    b->forward.activation = gelu;
    cuda_input_fill(&k->input, s->host_in, &g->in);
    status rc = cuda_forward_guess(&b->forward, k->input.tokens, &products, err);
    if (rc == OK) rc = cuda_device_copy_in(b->device, s->device_in, s->host_in, k->input.bytes, b->compute, err);
    if (rc == OK) rc = cuda_forward_queue(&b->forward, &k->input, &products, ends_of(b, s), err);
    if (rc == OK)
        rc = cuda_device_copy_out(b->device, s->host_out, s->device_out,
                                  b->rows_at + (size_t)g->in.S * (size_t)numbers * sizeof(float), b->compute, err);
    return rc == OK ? cuda_device_synchronize(b->device, b->compute, err) : rc;
}

static double cosine(const float *a, const float *b, int n)
{
    double ab = 0, aa = 0, bb = 0;
    for (int i = 0; i < n; i++) {
        ab += (double)a[i] * (double)b[i];
        aa += (double)a[i] * (double)a[i];
        bb += (double)b[i] * (double)b[i];
    }
    return ab / sqrt(aa * bb);
}

/* cuBLASLt's epilogue has GELU's tanh form only, at most 4.7e-4 from the erf form; whether that shows depends on the
 * weights, so the model itself is asked: its own rows, by both.  A head is left out: one logit has no angle. */
static status choose_gelu(backend *b, error *err)
{
    const int poolings = b->forward.poolings, asked = poolings ? poolings : POOLING_CLS;
    const int numbers = b->shape.hidden * __builtin_popcount((unsigned)asked);
    golden    g;
    double    least = 1;
    make_golden(&g, b);
    const size_t bytes = (size_t)g.in.S * (size_t)numbers * sizeof(float);
    float       *erf_rows = malloc(bytes);
    const float *rows = (const float *)(const void *)((const char *)b->slots[0].host_out + b->rows_at);
    if (!erf_rows) return fail(err, NO_MEMORY, "no memory to compare %zu bytes of rows", bytes);
    b->forward.poolings = asked;
    status rc = run_golden(b, &g, CUDA_GEMM_PLAIN, numbers, err);
    if (rc == OK) {
        memcpy(erf_rows, rows, bytes);
        rc = run_golden(b, &g, CUDA_GEMM_BIAS_GELU, numbers, err);
    }
    for (int s = 0; rc == OK && s < g.in.S; s++) {
        const double seen = cosine(erf_rows + s * numbers, rows + s * numbers, numbers);
        if (!(seen >= least)) least = seen; /* NaN counts as worse */
    }
    b->forward.poolings = poolings;
    b->forward.activation = least >= GELU_COSINE ? CUDA_GEMM_BIAS_GELU : CUDA_GEMM_PLAIN;
    free(erf_rows);
    return rc;
}

/* ---- open: algorithms and graphs ---- */

static status tune_buckets(backend *b, cuda_tune *t, error *err)
{
    slot  *s = &b->slots[0];
    status rc = OK;
    for (int i = 0; rc == OK && i < b->n_buckets; i++) {
        const int tokens = b->buckets[i].input.tokens;
        *(cuda_input_header *)s->host_in = (cuda_input_header){.T = tokens};
        rc = cuda_device_copy_in(b->device, s->device_in, s->host_in, sizeof(cuda_input_header), b->compute, err);
        if (rc == OK) rc = cuda_device_synchronize(b->device, b->compute, err);
        if (rc == OK) rc = cuda_forward_tune(&b->forward, t, tokens, s->device_in, &b->buckets[i].products, err);
    }
    return rc;
}

static void note_tuning(backend_reserve reserve, cuda_tune_counts n, const char *path)
{
    char line[400];
    if (!reserve.note || n.timed + n.guessed == 0) return;
    snprintf(line, sizeof line, "products: %d known, %d timed in %.1f s, %d left to the library's guess; %s%.200s",
             n.found, n.timed, (double)n.spent_ns * 1e-9, n.guessed, *path ? "kept in " : "not kept", path);
    reserve.note(line);
}

static status tune(backend *b, backend_reserve reserve, error *err)
{
    const cuda_device_facts *f = cuda_device_about(b->device);
    cuda_choices *choices = NULL;
    cuda_tune    *t = NULL;
    char          identity[320];
    snprintf(identity, sizeof identity, "cublasLt %zu, runtime %d, driver %d, sm_%d%d, %s, %s, workspace %zu",
             cuda_gemm_version(), f->runtime, f->driver, f->major, f->minor, f->name,
             b->element == ELEMENT_F16 ? "float16" : "bfloat16", b->forward.gemm.workspace_bytes);
    status rc = cuda_choices_open(&choices, reserve.cache_dir, identity, reserve.note, err);
    if (rc == OK)
        rc = cuda_tune_open(&t, (cuda_tune_setup){b->device, &b->forward.gemm, b->compute, choices, TUNE_NS}, err);
    if (rc == OK) rc = tune_buckets(b, t, err);
    if (rc == OK) {
        cuda_choices_save(choices);
        note_tuning(reserve, cuda_tune_counted(t), cuda_choices_path(choices));
    }
    cuda_tune_close(t);
    cuda_choices_close(choices);
    return rc;
}

static status capture(backend *b, bucket *k, int number, error *err)
{
    status rc = cuda_device_capture(b->device, b->compute, err);
    if (rc != OK) return rc;
    rc = cuda_forward_queue(&b->forward, &k->input, &k->products, ends_of(b, &b->slots[number]), err);
    if (rc == OK) return cuda_device_captured(b->device, b->compute, &k->graph[number], err);
    cuda_device_abandon(b->device, b->compute);
    return rc;
}

/* A bucket's list runs once as it is, so that nothing is left for the driver to load within a capture; then each graph
 * runs once, by the way of any batch. */
static status make_graphs(backend *b, error *err)
{
    static const int32_t ids[] = {0}, starts[] = {0, 1};
    static const uint8_t normalize[] = {1};
    const batch one = {.S = 1, .T = 1, .longest = 1, .ids = ids, .starts = starts, .normalize = normalize};
    slot  *s = &b->slots[0];
    status rc = OK;
    for (int i = 0; rc == OK && i < b->n_buckets; i++) {
        bucket *k = &b->buckets[i];
        cuda_input_fill(&k->input, s->host_in, &one);
        rc = cuda_device_copy_in(b->device, s->device_in, s->host_in, k->input.bytes, b->compute, err);
        if (rc == OK) rc = cuda_forward_queue(&b->forward, &k->input, &k->products, ends_of(b, s), err);
        if (rc == OK) rc = cuda_device_synchronize(b->device, b->compute, err);
        for (int number = 0; rc == OK && number < SLOTS; number++) {
            rc = capture(b, k, number, err);
            if (rc == OK) rc = cuda_device_upload(b->device, k->graph[number], b->compute, err);
            if (rc == OK) rc = send(b, &b->slots[number], i, &one, err);
            if (rc == OK) rc = cuda_device_synchronize(b->device, b->copy_out, err);
        }
    }
    return rc;
}

/* ---- open and close ---- */

static void cuda_close(backend *b)
{
    if (!b) return;
    cuda_forward_close(&b->forward);
    cuda_weights_close(b->weights);
    cuda_device_close(b->device);
    free(b->buckets);
    free(b);
}

static status build(backend *b, const model *m, backend_reserve reserve, error *err)
{
    status rc = open_streams(b, err);
    if (rc == OK) rc = make_buckets(b, err);
    if (rc == OK) rc = cuda_weights_open(&b->weights, b->device, m, b->element, err);
    if (rc == OK)
        rc = cuda_forward_open(&b->forward, b->device, b->compute, b->weights, &m->description,
                               b->buckets[b->n_buckets - 1].input.tokens, err);
    for (int i = 0; rc == OK && i < SLOTS; i++) rc = open_slot(b, &b->slots[i], err);
    if (rc == OK) b->workspace_bytes = cuda_device_taken(b->device) - b->weights->bytes;
    if (rc == OK && m->description.act == ACTIVATION_GELU) rc = choose_gelu(b, err);
    if (rc == OK) rc = tune(b, reserve, err);
    return rc == OK ? make_graphs(b, err) : rc;
}

static status choose_element(element_type *out, const model_description *d, const char *declared, error *err)
{
    *out = d->precision == PRECISION_F16 ? ELEMENT_F16 : ELEMENT_BF16;
    if (!declared) return OK;
    if (strcmp(declared, "float16") && strcmp(declared, "bfloat16"))
        return fail(err, BAD_INPUT, "%s: precision %s, a GPU runs float16 and bfloat16", d->name, declared);
    *out = strcmp(declared, "float16") ? ELEMENT_BF16 : ELEMENT_F16;
    return OK;
}

static status cuda_open(backend **out, const model *m, backend_reserve reserve, error *err)
{
    const model_description *d = &m->description;
    backend *b = calloc(1, sizeof *b);
    *out = NULL;
    if (!b) return fail(err, NO_MEMORY, "%s: no memory", d->name);
    status rc = cuda_device_open(&b->device, err); /* first: without a device no model is refused */
    if (rc == OK) rc = check(d, reserve, err);
    if (rc == OK) rc = choose_element(&b->element, d, reserve.precision, err);
    if (rc != OK) goto done;
    b->shape = d->shape;
    b->max_tokens = reserve.max_tokens;
    b->max_sequences = reserve.max_sequences;
    b->columns = backend_columns(d);
    b->rows_at = ((size_t)reserve.max_sequences + FINITE_ALIGNMENT - 1) / FINITE_ALIGNMENT * FINITE_ALIGNMENT;
    const cuda_device_facts *f = cuda_device_about(b->device);
    snprintf(b->description, sizeof b->description, "%s, sm_%d%d, CUDA %d.%d", f->name, f->major, f->minor,
             f->runtime / 1000, f->runtime % 1000 / 10);
    rc = build(b, m, reserve, err);
    if (rc == GPU_FAILED) rc = GPU_LOST; /* no batch was asked for: the device does not do what every start needs */
done:
    if (rc != OK) cuda_close(b);
    else *out = b;
    return rc;
}

static const char *cuda_describe(const backend *b)
{
    return b->description;
}

static const char *cuda_precision(const backend *b)
{
    return b->element == ELEMENT_F16 ? "float16" : "bfloat16";
}

/* Of the weights what the shape says; of all else what b has taken, in the ratio of a token's activations. */
static void cuda_room(const backend *b, const model_description *d, int64_t *wanted, int64_t *available)
{
    const model_shape *s = &d->shape, *mine = &b->shape;
    const int64_t h = s->hidden, i = s->inner, head = d->task == TASK_EMBED ? 0 : h * (h + 1 + d->n_labels);
    const int64_t layer = h * (4 * h + 2 * i) + 4 * h + i + 10 * h; /* numbers of float32 count as two */
    const int64_t weights = (s->vocab + s->positions + s->types) * h + s->layers * layer + head;
    const double  ratio = (double)(6 * h + i) / (6.0 * mine->hidden + mine->inner);
    *wanted = weights * (int64_t)sizeof(uint16_t) +
              (int64_t)((ratio > 1 ? ratio : 1) * (double)b->workspace_bytes);
    *available = cuda_device_available();
}

__attribute__((visibility("default"))) const backend_ops beeline_backend = {
    .abi = BACKEND_ABI, .name = "cuda", .slots = SLOTS, .open = cuda_open, .submit = cuda_submit,
    .collect = cuda_collect, .close = cuda_close, .describe = cuda_describe, .precision = cuda_precision,
    .room = cuda_room,
};
