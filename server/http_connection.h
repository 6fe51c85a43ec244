/* http_connection.h - what http.c and http_connection.c share, and nobody else: a loop, and the life of a connection.
 *
 * Everything here belongs to the loop's thread, but for the atomics and the box. */
#ifndef SERVER_HTTP_CONNECTION_H
#define SERVER_HTTP_CONNECTION_H
#include <event2/event.h>
#include "http_exchange.h"
#include "http_parsers.h"
#include "http_reply.h"
#include "http_tls.h"

typedef struct connection connection;

typedef struct {
    http_server       *server;
    struct event_base *base;
    struct event      *listening, *resume, *posting;
    exchange_box       box;
    pthread_t          thread;
    bool               started;
    bool               draining;     /* it has begun to; of its server's flag it learns a little later */
    bool               resting;      /* out of descriptors since the last accept */
    uint64_t           ids;          /* state of the request ids */
    http_date          date;
    LIST_HEAD(, connection) connections;
    LIST_HEAD(, exchange)   exchanges; /* also those whose client has left */
    atomic_int_fast64_t accepted, refused, requests, slow_closed, gone; /* relaxed: statistics */
} http_loop;

struct http_server {
    http_limits     limits;
    void           *app;
    int             listen_fd;
    bool            owns_path;       /* what lies at limits.unix_path is ours */
    http_loop      *loops;           /* [limits.loops], of which loops_open */
    int             loops_open;
    http_tls       *tls;             /* NULL: plain */
    http_parsers   *parsers;         /* NULL: the loops run everything */
    exchange_budget bodies;
    atomic_int      connections, accepting; /* the latter: loops that still do */
    atomic_bool     draining, drained, stopping; /* drained: the listen queue has been taken and closed */
};

static inline int http_loop_number(const http_loop *l) { return (int)(l - l->server->loops); }

static inline void http_count_one(atomic_int_fast64_t *counter)
{
    atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

static inline void http_add_timer(struct event *timer, int ms)
{
    struct timeval after = {ms / 1000, ms % 1000 * 1000};
    event_add(timer, &after);
}

void        connection_open(http_loop *l, int fd);         /* takes fd over, already counted in `connections` */
void        connection_reply(connection *k);               /* its exchange has got its reply: sends it, goes on */
bool        connection_is_dispensable(connection *k);      /* idle, and no request has reached our kernel */
connection *connection_next(connection *k);                /* in its loop's list */
void        connection_free(connection *k);                /* with its exchange */
void        connection_abandon(http_loop *l, exchange *e); /* nobody reads its answer any more: says so, frees it */
#endif
