/* test_slo.c - the words of an objective. */
#include <CUnit/CUnit.h>
#include <string.h>
#include "bench/slo.h"

static void percentiles_and_times_are_understood(void)
{
    static const struct {
        const char *text, *percentile;
        double q, ms;
    } rows[] = {{"p99<=10ms", "p99", 0.99, 10},
                {"p50<=800us", "p50", 0.5, 0.8},
                {"p90<=1.5s", "p90", 0.9, 1500},
                {"p99.9<=60s", "p99.9", 0.999, 60000}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        slo o;
        error err = {""};
        CU_ASSERT_EQUAL(slo_read(&o, rows[i].text, &err), OK);
        CU_ASSERT_STRING_EQUAL(o.percentile, rows[i].percentile);
        CU_ASSERT_DOUBLE_EQUAL(o.q, rows[i].q, 1e-12);
        CU_ASSERT_DOUBLE_EQUAL(o.most_ms, rows[i].ms, 1e-9);
    }
}

static void others_are_refused_with_what_was_seen(void)
{
    static const struct {
        const char *text, *seen;
    } rows[] = {{"p98<=10ms", "\"p98\", wanted p50"},
                {"p99.99<=10ms", "\"p99.99\""},
                {"99<=10ms", "\"99\""},
                {"p99=10ms", "\"p99=10ms\""},
                {"p99<10ms", "wanted <="},
                {"p99<=10", "\"10\", wanted 10us"},
                {"p99<=ms", "\"ms\""},
                {"p99<=0ms", "\"0ms\""},
                {"p99<=61s", "\"61s\""},
                {"p99<=10ms ", "\"10ms \""},
                {"p9<=10ms", "\"p9\""},
                {"", "\"\""}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        slo o;
        error err = {""};
        CU_ASSERT_EQUAL(slo_read(&o, rows[i].text, &err), BAD_INPUT);
        if (!strstr(err.text, rows[i].seen)) CU_FAIL(err.text);
        CU_ASSERT_PTR_NULL(o.percentile);
    }
}

void slo_suite(CU_pSuite s)
{
    CU_add_test(s, "percentiles and times are understood", percentiles_and_times_are_understood);
    CU_add_test(s, "others are refused with what was seen and wanted", others_are_refused_with_what_was_seen);
}
