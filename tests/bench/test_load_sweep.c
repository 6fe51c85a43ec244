/* test_load_sweep.c - the command `sweep` against a server that is a formula. */
#include <CUnit/CUnit.h>
#include <math.h>
#include <string.h>
#include "bench/load_commands.h"
#include "bench/result.h"
#include "tests/support/formula_server.h"

static report *r;
static result said;

static int run(bench_options o, const formula_server *s)
{
    error err;
    formula_server_set(0, s);
    CU_ASSERT_EQUAL_FATAL(report_open(&r, &err), OK);
    o.report = r;
    if (!o.target) o.target = "http://127.0.0.1:2/embed";
    const int rc = load_sweep_with(&o, formula_server_run);
    CU_ASSERT_EQUAL_FATAL(result_view(&said, "sweep", report_document(r), &err), OK);
    return rc;
}

static void each_rate_is_a_row(void)
{
    static const char *const names[] = {"200/s", "400/s", "800/s"};
    CU_ASSERT_EQUAL(run((bench_options){.rates = "200..800"}, &formula_server_good), 0);
    CU_ASSERT_EQUAL(result_rows(&said, "sweep"), 3);
    double last_ms = 0;
    for (int i = 0; i < 3; i++) {
        const cJSON *row = result_row(&said, "sweep", names[i]);
        CU_ASSERT_DOUBLE_EQUAL(result_number(row, "offered_per_s"), 200 << i, 1e-9);
        CU_ASSERT_DOUBLE_EQUAL(result_number(row, "achieved_per_s"), 200 << i, 1e-9);
        CU_ASSERT_DOUBLE_EQUAL(result_number(row, "goodput_per_s"), 200 << i, 1e-9);
        CU_ASSERT_DOUBLE_EQUAL(result_number(row, "tokens_per_s"), 7 * (200 << i), 1e-9);
        CU_ASSERT_DOUBLE_EQUAL(result_number(row, "p50_ms"), 693.0 / (1000 - (200 << i)), 0.1);
        CU_ASSERT_TRUE(result_number(row, "p99_ms") > last_ms);
        CU_ASSERT_EQUAL(isnan(result_number(row, "p999_ms")), 1); /* of 10,000 that it needs */
        CU_ASSERT_TRUE(result_number(row, "refused") == 0 && result_number(row, "errors") == 0);
        CU_ASSERT_EQUAL(result_number(row, "valid"), 1);
        CU_ASSERT_EQUAL(formula_made.at[i].duration_ns, 5000000000);
        last_ms = result_number(row, "p99_ms");
    }
    report_close(r);
}

static void each_concurrency_is_a_row(void)
{
    CU_ASSERT_EQUAL(run((bench_options){.concurrency = "1,2,4..16", .duration = "1s"}, &formula_server_good), 0);
    CU_ASSERT_EQUAL_FATAL(formula_made.n, 5);
    for (int i = 0; i < 5; i++) {
        CU_ASSERT_TRUE(formula_made.at[i].connections == 1 << i && formula_made.at[i].arrivals == LOAD_CLOSED);
        CU_ASSERT_EQUAL(formula_made.at[i].duration_ns, 1000000000);
    }
    const cJSON *row = result_row(&said, "sweep", "16 connections");
    CU_ASSERT_TRUE(isnan(result_number(row, "offered_per_s")) && result_number(row, "goodput_per_s") == 1000);
    report_close(r);
}

static void a_slow_server_is_a_figure_a_slow_client_is_none(void)
{
    formula_server s = formula_server_good;
    s.refuses_from = 300;
    s.unsteady_from = 300;
    CU_ASSERT_EQUAL(run((bench_options){.rates = "200,400"}, &s), 0);
    CU_ASSERT_EQUAL(result_number(result_row(&said, "sweep", "400/s"), "valid"), 0);
    CU_ASSERT_EQUAL(result_number(result_row(&said, "sweep", "400/s"), "refused"), 20);
    report_close(r);
    s = formula_server_good;
    s.busy_from = 300;
    CU_ASSERT_EQUAL(run((bench_options){.rates = "200,400"}, &s), 3);
    report_close(r);
    s = formula_server_good;
    s.late_from = 300;
    CU_ASSERT_EQUAL(run((bench_options){.rates = "200,400"}, &s), 3);
    report_close(r);
}

static void wrong_words_are_refused(void)
{
    static const bench_options rows[] = {{.rates = NULL},
                                         {.rates = "1,x"},
                                         {.rates = "2e6"},
                                         {.concurrency = "0"},
                                         {.concurrency = "9000"},
                                         {.rates = "10", .concurrency = "1"},
                                         {.rates = "10", .rate = "10"},
                                         {.rates = "10", .arrivals = "file:x"},
                                         {.rates = "10", .target = "nowhere"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        CU_ASSERT_EQUAL(run(rows[i], &formula_server_good), 2);
        CU_ASSERT_EQUAL(formula_made.n, 0);
        report_close(r);
    }
    CU_ASSERT_EQUAL(run((bench_options){.rates = "10", .target = "http://127.0.0.1:1/embed"}, &formula_server_good), 1);
    report_close(r);
}

void load_sweep_suite(CU_pSuite s)
{
    CU_add_test(s, "each rate is a row", each_rate_is_a_row);
    CU_add_test(s, "each concurrency is a row of a closed loop", each_concurrency_is_a_row);
    CU_add_test(s, "a slow server is a figure, a slow client makes it INVALID",
                a_slow_server_is_a_figure_a_slow_client_is_none);
    CU_add_test(s, "wrong words are refused before anything is sent", wrong_words_are_refused);
}
