/* test_http.c - a real server with a small table of routes, and clients that write bytes on sockets.
 *
 * The numbers (H1, D74, O68 ...) are rows of the project's list of faults: each is a request or a behaviour with the
 * outcome that is required. */
#include <CUnit/CUnit.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <arpa/inet.h>
#include <time.h>
#include <unistd.h>
#include "runtime/base/log.h"
#include "server/http.h"
#include "tests/support/client.h"

enum { BIG_BYTES = 16 << 20, WAITING_MAX = 1024 };

static http_server *server;
static int          port;

/* ---- the routes under test ------------------------------------------------------------------------------------- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static call           *waiting[WAITING_MAX]; /* handed over by run_wait(), until release() */
static int             n_waiting, wake_early;
static atomic_int      n_run, n_gone, n_finished, n_freed;

static void reply_bytes(call *c, const char *p, size_t n)
{
    out body = {0};
    out_bytes(&body, p, n);
    call_reply(c, 200, "text/plain", &body, "x-test: yes\r\n");
}

static void run_echo(call *c)
{
    atomic_fetch_add(&n_run, 1);
    reply_bytes(c, c->body, c->body_bytes);
}

static void run_hello(call *c) { reply_bytes(c, "hello", 5); }

static void run_openai(call *c) { call_refuse(c, 422, NULL, 0, "not \"this\""); }

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
    if (out_reserve(&body, BIG_BYTES)) memset(body.p, 'b', body.n = BIG_BYTES);
    call_reply(c, 200, "text/plain", &body, NULL);
}

static void free_wait(void *state)
{
    free(state);
    atomic_fetch_add(&n_freed, 1);
}

static void finish_wait(call *c)
{
    atomic_fetch_add(&n_finished, 1);
    reply_bytes(c, c->state, strlen(c->state));
}

static void gone_wait(call *c)
{
    CU_ASSERT_PTR_NOT_NULL(c->state);
    atomic_fetch_add(&n_gone, 1);
}

static void run_wait(call *c)
{
    atomic_fetch_add(&n_run, 1);
    c->state = strdup(c->body_bytes < 100 ? c->body : "long");
    c->free_state = free_wait;
    c->finish = finish_wait;
    c->gone = gone_wait;
    if (wake_early) {
        call_wake(c);
        return;
    }
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
};

/* ---- help ------------------------------------------------------------------------------------------------------ */

static http_limits usual(void)
{
    return (http_limits){
        .routes = table, .n_routes = sizeof table / sizeof *table, .host = "127.0.0.1", .loops = 2, .parse_threads = 2,
        .max_connections = 1000, .head_ms = 5000, .body_ms = 5000, .idle_ms = 60000, .write_stall_ms = 10000,
        .max_body_bytes = 1 << 20, .max_parsing_bytes = 64 << 20,
    };
}

static void start(http_limits limits)
{
    error err = {""};
    n_waiting = wake_early = 0;
    atomic_store(&n_run, 0);
    atomic_store(&n_gone, 0);
    atomic_store(&n_finished, 0);
    atomic_store(&n_freed, 0);
    CU_ASSERT_EQUAL_FATAL(http_open(&server, limits, NULL, &err), OK);
    port = http_port(server);
}

static void nap(void) { nanosleep(&(struct timespec){0, 1000000}, NULL); }

#define EVENTUALLY(condition)                                      \
    do {                                                           \
        for (int naps = 0; !(condition) && naps < 10000; naps++) nap(); \
        CU_ASSERT(condition);                                      \
    } while (0)

/* Every client must have been closed. */
static void stop(void)
{
    EVENTUALLY(http_count(server).connections == 0);
    http_close(server);
}

static int parked(void)
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

static void release(void) /* from a thread that is no loop's */
{
    pthread_t t;
    CU_ASSERT_EQUAL_FATAL(pthread_create(&t, NULL, wake_all, NULL), 0);
    pthread_join(t, NULL);
}

static bool has(const client_reply *r, const char *name, const char *value)
{
    char seen[256];
    return r->status && client_field(r, name, seen, sizeof seen) && !strcmp(seen, value);
}

static const char hello[] = "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n";

/* The answer is `code` as JSON, then the connection ends: the tail that the server must not parse gets no answer. */
static void refused_bytes(const char *p, size_t n, int code, int or_code)
{
    client c;
    CU_ASSERT_FATAL(client_open(&c, port));
    client_send(&c, p, n);
    client_text(&c, hello);
    client_reply r = client_read_final(&c);
    CU_ASSERT(r.status == code || r.status == or_code);
    if (r.status != code && r.status != or_code) printf("\n%d for %.60s", r.status, p);
    CU_ASSERT(has(&r, "connection", "close") && has(&r, "content-type", "application/json"));
    CU_ASSERT(r.body && strstr(r.body, "\"error_type\":"));
    CU_ASSERT(client_ended(&c));
    client_close(&c);
}

static void refused(const char *request, int code, int or_code) { refused_bytes(request, strlen(request), code, or_code); }

static void refused_field(const char *field, int code, int or_code)
{
    char request[1024];
    snprintf(request, sizeof request, "POST /echo HTTP/1.1\r\nHost: a\r\n%s\r\n\r\n", field);
    refused(request, code, or_code);
}

static void refused_body(const char *body, int code)
{
    char request[1024];
    snprintf(request, sizeof request, "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n%s", body);
    refused(request, code, code);
}

static bool still_serves(void)
{
    client c;
    client_reply r = client_ask(&c, port, hello);
    bool good = r.status == 200 && !strcmp(r.body, "hello");
    client_close(&c);
    return good;
}

static bool answers(const char *request, const char *body)
{
    client c;
    client_reply r = client_ask(&c, port, request);
    bool good = r.status == 200 && r.body_bytes == strlen(body) && !strcmp(r.body, body);
    client_close(&c);
    return good;
}

static double cpu_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static char *repeat(char ch, size_t n)
{
    char *p = malloc(n + 1);
    memset(p, ch, n);
    p[n] = 0;
    return p;
}

/* ---- H: HTTP --------------------------------------------------------------------------------------------------- */

static void h1(void)
{
    start(usual());
    refused_field("Content-Length: 3\r\nTransfer-Encoding: chunked", 400, 400);
    refused_field("Transfer-Encoding: chunked\r\nContent-Length: 3", 400, 400);
    CU_ASSERT_EQUAL(atomic_load(&n_run), 0);
    stop();
}

static void h2(void)
{
    start(usual());
    refused_field("Transfer-Encoding: identity", 400, 501);
    refused_field("Transfer-Encoding: gzip", 400, 501);
    refused_field("Transfer-Encoding: xchunked", 400, 501);
    refused_field("Transfer-Encoding:", 400, 501);
    refused_field("Transfer-Encoding: gzip, chunked", 501, 501);
    stop();
}

static void h3(void)
{
    start(usual());
    refused_field("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", 400, 400);
    refused_field("Transfer-Encoding: chunked, chunked", 400, 400);
    refused_field("Transfer-Encoding: chunked, identity", 400, 400);
    stop();
}

static void h4(void)
{
    start(usual());
    refused("POST /echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400, 400);
    stop();
}

static void h5(void)
{
    start(usual());
    refused_field("Content-Length: 3\r\nContent-Length: 3", 400, 400);
    refused_field("Content-Length: 3\r\nContent-Length: 4", 400, 400);
    stop();
}

static void h6(void)
{
    static const char *const lengths[] = {"+5", "-5", "0x5", "5 5", "5, 5", "5.0", "1e2", "", "1000000000000000000000000000000",
                                          "18446744073709551621", "\"5\""};
    char field[128];
    start(usual());
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        snprintf(field, sizeof field, "Content-Length: %s", lengths[i]);
        refused_field(field, 400, 413);
    }
    stop();
}

static void h7(void)
{
    start(usual());
    refused_field("Content-Length : 3", 400, 400);
    refused_field("Content-Length\t: 3", 400, 400);
    stop();
}

static void h8(void)
{
    start(usual());
    refused_field("X-A: b\r\n c", 400, 400);
    refused_field("X-A: b\r\n\tc", 400, 400);
    refused("GET /hello HTTP/1.1\r\n Host: a\r\n\r\n", 400, 400);
    stop();
}

static void h9(void)
{
    start(usual());
    refused_field(": b", 400, 400);
    refused_field("X A: b", 400, 400);
    refused_field("X\"A: b", 400, 400);
    refused_field("X\xc3\xa9: b", 400, 400);
    refused_field("no colon", 400, 400);
    stop();
}

static void h10(void)
{
    static const char nul[] = "GET /hello HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n";
    start(usual());
    refused_bytes(nul, sizeof nul - 1, 400, 400);
    refused_field("X: a\rb", 400, 400);
    refused_field("X: a\nb", 400, 400);
    refused_field("X: a\x0b", 400, 400);
    refused_field("X: a\x7f", 400, 400);
    refused("GET /hello HTTP/1.1\nHost: a\n\n", 400, 400);
    stop();
}

static void h11(void)
{
    start(usual());
    refused("GET /hello HTTP/1.1\r\n\r\n", 400, 400);
    refused("GET /hello HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400, 400);
    refused("GET /hello HTTP/1.1\r\nHost: a/b\r\n\r\n", 400, 400);
    refused("GET /hello HTTP/1.1\r\nHost: a b\r\n\r\n", 400, 400);
    refused("GET /hello HTTP/1.1\r\nHost: u@a\r\n\r\n", 400, 400);
    CU_ASSERT(answers("GET /hello HTTP/1.0\r\n\r\n", "hello"));
    stop();
}

static void h12(void)
{
    start(usual());
    refused("GET /hello HTTP/2.0\r\nHost: a\r\n\r\n", 505, 505);
    refused("GET /hello HTTP/+1.1\r\nHost: a\r\n\r\n", 400, 400);
    refused("GET /hello HTTP/1.1x\r\nHost: a\r\n\r\n", 400, 400);
    refused("GET /hello HTTP/0.9\r\nHost: a\r\n\r\n", 505, 505);
    refused("GET /hello\r\n\r\n", 400, 400);
    stop();
}

static void h13(void)
{
    client c;
    start(usual());
    refused("BREW /hello HTTP/1.1\r\nHost: a\r\n\r\n", 501, 501);
    refused("get /hello HTTP/1.1\r\nHost: a\r\n\r\n", 501, 501);
    client_reply r = client_ask(&c, port, "PUT /hello HTTP/1.1\r\nHost: a\r\n\r\n");
    CU_ASSERT(r.status == 405 && has(&r, "allow", "GET, HEAD"));
    CU_ASSERT(strstr(r.body, "\"MethodNotAllowed\"") != NULL);
    client_text(&c, "GET /echo HTTP/1.1\r\nHost: a\r\n\r\n"); /* without a body nothing is in doubt: it lives on */
    r = client_read(&c);
    CU_ASSERT(r.status == 405 && has(&r, "allow", "POST"));
    client_close(&c);
    r = client_ask(&c, port, "GET /openai HTTP/1.1\r\nHost: a\r\n\r\n");
    CU_ASSERT(r.status == 405 && strstr(r.body, "{\"error\":{\"message\":") != NULL);
    client_close(&c);
    stop();
}

static void h14(void)
{
    static const char nul[] = "GET /he\0llo HTTP/1.1\r\nHost: a\r\n\r\n";
    start(usual());
    refused("GET /he llo HTTP/1.1\r\nHost: a\r\n\r\n", 400, 400);
    refused_bytes(nul, sizeof nul - 1, 400, 400);
    refused("GET /h\x80llo HTTP/1.1\r\nHost: a\r\n\r\n", 400, 400);
    refused("GET /hello#x HTTP/1.1\r\nHost: a\r\n\r\n", 400, 400);
    refused("GET hello HTTP/1.1\r\nHost: a\r\n\r\n", 400, 400);
    CU_ASSERT(answers("GET http://a:1/hello?x=y HTTP/1.1\r\nHost: a\r\n\r\n", "hello"));
    stop();
}

static void h15(void)
{
    char *long_text = repeat('a', 20000), *request = malloc(40000);
    start(usual());
    sprintf(request, "GET /%.*s HTTP/1.1\r\nHost: a\r\n\r\n", 8192, long_text);
    refused(request, 414, 414);
    sprintf(request, "GET /%s HTTP/1.1\r\nHost: a\r\n\r\n", long_text);
    refused(request, 414, 414);
    sprintf(request, "GET /%.*s HTTP/1.1\r\nHost: a\r\n\r\n", 8191, long_text);
    client c;
    client_reply r = client_ask(&c, port, request);
    CU_ASSERT_EQUAL(r.status, 404);
    client_close(&c);
    sprintf(request, "GET /hello HTTP/1.1\r\nHost: a\r\nX: %s\r\n\r\n", long_text);
    refused(request, 431, 431);
    strcpy(request, "GET /hello HTTP/1.1\r\nHost: a\r\n");
    for (int i = 0; i < 64; i++) strcat(request, "X: y\r\n");
    strcat(request, "\r\n");
    refused(request, 431, 431);
    stop();
    free(long_text);
    free(request);
}

static void h16(void)
{
    static const char *const sizes[] = {"0x3", "+3", " 3", "3 ", "", "3 junk", "3junk", "10000000000000000", "-3", "g"};
    char body[128];
    start(usual());
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        snprintf(body, sizeof body, "%s\r\nabc\r\n0\r\n\r\n", sizes[i]);
        refused_body(body, 400);
    }
    CU_ASSERT_EQUAL(atomic_load(&n_run), 0);
    stop();
}

static void h17(void)
{
    start(usual());
    refused_body("3\r\nabcX0\r\n\r\n", 400);
    refused_body("3\r\nabc\n0\r\n\r\n", 400);
    refused_body("3\r\nabc0\r\n\r\n", 400);
    refused_body("3\nabc\r\n0\r\n\r\n", 400);
    stop();
}

static void h18(void)
{
    static const char head[] = "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    char *request = malloc(200000), *x = repeat('x', 5000);
    start(usual());
    sprintf(request, "%s3;%s\r\nabc\r\n0\r\n\r\n", head, x);
    refused(request, 400, 400);
    size_t n = (size_t)sprintf(request, "%s0\r\n", head);
    for (int i = 0; i < 10; i++) n += (size_t)sprintf(request + n, "A: %.2000s\r\n", x);
    refused(request, 400, 400);
    n = (size_t)sprintf(request, "%s", head);
    for (int i = 0; i < 20000; i++) n += (size_t)sprintf(request + n, "1\r\nx\r\n");
    refused(request, 400, 400);
    stop();
    free(request);
    free(x);
}

static void h19(void)
{
    start(usual());
    CU_ASSERT(answers("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                      "3;name=value;x=\"y\"\r\nabc\r\n2\r\nde\r\n0;last\r\nX-Test: no\r\nContent-Length: 99\r\n\r\n",
                      "abcde"));
    stop();
}

static void h20(void)
{
    client c;
    start(usual());
    client_reply r = client_ask(&c, port, "POST /small HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\n"); /* no body yet */
    CU_ASSERT(r.status == 413 && has(&r, "connection", "close"));
    CU_ASSERT(client_ended(&c));
    client_close(&c);
    CU_ASSERT(answers("POST /small HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n0123456789", "0123456789"));
    r = client_ask(&c, port, "POST /small HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n8\r\n01234567\r\n3\r\n");
    CU_ASSERT_EQUAL(r.status, 413);
    CU_ASSERT(client_ended(&c));
    client_close(&c);
    r = client_ask(&c, port, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1048577\r\n\r\n");
    CU_ASSERT_EQUAL(r.status, 413);
    client_close(&c);
    /* who sends all of a refused body before reading still reads the refusal */
    char *body = repeat('x', 400000);
    CU_ASSERT_FATAL(client_open(&c, port));
    client_text(&c, "POST /small HTTP/1.1\r\nHost: a\r\nContent-Length: 400000\r\n\r\n");
    CU_ASSERT(client_send(&c, body, 400000));
    r = client_read(&c);
    CU_ASSERT_EQUAL(r.status, 413);
    client_close(&c);
    free(body);
    stop();
}

static void h21(void)
{
    client c;
    start(usual());
    CU_ASSERT_FATAL(client_open(&c, port));
    client_text(&c, "POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
    client_reply r = client_read(&c);
    CU_ASSERT_EQUAL(r.status, 100);
    client_text(&c, "abc");
    r = client_read(&c);
    CU_ASSERT(r.status == 200 && !strcmp(r.body, "abc"));
    client_close(&c);

    static const char *const unwelcome[] = {
        "POST /none HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n",
        "POST /small HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 300\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: a\r\nExpect: something\r\nContent-Length: 3\r\n\r\n",
    };
    static const int codes[] = {404, 413, 417};
    for (int i = 0; i < 3; i++) {
        CU_ASSERT_FATAL(client_open(&c, port));
        client_text(&c, unwelcome[i]);
        r = client_read(&c);
        CU_ASSERT_EQUAL(r.status, codes[i]);
        CU_ASSERT(client_ended(&c));
        client_close(&c);
    }
    stop();
}

static void h22(void)
{
    client c;
    start(usual());
    CU_ASSERT_FATAL(client_open(&c, port));
    client_text(&c, "HEAD /hello HTTP/1.1\r\nHost: a\r\n\r\n");
    client_reply r = client_read_head(&c);
    CU_ASSERT(r.status == 200 && has(&r, "content-length", "5"));
    client_text(&c, "HEAD /none HTTP/1.1\r\nHost: a\r\n\r\n");
    r = client_read_head(&c);
    CU_ASSERT_EQUAL(r.status, 404);
    client_text(&c, "GET /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc");
    r = client_read(&c);
    CU_ASSERT(r.status == 200 && !strcmp(r.body, "hello"));
    client_text(&c, "HEAD /hello HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n");
    r = client_read_head(&c);
    CU_ASSERT_EQUAL(r.status, 200);
    client_text(&c, hello);
    r = client_read(&c);
    CU_ASSERT(r.status == 200 && !strcmp(r.body, "hello"));
    client_close(&c);
    refused("GET /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 20000\r\n\r\n", 413, 413);
    stop();
}

static void h23(void)
{
    client c;
    char request[256], wanted[16];
    start(usual());
    CU_ASSERT_FATAL(client_open(&c, port));
    for (int i = 0; i < 50; i++) { /* the waiting ones must not be overtaken by the immediate ones behind them */
        snprintf(wanted, sizeof wanted, "%d", i);
        snprintf(request, sizeof request, "POST /%s HTTP/1.1\r\nHost: a\r\nContent-Length: %zu\r\n\r\n%s",
                 i % 3 == 1 ? "wait" : "echo", strlen(wanted), wanted);
        client_text(&c, request);
    }
    for (int i = 0; i < 50; i++) {
        if (i % 3 == 1) {
            EVENTUALLY(parked() == 1);
            CU_ASSERT(client_silent(&c, 2));
            release();
        }
        snprintf(wanted, sizeof wanted, "%d", i);
        client_reply r = client_read(&c);
        CU_ASSERT(r.status == 200 && !strcmp(r.body, wanted));
    }
    client_close(&c);
    stop();
}

static void h24(void)
{
    static const char request[] = "POST /echo?x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                                  "3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nA: b\r\n\r\n";
    client c;
    start(usual());
    CU_ASSERT_FATAL(client_open(&c, port));
    for (size_t i = 0; i + 1 < sizeof request; i++) {
        client_send(&c, request + i, 1);
        if (i % 8 == 0) nap();
    }
    client_reply r = client_read(&c);
    CU_ASSERT(r.status == 200 && !strcmp(r.body, "abcde"));
    client_close(&c);
    stop();
}

static void h25(void)
{
    static const char tls[] = "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";
    static const char zeros[16] = {0};
    start(usual());
    refused_bytes(tls, sizeof tls - 1, 400, 400);
    refused_bytes(zeros, sizeof zeros, 400, 400);
    refused("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, 400);
    refused_bytes("\xff\xfe\x80\x81\r\n\r\n", 8, 400, 400);
    stop();
}

static void h26(void)
{
    static const char *const paths[] = {"/../hello", "/%2e%2e/hello", "/./hello", "//hello", "/hello/", "/hello%00",
                                        "/%68ello", "/%c0%afhello", "/HELLO", "/hello/../hello", "/%"};
    char request[256];
    client c;
    start(usual());
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: a\r\n\r\n", paths[i]);
        client_reply r = client_ask(&c, port, request);
        CU_ASSERT_EQUAL(r.status, 404);
        CU_ASSERT(r.status == 404 && strstr(r.body, "\"NotFound\"") != NULL);
        client_close(&c);
    }
    stop();
}

static void h27(void)
{
    client c;
    start(usual());
    CU_ASSERT_FATAL(client_open(&c, port));
    client_text(&c, hello);
    client_finish(&c);
    client_reply r = client_read_final(&c);
    CU_ASSERT_EQUAL(r.status, 200);
    client_close(&c);

    CU_ASSERT_FATAL(client_open(&c, port));
    client_text(&c, "POST /wait HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc");
    client_finish(&c);
    EVENTUALLY(parked() == 1);
    r = client_read(&c);
    CU_ASSERT_EQUAL(r.status, 100); /* the question whether we are still there */
    CU_ASSERT(client_silent(&c, 60));
    release();
    r = client_read(&c);
    CU_ASSERT(r.status == 200 && !strcmp(r.body, "abc"));
    CU_ASSERT(client_ended(&c));
    client_close(&c);
    CU_ASSERT_EQUAL(atomic_load(&n_gone), 0);

    CU_ASSERT_FATAL(client_open(&c, port)); /* the same with a request pipelined behind */
    client_text(&c, "POST /wait HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc");
    EVENTUALLY(parked() == 1);
    client_text(&c, hello);
    client_finish(&c);
    release();
    r = client_read_final(&c);
    CU_ASSERT(r.status == 200 && !strcmp(r.body, "abc"));
    r = client_read_final(&c);
    CU_ASSERT(r.status == 200 && !strcmp(r.body, "hello"));
    client_close(&c);
    stop();
}

static void h28(void)
{
    static const struct { const char *request; bool keeps; } cases[] = {
        {"GET /hello HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, close\r\n\r\n", false},
        {"GET /hello HTTP/1.1\r\nHost: a\r\nConnection: x, CLOSE\r\nConnection: keep-alive\r\n\r\n", false},
        {"GET /hello HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\n\r\n", true},
        {"GET /hello HTTP/1.0\r\n\r\n", false},
        {"GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", true},
    };
    client c;
    start(usual());
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        client_reply r = client_ask(&c, port, cases[i].request);
        CU_ASSERT(r.status == 200 && has(&r, "connection", cases[i].keeps ? "keep-alive" : "close"));
        if (cases[i].keeps) {
            client_text(&c, hello);
            r = client_read(&c);
            CU_ASSERT_EQUAL(r.status, 200);
        } else {
            CU_ASSERT(client_ended(&c));
        }
        client_close(&c);
    }
    stop();
}

/* ---- D: departures and deadlines ------------------------------------------------------------------------------- */

static const char wait_request[] = "POST /wait HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc";

static void departs(void (*depart)(client *), const char *tail, const char *request)
{
    client c;
    start(usual());
    CU_ASSERT_FATAL(client_open(&c, port));
    client_text(&c, request);
    EVENTUALLY(parked() == 1);
    client_text(&c, tail);
    depart(&c);
    EVENTUALLY(atomic_load(&n_gone) == 1);
    EVENTUALLY(http_count(server).connections == 0);
    CU_ASSERT_EQUAL(http_count(server).gone, 1);
    CU_ASSERT_EQUAL(atomic_load(&n_freed), 0); /* the call lives until its wake */
    release();
    EVENTUALLY(atomic_load(&n_freed) == 1);
    CU_ASSERT(still_serves());
    stop();
}

static void d74(void)
{
    departs(client_close, "", wait_request);
    departs(client_reset, "", wait_request);
    departs(client_close, hello, wait_request);
    departs(client_reset, hello, wait_request);
    departs(client_finish, "", "POST /wait HTTP/1.0\r\nContent-Length: 3\r\n\r\nabc");
}

static void d74_parsing(void)
{
    client c;
    char *body = repeat('x', 100000);
    start(usual());
    CU_ASSERT_FATAL(client_open(&c, port));
    client_text(&c, "POST /wait HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n");
    client_send(&c, body, 100000);
    EVENTUALLY(parked() == 1);
    client_reset(&c);
    EVENTUALLY(atomic_load(&n_gone) == 1);
    release();
    EVENTUALLY(atomic_load(&n_freed) == 1);
    free(body);
    stop();
}

static void d74_many(void)
{
    client c[60];
    start(usual());
    for (int i = 0; i < 60; i++) {
        CU_ASSERT_FATAL(client_open(&c[i], port));
        client_text(&c[i], wait_request);
    }
    EVENTUALLY(parked() == 60);
    for (int i = 0; i < 60; i++) {
        if (i % 3 == 0) client_close(&c[i]);
        if (i % 3 == 1) client_finish(&c[i]);
    }
    EVENTUALLY(atomic_load(&n_gone) == 20);
    nanosleep(&(struct timespec){0, 50000000}, NULL);
    release();
    for (int i = 0; i < 60; i++) {
        if (i % 3 == 0) continue;
        client_reply r = client_read_final(&c[i]);
        CU_ASSERT(r.status == 200 && !strcmp(r.body, "abc"));
        client_close(&c[i]);
    }
    CU_ASSERT_EQUAL(atomic_load(&n_gone), 20);
    stop();
}

static void d75(void)
{
    client c;
    start(usual());
    for (int i = 0; i < 10; i++) {
        char some[1000];
        CU_ASSERT_FATAL(client_open(&c, port));
        client_text(&c, "GET /big HTTP/1.1\r\nHost: a\r\n\r\n");
        CU_ASSERT(recv(c.fd, some, sizeof some, 0) > 0);
        client_reset(&c);
    }
    EVENTUALLY(http_count(server).connections == 0);
    CU_ASSERT(still_serves());
    stop();
}

static void d81(void)
{
    static const char *const slow[] = {
        "GET /hel", "GET /hello HTTP/1.1\r\nHost: a\r\n", "\r\nG",
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc",
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5",
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: b\r\n",
    };
    http_limits limits = usual();
    client c;
    limits.head_ms = limits.body_ms = 60;
    start(limits);
    for (size_t i = 0; i < sizeof slow / sizeof *slow; i++) {
        CU_ASSERT_FATAL(client_open(&c, port));
        client_text(&c, slow[i]);
        client_reply r = client_read_final(&c);
        CU_ASSERT(r.status == 408 && has(&r, "connection", "close"));
        CU_ASSERT(client_ended(&c));
        client_close(&c);
        CU_ASSERT_EQUAL(http_count(server).slow_closed, (int64_t)i + 1);
    }
    /* a byte now and then does not move a deadline: the head is never complete, the connection ends all the same */
    CU_ASSERT_FATAL(client_open(&c, port));
    client_text(&c, "GET /hello HTTP/1.1\r\nX: ");
    for (int i = 0; i < 2000 && client_silent(&c, 5); i++) client_text(&c, "x");
    client_reply r = client_read(&c);
    CU_ASSERT_EQUAL(r.status, 408);
    client_close(&c);
    stop();
}

static void d81_idle(void)
{
    http_limits limits = usual();
    client c;
    limits.head_ms = limits.idle_ms = 50;
    start(limits);
    CU_ASSERT_FATAL(client_open(&c, port)); /* says nothing */
    CU_ASSERT(client_ended(&c));
    client_close(&c);
    client_reply r = client_ask(&c, port, hello); /* says nothing more */
    CU_ASSERT(r.status == 200 && has(&r, "connection", "keep-alive"));
    CU_ASSERT(client_ended(&c));
    client_close(&c);
    CU_ASSERT_EQUAL(http_count(server).slow_closed, 0);
    stop();
}

/* ---- O: overload ----------------------------------------------------------------------------------------------- */

static void o68(void)
{
    enum { IDLE = 450 };
    static client idle[IDLE];
    start(usual());
    for (int i = 0; i < IDLE; i++) CU_ASSERT_FATAL(client_open(&idle[i], port));
    for (int i = 0; i < 100; i++) CU_ASSERT(still_serves());
    for (int i = 0; i < IDLE; i += 50) {
        client_text(&idle[i], hello);
        client_reply r = client_read(&idle[i]);
        CU_ASSERT_EQUAL(r.status, 200);
    }
    for (int i = 0; i < IDLE; i++) client_close(&idle[i]);
    stop();
}

static void o69(void)
{
    http_limits limits = usual();
    client c[5], more;
    limits.max_connections = 5;
    start(limits);
    for (int i = 0; i < 5; i++) {
        client_reply r = client_ask(&c[i], port, hello);
        CU_ASSERT_EQUAL(r.status, 200);
    }
    CU_ASSERT_FATAL(client_open(&more, port));
    client_reply r = client_read(&more);
    CU_ASSERT(r.status == 503 && has(&r, "retry-after", "1") && strstr(r.body, "\"Unhealthy\""));
    CU_ASSERT(client_ended(&more));
    client_close(&more);
    CU_ASSERT_EQUAL(http_count(server).refused, 1);
    client_close(&c[0]);
    EVENTUALLY(http_count(server).connections == 4);
    CU_ASSERT(still_serves());
    for (int i = 1; i < 5; i++) client_close(&c[i]);
    stop();
}

static void o70(void)
{
    enum { N = 8 };
    client c[N];
    struct rlimit before, few;
    struct sockaddr_in at = {.sin_family = AF_INET};
    start(usual());
    log_set_level(LOG_ERROR);
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    at.sin_port = htons((unsigned short)port);
    for (int i = 0; i < N; i++) {
        CU_ASSERT_FATAL(client_open(&c[i], port)); /* for the timeouts; its socket is taken for another one */
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        close(c[i].fd);
        c[i].fd = fd;
    }
    EVENTUALLY(http_count(server).connections == 0);
    int next = dup(0); /* the lowest number that is free */
    close(next);
    getrlimit(RLIMIT_NOFILE, &before);
    few = (struct rlimit){(rlim_t)next + 2, before.rlim_max};
    setrlimit(RLIMIT_NOFILE, &few);
    for (int i = 0; i < N; i++) {
        CU_ASSERT_EQUAL(connect(c[i].fd, (struct sockaddr *)&at, sizeof at), 0);
        client_text(&c[i], hello);
    }
    nanosleep(&(struct timespec){0, 20000000}, NULL);
    double from = cpu_seconds();
    nanosleep(&(struct timespec){0, 300000000}, NULL);
    CU_ASSERT(cpu_seconds() - from < 0.1); /* of the two loops' 0.6 */
    CU_ASSERT(http_count(server).connections <= 2);
    setrlimit(RLIMIT_NOFILE, &before);
    for (int i = 0; i < N; i++) {
        client_reply r = client_read(&c[i]);
        CU_ASSERT_EQUAL(r.status, 200);
        client_close(&c[i]);
    }
    log_set_level(LOG_INFO);
    CU_ASSERT(still_serves());
    stop();
}

static void *flood(void *arg)
{
    client *c = arg;
    for (int i = 0; i < 5000 && client_text(c, hello); i++) {}
    client_finish(c);
    return NULL;
}

static void o71(void)
{
    http_limits limits = usual();
    client c;
    pthread_t t;
    int answered = 0;
    limits.loops = 1;
    start(limits);
    CU_ASSERT_FATAL(client_open(&c, port));
    CU_ASSERT_EQUAL_FATAL(pthread_create(&t, NULL, flood, &c), 0);
    for (int i = 0; i < 20; i++) CU_ASSERT(still_serves());
    while (client_read(&c).status == 200) answered++;
    CU_ASSERT_EQUAL(answered, 5000);
    pthread_join(t, NULL);
    client_close(&c);
    stop();
}

static void o72(void)
{
    enum { N = 30 };
    client c[N];
    http_limits limits = usual();
    limits.write_stall_ms = 100;
    start(limits);
    for (int i = 0; i < N; i++) {
        CU_ASSERT_FATAL(client_open(&c[i], port));
        client_text(&c[i], "GET /big HTTP/1.1\r\nHost: a\r\n\r\n"); /* and reads nothing */
    }
    EVENTUALLY(http_count(server).slow_closed == N);
    EVENTUALLY(http_count(server).connections == 0);
    CU_ASSERT(still_serves());
    for (int i = 0; i < N; i++) client_close(&c[i]);
    stop();
}

/* ---- what has no number ---------------------------------------------------------------------------------------- */

static void large_bodies_go_through_parse_threads_and_come_back_whole(void)
{
    client c;
    size_t n = 1 << 20;
    char *body = malloc(n), head[128];
    start(usual());
    for (size_t i = 0; i < n; i++) body[i] = (char)('a' + i * 7 % 26);
    CU_ASSERT_FATAL(client_open(&c, port));
    for (int i = 0; i < 3; i++) {
        snprintf(head, sizeof head, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: %zu\r\n\r\n", n - (size_t)i);
        client_text(&c, head);
        CU_ASSERT(client_send(&c, body, n - (size_t)i));
        client_reply r = client_read(&c);
        CU_ASSERT(r.status == 200 && r.body_bytes == n - (size_t)i && !memcmp(r.body, body, r.body_bytes));
    }
    client_text(&c, "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (size_t at = 0; at < n; at += 1 << 16) {
        client_text(&c, "10000\r\n");
        client_send(&c, body + at, 1 << 16);
        client_text(&c, "\r\n");
    }
    client_text(&c, "0\r\n\r\n");
    client_reply r = client_read(&c);
    CU_ASSERT(r.status == 200 && r.body_bytes == n && !memcmp(r.body, body, n));
    client_close(&c);
    free(body);
    stop();
}

static void without_parse_threads_a_loop_runs_large_bodies(void)
{
    http_limits limits = usual();
    client c;
    char *body = repeat('x', 100000);
    limits.parse_threads = 0;
    start(limits);
    CU_ASSERT_FATAL(client_open(&c, port));
    client_text(&c, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n");
    client_send(&c, body, 100000);
    client_reply r = client_read(&c);
    CU_ASSERT(r.status == 200 && r.body_bytes == 100000);
    client_close(&c);
    free(body);
    stop();
}

static void a_wake_before_run_returns_is_not_lost(void)
{
    client c;
    char *body = repeat('x', 50000);
    start(usual());
    wake_early = 1;
    CU_ASSERT_FATAL(client_open(&c, port));
    for (int i = 0; i < 200; i++) {
        client_text(&c, wait_request);
        client_reply r = client_read(&c);
        CU_ASSERT(r.status == 200 && !strcmp(r.body, "abc"));
    }
    for (int i = 0; i < 50; i++) { /* on a parse thread */
        client_text(&c, "POST /wait HTTP/1.1\r\nHost: a\r\nContent-Length: 50000\r\n\r\n");
        client_send(&c, body, 50000);
        client_reply r = client_read(&c);
        CU_ASSERT(r.status == 200 && !strcmp(r.body, "long"));
    }
    EVENTUALLY(atomic_load(&n_freed) == 250);
    client_close(&c);
    free(body);
    stop();
}

static void bodies_share_a_budget_of_memory(void)
{
    http_limits limits = usual();
    client c, other;
    char *body = repeat('x', 200000);
    limits.max_parsing_bytes = 300000;
    start(limits);
    CU_ASSERT_FATAL(client_open(&c, port));
    client_text(&c, "POST /wait HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n");
    client_send(&c, body, 200000);
    EVENTUALLY(parked() == 1);
    CU_ASSERT_FATAL(client_open(&other, port));
    client_text(&other, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n");
    client_send(&other, body, 200000);
    client_reply r = client_read(&other);
    CU_ASSERT(r.status == 503 && has(&r, "retry-after", "1"));
    client_close(&other);
    release();
    r = client_read(&c);
    CU_ASSERT_EQUAL(r.status, 200);
    client_text(&c, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n");
    client_send(&c, body, 200000);
    r = client_read(&c);
    CU_ASSERT(r.status == 200 && r.body_bytes == 200000);
    client_close(&c);
    free(body);
    stop();
}

static void a_reply_carries_the_servers_lines(void)
{
    client c;
    char date[64], id[100], other[100];
    struct tm tm = {0};
    start(usual());
    client_reply r = client_ask(&c, port, "GET /hello HTTP/1.1\r\nHost: a\r\nX-Request-Id: my-id_1.2:3\r\n\r\n");
    CU_ASSERT(has(&r, "x-request-id", "my-id_1.2:3") && has(&r, "content-length", "5") && has(&r, "x-test", "yes"));
    CU_ASSERT(has(&r, "content-type", "text/plain") && has(&r, "connection", "keep-alive"));
    CU_ASSERT(client_field(&r, "date", date, sizeof date));
    CU_ASSERT(strlen(date) == 29 && strptime(date, "%a, %d %b %Y %H:%M:%S GMT", &tm) != NULL);
    client_text(&c, "GET /hello HTTP/1.1\r\nHost: a\r\nX-Request-Id: no blanks\r\n\r\n");
    r = client_read(&c);
    CU_ASSERT(client_field(&r, "x-request-id", id, sizeof id) && strlen(id) == 16);
    client_text(&c, "GET /hello HTTP/1.1\r\nHost: a\r\nX-Request-Id: "
                    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n\r\n");
    r = client_read(&c);
    CU_ASSERT(client_field(&r, "x-request-id", other, sizeof other) && strlen(other) == 16 && strcmp(id, other));
    client_close(&c);
    stop();
}

static void refusals_carry_type_and_shape(void)
{
    client c;
    start(usual());
    client_reply r = client_ask(&c, port, "POST /openai HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
    CU_ASSERT_EQUAL(r.status, 422);
    CU_ASSERT_STRING_EQUAL(r.body, "{\"error\":{\"message\":\"not \\\"this\\\"\",\"type\":\"Validation\",\"param\":null,\"code\":422}}");
    client_text(&c, "GET /busy HTTP/1.1\r\nHost: a\r\n\r\n");
    r = client_read(&c);
    CU_ASSERT(r.status == 429 && has(&r, "retry-after", "7"));
    CU_ASSERT_STRING_EQUAL(r.body, "{\"error\":\"later\",\"error_type\":\"Overloaded\"}");
    client_text(&c, "GET /key HTTP/1.1\r\nHost: a\r\n\r\n");
    r = client_read(&c);
    CU_ASSERT(r.status == 401 && has(&r, "www-authenticate", "Bearer"));
    client_text(&c, "GET /failed HTTP/1.1\r\nHost: a\r\n\r\n");
    r = client_read(&c);
    CU_ASSERT(r.status == 503 && strstr(r.body, "\"Unhealthy\"") != NULL);
    client_close(&c);
    stop();
}

static void error_types_follow_the_status(void)
{
    static const struct { int code; const char *type; } cases[] = {
        {400, "Validation"}, {401, "Unauthorized"}, {404, "NotFound"}, {405, "MethodNotAllowed"}, {408, "Deadline"},
        {413, "Validation"}, {415, "Validation"}, {422, "Validation"}, {424, "Backend"}, {429, "Overloaded"},
        {431, "Validation"}, {500, "Backend"}, {503, "Unhealthy"}, {504, "Deadline"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        out o = {0};
        char wanted[128];
        error_body(&o, SHAPE_TEI, cases[i].code, NULL, "bad \xff\xc3 bytes\xe2\x82");
        out_bytes(&o, "", 1);
        snprintf(wanted, sizeof wanted,
                 "{\"error\":\"bad \xef\xbf\xbd\xef\xbf\xbd bytes\xef\xbf\xbd\xef\xbf\xbd\",\"error_type\":\"%s\"}", cases[i].type);
        CU_ASSERT_STRING_EQUAL(o.p, wanted);
        out_free(&o);
    }
    out o = {0};
    error_body(&o, SHAPE_TEI, 400, "Empty", "x");
    CU_ASSERT(o.n > 9 && !memcmp(o.p + o.n - 8, "\"Empty\"}", 8));
    out_free(&o);
}

static void a_slow_reader_gets_all_of_a_large_reply(void)
{
    client c;
    start(usual());
    CU_ASSERT_FATAL(client_open(&c, port));
    client_text(&c, "GET /big HTTP/1.1\r\nHost: a\r\n\r\n");
    client_text(&c, hello);
    nanosleep(&(struct timespec){0, 50000000}, NULL);
    client_reply r = client_read(&c);
    CU_ASSERT(r.status == 200 && r.body_bytes == BIG_BYTES && r.body[BIG_BYTES - 1] == 'b');
    r = client_read(&c);
    CU_ASSERT(r.status == 200 && !strcmp(r.body, "hello"));
    client_text(&c, "GET /big HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    client_finish(&c); /* a half close amid the reply is no departure */
    nanosleep(&(struct timespec){0, 20000000}, NULL);
    r = client_read(&c);
    CU_ASSERT(r.status == 200 && r.body_bytes == BIG_BYTES);
    CU_ASSERT(client_ended(&c));
    client_close(&c);
    stop();
}

static void blank_lines_before_a_head_are_skipped(void)
{
    start(usual());
    CU_ASSERT(answers("\r\nGET /hello HTTP/1.1\r\nHost: a\r\n\r\n", "hello"));
    stop();
}

static void a_drain_answers_all_who_came_and_closes_the_rest(void)
{
    enum { QUEUED = 100 };
    client idle, busy, queued[QUEUED];
    http_limits limits = usual();
    limits.head_ms = 500;
    start(limits);
    client_reply r = client_ask(&idle, port, hello);
    CU_ASSERT_EQUAL(r.status, 200);
    CU_ASSERT_FATAL(client_open(&busy, port));
    client_text(&busy, wait_request);
    EVENTUALLY(parked() == 1);
    for (int i = 0; i < QUEUED; i++) {
        CU_ASSERT_FATAL(client_open(&queued[i], port));
        if (i % 2) client_text(&queued[i], hello);
    }
    http_drain(server);
    for (int i = 0; i < QUEUED; i++) {
        if (i % 2 == 0) client_text(&queued[i], hello);
        r = client_read(&queued[i]);
        CU_ASSERT(r.status == 200);
        client_close(&queued[i]);
    }
    CU_ASSERT(client_ended(&idle));
    client_close(&idle);
    CU_ASSERT_FALSE(http_idle(server));
    release();
    r = client_read(&busy);
    CU_ASSERT(r.status == 200 && !strcmp(r.body, "abc") && has(&r, "connection", "close"));
    CU_ASSERT(client_ended(&busy));
    client_close(&busy);
    EVENTUALLY(http_idle(server));
    CU_ASSERT_FALSE(client_open(&busy, port)); /* nobody listens */
    stop();
}

/* Clients that come and go for the whole drain: whoever gets a connection gets an answer on it. */
static atomic_int came, lost;
static void *come_and_go(void *unused)
{
    (void)unused;
    for (;;) {
        client c;
        if (!client_open(&c, port)) return NULL;
        atomic_fetch_add(&came, 1);
        bool sent = client_text(&c, hello);
        if (!sent || client_read(&c).status != 200) atomic_fetch_add(&lost, 1);
        client_close(&c);
    }
}

static void a_drain_under_load_loses_nobody(void)
{
    pthread_t t[4];
    for (int round = 0; round < 3; round++) {
        start(usual());
        atomic_store(&came, 0);
        atomic_store(&lost, 0);
        for (int i = 0; i < 4; i++) CU_ASSERT_EQUAL_FATAL(pthread_create(&t[i], NULL, come_and_go, NULL), 0);
        EVENTUALLY(atomic_load(&came) > 100);
        http_drain(server);
        for (int i = 0; i < 4; i++) pthread_join(t[i], NULL);
        CU_ASSERT_EQUAL(atomic_load(&lost), 0);
        EVENTUALLY(http_idle(server));
        stop();
    }
}

static void closing_ends_calls_that_still_wait(void)
{
    client c;
    start(usual());
    CU_ASSERT_FATAL(client_open(&c, port));
    client_text(&c, wait_request);
    EVENTUALLY(parked() == 1);
    http_close(server);
    CU_ASSERT_EQUAL(atomic_load(&n_freed), 1);
    CU_ASSERT(client_ended(&c));
    client_close(&c);
}

static void a_taken_port_is_a_plain_refusal(void)
{
    http_server *second;
    error err = {""};
    start(usual());
    http_limits limits = usual();
    limits.port = port;
    CU_ASSERT_EQUAL(http_open(&second, limits, NULL, &err), IO_FAILED);
    CU_ASSERT_PTR_NULL(second);
    CU_ASSERT(strstr(err.text, "in use") != NULL);
    limits.loops = 0;
    CU_ASSERT_EQUAL(http_open(&second, limits, NULL, &err), BAD_INPUT);
    limits.loops = 1;
    limits.host = "no.such.host.invalid";
    CU_ASSERT_EQUAL(http_open(&second, limits, NULL, &err), IO_FAILED);
    stop();
}

void http_suite(CU_pSuite s)
{
    CU_add_test(s, "H1 Content-Length beside Transfer-Encoding is 400, and the tail is not parsed", h1);
    CU_add_test(s, "H2 any Transfer-Encoding but chunked is 400 or 501, and the tail is not parsed", h2);
    CU_add_test(s, "H3 chunked twice, or not last, is 400", h3);
    CU_add_test(s, "H4 Transfer-Encoding in HTTP/1.0 is 400", h4);
    CU_add_test(s, "H5 two Content-Length, even equal, are 400", h5);
    CU_add_test(s, "H6 a Content-Length that is not plain digits is 400 or 413", h6);
    CU_add_test(s, "H7 white space before the colon is 400", h7);
    CU_add_test(s, "H8 a folded line is 400", h8);
    CU_add_test(s, "H9 an empty or illegal field name is 400", h9);
    CU_add_test(s, "H10 NUL, bare CR, bare LF and controls in a value are 400", h10);
    CU_add_test(s, "H11 no Host, two, or an invalid one is 400", h11);
    CU_add_test(s, "H12 another version is 505, no version 400", h12);
    CU_add_test(s, "H13 an unknown method is 501, a wrong one 405 with Allow", h13);
    CU_add_test(s, "H14 a target with a blank, NUL, a high byte, # or without a slash is 400", h14);
    CU_add_test(s, "H15 a long target is 414, a long head or many fields 431", h15);
    CU_add_test(s, "H16 a chunk size that is not plain hexadecimal is 400", h16);
    CU_add_test(s, "H17 a chunk without its CR LF is 400", h17);
    CU_add_test(s, "H18 endless chunk lines, trailers or framing are 400", h18);
    CU_add_test(s, "H19 chunk extensions and trailers are ignored", h19);
    CU_add_test(s, "H20 a body over the limit is 413: by its length before it is read, by chunks at the limit", h20);
    CU_add_test(s, "H21 100 Continue comes only when head, route and size have passed; other Expect is 417", h21);
    CU_add_test(s, "H22 HEAD gets no body; a body of GET or HEAD is consumed or refused", h22);
    CU_add_test(s, "H23 pipelined requests are answered in order", h23);
    CU_add_test(s, "H24 a request that comes byte by byte is answered", h24);
    CU_add_test(s, "H25 binary bytes, a TLS hello and the HTTP/2 preface are 400", h25);
    CU_add_test(s, "H26 traversal, encoded dots, encoded NUL and overlong forms are 404", h26);
    CU_add_test(s, "H27 a half-closed client is answered", h27);
    CU_add_test(s, "H28 Connection is a list, and close wins", h28);
    CU_add_test(s, "D74 a client that leaves while it waits is noticed and counted, however it leaves", d74);
    CU_add_test(s, "D74 a client whose large body was parsed elsewhere is noticed too", d74_parsing);
    CU_add_test(s, "D74 of 60 waiting clients the 20 that left are told from the 20 that half-closed", d74_many);
    CU_add_test(s, "D75 a reset amid a reply leaks nothing", d75);
    CU_add_test(s, "D81 a slow head, body, chunk or trailer ends at its deadline with 408", d81);
    CU_add_test(s, "D81 a silent connection is closed", d81_idle);
    CU_add_test(s, "O68 450 idle connections leave others unharmed", o68);
    CU_add_test(s, "O69 a connection too many is 503, and there is room again when one closes", o69);
    CU_add_test(s, "O70 without descriptors nothing spins, and all who wait are served later", o70);
    CU_add_test(s, "O71 one client that floods leaves others their share", o71);
    CU_add_test(s, "O72 clients that do not read are closed", o72);
    CU_add_test(s, "large bodies go through the parse threads and come back whole", large_bodies_go_through_parse_threads_and_come_back_whole);
    CU_add_test(s, "without parse threads a loop runs large bodies", without_parse_threads_a_loop_runs_large_bodies);
    CU_add_test(s, "a wake before run() returns is not lost", a_wake_before_run_returns_is_not_lost);
    CU_add_test(s, "bodies share a budget of memory, beyond it is 503", bodies_share_a_budget_of_memory);
    CU_add_test(s, "a reply carries date, length, connection and request id", a_reply_carries_the_servers_lines);
    CU_add_test(s, "refusals carry the type and the shape of their route", refusals_carry_type_and_shape);
    CU_add_test(s, "error types follow the status, and messages are made UTF-8", error_types_follow_the_status);
    CU_add_test(s, "a slow reader gets all of a large reply, and the next", a_slow_reader_gets_all_of_a_large_reply);
    CU_add_test(s, "a blank line before a head is skipped", blank_lines_before_a_head_are_skipped);
    CU_add_test(s, "a drain answers all who came, then nobody listens", a_drain_answers_all_who_came_and_closes_the_rest);
    CU_add_test(s, "a drain under load loses nobody", a_drain_under_load_loses_nobody);
    CU_add_test(s, "closing ends calls that still wait", closing_ends_calls_that_still_wait);
    CU_add_test(s, "a taken port, no loops and an unknown host are refused with a reason", a_taken_port_is_a_plain_refusal);
}
