/* The whole encoder: a tiny model made in memory, against the same steps done with the plain loops. */
#include <CUnit/CUnit.h>
#include <errno.h>
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "runtime/backend/backend.h"
#include "tests/support/kernel_sets.h"

/* ---- every allocation of the process passes here; counted while `counting` ---- */

static atomic_bool counting;
static atomic_int  allocations;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { CAN_COUNT = 0 }; /* the sanitizer's own allocator stands here */
#else
enum { CAN_COUNT = 1 };
void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);
void *__libc_memalign(size_t alignment, size_t n);

static void count(void)
{
    if (atomic_load_explicit(&counting, memory_order_relaxed)) atomic_fetch_add(&allocations, 1);
}

void *malloc(size_t n)
{
    count();
    return __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
    count();
    return __libc_calloc(n, size);
}

void *realloc(void *p, size_t n)
{
    count();
    return __libc_realloc(p, n);
}

void *aligned_alloc(size_t alignment, size_t n)
{
    count();
    return __libc_memalign(alignment, n);
}

int posix_memalign(void **out, size_t alignment, size_t n)
{
    count();
    *out = __libc_memalign(alignment, n);
    return *out ? 0 : ENOMEM;
}
#endif

/* ---- a tiny model, every width off the vectors' ---- */

enum {
    LAYERS = 2, H = 39, HEADS = 3, INNER = 37, WORDS = 50, POSITIONS = 140, TYPES = 2, /* beyond one block of queries */
    MOST_TENSORS = 5 + 16 * LAYERS + 4, LABELS = 19, /* LABELS: a panel and a part of one */ MOST_TOKENS = 400, MOST_SEQUENCES = 8,
};

typedef struct {
    model         m;
    layer_weights layers[LAYERS];
    tensor        tensors[MOST_TENSORS];
    int           n;
} tiny;

static void add(tiny *t, const tensor **field, int rows, int columns, float scale, float offset)
{
    tensor *one = &t->tensors[t->n];
    size_t  n = (size_t)rows * (size_t)columns;
    float  *data = random_floats(n, 100u + (unsigned)t->n);
    for (size_t i = 0; i < n; i++) data[i] = offset + scale * data[i];
    *one = (tensor){.name = "tiny", .data = (uint8_t *)data, .type = DTYPE_F32, .rank = 2,
                    .shape = {rows, columns}, .elements = n};
    *field = one;
    t->n++;
}

static tiny *tiny_make(int poolings, activation act)
{
    tiny *t = calloc(1, sizeof *t);
    t->m.layer = t->layers;
    t->m.description = (model_description){
        .name = "tiny", .shape = {LAYERS, H, HEADS, INNER, WORDS, POSITIONS, TYPES}, .task = TASK_EMBED,
        .layer_norm_eps = 1e-6f, .act = act, .pooling = poolings, .max_tokens = POSITIONS,
        .dimensions = H * __builtin_popcount((unsigned)poolings)};
    embedding_weights *e = &t->m.embedding;
    add(t, &e->word, WORDS, H, 1, 0);
    add(t, &e->position, POSITIONS, H, 0.3f, 0);
    add(t, &e->type, TYPES, H, 0.3f, 0);
    add(t, &e->norm_gamma, 1, H, 0.2f, 1);
    add(t, &e->norm_beta, 1, H, 0.2f, 0);
    for (int i = 0; i < LAYERS; i++) {
        layer_weights *l = &t->layers[i];
        const tensor **square[] = {&l->query_w, &l->key_w, &l->value_w, &l->attention_out_w};
        const tensor **row[] = {&l->query_b, &l->key_b, &l->value_b, &l->attention_out_b, &l->norm1_beta,
                                &l->outer_b, &l->norm2_beta};
        for (size_t n = 0; n < sizeof square / sizeof *square; n++) add(t, square[n], H, H, 0.4f, 0);
        for (size_t n = 0; n < sizeof row / sizeof *row; n++) add(t, row[n], 1, H, 0.2f, 0);
        add(t, &l->norm1_gamma, 1, H, 0.2f, 1);
        add(t, &l->norm2_gamma, 1, H, 0.2f, 1);
        add(t, &l->inner_w, INNER, H, 0.4f, 0);
        add(t, &l->inner_b, 1, INNER, 0.2f, 0);
        add(t, &l->outer_w, H, INNER, 0.3f, 0);
    }
    return t;
}

/* The same encoder with a head on its first token. */
static tiny *tiny_with_head(int labels)
{
    tiny *t = tiny_make(0, ACTIVATION_GELU);
    t->m.description.task = labels == 1 ? TASK_RERANK : TASK_CLASSIFY;
    t->m.description.n_labels = labels;
    add(t, &t->m.head.pooler_w, H, H, 0.3f, 0);
    add(t, &t->m.head.pooler_b, 1, H, 0.3f, 0);
    add(t, &t->m.head.classifier_w, labels, H, 0.5f, 0);
    add(t, &t->m.head.classifier_b, 1, labels, 0.5f, 0);
    return t;
}

static void tiny_free(tiny *t)
{
    for (int i = 0; t && i < t->n; i++) free((void *)t->tensors[i].data);
    free(t);
}

/* Ends `t`. */
static backend *open_backend_at(tiny *t, int threads, const char *kernel, const char *precision)
{
    backend *b = NULL;
    error    err = {""};
    const backend_reserve reserve = {
        .max_tokens = MOST_TOKENS, .max_sequences = MOST_SEQUENCES, .threads = threads, .kernel = kernel,
        .precision = precision};
    CU_ASSERT_EQUAL(backend_cpu.open(&b, &t->m, reserve, &err), OK);
    for (int i = 0; i < t->n; i++) memset((void *)t->tensors[i].data, 0xff, t->tensors[i].elements * sizeof(float));
    tiny_free(t); /* here, and overwritten: a backend that kept a pointer would show it in every test below */
    return b;
}

static backend *open_backend(tiny *t, int threads, const char *kernel)
{
    return open_backend_at(t, threads, kernel, NULL);
}

static backend *open_tiny(int poolings, activation act, int threads, const char *kernel)
{
    return open_backend(tiny_make(poolings, act), threads, kernel);
}

/* ---- a batch ---- */

typedef struct {
    int32_t ids[MOST_TOKENS], starts[MOST_SEQUENCES + 1];
    int8_t  types[MOST_TOKENS];
    uint8_t normalize[MOST_SEQUENCES];
    batch   in;
} texts;

/* Of text number n, which has the same ids in every batch. */
static const int lengths[MOST_SEQUENCES] = {17, 1, 140, 2, 33, 90, 5, 16};

static void pack_texts(texts *t, const int *text_of, int n)
{
    memset(t, 0, sizeof *t);
    t->in = (batch){.S = n, .ids = t->ids, .types = t->types, .starts = t->starts, .normalize = t->normalize};
    for (int s = 0; s < n; s++) {
        const int text = text_of[s];
        for (int i = 0; i < lengths[text]; i++, t->in.T++) {
            t->ids[t->in.T] = (text * 13 + i * i * 7 + i) % WORDS;
            t->types[t->in.T] = (int8_t)(i > lengths[text] / 2);
        }
        t->normalize[s] = (uint8_t)(text % 2);
        t->starts[s + 1] = t->in.T;
        if (lengths[text] > t->in.longest) t->in.longest = lengths[text];
    }
}

static void pack(texts *t, int first, int n)
{
    static const int every[] = {0, 1, 2, 3, 4, 5, 6, 7};
    pack_texts(t, every + first, n);
}

/* ---- the truth ---- */

static const float *data(const tensor *t) { return (const float *)(const void *)t->data; }

static void dense(const float *in, int K, const tensor *w, const tensor *b, const float *residual, gemm_activation act,
                  float *out, int N, size_t out_stride, int T)
{
    gemm g = {.M = T, .K = K, .N = N, .a = in, .a_stride = (size_t)K, .bias = data(b), .residual = residual,
              .residual_stride = (size_t)N, .c = out, .c_stride = out_stride, .activation = act};
    gemm_plain(&g, data(w));
}

static void norm(float *x, const tensor *gamma, const tensor *beta, float eps, int T)
{
    layer_norm l = {x, x, H, H, H, data(gamma), data(beta), eps};
    layer_norm_plain(&l, 0, T);
}

/* logits = classifier tanh(pooler x + pooler_b) + classifier_b, in float64 */
static void head_plain(const tiny *t, const float *x, float *out)
{
    const head_weights *w = &t->m.head;
    double              pooled[H];
    for (int i = 0; i < H; i++) {
        pooled[i] = (double)data(w->pooler_b)[i];
        for (int k = 0; k < H; k++) pooled[i] += (double)data(w->pooler_w)[i * H + k] * (double)x[k];
        pooled[i] = tanh(pooled[i]);
    }
    for (int l = 0; l < t->m.description.n_labels; l++) {
        double sum = (double)data(w->classifier_b)[l];
        for (int k = 0; k < H; k++) sum += (double)data(w->classifier_w)[l * H + k] * pooled[k];
        out[l] = (float)sum;
    }
}

static void encode_plain(const tiny *t, const batch *in, gemm_activation act, float *out)
{
    static float x[MOST_TOKENS * H], y[MOST_TOKENS * H], qkv[MOST_TOKENS * 3 * H], inner[MOST_TOKENS * INNER];
    int32_t      positions[MOST_TOKENS];
    const float  eps = t->m.description.layer_norm_eps;
    for (int s = 0; s < in->S; s++)
        for (int i = in->starts[s]; i < in->starts[s + 1]; i++) positions[i] = i - in->starts[s];
    const embedding_weights *w = &t->m.embedding;
    embed e = {in->ids, positions, in->types, data(w->word), data(w->position), data(w->type),
               {x, x, H, H, H, data(w->norm_gamma), data(w->norm_beta), eps}};
    embed_plain(&e, 0, in->T);
    for (int i = 0; i < LAYERS; i++) {
        const layer_weights *l = &t->layers[i];
        dense(x, H, l->query_w, l->query_b, NULL, GEMM_LINEAR, qkv, H, 3 * H, in->T);
        dense(x, H, l->key_w, l->key_b, NULL, GEMM_LINEAR, qkv + H, H, 3 * H, in->T);
        dense(x, H, l->value_w, l->value_b, NULL, GEMM_LINEAR, qkv + 2 * H, H, 3 * H, in->T);
        attention a = {qkv, y, 3 * H, H, HEADS, H / HEADS};
        for (int s = 0; s < in->S; s++) attention_plain(&a, in->starts[s], in->starts[s + 1] - in->starts[s]);
        dense(y, H, l->attention_out_w, l->attention_out_b, x, GEMM_LINEAR, x, H, H, in->T);
        norm(x, l->norm1_gamma, l->norm1_beta, eps, in->T);
        dense(x, H, l->inner_w, l->inner_b, NULL, act, inner, INNER, INNER, in->T);
        dense(inner, INNER, l->outer_w, l->outer_b, x, GEMM_LINEAR, x, H, H, in->T);
        norm(x, l->norm2_gamma, l->norm2_beta, eps, in->T);
    }
    const int labels = t->m.description.n_labels;
    for (int s = 0; labels && s < in->S; s++) head_plain(t, x + in->starts[s] * H, out + s * labels);
    if (labels) return;
    pool p = {x, H, in->starts, in->normalize, out, H, t->m.description.pooling};
    pool_plain(&p, 0, in->S);
}

static double worst(const float *out, const float *want, size_t n)
{
    double most = 0;
    for (size_t i = 0; i < n; i++) {
        double d = fabs((double)out[i] - (double)want[i]);
        if (!(d <= most)) most = d;
    }
    return most;
}

static float out[MOST_SEQUENCES * 6 * H], want[MOST_SEQUENCES * 6 * H];

static void compare(const char *kernel, int poolings, activation act, gemm_activation plain)
{
    texts    in;
    error    err;
    tiny    *t = tiny_make(poolings, act);
    backend *b = open_tiny(poolings, act, 2, kernel);
    pack(&in, 0, MOST_SEQUENCES);
    encode_plain(t, &in.in, plain, want);
    CU_ASSERT_EQUAL(backend_forward(&backend_cpu, b, &in.in, out, &err), OK);
    const size_t floats = (size_t)(MOST_SEQUENCES * t->m.description.dimensions);
    CU_ASSERT(worst(out, want, floats) <= 2e-5); /* max and sums reach 20 */
    backend_cpu.close(b);
    tiny_free(t);
}

/* ---- claims ---- */

static void check_poolings(const kernels *k)
{
    for (int pooling = POOL_CLS; pooling <= POOL_LAST; pooling <<= 1)
        compare(k->name, pooling, ACTIVATION_GELU, GEMM_GELU);
    compare(k->name, POOL_CLS | POOL_MEAN, ACTIVATION_GELU, GEMM_GELU);
    compare(k->name, POOLING_ALL, ACTIVATION_GELU, GEMM_GELU);
}

static void check_activations(const kernels *k)
{
    compare(k->name, POOL_MEAN, ACTIVATION_GELU_TANH, GEMM_GELU_TANH);
    compare(k->name, POOL_MEAN, ACTIVATION_RELU, GEMM_RELU);
}

/* One that two threads cannot share without a cut, and one that they can, in another order. */
static const int companies[][MOST_SEQUENCES] = {{0, 1, 2, 3, 4, 5, 6, 7}, {7, 5, 4, 0, 0, 7, 5, 4}};

static void check_heads(const kernels *k)
{
    static const int labels[] = {1, 3, LABELS};
    for (size_t i = 0; i < sizeof labels / sizeof *labels; i++) {
        texts    in;
        error    err;
        uint8_t  finite[MOST_SEQUENCES] = {0};
        tiny    *t = tiny_with_head(labels[i]);
        const model_description d = t->m.description;
        pack(&in, 0, MOST_SEQUENCES);
        encode_plain(t, &in.in, GEMM_GELU, want);
        backend *b = open_backend(t, 2, k->name);
        CU_ASSERT_EQUAL_FATAL(backend_columns(&d), labels[i]);
        CU_ASSERT_EQUAL(backend_cpu.submit(b, 0, &in.in, &err), OK);
        CU_ASSERT_EQUAL(backend_cpu.collect(b, 0, out, finite, &err), OK);
        CU_ASSERT(worst(out, want, (size_t)(MOST_SEQUENCES * labels[i])) <= 1e-5);
        texts even;
        float dealt[MOST_SEQUENCES * LABELS];
        pack_texts(&even, companies[1], MOST_SEQUENCES);
        CU_ASSERT_EQUAL(backend_forward(&backend_cpu, b, &even.in, dealt, &err), OK);
        for (int s = 0; s < MOST_SEQUENCES; s++)
            CU_ASSERT_EQUAL(memcmp(dealt + s * labels[i], out + companies[1][s] * labels[i],
                                   (size_t)labels[i] * sizeof *dealt), 0);
        for (int s = 0; s < MOST_SEQUENCES; s++) CU_ASSERT_EQUAL(finite[s], 1);
        for (int s = 0; s < MOST_SEQUENCES; s++) { /* and alone the same bits */
            float alone[LABELS];
            pack(&in, s, 1);
            CU_ASSERT_EQUAL(backend_forward(&backend_cpu, b, &in.in, alone, &err), OK);
            CU_ASSERT_EQUAL(memcmp(alone, out + s * labels[i], (size_t)labels[i] * sizeof *alone), 0);
        }
        backend_cpu.close(b);
    }
}

static void heads_agree(void) { kernel_sets_each(check_heads); }
static void every_pooling_agrees(void) { kernel_sets_each(check_poolings); }
static void every_activation_agrees(void) { kernel_sets_each(check_activations); }

static void check_company_at(const kernels *k, const char *precision, int threads)
{
    texts    in;
    error    err;
    backend *b = open_backend_at(tiny_make(POOL_MEAN, ACTIVATION_GELU), threads, k->name, precision);
    for (size_t i = 0; i < sizeof companies / sizeof *companies; i++) {
        pack_texts(&in, companies[i], MOST_SEQUENCES);
        CU_ASSERT_EQUAL(backend_forward(&backend_cpu, b, &in.in, out, &err), OK);
        for (int s = 0; s < MOST_SEQUENCES; s++) {
            float alone[H];
            pack(&in, companies[i][s], 1);
            CU_ASSERT_EQUAL(backend_forward(&backend_cpu, b, &in.in, alone, &err), OK);
            CU_ASSERT_EQUAL(memcmp(alone, out + s * H, sizeof alone), 0);
        }
    }
    backend_cpu.close(b);
}

static void check_company(const kernels *k)
{
    static const int threads[] = {1, 2, 3, 7};
    for (size_t i = 0; i < sizeof threads / sizeof *threads; i++) {
        check_company_at(k, "float32", threads[i]);
        check_company_at(k, "bfloat16", threads[i]);
        check_company_at(k, "int8", threads[i]);
    }
}

static void a_text_has_the_same_bits_alone_and_in_company(void) { kernel_sets_each(check_company); }

/* The declared precision, whatever the set; float16 is a GPU's, and wider here. */
static void check_precision(const kernels *k)
{
    static const struct { const char *declared, *runs; double error; } rows[] = {
        {NULL, "float32", 1e-6}, {"float32", "float32", 1e-6}, {"float16", "float32", 1e-6},
        {"bfloat16", "bfloat16", 0.02}, {"int8", "int8", 0.06}};
    texts in;
    error err;
    float first[MOST_SEQUENCES * H];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        backend *b = open_backend_at(tiny_make(POOL_MEAN, ACTIVATION_GELU), 2, k->name, rows[i].declared);
        CU_ASSERT_STRING_EQUAL(backend_cpu.precision(b), rows[i].runs);
        pack(&in, 0, MOST_SEQUENCES);
        memset(in.normalize, 1, sizeof in.normalize);
        CU_ASSERT_EQUAL(backend_forward(&backend_cpu, b, &in.in, out, &err), OK);
        if (!i) memcpy(first, out, sizeof first);
        double worst = 0;
        for (int n = 0; n < MOST_SEQUENCES * H; n++) worst = fmax(worst, fabs((double)out[n] - (double)first[n]));
        CU_ASSERT(worst <= rows[i].error);
        CU_ASSERT((worst > 1e-5) == (strcmp(rows[i].runs, "float32") != 0)); /* it is no float32 under another name */
        backend_cpu.close(b);
    }
}

static void a_version_runs_at_its_precision(void) { kernel_sets_each(check_precision); }

static void a_batch_allocates_nothing(void)
{
    if (!CAN_COUNT) {
        printf(" (skipped under %s: its own allocator is in the way)", BEELINE_SANITIZED);
        return;
    }
    texts    in;
    error    err;
    uint8_t  finite[MOST_SEQUENCES];
    backend *b = open_tiny(POOLING_ALL, ACTIVATION_GELU, 3, NULL);
    pack(&in, 0, MOST_SEQUENCES);
    atomic_store(&allocations, 0);
    atomic_store(&counting, true);
    void *volatile probe = malloc(1); /* else a counter that never counts would pass */
    CU_ASSERT_EQUAL(atomic_load(&allocations), 1);
    for (int i = 0; i < 20; i++) {
        CU_ASSERT_EQUAL(backend_cpu.submit(b, 0, &in.in, &err), OK);
        CU_ASSERT_EQUAL(backend_cpu.collect(b, 0, out, finite, &err), OK);
    }
    const int seen = atomic_load(&allocations);
    atomic_store(&counting, false);
    CU_ASSERT_EQUAL(seen, 1);
    free(probe);
    backend_cpu.close(b);
}

static void no_types_are_all_zero(void)
{
    texts    in;
    error    err;
    backend *b = open_tiny(POOL_MEAN, ACTIVATION_GELU, 1, NULL);
    pack(&in, 0, 3);
    CU_ASSERT_EQUAL(backend_forward(&backend_cpu, b, &in.in, want, &err), OK);
    in.in.types = NULL;
    CU_ASSERT_EQUAL(backend_forward(&backend_cpu, b, &in.in, out, &err), OK);
    CU_ASSERT(worst(out, want, H) > 1e-3); /* types count... */
    memset(in.types, 0, sizeof in.types);
    in.in.types = in.types;
    CU_ASSERT_EQUAL(backend_forward(&backend_cpu, b, &in.in, want, &err), OK);
    CU_ASSERT_EQUAL(memcmp(out, want, 3 * H * sizeof *out), 0); /* ...and none is 0 */
    backend_cpu.close(b);
}

static void check_nan(const kernels *k, const char *precision)
{
    texts    in;
    error    err;
    tiny    *t = tiny_make(POOL_MEAN, ACTIVATION_GELU);
    backend *b = NULL;
    pack(&in, 0, 3);
    for (int i = 0; i < in.in.T; i++)
        if (in.ids[i] == WORDS - 1) in.ids[i] = 0;
    in.ids[in.starts[1]] = WORDS - 1;
    ((float *)(void *)(uintptr_t)t->m.embedding.word->data)[(WORDS - 1) * H] = NAN;
    CU_ASSERT_EQUAL(backend_cpu.open(&b, &t->m, (backend_reserve){.max_tokens = MOST_TOKENS, .max_sequences = 3, .threads = 1,
                                                                .kernel = k->name, .precision = precision}, &err), OK);
    uint8_t finite[3] = {9, 9, 9};
    CU_ASSERT_EQUAL(backend_cpu.submit(b, 0, &in.in, &err), OK);
    CU_ASSERT_EQUAL(backend_cpu.collect(b, 0, out, finite, &err), OK);
    int bad[3] = {0};
    for (int i = 0; i < 3 * H; i++) bad[i / H] += !isfinite(out[i]);
    CU_ASSERT(bad[0] == 0 && bad[1] == H && bad[2] == 0);
    CU_ASSERT(finite[0] == 1 && finite[1] == 0 && finite[2] == 1);
    CU_ASSERT_EQUAL(backend_forward(&backend_cpu, b, &in.in, out, &err), NOT_FINITE);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "sequence 1 of 3"));
    backend_cpu.close(b);
    tiny_free(t);
}

static void check_nan_at_each(const kernels *k)
{
    check_nan(k, "float32");
    check_nan(k, "bfloat16");
    check_nan(k, "int8");
}

/* The model is 39 wide: whole steps of a bfloat16 product reach beyond its rows. */
static void nan_stays_with_its_text(void) { kernel_sets_each(check_nan_at_each); }

static void refuse_open(tiny *t, int tokens, int sequences, int threads, const char *kernel, const char *word)
{
    const backend_reserve reserve = {
        .max_tokens = tokens, .max_sequences = sequences, .threads = threads, .kernel = kernel};
    backend *b = (backend *)1;
    error    err = {""};
    CU_ASSERT_EQUAL(backend_cpu.open(&b, &t->m, reserve, &err), BAD_INPUT);
    CU_ASSERT_PTR_NULL(b);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, word));
}

static void what_cannot_run_is_refused_at_open(void)
{
    tiny *t = tiny_make(POOL_MEAN, ACTIVATION_GELU);
    refuse_open(t, 10, 1, 1, "sse9", "sse9");
    refuse_open(t, 10, 1, 1000, NULL, "1000");
    refuse_open(t, 0, 1, 1, NULL, "0 tokens");
    refuse_open(t, 1, 0, 1, NULL, "0 sequences");
    t->m.description.dimensions++;
    refuse_open(t, 10, 1, 1, NULL, "40 dimensions");
    t->m.description.dimensions--;
    t->m.description.task = TASK_RERANK;
    refuse_open(t, 10, 1, 1, NULL, "0 labels");
    t->m.description.task = TASK_EMBED;
    for (int i = 0; i < kernels_count(); i++)
        if (!kernels_runs_here(kernels_at(i)))
            refuse_open(t, 10, 1, 1, kernels_at(i)->name, "instructions");
    tiny_free(t);
}

static void refuse(backend *b, const texts *in, const char *word)
{
    error err = {""};
    CU_ASSERT_EQUAL(backend_forward(&backend_cpu, b, &in->in, out, &err), BAD_INPUT);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, word));
}

static void a_batch_out_of_range_is_refused(void)
{
    texts    in;
    error    err;
    backend *b = open_tiny(POOL_MEAN, ACTIVATION_GELU, 1, NULL);
    for (int id = -1; id <= WORDS; id += WORDS + 1) {
        pack(&in, 0, 2);
        in.ids[3] = id;
        refuse(b, &in, "token 3");
    }
    pack(&in, 0, 2);
    in.types[4] = TYPES;
    refuse(b, &in, "type 2");
    pack(&in, 0, 3);
    in.starts[1] = in.starts[2]; /* sequence 1 has no token */
    refuse(b, &in, "sequence 1: 0 tokens");
    pack(&in, 2, 2); /* 140 + 2 */
    in.in.S = 1;
    in.starts[1] = in.in.T;
    refuse(b, &in, "142 tokens");
    pack(&in, 0, 2);
    in.in.T = MOST_TOKENS + 1;
    refuse(b, &in, "401 tokens");
    pack(&in, 0, 2);
    in.in.S = MOST_SEQUENCES + 1;
    refuse(b, &in, "9 sequences");
    pack(&in, 0, 2);
    CU_ASSERT_EQUAL(backend_forward(&backend_cpu, b, &in.in, out, &err), OK); /* and none of it did harm */
    backend_cpu.close(b);
    backend_cpu.close(NULL);
}

static void it_says_what_it_runs_on(void)
{
    backend *b = open_tiny(POOL_MEAN, ACTIVATION_GELU, 2, "portable");
    CU_ASSERT_STRING_EQUAL(backend_cpu.describe(b), "portable, 2 threads");
    backend_cpu.close(b);
    b = open_tiny(POOL_MEAN, ACTIVATION_GELU, 1, NULL);
    CU_ASSERT_PTR_NOT_NULL(strstr(backend_cpu.describe(b), kernels_best()->name));
    CU_ASSERT_PTR_NOT_NULL(strstr(backend_cpu.describe(b), ", 1 thread"));
    CU_ASSERT_STRING_EQUAL(backend_cpu.precision(b), "float32");
    CU_ASSERT_EQUAL(backend_cpu.abi, BACKEND_ABI);
    CU_ASSERT_EQUAL(backend_cpu.slots, 1);
    CU_ASSERT_STRING_EQUAL(backend_cpu.name, "cpu");
    backend_cpu.close(b);
}

/* As a version that is to be loaded beside: what it takes grows by its weights. */
static void it_says_what_another_would_take(void)
{
    model_description d = {.task = TASK_EMBED,
                           .shape = {.vocab = 1000, .positions = 64, .types = 2, .layers = 2, .hidden = 64, .heads = 2,
                                     .inner = 128}};
    const int64_t layer = (4 * 64 * 64 + 2 * 64 * 128) * 4, words = 1066 * 64 * 4;
    int64_t wanted[2], available;
    backend *b = open_tiny(POOL_MEAN, ACTIVATION_GELU, 1, NULL);
    for (int i = 0; i < 2; i++) {
        available = 0;
        backend_cpu.room(b, &d, &wanted[i], &available);
        CU_ASSERT(wanted[i] >= words + d.shape.layers * layer);
        CU_ASSERT(available > 0);
        d.shape.layers += 10;
    }
    CU_ASSERT(wanted[1] - wanted[0] >= 10 * layer && wanted[1] - wanted[0] < 12 * layer);
    backend_cpu.close(b);
}

void backend_cpu_suite(CU_pSuite s)
{
    CU_add_test(s, "every pooling, alone and joined, agrees with the plain encoder on weights that are gone",
                every_pooling_agrees);
    CU_add_test(s, "the head of a reranker and of a classifier gives the logits of the float64 loop", heads_agree);
    CU_add_test(s, "tanh GELU and ReLU agree with the plain encoder", every_activation_agrees);
    CU_add_test(s, "a text has the same bits alone and in company, on 1 to 3 threads",
                a_text_has_the_same_bits_alone_and_in_company);
    CU_add_test(s, "a version runs at the precision that it declares, near the float32 rows, on every set",
                a_version_runs_at_its_precision);
    CU_add_test(s, "a batch allocates nothing", a_batch_allocates_nothing);
    CU_add_test(s, "types count, and no types are all 0", no_types_are_all_zero);
    CU_add_test(s, "NaN in one text stays in its row, which is marked", nan_stays_with_its_text);
    CU_add_test(s, "what it cannot run is refused at open, with nothing held", what_cannot_run_is_refused_at_open);
    CU_add_test(s, "ids, types, lengths and sizes out of range are refused before they are used",
                a_batch_out_of_range_is_refused);
    CU_add_test(s, "it says what it runs on", it_says_what_it_runs_on);
    CU_add_test(s, "it says what another version would take beside it", it_says_what_another_would_take);
}
