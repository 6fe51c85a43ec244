/* test_http.c - the server among many clients: departures, deadlines, overload, drain.
 *
 * The numbers (D74, O68 ...) are rows of the project's list of faults, each with the outcome that is required. */
#include <CUnit/CUnit.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
#include "runtime/base/log.h"
#include "tests/support/live_server.h"

static double cpu_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* ---- D: departures and deadlines ------------------------------------------------------------------------------- */

static const char wait_request[] = "POST /wait HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc";

static void departs(void (*depart)(client *), const char *tail, const char *request)
{
    client c;
    live_start(live_limits());
    CU_ASSERT_FATAL(client_open(&c, live_port));
    client_text(&c, request);
    EVENTUALLY(live_parked() == 1);
    client_text(&c, tail);
    depart(&c);
    EVENTUALLY(atomic_load(&live_gone) == 1);
    EVENTUALLY(http_count(live_server).connections == 0);
    CU_ASSERT_EQUAL(http_count(live_server).gone, 1);
    CU_ASSERT_EQUAL(atomic_load(&live_freed), 0); /* the call lives until its wake */
    live_release();
    EVENTUALLY(atomic_load(&live_freed) == 1);
    CU_ASSERT(live_serves());
    live_stop();
}

static void d74(void)
{
    departs(client_close, "", wait_request);
    departs(client_reset, "", wait_request);
    departs(client_close, live_hello, wait_request);
    departs(client_reset, live_hello, wait_request);
    departs(client_finish, "", "POST /wait HTTP/1.0\r\nContent-Length: 3\r\n\r\nabc");
}

static void d74_parsing(void)
{
    client c;
    char *body = live_repeat('x', 100000);
    live_start(live_limits());
    for (int dawdles = 0; dawdles < 2; dawdles++) { /* 1: leaves while run() goes on */
        live_dawdles = dawdles;
        CU_ASSERT_FATAL(client_open(&c, live_port));
        client_text(&c, "POST /wait HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n");
        client_send(&c, body, 100000);
        EVENTUALLY(dawdles ? atomic_load(&live_run) == 2 : live_parked() == 1);
        client_reset(&c);
        EVENTUALLY(http_count(live_server).connections == 0);
        EVENTUALLY(live_parked() == 1);
        EVENTUALLY(atomic_load(&live_gone) == dawdles + 1);
        live_release();
        EVENTUALLY(atomic_load(&live_freed) == dawdles + 1);
        CU_ASSERT_EQUAL(atomic_load(&live_gone), dawdles + 1); /* told once */
    }
    free(body);
    live_stop();
}

static void d74_many(void)
{
    client c[60];
    live_start(live_limits());
    for (int i = 0; i < 60; i++) {
        CU_ASSERT_FATAL(client_open(&c[i], live_port));
        client_text(&c[i], wait_request);
    }
    EVENTUALLY(live_parked() == 60);
    for (int i = 0; i < 60; i++) {
        if (i % 3 == 0) client_close(&c[i]);
        if (i % 3 == 1) client_finish(&c[i]);
    }
    EVENTUALLY(atomic_load(&live_gone) == 20);
    nanosleep(&(struct timespec){0, 50000000}, NULL);
    live_release();
    for (int i = 0; i < 60; i++) {
        if (i % 3 == 0) continue;
        client_reply r = client_read_final(&c[i]);
        CU_ASSERT(r.status == 200 && !strcmp(r.body, "abc"));
        client_close(&c[i]);
    }
    CU_ASSERT_EQUAL(atomic_load(&live_gone), 20);
    live_stop();
}

static void d75(void)
{
    client c;
    live_start(live_limits());
    for (int i = 0; i < 10; i++) {
        char some[1000];
        CU_ASSERT_FATAL(client_open(&c, live_port));
        client_text(&c, "GET /big HTTP/1.1\r\nHost: a\r\n\r\n");
        CU_ASSERT(recv(c.fd, some, sizeof some, 0) > 0);
        client_reset(&c);
    }
    EVENTUALLY(http_count(live_server).connections == 0);
    CU_ASSERT(live_serves());
    live_stop();
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
    http_limits limits = live_limits();
    client c;
    limits.head_ms = limits.body_ms = 60;
    live_start(limits);
    for (size_t i = 0; i < sizeof slow / sizeof *slow; i++) {
        client_reply r = client_ask(&c, live_port, live_hello); /* so that no deadline is left over from the accept */
        CU_ASSERT_EQUAL(r.status, 200);
        client_text(&c, slow[i]);
        r = client_read_final(&c);
        CU_ASSERT(r.status == 408 && client_has(&r, "connection", "close"));
        CU_ASSERT(client_ended(&c));
        client_close(&c);
        CU_ASSERT_EQUAL(http_count(live_server).slow_closed, (int64_t)i + 1);
    }
    /* a byte now and then does not move a deadline: the head is never complete, the connection ends all the same */
    CU_ASSERT_FATAL(client_open(&c, live_port));
    client_text(&c, "GET /hello HTTP/1.1\r\nX: ");
    for (int i = 0; i < 2000 && client_silent(&c, 5); i++) client_text(&c, "x");
    client_reply r = client_read(&c);
    CU_ASSERT_EQUAL(r.status, 408);
    client_close(&c);
    live_stop();
}

static void d81_idle(void)
{
    http_limits limits = live_limits();
    client c;
    limits.head_ms = limits.idle_ms = 50;
    live_start(limits);
    CU_ASSERT_FATAL(client_open(&c, live_port)); /* says nothing */
    CU_ASSERT(client_ended(&c));
    client_close(&c);
    client_reply r = client_ask(&c, live_port, live_hello); /* says nothing more */
    CU_ASSERT(r.status == 200 && client_has(&r, "connection", "keep-alive"));
    CU_ASSERT(client_ended(&c));
    client_close(&c);
    CU_ASSERT_EQUAL(http_count(live_server).slow_closed, 0);
    live_stop();
}

/* ---- O: overload ----------------------------------------------------------------------------------------------- */

static void o68(void)
{
    enum { IDLE = 450 };
    static client idle[IDLE];
    live_start(live_limits());
    for (int i = 0; i < IDLE; i++) CU_ASSERT_FATAL(client_open(&idle[i], live_port));
    for (int i = 0; i < 100; i++) CU_ASSERT(live_serves());
    for (int i = 0; i < IDLE; i += 50) {
        client_text(&idle[i], live_hello);
        client_reply r = client_read(&idle[i]);
        CU_ASSERT_EQUAL(r.status, 200);
    }
    for (int i = 0; i < IDLE; i++) client_close(&idle[i]);
    live_stop();
}

static void o69(void)
{
    http_limits limits = live_limits();
    client c[5], more;
    limits.max_connections = 5;
    live_start(limits);
    for (int i = 0; i < 5; i++) {
        client_reply r = client_ask(&c[i], live_port, live_hello);
        CU_ASSERT_EQUAL(r.status, 200);
    }
    CU_ASSERT_FATAL(client_open(&more, live_port));
    client_reply r = client_read(&more);
    CU_ASSERT(r.status == 503 && client_has(&r, "retry-after", "1") && strstr(r.body, "\"Unhealthy\""));
    CU_ASSERT(client_ended(&more));
    client_close(&more);
    CU_ASSERT_EQUAL(http_count(live_server).refused, 1);
    client_close(&c[0]);
    EVENTUALLY(http_count(live_server).connections == 4);
    CU_ASSERT(live_serves());
    for (int i = 1; i < 5; i++) client_close(&c[i]);
    live_stop();
}

static void o70(void)
{
    enum { N = 8 };
    client c[N];
    struct rlimit before, few;
    struct sockaddr_in at = {.sin_family = AF_INET};
    log_set_level(LOG_ERROR); /* the drought would be told */
    live_start(live_limits());
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    at.sin_port = htons((unsigned short)live_port);
    for (int i = 0; i < N; i++) {
        c[i] = (client){.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
        setsockopt(c[i].fd, SOL_SOCKET, SO_RCVTIMEO, &(struct timeval){10, 0}, sizeof(struct timeval));
    }
    int next = dup(0); /* the lowest number that is free */
    close(next);
    getrlimit(RLIMIT_NOFILE, &before);
    few = (struct rlimit){(rlim_t)next + 2, before.rlim_max};
    setrlimit(RLIMIT_NOFILE, &few);
    for (int i = 0; i < N; i++) {
        CU_ASSERT_EQUAL(connect(c[i].fd, (struct sockaddr *)&at, sizeof at), 0);
        client_text(&c[i], live_hello);
    }
    nanosleep(&(struct timespec){0, 20000000}, NULL);
    double from = cpu_seconds();
    nanosleep(&(struct timespec){0, 300000000}, NULL);
    CU_ASSERT(cpu_seconds() - from < 0.1); /* of the two loops' 0.6 */
    CU_ASSERT(http_count(live_server).connections <= 2);
    setrlimit(RLIMIT_NOFILE, &before);
    for (int i = 0; i < N; i++) {
        client_reply r = client_read(&c[i]);
        CU_ASSERT_EQUAL(r.status, 200);
        client_close(&c[i]);
    }
    CU_ASSERT(live_serves());
    live_stop();
    log_set_level(LOG_INFO);
}

static void *flood(void *arg)
{
    client *c = arg;
    for (int i = 0; i < 5000 && client_text(c, live_hello); i++) {}
    client_finish(c);
    return NULL;
}

static void o71(void)
{
    http_limits limits = live_limits();
    client c;
    pthread_t t;
    int answered = 0;
    limits.loops = 1;
    live_start(limits);
    CU_ASSERT_FATAL(client_open(&c, live_port));
    CU_ASSERT_EQUAL_FATAL(pthread_create(&t, NULL, flood, &c), 0);
    for (int i = 0; i < 20; i++) CU_ASSERT(live_serves());
    while (client_read(&c).status == 200) answered++;
    CU_ASSERT_EQUAL(answered, 5000);
    pthread_join(t, NULL);
    client_close(&c);
    live_stop();
}

static void o72(void)
{
    enum { N = 30 };
    client c[N];
    http_limits limits = live_limits();
    limits.write_stall_ms = 100;
    live_start(limits);
    for (int i = 0; i < N; i++) {
        CU_ASSERT_FATAL(client_open(&c[i], live_port));
        client_text(&c[i], "GET /big HTTP/1.1\r\nHost: a\r\n\r\n"); /* and reads nothing */
    }
    EVENTUALLY(http_count(live_server).slow_closed == N);
    EVENTUALLY(http_count(live_server).connections == 0);
    CU_ASSERT(live_serves());
    for (int i = 0; i < N; i++) client_close(&c[i]);
    live_stop();
}

/* ---- what has no number ---------------------------------------------------------------------------------------- */

static void large_bodies_come_back_whole(void)
{
    client c;
    size_t n = 1 << 20;
    char *body = malloc(n), head[128];
    live_start(live_limits());
    for (size_t i = 0; i < n; i++) body[i] = (char)('a' + i * 7 % 26);
    CU_ASSERT_FATAL(client_open(&c, live_port));
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
    live_stop();
}

static void without_parse_threads_a_loop_runs_large_bodies(void)
{
    http_limits limits = live_limits();
    client c;
    char *body = live_repeat('x', 100000);
    limits.parse_threads = 0;
    live_start(limits);
    CU_ASSERT_FATAL(client_open(&c, live_port));
    client_text(&c, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n");
    client_send(&c, body, 100000);
    client_reply r = client_read(&c);
    CU_ASSERT(r.status == 200 && r.body_bytes == 100000);
    client_close(&c);
    free(body);
    live_stop();
}

static void a_wake_before_run_returns_is_not_lost(void)
{
    client c;
    char *body = live_repeat('x', 50000);
    live_start(live_limits());
    live_wakes_early = 1;
    CU_ASSERT_FATAL(client_open(&c, live_port));
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
    EVENTUALLY(atomic_load(&live_freed) == 250);
    live_dawdles = true;
    client_text(&c, "POST /wait HTTP/1.1\r\nHost: a\r\nContent-Length: 50000\r\n\r\n");
    client_send(&c, body, 50000);
    client_reply last = client_read(&c);
    CU_ASSERT_EQUAL(last.status, 200);
    CU_ASSERT_EQUAL(atomic_load(&live_overlaps), 0);
    client_close(&c);
    free(body);
    live_stop();
}

static void bodies_share_a_budget_of_memory(void)
{
    http_limits limits = live_limits();
    client c, other;
    char *body = live_repeat('x', 200000);
    limits.max_parsing_bytes = 300000;
    live_start(limits);
    CU_ASSERT_FATAL(client_open(&c, live_port));
    client_text(&c, "POST /wait HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n");
    client_send(&c, body, 200000);
    EVENTUALLY(live_parked() == 1);
    CU_ASSERT_FATAL(client_open(&other, live_port));
    client_text(&other, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n");
    client_send(&other, body, 200000);
    client_reply r = client_read(&other);
    CU_ASSERT(r.status == 503 && client_has(&r, "retry-after", "1"));
    client_close(&other);
    live_release();
    r = client_read(&c);
    CU_ASSERT_EQUAL(r.status, 200);
    client_text(&c, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n");
    client_send(&c, body, 200000);
    r = client_read(&c);
    CU_ASSERT(r.status == 200 && r.body_bytes == 200000);
    client_close(&c);
    free(body);
    live_stop();
}

static void a_reply_carries_the_servers_lines(void)
{
    client c;
    char date[64], id[100], other[100];
    struct tm tm = {0};
    live_start(live_limits());
    client_reply r = client_ask(&c, live_port, "GET /hello HTTP/1.1\r\nHost: a\r\nX-Request-Id: my-id_1.2:3\r\n\r\n");
    CU_ASSERT(client_has(&r, "x-request-id", "my-id_1.2:3") && client_has(&r, "x-test", "yes"));
    CU_ASSERT(client_has(&r, "content-length", "5"));
    CU_ASSERT(client_has(&r, "content-type", "text/plain") && client_has(&r, "connection", "keep-alive"));
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
    live_stop();
}

static void refusals_carry_type_and_shape(void)
{
    client c;
    live_start(live_limits());
    client_reply r = client_ask(&c, live_port, "POST /openai HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
    CU_ASSERT_EQUAL(r.status, 422);
    CU_ASSERT_STRING_EQUAL(r.body, "{\"error\":{\"message\":\"not \\\"this\\\"\",\"type\":\"Validation\","
                                   "\"param\":null,\"code\":422}}");
    client_text(&c, "GET /busy HTTP/1.1\r\nHost: a\r\n\r\n");
    r = client_read(&c);
    CU_ASSERT(r.status == 429 && client_has(&r, "retry-after", "7"));
    CU_ASSERT_STRING_EQUAL(r.body, "{\"error\":\"later\",\"error_type\":\"Overloaded\"}");
    client_text(&c, "GET /key HTTP/1.1\r\nHost: a\r\n\r\n");
    r = client_read(&c);
    CU_ASSERT(r.status == 401 && client_has(&r, "www-authenticate", "Bearer"));
    client_text(&c, "GET /failed HTTP/1.1\r\nHost: a\r\n\r\n");
    r = client_read(&c);
    CU_ASSERT(r.status == 503 && strstr(r.body, "\"Unhealthy\"") != NULL);
    client_close(&c);
    live_stop();
}

static void error_types_follow_the_status(void)
{
    static const struct { int code; const char *type; } cases[] = {
        {400, "Validation"}, {401, "Unauthorized"}, {403, "Forbidden"}, {404, "NotFound"}, {405, "MethodNotAllowed"},
        {408, "Deadline"}, {409, "Conflict"}, {413, "Validation"}, {415, "Validation"}, {421, "Misdirected"},
        {422, "Validation"}, {424, "Backend"}, {429, "Overloaded"}, {431, "Validation"}, {500, "Backend"},
        {503, "Unhealthy"}, {504, "Deadline"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        out o = {0};
        char wanted[128];
        error_body(&o, SHAPE_TEI, cases[i].code, NULL, "bad \xff\xc3 bytes\xe2\x82");
        out_bytes(&o, "", 1);
        snprintf(wanted, sizeof wanted,
                 "{\"error\":\"bad \xef\xbf\xbd\xef\xbf\xbd bytes\xef\xbf\xbd\xef\xbf\xbd\",\"error_type\":\"%s\"}",
                 cases[i].type);
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
    live_start(live_limits());
    CU_ASSERT_FATAL(client_open(&c, live_port));
    client_text(&c, "GET /big HTTP/1.1\r\nHost: a\r\n\r\n");
    client_text(&c, live_hello);
    nanosleep(&(struct timespec){0, 50000000}, NULL);
    client_reply r = client_read(&c);
    CU_ASSERT(r.status == 200 && r.body_bytes == LIVE_BIG_BYTES && r.body[LIVE_BIG_BYTES - 1] == 'b');
    r = client_read(&c);
    CU_ASSERT(r.status == 200 && !strcmp(r.body, "hello"));
    client_text(&c, "GET /big HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    client_finish(&c); /* a half close amid the reply is no departure */
    nanosleep(&(struct timespec){0, 20000000}, NULL);
    r = client_read(&c);
    CU_ASSERT(r.status == 200 && r.body_bytes == LIVE_BIG_BYTES);
    CU_ASSERT(client_ended(&c));
    client_close(&c);
    live_stop();
}

static void blank_lines_before_a_head_are_skipped(void)
{
    live_start(live_limits());
    CU_ASSERT(live_answers("\r\nGET /hello HTTP/1.1\r\nHost: a\r\n\r\n", "hello"));
    live_stop();
}

static void a_drain_answers_all_who_came(void)
{
    enum { QUEUED = 100 };
    client idle, busy, queued[QUEUED];
    http_limits limits = live_limits();
    limits.head_ms = 500;
    live_start(limits);
    client_reply r = client_ask(&idle, live_port, live_hello);
    CU_ASSERT_EQUAL(r.status, 200);
    CU_ASSERT_FATAL(client_open(&busy, live_port));
    client_text(&busy, wait_request);
    EVENTUALLY(live_parked() == 1);
    for (int i = 0; i < QUEUED; i++) {
        CU_ASSERT_FATAL(client_open(&queued[i], live_port));
        if (i % 2) client_text(&queued[i], live_hello);
    }
    http_drain(live_server);
    for (int i = 0; i < QUEUED; i++) {
        if (i % 2 == 0) client_text(&queued[i], live_hello);
        r = client_read(&queued[i]);
        CU_ASSERT(r.status == 200);
        client_close(&queued[i]);
    }
    CU_ASSERT(client_ended(&idle));
    client_close(&idle);
    CU_ASSERT_FALSE(http_idle(live_server));
    live_release();
    r = client_read(&busy);
    CU_ASSERT(r.status == 200 && !strcmp(r.body, "abc") && client_has(&r, "connection", "close"));
    CU_ASSERT(client_ended(&busy));
    client_close(&busy);
    EVENTUALLY(http_idle(live_server));
    CU_ASSERT_FALSE(client_open(&busy, live_port)); /* nobody listens */
    live_stop();
}

/* Clients that come and go for the whole drain: whoever gets a connection gets an answer on it. */
static atomic_int came, lost;
static void *come_and_go(void *unused)
{
    (void)unused;
    for (;;) {
        client c;
        if (!client_open(&c, live_port)) return NULL;
        atomic_fetch_add(&came, 1);
        bool sent = client_text(&c, live_hello);
        if (!sent || client_read(&c).status != 200) atomic_fetch_add(&lost, 1);
        client_close(&c);
    }
}

static void a_drain_under_load_loses_nobody(void)
{
    pthread_t t[4];
    for (int round = 0; round < 2; round++) {
        live_start(live_limits());
        atomic_store(&came, 0);
        atomic_store(&lost, 0);
        for (int i = 0; i < 4; i++) CU_ASSERT_EQUAL_FATAL(pthread_create(&t[i], NULL, come_and_go, NULL), 0);
        EVENTUALLY(atomic_load(&came) > 100);
        http_drain(live_server);
        for (int i = 0; i < 4; i++) pthread_join(t[i], NULL);
        CU_ASSERT_EQUAL(atomic_load(&lost), 0);
        EVENTUALLY(http_idle(live_server));
        live_stop();
    }
}

static void closing_ends_calls_that_still_wait(void)
{
    client c;
    live_start(live_limits());
    CU_ASSERT_FATAL(client_open(&c, live_port));
    client_text(&c, wait_request);
    EVENTUALLY(live_parked() == 1);
    http_close(live_server);
    CU_ASSERT_EQUAL(atomic_load(&live_freed), 1);
    CU_ASSERT(client_ended(&c));
    client_close(&c);
}

static void what_cannot_open(void)
{
    http_server *second;
    error err = {""};
    live_start(live_limits());
    http_limits limits = live_limits();
    limits.port = live_port;
    CU_ASSERT_EQUAL(http_open(&second, limits, NULL, &err), IO_FAILED);
    CU_ASSERT_PTR_NULL(second);
    CU_ASSERT(strstr(err.text, "in use") != NULL);
    limits.loops = 0;
    CU_ASSERT_EQUAL(http_open(&second, limits, NULL, &err), BAD_INPUT);
    limits.loops = 1;
    limits.host = "no.such.host.invalid";
    CU_ASSERT_EQUAL(http_open(&second, limits, NULL, &err), IO_FAILED);
    live_stop();
}

void http_suite(CU_pSuite s)
{
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
    CU_add_test(s, "large bodies go through the parse threads and come back whole", large_bodies_come_back_whole);
    CU_add_test(s, "without parse threads a loop runs large bodies", without_parse_threads_a_loop_runs_large_bodies);
    CU_add_test(s, "a wake before run() returns is not lost", a_wake_before_run_returns_is_not_lost);
    CU_add_test(s, "bodies share a budget of memory, beyond it is 503", bodies_share_a_budget_of_memory);
    CU_add_test(s, "a reply carries date, length, connection and request id", a_reply_carries_the_servers_lines);
    CU_add_test(s, "refusals carry the type and the shape of their route", refusals_carry_type_and_shape);
    CU_add_test(s, "error types follow the status, and messages are made UTF-8", error_types_follow_the_status);
    CU_add_test(s, "a slow reader gets all of a large reply, and the next", a_slow_reader_gets_all_of_a_large_reply);
    CU_add_test(s, "a blank line before a head is skipped", blank_lines_before_a_head_are_skipped);
    CU_add_test(s, "a drain answers all who came, then nobody listens", a_drain_answers_all_who_came);
    CU_add_test(s, "a drain under load loses nobody", a_drain_under_load_loses_nobody);
    CU_add_test(s, "closing ends calls that still wait", closing_ends_calls_that_still_wait);
    CU_add_test(s, "a taken port, no loops and an unknown host are refused with a reason", what_cannot_open);
}
