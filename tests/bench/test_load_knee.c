/* test_load_knee.c - the command `knee` against a server that is a formula: 1000/s, exponential latencies, so that p99
 * is 4.6 of their means and at most 10 ms up to 539.5/s, give or take
 * a bucket of the histogram. */
#include <CUnit/CUnit.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "bench/load_commands.h"
#include "bench/result.h"
#include "runtime/serve/capacity.h"
#include "tests/support/formula_server.h"
#include "tests/support/small_server.h"

static const double KNEE = 539.5;
enum { FOUND = 0, NOT_FOUND_AT_ALL = 1, USAGE = 2, INVALID = 3 };
static report *r;
static result said;
static char url[64];

static bench_options asked(void)
{
    snprintf(url, sizeof url, "http://127.0.0.1:2/embed");
    return (bench_options){.target = url, .slo = "p99<=10ms", .rate = "20"};
}

/* The report stays until done(). */
static int run(bench_options o, const formula_server *s)
{
    error err;
    formula_server_set(0, s);
    CU_ASSERT_EQUAL_FATAL(report_open(&r, &err), OK);
    o.report = r;
    const int rc = load_knee_with(&o, formula_server_run);
    CU_ASSERT_EQUAL_FATAL(result_view(&said, "knee", report_document(r), &err), OK);
    return rc;
}

static void done(void) { report_close(r); }

static double found(const char *column) { return result_number(result_next(&said, "knee found", NULL), column); }

static bool noted(const char *text)
{
    const cJSON *note;
    cJSON_ArrayForEach(note, said.notes)
    {
        if (strstr(note->valuestring, text)) return true;
    }
    return false;
}

static int rows_named(const char *name)
{
    int n = 0;
    for (const cJSON *row = NULL; (row = result_next(&said, "knee", row));)
        n += !strcmp(result_text(row, "name"), name);
    return n;
}

static void a_queue_has_its_knee(void)
{
    CU_ASSERT_EQUAL(run(asked(), &formula_server_good), FOUND);
    CU_ASSERT_TRUE(found("requests_per_s") <= KNEE && found("requests_per_s") > KNEE / 1.05);
    CU_ASSERT_TRUE(found("high_per_s") > KNEE / 1.02 && found("high_per_s") <= 1.03 * found("low_per_s"));
    CU_ASSERT_DOUBLE_EQUAL(found("tokens_per_s"), 7 * found("requests_per_s"), 1);
    CU_ASSERT_TRUE(found("p99_ms") <= 10 && found("p99_ms") > 9 && found("p50_ms") < 2);
    CU_ASSERT_TRUE(found("judged_least_ms") <= found("judged_most_ms") && found("judged_most_ms") <= 10);
    CU_ASSERT_TRUE(rows_named("ramp") >= 8 && rows_named("bisect") >= 4 && rows_named("confirm") == 3);
    CU_ASSERT_EQUAL(result_rows(&said, "load"), 1); /* told in full once */
    CU_ASSERT_TRUE(noted("knee 5") && noted("VALID"));
    done();
}

/* 3:1 for as long as it is calm is 1.5 times the mean. */
static void bursts_have_their_own(void)
{
    CU_ASSERT_EQUAL(run(asked(), &formula_server_good), FOUND);
    CU_ASSERT_TRUE(found("bursts_per_s") <= KNEE / 1.5 && found("bursts_per_s") > KNEE / 1.5 / 1.04);
    done();
}

static void each_run_is_long_enough_for_its_percentile(void)
{
    bench_options o = asked();
    o.duration = "1s";
    o.confirm = "1s";
    CU_ASSERT_EQUAL(run(o, &formula_server_good), FOUND);
    for (int i = 0; i < formula_made.n; i++) {
        const double n = formula_made.at[i].rate * (double)formula_made.at[i].duration_ns * 1e-9;
        CU_ASSERT_TRUE(n >= 1000 || formula_made.at[i].duration_ns == 3000000000);
        for (int j = 0; j < i; j++) CU_ASSERT_NOT_EQUAL(formula_made.at[i].seed, formula_made.at[j].seed);
    }
    const double at_knee = result_number(result_row(&said, "knee", "confirm"), "p99_ms");
    CU_ASSERT_FALSE(isnan(at_knee));
    done();
}

static void without_a_rate_it_begins_at_a_fifteenth(void)
{
    bench_options o = asked();
    o.rate = NULL;
    CU_ASSERT_EQUAL(run(o, &formula_server_good), FOUND);
    CU_ASSERT_EQUAL(formula_made.at[0].arrivals, LOAD_CLOSED);
    CU_ASSERT_DOUBLE_EQUAL(formula_made.at[1].rate, 1000 / 15.0, 1);
    CU_ASSERT_TRUE(found("requests_per_s") <= KNEE && found("requests_per_s") > KNEE / 1.05);
    done();
}

static void what_never_holds_has_none(void)
{
    bench_options o = asked();
    o.slo = "p99<=4ms"; /* 4.6 ms alone */
    CU_ASSERT_EQUAL(run(o, &formula_server_good), NOT_FOUND_AT_ALL);
    CU_ASSERT_TRUE(noted("not met even at the lowest rate, 20/s") && noted("at most 4 ms"));
    CU_ASSERT_EQUAL(result_rows(&said, "knee found"), 0);
    done();
}

static void the_clients_limit_is_said(void)
{
    formula_server s = formula_server_good;
    s.busy_from = 300;
    CU_ASSERT_EQUAL(run(asked(), &s), INVALID);
    CU_ASSERT_TRUE(noted("INVALID: the client is the limit at 341.7/s, the highest rate that passed is 227.8/s"));
    CU_ASSERT_TRUE(noted("90 % of a core"));
    CU_ASSERT_EQUAL(result_rows(&said, "knee found"), 0);
    done();
    s = formula_server_good;
    s.late_from = 300;
    CU_ASSERT_EQUAL(run(asked(), &s), INVALID);
    CU_ASSERT_TRUE(noted("the client is the limit") && noted("sent late"));
    done();
}

/* A machine that is full makes its client late as well: where the server alone took too long, it has failed. */
static void lateness_is_no_excuse_for_a_slow_server(void)
{
    formula_server s = formula_server_good;
    s.late_from = KNEE;
    CU_ASSERT_EQUAL(run(asked(), &s), FOUND);
    CU_ASSERT_TRUE(found("requests_per_s") > KNEE / 1.05);
    done();
}

static void refusals_and_unsteadiness_fail_too(void)
{
    formula_server s = formula_server_good;
    s.refuses_from = 400;
    CU_ASSERT_EQUAL(run(asked(), &s), FOUND);
    CU_ASSERT_TRUE(found("requests_per_s") <= 400 && found("requests_per_s") > 400 / 1.05);
    CU_ASSERT_TRUE(noted("1.00 % errors and refusals, at most 0.1 %"));
    done();
    bench_options o = asked();
    o.max_error = "1.5%"; /* which may be allowed */
    CU_ASSERT_EQUAL(run(o, &s), FOUND);
    CU_ASSERT_TRUE(found("requests_per_s") > 400 * 1.1);
    done();
    s = formula_server_good;
    s.unsteady_from = 450;
    CU_ASSERT_EQUAL(run(asked(), &s), FOUND);
    CU_ASSERT_TRUE(found("requests_per_s") <= 450 && found("requests_per_s") > 450 / 1.05 &&
                   noted("fails: not steady"));
    done();
}

static void wrong_words_are_refused(void)
{
    static const struct {
        const char *slo, *max_error, *confirm, *arrivals, *concurrency, *capacity;
    } rows[] = {{0},
                {.slo = "p99<10ms"},
                {.slo = "p99<=10ms", .max_error = "x"},
                {.slo = "p99<=10ms", .max_error = "51%"},
                {.slo = "p99<=10ms", .confirm = "1"},
                {.slo = "p99<=10ms", .confirm = "61m"},
                {.slo = "p99<=10ms", .arrivals = "fixed"},
                {.slo = "p99<=10ms", .concurrency = "8"},
                {.slo = "p99<=10ms", .capacity = "/nowhere/capacity.json"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        bench_options o = asked();
        o.slo = rows[i].slo;
        o.max_error = rows[i].max_error;
        o.confirm = rows[i].confirm;
        o.arrivals = rows[i].arrivals;
        o.concurrency = rows[i].concurrency;
        o.capacity = rows[i].capacity;
        CU_ASSERT_EQUAL(run(o, &formula_server_good), USAGE);
        CU_ASSERT_EQUAL(formula_made.n, 0); /* before anything is sent */
        done();
    }
}

/* ---- capacity.json */

static char file[64];

static void put_capacity(void)
{
    capacity c = {.build = "0.1.0 0123456789ab",
                  .made_at = "2026-11-25T03:00:00Z",
                  .model = "m",
                  .backend = "cpu",
                  .device = "avx2, 2 threads",
                  .precision = "float32",
                  .service = {.row = {{16, 1, 1234567, 89}}, .n = 1},
                  .objective_ms = 100,
                  .objective_ratio = 0.9,
                  .knee_tokens_per_s = 1,
                  .knee_requests_per_s = 2,
                  .knee_p50_ms = 3,
                  .knee_p99_ms = 4,
                  .saturated_tokens_per_s = 12345};
    error err;
    memset(c.digest, 'a', 64);
    snprintf(file, sizeof file, "/tmp/beeline-knee.XXXXXX");
    const int fd = mkstemp(file);
    CU_ASSERT_FATAL(fd >= 0);
    close(fd);
    CU_ASSERT_EQUAL_FATAL(capacity_save(&c, file, &err), OK);
}

static int run_with_capacity(const char *digest, const char *slo)
{
    char body[256], document[512];
    snprintf(body, sizeof body,
             "{\"digest\": \"%s\", \"backend\": \"cpu\", \"device\": \"avx2, 2 threads\", \"precision\": \"float32\"}",
             digest);
    snprintf(document, sizeof document, "HTTP/1.1 200 OK\r\ncontent-length: %zu\r\n\r\n%s", strlen(body), body);
    small_server info = {.document = document, .stall_at = -1};
    small_server_start(&info);
    bench_options o = asked();
    snprintf(url, sizeof url, "http://127.0.0.1:%d/embed", info.port);
    o.slo = slo;
    o.capacity = file;
    const int rc = run(o, &formula_server_good);
    small_server_stop(&info);
    return rc;
}

static void its_capacity_gets_the_measured_knee(void)
{
    static const char digest[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    capacity c;
    error err;
    put_capacity();
    CU_ASSERT_EQUAL(run_with_capacity(digest, "p99<=10ms"), FOUND);
    CU_ASSERT_EQUAL(capacity_read(&c, file, &err), OK);
    CU_ASSERT_DOUBLE_EQUAL(c.knee_requests_per_s, found("requests_per_s"), 1);
    CU_ASSERT_DOUBLE_EQUAL(c.knee_tokens_per_s, found("tokens_per_s"), 1e-6);
    CU_ASSERT_DOUBLE_EQUAL(c.knee_p50_ms, found("p50_ms"), 1e-9);
    CU_ASSERT_DOUBLE_EQUAL(c.knee_p99_ms, found("p99_ms"), 1e-9);
    CU_ASSERT_TRUE(c.objective_ms == 10 && c.objective_ratio == 0.99);
    CU_ASSERT_TRUE(c.saturated_tokens_per_s == 12345 && c.service.n == 1); /* the rest stays */
    CU_ASSERT_TRUE(noted(file));
    done();
    CU_ASSERT_EQUAL(run_with_capacity(digest, "p99<=4ms"), NOT_FOUND_AT_ALL);
    CU_ASSERT_EQUAL(capacity_read(&c, file, &err), OK);
    CU_ASSERT_EQUAL(c.objective_ms, 10); /* no knee, nothing new */
    done();
    unlink(file);
}

static void anothers_is_left_alone(void)
{
    capacity c;
    error err;
    put_capacity();
    CU_ASSERT_EQUAL(run_with_capacity("bbbb", "p99<=10ms"), USAGE);
    CU_ASSERT_EQUAL(formula_made.n, 0);
    CU_ASSERT_EQUAL(capacity_read(&c, file, &err), OK);
    CU_ASSERT_EQUAL(c.knee_requests_per_s, 2);
    done();
    unlink(file);
}

void load_knee_suite(CU_pSuite s)
{
    CU_add_test(s, "a queue has its knee, with what passed and failed beside it", a_queue_has_its_knee);
    CU_add_test(s, "bursts have a knee of their own", bursts_have_their_own);
    CU_add_test(s, "each run is long enough for its percentile, none has another's seed",
                each_run_is_long_enough_for_its_percentile);
    CU_add_test(s, "without a rate it begins at a fifteenth of a closed loop", without_a_rate_it_begins_at_a_fifteenth);
    CU_add_test(s, "what never holds has no knee: exit 1", what_never_holds_has_none);
    CU_add_test(s, "where the client ends it says so: exit 3", the_clients_limit_is_said);
    CU_add_test(s, "lateness is no excuse for a server that is slow alone", lateness_is_no_excuse_for_a_slow_server);
    CU_add_test(s, "refusals and a server that is not steady fail too", refusals_and_unsteadiness_fail_too);
    CU_add_test(s, "wrong words are refused before anything is sent", wrong_words_are_refused);
    CU_add_test(s, "a capacity of the same version gets the measured knee", its_capacity_gets_the_measured_knee);
    CU_add_test(s, "another version's capacity is left alone", anothers_is_left_alone);
}
