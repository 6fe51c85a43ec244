#include "live_server.h"
#include <CUnit/CUnit.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { WAITING_MAX = 1024, TOLD_MAX = 256 };

http_server *live_server;
int          live_port;
bool         live_wakes_early, live_dawdles;
bool         live_gone_wakes;
atomic_int   live_run, live_gone, live_freed, live_overlaps, live_ended;
const char   live_hello[] = "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n";

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static call           *waiting[WAITING_MAX]; /* handed over by run_wait(), until live_release() */
static int             n_waiting;
static atomic_int      running; /* run_wait() now */
static call_record     told[TOLD_MAX];

static void reply_bytes(call *c, const char *p, size_t n)
{
    out body = {0};
    out_bytes(&body, p, n);
    call_reply(c, 200, "text/plain", &body, "x-test: yes\r\n");
}

static void run_echo(call *c)
{
    atomic_fetch_add(&live_run, 1);
    reply_bytes(c, c->body, c->body_bytes);
}

static void run_hello(call *c) { reply_bytes(c, "hello", 5); }

static void run_openai(call *c) { call_refuse(c, 422, NULL, 0, "not \"this\""); }

static void run_peer(call *c)
{
    char text[32];
    reply_bytes(c, text, (size_t)snprintf(text, sizeof text, "%lld", (long long)c->peer_uid));
}

static void run_named(call *c)
{
    char text[160];
    const http_slice *w = c->wildcard;
    int n = snprintf(text, sizeof text, "%.*s", (int)w[0].n, w[0].p);
    if (w[1].n) n += snprintf(text + n, sizeof text - (size_t)n, " %.*s", (int)w[1].n, w[1].p);
    reply_bytes(c, text, (size_t)n);
}

static void run_busy(call *c) { call_refuse(c, 429, NULL, 7, "later"); }

static void run_no_key(call *c) { call_refuse(c, 401, NULL, 0, "no key"); }

static void run_failed(call *c)
{
    out body = {.failed = true};
    call_reply(c, 200, "text/plain", &body, NULL);
}

static void run_big(call *c)
{
    out body = {0};
    if (out_reserve(&body, LIVE_BIG_BYTES)) memset(body.p, 'b', body.n = LIVE_BIG_BYTES);
    call_reply(c, 200, "text/plain", &body, NULL);
}

static void free_wait(void *state)
{
    free(state);
    atomic_fetch_add(&live_freed, 1);
}

static void finish_wait(call *c)
{
    if (atomic_load(&running)) atomic_fetch_add(&live_overlaps, 1);
    reply_bytes(c, c->state, strlen(c->state));
}

static void gone_wait(call *c)
{
    if (c->state) atomic_fetch_add(&live_gone, 1);
    if (!live_gone_wakes) return;
    pthread_mutex_lock(&lock);
    for (int i = 0; i < n_waiting; i++)
        if (waiting[i] == c) waiting[i] = waiting[--n_waiting];
    pthread_mutex_unlock(&lock);
    call_wake(c);
}

static void run_wait(call *c)
{
    bool early = live_wakes_early;
    atomic_fetch_add(&running, 1);
    atomic_fetch_add(&live_run, 1);
    c->state = strdup(c->body_bytes < 100 ? c->body : "long");
    c->free_state = free_wait;
    c->finish = finish_wait;
    c->gone = gone_wait;
    if (early) call_wake(c);
    for (int i = 0; live_dawdles && i < 30; i++) live_nap();
    atomic_fetch_sub(&running, 1);
    if (early) return; /* c may be no more */
    pthread_mutex_lock(&lock);
    waiting[n_waiting++] = c;
    pthread_mutex_unlock(&lock);
}

static const route table[] = {
    {"POST", "/echo", run_echo, 1 << 20, SHAPE_TEI, "says it again"},
    {"GET", "/hello", run_hello, 0, SHAPE_TEI, "says hello"},
    {"POST", "/wait", run_wait, 1 << 20, SHAPE_TEI, "answers when released"},
    {"POST", "/small", run_echo, 10, SHAPE_TEI, "takes ten bytes"},
    {"POST", "/openai", run_openai, 1 << 20, SHAPE_OPENAI, "says no"},
    {"GET", "/busy", run_busy, 0, SHAPE_TEI, "says later"},
    {"GET", "/key", run_no_key, 0, SHAPE_TEI, "says who are you"},
    {"GET", "/failed", run_failed, 0, SHAPE_TEI, "had no memory"},
    {"GET", "/big", run_big, 0, SHAPE_TEI, "says much"},
    {"GET", "/peer", run_peer, 0, SHAPE_TEI, "says who asks"},
    {"GET", "/named/*", run_named, 0, SHAPE_TEI, "says its name"},
    {"POST", "/named/*/at/*", run_named, 1 << 20, SHAPE_OPENAI, "says both"},
};

static void take_ended(void *unused, int loop, const call_record *r)
{
    (void)unused, (void)loop;
    pthread_mutex_lock(&lock);
    told[atomic_load(&live_ended) % TOLD_MAX] = *r;
    atomic_fetch_add(&live_ended, 1);
    pthread_mutex_unlock(&lock);
}

http_limits live_limits(void)
{
    return (http_limits){
        .routes = table, .n_routes = sizeof table / sizeof *table, .host = "127.0.0.1", .loops = 2, .parse_threads = 2,
        .max_connections = 1000, .head_ms = 5000, .body_ms = 5000, .idle_ms = 60000, .write_stall_ms = 10000,
        .max_body_bytes = 1 << 20, .max_parsing_bytes = 64 << 20, .name = "loop", .ended = take_ended,
    };
}

void live_start(http_limits limits)
{
    error err = {""};
    n_waiting = 0;
    live_wakes_early = live_dawdles = live_gone_wakes = false;
    atomic_store(&live_ended, 0);
    atomic_store(&live_run, 0);
    atomic_store(&live_gone, 0);
    atomic_store(&live_freed, 0);
    atomic_store(&live_overlaps, 0);
    CU_ASSERT_EQUAL_FATAL(http_open(&live_server, limits, NULL, &err), OK);
    live_port = http_port(live_server);
}

call_record live_told(int i)
{
    pthread_mutex_lock(&lock);
    call_record r = told[i % TOLD_MAX];
    pthread_mutex_unlock(&lock);
    return r;
}

void live_nap(void) { nanosleep(&(struct timespec){0, 1000000}, NULL); }

void live_stop(void)
{
    EVENTUALLY(http_count(live_server).connections == 0);
    http_close(live_server);
}

int live_parked(void)
{
    pthread_mutex_lock(&lock);
    int n = n_waiting;
    pthread_mutex_unlock(&lock);
    return n;
}

static void *wake_all(void *unused)
{
    (void)unused;
    pthread_mutex_lock(&lock);
    for (int i = 0; i < n_waiting; i++) call_wake(waiting[i]);
    n_waiting = 0;
    pthread_mutex_unlock(&lock);
    return NULL;
}

void live_release(void) /* from a thread that is no loop's */
{
    pthread_t t;
    CU_ASSERT_EQUAL_FATAL(pthread_create(&t, NULL, wake_all, NULL), 0);
    pthread_join(t, NULL);
}

bool live_serves(void)
{
    client c;
    client_reply r = client_ask(&c, live_port, live_hello);
    bool good = r.status == 200 && !strcmp(r.body, "hello");
    client_close(&c);
    return good;
}

bool live_answers(const char *request, const char *body)
{
    client c;
    client_reply r = client_ask(&c, live_port, request);
    bool good = r.status == 200 && r.body_bytes == strlen(body) && !strcmp(r.body, body);
    client_close(&c);
    return good;
}

char *live_repeat(char ch, size_t n)
{
    char *p = malloc(n + 1);
    memset(p, ch, n);
    p[n] = 0;
    return p;
}
