/* http.c - the server around its connections: loops, the listening socket, start, drain and end.
 *
 * Each loop is a thread with its own event base; it accepts from the one listening socket and keeps what it accepted.
 * Parse threads and callers of call_wake() hand an exchange back by the loop's box (http_exchange.h). */
#include "http.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>
#include "http_connection.h"
#include "http_listener.h"
#include "runtime/base/flight.h"
#include "runtime/base/log.h"

enum {
    ACCEPTS_AT_ONCE = 16, /* then the other loops and the open connections get their turn */
    REST_MS = 100,        /* without descriptors the listener stays readable: going on at once would spin */
    FAREWELL_MS = 100,    /* for handshakes under way when a drain begins */
};

/* A socket that waited long enough may already hold a request: closing over unread bytes would turn the answer into a
 * reset, so they are taken first.  Who waits for a handshake is only closed: it could not read the answer. */
static void turn_away(http_loop *l, int fd)
{
    char lines[HTTP_REPLY_LINES_MAX], trash[4096];
    call_record none = {.status = 503};
    out body = {0}, reply = {0};
    http_count_one(&l->refused); /* first, so that who sees the answer sees the count */
    http_choose_id(none.request_id, (http_slice){NULL, 0}, &l->ids);
    error_body(&body, SHAPE_TEI, 503, NULL, "too many connections");
    http_reply_facts facts = {&none, body.n, false};
    out_bytes(&reply, lines, http_reply_lines(lines, &l->date, &facts));
    out_text(&reply, "content-type: application/json\r\nretry-after: 1\r\n\r\n");
    out_bytes(&reply, body.p, body.n);
    for (int i = 0; i < 16 && recv(fd, trash, sizeof trash, MSG_DONTWAIT) == sizeof trash; i++) {}
    if (!reply.failed && !l->server->tls) (void)!send(fd, reply.p, reply.n, MSG_DONTWAIT | MSG_NOSIGNAL);
    shutdown(fd, SHUT_WR);
    close(fd);
    atomic_fetch_sub(&l->server->connections, 1);
    out_free(&body);
    out_free(&reply);
}

/* False when nobody waits any more, or nobody can be let in now. */
static bool accept_one(http_loop *l)
{
    int fd = http_listener_accept(l->server->listen_fd);
    if (fd == LISTENER_STARVED && !l->draining) {
        if (!l->resting) log_line(LOG_WARN, "accept", "no descriptors or no memory: connections wait");
        l->resting = true; /* one line for a whole drought */
        event_del(l->listening);
        http_add_timer(l->resume, REST_MS);
    }
    if (fd < 0) return fd == LISTENER_LOST;
    l->resting = false;
    if (atomic_fetch_add(&l->server->connections, 1) < l->server->limits.max_connections) connection_open(l, fd);
    else turn_away(l, fd);
    return true;
}

static void on_listening(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    for (int i = 0; i < ACCEPTS_AT_ONCE && accept_one(arg); i++) {}
}

static void close_listener(http_loop *l)
{
    http_server *s = l->server;
    while (accept_one(l)) {}
    event_del(l->listening);
    close(s->listen_fd);
    s->listen_fd = -1;
    atomic_store(&s->drained, true);
}

static void on_resume(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    http_loop *l = arg;
    if (l->draining) close_listener(l);
    else event_add(l->listening, NULL);
}

/* A path is given up before its queue is taken: from then on it may be a successor's. */
static void deafen(http_server *s)
{
    if (s->owns_path) unlink(s->limits.unix_path);
    else http_listener_deafen(s->listen_fd);
    s->owns_path = false;
}

/* The last loop takes all that waits and then closes the listener: whoever were still in its queue would be reset. */
static void begin_drain(http_loop *l)
{
    l->draining = true;
    event_del(l->resume);
    event_del(l->listening);
    if (atomic_fetch_sub(&l->server->accepting, 1) == 1) {
        deafen(l->server);
        event_add(l->listening, NULL);
        http_add_timer(l->resume, FAREWELL_MS);
    }
    for (connection *k = LIST_FIRST(&l->connections), *next; k; k = next) {
        next = connection_next(k);
        if (connection_is_dispensable(k)) connection_free(k);
    }
}

static void on_exchange(http_loop *l, exchange *e, unsigned what)
{
    if (what & EXCHANGE_WOKEN) e->woken = true;
    if (what & EXCHANGE_RAN) {
        e->running = false;
        if (!e->client && !e->replied && !e->woken && e->c.gone) e->c.gone(&e->c);
    }
    if (e->running) return; /* woken before run() has returned */
    if (e->woken && !e->replied) e->c.finish(&e->c);
    if (!e->replied) return;
    connection *k = e->client;
    if (k) connection_reply(k);
    else connection_abandon(l, e);
}

static void on_posting(evutil_socket_t fd, short what, void *arg)
{
    http_loop *l = arg;
    uint64_t n;
    unsigned posted;
    (void)what;
    (void)!read(fd, &n, sizeof n);
    for (exchange *e; (e = exchange_take(&l->box, &posted));) on_exchange(l, e, posted);
    if (!l->draining && atomic_load(&l->server->draining)) begin_drain(l);
    if (atomic_load(&l->server->stopping)) event_base_loopbreak(l->base);
}

static void *loop_run(void *arg)
{
    http_loop *l = arg;
    char name[32];
    error err;
    snprintf(name, sizeof name, "%s %d", l->server->limits.name, http_loop_number(l));
    if (flight_attach(name, &err) != OK) log_line(LOG_WARN, "flight", "%s", err.text);
    event_base_dispatch(l->base);
    flight_detach();
    return NULL;
}

static int64_t counted(atomic_int_fast64_t *counter) { return atomic_load_explicit(counter, memory_order_relaxed); }

static status loop_open(http_server *s, http_loop *l, error *err)
{
    status rc = exchange_box_open(&l->box, err);
    if (rc != OK) return rc;
    s->loops_open++; /* loop_close() takes what is half open */
    l->server = s;
    (void)!getrandom(&l->ids, sizeof l->ids, 0);
    struct event_config *config = event_config_new();
    if (config) {
        event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK); /* a base belongs to one thread */
        l->base = event_base_new_with_config(config);
        event_config_free(config);
    }
    if (!l->base) return fail(err, IO_FAILED, "cannot make an event loop");
    l->listening = event_new(l->base, s->listen_fd, EV_READ | EV_PERSIST, on_listening, l);
    l->resume = event_new(l->base, -1, 0, on_resume, l);
    l->posting = event_new(l->base, l->box.fd, EV_READ | EV_PERSIST, on_posting, l);
    if (!l->listening || !l->resume || !l->posting || event_add(l->listening, NULL) || event_add(l->posting, NULL))
        return fail(err, NO_MEMORY, "no memory for an event loop");
    return OK;
}

static void loop_close(http_loop *l)
{
    while (!LIST_EMPTY(&l->connections)) connection_free(LIST_FIRST(&l->connections));
    while (!LIST_EMPTY(&l->exchanges)) connection_abandon(l, LIST_FIRST(&l->exchanges));
    if (l->listening) event_free(l->listening);
    if (l->resume) event_free(l->resume);
    if (l->posting) event_free(l->posting);
    if (l->base) event_base_free(l->base);
    exchange_box_close(&l->box);
}

/* Signals are the main thread's, but for those that a thread brings upon itself.  Blocked, SIGPIPE is but an EPIPE. */
static status start_threads(http_server *s, error *err)
{
    static const int own[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT};
    sigset_t blocked, before;
    status rc = OK;
    sigfillset(&blocked);
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) sigdelset(&blocked, own[i]);
    pthread_sigmask(SIG_BLOCK, &blocked, &before);
    if (s->limits.parse_threads > 0) rc = http_parsers_open(&s->parsers, s->limits.parse_threads, err);
    for (int i = 0; i < s->limits.loops && rc == OK; i++) {
        http_loop *l = &s->loops[i];
        int failed = pthread_create(&l->thread, NULL, loop_run, l);
        l->started = !failed;
        if (failed) rc = fail(err, IO_FAILED, "cannot start the thread of a loop: %s", strerror(failed));
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return rc;
}

status http_open(http_server **opened, http_limits limits, void *app, error *err)
{
    status rc;
    *opened = NULL;
    if (limits.loops < 1) return fail(err, BAD_INPUT, "%d loops, at least 1 is needed", limits.loops);
    http_server *s = calloc(1, sizeof *s);
    http_loop *loops = calloc((size_t)limits.loops, sizeof *loops);
    if (!s || !loops) {
        free(s);
        free(loops);
        return fail(err, NO_MEMORY, "no memory for %d loops", limits.loops);
    }
    s->limits = limits;
    s->app = app;
    s->loops = loops;
    s->bodies.limit = limits.max_parsing_bytes;
    atomic_store(&s->accepting, limits.loops);
    s->listen_fd = -1;
    rc = limits.certificate ? http_tls_open(&s->tls, limits.certificate, limits.private_key, err) : OK;
    if (rc == OK)
        rc = limits.unix_path ? http_listener_open_unix(&s->listen_fd, limits.unix_path, err)
                              : http_listener_open(&s->listen_fd, limits.host, &s->limits.port, err);
    s->owns_path = rc == OK && limits.unix_path;
    for (int i = 0; i < limits.loops && rc == OK; i++) rc = loop_open(s, &loops[i], err);
    if (rc == OK) rc = start_threads(s, err);
    if (rc == OK) *opened = s;
    else http_close(s);
    return rc;
}

status http_reload(http_server *s, error *err) { return s->tls ? http_tls_reload(s->tls, err) : OK; }

int http_port(const http_server *s) { return s->limits.port; }

static void wake_loops(http_server *s)
{
    for (int i = 0; i < s->loops_open; i++) exchange_box_wake(&s->loops[i].box);
}

void http_drain(http_server *s)
{
    atomic_store(&s->draining, true);
    wake_loops(s);
}

bool http_idle(http_server *s)
{
    return (atomic_load(&s->drained) || !atomic_load(&s->draining)) && atomic_load(&s->connections) == 0;
}

void http_close(http_server *s)
{
    if (!s) return;
    http_parsers_close(s->parsers);
    atomic_store(&s->stopping, true);
    wake_loops(s);
    for (int i = 0; i < s->loops_open; i++)
        if (s->loops[i].started) pthread_join(s->loops[i].thread, NULL);
    for (int i = 0; i < s->loops_open; i++) loop_close(&s->loops[i]);
    if (s->listen_fd >= 0) close(s->listen_fd);
    if (s->owns_path) unlink(s->limits.unix_path);
    http_tls_close(s->tls);
    free(s->loops);
    free(s);
}

http_counts http_count(http_server *s)
{
    http_counts n = {.connections = atomic_load(&s->connections)};
    for (int i = 0; i < s->loops_open; i++) {
        http_loop *l = &s->loops[i];
        n.accepted += counted(&l->accepted);
        n.refused += counted(&l->refused);
        n.requests += counted(&l->requests);
        n.slow_closed += counted(&l->slow_closed);
        n.gone += counted(&l->gone);
    }
    return n;
}
