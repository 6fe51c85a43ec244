/* serve.c - the life of a server: listen, load, warm up, be ready; on SIGTERM drain, answer, end.
 *
 * Signals are blocked in every thread; this one, main's, waits for them.  The listener opens before the model loads, so
 * that probes are answered from the first moment. */
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

enum { POLL_MS = 10, CORES_PER_LOOP = 4 };

typedef struct {
    app          a;
    options      o; /* as they are in force */
    http_server *http;
    executor    *x;
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
    if (rc == OK) rc = executor_start(&s->x, s->a.engine, s->a.queue, err);
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
             "%s, digest %.12s, %s on %s, at most %d tokens an input, loaded in %.0f ms, warm in %.0f ms",
             s->a.model_name, e->digest, e->ops->name, e->ops->describe(e->device), e->description.max_tokens,
             (double)e->load_ns * 1e-6, (double)e->warm_ns * 1e-6);
    log_line(
        LOG_INFO, "ready",
        "http://%s:%d  try: curl %s:%d/embed -d '{\"inputs\":\"hello world\"}' -H 'content-type: application/json'",
        host, port, host, port);
}

/* The next of SIGTERM and SIGINT within ms (-1: however long); 0 when none came. */
static int wait_signal(const server *s, int ms)
{
    struct timespec limit = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};
    int sig = ms < 0 ? sigwaitinfo(&s->signals, NULL) : sigtimedwait(&s->signals, NULL, &limit);
    return sig > 0 ? sig : 0;
}

/* Until every connection has its answers and is closed.  false: a second signal or the deadline came first. */
static bool drain(server *s)
{
    int64_t end_ns = clock_ns() + (int64_t)s->o.drain_ms * 1000000;
    atomic_store_explicit(&s->a.phase, APP_DRAINING, memory_order_release);
    http_drain(s->http);
    while (!http_idle(s->http)) {
        if (wait_signal(s, POLL_MS)) {
            log_line(LOG_WARN, "stop", "second signal: ending at once");
            return false;
        }
        if (clock_ns() > end_ns) {
            log_line(LOG_WARN, "stop", "%lld connections are left after %d ms",
                     (long long)http_count(s->http).connections, s->o.drain_ms);
            return false;
        }
    }
    return true;
}

static void end(server *s)
{
    if (s->a.queue) batcher_close(s->a.queue);
    executor_join(s->x); /* every job is answered, so no wake comes after this */
    if (s->http) http_close(s->http);
    batcher_free(s->a.queue);
    engine_close(s->a.engine);
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
        return EXIT_REFUSED;
    }
    atomic_store_explicit(&s.a.phase, APP_READY, memory_order_release);
    say_ready(&s);

    int  sig = wait_signal(&s, -1);
    log_line(LOG_INFO, "stop", "%s: draining, at most %d ms", sig == SIGINT ? "SIGINT" : "SIGTERM", s.o.drain_ms);
    bool drained = drain(&s);
    batcher_counts counts = batcher_count(s.a.queue);
    log_line(LOG_INFO, "stopped", "%lld requests answered, %lld refused, %lld cancelled, %lld failed",
             (long long)counts.answered, (long long)counts.refused, (long long)counts.cancelled,
             (long long)counts.failed);
    if (!drained) return EXIT_REFUSED; /* at once: what is left is the kernel's to free */
    end(&s);
    return EXIT_OK;
}
