/* metrics.c - a scrape takes a snapshot of everything first, then walks the table. */
#include "metrics.h"
#include <math.h>
#include <stddef.h>
#include <string.h>
#include <sys/utsname.h>
#include "build.h"
#include "exposition.h"
#include "http.h"
#include "incidents.h"
#include "monitor.h"
#include "process.h"
#include "release.h"
#include "state.h"
#include "runtime/base/clock.h"
#include "runtime/base/log.h"

typedef struct {
    const app *a;
    version *v, *previous; /* NULL: none */
    const engine *e; /* NULL: not loaded yet, and with it what the queue and the device say is all 0 */
    bool gpu, process_known;
    monitor_sum sum;
    queue_counts queue;
    executor_counts device;
    process_facts process;
    release_counts releases;
    int64_t now_ns, zero, one, ready, draining, connections, log_dropped;
    double queue_age_s, capacity, load, objective_s, objective_ratio, load_s, warm_s;
} scrape;

/* ---- numbers ------------------------------------------------------------------------------------------------------
 */

static const void *at(const scrape *s, size_t field) { return (const char *)s + field; }

static void integer(exposition *e, const scrape *s, size_t field)
{
    exposition_sample(e, "");
    exposition_integer(e, *(const int64_t *)at(s, field));
}

static void number(exposition *e, const scrape *s, size_t field)
{
    exposition_sample(e, "");
    exposition_number(e, *(const double *)at(s, field));
}

static void known_number(exposition *e, const scrape *s, size_t field)
{
    if (!isnan(*(const double *)at(s, field))) number(e, s, field);
}

static void process_integer(exposition *e, const scrape *s, size_t field)
{
    if (s->process_known) integer(e, s, field);
}

static void process_number(exposition *e, const scrape *s, size_t field)
{
    if (s->process_known) number(e, s, field);
}

static void one_of(exposition *e, const char *label, const char *value, int64_t count)
{
    exposition_sample(e, "");
    exposition_label(e, label, value);
    exposition_integer(e, count);
}

static void one_of_numbers(exposition *e, const char *label, const char *value, double v)
{
    exposition_sample(e, "");
    exposition_label(e, label, value);
    exposition_number(e, v);
}

static void gpu_integer(exposition *e, const scrape *s, size_t field)
{
    if (s->gpu) one_of(e, "gpu", "0", *(const int64_t *)at(s, field));
}

static void gpu_number(exposition *e, const scrape *s, size_t field)
{
    if (s->gpu) one_of_numbers(e, "gpu", "0", *(const double *)at(s, field));
}

/* ---- samples with labels ------------------------------------------------------------------------------------------
 */

static void requests(exposition *e, const scrape *s, size_t field)
{
    (void)field;
    for (int i = 0; i < monitor_endpoints(s->a->monitor); i++) {
        for (int c = 0; c < MONITOR_CODES; c++) {
            if (!monitor_codes[c] && !s->sum.requests[i][c]) continue; /* a code that nobody has foreseen */
            char code[16];
            snprintf(code, sizeof code, "%d", monitor_codes[c]);
            exposition_sample(e, "");
            exposition_label(e, "endpoint", monitor_endpoint(s->a->monitor, i));
            exposition_label(e, "code", monitor_codes[c] ? code : "other");
            exposition_integer(e, s->sum.requests[i][c]);
        }
    }
}

static void failures(exposition *e, const scrape *s, size_t field)
{
    (void)field;
    for (int i = FAILURE_NONE + 1; i < FAILURES; i++) one_of(e, "reason", monitor_failures[i], s->sum.failures[i]);
}

static void slo_requests(exposition *e, const scrape *s, size_t field)
{
    (void)field;
    one_of(e, "result", "good", s->sum.good);
    one_of(e, "result", "bad", s->sum.bad);
}

static void tokens_offered(exposition *e, const scrape *s, size_t field)
{
    (void)field;
    one_of(e, "outcome", "accepted", s->sum.tokens_accepted);
    one_of(e, "outcome", "shed", s->sum.tokens_shed);
}

static void batches(exposition *e, const scrape *s, size_t field)
{
    (void)field;
    for (int i = 0; i < TRIGGERS; i++) one_of(e, "trigger", policy_trigger_names[i], s->queue.batches[i]);
}

static void golden_checks(exposition *e, const scrape *s, size_t field)
{
    (void)field;
    one_of(e, "result", "ok", s->device.golden_ok);
    one_of(e, "result", "fail", s->device.golden_failed);
}

static void releases(exposition *e, const scrape *s, size_t field)
{
    const release_counts n = s->releases;
    const struct { const char *action, *result; int64_t count; } rows[] = {
        {"activate", "ok", n.activate_ok}, {"activate", "refused", n.activate_refused},
        {"activate", "failed", n.activate_failed}, {"rollback", "ok", n.rollback_ok}, {"rollback", "refused", 0},
        {"rollback", "failed", n.rollback_failed}};
    (void)field;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        exposition_sample(e, "");
        exposition_label(e, "action", rows[i].action);
        exposition_label(e, "result", rows[i].result);
        exposition_integer(e, rows[i].count);
    }
}

static void log_messages(exposition *e, const scrape *s, size_t field)
{
    (void)s, (void)field;
    for (int i = 0; i < LOG_LEVELS; i++) one_of(e, "level", log_level_names[i], log_said((log_level)i));
}

static void write_errors(exposition *e, const scrape *s, size_t field)
{
    (void)field;
    one_of(e, "target", "log", s->log_dropped);
    one_of(e, "target", "state", s->a->state ? state_write_errors(s->a->state) : 0);
    one_of(e, "target", "incident", s->a->incidents ? incidents_write_errors(s->a->incidents) : 0);
}

static void last_exit(exposition *e, const scrape *s, size_t field)
{
    (void)field;
    for (int i = 0; i < EXIT_REASONS; i++)
        one_of(e, "reason", exit_reason_names[i], s->a->state ? state_last_exit(s->a->state, (exit_reason)i) : 0);
}

static void durations(exposition *e, const scrape *s, const char *label, const char *value, const monitor_durations *d)
{
    double edges[MONITOR_EDGES];
    for (int i = 0; i < MONITOR_EDGES; i++) edges[i] = (double)monitor_edges_ns(s->a->monitor)[i] / 1e9;
    exposition_histogram(e, label, value, edges, d->count, MONITOR_EDGES, d->sum_s);
}

static void request_duration(exposition *e, const scrape *s, size_t field)
{
    (void)field;
    for (int i = 0; i < monitor_endpoints(s->a->monitor); i++)
        durations(e, s, "endpoint", monitor_endpoint(s->a->monitor, i), &s->sum.durations[i]);
}

static void stage_duration(exposition *e, const scrape *s, size_t field)
{
    (void)field;
    for (int i = 0; i < STAGES; i++) durations(e, s, "stage", stage_names[i], &s->sum.stages[i]);
}

/* Edges 1, 2, 4 ... */
static void powers(exposition *e, const int64_t *counts, int n, int64_t sum)
{
    double edges[32];
    for (int i = 0; i < n; i++) edges[i] = ldexp(1, i);
    exposition_histogram(e, NULL, NULL, edges, counts, n, (double)sum);
}

static void batch_sequences(exposition *e, const scrape *s, size_t field)
{
    (void)field;
    powers(e, s->device.batch_sequences, EXECUTOR_SEQUENCE_EDGES, s->device.sequences);
}

static void batch_tokens(exposition *e, const scrape *s, size_t field)
{
    (void)field;
    powers(e, s->device.batch_tokens, EXECUTOR_TOKEN_EDGES, s->device.tokens);
}

static void request_tokens(exposition *e, const scrape *s, size_t field)
{
    (void)field;
    powers(e, s->sum.request_tokens, MONITOR_TOKEN_EDGES, s->sum.tokens);
}

static void service_ratio(exposition *e, const scrape *s, size_t field)
{
    (void)field;
    exposition_histogram(e, NULL, NULL, executor_ratio_edges, s->device.service_ratio, EXECUTOR_RATIO_EDGES,
                         s->device.ratio_sum);
}

static void duration_window(exposition *e, const scrape *s, size_t field)
{
    int64_t took_ns[MONITOR_WINDOWS][MONITOR_QUANTILES];
    (void)field;
    monitor_lately(s->a->monitor, s->now_ns, took_ns);
    for (int w = 0; w < MONITOR_WINDOWS; w++) {
        for (int q = 0; q < MONITOR_QUANTILES; q++) {
            exposition_sample(e, "");
            exposition_label(e, "window", monitor_windows[w]);
            exposition_label(e, "q", monitor_quantiles[q]);
            exposition_number(e, (double)took_ns[w][q] / 1e9);
        }
    }
}

static void burn_rate(exposition *e, const scrape *s, size_t field)
{
    double rate[MONITOR_BURN_WINDOWS];
    (void)field;
    monitor_burn(s->a->monitor, rate);
    for (int i = 0; i < MONITOR_BURN_WINDOWS; i++) one_of_numbers(e, "window", monitor_burn_windows[i], rate[i]);
}

static void startup(exposition *e, const scrape *s, size_t field)
{
    static const char *const phases[] = {"load", "verify", "warmup", "selftest"};
    const double took_s[] = {s->load_s, 0, s->warm_s, 0}; /* verified while it loads, tested while it warms up */
    (void)field;
    for (int i = 0; i < 4; i++) one_of_numbers(e, "phase", phases[i], took_s[i]);
}

static void nothing(exposition *e, const scrape *s, size_t field) { (void)e, (void)s, (void)field; }

static void build_info(exposition *e, const scrape *s, size_t field)
{
    struct utsname machine;
    const char *cuda = s->gpu ? strstr(s->e->ops->describe(s->e->device), "CUDA ") : NULL;
    exposition_sample(e, "");
    exposition_label(e, "version", build_version());
    exposition_label(e, "commit", build_commit());
    exposition_label(e, "cuda", cuda ? cuda + strlen("CUDA ") : "");
    exposition_label(e, "arch", uname(&machine) ? "" : machine.machine);
    exposition_integer(e, *(const int64_t *)at(s, field));
}

static void model_of(exposition *e, const version *v, const char *slot)
{
    if (!v) return;
    exposition_sample(e, "");
    exposition_label(e, "model", v->model_name);
    exposition_label(e, "version", v->name);
    exposition_label(e, "model_digest", v->engine->digest);
    exposition_label(e, "tokenizer_digest", v->engine->contract.tokenizer_digest);
    exposition_label(e, "precision", v->engine->ops->precision(v->engine->device));
    exposition_label(e, "slot", slot);
    exposition_integer(e, 1);
}

static void model_info(exposition *e, const scrape *s, size_t field)
{
    (void)field;
    model_of(e, s->v, "active");
    model_of(e, s->previous, "previous");
}

static void owner_info(exposition *e, const scrape *s, size_t field)
{
    const manifest *m = s->e ? s->e->manifest : NULL;
    exposition_sample(e, "");
    exposition_label(e, "owner", m ? m->team : "");
    exposition_label(e, "contact", m ? m->contact : "");
    exposition_label(e, "runbook", m ? m->runbook : "");
    exposition_integer(e, *(const int64_t *)at(s, field));
}

/* ---- the table ----------------------------------------------------------------------------------------------------
 */

#define AT(field) offsetof(scrape, field)
#define C "counter"
#define G "gauge"
#define H "histogram"
typedef struct {
    const char *name, *type, *help;
    void (*write)(exposition *e, const scrape *s, size_t field);
    size_t field; /* of the scrape, for those who write one number */
} metric;

static const metric table[] = {
    {"beeline_requests_total", C, "Requests answered on the public port.", requests, 0},
    {"beeline_request_failures_total", C, "Requests not answered with 2xx, by the one reason of each.", failures, 0},
    {"beeline_slo_requests_total", C, "Requests that count for the objective: good, answered within it, or bad.",
     slo_requests, 0},
    {"beeline_sequences_total", C, "Texts whose rows were answered.", integer, AT(sum.sequences)},
    {"beeline_tokens_total", C, "Tokens of the texts whose rows were answered, without padding.", integer,
     AT(sum.tokens)},
    {"beeline_tokens_offered_total", C, "Tokens that came to be computed: accepted, or shed for want of time or room.",
     tokens_offered, 0},
    {"beeline_tokens_saved_total", C, "Tokens never computed, as the client had left or could not be answered in time.",
     integer, AT(queue.saved_tokens)},
    {"beeline_padding_tokens_total", C, "Tokens computed for nothing: 0, as batches are packed.", integer, AT(zero)},
    {"beeline_batches_total", C, "Batches by what made them leave.", batches, 0},
    {"beeline_model_flops_total", C, "Floating-point operations of the model in batches that were computed.", number,
     AT(device.model_flops)},
    {"beeline_gpu_busy_seconds_total", C, "Time that a batch was on the GPU. Not load: it nears 1 long before.",
     gpu_number, AT(device.busy_s)},
    {"beeline_cuda_errors_total", C, "Failures of the GPU that cost no more than a batch.", gpu_integer,
     AT(device.device_errors)},
    {"beeline_watchdog_trips_total", C, "Times that the GPU was silent beyond the deadline of a batch.", gpu_integer,
     AT(device.watchdog_trips)},
    {"beeline_golden_checks_total", C, "Golden texts run on the device and compared.", golden_checks, 0},
    {"beeline_releases_total", C, "Changes of the version that answers.", releases, 0},
    {"beeline_log_messages_total", C, "Lines of the log.", log_messages, 0},
    {"beeline_write_errors_total", C, "Writes that failed; of the log: lines dropped.", write_errors, 0},
    {"beeline_request_duration_seconds", H, "Of requests answered: first byte read to last byte written.",
     request_duration, 0},
    {"beeline_stage_duration_seconds", H, "Of requests computed: where their time went; the stages add up to it.",
     stage_duration, 0},
    {"beeline_batch_sequences", H, "Texts in a batch.", batch_sequences, 0},
    {"beeline_batch_tokens", H, "Tokens in a batch.", batch_tokens, 0},
    {"beeline_request_tokens", H, "Tokens of a request computed.", request_tokens, 0},
    {"beeline_batch_service_ratio", H, "A batch's time on the device over the calibrated time.", service_ratio, 0},
    {"beeline_request_duration_window_seconds", G,
     "Quantiles over the last seconds, exact to 1.6 %, of this replica; not of those refused at the door.",
     duration_window, 0},
    {"beeline_queue_requests", G, "Requests that wait for the device.", integer, AT(queue.queued_requests)},
    {"beeline_queue_tokens", G, "Tokens that wait for the device.", integer, AT(queue.queued_tokens)},
    {"beeline_queue_oldest_age_seconds", G, "Since when the oldest of them waits.", number, AT(queue_age_s)},
    {"beeline_inflight_requests", G, "Requests in the queue or on the device.", integer, AT(queue.in_hand)},
    {"beeline_inflight_batches", G, "Batches on the device.", integer, AT(device.in_flight)},
    {"beeline_connections", G, "Open connections to the public port.", integer, AT(connections)},
    {"beeline_capacity_tokens_per_second", G,
     "What the device can do within the objective, as calibrated; else its full speed, as learned.", known_number,
     AT(capacity)},
    {"beeline_load_ratio", G, "Tokens offered a second, lately, over the capacity.", known_number, AT(load)},
    {"beeline_slo_objective_ratio", G, "Share of requests that shall be good.", number, AT(objective_ratio)},
    {"beeline_slo_objective_seconds", G, "Time within which a request is good.", number, AT(objective_s)},
    {"beeline_slo_burn_rate", G, "Share of bad requests over the share allowed, of this replica.", burn_rate, 0},
    {"beeline_ready", G, "1: takes requests and is not about to end.", integer, AT(ready)},
    {"beeline_draining", G, "1: answers what has come, and ends.", integer, AT(draining)},
    {"beeline_gpu_memory_bytes", G, "Memory of the GPU by what it is used for.", nothing, 0},
    {"beeline_startup_seconds", G, "What the start took.", startup, 0},
    {"beeline_last_exit_timestamp_seconds", G, "When a process ended last for this reason; 0: not known.", last_exit,
     0},
    {"beeline_build_info", G, "The program.", build_info, AT(one)},
    {"beeline_model_info", G, "What answers.", model_info, 0},
    {"beeline_owner_info", G, "Whom to ask.", owner_info, AT(one)},
    {"process_cpu_seconds_total", C, "Processor time of the process.", process_number, AT(process.cpu_s)},
    {"process_resident_memory_bytes", G, "Memory of the process in use.", process_integer, AT(process.resident_bytes)},
    {"process_virtual_memory_bytes", G, "Address space of the process.", process_integer, AT(process.virtual_bytes)},
    {"process_open_fds", G, "Open file descriptors.", process_integer, AT(process.open_fds)},
    {"process_max_fds", G, "Most file descriptors that may be open.", process_integer, AT(process.max_fds)},
    {"process_threads", G, "Threads.", process_integer, AT(process.threads)},
    {"process_start_time_seconds", G, "When the process was started, Unix time.", process_number,
     AT(process.start_unix_s)},
};

/* ---- a scrape ------------------------------------------------------------------------------------------------------
 */

static void look_at_model(scrape *s)
{
    const app *a = s->a;
    s->v = versions_acquire(a->versions);
    s->previous = versions_acquire_previous(a->versions);
    s->e = s->v->engine;
    if (a->release) s->releases = release_count(a->release);
    s->gpu = !strcmp(s->e->ops->name, "cuda");
    s->load_s = (double)s->e->load_ns * 1e-9;
    s->warm_s = (double)s->e->warm_ns * 1e-9;
    s->queue = batcher_count(a->queue);
    s->device = executor_count(a->executor);
    if (s->queue.oldest_ns) s->queue_age_s = fmax((double)(s->now_ns - s->queue.oldest_ns) * 1e-9, 0);
    const double knee = s->v->capacity ? s->v->capacity->knee_tokens_per_s : 0;
    s->capacity = knee > 0 ? knee : 1e9 / batcher_plan(a->queue).ns_per_token;
    s->load = monitor_offered_per_s(a->monitor) / s->capacity;
}

void metrics_write(out *o, const app *a)
{
    error err;
    const int phase = atomic_load_explicit(&a->phase, memory_order_acquire);
    scrape s = {.a = a, .one = 1, .now_ns = clock_ns(), .capacity = NAN, .load = NAN, .log_dropped = log_dropped()};
    s.objective_s = (double)a->options->objective_ms * 1e-3;
    s.objective_ratio = a->options->objective_ratio;
    s.ready = phase == APP_READY;
    s.draining = phase == APP_DRAINING;
    monitor_add_up(a->monitor, &s.sum);
    if (phase != APP_LOADING) look_at_model(&s);
    if (a->http) s.connections = http_count(a->http).connections;
    s.process_known = process_read(&s.process, &err) == OK;
    exposition e = {.o = o};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        exposition_family(&e, table[i].name, table[i].type, table[i].help);
        table[i].write(&e, &s, table[i].field);
    }
    versions_release(a->versions, s.v);
    versions_release(a->versions, s.previous);
}
