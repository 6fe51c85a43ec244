/* test_service.c - the table between, below and beyond its rows; what is learned. */
#include <CUnit/CUnit.h>
#include <string.h>
#include "runtime/serve/service.h"

static const service_table table = {
    .row = {{64, 1, 1000, 5}, {64, 16, 800, 5}, {128, 1, 3000, 5}, {128, 32, 1100, 5}, {512, 8, 5000, 5}}, .n = 5};

static service_model seeded(void)
{
    service_model m;
    error err;
    CU_ASSERT_EQUAL(service_check(&table, &err), OK);
    service_seed(&m, &table);
    return m;
}

static void rows_are_kept(void)
{
    const service_model m = seeded();
    for (int i = 0; i < table.n; i++)
        CU_ASSERT_EQUAL(service_predict_ns(&m, table.row[i].tokens, table.row[i].sequences), table.row[i].median_ns);
}

static void between_rows_both_ways_are_linear(void)
{
    const service_model m = seeded();
    CU_ASSERT_EQUAL(service_predict_ns(&m, 96, 1), 2000);
    CU_ASSERT_EQUAL(service_predict_ns(&m, 96, 32), 950); /* 64 tokens never have more than their 16 */
    CU_ASSERT_EQUAL(service_predict_ns(&m, 64, 4), 960);
    CU_ASSERT_EQUAL(service_predict_ns(&m, 64, 40), 800);
    CU_ASSERT_EQUAL(service_predict_ns(&m, 320, 1), 4000);
    CU_ASSERT_EQUAL(service_predict_ns(&m, 512, 1), service_predict_ns(&m, 512, 64));
}

static void outside_the_rows_the_lines_go_on(void)
{
    const service_model m = seeded();
    CU_ASSERT_EQUAL(service_predict_ns(&m, 896, 1), 7000);
    CU_ASSERT_EQUAL(service_predict_ns(&m, 32, 32), 650);
    CU_ASSERT_EQUAL(service_predict_ns(&m, 32, 1), 500); /* the line would lead to zero: in proportion */
    CU_ASSERT_TRUE(service_predict_ns(&m, 1, 1) >= 1);

    const service_table one = {.row = {{100, 4, 1000, 0}}, .n = 1};
    service_model alone;
    service_seed(&alone, &one);
    CU_ASSERT_EQUAL(service_predict_ns(&alone, 50, 1), 1000); /* all may be fixed cost */
    CU_ASSERT_EQUAL(service_predict_ns(&alone, 100, 9), 1000);
    CU_ASSERT_EQUAL(service_predict_ns(&alone, 300, 1), 3000);
}

static void a_time_never_falls_as_tokens_rise(void)
{
    const service_model m = seeded();
    int falls = 0;
    for (int sequences = 1; sequences <= 64; sequences++)
        for (int tokens = sequences; tokens < 1200; tokens++)
            falls += service_predict_ns(&m, tokens + 1, sequences) < service_predict_ns(&m, tokens, sequences);
    CU_ASSERT_EQUAL(falls, 0);
}

static void refuse(service_row a, service_row b, service_row c, int n, const char *seen)
{
    error err = {""};
    const service_table t = {.row = {a, b, c}, .n = n};
    CU_ASSERT_EQUAL(service_check(&t, &err), BAD_INPUT);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, seen));
}

static void bad_tables_are_refused(void)
{
    const service_row good = {8, 1, 100, 0}, none = {0};
    refuse(none, none, none, 0, "0 service times");
    refuse(none, none, none, SERVICE_ROWS_MAX + 1, "65 service times");
    refuse((service_row){8, 0, 100, 0}, none, none, 1, "time 0");
    refuse((service_row){8, 9, 100, 0}, none, none, 1, "8 tokens in 9");
    refuse(good, (service_row){16, 1, 0, 0}, none, 2, "time 1");
    refuse((service_row){8, 1, 100, -1}, none, none, 1, "spread -1");
    refuse(good, (service_row){7, 1, 100, 0}, none, 2, "come after 8");
    refuse(good, good, none, 2, "come after 8 in 1");
    refuse(good, (service_row){8, 2, 90, 0}, (service_row){8, 3, 80, 0}, 3, "third for 8");
    refuse(good, (service_row){16, 1, 99, 0}, none, 2, "less than the 100 ns");
    refuse(good, (service_row){16, 1, 200, 0}, (service_row){16, 4, 99, 0}, 3, "with 4 sequences");
    refuse((service_row){8, 1, 100, 0}, (service_row){8, 8, 150, 0}, (service_row){16, 1, 149, 0}, 3,
           "with 8 sequences");
}

static void learn(service_model *m, int batches, int tokens, double ratio)
{
    for (int i = 0; i < batches; i++)
        service_learn(m, tokens, 1, (int64_t)(ratio * (double)service_calibrated_ns(m, tokens, 1)));
}

static void a_slower_machine_is_known_after_some_ten_batches(void)
{
    service_model m = seeded();
    learn(&m, 20, 64, 3);
    CU_ASSERT_DOUBLE_EQUAL((double)service_predict_ns(&m, 64, 1), 3000, 300);
    CU_ASSERT_EQUAL(service_calibrated_ns(&m, 64, 1), 1000);
    CU_ASSERT_EQUAL(m.batches, 20);
    learn(&m, 40, 64, 1);
    CU_ASSERT_DOUBLE_EQUAL((double)service_predict_ns(&m, 64, 1), 1000, 40);
}

static void one_odd_batch_changes_little(void)
{
    service_model m = seeded();
    learn(&m, 1, 64, 1e6);
    CU_ASSERT_TRUE(service_predict_ns(&m, 64, 1) <= 1700);
    service_model quick = seeded();
    learn(&quick, 1, 64, 1e-3);
    CU_ASSERT_TRUE(service_predict_ns(&quick, 64, 1) >= 900);
}

static void sizes_without_a_batch_go_with_the_nearest(void)
{
    service_model m = seeded();
    learn(&m, 100, 64, 2);
    for (int i = 0; i < SERVICE_OCTAVES; i++) CU_ASSERT_DOUBLE_EQUAL(m.factor[i], 2, 0.01);
    learn(&m, 100, 1024, 4); /* octave 10; 64 is octave 6 */
    CU_ASSERT_DOUBLE_EQUAL(m.factor[6], 2, 0.01);
    CU_ASSERT_DOUBLE_EQUAL(m.factor[8], 2, 0.01);
    CU_ASSERT_DOUBLE_EQUAL(m.factor[9], 4, 0.01);
    CU_ASSERT_DOUBLE_EQUAL(m.factor[SERVICE_OCTAVES - 1], 4, 0.01);
    learn(&m, 100, 64, 1);
    CU_ASSERT_DOUBLE_EQUAL(m.factor[0], 1, 0.01);
    CU_ASSERT_DOUBLE_EQUAL(m.factor[8], 1, 0.01);
    CU_ASSERT_DOUBLE_EQUAL(m.factor[9], 4, 0.01);
}

static void the_most_tokens_within_a_time_are_found(void)
{
    const service_table line = {.row = {{100, 1, 1100, 0}, {1000, 1, 2000, 0}}, .n = 2};
    service_model m;
    service_seed(&m, &line);
    CU_ASSERT_EQUAL(service_tokens_within(&m, 1500, 10, 1, 5000), 500);
    CU_ASSERT_EQUAL(service_tokens_within(&m, 1499, 10, 1, 5000), 499);
    CU_ASSERT_EQUAL(service_tokens_within(&m, 1500, 10, 1, 400), 400);
    CU_ASSERT_EQUAL(service_tokens_within(&m, 1500, 10, 600, 5000), 600);
    CU_ASSERT_EQUAL(service_tokens_within(&m, 1, 10, 7, 5000), 7);
    learn(&m, 50, 100, 1);
    learn(&m, 50, 300, 4);
    learn(&m, 50, 600, 1); /* not monotone any more: 512 is quicker than 511 */
    const int tokens = service_tokens_within(&m, 1800, 10, 1, 5000);
    CU_ASSERT_TRUE(service_predict_ns(&m, tokens, tokens / 10) <= 1800);
    CU_ASSERT_TRUE(service_predict_ns(&m, tokens + 1, tokens / 10) > 1800);
}

void service_suite(CU_pSuite s)
{
    CU_add_test(s, "a row's time is predicted for its batch", rows_are_kept);
    CU_add_test(s, "between rows time is linear in tokens and in sequences", between_rows_both_ways_are_linear);
    CU_add_test(s, "outside the rows the lines go on, and never to nothing", outside_the_rows_the_lines_go_on);
    CU_add_test(s, "a time never falls as tokens rise", a_time_never_falls_as_tokens_rise);
    CU_add_test(s, "bad tables are refused with the row", bad_tables_are_refused);
    CU_add_test(s, "a slower machine is known after some ten batches, a recovered one too",
                a_slower_machine_is_known_after_some_ten_batches);
    CU_add_test(s, "one odd batch changes little", one_odd_batch_changes_little);
    CU_add_test(s, "sizes without a batch go with the nearest that had one", sizes_without_a_batch_go_with_the_nearest);
    CU_add_test(s, "the most tokens within a time are found", the_most_tokens_within_a_time_are_found);
}
