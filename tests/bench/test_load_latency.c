/* test_load_latency.c - the histogram against sorted samples, the percentiles that are not shown, and what chance does.
 */
#include <CUnit/CUnit.h>
#include <math.h>
#include <stdlib.h>
#include "bench/load_latency.h"

static int by_size(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static void percentiles_are_those_of_the_sorted_samples(void)
{
    enum { N = 200000 };
    static int64_t ns[N];
    static load_latency l;
    uint64_t x = 1;
    l = (load_latency){0};
    for (int i = 0; i < N; i++) {
        x = x * 6364136223846793005u + 1442695040888963407u;
        ns[i] = (int64_t)(exp((double)(x >> 40) * 0x1p-24 * 9) * 1e5); /* 0.1 ms to 0.8 s */
        load_latency_record(&l, ns[i]);
    }
    qsort(ns, N, sizeof *ns, by_size);
    for (int i = 0; i < 5; i++) {
        const double q = (double[]){0.5, 0.9, 0.99, 0.999, 0.9999}[i];
        const double wanted_ms = (double)ns[(int)ceil(q * N) - 1] * 1e-6;
        CU_ASSERT_DOUBLE_EQUAL(load_quantile_ms(&l, q), wanted_ms, wanted_ms / 60);
    }
    CU_ASSERT_DOUBLE_EQUAL(load_quantile_ms(&l, 1), (double)ns[N - 1] * 1e-6, 1e-9);
}

static void a_percentile_needs_ten_samples_beyond_it(void)
{
    static load_latency l;
    l = (load_latency){0};
    CU_ASSERT_EQUAL(load_quantile_needs(0.5), 20);
    CU_ASSERT_EQUAL(load_quantile_needs(0.9), 100);
    CU_ASSERT_EQUAL(load_quantile_needs(0.99), 1000);
    CU_ASSERT_EQUAL(load_quantile_needs(0.999), 10000);
    CU_ASSERT_EQUAL(load_quantile_needs(0.9999), 100000);
    CU_ASSERT_TRUE(isnan(load_quantile_ms(&l, 1)));
    for (int i = 0; i < 999; i++) load_latency_record(&l, 1000000);
    CU_ASSERT_TRUE(isnan(load_quantile_ms(&l, 0.99)));
    CU_ASSERT_FALSE(isnan(load_quantile_ms(&l, 0.9)));
    load_latency_record(&l, 1000000);
    CU_ASSERT_FALSE(isnan(load_quantile_ms(&l, 0.99)));
}

static void sums_add(void)
{
    static load_latency a, b;
    a = b = (load_latency){0};
    for (int i = 0; i < 30; i++) load_latency_record(&a, 1000000);
    for (int i = 0; i < 70; i++) load_latency_record(&b, 9000000);
    load_latency_add(&a, &b);
    CU_ASSERT_EQUAL(a.sum.total, 100);
    CU_ASSERT_EQUAL(a.longest_ns, 9000000);
    CU_ASSERT_DOUBLE_EQUAL(load_quantile_ms(&a, 0.5), 9, 0.2);
}

/* Of many samples of one law the bounds of few hold the true median: three standard errors of the difference are 2.12
 * of each, which 34 of 1,000 miss. */
static void bounds_hold_what_chance_does(void)
{
    enum { RUNS = 1000, N = 400 };
    uint64_t x = 7;
    int missed[2] = {0};
    for (int run = 0; run < RUNS; run++) {
        static load_latency l;
        l = (load_latency){0};
        double events = 0;
        for (int i = 0; i < N; i++) {
            x = x * 6364136223846793005u + 1442695040888963407u;
            const double chance = (double)(x >> 40) * 0x1p-24;
            load_latency_record(&l, (int64_t)(-log1p(-chance) * 1e7));
            events += chance < 0.25;
        }
        const load_bounds median = load_quantile_bounds_ms(&l, 0.5), count = load_count_bounds(events);
        missed[0] += 10 * log(2) < median.low || 10 * log(2) > median.high;
        missed[1] += N * 0.25 < count.low || N * 0.25 > count.high;
    }
    CU_ASSERT_TRUE(missed[0] > 10 && missed[0] < 60);
    CU_ASSERT_TRUE(missed[1] < 60); /* fewer: these are chosen of 400, Poisson's are not */
}

static void bounds_stay_within_the_samples(void)
{
    static load_latency l;
    l = (load_latency){0};
    CU_ASSERT_EQUAL(load_quantile_bounds_ms(&l, 0.5).high, 0);
    load_latency_record(&l, 5000000);
    CU_ASSERT_DOUBLE_EQUAL(load_quantile_bounds_ms(&l, 0.99).high, 5, 1e-9);
    CU_ASSERT_DOUBLE_EQUAL(load_quantile_bounds_ms(&l, 0.99).low, 5, 0.1);
    CU_ASSERT_EQUAL(load_count_bounds(1).low, 0);
}

void load_latency_suite(CU_pSuite s)
{
    CU_add_test(s, "percentiles are those of the sorted samples", percentiles_are_those_of_the_sorted_samples);
    CU_add_test(s, "a percentile needs ten samples beyond it", a_percentile_needs_ten_samples_beyond_it);
    CU_add_test(s, "latencies of two rows add", sums_add);
    CU_add_test(s, "the bounds of a figure hold what chance does to it", bounds_hold_what_chance_does);
    CU_add_test(s, "bounds stay within the samples", bounds_stay_within_the_samples);
}
