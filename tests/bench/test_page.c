/* test_page.c - one page that says all that its results say, and fetches nothing. */
#include <CUnit/CUnit.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include "bench/page.h"
#include "tests/support/tags.h"

static char folder[64], file[128], *page;

static void make_folder(void)
{
    snprintf(folder, sizeof folder, "/tmp/beeline-page.XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
    snprintf(file, sizeof file, "%s/page.html", folder);
}

static void drop_folder(void)
{
    unlink(file);
    CU_ASSERT_EQUAL(rmdir(folder), 0); /* nothing else is left in it */
}

static char *read_file(const char *path)
{
    struct stat st;
    FILE *f = fopen(path, "r");
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    CU_ASSERT_EQUAL_FATAL(fstat(fileno(f), &st), 0);
    char *text = calloc(1, (size_t)st.st_size + 1);
    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    CU_ASSERT_EQUAL(fread(text, 1, (size_t)st.st_size, f), (size_t)st.st_size);
    fclose(f);
    return text;
}

/* What a browser would fetch or run; none of our pages may have any of it, whatever a result says. */
static void fetches_nothing(void)
{
    static const char *const never[] = {"<script", "<link", "<img",    "<iframe",  "<object",    "<embed", "<base",
                                        "<form",   "<a ",   " src=\"", " href=\"", " onload=\"", "url(",   "@import"};
    for (size_t i = 0; i < sizeof never / sizeof *never; i++) {
        if (strstr(page, never[i])) printf("the page has %s\n", never[i]);
        CU_ASSERT_PTR_NULL(strstr(page, never[i]));
    }
    CU_ASSERT_EQUAL(tags_count(page, "content=\"default-src 'none'; style-src 'unsafe-inline'\""), 1);
}

/* names [n] and documents [n] become `page`. */
static void make(const char *const *names, const char *const *documents, int n)
{
    result results[PAGE_RESULTS_MAX];
    cJSON *trees[PAGE_RESULTS_MAX];
    error err = {""};
    make_folder();
    for (int i = 0; i < n; i++) {
        trees[i] = cJSON_Parse(documents[i]);
        CU_ASSERT_EQUAL_FATAL(result_view(&results[i], names[i], trees[i], &err), OK);
    }
    CU_ASSERT_EQUAL_FATAL(page_write(file, results, n, &err), OK);
    for (int i = 0; i < n; i++) cJSON_Delete(trees[i]);
    page = read_file(file);
    drop_folder();
    const char *fault = tags_fault(page);
    if (fault) printf("%s\n", fault);
    CU_ASSERT_PTR_NULL(fault);
    fetches_nothing();
}

static void drop(void)
{
    free(page);
    page = NULL;
}

static void make_one(const char *document) { make((const char *[]){"one"}, &document, 1); }

static void has(const char *part)
{
    if (!strstr(page, part)) printf("the page lacks %s\n", part);
    CU_ASSERT_PTR_NOT_NULL(strstr(page, part));
}

static void lacks(const char *part)
{
    if (strstr(page, part)) printf("the page has %s\n", part);
    CU_ASSERT_PTR_NULL(strstr(page, part));
}

#define LOAD(offered, p99)                                                                                             \
    "{\"table\": \"load\", \"name\": \"poisson\", \"offered_per_s\": " offered ", \"sent_per_s\": 4999, "              \
    "\"goodput_per_s\": 4900, \"tokens_per_s\": 512000, \"refused\": 12345, \"errors\": 3, \"censored\": 1}, "         \
    "{\"table\": \"load latency, ms\", \"name\": \"200 or no reply, intended\", \"n\": 299976, \"p50_ms\": 1.19, "     \
    "\"p90_ms\": 1.61, \"p99_ms\": " p99 ", \"p999_ms\": 2.31, \"p9999_ms\": null, \"max_ms\": 3.05}, "                \
    "{\"table\": \"load latency, ms\", \"name\": \"200 or no reply, service\", \"n\": 299976, \"p50_ms\": 1.17}"
#define CURVE                                                                                                          \
    ", {\"table\": \"load curve, ms\", \"name\": \"50\", \"percentile\": 50, \"intended_ms\": 1.19, \"service_ms\": "  \
    "1.17}"                                                                                                            \
    ", {\"table\": \"load curve, ms\", \"name\": \"99\", \"percentile\": 99, \"intended_ms\": 1.98, \"service_ms\": "  \
    "1.94}"
#define WINDOWS                                                                                                        \
    ", {\"table\": \"load windows\", \"name\": \"0.0 s\", \"start_s\": 0, \"per_s\": 5000, \"refused\": 0, "           \
    "\"errors\": 0, "                                                                                                  \
    "\"p50_ms\": 1, \"p99_ms\": 2}"                                                                                    \
    ", {\"table\": \"load windows\", \"name\": \"1.0 s\", \"start_s\": 1, \"per_s\": 4000, \"refused\": 7, "           \
    "\"errors\": 0, "                                                                                                  \
    "\"p50_ms\": 1, \"p99_ms\": 3}"
#define STAGES                                                                                                         \
    ", {\"table\": \"load server stages of the 200s, ms\", \"name\": \"queue\", \"n\": 9, \"mean_ms\": 0.41, "         \
    "\"p99_ms\": 0.9}"
#define BATCHES ", {\"table\": \"load batches\", \"name\": \"512\", \"batches\": 77}"
#define RESULT(environment, notes, rows)                                                                               \
    "{\"environment\": {" environment "}, \"notes\": [" notes "], \"rows\": [" rows "]}"

static void a_load_is_told_by_its_figures_and_drawings(void)
{
    make_one(RESULT("\"command\": \"beeline-bench load http://h/embed --rate 5k\", \"target\": \"http://h\"",
                    "\"VALID\"", LOAD("5000", "1.98") CURVE WINDOWS STAGES BATCHES));
    has("<dt>offered</dt><dd>5000/s</dd>");
    has("<dd class=\"of\">98\302\240% of offered</dd>");
    has("<dt>refused</dt><dd>12,345</dd>");
    has("<th scope=\"row\">intended</th><td>1.19\302\240ms</td><td>1.61\302\240ms</td><td>1.98\302\240ms</td>"
        "<td>2.31\302\240ms</td><td>n/a</td><td>3.05\302\240ms</td><td>299,976</td>");
    has("<th scope=\"row\">service</th><td>1.17\302\240ms</td>");
    has("<figcaption>Latency by percentile</figcaption>");
    has("<title>intended, 99\302\240%: 1.98\302\240ms</title>");
    has("<title>service, 99\302\240%: 1.94\302\240ms</title>");
    has("<figcaption>Latency over time</figcaption>");
    has("<title>p99, 1\302\240s: 3\302\240ms</title>");
    has("<title>refused, 1\302\240s: 7</title>");
    has(">0.41\302\240ms, p99 0.9\302\240ms</text>");
    has("<title>512: 77</title>");
    has("<pre><code>beeline-bench load http://h/embed --rate 5k</code></pre>");
    lacks("class=\"missing\"");
    drop();
}

static void an_invalid_run_says_so_with_every_reason(void)
{
    make_one(RESULT("", "\"a note\", \"INVALID: 0.11 % errors, at most 0.1 %\", \"INVALID: the <client> was late\"",
                    LOAD("1", "1")));
    CU_ASSERT_EQUAL(tags_count(page, "<div class=\"invalid\" role=\"alert\"><strong>INVALID</strong>"), 1);
    has("<li>0.11 % errors, at most 0.1 %</li>\n<li>the &lt;client&gt; was late</li>\n</ul></div>");
    lacks("class=\"valid\"");
    drop();
}

static void a_valid_run_says_so_quietly(void)
{
    make_one(RESULT("", "\"VALID\"", LOAD("1", "1")));
    CU_ASSERT_EQUAL(tags_count(page, "<p class=\"valid\"><strong>VALID</strong>"), 1);
    lacks("class=\"invalid\"");
    drop();
    make_one(RESULT("", "\"a note\"", ""));
    lacks("class=\"valid\"");
    lacks("class=\"invalid\"");
    drop();
}

static void a_table_that_is_missing_is_named(void)
{
    make_one(RESULT("", "", LOAD("1", "1")));
    has("<p class=\"missing\">No curve of percentiles: one has no table \"load curve, ms\".</p>");
    has("<p class=\"missing\">No time line of latency: one has no table \"load windows\".</p>");
    has("<p class=\"missing\">No time line of throughput: one has no table \"load windows\".</p>");
    has("<p class=\"missing\">No bars of stages: one has no table \"load server stages of the 200s, ms\".</p>");
    has("<p class=\"missing\">No histogram of batches: one has no table \"load batches\".</p>");
    lacks("<figure>");
    drop();
    make_one(RESULT("", "", LOAD("1", "1") ", {\"table\": \"load batches\", \"name\": \"16\", \"batches\": null}"));
    has("<p class=\"missing\">No histogram of batches: one measured none of it (table \"load batches\").</p>");
    drop();
}

static void no_value_of_an_unknown_table_is_lost(void)
{
    make_one(
        RESULT("\"seed\": 7, \"on_a\": \"machine\"", "\"as it is\"",
               "{\"table\": \"of <another> day\", \"name\": \"r & s\", \"n_things\": 42, \"x\": 0.00123, \"y\": null},"
               "{\"table\": \"of <another> day\", \"name\": \"t\", \"z\": \"words\", \"x\": 17.5, \"l\": [1, true]}"));
    has("<caption>of &lt;another&gt; day</caption>");
    has("<th scope=\"col\">n things</th><th scope=\"col\">x</th><th scope=\"col\">y</th><th scope=\"col\">z</th>"
        "<th scope=\"col\">l</th>");
    has("<th scope=\"row\">r &amp; s</th><td>42</td><td>0.0012</td><td>-</td><td class=\"text\">-</td>"
        "<td class=\"text\">-</td></tr>");
    has("<th scope=\"row\">t</th><td>-</td><td>17.5000</td><td>-</td><td class=\"text\">words</td>"
        "<td class=\"text\">[1,true]</td></tr>");
    has("<dt>seed</dt><dd>7</dd>");
    has("<dt>on a</dt><dd>machine</dd>");
    has("<li>as it is</li>");
    lacks("class=\"missing\"");
    drop();
}

static void an_empty_result_is_a_page(void)
{
    make_one(RESULT("", "", ""));
    has("<p class=\"missing\">This result has no row.</p>");
    drop();
}

static void a_sweep_is_a_curve_of_latency_by_throughput(void)
{
    make_one(
        RESULT("", "",
               "{\"table\": \"sweep\", \"name\": \"1k\", \"goodput_per_s\": 1000, \"p50_ms\": 1, \"p99_ms\": 2},"
               "{\"table\": \"sweep\", \"name\": \"9k\", \"goodput_per_s\": 9000, \"p50_ms\": 5, \"p99_ms\": 90}"));
    has("<figcaption>Latency by throughput</figcaption>");
    has("<title>p99, 9000/s: 90\302\240ms</title>");
    has(">latency, log scale</text>"); /* 90 times the smallest */
    drop();
}

static void shares_of_the_peak_are_bars(void)
{
    make_one(
        RESULT("", "",
               "{\"table\": \"kernels cpu avx2\", \"name\": \"product\", \"median_us\": 3, \"share_of_peak\": 0.5},"
               "{\"table\": \"host\", \"name\": \"clock\", \"median_ns\": 30},"
               "{\"table\": \"model cuda\", \"name\": \"1 x 128\", \"of_peak\": 0.25}"));
    has("<figcaption>kernels cpu avx2</figcaption>");
    has("<figcaption>model cuda</figcaption>");
    CU_ASSERT_EQUAL(tags_count(page, "<figure>"), 2);
    has("width=\"278.0\"");
    has("width=\"139.0\"");
    drop();
}

static void several_results_are_ratios_to_the_first(void)
{
    make((const char *[]){"a.json", "b.json", "c.json"},
         (const char *[]){RESULT("\"processor\": \"P\", \"build\": \"B\"", "\"VALID\"", LOAD("5000", "2") CURVE),
                          RESULT("\"processor\": \"P\", \"build\": \"C\", \"more\": \"M\"", "\"INVALID: late\"",
                                 LOAD("2500", "3") CURVE),
                          RESULT("\"processor\": \"P\", \"build\": \"B\"", "",
                                 "{\"table\": \"kernels cpu avx2\", \"name\": \"product\", \"median_us\": 3}")},
         3);
    has("<th scope=\"row\">build</th><td class=\"text\">B</td><td class=\"text\">C</td><td class=\"text\">B</td>");
    has("<th scope=\"row\">more</th><td class=\"text\">-</td><td class=\"text\">M</td><td class=\"text\">-</td>");
    lacks("<th scope=\"row\">processor</th>");
    has("<th scope=\"row\">offered</th><td>5000/s</td><td>2500/s <span "
        "class=\"ratio\">\303\227\302\2400.500</span></td>"
        "<td>n/a</td>");
    has("<th scope=\"row\">p99, intended</th><td>2\302\240ms</td><td>3\302\240ms <span "
        "class=\"ratio\">\303\227\302\2401.500</span></td>");
    has("<title>a.json, 99\302\240%: 1.98\302\240ms</title>");
    has("<title>b.json, 99\302\240%: 1.98\302\240ms</title>");
    lacks("c.json has no table");
    CU_ASSERT_EQUAL(tags_count(page, "class=\"invalid\""), 2); /* beside the others, and at its own figures */
    CU_ASSERT_EQUAL(tags_count(page, "<h2>"), 3);
    has("<h2>b.json</h2>");
    drop();
}

static void rows_are_compared_by_table_and_name(void)
{
    make((const char *[]){"a", "b"},
         (const char *[]){RESULT("", "",
                                 "{\"table\": \"kernels cpu avx2\", \"name\": \"x\", \"median_us\": 30},"
                                 "{\"table\": \"kernels cpu avx512\", \"name\": \"x\", \"median_us\": 20}"),
                          RESULT("", "",
                                 "{\"table\": \"kernels cpu avx512\", \"name\": \"x\", \"median_us\": 10},"
                                 "{\"table\": \"kernels cpu avx512\", \"name\": \"y\", \"median_us\": 1}")},
         2);
    has("They say nothing different of how they were made.");
    has("kernels cpu avx2: x, median</th><td>30\302\240us</td><td>n/a</td>");
    has("kernels cpu avx512: x, median</th><td>20\302\240us</td><td>10\302\240us <span "
        "class=\"ratio\">\303\227\302\2400.500</span>");
    drop();
    make((const char *[]){"a", "b"}, (const char *[]){RESULT("", "", ""), RESULT("", "", "")}, 2);
    has("No table of the first result has figures to compare.");
    drop();
}

#define HOSTILE "</title></style><script src='http://evil'>\\\" onload=\\\"alert(1)\\u0007 &amp; <img src=x>"

static void hostile_results_stay_text(void)
{
    static const char row[] = "{\"table\": \"" HOSTILE "\", \"name\": \"" HOSTILE "\", \"" HOSTILE "\": \"" HOSTILE
                              "\", \"share_of_peak\": 1}";
    static char document[4096];
    snprintf(document, sizeof document,
             "{\"environment\": {\"%s\": \"%s\", \"command\": \"%s\", \"target\": \"%s\"}, \"notes\": [\"%s\", "
             "\"INVALID: %s\"], \"rows\": [%s, {\"table\": \"load batches\", \"name\": \"%s\", \"batches\": 1}, " LOAD(
                 "1", "1") "]}",
             HOSTILE, HOSTILE, HOSTILE, HOSTILE, HOSTILE, HOSTILE, row, HOSTILE);
    static const char name[] = "</h1><script>\"'.json";
    make(&(const char *){name}, &(const char *){document}, 1);
    CU_ASSERT_TRUE(tags_count(page, "&lt;script src=&#39;http://evil&#39;&gt;") > 10);
    drop();
    make((const char *[]){name, name}, (const char *[]){document, document}, 2);
    drop();
}

/* ---- where it is written ---- */

static status write_to(const char *path, error *err)
{
    result r;
    cJSON *tree = cJSON_Parse(RESULT("", "", LOAD("1", "1")));
    status rc = result_view(&r, "one", tree, err);
    if (rc == OK) rc = page_write(path, &r, 1, err);
    cJSON_Delete(tree);
    return rc;
}

static void a_folder_that_is_missing_is_named(void)
{
    char path[256];
    error err = {""};
    make_folder();
    snprintf(path, sizeof path, "%s/none/page.html", folder);
    CU_ASSERT_EQUAL(write_to(path, &err), IO_FAILED);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, path));
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "No such file"));
    drop_folder();
}

/* A limit on the size of files is what a full disk is to the writer: the older page stays, nothing else does. */
static void a_full_disk_leaves_what_was_there(void)
{
    struct rlimit before;
    error err = {""};
    make_folder();
    FILE *f = fopen(file, "w");
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    fputs("older", f);
    fclose(f);
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    CU_ASSERT_EQUAL_FATAL(getrlimit(RLIMIT_FSIZE, &before), 0);
    CU_ASSERT_EQUAL_FATAL(setrlimit(RLIMIT_FSIZE, &(struct rlimit){4000, before.rlim_max}), 0);
    const status rc = write_to(file, &err);
    CU_ASSERT_EQUAL_FATAL(setrlimit(RLIMIT_FSIZE, &before), 0);
    signal(SIGXFSZ, handler);
    CU_ASSERT_EQUAL(rc, IO_FAILED);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, file));
    page = read_file(file);
    CU_ASSERT_STRING_EQUAL(page, "older");
    drop();
    drop_folder();
}

static void a_page_replaces_an_older_one_and_others_may_read_it(void)
{
    struct stat st;
    error err = {""};
    make_folder();
    CU_ASSERT_EQUAL(write_to(file, &err), OK);
    CU_ASSERT_EQUAL_FATAL(stat(file, &st), 0);
    CU_ASSERT_EQUAL(st.st_mode & 0777, 0644);
    CU_ASSERT_EQUAL_FATAL(chmod(file, 0640), 0);
    CU_ASSERT_EQUAL_FATAL(truncate(file, 0), 0);
    CU_ASSERT_EQUAL(write_to(file, &err), OK);
    CU_ASSERT_EQUAL_FATAL(stat(file, &st), 0);
    CU_ASSERT_TRUE(st.st_size > 1000);
    CU_ASSERT_EQUAL(st.st_mode & 0777, 0640); /* as its owner wanted it */
    drop_folder();
}

/* Renamed over, a pipe would be no pipe any more, and /dev/null a file. */
static void what_is_no_file_is_left_alone(void)
{
    struct stat st;
    error err = {""};
    make_folder();
    CU_ASSERT_EQUAL_FATAL(mkfifo(file, 0600), 0);
    CU_ASSERT_EQUAL(write_to(file, &err), IO_FAILED);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "no regular file"));
    CU_ASSERT_EQUAL_FATAL(stat(file, &st), 0);
    CU_ASSERT_TRUE(S_ISFIFO(st.st_mode));
    CU_ASSERT_EQUAL(write_to(folder, &err), IO_FAILED);
    drop_folder();
}

void page_suite(CU_pSuite s)
{
    CU_add_test(s, "a load is told by its figures and drawings", a_load_is_told_by_its_figures_and_drawings);
    CU_add_test(s, "an INVALID run says so with every reason", an_invalid_run_says_so_with_every_reason);
    CU_add_test(s, "a VALID run says so quietly, others nothing", a_valid_run_says_so_quietly);
    CU_add_test(s, "a table that is missing is named", a_table_that_is_missing_is_named);
    CU_add_test(s, "no value of an unknown table is lost", no_value_of_an_unknown_table_is_lost);
    CU_add_test(s, "an empty result is a page", an_empty_result_is_a_page);
    CU_add_test(s, "a sweep is a curve of latency by throughput", a_sweep_is_a_curve_of_latency_by_throughput);
    CU_add_test(s, "shares of the peak are bars", shares_of_the_peak_are_bars);
    CU_add_test(s, "several results are ratios to the first", several_results_are_ratios_to_the_first);
    CU_add_test(s, "rows are compared by table and name", rows_are_compared_by_table_and_name);
    CU_add_test(s, "hostile results stay text", hostile_results_stay_text);
    CU_add_test(s, "a folder that is missing is named", a_folder_that_is_missing_is_named);
    CU_add_test(s, "a full disk leaves what was there", a_full_disk_leaves_what_was_there);
    CU_add_test(s, "a page replaces an older one, and others may read it",
                a_page_replaces_an_older_one_and_others_may_read_it);
    CU_add_test(s, "what is no regular file is left alone", what_is_no_file_is_left_alone);
}
