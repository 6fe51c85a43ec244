/* test_console_state.c - the document of a server that is put together without sockets or a model: while it loads, and
 * when it answers. */
#include <CUnit/CUnit.h>
#include <cjson/cJSON.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "runtime/base/clock.h"
#include "server/console_state.h"
#include "server/http.h"
#include "server/incidents.h"
#include "server/monitor.h"
#include "server/release.h"

static const int64_t MS = 1000000, S = 1000000000;

/* ---- a server without sockets ---- */

static void run(call *c) { (void)c; }
static const route table[] = {{"POST", "/embed", run, 100, SHAPE_TEI, "computes"}};
static bool is_embed(const route *r) { return r == &table[0]; }

static const char *device_describe(const backend *b)
{
    (void)b;
    return "a \"card\", sm_90";
}

static const char *device_precision(const backend *b)
{
    (void)b;
    return "float16";
}

static void device_close(backend *b) { (void)b; }

static const backend_ops ops = {
    .name = "fake", .close = device_close, .slots = 1, .describe = device_describe, .precision = device_precision};
static const options chosen = {.objective_ms = 100, .objective_ratio = 0.99};

static app a;
static error err;

static engine *make_engine(const char *name)
{
    engine *e = calloc(1, sizeof *e);
    CU_ASSERT_PTR_NOT_NULL_FATAL(e);
    e->ops = &ops;
    strcpy(e->digest, "0123abcd");
    strcpy(e->description.name, name);
    return e;
}

static void activate(const char *name, const char *directory_name, const char *model_name)
{
    version *v;
    CU_ASSERT_EQUAL_FATAL(version_new(&v, make_engine(name), directory_name, model_name, NULL, &err), OK);
    versions_activate(a.versions, v);
}

/* What nobody reads meanwhile may be changed. */
static version *active(void)
{
    version *v = versions_acquire(a.versions);
    versions_release(a.versions, v);
    return v;
}

static void open_app(void)
{
    a = (app){.phase = APP_LOADING, .options = &chosen};
    const monitor_options o = {.loops = 1,
                               .objective_ns = 100 * MS,
                               .objective_ratio = 0.99,
                               .routes = table,
                               .n_routes = 1,
                               .computes = is_embed};
    CU_ASSERT_EQUAL_FATAL(monitor_open(&a.monitor, o, &err), OK);
    CU_ASSERT_EQUAL_FATAL(versions_open(&a.versions, &err), OK);
    CU_ASSERT_EQUAL_FATAL(incidents_open(&a.incidents, &a, "", "", &err), OK);
}

/* Nothing computes: what is queued waits. */
static void load_app(void)
{
    const policy_limits limits = {.objective_ns = 100 * MS,
                                  .max_wait_ns = 10 * S,
                                  .batch_tokens = 100,
                                  .batch_sequences = 1,
                                  .longest = 100,
                                  .executors = 1,
                                  .max_requests = 100};
    const service_table times = {.row = {{1, 1, MS, 0}, {100, 1, 20 * MS, 0}}, .n = 2};
    activate("small", "one", "");
    active()->engine->description.max_tokens = limits.longest;
    service_seed(&active()->service, &times);
    CU_ASSERT_EQUAL_FATAL(batcher_open(&a.queue, limits, &times, &err), OK);
    CU_ASSERT_EQUAL_FATAL(release_open(&a.release, &a, &err), OK);
    atomic_store(&a.phase, APP_READY);
}

static void close_app(void)
{
    release_close(a.release);
    batcher_free(a.queue);
    versions_close(a.versions);
    incidents_close(a.incidents);
    monitor_close(a.monitor);
}

static void end_request(int code, int64_t took_ns)
{
    const int64_t now = clock_ns();
    call_record r = {.route = &table[0], .status = code, .sequences = 2, .tokens = 20};
    for (int s = 0; s <= STAGES; s++) r.times.at[s] = s <= STAGE_COMPUTE ? now - took_ns : now;
    monitor_ended(a.monitor, 0, &r);
}

/* ---- the document ---- */

/* NULL: it is none. */
static cJSON *parsed(void)
{
    out o = {0};
    const char *end;
    console_state_write(&o, &a);
    out_bytes(&o, "", 1);
    cJSON *tree = o.failed ? NULL : cJSON_ParseWithOpts(o.p, &end, 1);
    out_free(&o);
    return tree;
}

static cJSON *document(void)
{
    cJSON *tree = parsed();
    CU_ASSERT_PTR_NOT_NULL_FATAL(tree);
    return tree;
}

/* "load/ratio"; NULL: there is no such member. */
static const cJSON *at(const cJSON *tree, const char *path)
{
    char room[80], *rest = room;
    snprintf(room, sizeof room, "%s", path);
    for (char *name; tree && (name = strsep(&rest, "/"));) tree = cJSON_GetObjectItemCaseSensitive(tree, name);
    return tree;
}

/* NaN: it is none. */
static double number(const cJSON *tree, const char *path)
{
    const cJSON *v = at(tree, path);
    return cJSON_IsNumber(v) ? v->valuedouble : NAN;
}

static bool says(const cJSON *tree, const char *path, const char *wanted)
{
    const char *s = cJSON_GetStringValue(at(tree, path));
    return s && !strcmp(s, wanted);
}

static const char *const always[] = {"state",     "build", "now",      "uptime_s",   "resident_bytes",
                                     "objective", "burn",  "requests", "latency_ms", "incidents"},
                         *const loaded[] = {"load", "queue", "device", "versions", "release"};
enum { ALWAYS = sizeof always / sizeof *always, LOADED = sizeof loaded / sizeof *loaded };

static void one_that_loads_tells_of_itself(void)
{
    open_app();
    cJSON *tree = document();
    for (int i = 0; i < ALWAYS; i++) CU_ASSERT_PTR_NOT_NULL(at(tree, always[i]));
    for (int i = 0; i < LOADED; i++) CU_ASSERT_PTR_NULL(at(tree, loaded[i]));
    CU_ASSERT_EQUAL(cJSON_GetArraySize(tree), ALWAYS);
    CU_ASSERT(says(tree, "state", "loading"));
    CU_ASSERT_EQUAL(strncmp(cJSON_GetStringValue(at(tree, "build")), "0.1.0 ", 6), 0);
    CU_ASSERT(fabs(number(tree, "now") - (double)time(NULL)) < 3600);
    CU_ASSERT(number(tree, "uptime_s") >= 0 && number(tree, "uptime_s") < 86400);
    CU_ASSERT(number(tree, "resident_bytes") > 100000);
    CU_ASSERT_EQUAL(number(tree, "objective/ms"), 100);
    CU_ASSERT_EQUAL(number(tree, "objective/ratio"), 0.99);
    CU_ASSERT_EQUAL(number(tree, "requests/good"), 0);
    CU_ASSERT_EQUAL(number(tree, "burn/1h"), 0);
    CU_ASSERT_EQUAL(number(tree, "latency_ms/1m/0.99"), 0);
    CU_ASSERT(cJSON_IsArray(at(tree, "incidents")) && cJSON_GetArraySize(at(tree, "incidents")) == 0);
    cJSON_Delete(tree);
    close_app();
}

static void one_that_answers_tells_of_its_version(void)
{
    open_app();
    load_app();
    cJSON *tree = document();
    for (int i = 0; i < ALWAYS; i++) CU_ASSERT_PTR_NOT_NULL(at(tree, always[i]));
    for (int i = 0; i < LOADED; i++) CU_ASSERT_PTR_NOT_NULL(at(tree, loaded[i]));
    CU_ASSERT_EQUAL(cJSON_GetArraySize(tree), ALWAYS + LOADED);
    CU_ASSERT(says(tree, "state", "ready"));
    CU_ASSERT(says(tree, "device/backend", "fake"));
    CU_ASSERT(says(tree, "device/name", "a \"card\", sm_90"));
    CU_ASSERT(says(tree, "device/precision", "float16"));
    CU_ASSERT(says(tree, "versions/active/version", "small"));
    CU_ASSERT(says(tree, "versions/active/directory", "one"));
    CU_ASSERT(says(tree, "versions/active/digest", "0123abcd"));
    CU_ASSERT(says(tree, "versions/active/owner/team", ""));
    CU_ASSERT(cJSON_IsNull(at(tree, "versions/previous")));
    CU_ASSERT(says(tree, "release/state", "idle"));
    CU_ASSERT_EQUAL(cJSON_GetArraySize(at(tree, "release/steps")), STEPS);
    CU_ASSERT_EQUAL(number(tree, "queue/requests"), 0);
    CU_ASSERT_EQUAL(number(tree, "queue/oldest_ms"), 0);
    cJSON_Delete(tree);
    close_app();
}

static void phases_have_names(void)
{
    static const struct {
        int phase;
        const char *name;
    } rows[] = {{APP_READY, "ready"}, {APP_DRAINING, "draining"}, {APP_LOST, "lost"}};
    open_app();
    load_app();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        atomic_store(&a.phase, rows[i].phase);
        cJSON *tree = document();
        CU_ASSERT(says(tree, "state", rows[i].name));
        CU_ASSERT_PTR_NOT_NULL(at(tree, "versions/active"));
        cJSON_Delete(tree);
    }
    close_app();
}

static void numbers_are_those_of_the_monitor(void)
{
    open_app();
    load_app();
    for (int i = 0; i < 8; i++) end_request(200, 3 * MS);
    end_request(200, 400 * MS);
    end_request(500, MS);
    cJSON *tree = document();
    CU_ASSERT_EQUAL(number(tree, "requests/good"), 8);
    CU_ASSERT_EQUAL(number(tree, "requests/bad"), 2);
    CU_ASSERT(fabs(number(tree, "latency_ms/5m/0.5") - 3) < 0.1);
    CU_ASSERT(fabs(number(tree, "latency_ms/5m/0.999") - 400) < 10);
    for (int w = 0; w < MONITOR_WINDOWS; w++) {
        const cJSON *quantiles = cJSON_GetObjectItemCaseSensitive(at(tree, "latency_ms"), monitor_windows[w]);
        CU_ASSERT_EQUAL(cJSON_GetArraySize(quantiles), MONITOR_QUANTILES);
    }
    CU_ASSERT_EQUAL(cJSON_GetArraySize(at(tree, "burn")), MONITOR_BURN_WINDOWS);
    cJSON_Delete(tree);
    close_app();
}

static void load_is_what_came_over_the_capacity(void)
{
    open_app();
    load_app();
    monitor_tick(a.monitor, 100 * S);
    for (int i = 0; i < 5; i++) end_request(i ? 200 : 429, MS); /* 100 tokens in 10 s */
    monitor_tick(a.monitor, 110 * S);
    cJSON *tree = document();
    const double learned = 1e9 / batcher_plan(a.queue).ns_per_token;
    CU_ASSERT(fabs(number(tree, "load/offered_tokens_per_s") - 10) < 0.1);
    CU_ASSERT(fabs(number(tree, "load/capacity_tokens_per_s") - learned) < 0.1);
    CU_ASSERT(fabs(number(tree, "load/ratio") - 10 / learned) < 1e-3);
    CU_ASSERT(fabs(number(tree, "burn/1h") - 20) < 0.01);
    cJSON_Delete(tree);
    capacity *measured = calloc(1, sizeof *measured);
    CU_ASSERT_PTR_NOT_NULL_FATAL(measured);
    measured->knee_tokens_per_s = 50;
    active()->capacity = measured;
    tree = document();
    CU_ASSERT_EQUAL(number(tree, "load/capacity_tokens_per_s"), 50);
    CU_ASSERT(fabs(number(tree, "load/ratio") - 0.2) < 1e-3);
    cJSON_Delete(tree);
    close_app();
}

static void done(job *j, status result, const error *why) { (void)j, (void)result, (void)why; }

/* Batches of a candidate run through the same queue: what they take is its own. */
static void only_the_active_version_teaches_the_forecasts(void)
{
    static const engine other;
    open_app();
    load_app();
    const double before = batcher_plan(a.queue).ns_per_token;
    for (int i = 0; i < 20; i++) CU_ASSERT_EQUAL(batcher_learn(a.queue, &other, 100, 1, 500 * MS), 0);
    CU_ASSERT_EQUAL(batcher_plan(a.queue).ns_per_token, before);
    for (int i = 0; i < 20; i++) CU_ASSERT(batcher_learn(a.queue, active()->engine, 100, 1, 500 * MS) > 0);
    CU_ASSERT(batcher_plan(a.queue).ns_per_token > 2 * before);
    close_app();
}

static void who_waits_is_counted(void)
{
    static const int32_t ids[12], starts[2] = {0, 12};
    float row[4];
    int retry_after_s;
    job j = {.n = 1, .ids = ids, .starts = starts, .deadline_ns = INT64_MAX, .rows = row, .done = done};
    open_app();
    load_app();
    CU_ASSERT_EQUAL_FATAL(batcher_submit(a.queue, &j, &retry_after_s, &err), OK);
    nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
    cJSON *tree = document();
    CU_ASSERT_EQUAL(number(tree, "queue/requests"), 1);
    CU_ASSERT_EQUAL(number(tree, "queue/tokens"), 12);
    CU_ASSERT(number(tree, "queue/oldest_ms") >= 2);
    cJSON_Delete(tree);
    batcher_cancel(a.queue, &j);
    close_app();
}

static void incidents_and_the_previous_version_are_there(void)
{
    open_app();
    incidents_report(a.incidents, CAUSE_GOLDEN, "", "wrong \"rows\""); /* its bundle is of what there is now */
    load_app();
    activate("a\nb", "versions/two", "the \"model\"");
    cJSON *tree = document();
    CU_ASSERT(says(tree, "versions/active/version", "a_b"));
    CU_ASSERT(says(tree, "versions/active/model", "the \"model\""));
    CU_ASSERT(says(tree, "versions/previous/directory", "one"));
    const cJSON *incident = cJSON_GetArrayItem(at(tree, "incidents"), 0);
    CU_ASSERT_EQUAL(cJSON_GetArraySize(at(tree, "incidents")), 1);
    CU_ASSERT(says(incident, "state", "open") && says(incident, "summary", "wrong \"rows\""));
    cJSON_Delete(tree);
    close_app();
}

/* The console asks while an operator switches. */
static atomic_bool stop;
static atomic_int looks, wrong;

static void *look(void *arg)
{
    (void)arg;
    while (!atomic_load(&stop)) {
        cJSON *tree = parsed();
        if (!cJSON_IsObject(at(tree, "versions/active"))) atomic_fetch_add(&wrong, 1);
        cJSON_Delete(tree);
        atomic_fetch_add(&looks, 1);
    }
    return NULL;
}

static void it_is_whole_while_versions_change(void)
{
    pthread_t thread;
    open_app();
    load_app();
    activate("two", "two", "");
    atomic_store(&stop, false);
    CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, look, NULL), 0);
    for (int i = 0; i < 30000 && atomic_load(&looks) < 50; i++) {
        CU_ASSERT_EQUAL(versions_rollback(a.versions, &err), OK);
        end_request(200, MS);
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    atomic_store(&stop, true);
    pthread_join(thread, NULL);
    CU_ASSERT(atomic_load(&looks) >= 50 && atomic_load(&wrong) == 0);
    close_app();
}

void console_state_suite(CU_pSuite s)
{
    CU_add_test(s, "one that loads tells of itself, not of a version", one_that_loads_tells_of_itself);
    CU_add_test(s, "one that answers tells of its version", one_that_answers_tells_of_its_version);
    CU_add_test(s, "phases have names", phases_have_names);
    CU_add_test(s, "numbers are those of the monitor", numbers_are_those_of_the_monitor);
    CU_add_test(s, "load is what came in over the capacity: as calibrated, else as learned",
                load_is_what_came_over_the_capacity);
    CU_add_test(s, "only the version that answers teaches the forecasts",
                only_the_active_version_teaches_the_forecasts);
    CU_add_test(s, "who waits is counted", who_waits_is_counted);
    CU_add_test(s, "incidents and the previous version are there", incidents_and_the_previous_version_are_there);
    CU_add_test(s, "it is whole while versions change", it_is_whole_while_versions_change);
}
