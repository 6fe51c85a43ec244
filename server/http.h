/* http.h - connections: listen, read strictly, keep deadlines, answer.  Behind it alone is libevent.
 *
 *   accept -> HEAD -> BODY | CHUNKS -> BUSY -> WRITING -> HEAD ... -> CLOSING
 *                                       |
 *                 run() on the loop, or on a parse thread when the body is above 16 KiB
 *                                       |
 *                 replies at once, or call_wake() later from any thread -> finish() on the loop
 *
 * A connection and its call belong to one loop; other threads touch a call only through call_wake(). */
#ifndef SERVER_HTTP_H
#define SERVER_HTTP_H
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include "http_parse.h"
#include "out.h"
#include "routes.h"
#include "runtime/base/stage.h"
#include "runtime/base/status.h"

/* Why a request was not answered with 2xx: one reason each, as in /metrics.  FAILURE_NONE: by the status alone. */
typedef enum {
    FAILURE_NONE,
    FAILURE_INVALID,
    FAILURE_TOO_LONG,
    FAILURE_TOO_LARGE,
    FAILURE_OVERLOADED,
    FAILURE_DEADLINE,
    FAILURE_CANCELLED,
    FAILURE_BACKEND,
    FAILURE_DRAINING,
    FAILURES
} call_failure;

enum { CALL_ID_MAX = 72 };

/* What is known of a call, filled in on its way; the handler's part may stay 0. */
typedef struct {
    const route *route;  /* NULL: none was found */
    int status;          /* of the reply; 0: the client left first */
    char request_id[CALL_ID_MAX]; /* the client's x-request-id when it is sane, else made */
    stage_times times;
    call_failure failure;     /* the handler's word, where the status does not say it */
    const char *compute_type; /* "cpu", "cuda"; NULL: nothing was computed */
    int64_t sequences, tokens, characters;
} call_record;

typedef struct {
    const route *routes; /* [n_routes], outlives the server */
    int n_routes;
    const char *host; /* name or address; port 0: any free one */
    int port, loops, parse_threads, max_connections;
    int head_ms, body_ms, idle_ms, write_stall_ms; /* absolute deadlines, except write_stall: silence */
    int64_t max_body_bytes;                        /* the smaller of this and the route's counts */
    int64_t max_parsing_bytes;                     /* bodies held in memory at once, over all connections; above: 503 */
    const char *unix_path; /* not NULL: a socket there instead of host and port, mode 0600, for our own user and root; it
                              is removed when the server drains or closes */
    const char *certificate, *private_key; /* PEM files: TLS 1.2 or later; NULL: plain */
    /* On the loop, once a head was understood and before its body is read.  0: go on; else the status with which it is
     * refused, and why.  NULL: everyone may come in. */
    int (*admit)(void *app, const http_request *head, error *why);
    const char *name; /* of the threads, as the flight recorder shows them: "loop" gives "loop 0" */
    /* On the loop, once for each request that was answered, or whose client left after its head was seen to an end:
     * when the reply's last byte is with the kernel, or nobody can read it any more.  The times are settled.  What waits
     * when the server closes is told by http_close()'s thread.  NULL: nobody looks. */
    void (*ended)(void *app, int loop, const call_record *r);
} http_limits;

typedef struct call {
    call_record record;
    http_request head; /* slices into storage that lives as long as the call */
    const char *body;  /* [body_bytes], NUL follows */
    size_t body_bytes;
    int64_t peer_uid;      /* of who sits at the other end of a unix socket; -1: it is none */
    http_slice wildcard[2]; /* what the '*'s of the route's path stand for; slices of the head's target */
    void *app;   /* as given to http_open() */
    void *state; /* the handler's; free_state(state) runs on the loop when the call ends */
    void (*free_state)(void *state);
    void (*finish)(struct call *c); /* on the loop after call_wake(), never while run() goes on: must call_reply*() */
    void (*gone)(struct call *c);   /* on the loop while waiting: the client has left; the wake must still come, then
                                       finish(), whose reply goes nowhere.  May be NULL */
} call;

/* Exactly one of these two, once a call, from run() or finish().  `body` is taken over; `headers` is zero or more whole
 * lines "name: value\r\n".  The server adds date, content-length, connection, x-request-id, server-timing, TEI's x-*-time
 * and, where record.compute_type is set, its x-compute-*. */
void call_reply(call *c, int status, const char *content_type, out *body, const char *headers);
/* The error in the route's shape; type NULL: derived from the status; retry_after_s 0: none. */
void call_refuse(call *c, int status, const char *error_type, int retry_after_s, const char *message);
/* From any thread, once, after run() chose to wait. */
void call_wake(call *c);

/* The body of an error, also for those that have no route (TEI shape). */
void error_body(out *o, error_shape shape, int status, const char *error_type, const char *message);

typedef struct http_server http_server;
typedef struct {
    int64_t connections;       /* open now */
    int64_t accepted, refused; /* refused: beyond max_connections */
    int64_t requests;          /* heads understood */
    int64_t slow_closed;       /* a deadline passed amid a head, a body or a reply */
    int64_t gone;              /* clients that left before their reply */
} http_counts;

/* Binds and listens (several loops share one socket, so that none of its queue is lost) and starts the threads. */
status http_open(http_server **out, http_limits limits, void *app, error *err);
/* Reads certificate and key again, for connections from now on; when they are refused the old ones stay.  Any thread. */
status http_reload(http_server *s, error *err);
int http_port(const http_server *s);
/* Stops accepting after having taken every connection that waits in the listen queue; replies carry Connection: close;
 * idle connections close.  Does not wait. */
void http_drain(http_server *s);
bool http_idle(http_server *s); /* no connection is left */
/* Ends threads; open connections are cut, waiting calls end without a reply: no call_wake() may come any more. */
void http_close(http_server *s);
http_counts http_count(http_server *s);
#endif
