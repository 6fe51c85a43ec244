/* test_load_report.c - whole runs, and what the report has of them: tables, columns and facts that others read. */
#include <CUnit/CUnit.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "bench/load_report.h"
#include "runtime/base/json.h"
#include "tests/support/quiet.h"
#include "tests/support/small_server.h"

static const char ok[] = SMALL_REPLY("200 OK", "x-compute-tokens: 7\r\nserver-timing: queue;dur=1, total;dur=2\r\n");
static load_plan plan;
static load_outcome outcome;
static cJSON *tree;

static void usual(const small_server *s)
{
    plan = (load_plan){.host = "127.0.0.1",
                       .path = "/embed",
                       .arrivals = LOAD_FIXED,
                       .rate = 400,
                       .duration_ns = 500000000,
                       .timeout_ns = 30000000000,
                       .grace_ns = 30000000000,
                       .seed = 5,
                       .connections = 4,
                       .inputs = 1,
                       .lengths = {16},
                       .n_lengths = 1};
    snprintf(plan.port, sizeof plan.port, "%d", s->port);
}

/* Runs the plan and has its report in `tree`, until done(). */
static void run(void)
{
    report *r;
    error err = {""};
    char file[] = "/tmp/load_report_XXXXXX";
    close(mkstemp(file));
    CU_ASSERT_EQUAL_FATAL(report_open(&r, &err), OK);
    const int screen = quiet_begin();
    load_report_plan(r, &plan);
    const status rc = load_run(&outcome, &plan, &err);
    if (rc == OK) load_report_outcome(r, &plan, &outcome);
    quiet_end(screen);
    CU_ASSERT_EQUAL_FATAL(rc, OK);
    CU_ASSERT_EQUAL(report_write(r, file, &err), OK);
    report_close(r);
    static char text[1 << 20];
    FILE *f = fopen(file, "r");
    text[fread(text, 1, sizeof text - 1, f)] = 0;
    fclose(f);
    unlink(file);
    CU_ASSERT_EQUAL_FATAL(json_parse(&tree, text, strlen(text), (json_limits){8, 10000}, &err), OK);
}

static void done(void)
{
    cJSON_Delete(tree);
    load_outcome_close(&outcome);
}

/* name NULL: the first row; NULL: there is none. */
static const cJSON *row_of(const char *table, const char *name)
{
    const cJSON *row;
    cJSON_ArrayForEach(row, cJSON_GetObjectItem(tree, "rows"))
    {
        if (strcmp(cJSON_GetStringValue(cJSON_GetObjectItem(row, "table")), table)) continue;
        if (!name || !strcmp(cJSON_GetStringValue(cJSON_GetObjectItem(row, "name")), name)) return row;
    }
    return NULL;
}

/* NAN: not measured. */
static double figure(const char *table, const char *name, const char *column)
{
    const cJSON *value = cJSON_GetObjectItem(row_of(table, name), column);
    if (!value) CU_FAIL(column);
    return cJSON_IsNumber(value) ? value->valuedouble : (double)NAN;
}

static bool noted(const char *part)
{
    const cJSON *note;
    cJSON_ArrayForEach(note,
                       cJSON_GetObjectItem(tree, "notes")) if (strstr(cJSON_GetStringValue(note), part)) return true;
    return false;
}

static bool told(const char *name, const char *part)
{
    const char *fact = cJSON_GetStringValue(cJSON_GetObjectItem(cJSON_GetObjectItem(tree, "environment"), name));
    return fact && strstr(fact, part);
}

static void the_tables_have_their_columns(void)
{
    static const char *const latency[] = {"n", "p50_ms", "p90_ms", "p99_ms", "p999_ms", "p9999_ms", "max_ms"};
    small_server s = {.reply = ok, .stall_at = -1};
    small_server_start(&s);
    usual(&s);
    run();
    small_server_stop(&s);
    CU_ASSERT_EQUAL(figure("load", "fixed", "offered_per_s"), 400);
    for (size_t i = 0; i < sizeof latency / sizeof *latency; i++) {
        const double ms = figure("load latency, ms", "200 or no reply, intended", latency[i]);
        CU_ASSERT_EQUAL(isnan(ms), i >= 3 && i <= 5); /* 200 replies have no p99 */
    }
    CU_ASSERT_EQUAL(figure("load latency, ms", "200 or no reply, service", "n"), 200);
    CU_ASSERT_EQUAL(figure("load curve, ms", "90", "percentile"), 90);
    CU_ASSERT_EQUAL(figure("load curve, ms", "90", "intended_ms"),
                    figure("load latency, ms", "200 or no reply, intended", "p90_ms"));
    CU_ASSERT_EQUAL(figure("load curve, ms", "90", "service_ms"),
                    figure("load latency, ms", "200 or no reply, service", "p90_ms"));
    CU_ASSERT_TRUE(row_of("load curve, ms", "95") && !row_of("load curve, ms", "99"));
    CU_ASSERT_EQUAL(figure("load server stages of the 200s, ms", "queue", "n"), 200);
    CU_ASSERT_DOUBLE_EQUAL(figure("load server stages of the 200s, ms", "total", "p50_ms"), 2, 0.05);
    CU_ASSERT_DOUBLE_EQUAL(figure("load server stages of the 200s, ms", "total", "mean_ms"), 2, 1e-6);
    CU_ASSERT_TRUE(isnan(figure("load server stages of the 200s, ms", "total", "p99_ms")));
    CU_ASSERT_TRUE(noted("p99.99 needs 100000"));
    CU_ASSERT_TRUE(noted("--ops http://HOST:PORT") && !row_of("load batches", NULL) && !noted("warm-up"));
    done();
}

static void windows_add_up_to_the_run(void)
{
    small_server s = {.reply = ok, .stall_at = -1};
    double n = 0, tokens = 0;
    int rows = 0;
    small_server_start(&s);
    usual(&s);
    run();
    small_server_stop(&s);
    const cJSON *row;
    cJSON_ArrayForEach(row, cJSON_GetObjectItem(tree, "rows"))
    {
        if (strcmp(cJSON_GetStringValue(cJSON_GetObjectItem(row, "table")), "load windows")) continue;
        CU_ASSERT_DOUBLE_EQUAL(cJSON_GetNumberValue(cJSON_GetObjectItem(row, "start_s")), rows++ * 0.05, 1e-9);
        n += cJSON_GetNumberValue(cJSON_GetObjectItem(row, "per_s")) * 0.05;
        tokens += cJSON_GetNumberValue(cJSON_GetObjectItem(row, "tokens_per_s")) * 0.05;
    }
    CU_ASSERT_EQUAL(rows, 10);
    CU_ASSERT_DOUBLE_EQUAL(n, figure("load", "fixed", "goodput_per_s") * 0.5, 1e-6);
    CU_ASSERT_DOUBLE_EQUAL(tokens, figure("load", "fixed", "tokens_per_s") * 0.5, 1e-6);
    CU_ASSERT_TRUE(row_of("load windows", "0.05 s") != NULL);
    CU_ASSERT_EQUAL(figure("load windows", NULL, "refused") + figure("load windows", NULL, "errors"), 0);
    done();
}

static void what_was_done_is_in_the_facts(void)
{
    static const char body[] =
        "{\"model_id\":\"m\",\"digest\":\"d1\",\"device\":\"avx512\",\"precision\":\"float32\",\"version\":\"9\"}";
    char info[512];
    snprintf(info, sizeof info, "HTTP/1.1 200 OK\r\ncontent-length: %zu\r\n\r\n%s", strlen(body), body);
    small_server s = {.reply = ok, .document = info, .stall_at = -1};
    small_server_start(&s);
    usual(&s);
    run();
    CU_ASSERT_TRUE(told("target", "/embed, loopback") &&
                   told("requests", "fixed at 400/s for 0.5 s, 4 connections, seed 5"));
    CU_ASSERT_TRUE(told("server", "version 9, model_id m, digest d1, device avx512, precision float32"));
    /* printf '16\n' | sha256sum */
    CU_ASSERT_TRUE(told("dataset", "e6c21e8d260fe71882debdb339d2402a2ca7648529bc2303f48649bce0380017"));
    done();
    s.document = NULL;
    run();
    small_server_stop(&s);
    CU_ASSERT_TRUE(told("server", "unknown: 127.0.0.1 port"));
    done();
}

/* The small server answers /metrics and /info alike; the same counts before and after are a run without batches. */
static void batches_come_from_the_ops_port(void)
{
    static const char body[] = "beeline_batches_total{trigger=\"idle\"} 5\nbeeline_batch_sequences_sum 9\n"
                               "beeline_batch_tokens_bucket{le=\"16\"} 5\nbeeline_batch_tokens_bucket{le=\"+Inf\"} 5\n"
                               "beeline_batch_tokens_sum 60\nbeeline_batch_tokens_count 5\n";
    char metrics[1024];
    error err = {""};
    snprintf(metrics, sizeof metrics, "HTTP/1.1 200 OK\r\ncontent-length: %zu\r\n\r\n%s", strlen(body), body);
    small_server s = {.reply = ok, .stall_at = -1}, ops = {.document = metrics, .stall_at = -1};
    small_server_start(&s);
    small_server_start(&ops);
    usual(&s);
    strcpy(plan.ops_host, "127.0.0.1");
    snprintf(plan.ops_port, sizeof plan.ops_port, "%d", ops.port);
    run();
    CU_ASSERT_EQUAL(ops.documents, 3); /* a wrong port is said at once; then before and after the run */
    CU_ASSERT_TRUE(outcome.has_batches && outcome.batches.batches == 0);
    CU_ASSERT_EQUAL(figure("load device", "of the run", "batches"), 0);
    CU_ASSERT_TRUE(isnan(figure("load device", "of the run", "mean_tokens")));
    CU_ASSERT_EQUAL(figure("load batches by what made them leave", "idle", "batches"), 0);
    CU_ASSERT_TRUE(!row_of("load batches", NULL) && !noted("--ops"));
    done();
    ops.document = NULL;
    CU_ASSERT_EQUAL(load_run(&outcome, &plan, &err), UNAVAILABLE); /* and no request was sent */
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "/metrics has no answer"));
    small_server_stop(&ops);
    small_server_stop(&s);
}

static void sizes_of_batches_are_rows(void)
{
    small_server s = {.reply = ok, .stall_at = -1};
    report *r;
    error err = {""};
    small_server_start(&s);
    usual(&s);
    CU_ASSERT_EQUAL_FATAL(load_run(&outcome, &plan, &err), OK);
    small_server_stop(&s);
    outcome.has_batches = true;
    outcome.batches = (load_batches){.batches = 8,
                                     .sequences = 20,
                                     .tokens = 320,
                                     .busy_s = 0.25,
                                     .n_triggers = 2,
                                     .n_buckets = 5,
                                     .triggers = {{"idle", 6}, {"full", 2}},
                                     .buckets = {{16, 0}, {32, 5}, {64, 0}, {128, 3}, {(double)INFINITY, 0}}};
    CU_ASSERT_EQUAL_FATAL(report_open(&r, &err), OK);
    const int screen = quiet_begin();
    load_report_outcome(r, &plan, &outcome);
    quiet_end(screen);
    char file[] = "/tmp/load_report_XXXXXX", text[65536];
    close(mkstemp(file));
    CU_ASSERT_EQUAL(report_write_csv(r, file, &err), OK);
    FILE *f = fopen(file, "r");
    text[fread(text, 1, sizeof text - 1, f)] = 0;
    fclose(f);
    unlink(file);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "\"load device\",\"of the run\",mean_sequences,2.5\r\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "\"load device\",\"of the run\",busy_percent,50\r\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "\"load batches by what made them leave\",\"full\",percent,25\r\n"));
    CU_ASSERT_PTR_NOT_NULL(
        strstr(text, "\"load batches\",\"32\",tokens_most,32\r\n\"load batches\",\"32\",batches,5\r\n"
                     "\"load batches\",\"64\",tokens_most,64\r\n\"load batches\",\"64\",batches,0\r\n"
                     "\"load batches\",\"128\",tokens_most,128\r\n\"load batches\",\"128\",batches,3\r\n"));
    CU_ASSERT_PTR_NULL(strstr(text, "\"load batches\",\"16\""));
    CU_ASSERT_PTR_NULL(strstr(text, "\"load batches\",\"more\""));
    report_close(r);
    load_outcome_close(&outcome);
}

static void a_closed_loop_says_what_it_hides(void)
{
    small_server s = {.reply = ok, .stall_at = -1, .each_ms = 2};
    small_server_start(&s);
    usual(&s);
    plan.arrivals = LOAD_CLOSED;
    plan.rate = 0;
    plan.connections = 2;
    run();
    small_server_stop(&s);
    CU_ASSERT_TRUE(isnan(figure("load", "closed", "offered_per_s")) && outcome.due == outcome.tally->sent);
    CU_ASSERT_DOUBLE_EQUAL(figure("load", "closed", "sent_per_s"), s.requests / 0.5, 1e-9);
    CU_ASSERT_TRUE(noted("closed loop: latencies hide what a queue would show"));
    CU_ASSERT_TRUE(isnan(figure("load client", NULL, "late_p50_us")));
    CU_ASSERT_FALSE(noted("sent late"));
    CU_ASSERT_FALSE(noted("sent in time"));
    done();
}

static void a_replay_is_run_as_it_is_written(void)
{
    small_server s = {.reply = ok, .stall_at = -1};
    char file[] = "/tmp/load_file_XXXXXX";
    const int fd = mkstemp(file);
    CU_ASSERT_TRUE_FATAL(dprintf(fd, "0 5\n0.05 9\n0.1 5\n") > 0);
    close(fd);
    small_server_start(&s);
    usual(&s);
    plan.arrivals = LOAD_REPLAY;
    plan.replay = file;
    plan.rate = 0;
    plan.duration_ns = 0;
    plan.warmup_ns = 100000000; /* at the file's mean rate */
    run();
    CU_ASSERT_TRUE(outcome.due == 3 && fabs(outcome.seconds - 0.15) < 1e-6 && outcome.tally->sent == 3);
    CU_ASSERT_TRUE(s.requests >= 3 && outcome.warmth == LOAD_TOO_FEW &&
                   noted("warm-up: 0.1 s, too few replies to tell"));
    CU_ASSERT_EQUAL(figure("load", "replay", "errors"), 0);
    CU_ASSERT_TRUE(told("requests", "replay"));
    done();
    error err = {""};
    unlink(file);
    CU_ASSERT_EQUAL(load_run(&outcome, &plan, &err), IO_FAILED);
    small_server_stop(&s);
}

/* The second half of 1,000/s at 2 ms each: twice what it can do. */
static void a_queue_that_grows_is_invalid(void)
{
    small_server s = {.reply = ok, .stall_at = -1, .slower_from = 1500, .later_ms = 2};
    small_server_start(&s);
    usual(&s);
    plan.rate = 1000;
    plan.duration_ns = 3000000000;
    plan.connections = 60; /* none is missing: it is the server's queue that grows */
    run();
    small_server_stop(&s);
    CU_ASSERT_TRUE(noted("INVALID: the queue grows: p99"));
    CU_ASSERT_EQUAL(figure("load", "fixed", "valid"), 0);
    done();
}

void load_report_suite(CU_pSuite s)
{
    CU_add_test(s, "the tables of a run have their names and columns", the_tables_have_their_columns);
    CU_add_test(s, "windows add up to the run", windows_add_up_to_the_run);
    CU_add_test(s, "target, server, dataset and requests are facts", what_was_done_is_in_the_facts);
    CU_add_test(s, "batches come from the ops port, asked before and after", batches_come_from_the_ops_port);
    CU_add_test(s, "sizes of batches are rows, without the empty ends", sizes_of_batches_are_rows);
    CU_add_test(s, "a closed loop says what it hides, and has no lateness", a_closed_loop_says_what_it_hides);
    CU_add_test(s, "a replay is run as it is written", a_replay_is_run_as_it_is_written);
    CU_add_test(s, "a server whose queue grows is named", a_queue_that_grows_is_invalid);
}
