/* The CUDA backend on the fake device: small models against the CPU backend, slots in every order, what is refused. */
#include <CUnit/CUnit.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "runtime/backend/cuda_choices.h"
#include "tests/fake_cuda/fake_cuda.h"
#include "tests/support/small_model.h"

extern const backend_ops beeline_backend;

enum { SLOTS = 3, POLLS = 100000 };

static char notes[8][512];
static int  n_notes;
static float out[SMALL_SEQUENCES * SMALL_COLUMNS], truth[SMALL_SEQUENCES * SMALL_COLUMNS];
static uint8_t is_finite[SMALL_SEQUENCES];

static void note(const char *line)
{
    if (n_notes < 8) snprintf(notes[n_notes], sizeof notes[0], "%s", line);
    n_notes++;
}

/* What one start has timed the next need not, here as in service; removed when the program ends. */
static char *shared;

static void remove_shared(void)
{
    tiny_folder_remove(shared);
}

static const char *shared_choices(void)
{
    if (!shared) {
        shared = tiny_folder_make();
        atexit(remove_shared);
    }
    return shared;
}

/* choices: the folder of them; NULL: the shared one. */
static backend *open_cuda(const model *m, int max_tokens, int max_sequences, const char *choices)
{
    backend *b = NULL;
    error    err = {""};
    n_notes = 0;
    const backend_reserve reserve = {.max_tokens = max_tokens, .max_sequences = max_sequences, .note = note,
                                     .cache_dir = choices ? choices : shared_choices()};
    const status rc = beeline_backend.open(&b, m, reserve, &err);
    if (rc != OK) fprintf(stderr, "%s\n", err.text);
    CU_ASSERT_EQUAL_FATAL(rc, OK);
    fake_cuda_serving(true);
    return b;
}

static void close_cuda(backend *b)
{
    fake_cuda_serving(false);
    beeline_backend.close(b);
    CU_ASSERT_EQUAL(fake_cuda_held(), 0);
    fake_cuda_print_held();
}

static status collect(backend *b, int slot, float *rows, error *err)
{
    status rc = PENDING;
    for (int i = 0; i < POLLS && rc == PENDING; i++) rc = beeline_backend.collect(b, slot, rows, is_finite, err);
    return rc;
}

static status run(backend *b, int slot, const batch *in, float *rows)
{
    error  err = {""};
    status rc = beeline_backend.submit(b, slot, in, &err);
    if (rc == OK) rc = collect(b, slot, rows, &err);
    if (rc != OK) fprintf(stderr, "%s\n", err.text);
    return rc;
}

static const tiny_model narrow = {.layers = 2, .hidden = 64, .heads = 2, .inner = 96, .seed = 3};   /* heads of 32 */
static const tiny_model wide = {.layers = 1, .hidden = 128, .heads = 2, .inner = 136, .seed = 4};   /* heads of 64 */
static const int lengths[] = {17, 1, 36, 2, 66, 6}; /* 128 together: the last bucket is full */
enum { TEXTS = sizeof lengths / sizeof *lengths };

/* ---- numbers ---- */

static double bar_of(const model *m) { return m->description.precision == PRECISION_F16 ? 0.99999 : 0.9995; }

static void compare(const model *m)
{
    small_batch in;
    const int   columns = backend_columns(&m->description);
    small_batch_make(&in, lengths, TEXTS, 1);
    small_model_truth(m, &in.in, truth);
    backend *b = open_cuda(m, 128, TEXTS, NULL);
    CU_ASSERT_EQUAL(run(b, 0, &in.in, out), OK);
    const double least = small_model_cosine(out, truth, TEXTS, columns);
    if (!(least >= bar_of(m))) fprintf(stderr, "cosine %.6f\n", least);
    CU_ASSERT(least >= bar_of(m));
    for (int s = 0; s < TEXTS; s++) CU_ASSERT_EQUAL(is_finite[s], 1);
    close_cuda(b);
}

static void every_pooling_agrees(void)
{
    model *m = small_model_open(narrow);
    const int all = POOL_CLS | POOL_MEAN | POOL_MAX | POOL_MEAN_SQRT_LEN | POOL_WEIGHTED_MEAN | POOL_LAST;
    const int poolings[] = {all, all, POOL_CLS, POOL_MEAN};
    for (int i = 0; i < 4; i++) {
        small_model_pool(m, poolings[i]);
        m->description.precision = i == 1 ? PRECISION_BF16 : PRECISION_F16;
        compare(m);
    }
    model_close(m);
}

static void every_activation_agrees(void)
{
    static const activation all[] = {ACTIVATION_GELU, ACTIVATION_GELU_TANH, ACTIVATION_RELU, ACTIVATION_RELU};
    model *m = small_model_open(wide);
    small_model_pool(m, POOL_MEAN);
    for (int i = 0; i < 4; i++) {
        m->description.act = all[i];
        m->description.precision = i == 3 ? PRECISION_BF16 : PRECISION_F16;
        compare(m);
    }
    model_close(m);
}

static void compare_head(model *m, model_task task)
{
    small_batch in;
    double      worst = 0;
    small_batch_make(&in, lengths, TEXTS, 2);
    m->description.task = task;
    small_model_truth(m, &in.in, truth);
    backend *b = open_cuda(m, 128, TEXTS, NULL);
    CU_ASSERT_EQUAL(run(b, 1, &in.in, out), OK);
    for (int i = 0; i < TEXTS * m->description.n_labels; i++)
        worst = fmax(worst, fabs((double)out[i] - (double)truth[i]));
    CU_ASSERT(worst <= (m->description.precision == PRECISION_F16 ? 4e-3 : 3e-2));
    CU_ASSERT(worst > 0);
    close_cuda(b);
}

static void heads_agree(void)
{
    tiny_model one = narrow, three = wide;
    one.labels = 1;
    three.labels = 3;
    model *reranker = small_model_open(one), *classifier = small_model_open(three);
    compare_head(reranker, TASK_RERANK);
    compare_head(classifier, TASK_CLASSIFY);
    classifier->description.precision = PRECISION_BF16;
    compare_head(classifier, TASK_CLASSIFY);
    model_close(reranker);
    model_close(classifier);
}

/* ---- which form of a product ---- */

/* Starts until every product of these buckets was timed, however slow the machine; notes[0] is the last line said. */
static void learn(const model *m, int max_tokens, const char *folder)
{
    char last[sizeof notes[0]] = "";
    for (int i = 0; i < 50; i++) {
        close_cuda(open_cuda(m, max_tokens, 2, folder));
        if (n_notes == 0) break;
        memcpy(last, notes[0], sizeof last);
    }
    CU_ASSERT_EQUAL(n_notes, 0);
    memcpy(notes[0], last, sizeof last);
}

/* Does the choices' file in `folder` name a product with this ending? */
static bool was_timed(const char *folder, const char *words)
{
    char   path[64] = "", *text;
    size_t n;
    bool   found;
    const char *at = strstr(notes[0], "gemm-");
    if (at) snprintf(path, sizeof path, "%.25s", at);
    text = tiny_file_read(folder, path, &n);
    found = strstr(text, words) != NULL;
    free(text);
    return found;
}

static void gelu_is_fused_where_the_model_does_not_notice(void)
{
    char  *folder = tiny_folder_make();
    model *m = small_model_open(narrow);
    small_model_pool(m, POOL_MEAN);
    learn(m, 16, folder);
    CU_ASSERT(was_timed(folder, " gelu alone ") && !was_timed(folder, " plain alone "));
    tiny_folder_remove(folder);

    folder = tiny_folder_make();
    for (int i = 0; i < m->description.shape.layers; i++) { /* every activation where the two forms differ most */
        const layer_weights *l = &m->layer[i];
        for (size_t k = 0; k < l->inner_w->elements; k++) small_model_set(l->inner_w, k, 0);
        for (size_t k = 0; k < l->inner_b->elements; k++) small_model_set(l->inner_b, k, -2.7f);
        for (size_t k = 0; k < l->outer_w->elements; k++)
            small_model_set(l->outer_w, k, 100 * small_model_number(l->outer_w, k));
    }
    learn(m, 16, folder);
    CU_ASSERT(was_timed(folder, " plain alone ") && !was_timed(folder, " gelu alone "));
    tiny_folder_remove(folder);
    compare(m);
    model_close(m);
}

/* Says in the choices' file of `folder` that a residual in the product takes so long, and one in the norm 1 us. */
static void set_residual_us(const char *folder, float us)
{
    static const cuda_gemm_shape shapes[] = {{16, 64, 64, 0}, {16, 64, 96, 0}, {32, 64, 64, 0}, {32, 64, 96, 0}};
    char         *name = strstr(notes[0], "gemm-"), *text, *identity;
    size_t        n;
    cuda_choices *c;
    error         err = {""};
    text = tiny_file_read(folder, name, &n);
    identity = strchr(text, '\n') + 1;
    *strchr(identity, '\n') = 0;
    CU_ASSERT_EQUAL_FATAL(cuda_choices_open(&c, folder, identity, NULL, &err), OK);
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        for (int residual = 0; residual < 2; residual++) {
            cuda_gemm_shape s = shapes[i];
            s.then = residual ? CUDA_GEMM_BIAS_RESIDUAL : CUDA_GEMM_BIAS;
            const cuda_choice *row = cuda_choices_find(c, s, CHOICE_WITH_NORM);
            CU_ASSERT_PTR_NOT_NULL_FATAL(row);
            cuda_choice changed = *row;
            changed.us = residual ? us : 1;
            CU_ASSERT_EQUAL(cuda_choices_put(c, &changed, &err), OK);
        }
    cuda_choices_save(c);
    cuda_choices_close(c);
    free(text);
}

/* Both places give the same vectors; that it is another place shows in the bits, and in what is timed: nothing. */
static void a_residual_is_added_where_it_was_faster(void)
{
    static float in_norm[2 * 64], in_product[2 * 64];
    char        *folder = tiny_folder_make();
    model       *m = small_model_open(narrow);
    small_batch  in;
    small_model_pool(m, POOL_MEAN);
    small_batch_make(&in, (const int[]){11, 7}, 2, 1);
    small_model_truth(m, &in.in, truth);
    learn(m, 32, folder);
    char *line = strdup(notes[0]);
    for (int product = 0; product < 2; product++) {
        snprintf(notes[0], sizeof notes[0], "%s", line);
        set_residual_us(folder, product ? 0.5f : 2);
        backend *b = open_cuda(m, 32, 2, folder);
        CU_ASSERT_EQUAL(n_notes, 0); /* everything was known */
        CU_ASSERT_EQUAL(run(b, 0, &in.in, product ? in_product : in_norm), OK);
        CU_ASSERT(small_model_cosine(product ? in_product : in_norm, truth, 2, 64) >= 0.99999);
        close_cuda(b);
    }
    CU_ASSERT(memcmp(in_norm, in_product, sizeof in_norm) != 0);
    free(line);
    model_close(m);
    tiny_folder_remove(folder);
}

/* ---- buckets and bounds ---- */

static void every_edge_of_a_bucket_agrees(void)
{
    static const int edges[] = {1, 15, 16, 17, 32, 33, 48, 49, 64, 65, 96, 97, 112}; /* of the buckets up to 112 */
    model   *m = small_model_open(narrow);
    small_model_pool(m, POOL_MEAN);
    backend *b = open_cuda(m, 112, 3, NULL);
    for (size_t i = 0; i < sizeof edges / sizeof *edges; i++) {
        small_batch in;
        const int   one[] = {edges[i]}, three[] = {edges[i] / 3, 1, edges[i] - edges[i] / 3 - 1};
        const bool  alone = edges[i] < 5 || i % 2;
        small_batch_make(&in, alone ? one : three, alone ? 1 : 3, 7);
        CU_ASSERT_EQUAL(in.in.T, edges[i]);
        small_model_truth(m, &in.in, truth);
        CU_ASSERT_EQUAL(run(b, (int)i % SLOTS, &in.in, out), OK);
        CU_ASSERT(small_model_cosine(out, truth, in.in.S, 64) >= 0.99999);
    }
    close_cuda(b);
    model_close(m);
}

static void as_many_sequences_as_reserved(void)
{
    small_batch in;
    int         ones[SMALL_SEQUENCES];
    error       err = {""};
    model      *m = small_model_open(narrow);
    small_model_pool(m, POOL_LAST);
    backend *b = open_cuda(m, 100, 21, NULL);
    for (int i = 0; i < SMALL_SEQUENCES; i++) ones[i] = 1;
    for (int n = 16; n <= 21; n++) { /* 17: the first that the bucket of 32 takes */
        small_batch_make(&in, ones, n, 7);
        small_model_truth(m, &in.in, truth);
        CU_ASSERT_EQUAL(run(b, 2, &in.in, out), OK);
        CU_ASSERT(small_model_cosine(out, truth, n, 64) >= 0.99999);
    }
    small_batch_make(&in, ones, 22, 7);
    CU_ASSERT_EQUAL(beeline_backend.submit(b, 0, &in.in, &err), BAD_INPUT);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "22 sequences"));
    close_cuda(b);
    model_close(m);
}

static void no_types_are_all_zero(void)
{
    small_batch in;
    model      *m = small_model_open(narrow);
    small_model_pool(m, POOL_MEAN);
    backend *b = open_cuda(m, 64, 2, NULL);
    small_batch_make(&in, lengths, 2, 7);
    CU_ASSERT_EQUAL(run(b, 0, &in.in, truth), OK);
    in.in.types = NULL;
    CU_ASSERT_EQUAL(run(b, 0, &in.in, out), OK);
    CU_ASSERT(memcmp(out, truth, 64 * sizeof *out) != 0);
    memset(in.types, 0, sizeof in.types);
    in.in.types = in.types;
    CU_ASSERT_EQUAL(run(b, 1, &in.in, truth), OK);
    CU_ASSERT_EQUAL(memcmp(out, truth, 2 * 64 * sizeof *out), 0);
    close_cuda(b);
    model_close(m);
}

/* ---- slots ---- */

static const int orders[6][SLOTS] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};

/* Three batches of one bucket and three of different ones, submitted and collected in all orders under many schedules:
 * the bits are those of the batch alone. */
static void slots_in_every_order(void)
{
    static const int texts[6][3] = {{20, 7, 3}, {31, 1, 0}, {2, 29, 0}, {5, 0, 0}, {64, 32, 0}, {40, 8, 10}};
    static small_batch in[6];
    static float alone[6][3 * 64], got[3 * 64];
    model *m = small_model_open(narrow);
    small_model_pool(m, POOL_MEAN);
    fake_cuda_reset();
    backend *b = open_cuda(m, 96, 3, NULL);
    for (int i = 0; i < 6; i++) {
        small_batch_make(&in[i], texts[i], texts[i][2] ? 3 : texts[i][1] ? 2 : 1, (unsigned)i);
        CU_ASSERT_EQUAL(run(b, 0, &in[i].in, alone[i]), OK);
    }
    for (int round = 0; round < 72; round++) {
        const int *submit = orders[round % 6], *take = orders[round / 6 % 6], first = round >= 36 ? 3 : 0;
        error err = {""};
        char  setting[32];
        snprintf(setting, sizeof setting, "seed=%d", round + 1);
        fake_cuda_configure(setting);
        for (int i = 0; i < SLOTS; i++)
            CU_ASSERT_EQUAL(beeline_backend.submit(b, submit[i], &in[first + i].in, &err), OK);
        for (int k = 0; k < SLOTS; k++) {
            int i = 0; /* which batch is in slot take[k] */
            while (submit[i] != take[k]) i++;
            CU_ASSERT_EQUAL(collect(b, take[k], got, &err), OK);
            CU_ASSERT_EQUAL(memcmp(got, alone[first + i], (size_t)in[first + i].in.S * 64 * sizeof *got), 0);
        }
    }
    CU_ASSERT(fake_cuda_overlap() >= 2); /* a copy in and a kernel were free to run at once */
    close_cuda(b);
    model_close(m);
}

static void a_slot_is_not_filled_twice(void)
{
    small_batch in;
    error       err = {""};
    model      *m = small_model_open(narrow);
    small_model_pool(m, POOL_MEAN);
    backend *b = open_cuda(m, 64, 3, NULL);
    small_batch_make(&in, lengths, 2, 7);
    CU_ASSERT_EQUAL(beeline_backend.collect(b, 1, out, is_finite, &err), BAD_INPUT);
    CU_ASSERT_EQUAL(beeline_backend.submit(b, -1, &in.in, &err), BAD_INPUT);
    CU_ASSERT_EQUAL(beeline_backend.submit(b, SLOTS, &in.in, &err), BAD_INPUT);
    CU_ASSERT_EQUAL(beeline_backend.collect(b, SLOTS, out, is_finite, &err), BAD_INPUT);
    CU_ASSERT_EQUAL(beeline_backend.submit(b, 1, &in.in, &err), OK);
    CU_ASSERT_EQUAL(beeline_backend.submit(b, 1, &in.in, &err), BAD_INPUT);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "slot 1"));
    CU_ASSERT_EQUAL(collect(b, 1, out, &err), OK);
    CU_ASSERT_EQUAL(collect(b, 1, out, &err), BAD_INPUT);
    CU_ASSERT_EQUAL(run(b, 1, &in.in, truth), OK);
    CU_ASSERT_EQUAL(memcmp(out, truth, 2 * 64 * sizeof *out), 0);
    close_cuda(b);
    model_close(m);
}

/* ---- what is refused ---- */

static void a_bad_batch_costs_the_device_nothing(void)
{
    small_batch in;
    error       err = {""};
    model      *m = small_model_open(narrow);
    small_model_pool(m, POOL_MEAN);
    backend *b = open_cuda(m, 400, 3, NULL);
    const long copies = fake_cuda_calls("cudaMemcpyAsync");
    for (int id = -1; id <= SMALL_WORDS; id += SMALL_WORDS + 1) {
        small_batch_make(&in, lengths, 2, 7);
        in.ids[3] = id;
        CU_ASSERT_EQUAL(beeline_backend.submit(b, 0, &in.in, &err), BAD_INPUT);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "token 3"));
    }
    small_batch_make(&in, lengths, 2, 7);
    in.types[2] = 2;
    CU_ASSERT_EQUAL(beeline_backend.submit(b, 0, &in.in, &err), BAD_INPUT);
    small_batch_make(&in, (const int[]){SMALL_POSITIONS + 1}, 1, 7);
    CU_ASSERT_EQUAL(beeline_backend.submit(b, 0, &in.in, &err), BAD_INPUT);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "301 tokens"));
    small_batch_make(&in, (const int[]){200, 201}, 2, 7);
    CU_ASSERT_EQUAL(beeline_backend.submit(b, 0, &in.in, &err), BAD_INPUT);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "401 tokens"));
    CU_ASSERT_EQUAL(fake_cuda_calls("cudaMemcpyAsync"), copies);
    small_batch_make(&in, (const int[]){SMALL_POSITIONS, 100}, 2, 7);
    CU_ASSERT_EQUAL(run(b, 0, &in.in, out), OK);
    close_cuda(b);
    model_close(m);
}

static void refuse(const model *m, backend_reserve reserve, const char *words)
{
    backend *b = (backend *)1;
    error    err = {""};
    CU_ASSERT_EQUAL(beeline_backend.open(&b, m, reserve, &err), BAD_INPUT);
    CU_ASSERT_PTR_NULL(b);
    if (!strstr(err.text, words)) fprintf(stderr, "\"%s\", wanted \"%s\"\n", err.text, words);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, words));
    CU_ASSERT_EQUAL(fake_cuda_held(), 0);
}

static void what_the_kernels_do_not_run_is_refused(void)
{
    const backend_reserve fine = {.max_tokens = 16, .max_sequences = 1};
    model *m = small_model_open(narrow);
    small_model_pool(m, POOL_MEAN);
    const model_description kept = m->description;
    model_shape *s = &m->description.shape;
    s->heads = 4;
    refuse(m, fine, "width 16 (hidden 64, heads 4), wanted 32 or 64");
    s->heads = 1;
    s->hidden = 65; /* 65 / 1 */
    refuse(m, fine, "width 65");
    s->heads = 2; /* 65 / 2 is 32, with one left */
    refuse(m, fine, "hidden 65, heads 2");
    s->hidden = 1088;
    s->heads = 17;
    refuse(m, fine, "hidden 1088, wanted at most 1024");
    *s = kept.shape;
    s->inner = 100;
    refuse(m, fine, "inner 100, wanted a multiple of 8");
    *s = kept.shape;
    s->positions = 65536;
    refuse(m, fine, "65536 positions");
    *s = kept.shape;
    m->description.dimensions = 65;
    refuse(m, fine, "65 dimensions");
    m->description.dimensions = 64;
    refuse(m, (backend_reserve){.max_tokens = 0, .max_sequences = 1}, "0 tokens");
    refuse(m, (backend_reserve){.max_tokens = 1, .max_sequences = 0}, "0 sequences");
    m->description.task = TASK_CLASSIFY;
    refuse(m, fine, "0 labels");
    m->description = kept;
    model_close(m);
}

static void a_weight_beyond_float16_is_refused_by_name(void)
{
    model *m = small_model_open(narrow);
    small_model_pool(m, POOL_MEAN);
    const tensor *numbers = m->layer[1].outer_w;
    small_model_set(numbers, 77, -65520); /* the first that rounds to infinity; 65519 does not */
    refuse(m, (backend_reserve){.max_tokens = 16, .max_sequences = 1}, "encoder.layer.1.output.dense.weight");
    refuse(m, (backend_reserve){.max_tokens = 16, .max_sequences = 1}, "-65520");
    refuse(m, (backend_reserve){.max_tokens = 16, .max_sequences = 1}, "65504");
    small_model_set(numbers, 77, -65519);
    close_cuda(open_cuda(m, 16, 1, NULL));
    small_model_set(numbers, 77, -65520);
    m->description.precision = PRECISION_BF16;
    close_cuda(open_cuda(m, 16, 1, NULL));
    model_close(m);
}

static void weights_of_every_type_are_read(void)
{
    static const char *const types[] = {"F16", "BF16"}; /* the other tests' are F32 */
    for (int i = 0; i < 2; i++) {
        tiny_model shape = narrow;
        shape.dtype = types[i];
        model *m = small_model_open(shape);
        small_model_pool(m, POOL_MEAN);
        m->description.precision = i == 1 ? PRECISION_BF16 : PRECISION_F16;
        compare(m);
        model_close(m);
    }
}

static void it_says_what_it_runs_on(void)
{
    model   *m = small_model_open(narrow);
    small_model_pool(m, POOL_MEAN);
    backend *b = open_cuda(m, 16, 1, NULL);
    CU_ASSERT_STRING_EQUAL(beeline_backend.name, "cuda");
    CU_ASSERT_EQUAL(beeline_backend.abi, BACKEND_ABI);
    CU_ASSERT_EQUAL(beeline_backend.slots, SLOTS);
    CU_ASSERT_STRING_EQUAL(beeline_backend.precision(b), "float16");
    CU_ASSERT_PTR_NOT_NULL(strstr(beeline_backend.describe(b), ", sm_90, CUDA 13.0"));
    close_cuda(b);
    beeline_backend.close(NULL);
    model_close(m);
}

/* As a version that is to be loaded beside: what it takes grows by its weights. */
static void it_says_what_another_would_take(void)
{
    model_description d = {.task = TASK_EMBED,
                           .shape = {.vocab = 1000, .positions = 64, .types = 2, .layers = 2, .hidden = 64, .heads = 2,
                                     .inner = 128}};
    const int64_t layer = (4 * 64 * 64 + 2 * 64 * 128) * 2, words = 1066 * 64 * 2;
    int64_t wanted[2], available;
    model *m = small_model_open(narrow);
    small_model_pool(m, POOL_MEAN);
    backend *b = open_cuda(m, 16, 1, NULL);
    for (int i = 0; i < 2; i++) {
        available = 0;
        beeline_backend.room(b, &d, &wanted[i], &available);
        CU_ASSERT(wanted[i] >= words + d.shape.layers * layer);
        CU_ASSERT(available > 0);
        d.shape.layers += 10;
    }
    CU_ASSERT(wanted[1] - wanted[0] >= 10 * layer && wanted[1] - wanted[0] < 12 * layer);
    close_cuda(b);
    model_close(m);
}

void backend_cuda_suite(CU_pSuite s)
{
    CU_add_test(s, "every pooling, alone and joined, agrees with the CPU backend", every_pooling_agrees);
    CU_add_test(s, "GELU, tanh GELU and ReLU agree with the CPU backend",
                every_activation_agrees);
    CU_add_test(s, "a reranker's and a classifier's logits agree with the CPU backend", heads_agree);
    CU_add_test(s, "weights of every type in a file are read", weights_of_every_type_are_read);
    CU_add_test(s, "GELU is fused where the model's rows do not notice, else it is the erf form",
                gelu_is_fused_where_the_model_does_not_notice);
    CU_add_test(s, "a residual is added where that was timed to be faster, in the product or in the norm",
                a_residual_is_added_where_it_was_faster);
    CU_add_test(s, "batches at both edges of every bucket agree", every_edge_of_a_bucket_agrees);
    CU_add_test(s, "as many sequences as reserved run, one more is refused", as_many_sequences_as_reserved);
    CU_add_test(s, "no types are all 0", no_types_are_all_zero);
    CU_add_test(s, "three slots filled and emptied in every order give the bits of a batch alone, and overlap",
                slots_in_every_order);
    CU_add_test(s, "a slot is not filled twice, nor emptied when empty", a_slot_is_not_filled_twice);
    CU_add_test(s, "a batch out of range is refused before the device hears of it",
                a_bad_batch_costs_the_device_nothing);
    CU_add_test(s, "what the kernels do not run is refused with the numbers seen",
                what_the_kernels_do_not_run_is_refused);
    CU_add_test(s, "a weight beyond float16 is refused by tensor and value; bfloat16 takes it",
                a_weight_beyond_float16_is_refused_by_name);
    CU_add_test(s, "it says what it runs on", it_says_what_it_runs_on);
    CU_add_test(s, "it says what another version would take beside it", it_says_what_another_would_take);
}
