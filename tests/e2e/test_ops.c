/* What the operator sees of the real program: where the time of its requests went, its numbers, its flight recorder,
 * and that no text of a client is in any of it. */
#include <CUnit/CUnit.h>
#include <cjson/cJSON.h>
#include <dirent.h>
#include <limits.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "runtime/base/stage.h"
#include "tests/support/client.h"
#include "tests/support/server.h"
#include "tests/support/server_timing.h"
#include "tests/support/tiny_model.h"

#define SECRET "xylophonwort"
static server_process server;
static bool running;
static char dumps[] = "/tmp/beeline-test-XXXXXX";

static void be_running(void)
{
    /* Patience without end: what is slow, as under a sanitizer, is not to be refused. */
    const char *const more[] = {"--dump-dir", dumps, "--max-wait", "300s", NULL};
    if (!running && mkdtemp(dumps)) running = server_start(&server, SERVER_MODEL, more);
    CU_ASSERT_TRUE_FATAL(running && server.ops_port > 0);
}

static client_reply post(client *c, int port, const char *path, const char *body, const char *headers)
{
    char text[4096];
    snprintf(text, sizeof text,
             "POST %s HTTP/1.1\r\nhost: localhost\r\nx-operator: test\r\ncontent-type: application/json\r\ncontent-length: %zu\r\n%s\r\n%s", path,
             strlen(body), headers, body);
    return client_ask(c, port, text);
}

static client_reply get(client *c, int port, const char *path)
{
    char text[256];
    snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nhost: localhost\r\n\r\n", path);
    return client_ask(c, port, text);
}

static void nap(void) { nanosleep(&(struct timespec){0, 10000000}, NULL); }

/* All samples whose lines begin so, added up, in a scrape of their own; -1: there is none. */
static double metric(const char *beginning)
{
    client c;
    double sum = -1;
    client_reply r = get(&c, server.ops_port, "/metrics");
    CU_ASSERT_EQUAL_FATAL(r.status, 200);
    for (const char *line = r.body; line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
        if (strncmp(line, beginning, strlen(beginning))) continue;
        const char *end = strchr(line, '\n'), *value = end;
        while (value && value > line && value[-1] != ' ') value--;
        if (value) sum = fmax(sum, 0) + strtod(value, NULL);
    }
    client_close(&c);
    return sum;
}

/* It gets there within half a minute: a client may have its reply before the books have it. */
static bool reaches(const char *beginning, double wanted)
{
    for (int i = 0; i < 3000 && metric(beginning) < wanted; i++) nap();
    return metric(beginning) == wanted;
}

/* ---- times */

static void a_reply_says_where_its_time_went(void)
{
    static const char *const paths[] = {"/embed", "/v1/embeddings"};
    char value[64];
    be_running();
    for (int i = 0; i < 2; i++) {
        client c;
        server_timing t;
        client_reply r =
            post(&c, server.port, paths[i],
                 i ? "{\"input\":[\"a b c\",\"d\"],\"model\":\"x\"}" : "{\"inputs\":[\"a b c\",\"d\"]}", "");
        CU_ASSERT_EQUAL(r.status, 200);
        CU_ASSERT_TRUE_FATAL(server_timing_of(&t, &r));
        CU_ASSERT_EQUAL(t.n, STAGE_WRITE); /* every stage but the last, which cannot be told in a reply */
        CU_ASSERT_TRUE(server_timing_adds_up(&t));
        CU_ASSERT_TRUE(t.ms[STAGE_COMPUTE] > 0);
        CU_ASSERT_TRUE(client_field(&r, "x-total-time", value, sizeof value));
        CU_ASSERT_DOUBLE_EQUAL(atof(value), t.total_ms, 0.5011);
        CU_ASSERT_TRUE(client_field(&r, "x-inference-time", value, sizeof value));
        CU_ASSERT_DOUBLE_EQUAL(atof(value), t.ms[STAGE_H2D] + t.ms[STAGE_COMPUTE], 0.502);
        client_close(&c);
    }
}

static void what_was_not_computed_has_no_compute_time(void)
{
    static const struct {
        const char *path, *body, *headers;
        int status;
    } cases[] = {{"/embed", "{\"inputs\":7}", "", 422},
                 {"/embed", "{", "", 400},
                 {"/embed", "{\"inputs\":\"a\"}", "x-deadline-ms: 0\r\n", 504},
                 {"/tokenize", "{\"inputs\":\"a\"}", "", 200},
                 {"/nothing", "", "", 404}};
    char value[64];
    be_running();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        client c;
        server_timing t;
        client_reply r = post(&c, server.port, cases[i].path, cases[i].body, cases[i].headers);
        CU_ASSERT_EQUAL(r.status, cases[i].status);
        CU_ASSERT_TRUE(server_timing_of(&t, &r) && server_timing_adds_up(&t));
        CU_ASSERT_FALSE(client_field(&r, "x-compute-type", value, sizeof value));
        client_close(&c);
    }
}

static void stages_add_up_to_the_requests_in_the_metrics(void)
{
    static const char took[] = "beeline_request_duration_seconds_sum{endpoint=\"/embed\"}",
                      count[] = "beeline_request_duration_seconds_count{endpoint=\"/embed\"}",
                      stages[] = "beeline_stage_duration_seconds_sum{stage=\"";
    char body[2048], one[128];
    enum { N = 30 };
    be_running();
    double seen = metric(count);
    CU_ASSERT_TRUE(reaches(count, seen)); /* the sums below belong to it */
    double took_s = metric(took), stages_s = metric(stages), each_s = 0;
    for (int i = 0; i < N; i++) {
        client c;
        int n = snprintf(body, sizeof body, "{\"inputs\":[\"first\"");
        for (int k = 0; k < i % 8; k++) n += snprintf(body + n, sizeof body - (size_t)n, ",\"some more words %d\"", k);
        snprintf(body + n, sizeof body - (size_t)n, "]}");
        CU_ASSERT_EQUAL(post(&c, server.port, "/embed", body, "").status, 200);
        client_close(&c);
    }
    CU_ASSERT_TRUE(reaches(count, seen + N));
    took_s = metric(took) - took_s;
    stages_s = metric(stages) - stages_s;
    CU_ASSERT_TRUE(took_s > 0);
    CU_ASSERT_DOUBLE_EQUAL(stages_s, took_s, took_s * 0.01);
    for (int s = 0; s < STAGES; s++) {
        snprintf(one, sizeof one, "%s%s\"}", stages, stage_names[s]);
        double sum_s = metric(one);
        CU_ASSERT_TRUE(sum_s >= 0);
        each_s += sum_s;
    }
    CU_ASSERT_DOUBLE_EQUAL(each_s, metric(stages), 1e-9);
}

/* ---- deadlines */

static void a_passed_deadline_is_not_computed(void)
{
    static const char *const paths[] = {"/embed", "/v1/embeddings", "/tokenize", "/decode"},
                             *const bodies[] = {"{\"inputs\":\"a\"}", "{\"input\":\"a\",\"model\":\"x\"}",
                                                "{\"inputs\":\"a\"}", "{\"ids\":[101]}"};
    static const char batches[] = "beeline_batches_total",
                      late[] = "beeline_request_failures_total{reason=\"deadline\"}",
                      shed[] = "beeline_tokens_offered_total{outcome=\"shed\"}",
                      accepted[] = "beeline_tokens_offered_total{outcome=\"accepted\"}";
    be_running();
    double computed = metric(batches), failed = metric(late), given_up = metric(shed), taken = metric(accepted);
    CU_ASSERT_TRUE(computed >= 0 && failed >= 0 && given_up >= 0 && taken >= 0);
    for (int i = 0; i < 4; i++) {
        client c;
        client_reply r = post(&c, server.port, paths[i], bodies[i], "x-deadline-ms: 0\r\n");
        CU_ASSERT_EQUAL_FATAL(r.status, 504);
        CU_ASSERT_PTR_NOT_NULL(strstr(r.body, i == 1 ? "\"type\":\"Deadline\",\"param\":null,\"code\":504}}"
                                                     : "\"error_type\":\"Deadline\"}"));
        CU_ASSERT_PTR_NOT_NULL(strstr(r.body, "the deadline of 0 ms has passed"));
        client_close(&c);
        r = post(&c, server.port, paths[i], bodies[i], "x-deadline-ms: 3600000\r\n");
        CU_ASSERT_EQUAL(r.status, 200);
        client_close(&c);
    }
    CU_ASSERT_TRUE(reaches(late, failed + 4));
    CU_ASSERT_TRUE(reaches(batches, computed + 2)); /* of those with time */
    CU_ASSERT_TRUE(reaches(accepted, taken + 6));   /* theirs: [CLS] a [SEP], twice */
    CU_ASSERT_TRUE(metric(shed) >= given_up);
}

static void nonsense_deadlines_and_priorities(void)
{
    static const char *const paths[] = {"/embed", "/v1/embeddings", "/tokenize", "/decode"},
                             *const bodies[] = {"{\"inputs\":\"a\"}", "{\"input\":\"a\",\"model\":\"x\"}",
                                                "{\"inputs\":\"a\"}", "{\"ids\":[101]}"};
    static const struct {
        const char *headers, *seen; /* NULL: it is fine */
    } cases[] = {
        {"x-deadline-ms: -1\r\n", "x-deadline-ms is \\\"-1\\\""},
        {"x-deadline-ms: text\r\n", "x-deadline-ms is \\\"text\\\""},
        {"x-deadline-ms:\r\n", "x-deadline-ms is \\\"\\\""},
        {"x-deadline-ms: 1.5\r\n", "x-deadline-ms is \\\"1.5\\\""},
        {"x-deadline-ms: +5000\r\n", "x-deadline-ms is \\\"+5000\\\""},
        {"x-deadline-ms: 5000\r\nx-deadline-ms: 5000\r\n", "x-deadline-ms is "},
        {"x-priority: urgent\r\n", "x-priority is \\\"urgent\\\""},
        {"x-priority: bulk\r\nX-Priority: bulk\r\n", "x-priority is "},
        {"x-deadline-ms: \t 3600000 \r\n", NULL},
        {"x-deadline-ms: 1000000000000000000\r\n", NULL},
        {"X-DEADLINE-MS: 999999999999999999999999999999\r\n", NULL},
        {"x-priority: BULK\r\n", NULL},
        {"x-priority: Interactive\r\nx-deadline-ms: 3600000\r\n", NULL},
    };
    be_running();
    for (int p = 0; p < 4; p++) {
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
            client c;
            client_reply r = post(&c, server.port, paths[p], bodies[p], cases[i].headers);
            if (r.status != (cases[i].seen ? 400 : 200)) printf("\n%s %s: %d", paths[p], cases[i].headers, r.status);
            CU_ASSERT_EQUAL(r.status, cases[i].seen ? 400 : 200);
            if (cases[i].seen && r.status == 400) {
                CU_ASSERT_PTR_NOT_NULL(strstr(r.body, cases[i].seen));
                CU_ASSERT_PTR_NOT_NULL(strstr(r.body, p == 1 ? "\"type\":\"Validation\",\"param\":null,\"code\":400}}"
                                                             : "\"error_type\":\"Validation\"}"));
            }
            client_close(&c);
        }
    }
}

/* ---- the flight recorder */

static void send_the_secret(void)
{
    client c;
    CU_ASSERT_EQUAL(post(&c, server.port, "/embed", "{\"inputs\":\"" SECRET "\"}", "").status, 200);
    client_close(&c);
    CU_ASSERT_EQUAL(post(&c, server.port, "/embed", "{\"inputs\":\"" SECRET "\",\"truncate\":7}", "").status, 422);
    client_close(&c);
    CU_ASSERT_EQUAL(post(&c, server.port, "/" SECRET, "", "authorization: Bearer " SECRET "\r\n").status, 404);
    client_close(&c);
    CU_ASSERT_EQUAL(post(&c, server.port, "/embed", "{\"inputs\":\"a\"}", "x-deadline-ms: " SECRET "\r\n").status, 400);
    client_close(&c);
}

/* A document of the flight recorder that has a batch, requests, and nothing of a client's text. */
static bool is_flight(const char *text)
{
    int batches = 0, requests = 0, rings = 0;
    cJSON *tree = cJSON_Parse(text), *ring = NULL, *event = NULL;
    cJSON_ArrayForEach(ring, cJSON_GetObjectItem(tree, "rings"))
    {
        rings += cJSON_IsString(cJSON_GetObjectItem(ring, "thread"));
        cJSON_ArrayForEach(event, cJSON_GetObjectItem(ring, "events"))
        {
            const char *name = cJSON_GetStringValue(cJSON_GetObjectItem(event, "event"));
            batches += name && !strcmp(name, "batch") && cJSON_GetObjectItem(event, "tokens")->valueint > 0;
            requests += name && !strcmp(name, "request") && cJSON_GetObjectItem(event, "code")->valueint == 200;
        }
    }
    cJSON_Delete(tree);
    return rings >= 3 && batches > 0 && requests > 0 && !strstr(text, SECRET);
}

static void the_flight_recorder_over_http(void)
{
    client c;
    be_running();
    send_the_secret();
    client_reply r = get(&c, server.ops_port, "/admin/flight");
    CU_ASSERT_EQUAL(r.status, 200);
    CU_ASSERT_TRUE(client_has(&r, "content-type", "application/json") && client_has(&r, "cache-control", "no-store"));
    CU_ASSERT_TRUE(r.status && is_flight(r.body));
    client_close(&c);
    r = get(&c, server.ops_port, "/metrics");
    CU_ASSERT_TRUE(r.status == 200 && !strstr(r.body, SECRET));
    client_close(&c);
    r = get(&c, server.port, "/admin/flight"); /* the public port has none of it */
    CU_ASSERT_EQUAL(r.status, 404);
    client_close(&c);
    r = get(&c, server.port, "/metrics");
    CU_ASSERT_EQUAL(r.status, 404);
    client_close(&c);
}

/* The path of the one file in dumps; false: there is none yet. */
static bool find_dump(char path[PATH_MAX])
{
    char beginning[64];
    bool found = false;
    DIR *d = opendir(dumps);
    snprintf(beginning, sizeof beginning, "beeline-flight-%d-", (int)server.pid);
    for (struct dirent *e; d && (e = readdir(d));) {
        if (e->d_name[0] == '.') continue;
        CU_ASSERT_FALSE(found || strncmp(e->d_name, beginning, strlen(beginning)));
        found = true;
        snprintf(path, PATH_MAX, "%s/%s", dumps, e->d_name);
    }
    if (d) closedir(d);
    return found;
}

static char *text_of(const char *path)
{
    FILE *f = fopen(path, "r");
    char *text = NULL;
    size_t n = 0;
    if (!f) return NULL;
    if (getdelim(&text, &n, 0, f) < 0) {
        free(text);
        text = NULL;
    }
    fclose(f);
    return text;
}

static void the_flight_recorder_in_a_file(void)
{
    char path[PATH_MAX] = "", *text = NULL;
    struct stat s;
    be_running();
    send_the_secret();
    kill(server.pid, SIGUSR1);
    for (int i = 0; i < 3000 && !find_dump(path); i++) nap();
    CU_ASSERT_NOT_EQUAL_FATAL(*path, 0);
    for (int i = 0; i < 3000; i++) { /* the file is there before all of it is */
        text = text_of(path);
        if (text && strstr(text, "]}]}\n")) break;
        free(text);
        text = NULL;
        nap();
    }
    CU_ASSERT_TRUE(text && is_flight(text));
    CU_ASSERT_TRUE(stat(path, &s) == 0 && S_ISREG(s.st_mode) && (s.st_mode & 07777) == 0600);
    free(text);
    unlink(path);
    client c; /* and it serves on */
    CU_ASSERT_EQUAL(post(&c, server.port, "/embed", "{\"inputs\":\"a\"}", "").status, 200);
    client_close(&c);
}

/* ---- the port */

static void the_operators_port_only_reads(void)
{
    static const char *const paths[] = {"/metrics", "/admin/flight", "/health/live"};
    client c;
    be_running();
    for (int i = 0; i < 3; i++) {
        client_reply r = post(&c, server.ops_port, paths[i], "{}", "");
        CU_ASSERT_TRUE(r.status == 405 && client_has(&r, "allow", "GET, HEAD"));
        CU_ASSERT_TRUE(r.status == 405 && strstr(r.body, "\"MethodNotAllowed\""));
        client_close(&c);
        r = get(&c, server.ops_port, paths[i]);
        CU_ASSERT_EQUAL(r.status, 200);
        client_close(&c);
    }
    CU_ASSERT_EQUAL(post(&c, server.ops_port, "/embed", "{\"inputs\":\"a\"}", "").status, 404);
    client_close(&c);
}

static void a_taken_port_refuses_the_start(void)
{
    char address[64], text[8192];
    be_running();
    snprintf(address, sizeof address, "127.0.0.1:%d", server.ops_port);
    const char *const words[] = {"serve", SERVER_MODEL, "--listen", "127.0.0.1:0", "--ops", address, NULL};
    CU_ASSERT_EQUAL(server_command(words, NULL, text, sizeof text), 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "\"event\":\"start\""));
    char wanted[128];
    snprintf(wanted, sizeof wanted, "cannot listen on %s: Address already in use", address);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, wanted));
}

static void the_end(void)
{
    CU_ASSERT_TRUE_FATAL(running);
    CU_ASSERT_EQUAL(server_end(&server, SIGTERM), 0);
    CU_ASSERT_PTR_NULL(strstr(server.log, SECRET));
    rmdir(dumps);
    running = false;
}

/* Of a device that takes 200 ms for a batch, however small. */
static void what_cannot_be_in_time_is_shed(void)
{
    static const char *const device[] = {"LD_LIBRARY_PATH=" BEELINE_SLEEPING_DIR,
                                         "SLEEPING_DEVICE=base_us=200000,token_ns=0,sequence_ns=0,slots=3", NULL};
    static const char *const options[] = {"--backend", "cuda", NULL};
    static const char batches[] = "beeline_batches_total", shed[] = "beeline_tokens_offered_total{outcome=\"shed\"}",
                      accepted[] = "beeline_tokens_offered_total{outcome=\"accepted\"}";
    char *folder = tiny_folder_make(), value[64];
    client c;
    CU_ASSERT_FALSE_FATAL(running);
    tiny_model_write(folder, (tiny_model){.pooling = "mean_tokens", .normalize = 1});
    server_environment(device);
    CU_ASSERT_TRUE_FATAL(server_start(&server, folder, options));
    double computed = metric(batches);
    client_reply r = post(&c, server.port, "/embed", "{\"inputs\":[[2,7,8,3]]}", "x-deadline-ms: 50\r\n");
    CU_ASSERT_EQUAL(r.status, 504);
    CU_ASSERT_FALSE(client_field(&r, "x-compute-type", value, sizeof value));
    client_close(&c);
    CU_ASSERT_TRUE(reaches(shed, 4));
    CU_ASSERT_TRUE(metric(accepted) == 0 && metric(batches) == computed);
    r = get(&c, server.ops_port, "/admin/flight");
    CU_ASSERT_PTR_NOT_NULL(strstr(r.body, "\"event\":\"refusal\",\"code\":504,"));
    client_close(&c);
    r = post(&c, server.port, "/embed", "{\"inputs\":[[2,7,8,3]]}", "x-deadline-ms: 3600000\r\n");
    CU_ASSERT_EQUAL(r.status, 200);
    CU_ASSERT_TRUE(client_has(&r, "x-compute-type", "cuda"));
    client_close(&c);
    CU_ASSERT_TRUE(reaches(accepted, 4));
    CU_ASSERT_EQUAL(server_end(&server, SIGTERM), 0);
    server_environment(NULL);
    tiny_folder_remove(folder);
}

void ops_suite(CU_pSuite s)
{
    CU_add_test(s, "a reply says where its time went, and it adds up", a_reply_says_where_its_time_went);
    CU_add_test(s, "in the metrics the stages add up to the requests", stages_add_up_to_the_requests_in_the_metrics);
    CU_add_test(s, "what was not computed has no compute time", what_was_not_computed_has_no_compute_time);
    CU_add_test(s, "D77 a deadline that has passed is 504, and nothing is computed for it",
                a_passed_deadline_is_not_computed);
    CU_add_test(s, "D80 a deadline or priority that is none is 400 with the value, a far one is clamped",
                nonsense_deadlines_and_priorities);
    CU_add_test(s, "GET /admin/flight shows batches and requests, and no text", the_flight_recorder_over_http);
    CU_add_test(s, "SIGUSR1 writes the same into a file for its owner alone", the_flight_recorder_in_a_file);
    CU_add_test(s, "the operator's port only reads", the_operators_port_only_reads);
    CU_add_test(s, "a taken operator's port refuses the start in words", a_taken_port_refuses_the_start);
    CU_add_test(s, "it ends, and its log has no text either", the_end);
    CU_add_test(s, "D77 a deadline that no batch can meet is 504: never computed, counted as shed",
                what_cannot_be_in_time_is_shed);
}
