/* test_http_ended.c - every request's end is told once, with stages that add up to its whole time. */
#include <CUnit/CUnit.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include "tests/support/live_server.h"

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

static void each_kind_of_answer(void)
{
    static const struct {
        const char *request;
        int status;
    } cases[] = {
        {"GET /hello HTTP/1.1\r\nHost: a\r\n\r\n", 200},
        {"HEAD /hello HTTP/1.1\r\nHost: a\r\n\r\n", 200},
        {"GET /none HTTP/1.1\r\nHost: a\r\n\r\n", 404},
        {"GET /echo HTTP/1.1\r\nHost: a\r\n\r\n", 405},
        {"POST /small HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\n", 413},
        {"GET /hello HTTP/1.1\n\n", 400},
        {"GET /hello\r\n\r\n", 400},
        {"GET /busy HTTP/1.1\r\nHost: a\r\n\r\n", 429},
        {"GET /failed HTTP/1.1\r\nHost: a\r\n\r\n", 503},
        {"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", 400},
    };
    client c;
    live_start(live_limits());
    for (int i = 0; i < (int)(sizeof cases / sizeof *cases); i++) {
        CU_ASSERT_FATAL(client_open(&c, live_port));
        client_text(&c, cases[i].request);
        client_reply r = client_read_head(&c);
        CU_ASSERT_EQUAL(r.status, cases[i].status);
        char timing[512];
        CU_ASSERT(client_field(&r, "server-timing", timing, sizeof timing) && strstr(timing, "total;dur="));
        client_close(&c);
        told(i + 1, cases[i].status);
    }
    CU_ASSERT_EQUAL(live_told(8).failure, FAILURE_OVERLOADED);
    live_stop();
}

static void pipelined_and_half_closed(void)
{
    client c;
    live_start(live_limits());
    CU_ASSERT_FATAL(client_open(&c, live_port));
    for (int i = 0; i < 20; i++) client_text(&c, live_hello);
    client_finish(&c);
    for (int i = 0; i < 20; i++) CU_ASSERT_EQUAL(client_read_final(&c).status, 200);
    client_close(&c);
    told(20, 200);
    live_stop();
}

static void silence_is_no_request(void)
{
    http_limits limits = live_limits();
    client c;
    limits.head_ms = limits.body_ms = 50;
    live_start(limits);
    CU_ASSERT_FATAL(client_open(&c, live_port));
    CU_ASSERT(client_ended(&c));
    client_close(&c);
    CU_ASSERT_FATAL(client_open(&c, live_port));
    client_text(&c, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc");
    CU_ASSERT_EQUAL(client_read_final(&c).status, 408);
    client_close(&c);
    told(1, 408);
    live_stop();
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
    live_stop();
}

static void a_large_reply_is_told_when_it_is_written(void)
{
    client c;
    live_start(live_limits());
    CU_ASSERT_FATAL(client_open(&c, live_port));
    client_text(&c, "GET /big HTTP/1.1\r\nHost: a\r\n\r\n");
    for (int i = 0; i < 50; i++) live_nap();
    CU_ASSERT_EQUAL(atomic_load(&live_ended), 0);
    CU_ASSERT_EQUAL(client_read(&c).status, 200);
    told(1, 200);
    call_record r = live_told(0);
    CU_ASSERT(stage_ns(&r.times, STAGE_WRITE) > 0);
    client_close(&c);
    live_stop();
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
    live_stop();
}

static void closing_tells_what_waits(void)
{
    client c;
    live_start(live_limits());
    CU_ASSERT_FATAL(client_open(&c, live_port));
    client_text(&c, wait_request);
    EVENTUALLY(live_parked() == 1);
    http_close(live_server);
    told(1, 0);
    client_close(&c);
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
    CU_add_test(s, "a silent connection is no request, a slow body is one of 408", silence_is_no_request);
    CU_add_test(s, "a client that leaves amid body, wait or reply is told once, as cancelled", clients_that_leave);
    CU_add_test(s, "a reply that the socket does not take at once is told when it does",
                a_large_reply_is_told_when_it_is_written);
    CU_add_test(s, "a departure may wake its own call, also after run() went on without its client",
                a_departure_that_wakes_at_once);
    CU_add_test(s, "closing tells of those that still wait", closing_tells_what_waits);
    CU_add_test(s, "two servers in one process keep apart", two_servers);
}
