/* test_http_ended.c - every request's end is told once, with stages that add up to its whole time. */
#include <CUnit/CUnit.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include "runtime/base/clock.h"
#include "tests/support/live_server.h"
#include "tests/support/server_timing.h"

static const char wait_request[] = "POST /wait HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc";

/* n ends in all, the last with this status; no more come. */
static void told(int n, int code)
{
    EVENTUALLY(atomic_load(&live_ended) >= n);
    for (int i = 0; i < 5; i++) live_nap();
    CU_ASSERT_EQUAL_FATAL(atomic_load(&live_ended), n);
    call_record r = live_told(n - 1);
    int64_t sum = 0;
    CU_ASSERT_EQUAL(r.status, code);
    CU_ASSERT_EQUAL(r.failure == FAILURE_CANCELLED, code == 0);
    CU_ASSERT(r.times.at[STAGE_READ] > 0);
    for (int s = 0; s < STAGES; s++) {
        CU_ASSERT(stage_ns(&r.times, s) >= 0);
        sum += stage_ns(&r.times, s);
    }
    CU_ASSERT_EQUAL(sum, r.times.at[STAGES] - r.times.at[STAGE_READ]);
}

/* And the end of the connections told no more. */
static void stops(int n)
{
    live_stop();
    CU_ASSERT_EQUAL(atomic_load(&live_ended), n);
}

static bool is_route(const call_record *r, const char *path)
{
    return path ? r->route && !strcmp(r->route->path, path) : !r->route;
}

/* The reply says the same times as the record, but for the last of them. */
static void says_its_times(const client_reply *reply, const call_record *r)
{
    server_timing t;
    CU_ASSERT_TRUE_FATAL(server_timing_of(&t, reply));
    CU_ASSERT_TRUE(server_timing_adds_up(&t));
    CU_ASSERT_DOUBLE_EQUAL(t.total_ms, (double)(r->times.at[STAGE_WRITE] - r->times.at[STAGE_READ]) * 1e-6, 0.001);
    for (int i = 0; i < t.n; i++)
        CU_ASSERT_DOUBLE_EQUAL(t.ms[i], (double)stage_ns(&r->times, t.stage[i]) * 1e-6, 0.001);
}

static void each_kind_of_answer(void)
{
    static char many_fields[512] = "GET /hello HTTP/1.1\r\nHost: a\r\n";
    static const struct {
        const char *request;
        int status;
        const char *path; /* NULL: no route */
    } cases[] = {
        {"GET /hello HTTP/1.1\r\nHost: a\r\n\r\n", 200, "/hello"},
        {"HEAD /hello HTTP/1.1\r\nHost: a\r\n\r\n", 200, "/hello"},
        {"GET /none HTTP/1.1\r\nHost: a\r\nX-Request-Id: mine.404\r\n\r\n", 404, NULL},
        {"GET /echo HTTP/1.1\r\nHost: a\r\n\r\n", 405, "/echo"},
        {"BREW /hello HTTP/1.1\r\nHost: a\r\n\r\n", 501, "/hello"},
        {"POST /small HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\n", 413, "/small"},
        {"POST /small HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nb\r\n", 413, "/small"},
        {"GET /hello HTTP/1.1\n\n", 400, NULL},
        {"GET /hello\r\n\r\n", 400, NULL},
        {"GET /hello HTTP/9.9\r\nHost: a\r\n\r\n", 505, NULL},
        {"POST /echo HTTP/1.1\r\nHost: a\r\nExpect: tea\r\nContent-Length: 3\r\n\r\n", 417, NULL},
        {many_fields, 431, NULL},
        {"GET /busy HTTP/1.1\r\nHost: a\r\n\r\n", 429, "/busy"},
        {"POST /openai HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}", 422, "/openai"},
        {"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", 400, "/echo"},
        {"GET /failed HTTP/1.1\r\nHost: a\r\nX-Request-Id: mine.503\r\n\r\n", 503, "/failed"},
    };
    enum { CASES = sizeof cases / sizeof *cases };
    client c;
    for (int i = 0; i < 64; i++) strcat(many_fields, "X: y\r\n");
    strcat(many_fields, "\r\n");
    live_start(live_limits());
    for (int i = 0; i < CASES; i++) {
        CU_ASSERT_FATAL(client_open(&c, live_port));
        client_text(&c, cases[i].request);
        client_reply reply = client_read_head(&c);
        CU_ASSERT_EQUAL(reply.status, cases[i].status);
        told(i + 1, cases[i].status);
        call_record r = live_told(i);
        if (!is_route(&r, cases[i].path)) printf("\nthe route of %.60s", cases[i].request);
        CU_ASSERT(is_route(&r, cases[i].path));
        CU_ASSERT(client_has(&reply, "x-request-id", r.request_id));
        says_its_times(&reply, &r);
        client_close(&c);
    }
    CU_ASSERT_STRING_EQUAL(live_told(2).request_id, "mine.404");
    CU_ASSERT_STRING_EQUAL(live_told(CASES - 1).request_id, "mine.503");
    CU_ASSERT_EQUAL(live_told(CASES - 1).failure, FAILURE_OVERLOADED);
    CU_ASSERT_EQUAL(live_told(0).failure, FAILURE_NONE);
    stops(CASES);
}

static void pipelined_and_half_closed(void)
{
    char request[100], id[16];
    client c;
    live_start(live_limits());
    CU_ASSERT_FATAL(client_open(&c, live_port));
    for (int i = 0; i < 20; i++) {
        snprintf(request, sizeof request, "GET /hello HTTP/1.1\r\nHost: a\r\nX-Request-Id: r%d\r\n\r\n", i);
        client_text(&c, request);
    }
    client_finish(&c);
    for (int i = 0; i < 20; i++) CU_ASSERT_EQUAL(client_read_final(&c).status, 200);
    client_close(&c);
    told(20, 200);
    for (int i = 0; i < 20; i++) {
        snprintf(id, sizeof id, "r%d", i);
        CU_ASSERT_STRING_EQUAL(live_told(i).request_id, id);
    }
    CU_ASSERT_FATAL(client_open(&c, live_port));
    client_text(&c, wait_request);
    client_finish(&c);
    EVENTUALLY(live_parked() == 1);
    CU_ASSERT_EQUAL(client_read(&c).status, 100);
    CU_ASSERT_EQUAL(atomic_load(&live_ended), 20); /* an interim reply is no end */
    live_release();
    CU_ASSERT_EQUAL(client_read_final(&c).status, 200);
    client_close(&c);
    told(21, 200);
    stops(21);
}

static void slow_requests(void)
{
    static const struct {
        const char *sent, *path;
    } cases[] = {{"GET /hello HTTP/1.1\r\nX-Request-Id: slow\r\nX: ", NULL},
                 {"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc", "/echo"},
                 {"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", "/echo"}};
    http_limits limits = live_limits();
    client c;
    limits.head_ms = limits.body_ms = 60;
    live_start(limits);
    for (int i = 0; i < 3; i++) {
        CU_ASSERT_FATAL(client_open(&c, live_port));
        client_text(&c, cases[i].sent);
        while (i == 0 && client_silent(&c, 5)) client_text(&c, "x"); /* more of the head does not begin it anew */
        client_reply reply = client_read_final(&c);
        CU_ASSERT_EQUAL(reply.status, 408);
        told(i + 1, 408);
        call_record r = live_told(i);
        CU_ASSERT(is_route(&r, cases[i].path));
        CU_ASSERT_NOT_EQUAL(*r.request_id, 0);
        CU_ASSERT(stage_ns(&r.times, STAGE_READ) >= 30000000); /* all the time that was waited for it */
        says_its_times(&reply, &r);
        client_close(&c);
    }
    stops(3);
}

static void no_request_is_told_to_nobody(void)
{
    http_limits limits = live_limits();
    client c, more;
    limits.head_ms = limits.idle_ms = 50;
    limits.max_connections = 1;
    live_start(limits);
    CU_ASSERT_FATAL(client_open(&c, live_port)); /* says nothing */
    CU_ASSERT(client_ended(&c));
    client_close(&c);
    EVENTUALLY(http_count(live_server).connections == 0);
    CU_ASSERT_FATAL(client_open(&c, live_port)); /* a blank line */
    client_text(&c, "\r\n");
    CU_ASSERT(client_ended(&c));
    client_close(&c);
    EVENTUALLY(http_count(live_server).connections == 0);
    CU_ASSERT_FATAL(client_open(&c, live_port)); /* leaves amid its head */
    client_text(&c, "GET /hel");
    EVENTUALLY(http_count(live_server).accepted == 3);
    client_reset(&c);
    EVENTUALLY(http_count(live_server).connections == 0);
    CU_ASSERT_EQUAL(atomic_load(&live_ended), 0);
    CU_ASSERT_FATAL(client_open(&c, live_port));
    client_text(&c, wait_request);
    EVENTUALLY(live_parked() == 1);
    CU_ASSERT_FATAL(client_open(&more, live_port)); /* one too many */
    client_text(&more, live_hello);
    CU_ASSERT_EQUAL(client_read(&more).status, 503);
    client_close(&more);
    CU_ASSERT_EQUAL(http_count(live_server).refused, 1);
    live_release();
    CU_ASSERT_EQUAL(client_read_final(&c).status, 200);
    client_close(&c);
    told(1, 200);
    stops(1);
}

static void clients_that_leave(void)
{
    client c;
    char some[1000];
    live_start(live_limits());
    CU_ASSERT_FATAL(client_open(&c, live_port)); /* amid its body */
    client_text(&c, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc");
    for (int i = 0; i < 20; i++) live_nap();
    client_reset(&c);
    told(1, 0);
    CU_ASSERT_FATAL(client_open(&c, live_port)); /* amid the reply */
    client_text(&c, "GET /big HTTP/1.1\r\nHost: a\r\n\r\n");
    CU_ASSERT(recv(c.fd, some, sizeof some, 0) > 0);
    CU_ASSERT_EQUAL(atomic_load(&live_ended), 1); /* not before its last byte is with the kernel */
    client_reset(&c);
    told(2, 0);
    CU_ASSERT_FATAL(client_open(&c, live_port)); /* while it waits */
    client_text(&c, wait_request);
    EVENTUALLY(live_parked() == 1);
    client_reset(&c);
    EVENTUALLY(atomic_load(&live_gone) == 1);
    CU_ASSERT_EQUAL(atomic_load(&live_ended), 2);
    live_release();
    told(3, 0);
    stops(3);
}

static void a_large_reply_is_told_when_it_is_written(void)
{
    client c;
    live_start(live_limits());
    CU_ASSERT_FATAL(client_open(&c, live_port));
    client_text(&c, "GET /big HTTP/1.1\r\nHost: a\r\n\r\n");
    char byte;
    CU_ASSERT_EQUAL(recv(c.fd, &byte, 1, MSG_PEEK), 1); /* the reply is on its way */
    int64_t from_ns = clock_ns();
    for (int i = 0; i < 200; i++) live_nap();
    int64_t paused_ns = clock_ns() - from_ns;
    CU_ASSERT_EQUAL(atomic_load(&live_ended), 0);
    CU_ASSERT_EQUAL(client_read(&c).status, 200);
    told(1, 200);
    call_record r = live_told(0);
    CU_ASSERT(stage_ns(&r.times, STAGE_WRITE) >= paused_ns);
    CU_ASSERT_FALSE(r.times.at[STAGES] > clock_ns());
    client_text(&c, live_hello);
    CU_ASSERT_EQUAL(client_read(&c).status, 200);
    told(2, 200);
    client_text(&c, "GET /big HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    CU_ASSERT_EQUAL(client_read(&c).status, 200);
    told(3, 200);
    client_close(&c);
    stops(3);
}

static void a_client_that_does_not_read(void)
{
    http_limits limits = live_limits();
    client c;
    limits.write_stall_ms = 100;
    live_start(limits);
    for (int i = 0; i < 2; i++) {
        CU_ASSERT_FATAL(client_open(&c, live_port));
        client_text(&c, i ? "GET /big HTTP/1.0\r\n\r\n" : "GET /big HTTP/1.1\r\nHost: a\r\n\r\n");
        told(i + 1, 0);
        CU_ASSERT_EQUAL(http_count(live_server).slow_closed, i + 1);
        client_close(&c);
    }
    stops(2);
}

/* What the record says lies between what went by inside and what went by outside. */
static void an_observer_measures_the_same(void)
{
    client c;
    live_start(live_limits());
    CU_ASSERT_FATAL(client_open(&c, live_port));
    int64_t sent_ns = clock_ns();
    client_text(&c, "POST /wait HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabc");
    EVENTUALLY(http_count(live_server).requests == 1); /* its head was read */
    int64_t head_ns = clock_ns();
    for (int i = 0; i < 30; i++) live_nap();
    int64_t rest_ns = clock_ns();
    client_text(&c, "def");
    EVENTUALLY(live_parked() == 1);
    int64_t parked_ns = clock_ns();
    for (int i = 0; i < 50; i++) live_nap();
    int64_t release_ns = clock_ns();
    live_release();
    client_reply reply = client_read_final(&c);
    CU_ASSERT_EQUAL(reply.status, 200);
    told(1, 200);
    int64_t seen_ns = clock_ns();
    call_record r = live_told(0);
    int64_t read_ns = stage_ns(&r.times, STAGE_READ), total_ns = r.times.at[STAGES] - r.times.at[STAGE_READ];
    CU_ASSERT(r.times.at[STAGE_READ] >= sent_ns && r.times.at[STAGES] <= seen_ns);
    CU_ASSERT(read_ns >= rest_ns - head_ns && read_ns <= parked_ns - sent_ns);
    CU_ASSERT(total_ns - read_ns >= release_ns - parked_ns);
    CU_ASSERT(total_ns >= release_ns - head_ns);
    says_its_times(&reply, &r);
    client_text(&c, live_hello); /* the time between two requests is nobody's */
    CU_ASSERT_EQUAL(client_read(&c).status, 200);
    told(2, 200);
    CU_ASSERT(live_told(1).times.at[STAGE_READ] >= seen_ns);
    client_close(&c);
    stops(2);
}

static void bodies_parsed_elsewhere(void)
{
    static const char head[] = "POST /wait HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n";
    client c[6];
    char *body = live_repeat('x', 100000);
    live_start(live_limits());
    live_dawdles = true;
    for (int i = 0; i < 6; i++) { /* two are parsed, the others wait for it */
        CU_ASSERT_FATAL(client_open(&c[i], live_port));
        client_text(&c[i], head);
        client_send(&c[i], body, 100000);
    }
    for (int i = 0; i < 6; i += 2) client_reset(&c[i]);
    EVENTUALLY(http_count(live_server).connections == 3);
    EVENTUALLY(atomic_load(&live_ended) + live_parked() == 6); /* who left in time is not parsed */
    live_release();
    for (int i = 1; i < 6; i += 2) CU_ASSERT_EQUAL(client_read_final(&c[i]).status, 200);
    for (int i = 1; i < 6; i += 2) client_close(&c[i]);
    EVENTUALLY(atomic_load(&live_ended) >= 6);
    stops(6);
    int answered = 0, cancelled = 0;
    for (int i = 0; i < 6; i++) {
        answered += live_told(i).status == 200 && live_told(i).failure == FAILURE_NONE;
        cancelled += live_told(i).status == 0 && live_told(i).failure == FAILURE_CANCELLED;
    }
    CU_ASSERT_EQUAL(answered, 3);
    CU_ASSERT_EQUAL(cancelled, 3);
    free(body);
}

static void a_departure_and_a_wake_at_the_same_time(void)
{
    client c;
    live_start(live_limits());
    for (int i = 0; i < 60; i++) {
        CU_ASSERT_FATAL(client_open(&c, live_port));
        client_text(&c, wait_request);
        EVENTUALLY(live_parked() == 1);
        if (i % 2) client_reset(&c);
        live_release();
        client_close(&c);
        EVENTUALLY(atomic_load(&live_freed) == i + 1);
        EVENTUALLY(atomic_load(&live_ended) >= i + 1);
        CU_ASSERT_EQUAL_FATAL(atomic_load(&live_ended), i + 1);
        call_record r = live_told(i);
        CU_ASSERT(r.status == 200 || (r.status == 0 && r.failure == FAILURE_CANCELLED));
    }
    stops(60);
}

static void a_departure_that_wakes_at_once(void)
{
    client c;
    char *body = live_repeat('x', 100000);
    live_start(live_limits());
    live_gone_wakes = true;
    for (int i = 0; i < 10; i++) {
        bool parsed_elsewhere = i % 2;
        live_dawdles = parsed_elsewhere; /* leaves while run() goes on */
        CU_ASSERT_FATAL(client_open(&c, live_port));
        client_text(&c, parsed_elsewhere ? "POST /wait HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n"
                                         : wait_request);
        if (parsed_elsewhere) client_send(&c, body, 100000);
        EVENTUALLY(atomic_load(&live_run) == i + 1);
        if (!parsed_elsewhere) EVENTUALLY(live_parked() == 1);
        client_reset(&c);
        told(i + 1, 0);
        EVENTUALLY(atomic_load(&live_freed) == i + 1);
    }
    CU_ASSERT_EQUAL(atomic_load(&live_gone), 10);
    CU_ASSERT_EQUAL(live_parked(), 0);
    free(body);
    stops(10);
}

static void closing_tells_what_waits(void)
{
    static const char *const requests[] = {wait_request, wait_request, "GET /big HTTP/1.1\r\nHost: a\r\n\r\n",
                                           "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc",
                                           "GET /hel"};
    client c[5];
    char byte;
    live_start(live_limits());
    for (int i = 0; i < 5; i++) {
        CU_ASSERT_FATAL(client_open(&c[i], live_port));
        client_text(&c[i], requests[i]);
    }
    EVENTUALLY(live_parked() == 2);
    client_reset(&c[0]);
    EVENTUALLY(atomic_load(&live_gone) == 1);
    CU_ASSERT_EQUAL(recv(c[2].fd, &byte, 1, MSG_PEEK), 1);
    EVENTUALLY(http_count(live_server).requests == 4);
    CU_ASSERT_EQUAL(atomic_load(&live_ended), 0);
    http_close(live_server);
    told(4, 0); /* half a head is no request */
    for (int i = 0; i < 4; i++) CU_ASSERT_EQUAL(live_told(i).failure, FAILURE_CANCELLED);
    CU_ASSERT_EQUAL(atomic_load(&live_freed), 2);
    for (int i = 1; i < 5; i++) client_close(&c[i]);
}

static void closing_tells_what_was_never_parsed(void)
{
    enum { N = 8 };
    client c[N];
    char *body = live_repeat('x', 100000);
    live_start(live_limits());
    live_dawdles = true;
    for (int i = 0; i < N; i++) {
        CU_ASSERT_FATAL(client_open(&c[i], live_port));
        client_text(&c[i], "POST /wait HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n");
        client_send(&c[i], body, 100000);
    }
    EVENTUALLY(atomic_load(&live_run) >= 2);
    client_reset(&c[N - 1]);
    EVENTUALLY(http_count(live_server).requests == N);
    http_close(live_server);
    told(N, 0);
    CU_ASSERT_EQUAL(atomic_load(&live_freed), atomic_load(&live_run));
    for (int i = 0; i < N - 1; i++) client_close(&c[i]);
    free(body);
}

static void two_servers(void)
{
    http_server *second;
    http_limits limits = live_limits();
    error err;
    client c;
    limits.loops = 1;
    limits.parse_threads = 0;
    limits.name = "ops";
    live_start(live_limits());
    CU_ASSERT_EQUAL_FATAL(http_open(&second, limits, NULL, &err), OK);
    client_reply r = client_ask(&c, http_port(second), live_hello);
    CU_ASSERT_EQUAL(r.status, 200);
    CU_ASSERT(live_serves());
    CU_ASSERT_EQUAL(http_count(second).requests, 1);
    CU_ASSERT_EQUAL(http_count(live_server).requests, 1);
    client_close(&c);
    http_close(second);
    CU_ASSERT(live_serves());
    live_stop();
}

void http_ended_suite(CU_pSuite s)
{
    CU_add_test(s, "every kind of answer is told once, and says its times", each_kind_of_answer);
    CU_add_test(s, "pipelined requests of a half-closed client are told once each", pipelined_and_half_closed);
    CU_add_test(s, "a slow head or body is told once as 408, with the time that was waited for it", slow_requests);
    CU_add_test(s, "silence, half a head and a connection too many are told to nobody", no_request_is_told_to_nobody);
    CU_add_test(s, "a client that leaves amid body, wait or reply is told once, as cancelled", clients_that_leave);
    CU_add_test(s, "a reply that the socket does not take at once is told when it does",
                a_large_reply_is_told_when_it_is_written);
    CU_add_test(s, "a client that does not read its reply is told once, as cancelled", a_client_that_does_not_read);
    CU_add_test(s, "an observer measures the same times", an_observer_measures_the_same);
    CU_add_test(s, "large bodies are told once each, whether their clients waited or not", bodies_parsed_elsewhere);
    CU_add_test(s, "a departure and a wake at the same time are one end", a_departure_and_a_wake_at_the_same_time);
    CU_add_test(s, "a departure may wake its own call, also after run() went on without its client",
                a_departure_that_wakes_at_once);
    CU_add_test(s, "closing tells of those that still wait", closing_tells_what_waits);
    CU_add_test(s, "closing tells of bodies that were never parsed", closing_tells_what_was_never_parsed);
    CU_add_test(s, "two servers in one process keep apart", two_servers);
}
