/* serve.c - the life of a server: listen, load, warm up, be ready; on SIGTERM drain, answer, end.
 *
 * Signals are blocked in every thread; this one, main's, waits for them, and watches the device meanwhile: when that is
 * lost, everyone has been answered with it, and the process ends as soon as the replies are on their way.  The listener
 * opens before the model loads, so that probes are answered from the first moment. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "app.h"
#include "commands.h"
#include "http.h"
#include "routes.h"
#include "runtime/base/clock.h"
#include "runtime/base/log.h"
#include "runtime/serve/executor.h"

enum { POLL_MS = 10, WATCH_MS = 100, LOST_MS = 1000, CORES_PER_LOOP = 4 };

typedef struct {
    app          a;
    options      o; /* as they are in force */
    http_server *http;
    executor    *x;
    bool         lost; /* the device */
    sigset_t     signals;
} server;

static void log_options(const options *o)
{
    char line[160], all[2048];
    size_t n = 0;
    for (int i = 0; options_line(o, COMMAND_SERVE, i, line) && n + sizeof line < sizeof all; i++)
        n += (size_t)snprintf(all + n, sizeof all - n, i ? ", %s" : "%s", line);
    log_line(LOG_INFO, "options", "%s", all);
}

static status listen_for(server *s, error *err)
{
    http_limits limits = {
        .routes = routes, .n_routes = routes_count, .host = s->o.host, .port = s->o.port, .loops = s->o.loops,
        .parse_threads = s->o.parse_threads, .max_connections = s->o.max_connections, .head_ms = s->o.head_ms,
        .body_ms = s->o.body_ms, .idle_ms = s->o.idle_ms, .write_stall_ms = s->o.write_stall_ms,
        .max_body_bytes = (int64_t)s->o.max_body_kib << 10, .max_parsing_bytes = (int64_t)s->o.max_parsing_mib << 20};
    return http_open(&s->http, limits, &s->a, err);
}

/* A directory's name may hold anything; a header may not. */
static void set_version(app *a, const char *name)
{
    size_t i = 0;
    for (; name[i] && i + 1 < sizeof a->version; i++) a->version[i] = name[i] > ' ' && name[i] < 0x7f ? name[i] : '_';
    a->version[i] = 0;
}

static status load(server *s, const char *dir, error *err)
{
    status rc = engine_from_options(&s->a.engine, &s->o, dir, err);
    if (rc != OK) return rc;
    const engine_options *e = &s->a.engine->options;
    policy_limits limits = {.budget_tokens = e->batch_tokens,
                            .budget_sequences = e->batch_sequences,
                            .max_queued_tokens = s->o.queue_tokens};
    rc = batcher_open(&s->a.queue, limits, err);
    const executor_options x = {.batch_deadline_ms = s->o.batch_deadline_ms, .golden_every_ms = EXECUTOR_GOLDEN_MS};
    if (rc == OK) rc = executor_start(&s->x, s->a.engine, s->a.queue, x, err);
    s->a.model_name = *s->o.model_name ? s->o.model_name : s->a.engine->description.name;
    s->a.ready_unix_s = time(NULL);
    set_version(&s->a, s->a.engine->description.name);
    return rc;
}

static void say_ready(const server *s)
{
    const engine *e = s->a.engine;
    char host[sizeof s->o.host + 2];
    const char *reach = !strcmp(s->o.host, "0.0.0.0") ? "127.0.0.1" : !strcmp(s->o.host, "::") ? "::1" : s->o.host;
    snprintf(host, sizeof host, strchr(reach, ':') ? "[%s]" : "%s", reach);
    int port = http_port(s->http);
    log_line(LOG_INFO, "model",
             "%s, digest %.12s, %s on %s in %s, at most %d tokens an input, loaded in %.0f ms, warm in %.0f ms",
             s->a.model_name, e->digest, e->ops->name, e->ops->describe(e->device), e->ops->precision(e->device),
             e->description.max_tokens,
             (double)e->load_ns * 1e-6, (double)e->warm_ns * 1e-6);
    log_line(
        LOG_INFO, "ready",
        "http://%s:%d  try: curl %s:%d/embed -d '{\"inputs\":\"hello world\"}' -H 'content-type: application/json'",
        host, port, host, port);
}

/* The next of SIGTERM and SIGINT within ms; 0 when none came. */
static int wait_signal(const server *s, int ms)
{
    struct timespec limit = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};
    int sig = sigtimedwait(&s->signals, NULL, &limit);
    return sig > 0 ? sig : 0;
}

/* Is it now?  Then handlers say so from here on. */
static bool notice_loss(server *s)
{
    if (s->lost || !executor_lost(s->x, &s->a.lost)) return false;
    s->lost = true;
    atomic_store_explicit(&s->a.phase, APP_LOST, memory_order_release);
    return true;
}

/* Until every connection has its answers and is closed.  false: a second signal or the deadline came first. */
static bool drain(server *s)
{
    int64_t ms = s->lost ? LOST_MS : s->o.drain_ms, end_ns = clock_ns() + ms * 1000000;
    http_drain(s->http);
    while (!http_idle(s->http)) {
        if (wait_signal(s, POLL_MS)) {
            log_line(LOG_WARN, "stop", "second signal: ending at once");
            return false;
        }
        if (notice_loss(s) && ms > LOST_MS) end_ns = clock_ns() + (ms = LOST_MS) * 1000000;
        if (clock_ns() > end_ns) {
            log_line(LOG_WARN, "stop", "%lld connections are left after %lld ms",
                     (long long)http_count(s->http).connections, (long long)ms);
            return false;
        }
    }
    return true;
}

/* false: the device never came back, and with it our thread. */
static bool end(server *s)
{
    error why;
    if (s->a.queue) batcher_close(s->a.queue);
    if (executor_join(s->x, &why) != OK) return false;
    if (s->http) http_close(s->http); /* every job is answered, so no wake comes after this */
    batcher_free(s->a.queue);
    engine_close(s->a.engine);
    return true;
}

/* Serves until a signal comes or the device is lost. */
static void serve(server *s)
{
    int sig = 0;
    atomic_store_explicit(&s->a.phase, APP_READY, memory_order_release);
    say_ready(s);
    while (!sig && !notice_loss(s)) sig = wait_signal(s, WATCH_MS);
    if (s->lost) {
        log_line(LOG_WARN, "stop", "the device is lost: ending, at most %d ms", LOST_MS);
    } else {
        atomic_store_explicit(&s->a.phase, APP_DRAINING, memory_order_release);
        log_line(LOG_INFO, "stop", "%s: draining, at most %d ms", sig == SIGINT ? "SIGINT" : "SIGTERM", s->o.drain_ms);
    }
}

int serve_command(const options *given, const char *dir)
{
    server s = {.o = *given};
    error  err;
    long   cores = sysconf(_SC_NPROCESSORS_ONLN);
    if (!s.o.loops) s.o.loops = cores >= 2 * CORES_PER_LOOP ? (int)(cores / CORES_PER_LOOP) : 1;
    s.a.options = &s.o;
    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&s.signals);
    sigaddset(&s.signals, SIGTERM);
    sigaddset(&s.signals, SIGINT);
    pthread_sigmask(SIG_BLOCK, &s.signals, NULL);

    log_options(&s.o);
    status rc = listen_for(&s, &err);
    if (rc == OK) rc = load(&s, dir, &err);
    if (rc != OK) {
        log_line(LOG_ERROR, "start", "%s", err.text);
        end(&s);
        return engine_refused(rc);
    }
    serve(&s);
    bool drained = drain(&s);
    batcher_counts counts = batcher_count(s.a.queue);
    log_line(LOG_INFO, "stopped", "%lld requests answered, %lld refused, %lld cancelled, %lld failed",
             (long long)counts.answered, (long long)counts.refused, (long long)counts.cancelled,
             (long long)counts.failed);
    if (s.lost) return EXIT_GPU_FAILED;
    if (!drained) return EXIT_REFUSED | EXIT_AT_ONCE; /* what is left is the kernel's to free */
    return end(&s) ? EXIT_OK : EXIT_GPU_FAILED;
}
