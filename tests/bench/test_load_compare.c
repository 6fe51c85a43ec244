/* test_load_compare.c - the command `compare`: servers that are formulas, results in files, and once two that are real
 * and of which one waits before it answers. */
#include <CUnit/CUnit.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "bench/load_commands.h"
#include "bench/result.h"
#include "tests/support/formula_server.h"
#include "tests/support/small_server.h"

enum { NOT_SLOWER = 0, SLOWER = 1, USAGE = 2, INVALID = 3 };
static report *r;
static result said;

static bench_options asked(void)
{
    return (bench_options){
        .a = "http://127.0.0.1:2/embed", .b = "http://127.0.0.1:3/embed", .rate = "600", .pairs = "12"};
}

static int judge(bench_options o, load_runner *run)
{
    error err;
    CU_ASSERT_EQUAL_FATAL(report_open(&r, &err), OK);
    o.report = r;
    const int rc = load_compare_with(&o, run);
    CU_ASSERT_EQUAL_FATAL(result_view(&said, "compare", report_document(r), &err), OK);
    return rc;
}

/* The report stays until done(). */
static int run(bench_options o, const formula_server *a, const formula_server *b)
{
    formula_server_set(2, a);
    formula_server_set(3, b);
    return judge(o, formula_server_run);
}

static void done(void) { report_close(r); }

/* A note that begins with `name` and has `text` in it. */
static bool noted(const char *name, const char *text)
{
    const cJSON *note;
    cJSON_ArrayForEach(note, said.notes)
    {
        if (!strncmp(note->valuestring, name, strlen(name)) && strstr(note->valuestring, text)) return true;
    }
    return false;
}

static double ratio(const char *metric) { return result_number(result_row(&said, "compare", metric), "ratio"); }

/* At 600/s the mean is 1 / (capacity - 600). */
static formula_server faster_by(double factor, double noise)
{
    formula_server s = formula_server_good;
    s.capacity = 600 + 400 * factor;
    s.noise = noise;
    return s;
}

static void a_slower_one_is_called_so(void)
{
    const formula_server a = faster_by(1, 0.05), b = faster_by(1 / 1.2, 0.05);
    CU_ASSERT_EQUAL(run(asked(), &a, &b), SLOWER);
    CU_ASSERT_DOUBLE_EQUAL(ratio("p50"), 1.2, 0.03);
    CU_ASSERT_DOUBLE_EQUAL(ratio("p99"), 1.2, 0.03);
    CU_ASSERT_TRUE(noted("p50 ", "SLOWER") && noted("p99 ", "SLOWER") && noted("throughput ", "SAME"));
    CU_ASSERT_TRUE(noted("B is SLOWER", ""));
    done();
    CU_ASSERT_EQUAL(run(asked(), &b, &a), NOT_SLOWER);
    CU_ASSERT_TRUE(noted("p50 ", "FASTER") && noted("B is FASTER", ""));
    done();
}

static void the_same_is_not(void)
{
    const formula_server a = faster_by(1, 0.05);
    CU_ASSERT_EQUAL(run(asked(), &a, &a), NOT_SLOWER);
    CU_ASSERT_TRUE(noted("B is SAME", "")); /* the same schedule, the same noise */
    CU_ASSERT_DOUBLE_EQUAL(ratio("p50"), 1, 1e-9);
    done();
}

static void who_serves_more_is_faster(void)
{
    formula_server a = formula_server_good, b = formula_server_good;
    bench_options o = asked();
    o.rate = NULL;
    o.concurrency = "8";
    b.capacity = 1300;
    CU_ASSERT_EQUAL(run(o, &a, &b), NOT_SLOWER);
    CU_ASSERT_DOUBLE_EQUAL(ratio("throughput"), 1.3, 0.01);
    CU_ASSERT_TRUE(noted("throughput ", "FASTER"));
    done();
    CU_ASSERT_EQUAL(run(o, &b, &a), SLOWER);
    CU_ASSERT_TRUE(noted("throughput ", "SLOWER"));
    done();
}

static void both_take_turns_with_the_same_schedule(void)
{
    CU_ASSERT_EQUAL(run(asked(), &formula_server_good, &formula_server_good), NOT_SLOWER);
    CU_ASSERT_EQUAL_FATAL(formula_made.n, 2 + 2 * 12);
    CU_ASSERT_EQUAL(result_rows(&said, "compare pairs"), 12);
    for (int i = 0; i < 2; i++) CU_ASSERT_TRUE(formula_made.at[i].warmup_ns > 0); /* not counted, and warm from then */
    for (int pair = 0; pair < 12; pair++) {
        const int at = 2 + 2 * pair, first = pair % 2 ? 3 : 2;
        CU_ASSERT_TRUE(formula_made.at[at].port == first && formula_made.at[at + 1].port == 5 - first);
        CU_ASSERT_EQUAL(formula_made.at[at].seed, formula_made.at[at + 1].seed);
        CU_ASSERT_TRUE(formula_made.at[at].seed == (uint64_t)pair + 1 && formula_made.at[at].warmup_ns == 0);
    }
    done();
}

static void what_noise_hides_is_left_open(void)
{
    const formula_server a = faster_by(1, 0), b = faster_by(1 / 1.01, 0.2);
    CU_ASSERT_EQUAL(run(asked(), &a, &b), NOT_SLOWER);
    CU_ASSERT_TRUE(noted("p50 ", "UNDECIDED") && noted("B is UNDECIDED", ""));
    CU_ASSERT_TRUE(noted("  ", "pairs might decide") || noted("  ", "no number of pairs"));
    done();
}

static void a_margin_is_what_one_asks_for(void)
{
    bench_options o = asked();
    o.margin = "30%";
    const formula_server a = faster_by(1, 0), b = faster_by(1 / 1.2, 0);
    CU_ASSERT_EQUAL(run(o, &a, &b), NOT_SLOWER);
    CU_ASSERT_TRUE(noted("B is SAME", ""));
    done();
}

static void a_percentile_without_its_requests_is_not_judged(void)
{
    bench_options o = asked();
    const formula_server a = faster_by(1, 0);
    o.duration = "1s"; /* 600 of 1000 */
    CU_ASSERT_EQUAL(run(o, &a, &a), NOT_SLOWER);
    CU_ASSERT_TRUE(noted("p99 ", "n/a") && noted("p50 ", "SAME") && isnan(ratio("p99")));
    done();
    o.rate = "10"; /* not even a median, and what is sent is no measure of a server */
    CU_ASSERT_EQUAL(run(o, &a, &a), NOT_SLOWER);
    CU_ASSERT_TRUE(noted("p50 ", "n/a") && noted("throughput ", "SAME"));
    done();
}

static void an_invalid_run_makes_it_invalid(void)
{
    formula_server a = formula_server_good, b = formula_server_good;
    b.busy_from = 500;
    CU_ASSERT_EQUAL(run(asked(), &a, &b), INVALID);
    CU_ASSERT_TRUE(noted("INVALID: 12 of 24 runs", "") && noted("B of pair 1 is INVALID", "90 % of a core"));
    done();
    b = faster_by(1 / 1.5, 0); /* also where it would be SLOWER */
    b.unsteady_from = 500;
    CU_ASSERT_EQUAL(run(asked(), &a, &b), INVALID);
    CU_ASSERT_TRUE(noted("B is SLOWER", ""));
    done();
}

static void wrong_words_are_refused(void)
{
    static const struct {
        const char *a, *b, *pairs, *margin, *rate;
        int n;
    } rows[] = {{.a = NULL},
                {.a = "http://127.0.0.1:2/embed"},
                {.b = "http://127.0.0.1:2/embed"},
                {.a = "nowhere", .b = "http://127.0.0.1:2/embed"},
                {.a = "http://127.0.0.1:2/embed", .b = "nowhere"},
                {.a = "http://127.0.0.1:2/embed", .b = "http://127.0.0.1:2/embed", .n = 2},
                {.a = "http://127.0.0.1:2/embed", .b = "http://127.0.0.1:2/embed", .pairs = "9"},
                {.a = "http://127.0.0.1:2/embed", .b = "http://127.0.0.1:2/embed", .pairs = "1001"},
                {.a = "http://127.0.0.1:2/embed", .b = "http://127.0.0.1:2/embed", .pairs = "10.5"},
                {.a = "http://127.0.0.1:2/embed", .b = "http://127.0.0.1:2/embed", .margin = "0%"},
                {.a = "http://127.0.0.1:2/embed", .b = "http://127.0.0.1:2/embed", .margin = "51%"},
                {.a = "http://127.0.0.1:2/embed", .b = "http://127.0.0.1:2/embed", .rate = "x"},
                {.n = 1}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        bench_options o = {.a = rows[i].a,
                           .b = rows[i].b,
                           .pairs = rows[i].pairs,
                           .margin = rows[i].margin,
                           .rate = rows[i].rate,
                           .n_arguments = rows[i].n};
        CU_ASSERT_EQUAL(run(o, &formula_server_good, &formula_server_good), USAGE);
        CU_ASSERT_EQUAL(formula_made.n, 0);
        done();
    }
    bench_options o = asked();
    o.b = "http://127.0.0.1:1/embed"; /* nobody is there: there was no comparison */
    CU_ASSERT_EQUAL(run(o, &formula_server_good, &formula_server_good), 1);
    done();
}

/* ---- results in files */

typedef struct {
    const char *requests, *dataset;
    int windows, valid;
    double ms; /* each window's median, give or take a hundredth */
} file_of;
static const file_of usual = {"poisson at 600/s for 20 s", "lengths, sha256 1", 20, 1, 5};
static char files[2][64];

static void put(char name[64], const file_of *f)
{
    snprintf(name, 64, "/tmp/beeline-compare.XXXXXX");
    const int fd = mkstemp(name);
    CU_ASSERT_FATAL(fd >= 0);
    FILE *out = fdopen(fd, "w");
    CU_ASSERT_PTR_NOT_NULL_FATAL(out);
    fprintf(out, "{\"environment\": {\"requests\": \"%s\", \"dataset\": \"%s\"}, \"notes\": [], \"rows\": [",
            f->requests, f->dataset);
    fprintf(out, "{\"table\": \"load\", \"name\": \"poisson\", \"valid\": %d}", f->valid);
    for (int i = 0; i < f->windows; i++)
        fprintf(out,
                ", {\"table\": \"load windows\", \"name\": \"%d\", \"per_s\": %d, \"p50_ms\": %g, \"p99_ms\": null}", i,
                590 + i, f->ms * (1 + 0.01 * sin(i * f->ms)));
    fprintf(out, "]}");
    fclose(out);
}

static int compare_files(const file_of *a, const file_of *b)
{
    put(files[0], a);
    put(files[1], b);
    const int rc = judge((bench_options){.arguments = {files[0], files[1]}, .n_arguments = 2}, formula_server_run);
    for (int i = 0; i < 2; i++) unlink(files[i]);
    return rc;
}

static void windows_of_two_files_are_pairs(void)
{
    file_of b = usual;
    b.ms = 6;
    CU_ASSERT_EQUAL(compare_files(&usual, &b), SLOWER);
    CU_ASSERT_DOUBLE_EQUAL(ratio("p50"), 1.2, 0.02);
    CU_ASSERT_TRUE(noted("p50 ", "SLOWER") && noted("p99 ", "n/a") && noted("throughput ", "SAME"));
    CU_ASSERT_TRUE(noted("windows of two runs", "not measured in turns"));
    done();
    CU_ASSERT_EQUAL(compare_files(&b, &usual), NOT_SLOWER);
    CU_ASSERT_TRUE(noted("B is FASTER", ""));
    done();
    CU_ASSERT_EQUAL(compare_files(&usual, &usual), NOT_SLOWER);
    CU_ASSERT_TRUE(noted("B is SAME", ""));
    done();
}

static void another_workload_is_refused(void)
{
    file_of b = usual;
    b.requests = "fixed at 600/s for 20 s";
    CU_ASSERT_EQUAL(compare_files(&usual, &b), USAGE);
    done();
    b = usual;
    b.dataset = "lengths, sha256 2";
    CU_ASSERT_EQUAL(compare_files(&usual, &b), USAGE);
    done();
    b = usual;
    b.windows = 10;
    CU_ASSERT_EQUAL(compare_files(&usual, &b), USAGE);
    done();
    file_of few = usual;
    few.windows = 9;
    CU_ASSERT_EQUAL(compare_files(&few, &few), USAGE);
    done();
    CU_ASSERT_EQUAL(judge((bench_options){.arguments = {"/nowhere", "/nowhere"}, .n_arguments = 2}, formula_server_run),
                    USAGE);
    done();
}

static void an_invalid_file_makes_it_invalid(void)
{
    file_of b = usual;
    b.valid = 0;
    CU_ASSERT_EQUAL(compare_files(&usual, &b), INVALID);
    done();
    CU_ASSERT_EQUAL(compare_files(&b, &usual), INVALID);
    done();
}

/* ---- two real ones: B waits 20 ms where A waits 1 */

static void a_server_that_waits_is_slower(void)
{
    small_server servers[2] = {
        {.reply = SMALL_REPLY("200 OK", "x-compute-tokens: 7\r\n"), .stall_at = -1, .each_ms = 1},
        {.reply = SMALL_REPLY("200 OK", "x-compute-tokens: 7\r\n"), .stall_at = -1, .each_ms = 20},
    };
    char urls[2][64];
    for (int i = 0; i < 2; i++) {
        small_server_start(&servers[i]);
        snprintf(urls[i], sizeof urls[i], "http://127.0.0.1:%d/embed", servers[i].port);
    }
    const bench_options o = {
        .a = urls[0], .b = urls[1], .pairs = "10", .duration = "500ms", .warmup = "0", .concurrency = "1"};
    const int rc = judge(o, load_run);
    CU_ASSERT_TRUE(rc == SLOWER || rc == INVALID); /* a machine that is busy may spoil a run, not the verdict */
    CU_ASSERT_TRUE(noted("p50 ", "SLOWER") && noted("throughput ", "SLOWER") && noted("B is SLOWER", ""));
    CU_ASSERT_TRUE((rc == INVALID) == noted("INVALID: ", " runs"));
    done();
    for (int i = 0; i < 2; i++) small_server_stop(&servers[i]);
}

void load_compare_suite(CU_pSuite s)
{
    CU_add_test(s, "a server that is slower is called so: exit 1", a_slower_one_is_called_so);
    CU_add_test(s, "the same server twice is SAME", the_same_is_not);
    CU_add_test(s, "who serves more in a closed loop is FASTER", who_serves_more_is_faster);
    CU_add_test(s, "both take turns, with one schedule a pair", both_take_turns_with_the_same_schedule);
    CU_add_test(s, "what noise hides is UNDECIDED, and how many pairs would help is said",
                what_noise_hides_is_left_open);
    CU_add_test(s, "a margin is what one asks for", a_margin_is_what_one_asks_for);
    CU_add_test(s, "a percentile without its requests is not judged", a_percentile_without_its_requests_is_not_judged);
    CU_add_test(s, "one INVALID run makes the comparison INVALID: exit 3", an_invalid_run_makes_it_invalid);
    CU_add_test(s, "wrong words are refused before anything is sent", wrong_words_are_refused);
    CU_add_test(s, "windows of two result files are pairs", windows_of_two_files_are_pairs);
    CU_add_test(s, "files of different workloads are refused", another_workload_is_refused);
    CU_add_test(s, "a file of an INVALID run makes it INVALID", an_invalid_file_makes_it_invalid);
    CU_add_test(s, "of two real servers the one that waits is SLOWER", a_server_that_waits_is_slower);
}
