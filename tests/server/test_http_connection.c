/* test_http_connection.c - what a connection does with the bytes that clients write on it.
 *
 * H1 to H28 are rows of the project's list of faults: each is a request with the outcome that is required. */
#include <CUnit/CUnit.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "tests/support/live_server.h"

/* The answer is `code` as JSON, then the connection ends: the tail that the server must not parse gets no answer. */
static void refused_bytes(const char *p, size_t n, int code, int or_code)
{
    client c;
    CU_ASSERT_FATAL(client_open(&c, live_port));
    client_send(&c, p, n);
    client_text(&c, live_hello);
    client_reply r = client_read_final(&c);
    CU_ASSERT(r.status == code || r.status == or_code);
    if (r.status != code && r.status != or_code) printf("\n%d for %.60s", r.status, p);
    CU_ASSERT(client_has(&r, "connection", "close") && client_has(&r, "content-type", "application/json"));
    CU_ASSERT(r.body && strstr(r.body, "\"error_type\":"));
    CU_ASSERT(client_ended(&c));
    client_close(&c);
}

static void refused(const char *request, int code, int or_code)
{
    refused_bytes(request, strlen(request), code, or_code);
}

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

static void h1(void)
{
    live_start(live_limits());
    refused_field("Content-Length: 3\r\nTransfer-Encoding: chunked", 400, 400);
    refused_field("Transfer-Encoding: chunked\r\nContent-Length: 3", 400, 400);
    CU_ASSERT_EQUAL(atomic_load(&live_run), 0);
    live_stop();
}

static void h2(void)
{
    live_start(live_limits());
    refused_field("Transfer-Encoding: identity", 400, 501);
    refused_field("Transfer-Encoding: gzip", 400, 501);
    refused_field("Transfer-Encoding: xchunked", 400, 501);
    refused_field("Transfer-Encoding:", 400, 501);
    refused_field("Transfer-Encoding: gzip, chunked", 501, 501);
    live_stop();
}

static void h3(void)
{
    live_start(live_limits());
    refused_field("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", 400, 400);
    refused_field("Transfer-Encoding: chunked, chunked", 400, 400);
    refused_field("Transfer-Encoding: chunked, identity", 400, 400);
    live_stop();
}

static void h4(void)
{
    live_start(live_limits());
    refused("POST /echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400, 400);
    live_stop();
}

static void h5(void)
{
    live_start(live_limits());
    refused_field("Content-Length: 3\r\nContent-Length: 3", 400, 400);
    refused_field("Content-Length: 3\r\nContent-Length: 4", 400, 400);
    live_stop();
}

static void h6(void)
{
    static const char *const lengths[] = {"+5", "-5", "0x5", "5 5", "5, 5", "5.0", "1e2", "",
                                          "1000000000000000000000000000000",
                                          "18446744073709551621", "\"5\""};
    char field[128];
    live_start(live_limits());
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        snprintf(field, sizeof field, "Content-Length: %s", lengths[i]);
        refused_field(field, 400, 413);
    }
    live_stop();
}

static void h7(void)
{
    live_start(live_limits());
    refused_field("Content-Length : 3", 400, 400);
    refused_field("Content-Length\t: 3", 400, 400);
    live_stop();
}

static void h8(void)
{
    live_start(live_limits());
    refused_field("X-A: b\r\n c", 400, 400);
    refused_field("X-A: b\r\n\tc", 400, 400);
    refused("GET /hello HTTP/1.1\r\n Host: a\r\n\r\n", 400, 400);
    live_stop();
}

static void h9(void)
{
    live_start(live_limits());
    refused_field(": b", 400, 400);
    refused_field("X A: b", 400, 400);
    refused_field("X\"A: b", 400, 400);
    refused_field("X\xc3\xa9: b", 400, 400);
    refused_field("no colon", 400, 400);
    live_stop();
}

static void h10(void)
{
    static const char nul[] = "GET /hello HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n";
    live_start(live_limits());
    refused_bytes(nul, sizeof nul - 1, 400, 400);
    refused_field("X: a\rb", 400, 400);
    refused_field("X: a\nb", 400, 400);
    refused_field("X: a\x0b", 400, 400);
    refused_field("X: a\x7f", 400, 400);
    refused("GET /hello HTTP/1.1\nHost: a\n\n", 400, 400);
    live_stop();
}

static void h11(void)
{
    live_start(live_limits());
    refused("GET /hello HTTP/1.1\r\n\r\n", 400, 400);
    refused("GET /hello HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400, 400);
    refused("GET /hello HTTP/1.1\r\nHost: a/b\r\n\r\n", 400, 400);
    refused("GET /hello HTTP/1.1\r\nHost: a b\r\n\r\n", 400, 400);
    refused("GET /hello HTTP/1.1\r\nHost: u@a\r\n\r\n", 400, 400);
    CU_ASSERT(live_answers("GET /hello HTTP/1.0\r\n\r\n", "hello"));
    live_stop();
}

static void h12(void)
{
    live_start(live_limits());
    refused("GET /hello HTTP/2.0\r\nHost: a\r\n\r\n", 505, 505);
    refused("GET /hello HTTP/+1.1\r\nHost: a\r\n\r\n", 400, 400);
    refused("GET /hello HTTP/1.1x\r\nHost: a\r\n\r\n", 400, 400);
    refused("GET /hello HTTP/0.9\r\nHost: a\r\n\r\n", 505, 505);
    refused("GET /hello\r\n\r\n", 400, 400);
    live_stop();
}

static void h13(void)
{
    client c;
    live_start(live_limits());
    refused("BREW /hello HTTP/1.1\r\nHost: a\r\n\r\n", 501, 501);
    refused("get /hello HTTP/1.1\r\nHost: a\r\n\r\n", 501, 501);
    client_reply r = client_ask(&c, live_port, "PUT /hello HTTP/1.1\r\nHost: a\r\n\r\n");
    CU_ASSERT(r.status == 405 && client_has(&r, "allow", "GET, HEAD"));
    CU_ASSERT(strstr(r.body, "\"MethodNotAllowed\"") != NULL);
    client_text(&c, "GET /echo HTTP/1.1\r\nHost: a\r\n\r\n"); /* without a body nothing is in doubt: it lives on */
    r = client_read(&c);
    CU_ASSERT(r.status == 405 && client_has(&r, "allow", "POST"));
    client_close(&c);
    r = client_ask(&c, live_port, "GET /openai HTTP/1.1\r\nHost: a\r\n\r\n");
    CU_ASSERT(r.status == 405 && strstr(r.body, "{\"error\":{\"message\":") != NULL);
    client_close(&c);
    live_stop();
}

static void h14(void)
{
    static const char nul[] = "GET /he\0llo HTTP/1.1\r\nHost: a\r\n\r\n";
    live_start(live_limits());
    refused("GET /he llo HTTP/1.1\r\nHost: a\r\n\r\n", 400, 400);
    refused_bytes(nul, sizeof nul - 1, 400, 400);
    refused("GET /h\x80llo HTTP/1.1\r\nHost: a\r\n\r\n", 400, 400);
    refused("GET /hello#x HTTP/1.1\r\nHost: a\r\n\r\n", 400, 400);
    refused("GET hello HTTP/1.1\r\nHost: a\r\n\r\n", 400, 400);
    CU_ASSERT(live_answers("GET http://a:1/hello?x=y HTTP/1.1\r\nHost: a\r\n\r\n", "hello"));
    live_stop();
}

static void h15(void)
{
    static char request[40000];
    char *long_text = live_repeat('a', 20000);
    live_start(live_limits());
    sprintf(request, "GET /%.*s HTTP/1.1\r\nHost: a\r\n\r\n", 8192, long_text);
    refused(request, 414, 414);
    sprintf(request, "GET /%s HTTP/1.1\r\nHost: a\r\n\r\n", long_text);
    refused(request, 414, 414);
    sprintf(request, "GET /%.*s HTTP/1.1\r\nHost: a\r\n\r\n", 8191, long_text);
    client c;
    client_reply r = client_ask(&c, live_port, request);
    CU_ASSERT_EQUAL(r.status, 404);
    client_close(&c);
    sprintf(request, "GET /hello HTTP/1.1\r\nHost: a\r\nX: %s\r\n\r\n", long_text);
    refused(request, 431, 431);
    strcpy(request, "GET /hello HTTP/1.1\r\nHost: a\r\n");
    for (int i = 0; i < 64; i++) strcat(request, "X: y\r\n");
    strcat(request, "\r\n");
    refused(request, 431, 431);
    live_stop();
    free(long_text);
}

static void h16(void)
{
    static const char *const sizes[] = {"0x3", "+3", " 3", "3 ", "", "3 junk", "3junk", "10000000000000000", "-3", "g"};
    char body[128];
    live_start(live_limits());
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        snprintf(body, sizeof body, "%s\r\nabc\r\n0\r\n\r\n", sizes[i]);
        refused_body(body, 400);
    }
    CU_ASSERT_EQUAL(atomic_load(&live_run), 0);
    live_stop();
}

static void h17(void)
{
    live_start(live_limits());
    refused_body("3\r\nabcX0\r\n\r\n", 400);
    refused_body("3\r\nabc\n0\r\n\r\n", 400);
    refused_body("3\r\nabc0\r\n\r\n", 400);
    refused_body("3\nabc\r\n0\r\n\r\n", 400);
    live_stop();
}

static void h18(void)
{
    static const char head[] = "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    static char request[200000];
    char *x = live_repeat('x', 5000);
    live_start(live_limits());
    sprintf(request, "%s3;%s\r\nabc\r\n0\r\n\r\n", head, x);
    refused(request, 400, 400);
    size_t n = (size_t)sprintf(request, "%s0\r\n", head);
    for (int i = 0; i < 10; i++) n += (size_t)sprintf(request + n, "A: %.2000s\r\n", x);
    refused(request, 400, 400);
    n = (size_t)sprintf(request, "%s", head);
    for (int i = 0; i < 20000; i++) n += (size_t)sprintf(request + n, "1\r\nx\r\n");
    refused(request, 400, 400);
    live_stop();
    free(x);
}

static void h19(void)
{
    live_start(live_limits());
    CU_ASSERT(live_answers("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                      "3;name=value;x=\"y\"\r\nabc\r\n2\r\nde\r\n0;last\r\nX-Test: no\r\nContent-Length: 99\r\n\r\n",
                      "abcde"));
    live_stop();
}

static void h20(void)
{
    client c;
    live_start(live_limits());
    client_reply r = client_ask(&c, live_port, "POST /small HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\n");
    CU_ASSERT(r.status == 413 && client_has(&r, "connection", "close"));
    CU_ASSERT(client_ended(&c));
    client_close(&c);
    CU_ASSERT(live_answers("POST /small HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n0123456789", "0123456789"));
    r = client_ask(&c, live_port, "POST /small HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                                  "8\r\n01234567\r\n3\r\n");
    CU_ASSERT_EQUAL(r.status, 413);
    CU_ASSERT(client_ended(&c));
    client_close(&c);
    r = client_ask(&c, live_port, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1048577\r\n\r\n");
    CU_ASSERT_EQUAL(r.status, 413);
    client_close(&c);
    /* who goes on sending a refused body is not reset, and reads the refusal after it */
    char *body = live_repeat('x', 100000);
    CU_ASSERT_FATAL(client_open(&c, live_port));
    client_text(&c, "POST /small HTTP/1.1\r\nHost: a\r\nContent-Length: 400000\r\n\r\n");
    for (int i = 0; i < 4; i++) {
        nanosleep(&(struct timespec){0, 10000000}, NULL);
        CU_ASSERT(client_send(&c, body, 100000));
    }
    r = client_read(&c);
    CU_ASSERT_EQUAL(r.status, 413);
    client_close(&c);
    free(body);
    live_stop();
}

static void h21(void)
{
    client c;
    live_start(live_limits());
    CU_ASSERT_FATAL(client_open(&c, live_port));
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
        CU_ASSERT_FATAL(client_open(&c, live_port));
        client_text(&c, unwelcome[i]);
        r = client_read(&c);
        CU_ASSERT_EQUAL(r.status, codes[i]);
        CU_ASSERT(client_ended(&c));
        client_close(&c);
    }
    live_stop();
}

static void h22(void)
{
    client c;
    live_start(live_limits());
    CU_ASSERT_FATAL(client_open(&c, live_port));
    client_text(&c, "HEAD /hello HTTP/1.1\r\nHost: a\r\n\r\n");
    client_reply r = client_read_head(&c);
    CU_ASSERT(r.status == 200 && client_has(&r, "content-length", "5"));
    client_text(&c, "HEAD /none HTTP/1.1\r\nHost: a\r\n\r\n");
    r = client_read_head(&c);
    CU_ASSERT_EQUAL(r.status, 404);
    client_text(&c, "GET /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc");
    r = client_read(&c);
    CU_ASSERT(r.status == 200 && !strcmp(r.body, "hello"));
    client_text(&c, "HEAD /hello HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n");
    r = client_read_head(&c);
    CU_ASSERT_EQUAL(r.status, 200);
    client_text(&c, live_hello);
    r = client_read(&c);
    CU_ASSERT(r.status == 200 && !strcmp(r.body, "hello"));
    client_close(&c);
    refused("GET /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 20000\r\n\r\n", 413, 413);
    live_stop();
}

static void h23(void)
{
    client c;
    char request[256], wanted[16];
    live_start(live_limits());
    CU_ASSERT_FATAL(client_open(&c, live_port));
    for (int i = 0; i < 50; i++) { /* the waiting ones must not be overtaken by the immediate ones behind them */
        snprintf(wanted, sizeof wanted, "%d", i);
        snprintf(request, sizeof request, "POST /%s HTTP/1.1\r\nHost: a\r\nContent-Length: %zu\r\n\r\n%s",
                 i % 3 == 1 ? "wait" : "echo", strlen(wanted), wanted);
        client_text(&c, request);
    }
    for (int i = 0; i < 50; i++) {
        if (i % 3 == 1) {
            EVENTUALLY(live_parked() == 1);
            CU_ASSERT(client_silent(&c, 2));
            live_release();
        }
        snprintf(wanted, sizeof wanted, "%d", i);
        client_reply r = client_read(&c);
        CU_ASSERT(r.status == 200 && !strcmp(r.body, wanted));
    }
    client_close(&c);
    live_stop();
}

static void h24(void)
{
    static const char request[] = "POST /echo?x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                                  "3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nA: b\r\n\r\n";
    client c;
    live_start(live_limits());
    CU_ASSERT_FATAL(client_open(&c, live_port));
    for (size_t i = 0; i + 1 < sizeof request; i++) {
        client_send(&c, request + i, 1);
        if (i % 8 == 0) live_nap();
    }
    client_reply r = client_read(&c);
    CU_ASSERT(r.status == 200 && !strcmp(r.body, "abcde"));
    client_close(&c);
    live_stop();
}

static void h25(void)
{
    static const char tls[] = "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";
    static const char zeros[16] = {0};
    live_start(live_limits());
    refused_bytes(tls, sizeof tls - 1, 400, 400);
    refused_bytes(zeros, sizeof zeros, 400, 400);
    refused("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, 400);
    refused_bytes("\xff\xfe\x80\x81\r\n\r\n", 8, 400, 400);
    live_stop();
}

static void h26(void)
{
    static const char *const paths[] = {"/../hello", "/%2e%2e/hello", "/./hello", "//hello", "/hello/", "/hello%00",
                                        "/%68ello", "/%c0%afhello", "/HELLO", "/hello/../hello", "/%"};
    char request[256];
    client c;
    live_start(live_limits());
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: a\r\n\r\n", paths[i]);
        client_reply r = client_ask(&c, live_port, request);
        CU_ASSERT_EQUAL(r.status, 404);
        CU_ASSERT(r.status == 404 && strstr(r.body, "\"NotFound\"") != NULL);
        client_close(&c);
    }
    live_stop();
}

static void h27(void)
{
    client c;
    live_start(live_limits());
    CU_ASSERT_FATAL(client_open(&c, live_port));
    client_text(&c, live_hello);
    client_finish(&c);
    client_reply r = client_read_final(&c);
    CU_ASSERT_EQUAL(r.status, 200);
    client_close(&c);

    CU_ASSERT_FATAL(client_open(&c, live_port));
    client_text(&c, "POST /wait HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc");
    client_finish(&c);
    EVENTUALLY(live_parked() == 1);
    r = client_read(&c);
    CU_ASSERT_EQUAL(r.status, 100); /* the question whether we are still there */
    CU_ASSERT(client_silent(&c, 60));
    live_release();
    r = client_read(&c);
    CU_ASSERT(r.status == 200 && !strcmp(r.body, "abc"));
    CU_ASSERT(client_ended(&c));
    client_close(&c);
    CU_ASSERT_EQUAL(atomic_load(&live_gone), 0);

    CU_ASSERT_FATAL(client_open(&c, live_port)); /* the same with a request pipelined behind */
    client_text(&c, "POST /wait HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc");
    EVENTUALLY(live_parked() == 1);
    client_text(&c, live_hello);
    client_finish(&c);
    live_release();
    r = client_read_final(&c);
    CU_ASSERT(r.status == 200 && !strcmp(r.body, "abc"));
    r = client_read_final(&c);
    CU_ASSERT(r.status == 200 && !strcmp(r.body, "hello"));
    client_close(&c);
    live_stop();
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
    live_start(live_limits());
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        client_reply r = client_ask(&c, live_port, cases[i].request);
        CU_ASSERT(r.status == 200 && client_has(&r, "connection", cases[i].keeps ? "keep-alive" : "close"));
        if (cases[i].keeps) {
            client_text(&c, live_hello);
            r = client_read(&c);
            CU_ASSERT_EQUAL(r.status, 200);
        } else {
            CU_ASSERT(client_ended(&c));
        }
        client_close(&c);
    }
    live_stop();
}

void http_connection_suite(CU_pSuite s)
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
}
