/* serve.c - the life of a server: listen, load, warm up, be ready; on SIGTERM drain, answer, end.
 *
 * Signals are blocked in every thread; this one, main's, waits for them, and meanwhile watches the device and keeps the
 * SLO's history.  When the device is lost, everyone has been answered with it, and the process ends as soon as the
 * replies are on their way.  SIGUSR1 writes the flight recorder to a file; SIGHUP reads keys and
 * certificates again.  Both listeners open before the model loads,
 * so that probes are answered from the first moment. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "app.h"
#include "capacity_find.h"
#include "commands.h"
#include "door.h"
#include "flight_dump.h"
#include "http.h"
#include "incidents.h"
#include "ledger.h"
#include "monitor.h"
#include "ops_routes.h"
#include "release.h"
#include "routes.h"
#include "runtime/base/clock.h"
#include "runtime/base/flight.h"
#include "runtime/base/log.h"
#include "runtime/serve/executor.h"
#include "runtime/serve/shadow.h"

enum { POLL_MS = 10, WATCH_MS = 100, LOST_MS = 1000, CORES_PER_LOOP = 4, OPS_CONNECTIONS = 64 };

typedef struct {
    app a;
    options o; /* as they are in force */
    bool lost; /* the device */
    char versions_root[4096];
    sigset_t signals;
} server;

static void enter(server *s, app_phase phase)
{
    atomic_store_explicit(&s->a.phase, phase, memory_order_release);
    flight_note(clock_ns(), FLIGHT_PHASE, (uint32_t)phase, 0, 0);
}

static void log_options(const options *o)
{
    char line[160], all[2048];
    size_t n = 0;
    for (int i = 0; options_line(o, COMMAND_SERVE, i, line) && n + sizeof line < sizeof all; i++)
        n += (size_t)snprintf(all + n, sizeof all - n, i ? ", %s" : "%s", line);
    log_line(LOG_INFO, "options", "%s", all);
}

static void ended(void *a, int loop, const call_record *r) { monitor_ended(((app *)a)->monitor, loop, r); }

static int admits(void *a, const http_request *head, error *why) { return door_admits(((app *)a)->door, head, why); }

static status listen_for(server *s, error *err)
{
    const options *o = &s->o;
    const monitor_options seen = {.loops = o->loops,
                                  .objective_ns = (int64_t)o->objective_ms * 1000000,
                                  .objective_ratio = o->objective_ratio,
                                  .routes = routes,
                                  .n_routes = routes_count,
                                  .computes = routes_compute};
    http_limits limits = {.routes = routes,
                          .n_routes = routes_count,
                          .host = o->host,
                          .port = o->port,
                          .loops = o->loops,
                          .parse_threads = o->parse_threads,
                          .max_connections = o->max_connections,
                          .head_ms = o->head_ms,
                          .body_ms = o->body_ms,
                          .idle_ms = o->idle_ms,
                          .write_stall_ms = o->write_stall_ms,
                          .max_body_bytes = (int64_t)o->max_body_kib << 10,
                          .max_parsing_bytes = (int64_t)o->max_parsing_mib << 20,
                          .name = "loop",
                          .ended = ended};
    status rc = monitor_open(&s->a.monitor, seen, err);
    if (rc == OK) rc = http_open(&s->a.http, limits, &s->a, err);
    limits.routes = ops_routes;
    limits.n_routes = ops_routes_count;
    limits.host = o->ops_host;
    limits.port = o->ops_port;
    limits.unix_path = o->ops_unix;
    if (*o->ops_certificate) {
        limits.certificate = o->ops_certificate;
        limits.private_key = o->ops_private_key;
    }
    limits.loops = 1;
    limits.parse_threads = 0; /* no route takes a large body */
    limits.max_connections = OPS_CONNECTIONS;
    limits.name = "ops";
    limits.ended = NULL;
    limits.admit = admits;
    return rc == OK ? http_open(&s->a.ops, limits, &s->a, err) : rc;
}

/* What the device takes for a batch: as calibrated for this version and device, else, NULL, as the start has measured
 * it. */
static capacity *find_capacity(const server *s, const engine *e)
{
    error why;
    capacity *c = malloc(sizeof *c);
    status rc = c ? capacity_for(c, &s->o, e, &why) : fail(&why, NO_MEMORY, "no memory for it");
    if (rc == OK) {
        log_line(LOG_INFO, "capacity", "%.0f tokens/s at p%g within %g ms, calibrated %s", c->knee_tokens_per_s,
                 c->objective_ratio * 100, c->objective_ms, c->made_at);
        return c;
    }
    if (rc != NOT_FOUND || *s->o.capacity) log_line(LOG_WARN, "capacity", "not used: %s", why.text);
    free(c);
    return NULL;
}

/* Where the directories of versions are: --versions, else the folder of the one that is served. */
static void set_versions_root(server *s, const char *dir)
{
    size_t n = strlen(dir);
    while (n > 1 && dir[n - 1] == '/') n--;
    while (n > 0 && dir[n - 1] != '/') n--;
    if (*s->o.versions_dir) snprintf(s->versions_root, sizeof s->versions_root, "%s", s->o.versions_dir);
    else snprintf(s->versions_root, sizeof s->versions_root, "%.*s", n ? (int)n : 1, n ? dir : ".");
    s->a.versions_root = s->versions_root;
}

static void note_start(server *s, const version *v, ledger_outcome outcome, const char *detail)
{
    state_version now = {.directory = ""};
    snprintf(now.directory, sizeof now.directory, "%s", v->directory);
    snprintf(now.version, sizeof now.version, "%s", v->name);
    snprintf(now.digest, sizeof now.digest, "%s", v->engine->digest);
    ledger_append(
        s->a.ledger,
        &(ledger_line){.action = LEDGER_START, .outcome = outcome, .version = &now, .detail = detail, .ms = -1});
}

static void note_end(const server *s, bool drained)
{
    const ledger_outcome how = s->lost || !drained ? LEDGER_FAILED : LEDGER_OK;
    ledger_append(
        s->a.ledger,
        &(ledger_line){.action = LEDGER_STOP, .outcome = how, .detail = s->lost ? s->a.lost.text : "", .ms = -1});
}

static void say_interrupted(const server *s)
{
    state_version v;
    char step[16];
    if (ledger_interrupted(s->a.ledger, &v, step))
        log_line(LOG_WARN, "state", "the release of %s was interrupted at its step %s", v.directory, step);
}

/* The last good version that the state knows, then the one before it, then DIR: what loads first. */
static status open_first(engine **e, server *s, const char *dir, char found[4096], error *err)
{
    state_version last[2];
    state_versions(s->a.state, &last[0], &last[1]);
    for (int i = 0; i < 2; i++) {
        if (!*last[i].directory) continue;
        if (snprintf(found, 4096, "%s/%s", s->versions_root, last[i].directory) >= 4096) continue;
        status rc = engine_from_options(e, &s->o, found, err);
        if (rc == OK && strcmp((*e)->digest, last[i].digest)) {
            log_line(LOG_WARN, "state", "%s has changed since it was released: digest %.12s, was %.12s", found,
                     (*e)->digest, last[i].digest);
        }
        if (rc == OK) {
            log_line(LOG_INFO, "state", "starts on %s, the %s version, not on %s", found, i ? "previous" : "last good",
                     dir);
            return OK;
        }
        if (rc == GPU_LOST) return rc;
        log_line(LOG_ERROR, "state", "%s, the %s version, cannot be loaded: %s", found, i ? "previous" : "last good",
                 err->text);
    }
    snprintf(found, 4096, "%s", dir);
    return engine_from_options(e, &s->o, dir, err);
}

static status load(server *s, const char *dir, error *err)
{
    engine *e;
    version *v = NULL;
    char path[4096];
    status rc = open_first(&e, s, dir, path, err);
    if (rc == OK) rc = version_new(&v, e, path, s->o.model_name, find_capacity(s, e), err);
    if (rc != OK) return rc;
    const policy_limits limits = {.objective_ns = (int64_t)s->o.objective_ms * 1000000,
                                  .max_wait_ns = (int64_t)s->o.max_wait_ms * 1000000,
                                  .batch_tokens = e->options.batch_tokens,
                                  .batch_sequences = e->options.batch_sequences,
                                  .longest = e->description.max_tokens,
                                  .executors = 1,
                                  .max_requests = s->o.max_connections};
    const executor_options x = {.batch_deadline_ms = s->o.batch_deadline_ms, .golden_every_ms = EXECUTOR_GOLDEN_MS};
    rc = batcher_open(&s->a.queue, limits, &v->service.table, err);
    versions_activate(s->a.versions, v);
    if (rc == OK) rc = executor_start(&s->a.executor, s->a.versions, s->a.queue, 0, x, err);
    if (rc == OK) rc = shadow_open(&s->a.shadow, err);
    if (rc == OK) rc = release_open(&s->a.release, &s->a, err);
    if (rc == OK) note_start(s, v, LEDGER_OK, "");
    return rc;
}

static void say_ready(const server *s)
{
    version *v = versions_acquire(s->a.versions);
    const engine *e = v->engine;
    char host[sizeof s->o.host + 2];
    const char *reach = !strcmp(s->o.host, "0.0.0.0") ? "127.0.0.1" : !strcmp(s->o.host, "::") ? "::1" : s->o.host;
    snprintf(host, sizeof host, strchr(reach, ':') ? "[%s]" : "%s", reach);
    char ops[sizeof s->o.ops_host + 32];
    const policy_plan plan = batcher_plan(s->a.queue);
    int port = http_port(s->a.http);
    if (s->o.ops_unix) snprintf(ops, sizeof ops, "%.200s", s->o.ops);
    else
        snprintf(ops, sizeof ops, "http%s://%s:%d", *s->o.ops_certificate ? "s" : "", s->o.ops_host,
                 http_port(s->a.ops));
    log_line(LOG_INFO, "model",
             "%s, digest %.12s, %s on %s in %s, at most %d tokens an input, loaded in %.0f ms, warm in %.0f ms",
             v->model_name, e->digest, e->ops->name, e->ops->describe(e->device), e->ops->precision(e->device),
             e->description.max_tokens, (double)e->load_ns * 1e-6, (double)e->warm_ns * 1e-6);
    versions_release(s->a.versions, v);
    log_line(LOG_INFO, "policy", "batches of at most %d tokens (%d of what is not due), %.0f tokens/s; ops on %s",
             plan.budget_tokens, plan.quantum_tokens, 1e9 / plan.ns_per_token, ops);
    log_line(
        LOG_INFO, "ready",
        "http://%s:%d  try: curl %s:%d/embed -d '{\"inputs\":\"hello world\"}' -H 'content-type: application/json'",
        host, port, host, port);
}

static void dump_flight(const server *s)
{
    char path[4096];
    error err;
    if (flight_dump_file(s->o.dump_dir, path, &err) == OK) log_line(LOG_INFO, "flight", "%s", path);
    else log_line(LOG_ERROR, "flight", "%s", err.text);
}

/* Keys and certificates again; what is refused leaves the old in force. */
static void reload(const server *s)
{
    error why;
    if (door_reload(s->a.door, &why) != OK) log_line(LOG_ERROR, "reload", "the old keys stay: %s", why.text);
    else if (*s->o.ops_keys) log_line(LOG_INFO, "reload", "keys of %s", s->o.ops_keys);
    if (!*s->o.ops_certificate) return;
    if (http_reload(s->a.ops, &why) != OK) log_line(LOG_ERROR, "reload", "the old certificate stays: %s", why.text);
    else log_line(LOG_INFO, "reload", "certificate of %s", s->o.ops_certificate);
}

/* The next of SIGTERM and SIGINT within ms; 0 when none came. */
static int wait_signal(const server *s, int ms)
{
    struct timespec limit = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};
    int sig = sigtimedwait(&s->signals, NULL, &limit);
    monitor_tick(s->a.monitor, clock_ns());
    incidents_tick(s->a.incidents, clock_ns());
    if (sig == SIGUSR1) dump_flight(s);
    if (sig == SIGHUP) reload(s);
    return sig == SIGTERM || sig == SIGINT ? sig : 0;
}

/* Silent, wrong or broken: what a restart is told of, and whoever is called. */
static void report_loss(server *s)
{
    const executor_counts n = executor_count(s->a.executor);
    const cause why = n.watchdog_trips ? CAUSE_STALLED : n.golden_failed ? CAUSE_GOLDEN : CAUSE_GPU_FAULT;
    state_set_exit(s->a.state, n.watchdog_trips  ? EXIT_REASON_GPU_HANG
                               : n.golden_failed ? EXIT_REASON_WRONG_OUTPUT
                                                 : EXIT_REASON_GPU_FAULT);
    incidents_report(s->a.incidents, why, "", s->a.lost.text);
}

/* Is it now?  Then handlers say so from here on. */
static bool notice_loss(server *s)
{
    if (s->lost || !executor_lost(s->a.executor, &s->a.lost)) return false;
    s->lost = true;
    enter(s, APP_LOST);
    report_loss(s);
    return true;
}

/* Until every connection has its answers and is closed.  false: a second signal or the deadline came first. */
static bool drain(server *s)
{
    int64_t ms = s->lost ? LOST_MS : s->o.drain_ms, end_ns = clock_ns() + ms * 1000000;
    http_drain(s->a.http);
    while (!http_idle(s->a.http)) {
        if (wait_signal(s, POLL_MS)) {
            log_line(LOG_WARN, "stop", "second signal: ending at once");
            return false;
        }
        if (notice_loss(s) && ms > LOST_MS) end_ns = clock_ns() + (ms = LOST_MS) * 1000000;
        if (clock_ns() > end_ns) {
            log_line(LOG_WARN, "stop", "%lld connections are left after %lld ms",
                     (long long)http_count(s->a.http).connections, (long long)ms);
            return false;
        }
    }
    return true;
}

/* false: the device never came back, and with it our thread. */
static bool end(server *s)
{
    error why;
    http_close(s->a.ops);        /* a scrape reads the executor */
    release_close(s->a.release); /* its batches are answered while the executor lives */
    incidents_close(s->a.incidents);
    if (s->a.queue) batcher_close(s->a.queue);
    if (executor_join(s->a.executor, &why) != OK) return false;
    http_close(s->a.http); /* every job is answered, so no wake comes after this */
    batcher_free(s->a.queue);
    shadow_close(s->a.shadow);
    versions_close(s->a.versions);
    monitor_close(s->a.monitor);
    door_close(s->a.door);
    ledger_close(s->a.ledger);
    state_close(s->a.state);
    return true;
}

/* Serves until a signal comes or the device is lost. */
static void serve(server *s)
{
    int sig = 0;
    enter(s, APP_READY);
    say_ready(s);
    while (!sig && !notice_loss(s)) sig = wait_signal(s, WATCH_MS);
    if (s->lost) {
        log_line(LOG_WARN, "stop", "the device is lost: ending, at most %d ms", LOST_MS);
    } else {
        enter(s, APP_DRAINING);
        log_line(LOG_INFO, "stop", "%s: draining, at most %d ms", sig == SIGINT ? "SIGINT" : "SIGTERM", s->o.drain_ms);
    }
}

/* Every request that was admitted is in one of these; by Little's law the two times are equal once nothing is in hand.
 */
static void say_stopped(const server *s)
{
    const queue_counts n = batcher_count(s->a.queue);
    log_line(
        LOG_INFO, "stopped",
        "%lld admitted = %lld answered + %lld expired + %lld cancelled + %lld failed + %lld in hand; refused: %lld "
        "overloaded, %lld past their deadline; %.6f s in hand, %.6f s sojourn",
        (long long)n.submitted, (long long)n.answered, (long long)n.expired, (long long)n.cancelled,
        (long long)n.failed, (long long)n.in_hand, (long long)n.overloaded, (long long)n.hopeless,
        (double)n.in_hand_ns * 1e-9, (double)n.sojourn_ns * 1e-9);
}

int serve_command(const options *given, const char *dir)
{
    server s = {.o = *given};
    error err;
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    if (!s.o.loops) s.o.loops = cores >= 2 * CORES_PER_LOOP ? (int)(cores / CORES_PER_LOOP) : 1;
    s.a.options = &s.o;
    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&s.signals);
    sigaddset(&s.signals, SIGTERM);
    sigaddset(&s.signals, SIGINT);
    sigaddset(&s.signals, SIGUSR1);
    sigaddset(&s.signals, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &s.signals, NULL);

    log_options(&s.o);
    status rc = flight_attach("main", &err);
    set_versions_root(&s, dir);
    if (rc == OK) rc = versions_open(&s.a.versions, &err);
    if (rc == OK) rc = state_open(&s.a.state, s.o.state_dir, &err);
    if (rc == OK) rc = ledger_open(&s.a.ledger, s.a.state, &err);
    if (rc == OK) say_interrupted(&s);
    if (rc == OK) rc = incidents_open(&s.a.incidents, &s.a, state_directory(s.a.state), s.o.incident_url, &err);
    if (rc == OK) rc = door_open(&s.a.door, (door_options){.host = s.o.ops_host, .key_file = s.o.ops_keys}, &err);
    if (rc == OK) rc = listen_for(&s, &err);
    if (rc == OK) rc = load(&s, dir, &err);
    if (rc != OK) {
        log_line(LOG_ERROR, "start", "%s", err.text);
        end(&s);
        return engine_refused(rc);
    }
    serve(&s);
    bool drained = drain(&s);
    say_stopped(&s);
    if (!s.lost) state_set_exit(s.a.state, EXIT_REASON_CLEAN);
    note_end(&s, drained);
    if (s.lost) return EXIT_GPU_FAILED;
    if (!drained) return EXIT_REFUSED | EXIT_AT_ONCE; /* what is left is the kernel's to free */
    return end(&s) ? EXIT_OK : EXIT_GPU_FAILED;
}
