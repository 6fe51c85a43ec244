/* test_load_schedule.c - due times: their law, their seed, their bounds. */
#include <CUnit/CUnit.h>
#include <math.h>
#include <string.h>
#include "bench/load_schedule.h"

static const int64_t SECOND_NS = 1000000000;

static load_schedule make(load_arrivals arrivals, double rate, double seconds, uint64_t seed)
{
    load_schedule s;
    error err = {""};
    CU_ASSERT_EQUAL_FATAL(load_schedule_open(&s, arrivals, rate, (int64_t)(seconds * 1e9), seed, &err), OK);
    return s;
}

/* 20,000 gaps: the mean is within 1 of 141 of 1/rate in two runs of three, the variation likewise of 1. */
static void poisson_gaps_have_the_rate_and_a_variation_of_one(void)
{
    load_schedule s = make(LOAD_POISSON, 2000, 10, 7);
    double sum = 0, squares = 0;
    CU_ASSERT_TRUE(s.n > 19400 && s.n < 20600);
    for (int i = 0; i < s.n; i++) {
        const double gap = (double)(s.at_ns[i] - (i ? s.at_ns[i - 1] : 0));
        CU_ASSERT_TRUE_FATAL(gap >= 0);
        sum += gap;
        squares += gap * gap;
    }
    const double mean = sum / s.n, variation = sqrt(squares / s.n - mean * mean) / mean;
    CU_ASSERT_DOUBLE_EQUAL(mean, 500000, 15000);
    CU_ASSERT_DOUBLE_EQUAL(variation, 1, 0.03);
    CU_ASSERT_TRUE(s.at_ns[s.n - 1] < 10 * SECOND_NS);
    load_schedule_close(&s);
}

static void fixed_gaps_are_equal_and_do_not_drift(void)
{
    load_schedule s = make(LOAD_FIXED, 3000, 10, 7);
    CU_ASSERT_EQUAL_FATAL(s.n, 30000);
    CU_ASSERT_EQUAL(s.at_ns[0], 0);
    CU_ASSERT_EQUAL(s.at_ns[3000], SECOND_NS);
    CU_ASSERT_EQUAL(s.at_ns[29997], 9 * SECOND_NS + 999000000);
    load_schedule_close(&s);
}

static load_schedule bursts(double ratio, int64_t each_ms, double rate, double seconds, uint64_t seed)
{
    load_schedule s;
    error err = {""};
    const load_burst b = {ratio, each_ms * 1000000};
    CU_ASSERT_EQUAL_FATAL(load_schedule_bursts(&s, b, rate, (int64_t)(seconds * 1e9), seed, &err), OK);
    return s;
}

/* 1,000 periods of 100 ms with 40 requests each, 30 of them in the burst: a count of 30,000 has a standard error of
 * 173. */
static void bursts_have_the_ratio_and_the_mean(void)
{
    load_schedule s = bursts(3, 50, 400, 100, 11);
    int in[2] = {0};
    CU_ASSERT_TRUE(s.n > 39200 && s.n < 40800);
    for (int i = 0; i < s.n; i++) {
        CU_ASSERT_TRUE_FATAL(!i || s.at_ns[i] >= s.at_ns[i - 1]);
        in[s.at_ns[i] / 50000000 % 2]++;
    }
    CU_ASSERT_DOUBLE_EQUAL(in[0], 30000, 700);
    CU_ASSERT_DOUBLE_EQUAL(in[1], 10000, 400);
    CU_ASSERT_TRUE(s.at_ns[s.n - 1] < 100 * SECOND_NS);
    load_schedule_close(&s);
}

/* The same sums of gaps: the n-th is due when a Poisson schedule of the same rate and seed has it, at whole periods
 * exactly, and never more than half a burst from it. */
static void whole_periods_of_bursts_have_exactly_the_mean(void)
{
    load_schedule b = bursts(3, 50, 400, 20, 5), p = make(LOAD_POISSON, 400, 20, 5);
    for (int i = 0; i < b.n && i < p.n; i++) {
        CU_ASSERT_EQUAL_FATAL(b.at_ns[i] / 100000000, p.at_ns[i] / 100000000);
        const int64_t into = p.at_ns[i] % 100000000; /* 3/4 of a period's requests are in the first half of it */
        const double wanted = into < 75000000 ? (double)into / 1.5 : 50e6 + ((double)into - 75e6) * 2;
        CU_ASSERT_DOUBLE_EQUAL((double)(b.at_ns[i] % 100000000), wanted, 10);
    }
    CU_ASSERT_EQUAL(b.n, p.n);
    load_schedule_close(&b);
    load_schedule_close(&p);
}

static void bursts_are_decided_by_the_seed(void)
{
    load_schedule a = bursts(3, 50, 100, 1, 1), b = bursts(3, 50, 100, 1, 1), c = bursts(3, 50, 100, 1, 2);
    CU_ASSERT_TRUE(a.n == b.n && !memcmp(a.at_ns, b.at_ns, (size_t)a.n * sizeof *a.at_ns));
    CU_ASSERT_NOT_EQUAL(a.at_ns[0], c.at_ns[0]);
    load_schedule_close(&a);
    load_schedule_close(&b);
    load_schedule_close(&c);
}

/* A run that ends in its first burst has nearly twice the mean, and room for it. */
static void a_run_within_a_burst_is_whole(void)
{
    load_schedule s = bursts(1000, 60000, 10000, 10, 1);
    CU_ASSERT_DOUBLE_EQUAL(s.n, 2 * 10000 * 10 * 1000 / 1001.0, 2500);
    load_schedule_close(&s);
}

static void the_seed_decides(void)
{
    load_schedule a = make(LOAD_POISSON, 1000, 1, 1), b = make(LOAD_POISSON, 1000, 1, 1),
                  c = make(LOAD_POISSON, 1000, 1, 2);
    CU_ASSERT_TRUE(a.n == b.n && !memcmp(a.at_ns, b.at_ns, (size_t)a.n * sizeof *a.at_ns));
    CU_ASSERT_NOT_EQUAL(a.at_ns[0], c.at_ns[0]);
    load_schedule_close(&a);
    load_schedule_close(&b);
    load_schedule_close(&c);
}

/* Else whoever leaves would always have the same body, or come after a long gap. */
static void choices_are_spread_and_do_not_follow_each_other(void)
{
    enum { N = 10000 };
    double mean[2] = {0}, product = 0;
    for (int i = 0; i < N; i++) {
        const double x = load_chance(5, LOAD_BODY, i), y = load_chance(5, LOAD_LEAVES, i);
        CU_ASSERT_TRUE_FATAL(x >= 0 && x < 1 && y >= 0 && y < 1);
        mean[0] += x / N;
        mean[1] += y / N;
        product += (x - 0.5) * (y - 0.5) / N;
    }
    CU_ASSERT_DOUBLE_EQUAL(mean[0], 0.5, 0.015);
    CU_ASSERT_DOUBLE_EQUAL(mean[1], 0.5, 0.015);
    CU_ASSERT_DOUBLE_EQUAL(product, 0, 0.004); /* of a variance of 1/12 */
}

static void too_few_and_too_many_are_refused(void)
{
    load_schedule s;
    error err = {""};
    CU_ASSERT_EQUAL(load_schedule_open(&s, LOAD_POISSON, 0.5, SECOND_NS, 1, &err), BAD_INPUT);
    CU_ASSERT_EQUAL(load_schedule_open(&s, LOAD_POISSON, 1e6, 11 * SECOND_NS, 1, &err), BAD_INPUT);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "11000000 requests: wanted 1 to 10000000"));
    CU_ASSERT_PTR_NULL(s.at_ns);
    CU_ASSERT_EQUAL(load_schedule_open(&s, LOAD_FIXED, 1, SECOND_NS, 1, &err), OK);
    CU_ASSERT_EQUAL(s.n, 1);
    load_schedule_close(&s);
}

void load_schedule_suite(CU_pSuite s)
{
    CU_add_test(s, "Poisson gaps have the rate's mean and a coefficient of variation of 1",
                poisson_gaps_have_the_rate_and_a_variation_of_one);
    CU_add_test(s, "fixed gaps are equal, and the last is where the rate puts it",
                fixed_gaps_are_equal_and_do_not_drift);
    CU_add_test(s, "bursts have three times the rate of the calm, and both together the mean",
                bursts_have_the_ratio_and_the_mean);
    CU_add_test(s, "whole periods of bursts have exactly the mean rate", whole_periods_of_bursts_have_exactly_the_mean);
    CU_add_test(s, "the same seed gives the same bursts", bursts_are_decided_by_the_seed);
    CU_add_test(s, "a run that ends within a burst has all of its requests", a_run_within_a_burst_is_whole);
    CU_add_test(s, "the same seed gives the same schedule, another another", the_seed_decides);
    CU_add_test(s, "what chance decides is even, and one choice does not follow another",
                choices_are_spread_and_do_not_follow_each_other);
    CU_add_test(s, "a schedule of less than one or of too many requests is refused", too_few_and_too_many_are_refused);
}
