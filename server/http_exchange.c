#include "http_exchange.h"
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { BODY_FIRST = 16 << 10 /* a body's memory grows from here as bytes arrive, not as they are announced */ };

exchange *exchange_open(exchange_box *home, exchange_budget *budget, size_t head_bytes)
{
    exchange *e = calloc(1, sizeof *e + head_bytes);
    if (!e) return NULL;
    e->home = home;
    e->budget = budget;
    e->c.body = "";
    return e;
}

void exchange_free(exchange *e)
{
    if (!e) return;
    if (e->c.free_state) e->c.free_state(e->c.state);
    atomic_fetch_sub(&e->budget->used, (int64_t)e->capacity);
    LIST_REMOVE(e, all);
    out_free(&e->fields);
    out_free(&e->reply);
    free(e->bytes);
    free(e);
}

char *exchange_room(exchange *e, size_t more, size_t limit)
{
    size_t need = e->c.body_bytes + more + 1, capacity = e->capacity ? e->capacity * 2 : BODY_FIRST;
    if (need > e->capacity) {
        if (capacity > limit + 1) capacity = limit + 1;
        if (capacity < need) capacity = need;
        int64_t grown = (int64_t)(capacity - e->capacity);
        bool fits = atomic_fetch_add(&e->budget->used, grown) + grown <= e->budget->limit;
        char *bytes = fits ? realloc(e->bytes, capacity) : NULL;
        if (!bytes) {
            atomic_fetch_sub(&e->budget->used, grown);
            return NULL;
        }
        e->bytes = bytes;
        e->capacity = capacity;
    }
    return e->bytes + e->c.body_bytes;
}

status exchange_box_open(exchange_box *b, error *err)
{
    b->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (b->fd < 0) return fail(err, IO_FAILED, "cannot make an eventfd: %s", strerror(errno));
    pthread_mutex_init(&b->lock, NULL); /* cannot fail with default attributes on Linux */
    STAILQ_INIT(&b->posted);
    return OK;
}

void exchange_box_close(exchange_box *b)
{
    close(b->fd);
    pthread_mutex_destroy(&b->lock);
}

void exchange_box_wake(exchange_box *b)
{
    (void)!write(b->fd, &(uint64_t){1}, sizeof(uint64_t)); /* fails only when it is full, and so readable */
}

void exchange_post(exchange *e, unsigned what)
{
    exchange_box *b = e->home;
    pthread_mutex_lock(&b->lock);
    bool first = STAILQ_EMPTY(&b->posted); /* else its loop is awake already, and takes until nothing is left */
    if (!e->posted) STAILQ_INSERT_TAIL(&b->posted, e, next);
    e->posted |= what;
    pthread_mutex_unlock(&b->lock);
    if (first) exchange_box_wake(b);
}

exchange *exchange_take(exchange_box *b, unsigned *what)
{
    pthread_mutex_lock(&b->lock);
    exchange *e = STAILQ_FIRST(&b->posted);
    if (e) {
        STAILQ_REMOVE_HEAD(&b->posted, next);
        *what = e->posted;
        e->posted = 0;
    }
    pthread_mutex_unlock(&b->lock);
    return e;
}

void call_wake(call *c) { exchange_post((exchange *)c, EXCHANGE_WOKEN); }

static error_shape shape_of(const call *c) { return c->record.route ? c->record.route->shape : SHAPE_TEI; }

void call_reply(call *c, int code, const char *content_type, out *body, const char *headers)
{
    exchange *e = (exchange *)c;
    assert(!e->replied);
    e->replied = true;
    c->record.status = code;
    e->reply = *body;
    *body = (out){0};
    if (e->reply.failed) {
        out_free(&e->reply);
        c->record.status = 503;
        c->record.failure = FAILURE_OVERLOADED;
        error_body(&e->reply, shape_of(c), 503, NULL, "no memory for the reply");
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
    error_body(&body, shape_of(c), code, error_type, message);
    call_reply(c, code, "application/json", &body, headers);
}
