/* test_metrics.c - what is told, of a server that is put together without sockets or a model: a real monitor, queue and
 * executor before a device that does nothing.  Each text passes a lint first, which has its own planted mistakes. */
#include <CUnit/CUnit.h>
#include <math.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "runtime/base/clock.h"
#include "runtime/base/log.h"
#include "server/http.h"
#include "server/incidents.h"
#include "server/metrics.h"
#include "server/monitor.h"
#include "tests/support/versions_of.h"

static const int64_t MS = 1000000, S = 1000000000;
enum { SERIES_MAX = 4000, FAMILIES_MAX = 100, NAME_MAX = 400 };

/* ---- the lint: what is wrong with a text, or NULL ---- */

typedef struct {
    char name[NAME_MAX], type[16]; /* of the family that is going on */
    bool has_type;
    char *family[FAMILIES_MAX], *series[SERIES_MAX];
    int families, n_series;
    char *labels; /* of the histogram's series that is going on, without le; NULL: none */
    double le, count, sum;
    const char *wrong;
} lint;

static bool seen(char *const *list, int n, const char *what)
{
    for (int i = 0; i < n; i++)
        if (!strcmp(list[i], what)) return true;
    return false;
}

static bool ends_with(const char *text, const char *end)
{
    const size_t n = strlen(text), m = strlen(end);
    return n >= m && !strcmp(text + n - m, end);
}

static void lint_comment(lint *l, char *line)
{
    char *name = line + strlen("# HELP "), *rest = strchr(name, ' ');
    if (l->labels) l->wrong = "a histogram without its count";
    if (!rest || !rest[1]) {
        l->wrong = "a comment without a text";
        return;
    }
    *rest++ = 0;
    if (!strncmp(line, "# HELP ", 7)) {
        if (seen(l->family, l->families, name)) l->wrong = "a family told twice";
        l->family[l->families++] = strdup(name);
        snprintf(l->name, sizeof l->name, "%s", name);
        l->has_type = false;
    } else if (!strncmp(line, "# TYPE ", 7)) {
        if (strcmp(l->name, name) || l->has_type) l->wrong = "a type without help before it";
        l->has_type = true;
        snprintf(l->type, sizeof l->type, "%s", rest);
        if (!strcmp(rest, "counter") != ends_with(name, "_total")) l->wrong = "counters, and only they, end in _total";
        if (strcmp(rest, "counter") && strcmp(rest, "gauge") && strcmp(rest, "histogram")) l->wrong = "no such type";
    } else {
        l->wrong = "neither help nor type";
    }
}

/* {a="b",le="0.5"} becomes {a="b" and *le; returns what follows. */
static char *lint_labels(lint *l, char *p, char **le)
{
    char *kept = p;
    *kept++ = *p++;
    for (bool first = true; *p && *p != '}'; first = false) {
        if (!first && *p++ != ',') l->wrong = "no comma between labels";
        char *name = p, *equals = strstr(p, "=\"");
        if (!equals || strspn(name, "abcdefghijklmnopqrstuvwxyz_") != (size_t)(equals - name)) {
            l->wrong = "no name of a label";
            return p + strlen(p);
        }
        char *end = equals + 2;
        while (*end && *end != '"') end += *end == '\\' && strchr("\\\"n", end[1]) ? 2 : 1;
        if (!*end) {
            l->wrong = "a label's value does not end";
            return end;
        }
        p = end + 1;
        if (!strncmp(name, "le=", 3)) {
            *le = strndup(equals + 2, (size_t)(end - equals - 2));
            continue;
        }
        memmove(kept, name, (size_t)(p - name));
        kept += p - name;
    }
    if (*p) p++;
    else l->wrong = "labels do not end";
    *kept = 0; /* before the number: at least the '}' was skipped */
    return p;
}

static void lint_histogram(lint *l, const char *suffix, const char *labels, const char *le, double v)
{
    if (!strcmp(suffix, "_bucket")) {
        const double edge = le ? strtod(le, NULL) : NAN;
        if (!le) l->wrong = "a bucket without le";
        if (!l->labels) {
            l->labels = strdup(labels);
            l->count = 0;
            l->le = -INFINITY;
        }
        if (strcmp(l->labels, labels)) l->wrong = "buckets of two series mixed";
        if (!(edge > l->le)) l->wrong = "le does not rise";
        if (v < l->count) l->wrong = "buckets do not add up";
        l->le = edge;
        l->count = v;
    } else if (!l->labels || strcmp(l->labels, labels)) {
        l->wrong = "a sum or count without its buckets";
    } else if (!strcmp(suffix, "_count")) {
        if (!isinf(l->le)) l->wrong = "no bucket +Inf";
        if (v != l->count) l->wrong = "the count is not the last bucket";
        free(l->labels);
        l->labels = NULL;
    } else if (strcmp(suffix, "_sum")) {
        l->wrong = "no such part of a histogram";
    }
}

static void lint_sample(lint *l, char *line)
{
    const size_t n = strcspn(line, "{ ");
    char name[NAME_MAX], *le = NULL, *whole = strdup(line), *labels = "", *p = line + n, *end;
    snprintf(name, sizeof name, "%.*s", (int)n, line);
    if (*p == '{') {
        labels = p;
        p = lint_labels(l, p, &le);
        if (*p != ' ') l->wrong = "no blank before the number";
    }
    whole[p - line] = 0;
    const double v = strtod(p, &end);
    if (end == p || *end) l->wrong = "no number";
    if (l->n_series == SERIES_MAX || seen(l->series, l->n_series, whole)) l->wrong = "a series twice";
    else l->series[l->n_series++] = strdup(whole);
    if (!l->has_type || strncmp(name, l->name, strlen(l->name))) l->wrong = "a sample outside its family";
    else if (!strcmp(l->type, "histogram"))
        lint_histogram(l, name + strlen(l->name), *labels && labels[1] ? labels : "", le, v);
    else if (strcmp(name, l->name)) l->wrong = "a sample of another name";
    if (!strcmp(l->type, "counter") && !(v >= 0)) l->wrong = "a counter below 0";
    free(le);
    free(whole);
}

/* *series: how many, when it is clean. */
static const char *lint_text(const char *text, int *series)
{
    lint *l = calloc(1, sizeof *l);
    char *copy = strdup(text), *rest = copy;
    if (!*text || text[strlen(text) - 1] != '\n') l->wrong = "no line's end at the end";
    for (char *line; !l->wrong && (line = strsep(&rest, "\n"));) {
        if (!*line && !rest) break;
        char *before = strdup(line);
        if (*line == '#') lint_comment(l, line);
        else lint_sample(l, line);
        if (l->wrong) printf("\n    %.120s: %s", before, l->wrong);
        free(before);
    }
    if (!l->wrong && l->labels) l->wrong = "a histogram without its count";
    const char *wrong = l->wrong;
    if (series) *series = l->n_series;
    for (int i = 0; i < l->families; i++) free(l->family[i]);
    for (int i = 0; i < l->n_series; i++) free(l->series[i]);
    free(l->labels);
    free(l);
    free(copy);
    return wrong;
}

#define HEAD "# HELP x_s It.\n# TYPE x_s histogram\n"
static const char *const planted[] = {
    "",
    "x 1\n",
    "# HELP x It.\n# TYPE x gauge\nx 1",
    "# HELP x It.\n# TYPE x gauge\nx one\n",
    "# HELP x It.\n# TYPE x gauge\nx 1 2\n",
    "# TYPE x gauge\nx 1\n",
    "# HELP x It.\nx 1\n",
    "# HELP x It.\n# TYPE x counter\nx 1\n",
    "# HELP x_total It.\n# TYPE x_total gauge\nx_total 1\n",
    "# HELP x_total It.\n# TYPE x_total counter\nx_total -1\n",
    "# HELP x It.\n# TYPE x gauge\nx 1\nx 2\n",
    "# HELP x It.\n# TYPE x gauge\nx{a=\"b\"} 1\nx{a=\"b\"} 2\n",
    "# HELP x It.\n# TYPE x gauge\nx{a=\"b} 1\n",
    "# HELP x It.\n# TYPE x gauge\nx{a=\"b\"c=\"d\"} 1\n",
    "# HELP x It.\n# TYPE x gauge\nx{A=\"b\"} 1\n",
    "# HELP x It.\n# TYPE x gauge\nxy 1\n",
    "# HELP x It.\n# TYPE x gauge\nx 1\n# HELP y It.\n# TYPE y gauge\nx{a=\"b\"} 1\n",
    "# HELP x It.\n# TYPE x gauge\nx 1\n# HELP x It.\n# TYPE x gauge\n",
    HEAD "x_s_bucket{le=\"1\"} 1\nx_s_bucket{le=\"1\"} 1\nx_s_bucket{le=\"+Inf\"} 1\nx_s_sum 1\nx_s_count 1\n",
    HEAD "x_s_bucket{le=\"2\"} 1\nx_s_bucket{le=\"1\"} 1\nx_s_bucket{le=\"+Inf\"} 1\nx_s_sum 1\nx_s_count 1\n",
    HEAD "x_s_bucket{le=\"1\"} 2\nx_s_bucket{le=\"+Inf\"} 1\nx_s_sum 1\nx_s_count 1\n",
    HEAD "x_s_bucket{le=\"1\"} 1\nx_s_bucket{le=\"+Inf\"} 2\nx_s_sum 1\nx_s_count 1\n",
    HEAD "x_s_bucket{le=\"1\"} 1\nx_s_sum 1\nx_s_count 1\n",
    HEAD "x_s_bucket{le=\"+Inf\"} 1\nx_s_sum 1\n",
    HEAD
    "x_s_bucket{a=\"b\",le=\"1\"} 1\nx_s_bucket{a=\"c\",le=\"+Inf\"} 1\nx_s_sum{a=\"b\"} 1\nx_s_count{a=\"b\"} 1\n",
};

static void the_lint_finds_what_is_planted(void)
{
    printf(" (planted:");
    for (size_t i = 0; i < sizeof planted / sizeof *planted; i++) {
        const char *wrong = lint_text(planted[i], NULL);
        CU_ASSERT_PTR_NOT_NULL(wrong);
        if (!wrong) printf("\n    not found: %s", planted[i]);
    }
    printf(")");
    CU_ASSERT_PTR_NULL(lint_text(HEAD "x_s_bucket{a=\"b\",le=\"0.5\"} 1\nx_s_bucket{a=\"b\",le=\"+Inf\"} 2\n"
                                      "x_s_sum{a=\"b\"} 1e-3\nx_s_count{a=\"b\"} 2\n# HELP y It.\n# TYPE y gauge\n"
                                      "y{a=\"\\\"\\\\\",b=\"\"} +Inf\ny NaN\n",
                                 NULL));
}

/* ---- a server without sockets ---- */

static void run(call *c) { (void)c; }
static const route table[] = {{"GET", "/info", run, 0, SHAPE_TEI, "tells"},
                              {"POST", "/embed", run, 100, SHAPE_TEI, "computes"}};
static bool is_embed(const route *r) { return r == &table[1]; }

static status device_submit(backend *b, int slot, const batch *in, error *err)
{
    (void)b, (void)slot, (void)in, (void)err;
    return OK;
}

static status device_collect(backend *b, int slot, float *rows, uint8_t *finite, error *err)
{
    (void)b, (void)slot, (void)rows, (void)err;
    finite[0] = 1; /* batches have one sequence */
    return OK;
}

static const char *device_describe(const backend *b)
{
    (void)b;
    return "a card, sm_90, CUDA 12.4";
}

static const char *device_precision(const backend *b)
{
    (void)b;
    return "float16";
}

static void device_close(backend *b) { (void)b; }

static const backend_ops cpu = {.name = "cpu",
                                .close = device_close,
                                .slots = 1,
                                .submit = device_submit,
                                .collect = device_collect,
                                .describe = device_describe,
                                .precision = device_precision},
                         gpu = {.name = "cuda",
                                .close = device_close,
                                .slots = 1,
                                .submit = device_submit,
                                .collect = device_collect,
                                .describe = device_describe,
                                .precision = device_precision};
static const options chosen = {.objective_ms = 100, .objective_ratio = 0.99};

static void open_app(app *a)
{
    error err;
    *a = (app){.phase = APP_LOADING, .options = &chosen};
    monitor_options o = {.loops = 1,
                         .objective_ns = 100 * MS,
                         .objective_ratio = 0.99,
                         .routes = table,
                         .n_routes = 2,
                         .computes = is_embed};
    CU_ASSERT_EQUAL_FATAL(monitor_open(&a->monitor, o, &err), OK);
}

static void load_app(app *a, const backend_ops *ops)
{
    const policy_limits limits = {.objective_ns = 100 * MS,
                                  .max_wait_ns = 10 * S,
                                  .batch_tokens = 100,
                                  .batch_sequences = 1,
                                  .longest = 100,
                                  .executors = 1,
                                  .max_requests = 100};
    const service_table times = {.row = {{1, 1, MS, 0}, {100, 1, 20 * MS, 0}}, .n = 2};
    error err;
    engine *e = malloc(sizeof *e);
    CU_ASSERT_PTR_NOT_NULL_FATAL(e);
    *e = (engine){.ops = ops,
                  .digest = "0123abcd",
                  .load_ns = 250 * MS,
                  .warm_ns = 1500 * MS,
                  .rows = calloc(4, sizeof *e->rows),
                  .options = {.batch_tokens = 100, .batch_sequences = 1}};
    e->description.dimensions = 4;
    CU_ASSERT_PTR_NOT_NULL_FATAL(e->rows = calloc(4, sizeof *e->rows));
    e->description.shape = (model_shape){.layers = 2, .hidden = 4, .inner = 8};
    strcpy(e->description.name, "small");
    a->versions = versions_of(e);
    CU_ASSERT_EQUAL_FATAL(batcher_open(&a->queue, limits, &times, &err), OK);
    CU_ASSERT_EQUAL_FATAL(
        executor_start(&a->executor, a->versions, a->queue, 0, (executor_options){1000, EXECUTOR_GOLDEN_MS}, &err), OK);
    atomic_store(&a->phase, APP_READY);
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

/* What no loop reads meanwhile may be changed. */
static version *active(const app *a)
{
    version *v = versions_acquire(a->versions);
    versions_release(a->versions, v);
    return v;
}

/* The caller's to free; clean. */
static char *scraped(const app *a, int *series)
{
    out o = {0};
    metrics_write(&o, a);
    out_bytes(&o, "", 1);
    CU_ASSERT_FALSE_FATAL(o.failed);
    CU_ASSERT_PTR_NULL(lint_text(o.p, series));
    return o.p;
}

/* NaN: there is no such series. */
static double value(const char *text, const char *series)
{
    const size_t n = strlen(series);
    for (const char *line = text; line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
        if (!strncmp(line, series, n) && line[n] == ' ') return strtod(line + n, NULL);
    return NAN;
}

static void end_request(app *a, int code, int64_t took_ns)
{
    const int64_t now = clock_ns();
    call_record r = {.route = &table[1], .status = code, .sequences = 2, .tokens = 20};
    for (int s = 0; s <= STAGES; s++) r.times.at[s] = s <= STAGE_COMPUTE ? now - took_ns : now;
    monitor_ended(a->monitor, 0, &r);
}

static void answered(job *j, status result, const error *err)
{
    (void)err;
    CU_ASSERT_EQUAL(result, OK);
    sem_post(j->owner);
}

static void compute(app *a, int tokens)
{
    static const int32_t ids[100];
    const int32_t starts[2] = {0, tokens};
    float row[4];
    int retry;
    error err;
    sem_t finished;
    sem_init(&finished, 0, 0);
    job j = {.engine = active(a)->engine,
             .n = 1,
             .ids = ids,
             .starts = starts,
             .deadline_ns = INT64_MAX,
             .rows = row,
             .done = answered,
             .owner = &finished};
    CU_ASSERT_EQUAL_FATAL(batcher_submit(a->queue, &j, &retry, &err), OK);
    sem_wait(&finished);
    sem_destroy(&finished);
}

/* ---- what is told ---- */

static void a_loading_server_tells_of_itself(void)
{
    app a;
    open_app(&a);
    char *text = scraped(&a, NULL);
    CU_ASSERT_EQUAL(value(text, "beeline_ready"), 0);
    CU_ASSERT_EQUAL(value(text, "beeline_draining"), 0);
    CU_ASSERT_EQUAL(value(text, "beeline_requests_total{endpoint=\"/embed\",code=\"200\"}"), 0);
    CU_ASSERT_EQUAL(value(text, "beeline_slo_objective_seconds"), 0.1);
    CU_ASSERT_EQUAL(value(text, "beeline_slo_objective_ratio"), 0.99);
    CU_ASSERT(value(text, "process_start_time_seconds") > 1e9);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "\nbeeline_build_info{version=\"0.1.0\",commit=\""));
    CU_ASSERT_PTR_NULL(strstr(text, "\nbeeline_model_info{"));
    CU_ASSERT(isnan(value(text, "beeline_capacity_tokens_per_second")));
    CU_ASSERT(isnan(value(text, "beeline_load_ratio")));
    free(text);
    close_app(&a);
}

static void phases_are_told(void)
{
    static const struct {
        int phase, ready, draining;
    } rows[] = {{APP_READY, 1, 0}, {APP_DRAINING, 0, 1}, {APP_LOST, 0, 0}};
    app a;
    open_app(&a);
    load_app(&a, &cpu);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        atomic_store(&a.phase, rows[i].phase);
        char *text = scraped(&a, NULL);
        CU_ASSERT_EQUAL(value(text, "beeline_ready"), rows[i].ready);
        CU_ASSERT_EQUAL(value(text, "beeline_draining"), rows[i].draining);
        free(text);
    }
    close_app(&a);
}

static void numbers_are_those_of_monitor_queue_and_device(void)
{
    static const int sizes[] = {1, 10, 64, 65};
    app a;
    open_app(&a);
    load_app(&a, &cpu);
    for (int i = 0; i < 4; i++) compute(&a, sizes[i]);
    for (int i = 0; i < 7; i++) end_request(&a, 200, 3 * MS);
    end_request(&a, 200, 200 * MS);
    end_request(&a, 429, MS);
    end_request(&a, 422, MS);
    char *text = scraped(&a, NULL);
    CU_ASSERT_EQUAL(value(text, "beeline_requests_total{endpoint=\"/embed\",code=\"200\"}"), 8);
    CU_ASSERT_EQUAL(value(text, "beeline_requests_total{endpoint=\"/embed\",code=\"429\"}"), 1);
    CU_ASSERT_EQUAL(value(text, "beeline_requests_total{endpoint=\"other\",code=\"404\"}"), 0);
    CU_ASSERT_EQUAL(value(text, "beeline_request_failures_total{reason=\"overloaded\"}"), 1);
    CU_ASSERT_EQUAL(value(text, "beeline_request_failures_total{reason=\"invalid\"}"), 1);
    CU_ASSERT_EQUAL(value(text, "beeline_slo_requests_total{result=\"good\"}"), 7);
    CU_ASSERT_EQUAL(value(text, "beeline_slo_requests_total{result=\"bad\"}"), 2);
    CU_ASSERT_EQUAL(value(text, "beeline_sequences_total"), 16);
    CU_ASSERT_EQUAL(value(text, "beeline_tokens_total"), 160);
    CU_ASSERT_EQUAL(value(text, "beeline_tokens_offered_total{outcome=\"accepted\"}"), 160);
    CU_ASSERT_EQUAL(value(text, "beeline_tokens_offered_total{outcome=\"shed\"}"), 20);
    CU_ASSERT_EQUAL(value(text, "beeline_padding_tokens_total"), 0);
    CU_ASSERT_EQUAL(value(text, "beeline_request_duration_seconds_bucket{endpoint=\"/embed\",le=\"0.1\"}"), 9);
    CU_ASSERT_EQUAL(value(text, "beeline_request_duration_seconds_count{endpoint=\"/embed\"}"), 10);
    CU_ASSERT(fabs(value(text, "beeline_request_duration_seconds_sum{endpoint=\"/embed\"}") - 0.223) < 1e-9);
    CU_ASSERT_EQUAL(value(text, "beeline_stage_duration_seconds_count{stage=\"d2h\"}"), 8);
    CU_ASSERT(fabs(value(text, "beeline_stage_duration_seconds_sum{stage=\"compute\"}") - 0.221) < 1e-9);
    CU_ASSERT_EQUAL(value(text, "beeline_request_tokens_bucket{le=\"16\"}"), 0);
    CU_ASSERT_EQUAL(value(text, "beeline_request_tokens_bucket{le=\"32\"}"), 8);
    CU_ASSERT_EQUAL(value(text, "beeline_request_tokens_sum"), 160);
    CU_ASSERT(fabs(value(text, "beeline_request_duration_window_seconds{window=\"5m\",q=\"0.5\"}") - 0.003) < 5e-5);
    CU_ASSERT(fabs(value(text, "beeline_request_duration_window_seconds{window=\"5m\",q=\"0.999\"}") - 0.2) < 4e-3);
    /* the queue and the device */
    double left = 0;
    for (int i = 0; i < TRIGGERS; i++) {
        char series[80];
        snprintf(series, sizeof series, "beeline_batches_total{trigger=\"%s\"}", policy_trigger_names[i]);
        left += value(text, series);
    }
    CU_ASSERT_EQUAL(left, 4);
    CU_ASSERT_EQUAL(value(text, "beeline_batch_sequences_bucket{le=\"1\"}"), 4);
    CU_ASSERT_EQUAL(value(text, "beeline_batch_tokens_bucket{le=\"64\"}"), 3);
    CU_ASSERT_EQUAL(value(text, "beeline_batch_tokens_count"), 4);
    CU_ASSERT_EQUAL(value(text, "beeline_batch_tokens_sum"), 140);
    CU_ASSERT_EQUAL(value(text, "beeline_model_flops_total"), executor_count(a.executor).model_flops);
    CU_ASSERT(value(text, "beeline_model_flops_total") > 0);
    CU_ASSERT_EQUAL(value(text, "beeline_queue_requests"), 0);
    CU_ASSERT_EQUAL(value(text, "beeline_inflight_requests"), 0);
    CU_ASSERT_EQUAL(value(text, "beeline_startup_seconds{phase=\"load\"}"), 0.25);
    CU_ASSERT_EQUAL(value(text, "beeline_startup_seconds{phase=\"warmup\"}"), 1.5);
    CU_ASSERT_EQUAL(value(text, "beeline_log_messages_total{level=\"info\"}"), (double)log_said(LOG_INFO));
    CU_ASSERT_EQUAL(value(text, "beeline_write_errors_total{target=\"log\"}"), (double)log_dropped());
    free(text);
    close_app(&a);
}

static void incidents_that_the_disk_does_not_take_are_counted(void)
{
    app a;
    error err;
    open_app(&a);
    CU_ASSERT_EQUAL_FATAL(incidents_open(&a.incidents, &a, "/dev/null", "", &err), OK);
    char *text = scraped(&a, NULL);
    CU_ASSERT_EQUAL(value(text, "beeline_write_errors_total{target=\"incident\"}"), 0);
    free(text);
    incidents_report(a.incidents, CAUSE_GOLDEN, "", "wrong rows");
    text = scraped(&a, NULL);
    CU_ASSERT_EQUAL(value(text, "beeline_write_errors_total{target=\"incident\"}"), 1);
    free(text);
    incidents_close(a.incidents);
    close_app(&a);
}

static void load_is_what_came_over_the_capacity(void)
{
    app a;
    capacity *measured = calloc(1, sizeof *measured);
    CU_ASSERT_PTR_NOT_NULL_FATAL(measured);
    measured->knee_tokens_per_s = 50;
    open_app(&a);
    load_app(&a, &cpu);
    monitor_tick(a.monitor, 100 * S);
    for (int i = 0; i < 5; i++) end_request(&a, i ? 200 : 429, MS); /* 100 tokens in 10 s */
    monitor_tick(a.monitor, 110 * S);
    char *text = scraped(&a, NULL);
    const double learned = 1e9 / batcher_plan(a.queue).ns_per_token;
    CU_ASSERT(fabs(value(text, "beeline_capacity_tokens_per_second") / learned - 1) < 1e-9);
    CU_ASSERT(fabs(value(text, "beeline_load_ratio") / (10 / learned) - 1) < 1e-9);
    CU_ASSERT(fabs(value(text, "beeline_slo_burn_rate{window=\"1h\"}") - 20) < 1e-9);
    free(text);
    active(&a)->capacity = measured;
    text = scraped(&a, NULL);
    CU_ASSERT_EQUAL(value(text, "beeline_capacity_tokens_per_second"), 50);
    CU_ASSERT(fabs(value(text, "beeline_load_ratio") - 0.2) < 1e-9);
    free(text);
    measured->knee_tokens_per_s = 0; /* the objective cannot be met */
    text = scraped(&a, NULL);
    CU_ASSERT(fabs(value(text, "beeline_capacity_tokens_per_second") / learned - 1) < 1e-9);
    free(text);
    close_app(&a);
}

static void a_gpu_has_its_own_and_a_cpu_none(void)
{
    static const char *const only_gpu[] = {"beeline_gpu_busy_seconds_total{gpu=\"0\"}",
                                           "beeline_cuda_errors_total{gpu=\"0\"}",
                                           "beeline_watchdog_trips_total{gpu=\"0\"}"};
    for (int g = 0; g < 2; g++) {
        app a;
        open_app(&a);
        load_app(&a, g ? &gpu : &cpu);
        char *text = scraped(&a, NULL);
        for (size_t i = 0; i < sizeof only_gpu / sizeof *only_gpu; i++)
            CU_ASSERT(isnan(value(text, only_gpu[i])) == !g);
        CU_ASSERT_PTR_NOT_NULL(strstr(text, g ? ",cuda=\"12.4\",arch=\"" : ",cuda=\"\",arch=\""));
        free(text);
        close_app(&a);
    }
}

static void names_are_escaped(void)
{
    app a;
    open_app(&a);
    load_app(&a, &cpu);
    strcpy(active(&a)->model_name, "a\"b\\c\nd\xff\xc3\xa9");
    char *text = scraped(&a, NULL);
    CU_ASSERT_EQUAL(value(text,
                          "beeline_model_info{model=\"a\\\"b\\\\c\\nd\xef\xbf\xbd\xc3\xa9\",version=\"small\","
                          "model_digest=\"0123abcd\",tokenizer_digest=\"\",precision=\"float16\",slot=\"active\"}"),
                    1);
    free(text);
    close_app(&a);
}

static void the_set_of_series_is_there_from_the_start(void)
{
    app a;
    int before, after;
    open_app(&a);
    load_app(&a, &cpu);
    free(scraped(&a, &before));
    for (int i = 1; i < MONITOR_CODES; i++)
        for (int n = 0; n < 100; n++) end_request(&a, monitor_codes[i], n * n * n * MS);
    for (int i = 1; i < 100; i++) compute(&a, i);
    free(scraped(&a, &after));
    CU_ASSERT_EQUAL(before, after);
    end_request(&a, 299, MS); /* a code that nobody has foreseen is one series for all such */
    end_request(&a, 298, MS);
    char *text = scraped(&a, &after);
    CU_ASSERT_EQUAL(after, before + 1);
    CU_ASSERT_EQUAL(value(text, "beeline_requests_total{endpoint=\"/embed\",code=\"other\"}"), 2);
    free(text);
    close_app(&a);
}

void metrics_suite(CU_pSuite s)
{
    CU_add_test(s, "the lint finds every planted mistake", the_lint_finds_what_is_planted);
    CU_add_test(s, "a server that loads tells of itself, not of a model", a_loading_server_tells_of_itself);
    CU_add_test(s, "ready, draining, lost", phases_are_told);
    CU_add_test(s, "the numbers are those of the monitor, the queue and the device",
                numbers_are_those_of_monitor_queue_and_device);
    CU_add_test(s, "incidents that the disk does not take are counted",
                incidents_that_the_disk_does_not_take_are_counted);
    CU_add_test(s, "load is what came in over the capacity: as calibrated, else as learned",
                load_is_what_came_over_the_capacity);
    CU_add_test(s, "a GPU has numbers of its own, a CPU has none of them", a_gpu_has_its_own_and_a_cpu_none);
    CU_add_test(s, "names in labels are escaped", names_are_escaped);
    CU_add_test(s, "every series is there from the start, and none is added by traffic",
                the_set_of_series_is_there_from_the_start);
}
