/* test_load_windows.c - which window a reply is in, and when windows lie apart. */
#include <CUnit/CUnit.h>
#include <string.h>
#include "bench/load_windows.h"

static const int64_t SECOND_NS = 1000000000;
static load_windows w;
static load_reply reply;

static void divide(double seconds)
{
    memset(&w, 0, sizeof w);
    load_windows_divide(&w, (int64_t)(seconds * 1e9));
    reply = (load_reply){.code = 200, .compute_tokens = 7};
}

static void windows_are_tenths_or_seconds(void)
{
    static const struct {
        double seconds;
        int n;
    } rows[] = {{0.1, 10}, {5, 10}, {10, 10}, {19, 10}, {20, 20}, {35, 30}, {60, 60}, {3600, 60}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        divide(rows[i].seconds);
        CU_ASSERT_EQUAL(w.n, rows[i].n);
        CU_ASSERT_DOUBLE_EQUAL((double)w.each_ns * w.n, rows[i].seconds * 1e9, 60);
        load_windows_reply(&w, &reply, w.duration_ns - 1, 1); /* the last moment is within */
        CU_ASSERT_EQUAL(w.at[w.n - 1].intended.sum.total, 1);
    }
}

static void a_reply_is_in_the_window_of_its_time(void)
{
    divide(10);
    load_windows_reply(&w, &reply, 0, 1);
    load_windows_reply(&w, &reply, SECOND_NS - 1, 1);
    load_windows_reply(&w, &reply, SECOND_NS, 1);
    load_windows_reply(&w, &reply, 10 * SECOND_NS, 1); /* after the end */
    load_windows_reply(&w, &reply, -1, 1);
    load_windows_error(&w, 9 * SECOND_NS);
    load_windows_error(&w, 10 * SECOND_NS);
    reply.code = 429;
    load_windows_reply(&w, &reply, 2 * SECOND_NS, 1);
    reply.code = 500;
    load_windows_reply(&w, &reply, 2 * SECOND_NS, 1);
    CU_ASSERT_TRUE(w.at[0].intended.sum.total == 2 && w.at[1].intended.sum.total == 1 && w.at[0].tokens == 14);
    CU_ASSERT_TRUE(w.at[2].refused == 1 && w.at[2].errors == 1 && w.at[2].intended.sum.total == 0);
    CU_ASSERT_TRUE(w.at[9].errors == 1 && w.at[9].intended.sum.total == 0 && w.at[2].tokens == 0);
}

static void a_half_is_of_what_was_due_in_it(void)
{
    divide(10);
    load_windows_reply(&w, &reply, 6 * SECOND_NS, 2 * SECOND_NS);
    load_windows_reply(&w, &reply, 6 * SECOND_NS, SECOND_NS);
    load_windows_reply(&w, &reply, 12 * SECOND_NS, 3 * SECOND_NS); /* answered after the end, due before it */
    load_windows_unanswered(&w, 30 * SECOND_NS, 30 * SECOND_NS);
    reply.code = 429;
    load_windows_reply(&w, &reply, 6 * SECOND_NS, 0);
    CU_ASSERT_TRUE(w.halves[0].sum.total == 2 && w.halves[0].longest_ns == 30 * SECOND_NS);
    CU_ASSERT_TRUE(w.halves[1].sum.total == 2 && w.halves[1].longest_ns == 3 * SECOND_NS);
}

static void what_is_not_divided_takes_nothing(void)
{
    memset(&w, 0, sizeof w);
    reply = (load_reply){.code = 200};
    load_windows_reply(&w, &reply, 5, 1);
    load_windows_error(&w, 5);
    load_windows_unanswered(&w, 5, 1);
    CU_ASSERT_TRUE(w.halves[0].sum.total == 0 && w.halves[1].sum.total == 0);
    CU_ASSERT_EQUAL(load_windows_last(&w).medians, 1);
}

/* n replies, spread evenly over +-spread of ms. */
static void fill(load_window *to, int n, double ms, double spread)
{
    for (int i = 0; i < n; i++) {
        const double part = n > 1 ? 2.0 * i / (n - 1) - 1 : 0;
        load_latency_record(&to->intended, (int64_t)((ms + part * spread) * 1e6));
    }
}

static load_change change(int n0, double ms0, int n1, double ms1, double spread)
{
    static load_window two[2];
    memset(two, 0, sizeof two);
    fill(&two[0], n0, ms0, spread);
    fill(&two[1], n1, ms1, spread);
    return load_windows_change(two, (double[]){1, 2}, 2, 0);
}

static void medians_differ_beyond_chance(void)
{
    CU_ASSERT_EQUAL(change(1000, 10, 2000, 10, 2).medians, 1);
    CU_ASSERT_DOUBLE_EQUAL(change(10000, 10, 20000, 12, 1).medians, 1.2, 0.05);
    CU_ASSERT_DOUBLE_EQUAL(change(10000, 12, 20000, 10, 1).medians, 1.2, 0.05);
    CU_ASSERT_EQUAL(change(50, 10, 50, 12, 9).medians, 1); /* so few, so far apart: it may be chance */
}

static void throughputs_differ_beyond_chance(void)
{
    CU_ASSERT_EQUAL(change(1000, 10, 2000, 10, 2).rates, 1);
    CU_ASSERT_EQUAL(change(100, 10, 140, 10, 2).rates, 1); /* 100/s and 70/s of few */
    CU_ASSERT_DOUBLE_EQUAL(change(10000, 10, 14000, 10, 2).rates, 1.43, 0.08);
    CU_ASSERT_DOUBLE_EQUAL(change(7000, 10, 20000, 10, 2).rates, 1.43, 0.08);
}

static void fill_last(int n, double ms0, double ms1, double ms2)
{
    divide(20); /* two windows a tenth */
    w.even = true;
    for (int i = 14; i < 20; i++) fill(&w.at[i], n / 2, i < 16 ? ms0 : i < 18 ? ms1 : ms2, 0.5);
}

static void the_last_three_tenths_are_compared(void)
{
    fill_last(2000, 10, 10, 10);
    for (int i = 0; i < 14; i++) fill(&w.at[i], 500, 40, 1); /* what was before does not matter */
    CU_ASSERT_TRUE(load_windows_last(&w).medians == 1 && load_windows_last(&w).rates == 1);
    fill_last(2000, 10, 13, 10);
    CU_ASSERT_TRUE(load_windows_last(&w).medians > 1.2);
    fill_last(2000, 10, 10, 13);
    CU_ASSERT_TRUE(load_windows_last(&w).medians > 1.2);
    fill(&w.at[15], 3000, 10, 0.5);
    CU_ASSERT_TRUE(load_windows_last(&w).rates > 1.5);
    w.even = false;
    CU_ASSERT_TRUE(load_windows_last(&w).medians == 1 && load_windows_last(&w).rates == 1);
    fill_last(98, 10, 100, 10); /* 49 in each window, 98 a tenth */
    CU_ASSERT_EQUAL(load_windows_last(&w).medians, 1);
    fill_last(100, 10, 100, 10);
    CU_ASSERT_TRUE(load_windows_last(&w).medians > 5);
}

void load_windows_suite(CU_pSuite s)
{
    CU_add_test(s, "windows are tenths of a short run, about seconds of a longer one, at most 60",
                windows_are_tenths_or_seconds);
    CU_add_test(s, "a reply is in the window of its time, by its kind", a_reply_is_in_the_window_of_its_time);
    CU_add_test(s, "a half has what was due in it, whenever it ended", a_half_is_of_what_was_due_in_it);
    CU_add_test(s, "what is not divided takes nothing", what_is_not_divided_takes_nothing);
    CU_add_test(s, "medians lie apart by what chance does not explain", medians_differ_beyond_chance);
    CU_add_test(s, "throughputs lie apart by what chance does not explain", throughputs_differ_beyond_chance);
    CU_add_test(s, "the last three tenths are compared, where each has 100 replies",
                the_last_three_tenths_are_compared);
}
