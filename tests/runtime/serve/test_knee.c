/* test_knee.c - a small model on the CPU, and the same behind a device that sleeps, fails or falls silent when told. */
#include <CUnit/CUnit.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "runtime/serve/knee.h"
#include "tests/support/child.h"
#include "tests/support/tiny_model.h"
#include "tests/support/versions_of.h"

enum { SLEEP_MS = 4, LONGEST = 64 };

/* ---- the device in disguise */

static const batch *slots[2];
static atomic_int batches, spared; /* spared: batches before it fails; -1: it never does */
static atomic_int failure;
static atomic_bool sleeps;

static status submit(backend *b, int slot, const batch *in, error *err)
{
    (void)b, (void)err;
    slots[slot] = in;
    return OK;
}

static status collect(backend *b, int slot, float *out, uint8_t *finite, error *err)
{
    const batch *in = slots[slot];
    const int nth = atomic_fetch_add(&batches, 1);
    if (atomic_load(&sleeps)) nanosleep(&(struct timespec){.tv_nsec = SLEEP_MS * 1000000L}, NULL);
    if (atomic_load(&spared) >= 0 && nth >= atomic_load(&spared))
        return fail(err, (status)atomic_load(&failure), "told to fail");
    status rc = backend_cpu.submit(b, 0, in, err);
    return rc == OK ? backend_cpu.collect(b, 0, out, finite, err) : rc;
}

static status open_device(backend **out, const model *m, backend_reserve reserve, error *err)
{
    return backend_cpu.open(out, m, reserve, err);
}
static void close_device(backend *b) { backend_cpu.close(b); }
static const char *name_of(const backend *b)
{
    (void)b;
    return "float32";
}

static const backend_ops disguise = {.abi = BACKEND_ABI,
                                     .name = "cuda",
                                     .slots = 2,
                                     .open = open_device,
                                     .submit = submit,
                                     .collect = collect,
                                     .close = close_device,
                                     .describe = name_of,
                                     .precision = name_of};

/* ---- a search that takes a second */

static char *folder;
static int lines;
static char last_line[256];

static void note(const char *line)
{
    lines++;
    snprintf(last_line, sizeof last_line, "%s", line);
}

static knee_plan quick(const engine *e, int64_t objective_ns)
{
    return (knee_plan){.limits = {.objective_ns = objective_ns,
                                  .max_wait_ns = 3600000000000,
                                  .batch_tokens = e->options.batch_tokens,
                                  .batch_sequences = e->options.batch_sequences,
                                  .longest = LONGEST,
                                  .executors = 1,
                                  .max_requests = 4096},
                       .ratio = 0.9,
                       .service = &e->seed,
                       .executor = {.batch_deadline_ms = 60000, .golden_every_ms = EXECUTOR_GOLDEN_MS},
                       .pace = {.full_ns = 100000000,
                                .alone_ns = 50000000,
                                .least_ns = 50000000,
                                .most_ns = 150000000,
                                .tail = 10,
                                .search_ns = 500000000},
                       .note = note};
}

static engine *begin(engine_backend asked, int batch_sequences)
{
    engine *e;
    error err;
    atomic_store(&batches, 0);
    atomic_store(&spared, -1);
    lines = 0;
    folder = tiny_folder_make();
    tiny_model_write(folder, (tiny_model){.pooling = "mean_tokens", .normalize = 1});
    const engine_options o = {
        .batch_tokens = 256, .batch_sequences = batch_sequences, .threads = 1, .backend = asked, .cuda = &disguise};
    CU_ASSERT_EQUAL_FATAL(engine_open(&e, folder, o, &err), OK);
    return e;
}

static void end(versions *vs)
{
    versions_close(vs);
    tiny_folder_remove(folder);
}

static void an_objective_that_always_holds(void)
{
    engine *e = begin(ENGINE_CPU, 16);
    versions *vs = versions_of(e);
    const knee_plan plan = quick(e, 3600000000000);
    knee k;
    error err;
    CU_ASSERT_EQUAL(knee_find(&k, vs, &plan, &err), OK);
    CU_ASSERT(k.saturated_tokens_per_s > 0);
    CU_ASSERT(k.requests_per_s > 0 && k.tokens_per_s >= k.requests_per_s &&
              k.tokens_per_s <= LONGEST * k.requests_per_s);
    CU_ASSERT(k.p50_ms > 0 && k.p99_ms >= k.p50_ms);
    CU_ASSERT(lines >= 4); /* full, alone, one that held, and again */
    CU_ASSERT_PTR_NOT_NULL(strstr(last_line, ": holds"));
    end(vs);
}

static void one_that_never_does(void)
{
    engine *e = begin(ENGINE_CPU, 16);
    versions *vs = versions_of(e);
    const knee_plan plan = quick(e, 1);
    knee k;
    error err;
    CU_ASSERT_EQUAL(knee_find(&k, vs, &plan, &err), OK);
    CU_ASSERT(k.saturated_tokens_per_s > 0);
    CU_ASSERT(k.requests_per_s <= 0 && k.tokens_per_s <= 0);
    CU_ASSERT(k.p50_ms > 0 && k.p99_ms >= k.p50_ms); /* of a request alone: how far off it is */
    CU_ASSERT_EQUAL(lines, 2);
    end(vs);
}

/* One sequence a batch, and it sleeps in each: the rates beyond are known without a clock. */
static void no_knee_is_above_the_device(void)
{
    engine *e = begin(ENGINE_CUDA, 1);
    versions *vs = versions_of(e);
    atomic_store(&sleeps, true);
    const knee_plan plan = quick(e, 20 * SLEEP_MS * 1000000LL);
    const double most = 1000.0 / SLEEP_MS;
    knee k;
    error err;
    CU_ASSERT_EQUAL(knee_find(&k, vs, &plan, &err), OK);
    CU_ASSERT(k.saturated_tokens_per_s > 0 && k.saturated_tokens_per_s <= most * LONGEST);
    CU_ASSERT(k.requests_per_s <= 2 * most); /* of 40 Poisson arrivals the rate is not so far off */
    CU_ASSERT(k.p50_ms >= SLEEP_MS);
    atomic_store(&sleeps, false);
    end(vs);
}

/* However long the objective is, and how few must make it. */
static void refusals_end_the_search(void)
{
    engine *e = begin(ENGINE_CUDA, 1);
    versions *vs = versions_of(e);
    knee_plan plan = quick(e, 3600000000000);
    knee k;
    error err;
    atomic_store(&sleeps, true);
    plan.limits.max_requests = 1; /* whoever comes while another is in hand is refused */
    plan.ratio = 0.5;
    plan.pace.least_ns = 400000000;
    plan.pace.most_ns = 1000000000;
    CU_ASSERT_EQUAL(knee_find(&k, vs, &plan, &err), OK);
    CU_ASSERT(k.tokens_per_s < 0.6 * k.saturated_tokens_per_s);
    CU_ASSERT(lines >= 3);
    atomic_store(&sleeps, false);
    end(vs);
}

/* The device gives up after so many batches of the search. */
static bool ends_with(status why, int after)
{
    engine *e = begin(ENGINE_CUDA, 4);
    versions *vs = versions_of(e);
    const knee_plan plan = quick(e, 3600000000000);
    knee k = {.p50_ms = 1};
    error err = {""};
    atomic_store(&failure, why);
    atomic_store(&spared, atomic_load(&batches) + after);
    const bool said = knee_find(&k, vs, &plan, &err) == why && !strcmp(err.text, "told to fail");
    if (why == GPU_LOST) tiny_folder_remove(folder); /* the rest is for the process's end */
    else end(vs);
    return said && k.saturated_tokens_per_s <= 0 && k.requests_per_s <= 0 && k.p50_ms <= 0;
}

static const int after[] = {0, 3, 60};
enum { AFTER = sizeof after / sizeof *after };

static void a_device_that_fails_ends_it(void)
{
    for (int i = 0; i < AFTER; i++) CU_ASSERT_TRUE(ends_with(GPU_FAILED, after[i]));
}

/* In a process of its own, as it should end: what a thread in the device may still touch is never freed. */
static void lose_the_device(void)
{
    for (int i = 0; i < AFTER; i++)
        if (!ends_with(GPU_LOST, after[i])) abort();
}

static void one_that_is_lost_ends_it(void)
{
    static char text[1 << 16];
    const int code = child_run(lose_the_device, 60000, text, sizeof text);
    CU_ASSERT_EQUAL(code, 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "told to fail"));
}

void knee_suite(CU_pSuite s)
{
    CU_add_test(s, "an objective that always holds has a knee, and its best rate held twice",
                an_objective_that_always_holds);
    CU_add_test(s, "one that never does has none, and says what a request alone takes", one_that_never_does);
    CU_add_test(s, "no knee lies above what the device can do", no_knee_is_above_the_device);
    CU_add_test(s, "a rate at which more than one in a thousand is refused does not hold", refusals_end_the_search);
    CU_add_test(s, "a device that fails ends the search with its word", a_device_that_fails_ends_it);
    CU_add_test(s, "and so does one that is lost", one_that_is_lost_ends_it);
}
