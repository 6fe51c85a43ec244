/* test_load_batches.c - batches from the text of /metrics: what our own server writes, and what others might. */
#include <CUnit/CUnit.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "bench/load_batches.h"
#include "runtime/serve/policy.h"
#include "server/exposition.h"

enum { EDGES = 4 };
static load_batches b;
static error err;

/* As metrics.c writes it: counts of at most 1, 2, 4, 8 tokens, and of more. */
static char *metrics(const int64_t counts[EDGES + 1], const int64_t by[TRIGGERS], double tokens, double busy_s)
{
    static char text[8192];
    out o = {0};
    exposition e = {.o = &o};
    int64_t total = 0;
    for (int i = 0; i <= EDGES; i++) total += counts[i];
    exposition_family(&e, "beeline_batches_total", "counter", "Batches by what made them leave.");
    for (int i = 0; i < TRIGGERS; i++) {
        exposition_sample(&e, "");
        exposition_label(&e, "trigger", policy_trigger_names[i]);
        exposition_integer(&e, by[i]);
    }
    exposition_family(&e, "beeline_batch_sequences", "histogram", "Texts in a batch.");
    exposition_histogram(&e, NULL, NULL, (double[EDGES]){1, 2, 4, 8}, (int64_t[EDGES + 1]){total}, EDGES,
                         2.0 * (double)total);
    exposition_family(&e, "beeline_batch_tokens", "histogram", "Tokens in a batch.");
    exposition_histogram(&e, NULL, NULL, (double[EDGES]){1, 2, 4, 8}, counts, EDGES, tokens);
    if (!isnan(busy_s)) {
        exposition_family(&e, "beeline_gpu_busy_seconds_total", "counter", "Time that a batch was on the GPU.");
        exposition_sample(&e, "");
        exposition_label(&e, "gpu", "0");
        exposition_number(&e, busy_s);
    }
    CU_ASSERT_FATAL(o.n < sizeof text);
    memcpy(text, o.p, o.n);
    text[o.n] = 0;
    out_free(&o);
    return text;
}

static void a_scrape_is_read(void)
{
    const char *text = metrics((int64_t[]){1, 0, 5, 0, 2}, (int64_t[]){4, 3, 1, 0}, 123.5, 1.25);
    CU_ASSERT_EQUAL_FATAL(load_batches_read(&b, text, &err), OK);
    CU_ASSERT_TRUE(b.batches == 8 && b.sequences == 16 && b.tokens == 123.5 && b.busy_s == 1.25);
    CU_ASSERT_TRUE_FATAL(b.n_triggers == TRIGGERS && b.n_buckets == EDGES + 1);
    CU_ASSERT_STRING_EQUAL(b.triggers[0].name, "idle");
    CU_ASSERT_STRING_EQUAL(b.triggers[3].name, "drain");
    CU_ASSERT_TRUE(b.triggers[0].batches == 4 && b.triggers[2].batches == 1);
    CU_ASSERT_TRUE(b.buckets[0].batches == 1 && b.buckets[1].batches == 0 && b.buckets[2].batches == 5);
    CU_ASSERT_TRUE(b.buckets[2].most == 4 && isinf(b.buckets[4].most) && b.buckets[4].batches == 2);
}

static void a_server_without_a_gpu_says_no_busy_time(void)
{
    const char *text = metrics((int64_t[]){1, 0, 5, 0, 2}, (int64_t[]){4, 3, 1, 0}, 123.5, NAN);
    CU_ASSERT_EQUAL_FATAL(load_batches_read(&b, text, &err), OK);
    CU_ASSERT_TRUE(isnan(b.busy_s));
}

static void a_run_is_the_difference_of_two(void)
{
    load_batches before;
    load_batches_read(&before, metrics((int64_t[]){1, 0, 5, 0, 2}, (int64_t[]){4, 3, 1, 0}, 100, 1), &err);
    load_batches_read(&b, metrics((int64_t[]){1, 3, 9, 0, 2}, (int64_t[]){5, 9, 1, 0}, 150, 3.5), &err);
    CU_ASSERT_EQUAL_FATAL(load_batches_since(&b, &before, &err), OK);
    CU_ASSERT_TRUE(b.batches == 7 && b.sequences == 14 && b.tokens == 50 && b.busy_s == 2.5);
    CU_ASSERT_TRUE(b.triggers[0].batches == 1 && b.triggers[1].batches == 6 && b.triggers[2].batches == 0);
    CU_ASSERT_TRUE(b.buckets[0].batches == 0 && b.buckets[1].batches == 3 && b.buckets[2].batches == 4);
    load_batches_read(&b, metrics((int64_t[]){1, 0, 0, 0, 0}, (int64_t[]){1, 0, 0, 0}, 1, 0), &err);
    CU_ASSERT_EQUAL(load_batches_since(&b, &before, &err), BAD_INPUT);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "1 batches after the run and 8 before it: the server was started anew"));
}

static void what_is_none_of_ours_is_refused(void)
{
    static const char *const bad[] = {
        "",
        "# HELP go_goroutines Number.\ngo_goroutines 5\n",
        "beeline_batches_total{trigger=\"idle\"} 5\n",
        "beeline_batches_total{trigger=\"idle\"} 5\nbeeline_batch_tokens_bucket{le=\"1\"} 5\n",
        "beeline_batches_total{trigger=\"idle\"}\nbeeline_batches_total{trigger=\"a name that has no room here\"} 5\n",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        CU_ASSERT_EQUAL(load_batches_read(&b, bad[i], &err), BAD_INPUT);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "wanted a beeline's"));
        CU_ASSERT_EQUAL(b.n_triggers, 0);
    }
}

static void more_than_there_is_room_for_is_no_overflow(void)
{
    char text[16384];
    size_t n = (size_t)sprintf(text, "beeline_batch_tokens_sum 1\nbeeline_batch_tokens_count 1\n"
                                     "beeline_batch_sequences_sum 1\n");
    for (int i = 0; i < 60; i++)
        n += (size_t)sprintf(text + n,
                             "beeline_batches_total{trigger=\"t%d\"} 1\n"
                             "beeline_batch_tokens_bucket{le=\"%d\"} 1\n",
                             i, i);
    CU_ASSERT_EQUAL(load_batches_read(&b, text, &err), OK);
    CU_ASSERT_TRUE(b.n_triggers == LOAD_TRIGGERS && b.n_buckets == LOAD_BUCKETS);
}

void load_batches_suite(CU_pSuite s)
{
    CU_add_test(s, "batches, their triggers and sizes are read from what the server writes", a_scrape_is_read);
    CU_add_test(s, "a server without a GPU says no busy time", a_server_without_a_gpu_says_no_busy_time);
    CU_add_test(s, "a run is the difference of two scrapes of the same process", a_run_is_the_difference_of_two);
    CU_add_test(s, "metrics of another are refused", what_is_none_of_ours_is_refused);
    CU_add_test(s, "more triggers and buckets than there is room for are no overflow",
                more_than_there_is_room_for_is_no_overflow);
}
