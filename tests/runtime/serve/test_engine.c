/* test_engine.c - which device an engine runs on, and whether it is right: a GPU that is the CPU in disguise, and does
 * what the test tells it. */
#include <CUnit/CUnit.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "runtime/base/clock.h"
#include "runtime/serve/executor.h"
#include "tests/support/bundle.h"
#include "tests/support/tiny_model.h"
#include "tests/support/versions_of.h"

enum { GOLDEN_EVERY_MS = 5 };

/* ---- the disguise: rows of the CPU, one look late, by two slots that share it ---- */

typedef struct { status rc; const char *text; } refusal;
static refusal     opening;        /* of open(); rc OK: it opens */
static const char *precision_said;
static atomic_int  wrong;          /* 0: right, 1: one number of a row, 2: NaN */
static atomic_int  fails;          /* a status that collect() gives, once */
static atomic_int  spared;         /* batches before it does */
static atomic_int  batches;
static service_row seen[64];       /* the first of them; tokens and sequences */
static const batch *slots[2];
static bool         looked[2];

static status gpu_open(backend **out, const model *m, backend_reserve reserve, error *err)
{
    *out = NULL;
    if (opening.rc != OK) return fail(err, opening.rc, "%s", opening.text);
    return backend_cpu.open(out, m, reserve, err);
}

static status gpu_submit(backend *b, int slot, const batch *in, error *err)
{
    (void)b, (void)err;
    CU_ASSERT_PTR_NULL(slots[slot]);
    slots[slot] = in;
    looked[slot] = false;
    return OK;
}

static status gpu_collect(backend *b, int slot, float *out, uint8_t *finite, error *err)
{
    const batch *in = slots[slot];
    const status failure = (status)atomic_load(&fails);
    if (!looked[slot]) {
        looked[slot] = true;
        return PENDING;
    }
    slots[slot] = NULL;
    const int nth = atomic_fetch_add(&batches, 1);
    if (nth < (int)(sizeof seen / sizeof *seen)) seen[nth] = (service_row){.tokens = in->T, .sequences = in->S};
    if (failure != OK && atomic_fetch_sub(&spared, 1) <= 0) {
        atomic_store(&fails, OK);
        return fail(err, failure, "told to fail");
    }
    status rc = backend_cpu.submit(b, 0, in, err);
    if (rc == OK) rc = backend_cpu.collect(b, 0, out, finite, err);
    const int how = atomic_load(&wrong);
    if (how == 1) out[0] += out[0] < 0 ? 3.0f : -3.0f;
    if (how == 2) memset(out, 0xff, sizeof *out);
    if (how == 2) finite[0] = 0;
    return rc;
}

static const char *gpu_describe(const backend *b)
{
    (void)b;
    return "a disguise";
}

static const char *gpu_precision(const backend *b)
{
    (void)b;
    return precision_said;
}

static void gpu_close(backend *b) { backend_cpu.close(b); }

static const backend_ops gpu = {.abi = BACKEND_ABI, .name = "cuda", .slots = 2, .open = gpu_open,
                                .submit = gpu_submit, .collect = gpu_collect, .close = gpu_close,
                                .describe = gpu_describe, .precision = gpu_precision};

static char *folder;

static status open_engine(engine **e, engine_backend asked, engine_options o, error *err)
{
    o.batch_tokens = o.batch_tokens ? o.batch_tokens : 256;
    o.batch_sequences = o.batch_sequences ? o.batch_sequences : 16;
    o.threads = 1;
    o.backend = asked;
    o.cuda = &gpu;
    *err = (error){""};
    return engine_open(e, folder, o, err);
}

static void begin(tiny_model m)
{
    opening = (refusal){OK, ""};
    precision_said = "float16";
    atomic_store(&wrong, 0);
    atomic_store(&fails, OK);
    atomic_store(&spared, 0);
    atomic_store(&batches, 0);
    slots[0] = slots[1] = NULL;
    folder = tiny_folder_make();
    tiny_model_write(folder, m);
}

static const tiny_model embedding = {.pooling = "mean_tokens", .normalize = 1};

/* ---- which device ---- */

static void runs_on(engine_backend asked, const char *name)
{
    engine *e;
    error err;
    CU_ASSERT_EQUAL_FATAL(open_engine(&e, asked, (engine_options){0}, &err), OK);
    CU_ASSERT_STRING_EQUAL(e->ops->name, name);
    CU_ASSERT_EQUAL(e->golden != NULL, e->ops != &backend_cpu);
    engine_close(e);
}

static void refused(engine_backend asked, status why, const char *part)
{
    engine *e = (engine *)&folder;
    error err;
    CU_ASSERT_EQUAL(open_engine(&e, asked, (engine_options){0}, &err), why);
    CU_ASSERT_PTR_NULL(e);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, part));
    if (!strstr(err.text, part)) printf("\n    \"%s\", wanted \"%s\"", err.text, part);
}

static void what_is_asked_for_is_used(void)
{
    begin(embedding);
    runs_on(ENGINE_CUDA, "cuda");
    runs_on(ENGINE_AUTO, "cuda");
    const int on_gpu = batches;
    CU_ASSERT(on_gpu >= 4); /* the golden rows and at least one to time, each time */
    runs_on(ENGINE_CPU, "cpu");
    CU_ASSERT_EQUAL(batches, on_gpu);
    tiny_folder_remove(folder);
}

static void where_there_is_none(void)
{
    begin(embedding);
    opening = (refusal){NOT_FOUND, "no driver"};
    runs_on(ENGINE_AUTO, "cpu");
    refused(ENGINE_CUDA, GPU_LOST, "no GPU to use: no driver");
    tiny_folder_remove(folder);
}

static void one_that_fails_is_not_replaced(void)
{
    static const refusal failures[] = {{GPU_LOST, "unknown error (999)"}, {NO_MEMORY, "80 MiB do not fit"},
                                       {GPU_FAILED, "no handle"}};
    begin(embedding);
    for (size_t i = 0; i < sizeof failures / sizeof *failures; i++) {
        opening = failures[i];
        refused(ENGINE_AUTO, failures[i].rc, failures[i].text);
        refused(ENGINE_CUDA, failures[i].rc, failures[i].text);
        runs_on(ENGINE_CPU, "cpu");
    }
    tiny_folder_remove(folder);
}

static void a_model_that_it_does_not_run(void)
{
    begin(embedding);
    opening = (refusal){BAD_INPUT, "heads of 8"};
    runs_on(ENGINE_AUTO, "cpu");
    refused(ENGINE_CUDA, BAD_INPUT, "heads of 8");
    tiny_folder_remove(folder);
}

static void a_head_has_no_route(void)
{
    begin((tiny_model){.labels = 1});
    refused(ENGINE_CPU, BAD_INPUT, "a reranker is not served yet");
    refused(ENGINE_CUDA, BAD_INPUT, "a reranker is not served yet");
    tiny_folder_remove(folder);
    begin((tiny_model){.labels = 3});
    refused(ENGINE_AUTO, BAD_INPUT, "a classifier is not served yet");
    CU_ASSERT_EQUAL(batches, 0);
    tiny_folder_remove(folder);
}

/* ---- what its manifest says ---- */

static void tampered(const char *file, const char *from, const char *to, const char *part)
{
    begin(embedding);
    bundle_pack(folder, "1.0");
    runs_on(ENGINE_CUDA, "cuda");
    opening = (refusal){GPU_LOST, "the device was touched"};
    tiny_file_patch(folder, file, from, to);
    refused(ENGINE_CUDA, BAD_INPUT, part);
    tiny_folder_remove(folder);
}

static void a_directory_is_what_it_says(void)
{
    tampered("config.json", "{", "{ ", "config.json: ");
    tampered("vocab.txt", "[PAD]", "[PAP]", "vocab.txt: ");
    tampered(MANIFEST_FILE, "\"dimensions\": 32", "\"dimensions\": 31", "beeline.json");
    tampered(MANIFEST_FILE, "\"pooling\": \"mean\"", "\"pooling\": \"cls\"", "contract: pooling is \"mean\"");
    tampered(MANIFEST_FILE, "\"float16\"", "\"float8\"", "\"precision\" is \"float8\"");
}

static void computes(engine_options how, const char *precision)
{
    engine *e;
    error err;
    CU_ASSERT_EQUAL_FATAL(open_engine(&e, ENGINE_CPU, how, &err), OK);
    CU_ASSERT_STRING_EQUAL(e->ops->precision(e->device), precision);
    CU_ASSERT_EQUAL(e->golden != NULL, strcmp(precision, "float32") != 0);
    engine_close(e);
}

/* float32 is the default on every CPU; a lower one is the version's choice or the command's, and they must not differ. */
static void precision_is_the_versions(void)
{
    engine *e = NULL;
    error err;
    begin(embedding);
    computes((engine_options){0}, "float32");
    computes((engine_options){.precision = "bfloat16"}, "bfloat16");
    computes((engine_options){.precision = "int8"}, "int8");
    bundle_pack(folder, "1.0");
    computes((engine_options){0}, "float32"); /* float16 is a GPU's */
    CU_ASSERT_EQUAL(open_engine(&e, ENGINE_CPU, (engine_options){.precision = "int8"}, &err), BAD_INPUT);
    CU_ASSERT_STRING_EQUAL(err.text, "precision: int8 was asked for, beeline.json declares float16");
    tiny_file_patch(folder, MANIFEST_FILE, "\"float16\"", "\"bfloat16\"");
    computes((engine_options){0}, "bfloat16");
    computes((engine_options){.precision = "bfloat16"}, "bfloat16");
    tiny_folder_remove(folder);
}

static void golden_cases_are_run_unless_beside(void)
{
    engine *e;
    error err;
    double least;
    begin(embedding);
    bundle_pack(folder, "1.0");
    tiny_file_patch(folder, MANIFEST_FILE, "\"hello\"", "\"many other words\"");
    refused(ENGINE_CPU, BAD_INPUT, "golden case 1: cosine ");
    refused(ENGINE_CUDA, BAD_INPUT, "wanted at least 0.999");
    atomic_store(&batches, 0);
    CU_ASSERT_EQUAL_FATAL(open_engine(&e, ENGINE_CUDA, (engine_options){.beside = true}, &err), OK);
    CU_ASSERT(batches == 0 && e->seed.n == 0);
    CU_ASSERT_EQUAL(engine_golden_compare(e, e->manifest->cases[0].row, &least, &err), OK);
    CU_ASSERT(least > 0.9999);
    engine_close(e);
    tiny_folder_remove(folder);
}

/* ---- is it right ---- */

static void wrong_rows_refuse_the_start(void)
{
    static const char *const limits[][2] = {{"float16", "wanted at least 0.9990"},
                                            {"bfloat16", "wanted at least 0.9900"},
                                            {"float32", "wanted at least 0.9999"}};
    begin(embedding);
    for (int how = 1; how <= 2; how++)
        for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
            atomic_store(&wrong, how);
            precision_said = limits[i][0];
            refused(ENGINE_AUTO, GPU_FAILED, "wrong numbers: cosine ");
            refused(ENGINE_CUDA, GPU_FAILED, limits[i][1]);
        }
    atomic_store(&wrong, 0);
    precision_said = "float8";
    refused(ENGINE_CUDA, BAD_INPUT, "precision \"float8\"");
    precision_said = "float16";
    atomic_store(&fails, GPU_LOST);
    refused(ENGINE_AUTO, GPU_LOST, "told to fail");
    tiny_folder_remove(folder);
}

static void one_that_fails_while_it_is_timed(void)
{
    begin(embedding);
    for (int n = 1; n < 4; n++) {
        atomic_store(&spared, n); /* the golden rows are right */
        atomic_store(&fails, GPU_FAILED);
        refused(ENGINE_AUTO, GPU_FAILED, "told to fail");
    }
    atomic_store(&fails, OK);
    runs_on(ENGINE_AUTO, "cuda");
    tiny_folder_remove(folder);
}

/* ---- what it takes ---- */

static bool was_run(int tokens, int sequences)
{
    for (size_t i = 0; i < sizeof seen / sizeof *seen; i++)
        if (seen[i].tokens == tokens && seen[i].sequences == sequences) return true;
    return false;
}

/* Which rows stay depends on the machine; the largest always does. */
static void a_start_knows_its_service_times(void)
{
    static const struct { int tokens, sequences, largest, in; } rows[] = {
        {256, 16, 256, 4}, {256, 2, 128, 2}, {256, 1, 64, 1}, {64, 16, 64, 1}, {1, 1, 64, 1}, {100, 3, 100, 2}};
    begin(embedding); /* 64 positions */
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (int cpu = 0; cpu < 2; cpu++) {
            engine *e;
            error err;
            const engine_options o = {.batch_tokens = rows[i].tokens, .batch_sequences = rows[i].sequences};
            memset(seen, 0, sizeof seen);
            atomic_store(&batches, 0);
            CU_ASSERT_EQUAL_FATAL(open_engine(&e, cpu ? ENGINE_CPU : ENGINE_CUDA, o, &err), OK);
            CU_ASSERT_EQUAL(service_check(&e->seed, &err), OK);
            const service_row last = e->seed.row[e->seed.n - 1];
            CU_ASSERT(last.tokens >= 64); /* the longest */
            engine_close(e);
            if (cpu) continue; /* a slow one has no time for more */
            CU_ASSERT_EQUAL(last.tokens, rows[i].largest);
            if (rows[i].in > 1) CU_ASSERT_EQUAL(last.sequences, rows[i].in);
            CU_ASSERT_TRUE(was_run(16, 1) && was_run(64, 1));
            const int calls = batches; /* a device of its own is asked for the same at each start */
            atomic_store(&batches, 0);
            CU_ASSERT_EQUAL_FATAL(open_engine(&e, ENGINE_CUDA, o, &err), OK);
            CU_ASSERT_EQUAL(batches, calls);
            engine_close(e);
        }
    tiny_folder_remove(folder);
}

/* Whatever the limits of a batch are, there is something to compare. */
static void the_sequences_fit_the_batch(void)
{
    static const struct { int tokens, sequences, S; } rows[] = {{256, 16, 6}, {256, 1, 1}, {64, 16, 4}, {64, 2, 2}};
    begin(embedding); /* 64 positions */
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        engine *e;
        error err;
        const engine_options o = {.batch_tokens = rows[i].tokens, .batch_sequences = rows[i].sequences};
        CU_ASSERT_EQUAL_FATAL(open_engine(&e, ENGINE_CUDA, o, &err), OK);
        const batch *in = golden_batch(e->golden);
        CU_ASSERT_EQUAL(in->S, rows[i].S);
        CU_ASSERT(in->T <= rows[i].tokens && in->longest <= 64 && in->starts[in->S] == in->T);
        engine_close(e);
    }
    tiny_folder_remove(folder);
}

typedef struct { engine *e; versions *vs; batcher *queue; executor *x; } running;

static void run(running *r)
{
    error err;
    const executor_options options = {.batch_deadline_ms = 60000, .golden_every_ms = GOLDEN_EVERY_MS};
    const policy_limits limits = {.objective_ns = 1000000000,
                                  .max_wait_ns = 1000000000,
                                  .batch_tokens = 256,
                                  .batch_sequences = 16,
                                  .longest = 256,
                                  .executors = 1,
                                  .max_requests = 100};
    begin(embedding);
    CU_ASSERT_EQUAL_FATAL(open_engine(&r->e, ENGINE_CUDA, (engine_options){0}, &err), OK);
    r->vs = versions_of(r->e);
    atomic_store(&batches, 0); /* from here on the executor's */
    CU_ASSERT_EQUAL_FATAL(batcher_open(&r->queue, limits, &r->e->seed, &err), OK);
    CU_ASSERT_EQUAL_FATAL(executor_start(&r->x, r->vs, r->queue, 0, options, &err), OK);
}

static void stop(running *r, status expected)
{
    error why;
    batcher_close(r->queue);
    CU_ASSERT_EQUAL(executor_join(r->x, &why), expected);
    batcher_free(r->queue);
    versions_close(r->vs);
    tiny_folder_remove(folder);
}

static void nap(void) { nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL); }

static bool eventually_lost(running *r, error *why)
{
    for (int naps = 0; naps < 10000; naps++, nap())
        if (executor_lost(r->x, why)) return true;
    return false;
}

static bool eventually_checked(int times)
{
    for (int naps = 0; naps < 10000 && atomic_load(&batches) < times; naps++) nap();
    return atomic_load(&batches) >= times;
}

static void an_idle_device_is_checked(void)
{
    running r;
    error why = {""};
    run(&r);
    CU_ASSERT_TRUE(eventually_checked(4));
    atomic_store(&fails, NO_MEMORY); /* is told, and harms nobody */
    CU_ASSERT_TRUE(eventually_checked(7));
    CU_ASSERT_FALSE(executor_lost(r.x, &why));
    executor_counts c = executor_count(r.x);
    CU_ASSERT(c.golden_ok > 0 && c.golden_failed == 0 && c.device_errors > 0);
    CU_ASSERT(c.batches == 0 && c.busy_s > 0);
    stop(&r, OK);

    for (int how = 1; how <= 2; how++) {
        run(&r);
        CU_ASSERT_TRUE(eventually_checked(2));
        atomic_store(&wrong, how);
        CU_ASSERT_TRUE(eventually_lost(&r, &why));
        CU_ASSERT_PTR_NOT_NULL(strstr(why.text, "wrong numbers"));
        c = executor_count(r.x);
        CU_ASSERT(c.golden_failed == 1 && c.device_errors == 0 && c.watchdog_trips == 0);
        stop(&r, GPU_LOST);
    }

    run(&r);
    atomic_store(&fails, GPU_LOST);
    CU_ASSERT_TRUE(eventually_lost(&r, &why));
    CU_ASSERT_STRING_EQUAL(why.text, "told to fail");
    stop(&r, GPU_LOST);
}

void engine_suite(CU_pSuite s)
{
    CU_add_test(s, "the device that is asked for is used, auto takes the GPU", what_is_asked_for_is_used);
    CU_add_test(s, "G88 no GPU: auto takes the CPU, cuda is refused", where_there_is_none);
    CU_add_test(s, "G82 G89 G92 a GPU that fails at the start is refused, not replaced by the CPU",
                one_that_fails_is_not_replaced);
    CU_add_test(s, "a model that the GPU does not run: auto takes the CPU, cuda is refused",
                a_model_that_it_does_not_run);
    CU_add_test(s, "rerankers and classifiers are refused by name: no route serves them", a_head_has_no_route);
    CU_add_test(s, "G90 a device that gives wrong rows or NaN is refused with the cosine and its limit",
                wrong_rows_refuse_the_start);
    CU_add_test(s, "a GPU that fails while its batches are timed is refused", one_that_fails_while_it_is_timed);
    CU_add_test(s, "a start knows what a short, the longest and the largest batch take",
                a_start_knows_its_service_times);
    CU_add_test(s, "the golden sequences fit into a batch of any limits", the_sequences_fit_the_batch);
    CU_add_test(s, "G90 an idle device is checked again and again; wrong rows end it", an_idle_device_is_checked);
    CU_add_test(s, "a packed directory that was changed is refused by name before the device is touched",
                a_directory_is_what_it_says);
    CU_add_test(s, "a version computes at the precision that it declares, or the command asks for; float32 without",
                precision_is_the_versions);
    CU_add_test(s, "golden cases are run at open, and none where another engine serves",
                golden_cases_are_run_unless_beside);
}
