/* http_exchange.h - one request and its reply, and the box by which other threads give it back to its loop.
 *
 * An exchange belongs to its loop.  run() may hold it on a parse thread, and whoever will call call_wake() may hold
 * its call: both end with exchange_post(), after which they touch it no more. */
#ifndef SERVER_HTTP_EXCHANGE_H
#define SERVER_HTTP_EXCHANGE_H
#include <pthread.h>
#include <stdatomic.h>
#include <sys/queue.h>
#include "http.h"

struct connection;                     /* http.c */
enum { EXCHANGE_RAN = 1, EXCHANGE_WOKEN = 2 }; /* run() has returned on a parse thread; call_wake() */

typedef struct { int64_t limit; atomic_int_fast64_t used; } exchange_budget; /* bytes of bodies, over all loops */

typedef struct {
    pthread_mutex_t lock;              /* guards posted, and what of its exchanges is said to be under it */
    STAILQ_HEAD(, exchange) posted;
    int             fd;                /* an eventfd, readable when something was posted */
} exchange_box;

typedef struct exchange {
    call               c;              /* first, so that a call is its exchange */
    exchange_box      *home;
    exchange_budget   *budget;
    struct connection *client;         /* NULL once it has left */
    atomic_bool        left;           /* the same, for a parse thread; relaxed: a late look costs one parse */
    bool               running;        /* run() has not returned */
    bool               woken, replied;
    char              *bytes;          /* [capacity] body and NUL */
    size_t             capacity;
    out                fields, reply;  /* the handler's lines of the head, with the blank one; the reply's body */
    unsigned           posted;         /* EXCHANGE_*, under the box's lock */
    STAILQ_ENTRY(exchange) next;       /* in the box, or in the parse threads' queue */
    LIST_ENTRY(exchange)   all;        /* of its loop */
    char               head[];
} exchange;

/* With room for a head; in no list yet.  NULL without memory. */
exchange *exchange_open(exchange_box *home, exchange_budget *budget, size_t head_bytes);
void      exchange_free(exchange *e); /* takes it out of `all`; NULL is fine */
/* Room for `more` bytes of a body that will not exceed `limit`; NULL without memory, or when the budget is used up. */
char     *exchange_room(exchange *e, size_t more, size_t limit);

status    exchange_box_open(exchange_box *b, error *err);
void      exchange_box_close(exchange_box *b); /* {0} is not fine */
void      exchange_box_wake(exchange_box *b);  /* makes fd readable */
void      exchange_post(exchange *e, unsigned what);         /* from any thread */
exchange *exchange_take(exchange_box *b, unsigned *what);    /* the next that was posted, and why; NULL: none */
#endif
