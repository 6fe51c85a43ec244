#include "http_parsers.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "runtime/base/flight.h"
#include "runtime/base/log.h"

struct http_parsers {
    pthread_mutex_t lock; /* guards queue, ended and numbered */
    pthread_cond_t  work;
    STAILQ_HEAD(, exchange) queue; /* bounded by the budget of bodies */
    bool            ended;
    int             started, numbered;
    pthread_t       threads[]; /* [started] */
};

static exchange *take(http_parsers *p)
{
    pthread_mutex_lock(&p->lock);
    while (STAILQ_EMPTY(&p->queue) && !p->ended) pthread_cond_wait(&p->work, &p->lock);
    exchange *e = p->ended ? NULL : STAILQ_FIRST(&p->queue);
    if (e) STAILQ_REMOVE_HEAD(&p->queue, next);
    pthread_mutex_unlock(&p->lock);
    return e;
}

static void *parse(void *arg)
{
    http_parsers *p = arg;
    char name[32];
    error err;
    pthread_mutex_lock(&p->lock);
    int number = p->numbered++;
    pthread_mutex_unlock(&p->lock);
    snprintf(name, sizeof name, "parse %d", number);
    if (flight_attach(name, &err) != OK) log_line(LOG_WARN, "flight", "%s", err.text);
    for (exchange *e; (e = take(p));) {
        if (atomic_load_explicit(&e->left, memory_order_relaxed)) e->replied = true; /* to nobody */
        else e->c.record.route->run(&e->c);
        exchange_post(e, EXCHANGE_RAN);
    }
    flight_detach();
    return NULL;
}

status http_parsers_open(http_parsers **opened, int threads, error *err)
{
    http_parsers *p = calloc(1, sizeof *p + (size_t)threads * sizeof *p->threads);
    *opened = NULL;
    if (!p) return fail(err, NO_MEMORY, "no memory for %d parse threads", threads);
    pthread_mutex_init(&p->lock, NULL); /* neither can fail with default attributes on Linux */
    pthread_cond_init(&p->work, NULL);
    STAILQ_INIT(&p->queue);
    while (p->started < threads) {
        int failed = pthread_create(&p->threads[p->started], NULL, parse, p);
        if (failed) {
            http_parsers_close(p);
            return fail(err, IO_FAILED, "cannot start a parse thread: %s", strerror(failed));
        }
        p->started++;
    }
    *opened = p;
    return OK;
}

void http_parsers_submit(http_parsers *p, exchange *e)
{
    pthread_mutex_lock(&p->lock);
    STAILQ_INSERT_TAIL(&p->queue, e, next);
    pthread_cond_signal(&p->work);
    pthread_mutex_unlock(&p->lock);
}

void http_parsers_close(http_parsers *p)
{
    if (!p) return;
    pthread_mutex_lock(&p->lock);
    p->ended = true;
    pthread_cond_broadcast(&p->work);
    pthread_mutex_unlock(&p->lock);
    for (int i = 0; i < p->started; i++) pthread_join(p->threads[i], NULL);
    pthread_cond_destroy(&p->work);
    pthread_mutex_destroy(&p->lock);
    free(p);
}
