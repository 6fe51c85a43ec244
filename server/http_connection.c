/* http_connection.c - the states of a connection on a libevent bufferevent.
 *
 * A connection lives from accept to close; an exchange from a whole head to its reply or, where the client left first,
 * to the wake that must still come.
 *
 * While BUSY nothing is read, so that no work piles up; an own event tells when the peer stirs.  A FIN does not say
 * whether the client left or only finished sending, so an interim reply is sent, which HTTP/1.1 always allows: a
 * closed socket answers it with a reset, a half-closed one ignores it and gets its reply.
 *
 * Only event callbacks free a connection; what they call (advance, send_reply, refuse) never does. */
#include "http_connection.h"
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>
#include "http_chunk.h"
#include "runtime/base/clock.h"
#include "runtime/base/flight.h"

enum {
    READ_MAX = 64 << 10,         /* of one connection, unparsed */
    INLINE_BODY_MAX = 16 << 10,  /* a larger body is parsed off the loop */
    IGNORED_BODY_MAX = 16 << 10, /* of a route that takes none */
    LINGER_MS = 1000,
    LINGER_MAX = 1 << 20,
    PROBE_FIRST_MS = 1,
    PROBE_MS = 20,
    REQUESTS_MAX = 10000,        /* of one connection; its successor may find a less busy loop */
};
static char interim[] = "HTTP/1.1 100 Continue\r\n\r\n";

typedef enum { HEAD, BODY, CHUNKS, BUSY, WRITING, CLOSING } connection_state;

struct connection {
    http_loop          *home;
    struct bufferevent *stream;
    struct event       *deadline, *departure;
    exchange           *now;   /* from a whole head to the reply */
    connection_state    state;
    bool                reading, begun, keep_alive, is_head, old, probed, peer_done, encrypted;
    int64_t             peer_uid;
    int                 served;
    int64_t             begun_ns;
    size_t              scanned; /* bytes of an unfinished head that were searched */
    uint64_t            left;    /* BODY: bytes to come */
    size_t              limit, taken; /* of this body; CHUNKS: so much of it has come */
    size_t              drained; /* CLOSING: bytes swallowed */
    bool                owes;    /* a word about the reply that is not all with the kernel: */
    call_record         owed;
    http_chunks         chunks;
    LIST_ENTRY(connection) all;
};

/* ---- a request's end ------------------------------------------------------------------------------------------- */

static void tell(http_loop *l, call_record *r)
{
    const http_limits *limits = &l->server->limits;
    int64_t now_ns = r->times.at[STAGES] = clock_ns();
    stage_settle(&r->times);
    if (r->status && r->route && !strcmp(r->route->method, "POST"))
        flight_note(now_ns, FLIGHT_REQUEST, (uint32_t)r->status, (uint64_t)(now_ns - r->times.at[STAGE_READ]) / 1000,
                    (uint64_t)r->tokens);
    if (limits->ended) limits->ended(l->server->app, http_loop_number(l), r);
}

static void tell_cancelled(http_loop *l, call_record *r)
{
    r->status = 0;
    r->failure = FAILURE_CANCELLED;
    tell(l, r);
}

void connection_abandon(http_loop *l, exchange *e)
{
    tell_cancelled(l, &e->c.record);
    exchange_free(e);
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

/* What the socket takes at once, where nothing is to be encrypted, spares a round through the loop; the rest is left to
 * the bufferevent, the last part without a copy: *owned, which it lies in, is then taken.  false: no memory for it. */
static bool deliver(connection *k, struct iovec *part, int parts, char **owned)
{
    struct evbuffer *rest = bufferevent_get_output(k->stream);
    struct msghdr message = {.msg_iov = part, .msg_iovlen = (size_t)parts};
    evutil_socket_t fd = bufferevent_getfd(k->stream);
    ssize_t sent = k->encrypted || evbuffer_get_length(rest) ? -1 : sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
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
    return !failed;
}

/* All is in the kernel.  Closing now could turn it into a reset while the client still sends. */
static void start_linger(connection *k)
{
    if (k->encrypted) http_tls_finish(k->stream);
    shutdown(bufferevent_getfd(k->stream), SHUT_WR);
    http_add_timer(k->deadline, LINGER_MS);
}

static void await_head(connection *k)
{
    k->state = HEAD;
    k->begun = k->keep_alive = k->is_head = false;
    k->scanned = 0;
    http_add_timer(k->deadline, k->home->server->limits.idle_ms);
    set_reading(k, true);
}

/* k->now has its reply: sends it, and ends the exchange. */
static void send_reply(connection *k)
{
    exchange *e = k->now;
    call_record *r = &e->c.record;
    http_server *s = k->home->server;
    bool lost = e->fields.failed || e->reply.failed; /* not even memory for an error */
    bool keep = k->keep_alive && !lost && ++k->served < REQUESTS_MAX && !atomic_load(&s->draining);
    char lines[HTTP_REPLY_LINES_MAX];
    http_reply_facts facts = {r, e->reply.n, keep};
    r->times.at[STAGE_WRITE] = clock_ns();
    struct iovec part[3] = {
        {lines, http_reply_lines(lines, &k->home->date, &facts)},
        {e->fields.p, e->fields.n},
        {e->reply.p, k->is_head ? 0 : e->reply.n},
    };
    if (lost || !deliver(k, part, 3, &e->reply.p)) {
        r->status = 0;
        r->failure = FAILURE_OVERLOADED;
    }
    bool flushed = unsent(k) == 0;
    if (flushed) tell(k->home, r);
    else k->owed = *r;
    k->owes = !flushed;
    k->now = NULL;
    exchange_free(e);

    if (keep && flushed) {
        await_head(k);
    } else {
        event_del(k->deadline); /* from here the stall timer judges, until all is sent */
        k->state = keep ? WRITING : CLOSING;
        set_reading(k, !keep);
        if (flushed) start_linger(k);
    }
    event_del(k->departure); /* after reading is on again, for the same reason */
}

static void begin_exchange(connection *k, size_t head_bytes)
{
    http_loop *l = k->home;
    exchange *e = k->now = exchange_open(&l->box, &l->server->bodies, head_bytes);
    if (!e) return;
    e->client = k;
    e->c.app = l->server->app;
    e->c.peer_uid = k->peer_uid;
    e->c.record.times.at[STAGE_READ] = k->begun_ns;
    http_choose_id(e->c.record.request_id, (http_slice){NULL, 0}, &l->ids);
    LIST_INSERT_HEAD(&l->exchanges, e, all);
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
    if (!k->now) begin_exchange(k, 0);
    if (!k->now) {
        tell(k->home, &(call_record){.failure = FAILURE_OVERLOADED, .times.at[STAGE_READ] = k->begun_ns});
        k->state = CLOSING;
        start_linger(k);
        return;
    }
    call *c = &k->now->c;
    if (c->head.chunked || c->head.length) k->keep_alive = false;
    if (code == 503) c->record.failure = FAILURE_OVERLOADED; /* a server's own is for want of memory */
    error_body(&body, c->record.route ? c->record.route->shape : SHAPE_TEI, code, NULL, message);
    call_reply(c, code, "application/json", &body, headers);
    send_reply(k);
}

/* ---- a request's way: a step is false when it needs more bytes -------------------------------------------------- */

/* The call is on its way elsewhere. */
static void await_reply(connection *k)
{
    k->probed = false;
    event_del(k->deadline);
    event_add(k->departure, NULL); /* before the other ends: the kernel's interest stays as it is, without a call */
    set_reading(k, false);
}

static bool dispatch(connection *k)
{
    exchange *e = k->now;
    http_server *s = k->home->server;
    if (e->bytes) {
        e->bytes[e->c.body_bytes] = 0;
        e->c.body = e->bytes;
    }
    e->c.record.times.at[STAGE_PARSE] = clock_ns();
    e->running = true;
    k->state = BUSY;
    if (e->c.body_bytes > INLINE_BODY_MAX && s->parsers) {
        await_reply(k);
        http_parsers_submit(s->parsers, e);
        return true;
    }
    e->c.record.route->run(&e->c);
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
    for (int i = 0; i < s->limits.n_routes && !c->record.route; i++) { /* a path says no in its own shape */
        const route *r = &s->limits.routes[i];
        if (code != 404 && route_matches(r, path, c->wildcard)) c->record.route = r;
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
    const route *found = route_find(s->limits.routes, s->limits.n_routes, r->method, r->path, &code, allow);
    c->record.route = found;
    error why = {""};
    const int refused = s->limits.admit ? s->limits.admit(s->app, r, &why) : 0;
    if (refused) {
        refuse(k, refused, refused == 401 ? "www-authenticate: Bearer\r\n" : NULL, "%s", why.text);
        return true;
    }
    if (!found) {
        refuse_route(k, code, allow);
        return true;
    }
    (void)route_matches(found, r->path, c->wildcard);
    k->limit = found->body_limit ? found->body_limit : IGNORED_BODY_MAX;
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
    http_add_timer(k->deadline, s->limits.body_ms);
    return true;
}

static bool take_head(connection *k, size_t n)
{
    struct evbuffer *in = bufferevent_get_input(k->stream);
    const char *why;
    begin_exchange(k, n);
    exchange *e = k->now;
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
    http_count_one(&k->home->requests);
    k->keep_alive = e->c.head.keep_alive;
    k->is_head = e->c.head.method.n == 4 && !memcmp(e->c.head.method.p, "HEAD", 4);
    k->old = e->c.head.minor == 0;
    http_choose_id(e->c.record.request_id, http_field(&e->c.head, "x-request-id"), &k->home->ids);
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
        http_add_timer(k->deadline, k->home->server->limits.head_ms);
    }
    return false;
}

/* Moves n bytes of what was read into the body, or away where the route takes none. */
static bool take_body(connection *k, size_t n, size_t limit)
{
    struct evbuffer *in = bufferevent_get_input(k->stream);
    exchange *e = k->now;
    if (!e->c.record.route->body_limit) {
        evbuffer_drain(in, n);
        return true;
    }
    char *room = exchange_room(e, n, limit);
    if (!room) {
        refuse(k, 503, "retry-after: 1\r\n", "no memory for the body: too many are being read");
        return false;
    }
    evbuffer_remove(in, room, n);
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
    refuse(k, 413, NULL, "a chunk of %llu bytes after %zu, the limit is %zu", (unsigned long long)k->chunks.left,
           k->taken, k->limit);
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

/* ---- events ---------------------------------------------------------------------------------------------------- */

void connection_free(connection *k)
{
    http_server *s = k->home->server;
    if (k->now) connection_abandon(k->home, k->now);
    if (k->owes) tell_cancelled(k->home, &k->owed);
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
    http_count_one(&k->home->gone);
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
        http_add_timer(k->deadline, PROBE_FIRST_MS);
    } else {
        http_add_timer(k->deadline, PROBE_MS);
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
        http_count_one(&k->home->slow_closed);
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
bool connection_is_dispensable(connection *k)
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
    if (k->owes) tell(k->home, &k->owed);
    k->owes = false;
    if (k->state == CLOSING) {
        if (k->peer_done) connection_free(k);
        else start_linger(k);
    } else if (k->state == WRITING) {
        await_head(k);
        advance(k);
        if (atomic_load(&k->home->server->draining) && connection_is_dispensable(k)) connection_free(k);
    }
}

static void on_event(struct bufferevent *stream, short what, void *arg)
{
    connection *k = arg;
    (void)stream;
    if (what & BEV_EVENT_CONNECTED) return; /* the handshake is done */
    if ((what & BEV_EVENT_EOF) && k->state == CLOSING && unsent(k)) {
        k->peer_done = true; /* it has only finished sending */
        bufferevent_enable(k->stream, EV_WRITE); /* where it is encrypted, libevent has stopped */
        return;
    }
    if (what & BEV_EVENT_TIMEOUT) http_count_one(&k->home->slow_closed);
    if (k->state == BUSY) leave(k); /* an interim reply found no peer */
    else connection_free(k);
}

/* Who sits at the other end of a unix socket: -1 at any other. */
static int64_t uid_behind(const http_server *s, int fd)
{
    struct ucred peer;
    socklen_t n = sizeof peer;
    if (!s->limits.unix_path) return -1;
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n) ? UINT32_MAX : peer.uid;
}

static struct bufferevent *open_stream(http_loop *l, int fd)
{
    if (l->server->tls) return http_tls_stream(l->server->tls, l->base, fd);
    return bufferevent_socket_new(l->base, fd, BEV_OPT_CLOSE_ON_FREE);
}

void connection_open(http_loop *l, int fd)
{
    http_server *s = l->server;
    struct timeval stall = {s->limits.write_stall_ms / 1000, s->limits.write_stall_ms % 1000 * 1000};
    const int64_t uid = uid_behind(s, fd);
    const bool stranger = uid > 0 && uid != geteuid();
    connection *k = stranger ? NULL : calloc(1, sizeof *k);
    struct bufferevent *stream = k ? open_stream(l, fd) : NULL;
    if (stranger) http_count_one(&l->refused);
    if (!stream) {
        free(k);
        close(fd);
        atomic_fetch_sub(&s->connections, 1);
        return;
    }
    k->home = l;
    k->stream = stream;
    k->encrypted = s->tls;
    k->peer_uid = uid;
    LIST_INSERT_HEAD(&l->connections, k, all);
    k->deadline = event_new(l->base, -1, 0, on_deadline, k);
    /* Not EV_CLOSED: libevent reports a reset as readable, never as closed, and would spin on it unheard. */
    k->departure = event_new(l->base, fd, EV_READ, on_departure, k);
    if (!k->deadline || !k->departure) {
        connection_free(k);
        return;
    }
    http_count_one(&l->accepted);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    bufferevent_set_timeouts(stream, NULL, &stall);
    bufferevent_set_max_single_read(stream, READ_MAX);
    bufferevent_setwatermark(stream, EV_READ, 0, READ_MAX);
    bufferevent_setcb(stream, on_read, on_written, on_event, k);
    await_head(k);
    http_add_timer(k->deadline, s->limits.head_ms); /* who has just come has something to say */
}

void connection_reply(connection *k)
{
    send_reply(k);
    advance(k); /* the next request may have been read already */
}

connection *connection_next(connection *k) { return LIST_NEXT(k, all); }
