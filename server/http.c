/* http.c - the states of a connection on libevent's bufferevents.
 *
 * Each loop is a thread with its own event base; it accepts from the one listening socket and keeps what it accepted.
 * A connection lives from accept to close; an exchange from a whole head to its reply or, where the client left
 * first, to the wake that must still come.  Parse threads and callers of call_wake() hand an exchange back by the
 * loop's locked list and its eventfd, and touch it no more.
 *
 * While BUSY nothing is read, so that no work piles up; an own event tells when the peer stirs.  A FIN does not say
 * whether the client left or only finished sending, so an interim reply is sent, which HTTP/1.1 always allows: a
 * closed socket answers it with a reset, a half-closed one ignores it and gets its reply.
 *
 * Only event callbacks free a connection; what they call (advance, send_reply, refuse) never does. */
#include "http.h"
#include <assert.h>
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <linux/filter.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/queue.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>
#include "http_chunk.h"
#include "http_reply.h"
#include "runtime/base/clock.h"
#include "runtime/base/log.h"

enum {
    ACCEPTS_AT_ONCE = 16,        /* then the other loops and the open connections get their turn */
    REST_MS = 100,               /* without descriptors the listener stays readable: going on at once would spin */
    READ_MAX = 64 << 10,         /* of one connection, unparsed */
    INLINE_BODY_MAX = 16 << 10,  /* a larger body is parsed off the loop */
    IGNORED_BODY_MAX = 16 << 10, /* of a route that takes none */
    BODY_FIRST = 16 << 10,       /* a body's memory grows from here as bytes arrive, not as they are announced */
    LINGER_MS = 1000,
    LINGER_MAX = 1 << 20,
    PROBE_FIRST_MS = 1,
    PROBE_MS = 20,
    REQUESTS_MAX = 10000,        /* of one connection; its successor may find a less busy loop */
};
static char interim[] = "HTTP/1.1 100 Continue\r\n\r\n";

typedef struct loop       loop;
typedef struct connection connection;
typedef enum { HEAD, BODY, CHUNKS, BUSY, WRITING, CLOSING } connection_state;
enum { RAN = 1, WOKEN = 2 }; /* what is posted: run() has returned on a parse thread; call_wake() */

typedef struct exchange {
    call        c;             /* first, so that a call is its exchange */
    loop       *home;
    connection *client;        /* NULL once it has left */
    atomic_bool left;          /* the same, for a parse thread; relaxed: a late look costs one parse */
    bool        running;       /* run() has not returned */
    bool        woken, replied;
    char       *bytes;         /* [capacity] body and NUL */
    size_t      capacity;
    int         code;
    out         fields, reply; /* the handler's lines of the head, with the blank one; the reply's body */
    unsigned    posted;        /* RAN, WOKEN; under the loop's lock, like the link while that is in the loop's list */
    STAILQ_ENTRY(exchange) next;
    LIST_ENTRY(exchange)   all;
    char        head[];
} exchange;

struct connection {
    loop               *home;
    struct bufferevent *stream;
    struct event       *deadline, *departure;
    exchange           *now;   /* from a whole head to the reply */
    connection_state    state;
    bool                reading, begun, keep_alive, is_head, old, probed, peer_done;
    int                 served;
    int64_t             begun_ns;
    size_t              scanned; /* bytes of an unfinished head that were searched */
    uint64_t            left;    /* BODY: bytes to come */
    size_t              limit, taken; /* of this body; CHUNKS: so much of it has come */
    size_t              drained; /* CLOSING: bytes swallowed */
    http_chunks         chunks;
    LIST_ENTRY(connection) all;
};

struct loop {
    http_server       *server;
    struct event_base *base;
    struct event      *listening, *resume, *posting;
    int                post_fd;
    pthread_t          thread;
    bool               started, accepting, resting;
    uint64_t           ids;      /* state of the request ids */
    http_date          date;
    pthread_mutex_t    lock;     /* guards posted, and what of its exchanges is said to be under it */
    STAILQ_HEAD(, exchange) posted;
    LIST_HEAD(, connection) connections;
    LIST_HEAD(, exchange)   exchanges;
    atomic_int_fast64_t accepted, refused, requests, slow_closed, gone; /* relaxed: statistics */
};

struct http_server {
    http_limits     limits;
    void           *app;
    int             listen_fd, port;
    loop           *loops;       /* [limits.loops] */
    pthread_t      *parsers;     /* [parsers_started] */
    int             loops_open, parsers_started;
    pthread_mutex_t lock;        /* guards queue and ended */
    pthread_cond_t  work;
    STAILQ_HEAD(, exchange) queue; /* large bodies for the parse threads */
    bool            ended;
    atomic_int      connections, accepting; /* the latter: loops that still do */
    atomic_bool     draining, drained, stopping; /* drained: the listen queue has been taken and closed */
    atomic_int_fast64_t body_bytes;
};

static void count(atomic_int_fast64_t *counter) { atomic_fetch_add_explicit(counter, 1, memory_order_relaxed); }

static int64_t counted(atomic_int_fast64_t *counter) { return atomic_load_explicit(counter, memory_order_relaxed); }

static void add_timer(struct event *timer, int ms)
{
    struct timeval after = {ms / 1000, ms % 1000 * 1000};
    event_add(timer, &after);
}

/* ---- exchanges ------------------------------------------------------------------------------------------------- */

static exchange *exchange_open(connection *k, size_t head_bytes)
{
    loop *l = k->home;
    exchange *e = calloc(1, sizeof *e + head_bytes);
    if (!e) return NULL;
    e->home = l;
    e->client = k;
    e->c.app = l->server->app;
    e->c.begun_ns = k->begun_ns;
    e->c.body = "";
    http_choose_id(e->c.request_id, (http_slice){NULL, 0}, &l->ids);
    LIST_INSERT_HEAD(&l->exchanges, e, all);
    return e;
}

static void exchange_free(exchange *e)
{
    if (!e) return;
    if (e->c.free_state) e->c.free_state(e->c.state);
    atomic_fetch_sub(&e->home->server->body_bytes, (int64_t)e->capacity);
    LIST_REMOVE(e, all);
    out_free(&e->fields);
    out_free(&e->reply);
    free(e->bytes);
    free(e);
}

/* Room for `more` bytes of body; false when there is no memory, or the budget of all connections is used up. */
static bool exchange_reserve(exchange *e, size_t more, size_t limit)
{
    http_server *s = e->home->server;
    size_t need = e->c.body_bytes + more + 1, capacity = e->capacity ? e->capacity * 2 : BODY_FIRST;
    if (need <= e->capacity) return true;
    if (capacity > limit + 1) capacity = limit + 1;
    if (capacity < need) capacity = need;
    int64_t grown = (int64_t)(capacity - e->capacity);
    bool fits = atomic_fetch_add(&s->body_bytes, grown) + grown <= s->limits.max_parsing_bytes;
    char *bytes = fits ? realloc(e->bytes, capacity) : NULL;
    if (!bytes) {
        atomic_fetch_sub(&s->body_bytes, grown);
        return false;
    }
    e->bytes = bytes;
    e->capacity = capacity;
    return true;
}

/* From any thread.  The caller must not touch the exchange afterwards. */
static void exchange_post(exchange *e, unsigned what)
{
    loop *l = e->home;
    pthread_mutex_lock(&l->lock);
    bool first = STAILQ_EMPTY(&l->posted);
    if (!e->posted) STAILQ_INSERT_TAIL(&l->posted, e, next);
    e->posted |= what;
    pthread_mutex_unlock(&l->lock);
    if (first) (void)!write(l->post_fd, &(uint64_t){1}, sizeof(uint64_t)); /* a full eventfd is readable too */
}

void call_wake(call *c) { exchange_post((exchange *)c, WOKEN); }

void call_reply(call *c, int code, const char *content_type, out *body, const char *headers)
{
    exchange *e = (exchange *)c;
    assert(!e->replied);
    e->replied = true;
    e->code = code;
    e->reply = *body;
    *body = (out){0};
    if (e->reply.failed) {
        out_free(&e->reply);
        error_body(&e->reply, c->route ? c->route->shape : SHAPE_TEI, e->code = 503, NULL, "no memory for the reply");
        content_type = "application/json";
        headers = "retry-after: 1\r\n";
    }
    if (content_type) {
        out_text(&e->fields, "content-type: ");
        out_text(&e->fields, content_type);
        out_text(&e->fields, "\r\n");
    }
    if (headers) out_text(&e->fields, headers);
    out_text(&e->fields, "\r\n");
}

void call_refuse(call *c, int code, const char *error_type, int retry_after_s, const char *message)
{
    char headers[64] = "";
    out body = {0};
    if (retry_after_s > 0) snprintf(headers, sizeof headers, "retry-after: %d\r\n", retry_after_s);
    else if (code == 401) snprintf(headers, sizeof headers, "www-authenticate: Bearer\r\n");
    error_body(&body, c->route ? c->route->shape : SHAPE_TEI, code, error_type, message);
    call_reply(c, code, "application/json", &body, headers);
}

/* ---- replies --------------------------------------------------------------------------------------------------- */

static size_t unsent(const connection *k) { return evbuffer_get_length(bufferevent_get_output(k->stream)); }

static void set_reading(connection *k, int on)
{
    if (k->reading == !!on) return;
    k->reading = !!on;
    if (on) bufferevent_enable(k->stream, EV_READ);
    else bufferevent_disable(k->stream, EV_READ);
}

static void free_bytes(const void *data, size_t n, void *p)
{
    (void)data, (void)n;
    free(p);
}

/* What the socket takes at once spares a round through the loop; the rest is left to the bufferevent, the last part
 * without a copy: *owned, which it lies in, is then taken. */
static void deliver(connection *k, struct iovec *part, int parts, char **owned)
{
    struct evbuffer *rest = bufferevent_get_output(k->stream);
    struct msghdr message = {.msg_iov = part, .msg_iovlen = (size_t)parts};
    evutil_socket_t fd = bufferevent_getfd(k->stream);
    ssize_t sent = evbuffer_get_length(rest) ? -1 : sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    size_t skip = sent > 0 ? (size_t)sent : 0;
    bool failed = false;
    for (int i = 0; i < parts; i++) {
        size_t done = skip < part[i].iov_len ? skip : part[i].iov_len;
        const char *p = (const char *)part[i].iov_base + done;
        skip -= done;
        if (done == part[i].iov_len) continue;
        if (i + 1 < parts || !owned) {
            failed |= evbuffer_add(rest, p, part[i].iov_len - done) < 0;
        } else if (evbuffer_add_reference(rest, p, part[i].iov_len - done, free_bytes, *owned) < 0) {
            failed = true;
        } else {
            *owned = NULL;
        }
    }
    if (failed) shutdown(fd, SHUT_RDWR); /* half a reply must not be followed by another; the EOF frees us */
}

/* All is in the kernel.  Closing now could turn it into a reset while the client still sends. */
static void start_linger(connection *k)
{
    shutdown(bufferevent_getfd(k->stream), SHUT_WR);
    add_timer(k->deadline, LINGER_MS);
}

static void await_head(connection *k)
{
    k->state = HEAD;
    k->begun = k->keep_alive = k->is_head = false;
    k->scanned = 0;
    add_timer(k->deadline, k->home->server->limits.idle_ms);
    set_reading(k, true);
}

/* k->now has its reply: sends it, and ends the exchange. */
static void send_reply(connection *k)
{
    exchange *e = k->now;
    http_server *s = k->home->server;
    bool lost = e->fields.failed || e->reply.failed; /* not even memory for an error */
    bool keep = k->keep_alive && !lost && ++k->served < REQUESTS_MAX && !atomic_load(&s->draining);
    char lines[HTTP_REPLY_LINES_MAX];
    http_reply_facts facts = {e->code, e->reply.n, keep, e->c.request_id};
    struct iovec part[3] = {
        {lines, http_reply_lines(lines, &k->home->date, &facts)},
        {e->fields.p, e->fields.n},
        {e->reply.p, k->is_head ? 0 : e->reply.n},
    };
    event_del(k->departure);
    if (!lost) deliver(k, part, 3, &e->reply.p);
    k->now = NULL;
    exchange_free(e);

    bool flushed = unsent(k) == 0;
    if (keep && flushed) {
        await_head(k);
        return;
    }
    event_del(k->deadline); /* from here the stall timer judges, until all is sent */
    k->state = keep ? WRITING : CLOSING;
    set_reading(k, !keep);
    if (flushed) start_linger(k);
}

/* The server's own no.  A body that will not be read, or a head that was not understood, ends the connection: what
 * follows on it is never parsed. */
__attribute__((format(printf, 4, 5)))
static void refuse(connection *k, int code, const char *headers, const char *fmt, ...)
{
    char message[256];
    out body = {0};
    va_list args;
    va_start(args, fmt);
    vsnprintf(message, sizeof message, fmt, args);
    va_end(args);
    if (!k->now) k->now = exchange_open(k, 0);
    if (!k->now) {
        k->state = CLOSING;
        start_linger(k);
        return;
    }
    call *c = &k->now->c;
    if (c->head.chunked || c->head.length) k->keep_alive = false;
    error_body(&body, c->route ? c->route->shape : SHAPE_TEI, code, NULL, message);
    call_reply(c, code, "application/json", &body, headers);
    send_reply(k);
}

/* ---- a request's way: a step is false when it needs more bytes -------------------------------------------------- */

/* The call is on its way elsewhere. */
static void await_reply(connection *k)
{
    k->probed = false;
    event_del(k->deadline);
    set_reading(k, false);
    event_add(k->departure, NULL);
}

static bool dispatch(connection *k)
{
    exchange *e = k->now;
    http_server *s = k->home->server;
    if (e->bytes) {
        e->bytes[e->c.body_bytes] = 0;
        e->c.body = e->bytes;
    }
    e->c.read_ns = clock_ns();
    e->running = true;
    k->state = BUSY;
    if (e->c.body_bytes > INLINE_BODY_MAX && s->parsers_started) {
        await_reply(k);
        pthread_mutex_lock(&s->lock);
        STAILQ_INSERT_TAIL(&s->queue, e, next);
        pthread_cond_signal(&s->work);
        pthread_mutex_unlock(&s->lock);
        return true;
    }
    e->c.route->run(&e->c);
    e->running = false;
    if (e->replied) send_reply(k);
    else await_reply(k);
    return true;
}

static void refuse_route(connection *k, int code, const char *allow)
{
    http_server *s = k->home->server;
    call *c = &k->now->c;
    http_slice path = c->head.path;
    char headers[80] = "";
    if (code == 405) snprintf(headers, sizeof headers, "allow: %s\r\n", allow);
    for (int i = 0; i < s->limits.n_routes && !c->route; i++) { /* a path says no in its own shape */
        const route *r = &s->limits.routes[i];
        if (path.n == strlen(r->path) && !memcmp(path.p, r->path, path.n)) c->route = r;
    }
    if (code == 501) k->keep_alive = false; /* who knows what such a request means to what follows */
    refuse(k, code, headers, "%s: %.*s %.*s", code == 404 ? "no such path" : "no such method here",
           (int)c->head.method.n, c->head.method.p, path.n < 100 ? (int)path.n : 100, path.p);
}

/* Who answers, and how much they take, is settled before a byte of the body is invited or read. */
static bool accept_head(connection *k)
{
    http_server *s = k->home->server;
    call *c = &k->now->c;
    const http_request *r = &c->head;
    char allow[64];
    int code;
    c->route = route_find(s->limits.routes, s->limits.n_routes, r->method, r->path, &code, allow);
    if (!c->route) {
        refuse_route(k, code, allow);
        return true;
    }
    k->limit = c->route->body_limit ? c->route->body_limit : IGNORED_BODY_MAX;
    if (k->limit > (uint64_t)s->limits.max_body_bytes) k->limit = (size_t)s->limits.max_body_bytes;
    if (r->length > k->limit) {
        refuse(k, 413, NULL, "a body of %llu bytes, the limit is %zu", (unsigned long long)r->length, k->limit);
        return true;
    }
    if (!r->chunked && r->length == 0) return dispatch(k);
    if (r->expects_continue && evbuffer_get_length(bufferevent_get_input(k->stream)) == 0)
        deliver(k, &(struct iovec){interim, sizeof interim - 1}, 1, NULL);
    k->left = r->length;
    k->taken = 0;
    k->chunks = (http_chunks){0};
    k->state = r->chunked ? CHUNKS : BODY;
    add_timer(k->deadline, s->limits.body_ms);
    return true;
}

static bool take_head(connection *k, size_t n)
{
    struct evbuffer *in = bufferevent_get_input(k->stream);
    exchange *e = k->now = exchange_open(k, n);
    const char *why;
    if (!e) {
        refuse(k, 503, "retry-after: 1\r\n", "no memory for the request");
        return true;
    }
    evbuffer_remove(in, e->head, n);
    int code = http_parse_head(e->head, n, &e->c.head, &why);
    if (code) {
        refuse(k, code, NULL, "%s", why);
        return true;
    }
    count(&k->home->requests);
    k->keep_alive = e->c.head.keep_alive;
    k->is_head = e->c.head.method.n == 4 && !memcmp(e->c.head.method.p, "HEAD", 4);
    k->old = e->c.head.minor == 0;
    http_choose_id(e->c.request_id, http_field(&e->c.head, "x-request-id"), &k->home->ids);
    return accept_head(k);
}

static bool step_head(connection *k)
{
    struct evbuffer *in = bufferevent_get_input(k->stream);
    char lead[2];
    if (k->scanned < 2 && evbuffer_copyout(in, lead, 2) == 2 && lead[0] == '\r' && lead[1] == '\n') {
        evbuffer_drain(in, 2); /* a blank line may come first: RFC 9112, 2.2 */
        k->scanned = 0;
    }
    size_t have = evbuffer_get_length(in), look = have < HTTP_HEAD_MAX ? have : HTTP_HEAD_MAX;
    const char *p = look ? (const char *)evbuffer_pullup(in, (ev_ssize_t)look) : NULL;
    if (!p) return false;
    if (!k->begun) k->begun_ns = clock_ns();
    long end = http_head_end(p, look, k->scanned);
    k->scanned = look;
    if (end > 0) return take_head(k, (size_t)end);
    if (end < 0) {
        refuse(k, 400, NULL, "a bare LF or a control byte in the head");
    } else if (look == HTTP_HEAD_MAX) {
        bool line = memchr(p, '\n', HTTP_TARGET_MAX) != NULL;
        refuse(k, line ? 431 : 414, NULL, line ? "a head of more than 16 KiB" : "a target of more than 8 KiB");
    } else if (!k->begun) {
        k->begun = true;
        add_timer(k->deadline, k->home->server->limits.head_ms);
    }
    return false;
}

/* Moves n bytes of what was read into the body, or away where the route takes none. */
static bool take_body(connection *k, size_t n, size_t limit)
{
    struct evbuffer *in = bufferevent_get_input(k->stream);
    exchange *e = k->now;
    if (!e->c.route->body_limit) {
        evbuffer_drain(in, n);
        return true;
    }
    if (!exchange_reserve(e, n, limit)) {
        refuse(k, 503, "retry-after: 1\r\n", "no memory for the body: too many are being read");
        return false;
    }
    evbuffer_remove(in, e->bytes + e->c.body_bytes, n);
    e->c.body_bytes += n;
    return true;
}

static bool step_body(connection *k)
{
    size_t have = evbuffer_get_length(bufferevent_get_input(k->stream)), n = have < k->left ? have : (size_t)k->left;
    if (n && !take_body(k, n, (size_t)k->now->c.head.length)) return false;
    k->left -= n;
    return k->left == 0 && dispatch(k);
}

static bool step_chunks(connection *k)
{
    struct evbuffer *in = bufferevent_get_input(k->stream);
    size_t have = evbuffer_get_length(in), look = evbuffer_get_contiguous_space(in), used;
    const char *why;
    if (look <= HTTP_CHUNK_LINE_MAX) look = have <= HTTP_CHUNK_LINE_MAX ? have : HTTP_CHUNK_LINE_MAX + 1;
    const char *p = look ? (const char *)evbuffer_pullup(in, (ev_ssize_t)look) : NULL;
    if (!p) return false;
    switch (http_chunk_next(&k->chunks, p, look, &used, &why)) {
    case CHUNK_NEEDS_MORE: return false;
    case CHUNK_MALFORMED: refuse(k, 400, NULL, "%s", why); return false;
    case CHUNK_PAYLOAD: k->taken += used; return take_body(k, used, k->limit);
    case CHUNK_END: evbuffer_drain(in, used); return dispatch(k);
    case CHUNK_FRAMING: evbuffer_drain(in, used); break;
    }
    if (k->chunks.left <= k->limit - k->taken) return true;
    refuse(k, 413, NULL, "a chunk of %llu bytes after %zu, the limit is %zu", (unsigned long long)k->chunks.left, k->taken,
           k->limit);
    return false;
}

static void advance(connection *k)
{
    for (bool more = true; more;) {
        switch (k->state) {
        case HEAD: more = step_head(k); break;
        case BODY: more = step_body(k); break;
        case CHUNKS: more = step_chunks(k); break;
        case BUSY:
        case WRITING:
        case CLOSING: more = false; break;
        }
    }
}

/* ---- events of a connection ------------------------------------------------------------------------------------ */

static void connection_free(connection *k)
{
    http_server *s = k->home->server;
    exchange_free(k->now);
    if (k->departure) event_free(k->departure);
    if (k->deadline) event_free(k->deadline);
    LIST_REMOVE(k, all);
    bufferevent_free(k->stream);
    free(k);
    atomic_fetch_sub(&s->connections, 1);
}

/* Nobody reads the answer any more; the exchange waits alone for its wake. */
static void leave(connection *k)
{
    exchange *e = k->now;
    count(&k->home->gone);
    k->now = NULL;
    e->client = NULL;
    atomic_store_explicit(&e->left, true, memory_order_relaxed);
    if (!e->running && e->c.gone) e->c.gone(&e->c);
    connection_free(k);
}

/* BUSY, and the peer has stirred: left, finished sending, or sent more, behind which no event shows a departure. */
static void look_for_peer(connection *k)
{
    struct pollfd peer = {.fd = bufferevent_getfd(k->stream), .events = POLLRDHUP};
    poll(&peer, 1, 0);
    bool finished = peer.revents & POLLRDHUP;
    if ((peer.revents & (POLLERR | POLLHUP)) || (finished && k->old)) { /* 1.0 has no interim replies to ask with */
        leave(k);
    } else if (finished && !k->probed) {
        k->probed = true;
        deliver(k, &(struct iovec){interim, sizeof interim - 1}, 1, NULL);
        add_timer(k->deadline, PROBE_FIRST_MS);
    } else {
        add_timer(k->deadline, PROBE_MS);
    }
}

static void on_departure(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    look_for_peer(arg);
}

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    connection *k = arg;
    const http_limits *limits = &k->home->server->limits;
    if (k->state == BUSY) {
        look_for_peer(k);
    } else if (k->state == BODY || k->state == CHUNKS || (k->state == HEAD && k->begun)) {
        bool head = k->state == HEAD;
        count(&k->home->slow_closed);
        refuse(k, 408, NULL, "the %s was not complete after %d ms", head ? "head" : "body",
               head ? limits->head_ms : limits->body_ms);
    } else {
        connection_free(k);
    }
}

static void on_read(struct bufferevent *stream, void *arg)
{
    connection *k = arg;
    struct evbuffer *in = bufferevent_get_input(stream);
    if (k->state != CLOSING) {
        advance(k);
        return;
    }
    k->drained += evbuffer_get_length(in);
    evbuffer_drain(in, evbuffer_get_length(in));
    if (k->drained > LINGER_MAX) connection_free(k);
}

/* While draining an idle connection is closed, unless a request has already arrived at our kernel. */
static bool is_dispensable(connection *k)
{
    int waiting = 0;
    return k->state == HEAD && k->served && !k->begun && !evbuffer_get_length(bufferevent_get_input(k->stream)) &&
           ioctl(bufferevent_getfd(k->stream), FIONREAD, &waiting) == 0 && waiting == 0;
}

static void on_written(struct bufferevent *stream, void *arg)
{
    connection *k = arg;
    (void)stream;
    if (unsent(k)) return;
    if (k->state == CLOSING) {
        if (k->peer_done) connection_free(k);
        else start_linger(k);
    } else if (k->state == WRITING) {
        await_head(k);
        advance(k);
        if (atomic_load(&k->home->server->draining) && is_dispensable(k)) connection_free(k);
    }
}

static void on_event(struct bufferevent *stream, short what, void *arg)
{
    connection *k = arg;
    (void)stream;
    if ((what & BEV_EVENT_EOF) && k->state == CLOSING && unsent(k)) {
        k->peer_done = true; /* it has only finished sending */
        return;
    }
    if (what & BEV_EVENT_TIMEOUT) count(&k->home->slow_closed);
    connection_free(k);
}

/* ---- events of a loop ------------------------------------------------------------------------------------------ */

/* A socket that waited long enough may already hold a request: closing over unread bytes would turn the answer into a
 * reset, so they are taken first. */
static void turn_away(loop *l, int fd)
{
    char lines[HTTP_REPLY_LINES_MAX], id[HTTP_ID_MAX], trash[4096];
    out body = {0}, reply = {0};
    http_choose_id(id, (http_slice){NULL, 0}, &l->ids);
    error_body(&body, SHAPE_TEI, 503, NULL, "too many connections");
    http_reply_facts facts = {503, body.n, false, id};
    out_bytes(&reply, lines, http_reply_lines(lines, &l->date, &facts));
    out_text(&reply, "content-type: application/json\r\nretry-after: 1\r\n\r\n");
    out_bytes(&reply, body.p, body.n);
    while (recv(fd, trash, sizeof trash, MSG_DONTWAIT) == sizeof trash) {}
    if (!reply.failed) (void)!send(fd, reply.p, reply.n, MSG_DONTWAIT | MSG_NOSIGNAL);
    shutdown(fd, SHUT_WR);
    close(fd);
    count(&l->refused);
    out_free(&body);
    out_free(&reply);
}

static void connection_open(loop *l, int fd)
{
    http_server *s = l->server;
    struct timeval stall = {s->limits.write_stall_ms / 1000, s->limits.write_stall_ms % 1000 * 1000};
    if (atomic_fetch_add(&s->connections, 1) >= s->limits.max_connections) {
        atomic_fetch_sub(&s->connections, 1);
        turn_away(l, fd);
        return;
    }
    connection *k = calloc(1, sizeof *k);
    struct bufferevent *stream = k ? bufferevent_socket_new(l->base, fd, BEV_OPT_CLOSE_ON_FREE) : NULL;
    if (!stream) {
        free(k);
        close(fd);
        atomic_fetch_sub(&s->connections, 1);
        return;
    }
    k->home = l;
    k->stream = stream;
    LIST_INSERT_HEAD(&l->connections, k, all);
    k->deadline = event_new(l->base, -1, 0, on_deadline, k);
    /* EV_READ too: libevent reports a reset as readable, never as EV_CLOSED, and would spin on it unheard */
    k->departure = event_new(l->base, fd, EV_READ | EV_CLOSED, on_departure, k);
    if (!k->deadline || !k->departure) {
        connection_free(k);
        return;
    }
    count(&l->accepted);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    bufferevent_set_timeouts(stream, NULL, &stall);
    bufferevent_set_max_single_read(stream, READ_MAX);
    bufferevent_setwatermark(stream, EV_READ, 0, READ_MAX);
    bufferevent_setcb(stream, on_read, on_written, on_event, k);
    await_head(k);
    add_timer(k->deadline, s->limits.head_ms); /* who has just come has something to say */
}

/* False when nobody waits any more, or nobody can be let in now. */
static bool accept_one(loop *l)
{
    int fd = accept4(l->server->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
        l->resting = false;
        connection_open(l, fd);
        return true;
    }
    if (errno == ECONNABORTED || errno == EINTR) return true;
    if ((errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) && l->accepting) {
        if (!l->resting) log_line(LOG_WARN, "accept", "%s: connections wait", strerror(errno));
        l->resting = true; /* one line for a whole drought */
        event_del(l->listening);
        add_timer(l->resume, REST_MS);
    }
    return false;
}

static void on_listening(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    for (int i = 0; i < ACCEPTS_AT_ONCE && accept_one(arg); i++) {}
}

static void on_resume(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    event_add(((loop *)arg)->listening, NULL);
}

/* The last loop takes all that waits, then closes.  Closing resets whoever arrives in between, so from here on the
 * kernel drops what arrives: a client tries again a second later and is told at once that nobody listens. */
static void close_listener(loop *l)
{
    http_server *s = l->server;
    struct sock_filter drop = BPF_STMT(BPF_RET | BPF_K, 0);
    struct sock_fprog program = {.len = 1, .filter = &drop};
    setsockopt(s->listen_fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program);
    while (accept_one(l)) {}
    close(s->listen_fd);
    s->listen_fd = -1;
    atomic_store(&s->drained, true);
}

static void begin_drain(loop *l)
{
    l->accepting = false;
    event_del(l->listening);
    event_del(l->resume);
    if (atomic_fetch_sub(&l->server->accepting, 1) == 1) close_listener(l);
    for (connection *k = LIST_FIRST(&l->connections), *next; k; k = next) {
        next = LIST_NEXT(k, all);
        if (is_dispensable(k)) connection_free(k);
    }
}

static exchange *take_posted(loop *l, unsigned *what)
{
    pthread_mutex_lock(&l->lock);
    exchange *e = STAILQ_FIRST(&l->posted);
    if (e) {
        STAILQ_REMOVE_HEAD(&l->posted, next);
        *what = e->posted;
        e->posted = 0;
    }
    pthread_mutex_unlock(&l->lock);
    return e;
}

static void on_exchange(exchange *e, unsigned what)
{
    if (what & WOKEN) e->woken = true;
    if (what & RAN) {
        e->running = false;
        if (!e->client && !e->replied && !e->woken && e->c.gone) e->c.gone(&e->c);
    }
    if (e->running) return; /* woken before run() has returned */
    if (e->woken && !e->replied) e->c.finish(&e->c);
    if (!e->replied) return;
    connection *k = e->client;
    if (!k) {
        exchange_free(e);
        return;
    }
    send_reply(k);
    advance(k);
}

static void on_posting(evutil_socket_t fd, short what, void *arg)
{
    loop *l = arg;
    uint64_t n;
    unsigned posted;
    (void)what;
    (void)!read(fd, &n, sizeof n);
    for (exchange *e; (e = take_posted(l, &posted));) on_exchange(e, posted);
    if (l->accepting && atomic_load(&l->server->draining)) begin_drain(l);
    if (atomic_load(&l->server->stopping)) event_base_loopbreak(l->base);
}

static void *loop_run(void *arg)
{
    event_base_dispatch(((loop *)arg)->base);
    return NULL;
}

static void *parser_run(void *arg)
{
    http_server *s = arg;
    for (;;) {
        pthread_mutex_lock(&s->lock);
        while (STAILQ_EMPTY(&s->queue) && !s->ended) pthread_cond_wait(&s->work, &s->lock);
        exchange *e = s->ended ? NULL : STAILQ_FIRST(&s->queue);
        if (e) STAILQ_REMOVE_HEAD(&s->queue, next);
        pthread_mutex_unlock(&s->lock);
        if (!e) return NULL;
        if (atomic_load_explicit(&e->left, memory_order_relaxed)) e->replied = true; /* to nobody */
        else e->c.route->run(&e->c);
        exchange_post(e, RAN);
    }
}

/* ---- the server ------------------------------------------------------------------------------------------------ */

static status listen_on(http_server *s, error *err)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV}, *found = NULL;
    struct sockaddr_storage at;
    socklen_t n = sizeof at;
    char port[16];
    int why = 0;
    snprintf(port, sizeof port, "%d", s->limits.port);
    int failed = getaddrinfo(s->limits.host, port, &hints, &found);
    if (failed) return fail(err, IO_FAILED, "cannot listen on %s:%s: %s", s->limits.host, port, gai_strerror(failed));
    for (struct addrinfo *a = found; a && s->listen_fd < 0; a = a->ai_next) {
        int fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (fd >= 0) setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
        if (fd >= 0 && !bind(fd, a->ai_addr, a->ai_addrlen) && !listen(fd, SOMAXCONN)) {
            s->listen_fd = fd;
        } else {
            why = errno;
            if (fd >= 0) close(fd);
        }
    }
    freeaddrinfo(found);
    if (s->listen_fd < 0) return fail(err, IO_FAILED, "cannot listen on %s:%s: %s", s->limits.host, port, strerror(why));
    getsockname(s->listen_fd, (struct sockaddr *)&at, &n);
    s->port = ntohs(at.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&at)->sin6_port
                                             : ((struct sockaddr_in *)&at)->sin_port);
    return OK;
}

static status loop_open(http_server *s, loop *l, error *err)
{
    l->server = s;
    l->accepting = true;
    l->post_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    pthread_mutex_init(&l->lock, NULL); /* cannot fail with default attributes on Linux */
    STAILQ_INIT(&l->posted);
    s->loops_open++; /* loop_close() takes what is half open */
    (void)!getrandom(&l->ids, sizeof l->ids, 0);
    struct event_config *config = event_config_new();
    if (config) {
        event_config_require_features(config, EV_FEATURE_EARLY_CLOSE);
        /* a base belongs to one thread; and between two waits an interest changes often, to be told once */
        event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK | EVENT_BASE_FLAG_EPOLL_USE_CHANGELIST);
        l->base = event_base_new_with_config(config);
        event_config_free(config);
    }
    if (!l->base || l->post_fd < 0) return fail(err, IO_FAILED, "cannot make an event loop: %s", strerror(errno));
    l->listening = event_new(l->base, s->listen_fd, EV_READ | EV_PERSIST, on_listening, l);
    l->resume = event_new(l->base, -1, 0, on_resume, l);
    l->posting = event_new(l->base, l->post_fd, EV_READ | EV_PERSIST, on_posting, l);
    if (!l->listening || !l->resume || !l->posting || event_add(l->listening, NULL) || event_add(l->posting, NULL))
        return fail(err, NO_MEMORY, "no memory for an event loop");
    return OK;
}

static void loop_close(loop *l)
{
    while (!LIST_EMPTY(&l->connections)) connection_free(LIST_FIRST(&l->connections));
    while (!LIST_EMPTY(&l->exchanges)) exchange_free(LIST_FIRST(&l->exchanges));
    if (l->listening) event_free(l->listening);
    if (l->resume) event_free(l->resume);
    if (l->posting) event_free(l->posting);
    if (l->base) event_base_free(l->base);
    if (l->post_fd >= 0) close(l->post_fd);
    pthread_mutex_destroy(&l->lock);
}

/* Signals are the main thread's, but for those that a thread brings upon itself.  A blocked SIGPIPE is a plain EPIPE. */
static status start_threads(http_server *s, error *err)
{
    static const int own[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT};
    sigset_t blocked, before;
    int failed = 0;
    sigfillset(&blocked);
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) sigdelset(&blocked, own[i]);
    pthread_sigmask(SIG_BLOCK, &blocked, &before);
    for (int i = 0; i < s->limits.parse_threads && !failed; i++) {
        failed = pthread_create(&s->parsers[i], NULL, parser_run, s);
        s->parsers_started += !failed;
    }
    for (int i = 0; i < s->limits.loops && !failed; i++) {
        failed = pthread_create(&s->loops[i].thread, NULL, loop_run, &s->loops[i]);
        s->loops[i].started = !failed;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return failed ? fail(err, IO_FAILED, "cannot start a thread: %s", strerror(failed)) : OK;
}

status http_open(http_server **opened, http_limits limits, void *app, error *err)
{
    status rc = OK;
    *opened = NULL;
    if (limits.loops < 1 || limits.parse_threads < 0)
        return fail(err, BAD_INPUT, "%d loops and %d parse threads: at least 1 and 0", limits.loops, limits.parse_threads);
    http_server *s = calloc(1, sizeof *s);
    if (!s) return fail(err, NO_MEMORY, "no memory for a server");
    s->limits = limits;
    s->app = app;
    s->listen_fd = -1;
    atomic_store(&s->accepting, limits.loops);
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->work, NULL);
    STAILQ_INIT(&s->queue);
    s->loops = calloc((size_t)limits.loops, sizeof *s->loops);
    s->parsers = calloc((size_t)limits.parse_threads + 1, sizeof *s->parsers);
    if (!s->loops || !s->parsers) rc = fail(err, NO_MEMORY, "no memory for %d loops", limits.loops);
    if (rc == OK) rc = listen_on(s, err);
    for (int i = 0; i < limits.loops && rc == OK; i++) rc = loop_open(s, &s->loops[i], err);
    if (rc == OK) rc = start_threads(s, err);
    if (rc == OK) *opened = s;
    else http_close(s);
    return rc;
}

int http_port(const http_server *s) { return s->port; }

static void wake_loops(http_server *s)
{
    for (int i = 0; i < s->loops_open; i++) (void)!write(s->loops[i].post_fd, &(uint64_t){1}, sizeof(uint64_t));
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
    pthread_mutex_lock(&s->lock);
    s->ended = true;
    pthread_cond_broadcast(&s->work);
    pthread_mutex_unlock(&s->lock);
    for (int i = 0; i < s->parsers_started; i++) pthread_join(s->parsers[i], NULL);
    atomic_store(&s->stopping, true);
    wake_loops(s);
    for (int i = 0; i < s->loops_open; i++)
        if (s->loops[i].started) pthread_join(s->loops[i].thread, NULL);
    for (int i = 0; i < s->loops_open; i++) loop_close(&s->loops[i]);
    if (s->listen_fd >= 0) close(s->listen_fd);
    pthread_cond_destroy(&s->work);
    pthread_mutex_destroy(&s->lock);
    free(s->parsers);
    free(s->loops);
    free(s);
}

http_counts http_count(http_server *s)
{
    http_counts n = {.connections = atomic_load(&s->connections)};
    for (int i = 0; i < s->loops_open; i++) {
        loop *l = &s->loops[i];
        n.accepted += counted(&l->accepted);
        n.refused += counted(&l->refused);
        n.requests += counted(&l->requests);
        n.slow_closed += counted(&l->slow_closed);
        n.gone += counted(&l->gone);
    }
    return n;
}
