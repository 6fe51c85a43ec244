/* test_stopwatch.c - medians of known samples, tables of known times, and batches of an engine. */
#include <CUnit/CUnit.h>
#include <string.h>
#include "runtime/serve/engine.h"
#include "runtime/serve/stopwatch.h"
#include "tests/support/tiny_model.h"

static void settled(const int64_t *samples, int n, int64_t median, int64_t spread)
{
    int64_t copy[STOPWATCH_RUNS_MAX], m, s;
    memcpy(copy, samples, (size_t)n * sizeof *copy);
    stopwatch_settle(copy, n, &m, &s);
    CU_ASSERT_EQUAL(m, median);
    CU_ASSERT_EQUAL(s, spread);
}

static void the_middle_and_the_quartiles(void)
{
    settled((int64_t[]){7}, 1, 7, 0);
    settled((int64_t[]){900, 7}, 2, 7, 0); /* the cold one does not count */
    settled((int64_t[]){30, 10, 20}, 3, 20, 10);
    settled((int64_t[]){50, 10, 40, 20, 30}, 5, 30, 20);
    settled((int64_t[]){1000000, 1, 3, 2, 4}, 5, 3, 2); /* one that slept moves nothing */
    settled((int64_t[]){0, 0, 0}, 3, 1, 0);
}

static void rising(const service_table *given, const service_table *wanted)
{
    service_table t = *given;
    error err;
    stopwatch_keep_rising(&t);
    CU_ASSERT_EQUAL(service_check(&t, &err), OK);
    CU_ASSERT_EQUAL_FATAL(t.n, wanted->n);
    CU_ASSERT_EQUAL(memcmp(t.row, wanted->row, (size_t)t.n * sizeof *t.row), 0);
}

static void what_a_larger_batch_undercuts_is_left_out(void)
{
    static const service_table whole = {.row = {{16, 1, 10, 0}, {32, 1, 20, 0}, {32, 2, 19, 0}, {64, 1, 40, 0}},
                                        .n = 4};
    rising(&whole, &whole);
    rising(&(service_table){.row = {{16, 1, 10, 0}, {32, 1, 9, 0}}, .n = 2},
           &(service_table){.row = {{32, 1, 9, 0}}, .n = 1});
    /* One row of a group is enough, then the group goes; and what was above it goes on against what was below. */
    rising(&(service_table){.row = {{16, 1, 10, 0}, {32, 1, 20, 0}, {32, 2, 41, 0}, {64, 1, 40, 0}}, .n = 4},
           &(service_table){.row = {{16, 1, 10, 0}, {64, 1, 40, 0}}, .n = 2});
    rising(&(service_table){.row = {{16, 1, 50, 0}, {32, 1, 60, 0}, {64, 1, 40, 0}, {64, 4, 40, 1}, {128, 1, 70, 0}},
                            .n = 5},
           &(service_table){.row = {{64, 1, 40, 0}, {64, 4, 40, 1}, {128, 1, 70, 0}}, .n = 3});
    /* Between its rows a group is linear: 4 of 32 tokens take 9.1. */
    static const service_table just = {.row = {{16, 1, 5, 0}, {16, 4, 9, 0}, {32, 1, 7, 0}, {32, 8, 12, 0}}, .n = 4};
    rising(&just, &just);
    rising(&(service_table){.row = {{16, 1, 5, 0}, {16, 4, 10, 0}, {32, 1, 7, 0}, {32, 8, 12, 0}}, .n = 4},
           &(service_table){.row = {{32, 1, 7, 0}, {32, 8, 12, 0}}, .n = 2});
}

static void a_row_is_timed(void)
{
    char *folder = tiny_folder_make();
    engine *e;
    error err;
    stopwatch w;
    tiny_model_write(folder, (tiny_model){.pooling = "mean_tokens", .normalize = 1});
    const engine_options o = {.batch_tokens = 100, .batch_sequences = 7, .threads = 1, .backend = ENGINE_CPU};
    CU_ASSERT_EQUAL_FATAL(engine_open(&e, folder, o, &err), OK);
    CU_ASSERT_EQUAL_FATAL(stopwatch_open(&w, e, &err), OK);
    static const service_row shapes[] = {{1, 1, 0, 0}, {64, 1, 0, 0}, {100, 2, 0, 0}, {100, 7, 0, 0}, {7, 7, 0, 0}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        service_row r = shapes[i];
        CU_ASSERT_EQUAL(stopwatch_row(&w, &r, 3, 0, &err), OK);
        CU_ASSERT_EQUAL(r.tokens, shapes[i].tokens);
        CU_ASSERT_EQUAL(r.sequences, shapes[i].sequences);
        CU_ASSERT(r.median_ns >= 1);
        CU_ASSERT_EQUAL(r.spread_ns, 0); /* of one run: the time is over at once */
    }
    service_row r = {.tokens = 100, .sequences = 1}; /* longer than the model takes */
    CU_ASSERT_EQUAL(stopwatch_row(&w, &r, 3, 0, &err), BAD_INPUT);
    CU_ASSERT_EQUAL(r.median_ns, 0);
    stopwatch_close(&w);
    engine_close(e);
    tiny_folder_remove(folder);
}

void stopwatch_suite(CU_pSuite s)
{
    CU_add_test(s, "the median and the quartiles of samples in any order", the_middle_and_the_quartiles);
    CU_add_test(s, "smaller batches that a larger one undercuts are left out, nothing is made up",
                what_a_larger_batch_undercuts_is_left_out);
    CU_add_test(s, "a batch of any shape that the engine takes is timed at least once", a_row_is_timed);
}
