/* test_histogram.c - against the sorted values themselves. */
#include "runtime/base/histogram.h"
#include <CUnit/CUnit.h>
#include <math.h>
#include <stdlib.h>

enum { VALUES = 20000, FIRST_HALF_NS = 520, US = 1000, MS = 1000000 };
static const int64_t SECOND = 1000000000, LONGEST = (int64_t)1 << 36;
static const double quantiles[] = {0.001, 0.1, 0.5, 0.9, 0.99, 0.999, 0.9999, 1};
enum { QUANTILES = sizeof quantiles / sizeof *quantiles };

static uint64_t state = 1;
static double uniform(void) /* in (0, 1) */
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return ((double)(state >> 11) + 0.5) / 9007199254740992.0;
}
static double normal(void) { return sqrt(-2 * log(uniform())) * cos(2 * 3.14159265358979 * uniform()); }

static int64_t log_normal(void) { return (int64_t)(3e6 * exp(0.7 * normal())); }
static int64_t evenly(void) { return US + (int64_t)(uniform() * (double)(60 * SECOND)); }
static int64_t constant(void) { return 7 * MS + 1; }
static int64_t two_peaks(void) { return (int64_t)((uniform() < 0.98 ? 2e6 : 4e8) * (1 + 0.05 * normal())); }
static int64_t heavy_tail(void) { return (int64_t)fmin(5e4 / pow(uniform(), 1.2), 6e10); }
static int64_t tiny(void) { return (int64_t)(uniform() * 3000); }
static int64_t (*const distributions[])(void) = {log_normal, evenly, constant, two_peaks, heavy_tail, tiny};
enum { DISTRIBUTIONS = sizeof distributions / sizeof *distributions };

static int ascending(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static int is_near(int64_t seen, int64_t want)
{
    return (double)llabs(seen - want) <= fmax((double)want / 128, FIRST_HALF_NS) + 1;
}

/* The ceil(q*n)-th smallest, in whole numbers: q is given in ten thousandths. */
static void check_quantiles(const histogram_sum *s, const int64_t *sorted, int n)
{
    CU_ASSERT_EQUAL(s->total, (uint64_t)n);
    for (int i = 0; i < QUANTILES; i++) {
        const int64_t parts = llround(quantiles[i] * 10000), rank = (parts * n + 9999) / 10000;
        CU_ASSERT(is_near(histogram_quantile(s, quantiles[i]), sorted[rank - 1]));
    }
}

static void quantiles_are_those_of_the_sorted_values(void)
{
    static const int sizes[] = {1, 2, 3, 99, 100, 101, VALUES};
    static int64_t v[VALUES];
    for (int d = 0; d < DISTRIBUTIONS; d++)
        for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
            histogram h = {0};
            histogram_sum s = {0}, direct = {0};
            for (int i = 0; i < sizes[k]; i++) {
                v[i] = distributions[d]();
                histogram_record(&h, v[i]);
                histogram_sum_record(&direct, v[i]);
            }
            qsort(v, (size_t)sizes[k], sizeof *v, ascending);
            histogram_add(&s, &h);
            check_quantiles(&s, v, sizes[k]);
            check_quantiles(&direct, v, sizes[k]);
        }
}

static void several_merged_are_as_one(void)
{
    enum { PARTS = 5 };
    static histogram parts[PARTS], whole;
    histogram_sum merged = {0}, one = {0};
    for (int i = 0; i < PARTS; i++) histogram_clear(&parts[i]);
    histogram_clear(&whole);
    for (int i = 0; i < VALUES; i++) {
        const int64_t ns = distributions[i % DISTRIBUTIONS]();
        histogram_record(&parts[i * 7 % PARTS], ns);
        histogram_record(&whole, ns);
    }
    for (int i = 0; i < PARTS; i++) histogram_add(&merged, &parts[i]);
    histogram_add(&one, &whole);
    CU_ASSERT_EQUAL(merged.total, VALUES);
    CU_ASSERT_EQUAL(merged.total, one.total);
    for (int i = 0; i < HISTOGRAM_COUNTERS; i++) CU_ASSERT_EQUAL(merged.n[i], one.n[i]);
}

static void steps_follow_each_other_without_a_gap(void)
{
    CU_ASSERT_EQUAL(histogram_low(0), 0);
    CU_ASSERT_EQUAL(histogram_high(HISTOGRAM_COUNTERS - 1), INT64_MAX);
    for (int i = 0; i < HISTOGRAM_COUNTERS; i++) {
        const int64_t low = histogram_low(i), high = histogram_high(i);
        CU_ASSERT(low < high);
        if (i) CU_ASSERT_EQUAL(low, histogram_high(i - 1));
        CU_ASSERT_EQUAL(histogram_index(low), i);
        CU_ASSERT_EQUAL(histogram_index(low + (high - low) / 2), i);
        CU_ASSERT_EQUAL(histogram_index(high - 1), i);
        if (i && i < HISTOGRAM_COUNTERS - 1) CU_ASSERT((high - low) * 64 <= low);
    }
}

static void every_power_of_two_begins_a_row_of_steps(void)
{
    for (int bits = HISTOGRAM_LEAST_BITS; bits < HISTOGRAM_LEAST_BITS + HISTOGRAM_POWERS; bits++) {
        const int64_t ns = (int64_t)1 << bits;
        const int first = (bits - HISTOGRAM_LEAST_BITS) * HISTOGRAM_STEPS;
        CU_ASSERT_EQUAL(histogram_index(ns), first);
        CU_ASSERT_EQUAL(histogram_index(ns + 1), first);
        CU_ASSERT_EQUAL(histogram_index(ns - 1), first ? first - 1 : 0);
        CU_ASSERT_EQUAL(histogram_low(first), first ? ns : 0);
    }
}

static void what_is_too_short_or_too_long_counts_at_the_ends(void)
{
    static const int64_t low[] = {INT64_MIN, -1, 0, 1, 1023, 1024}, high[] = {LONGEST - 1, LONGEST, INT64_MAX};
    for (size_t i = 0; i < sizeof low / sizeof *low; i++) {
        histogram h = {0};
        histogram_sum s = {0};
        histogram_record(&h, low[i]);
        histogram_add(&s, &h);
        CU_ASSERT_EQUAL(s.n[0], 1);
        CU_ASSERT_EQUAL(s.total, 1);
        CU_ASSERT(histogram_quantile(&s, 0.5) <= 1024);
    }
    for (size_t i = 0; i < sizeof high / sizeof *high; i++) {
        histogram_sum s = {0};
        histogram_sum_record(&s, high[i]);
        CU_ASSERT_EQUAL(s.n[HISTOGRAM_COUNTERS - 1], 1);
        CU_ASSERT_EQUAL(histogram_quantile(&s, 1), histogram_low(HISTOGRAM_COUNTERS - 1));
    }
}

static void an_empty_one_says_0_and_a_cleared_one_is_empty(void)
{
    histogram h = {0};
    histogram_sum s = {0};
    histogram_add(&s, &h);
    CU_ASSERT_EQUAL(histogram_quantile(&s, 0.5), 0);
    for (int i = 0; i < HISTOGRAM_COUNTERS; i++) histogram_record(&h, histogram_low(i));
    histogram_clear(&h);
    histogram_add(&s, &h);
    CU_ASSERT_EQUAL(s.total, 0);
    CU_ASSERT_EQUAL(histogram_quantile(&s, 1), 0);
}

static void a_rank_at_an_edge_is_the_ceiling(void)
{
    histogram_sum s = {0};
    for (int i = 0; i < 99; i++) histogram_sum_record(&s, MS);
    histogram_sum_record(&s, SECOND);
    CU_ASSERT(is_near(histogram_quantile(&s, 0.99), MS)); /* the 99th of 100 */
    CU_ASSERT(is_near(histogram_quantile(&s, 0.991), SECOND));
    CU_ASSERT(is_near(histogram_quantile(&s, 1e-9), MS)); /* never below the first */
}

void histogram_suite(CU_pSuite s)
{
    CU_ADD_TEST(s, quantiles_are_those_of_the_sorted_values);
    CU_ADD_TEST(s, several_merged_are_as_one);
    CU_ADD_TEST(s, steps_follow_each_other_without_a_gap);
    CU_ADD_TEST(s, every_power_of_two_begins_a_row_of_steps);
    CU_ADD_TEST(s, what_is_too_short_or_too_long_counts_at_the_ends);
    CU_ADD_TEST(s, an_empty_one_says_0_and_a_cleared_one_is_empty);
    CU_ADD_TEST(s, a_rank_at_an_edge_is_the_ceiling);
}
