/* test_incident_bundle.c - what a bundle says, as a JSON parser sees it. */
#include "server/incident_bundle.h"
#include <CUnit/CUnit.h>
#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "runtime/base/clock.h"
#include "runtime/base/flight.h"
#include "server/http.h"
#include "server/monitor.h"

static const int64_t MS = 1000000, S = 1000000000;
static const int64_t now_ns = 1000000000000;

static void run(call *c) { (void)c; }
static const route table[] = {{"POST", "/embed", run, 100, SHAPE_TEI, "computes"}};
static bool is_embed(const route *r) { return r == &table[0]; }

static void open_app(app *a, const options *o)
{
    error err;
    const monitor_options seen = {.loops = 1,
                                  .objective_ns = 100 * MS,
                                  .objective_ratio = 0.99,
                                  .routes = table,
                                  .n_routes = 1,
                                  .computes = is_embed};
    *a = (app){.phase = APP_LOADING, .options = o};
    CU_ASSERT_EQUAL_FATAL(monitor_open(&a->monitor, seen, &err), OK);
    CU_ASSERT_EQUAL_FATAL(versions_open(&a->versions, &err), OK);
}

static void device_close(backend *b) { (void)b; }
static const backend_ops device = {.name = "cpu", .slots = 1, .close = device_close};

static void activate(app *a, const char *name)
{
    error err;
    version *v;
    engine *e = calloc(1, sizeof *e);
    CU_ASSERT_PTR_NOT_NULL_FATAL(e);
    *e = (engine){.ops = &device, .digest = "0123abcd", .options = {.batch_tokens = 100, .batch_sequences = 1}};
    e->description.dimensions = 4;
    snprintf(e->description.name, sizeof e->description.name, "%s", name);
    CU_ASSERT_EQUAL_FATAL(version_new(&v, e, name, "", NULL, &err), OK);
    versions_activate(a->versions, v);
}

static void close_app(app *a)
{
    error err;
    if (a->queue) batcher_close(a->queue);
    CU_ASSERT_EQUAL(executor_join(a->executor, &err), OK);
    batcher_free(a->queue);
    versions_close(a->versions);
    monitor_close(a->monitor);
}

/* The caller's to free. */
static char *taken_text(const app *a)
{
    incident n = {0};
    incident_bundle_take(&n, a, now_ns);
    CU_ASSERT_PTR_NOT_NULL_FATAL(n.bundle);
    char *copy = strndup(n.bundle, n.bundle_bytes);
    CU_ASSERT_EQUAL_FATAL(strlen(copy), n.bundle_bytes);
    free(n.bundle);
    return copy;
}

static cJSON *taken(const app *a)
{
    char *copy = taken_text(a);
    cJSON *tree = cJSON_Parse(copy);
    CU_ASSERT_PTR_NOT_NULL_FATAL(tree);
    free(copy);
    return tree;
}

static cJSON *at(const cJSON *tree, const char *first, const char *second)
{
    cJSON *x = cJSON_GetObjectItem(tree, first);
    return second ? cJSON_GetObjectItem(x, second) : x;
}

static double number(const cJSON *tree, const char *first, const char *second)
{
    return cJSON_GetNumberValue(at(tree, first, second)); /* NaN where there is none */
}

static const char *text(const cJSON *tree, const char *name)
{
    const char *s = cJSON_GetStringValue(cJSON_GetObjectItem(tree, name));
    return s ? s : "(none)";
}

/* Answered ago_ms before now; 1 ms to read, the rest to compute. */
static void answer(app *a, const char *id, int64_t ago_ms, int64_t took_ms)
{
    call_record r = {.route = &table[0], .status = 200, .compute_type = "cpu", .sequences = 2, .tokens = 30};
    const int64_t ended_ns = now_ns - ago_ms * MS;
    snprintf(r.request_id, sizeof r.request_id, "%s", id);
    for (int s = 0; s <= STAGES; s++) r.times.at[s] = s > STAGE_COMPUTE ? ended_ns : ended_ns - (took_ms - !!s) * MS;
    monitor_ended(a->monitor, 0, &r);
}

static void a_loading_server_has_a_bundle_too(void)
{
    static const options none;
    app a;
    open_app(&a, &none);
    cJSON *tree = taken(&a);
    static const char *const wanted[] = {"build", "process", "options",  "versions", "slo",     "p99_ms",
                                         "queue", "device",  "edges_ms", "stages",   "slowest", "flight"};
    CU_ASSERT_EQUAL(cJSON_GetArraySize(tree), sizeof wanted / sizeof *wanted);
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) CU_ASSERT_PTR_NOT_NULL(at(tree, wanted[i], NULL));
    CU_ASSERT_TRUE(cJSON_IsNull(at(tree, "queue", NULL)));
    CU_ASSERT_TRUE(cJSON_IsNull(at(tree, "versions", "active")));
    CU_ASSERT_EQUAL(cJSON_GetArraySize(at(tree, "stages", NULL)), STAGES);
    CU_ASSERT_EQUAL(cJSON_GetArraySize(at(tree, "slowest", NULL)), 0);
    CU_ASSERT(number(tree, "process", "resident_bytes") > 1e5);
    CU_ASSERT(number(tree, "process", "started_unix_s") > 1e9);
    cJSON_Delete(tree);
    close_app(&a);
}

static void stages_are_counted_and_their_quantiles_are_edges(void)
{
    static const options none;
    app a;
    open_app(&a, &none);
    for (int i = 0; i < 98; i++) answer(&a, "quick", 1, 5);
    for (int i = 0; i < 2; i++) answer(&a, "slow", 1, 41);
    cJSON *tree = taken(&a);
    const cJSON *edges = at(tree, "edges_ms", NULL);
    CU_ASSERT_EQUAL_FATAL(cJSON_GetArraySize(edges), MONITOR_EDGES);
    const cJSON *read = cJSON_GetArrayItem(at(tree, "stages", NULL), STAGE_READ),
                *compute = cJSON_GetArrayItem(at(tree, "stages", NULL), STAGE_COMPUTE);
    CU_ASSERT_STRING_EQUAL(text(read, "stage"), "read");
    CU_ASSERT_STRING_EQUAL(text(compute, "stage"), "compute");
    CU_ASSERT_EQUAL(number(compute, "count", NULL), 100);
    CU_ASSERT_DOUBLE_EQUAL(number(compute, "sum_ms", NULL), 98 * 4 + 2 * 40, 0.01);
    CU_ASSERT_DOUBLE_EQUAL(number(read, "sum_ms", NULL), 100, 0.01);
    /* 0.1 ms x 1.5^n: 4 ms lie below 5.77, 40 below 43.8 */
    CU_ASSERT_DOUBLE_EQUAL(number(compute, "p50_ms", NULL), 5.767, 0.01);
    CU_ASSERT_DOUBLE_EQUAL(number(compute, "p99_ms", NULL), 43.789, 0.01);
    CU_ASSERT_DOUBLE_EQUAL(number(read, "p99_ms", NULL), 1.139, 0.01);
    const cJSON *counts = at(compute, "counts", NULL), *c = NULL;
    CU_ASSERT_EQUAL(cJSON_GetArraySize(counts), MONITOR_EDGES + 1);
    double all = 0;
    cJSON_ArrayForEach(c, counts) all += c->valuedouble;
    CU_ASSERT_EQUAL(all, 100);
    cJSON_Delete(tree);
    close_app(&a);
}

static void the_slowest_of_the_last_minute_come_slowest_first(void)
{
    static const options none;
    app a;
    char id[16];
    open_app(&a, &none);
    answer(&a, "old", 70000, 5000);
    for (int i = 0; i < 12; i++) {
        snprintf(id, sizeof id, "r%d", i);
        answer(&a, id, 20000 - i * 1000, 10 + (i * 5) % 12 * 10);
    }
    cJSON *tree = taken(&a);
    const cJSON *slowest = at(tree, "slowest", NULL), *r = NULL;
    double before = INFINITY;
    CU_ASSERT_EQUAL(cJSON_GetArraySize(slowest), INCIDENT_SLOWEST);
    cJSON_ArrayForEach(r, slowest)
    {
        const double total = number(r, "total_ms", NULL);
        CU_ASSERT(total <= before && total >= 50);
        before = total;
        CU_ASSERT_DOUBLE_EQUAL(number(r, "stages_ms", "compute"), total - 1, 0.001);
        CU_ASSERT_DOUBLE_EQUAL(number(r, "stages_ms", "read"), 1, 0.001);
    }
    const cJSON *first = slowest->child;
    CU_ASSERT_STRING_EQUAL(text(first, "request_id"), "r7"); /* 7 x 5 % 12 = 11 */
    CU_ASSERT_STRING_EQUAL(text(first, "route"), "/embed");
    CU_ASSERT_DOUBLE_EQUAL(number(first, "total_ms", NULL), 120, 0.001);
    CU_ASSERT_DOUBLE_EQUAL(number(first, "ago_ms", NULL), 13000, 0.001);
    CU_ASSERT_EQUAL(number(first, "status", NULL), 200);
    CU_ASSERT_EQUAL(number(first, "sequences", NULL), 2);
    CU_ASSERT_EQUAL(number(first, "tokens", NULL), 30);
    cJSON_Delete(tree);
    close_app(&a);
}

static void options_are_told_but_for_who_is_told(void)
{
    options o;
    error err;
    char name[200] = "--model-name=";
    char *arguments[] = {"model", "--incident-url", "https://hooks.example/secret", name};
    app a;
    for (int i = 0; i < 30; i++) strcat(name, "\xe2\x82\xac"); /* is cut within a letter */
    CU_ASSERT_EQUAL_FATAL(options_read(&o, COMMAND_SERVE, 4, arguments, &err), OK);
    open_app(&a, &o);
    char *bundle = taken_text(&a);
    CU_ASSERT_PTR_NOT_NULL(strstr(bundle, "\"listen=127.0.0.1:8080 (default)\""));
    CU_ASSERT_PTR_NOT_NULL(strstr(bundle, "\"model-name=\xe2\x82\xac"));
    CU_ASSERT_PTR_NULL(strstr(bundle, "secret"));
    cJSON *tree = cJSON_Parse(bundle);
    CU_ASSERT_PTR_NOT_NULL(tree);
    cJSON_Delete(tree);
    free(bundle);
    close_app(&a);
}

static void versions_queue_and_device_are_told(void)
{
    static const options chosen = {.objective_ms = 100, .objective_ratio = 0.99};
    const policy_limits limits = {.objective_ns = 100 * MS,
                                  .max_wait_ns = 10 * S,
                                  .batch_tokens = 100,
                                  .batch_sequences = 1,
                                  .longest = 100,
                                  .executors = 1,
                                  .max_requests = 100};
    const service_table times = {.row = {{1, 1, MS, 0}, {100, 1, 20 * MS, 0}}, .n = 2};
    error err;
    app a;
    open_app(&a, &chosen);
    activate(&a, "one");
    activate(&a, "two");
    CU_ASSERT_EQUAL_FATAL(batcher_open(&a.queue, limits, &times, &err), OK);
    CU_ASSERT_EQUAL_FATAL(
        executor_start(&a.executor, a.versions, a.queue, 0, (executor_options){1000, EXECUTOR_GOLDEN_MS}, &err), OK);
    atomic_store(&a.phase, APP_READY);
    cJSON *tree = taken(&a);
    CU_ASSERT_STRING_EQUAL(text(at(tree, "versions", "active"), "version"), "two");
    CU_ASSERT_STRING_EQUAL(text(at(tree, "versions", "active"), "directory"), "two");
    CU_ASSERT_STRING_EQUAL(text(at(tree, "versions", "active"), "digest"), "0123abcd");
    CU_ASSERT_STRING_EQUAL(text(at(tree, "versions", "previous"), "version"), "one");
    CU_ASSERT_EQUAL(number(tree, "queue", "in_hand"), 0);
    CU_ASSERT_EQUAL(number(tree, "device", "watchdog_trips"), 0);
    CU_ASSERT_EQUAL(number(tree, "slo", "objective_ms"), 100);
    CU_ASSERT_EQUAL(number(at(tree, "slo", NULL), "burn", "5m"), 0);
    CU_ASSERT_EQUAL(number(tree, "p99_ms", "1m"), 0);
    cJSON_Delete(tree);
    close_app(&a);
}

static void of_each_thread_the_last_events_come(void)
{
    static const options none;
    error err;
    app a;
    open_app(&a, &none);
    CU_ASSERT_EQUAL_FATAL(flight_attach("bundle", &err), OK);
    for (int i = 0; i < 2 * INCIDENT_EVENTS; i++) flight_note(clock_ns(), FLIGHT_BATCH, (uint32_t)i, 1, 1);
    cJSON *tree = taken(&a);
    const cJSON *ring = NULL, *mine = NULL;
    cJSON_ArrayForEach(ring, at(tree, "flight", "rings")) if (!strcmp(text(ring, "thread"), "bundle")) mine =
        cJSON_GetObjectItem(ring, "events");
    CU_ASSERT_EQUAL_FATAL(cJSON_GetArraySize(mine), INCIDENT_EVENTS);
    CU_ASSERT_EQUAL(number(mine->child->prev, "sequences", NULL), 2 * INCIDENT_EVENTS - 1);
    cJSON_Delete(tree);
    flight_detach();
    close_app(&a);
}

void incident_bundle_suite(CU_pSuite s)
{
    CU_ADD_TEST(s, a_loading_server_has_a_bundle_too);
    CU_ADD_TEST(s, stages_are_counted_and_their_quantiles_are_edges);
    CU_ADD_TEST(s, the_slowest_of_the_last_minute_come_slowest_first);
    CU_ADD_TEST(s, options_are_told_but_for_who_is_told);
    CU_ADD_TEST(s, versions_queue_and_device_are_told);
    CU_ADD_TEST(s, of_each_thread_the_last_events_come);
}
