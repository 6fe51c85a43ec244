/* test_http_answer.c - answers whole, in single bytes, cut short and broken. */
#include "server/http_answer.h"
#include <CUnit/CUnit.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "server/http_parse.h"

typedef struct {
    status rc;
    int code;
    size_t left; /* bytes behind the answer */
    char body[64];
    error why;
} seen;

/* Shown in pieces, what was not used again, as a reader does; then the end of the connection. */
static seen read_in(const char *text, size_t n, size_t piece)
{
    seen s = {.rc = PENDING};
    http_answer a = {.code = 0};
    out body = {0};
    size_t from = 0, to = 0, used;
    while (s.rc == PENDING && to < n) {
        to = n - to < piece ? n : to + piece;
        char *copy = malloc(to - from); /* what is read beyond it is found by a sanitizer */
        memcpy(copy, text + from, to - from);
        s.rc = http_answer_take(&a, copy, to - from, &used, &body, &s.why);
        free(copy);
        from += used;
    }
    s.left = n - from;
    if (s.rc == PENDING) s.rc = http_answer_end(&a, &s.why);
    s.code = a.code;
    snprintf(s.body, sizeof s.body, "%.*s", (int)body.n, body.n ? body.p : "");
    out_free(&body);
    return s;
}

static void gives(const char *text, int code, const char *body)
{
    const size_t n = strlen(text), pieces[] = {n, 1, 2, 7};
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        const seen s = read_in(text, n, pieces[i]);
        if (s.rc != OK) printf("\n    %zu bytes at once: %s", pieces[i], s.why.text);
        CU_ASSERT_EQUAL(s.rc, OK);
        CU_ASSERT_EQUAL(s.code, code);
        CU_ASSERT_STRING_EQUAL(s.body, body);
    }
}

static void fails(const char *text, const char *says)
{
    const size_t n = strlen(text), pieces[] = {n, 1};
    for (size_t i = 0; i < 2; i++) {
        const seen s = read_in(text, n, pieces[i]);
        CU_ASSERT_EQUAL(s.rc, IO_FAILED);
        if (!strstr(s.why.text, says)) printf("\n    \"%s\" does not say \"%s\"", s.why.text, says);
        CU_ASSERT_PTR_NOT_NULL(strstr(s.why.text, says));
    }
}

static void a_body_ends_where_it_says(void)
{
    gives("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello", 200, "hello");
    gives("HTTP/1.1 200 OK\r\nContent-Length:5\r\nx: y\r\n\r\nhello and more", 200, "hello");
    gives("HTTP/1.1 500\r\ncontent-length: 0\r\n\r\n", 500, "");
    gives("HTTP/1.0 404 \r\ncontent-length: 2\r\n\r\nno", 404, "no");
    CU_ASSERT_EQUAL(read_in("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokmore", 44, 44).left, 4);
}

static void chunks_are_joined(void)
{
    gives("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\nt: r\r\n\r\n", 200,
          "hello");
    gives("HTTP/1.1 202 Accepted\r\nTransfer-Encoding: Chunked\r\n\r\n0\r\n\r\n", 202, "");
}

static void without_a_length_the_end_is_the_end(void)
{
    gives("HTTP/1.1 200 OK\r\n\r\nhello", 200, "hello");
    gives("HTTP/1.1 200 OK\r\n\r\n", 200, "");
}

static void some_have_no_body(void)
{
    const char *text = "HTTP/1.1 204 No Content\r\n\r\nnot its";
    gives(text, 204, "");
    CU_ASSERT_EQUAL(read_in(text, strlen(text), strlen(text)).left, 7);
    gives("HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n", 304, "");
}

static void interim_answers_are_skipped(void)
{
    char many[17 * 25 + 64];
    size_t n = 0;
    gives("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: "
          "1\r\n\r\ny",
          200, "y");
    for (int i = 0; i < 17; i++) n += (size_t)sprintf(many + n, "HTTP/1.1 100 Continue\r\n\r\n");
    fails(many, "interim answer 17 of status 100");
    fails("HTTP/1.1 101 Switching\r\n\r\n", "status 101");
}

static void what_is_no_answer_is_shown(void)
{
    fails("SSH-2.0-OpenSSH_9.2\r\n", "\"S");
    fails("HTTP/2.0 200 OK\r\n\r\n", "\"HTTP/2.0 200 OK\" is no status line");
    fails("HTTP/1.1 2000 OK\r\n\r\n", "is no status line");
    fails("HTTP/1.1 099 OK\r\n\r\n", "is no status line");
    fails("HTTP/1.1 20x OK\r\n\r\n", "is no status line");
    fails("HTTP/1.1  200 OK\r\n\r\n", "is no status line");
    fails("HTTP/1.1 200 OK\n\n", "bare LF");
    fails("HTTP/1.1 200 OK\r\nx\x01: y\r\n\r\n", "control byte");
    fails("HTTP/1.1 200 OK\r\nno field\r\n\r\n", "\"no field\" is no header field");
    fails("HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n", "\"-1\" is no number");
    fails("HTTP/1.1 200 OK\r\ncontent-length: 5x\r\n\r\nhello", "\"5x\" is no number");
    fails("HTTP/1.1 200 OK\r\ncontent-length:\r\n\r\nhello", "\"\" is no number");
    fails("HTTP/1.1 200 OK\r\ncontent-length: 1111111111111111111\r\n\r\n", "is no number");
    fails("HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 5\r\n\r\nhello", "said twice");
    fails("HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n",
          "said twice: transfer-encoding");
    fails("HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n", "\"gzip, chunked\", wanted chunked");
    fails("HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", "in HTTP/1.0");
    fails("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n", "chunk size");
}

static void what_ends_early_is_no_answer(void)
{
    CU_ASSERT_EQUAL(read_in("", 0, 1).rc, IO_FAILED);
    CU_ASSERT_PTR_NOT_NULL(strstr(read_in("", 0, 1).why.text, "without an answer"));
    fails("HTTP/1.1 200 OK\r\ncontent-le", "amid a head");
    fails("HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nhello", "half a body");
    fails("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n", "half a body");
    fails("HTTP/1.1 100 Continue\r\n\r\n", "without an answer");
}

/* A head of n bytes. */
static seen long_head(size_t n, size_t piece)
{
    char *text = malloc(n + 1);
    memset(text, 'a', n);
    memcpy(text, "HTTP/1.1 204 No Content\r\nx: ", 28);
    memcpy(text + n - 4, "\r\n\r\n", 4);
    const seen s = read_in(text, n, piece);
    free(text);
    return s;
}

static void heads_and_bodies_have_limits(void)
{
    static char most[HTTP_ANSWER_MAX + 100];
    CU_ASSERT_EQUAL(long_head(HTTP_HEAD_MAX, HTTP_HEAD_MAX).rc, OK);
    CU_ASSERT_EQUAL(long_head(HTTP_HEAD_MAX, 4096).rc, OK);
    CU_ASSERT_EQUAL(long_head(HTTP_HEAD_MAX + 1, HTTP_HEAD_MAX + 1).rc, IO_FAILED);
    CU_ASSERT_PTR_NOT_NULL(strstr(long_head(HTTP_HEAD_MAX + 1, 4096).why.text, "more than 16384 bytes"));
    fails("HTTP/1.1 200 OK\r\ncontent-length: 16777217\r\n\r\n", "a body of 16777217 bytes, the limit is 16777216");
    fails("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1000001\r\n", "more than 16777216 bytes");
    memset(most, 'b', sizeof most);
    const int head = sprintf(most, "HTTP/1.1 200 OK\r\n\r\n");
    most[head] = 'b';
    const size_t all = (size_t)head + HTTP_ANSWER_MAX;
    CU_ASSERT_EQUAL(read_in(most, all, all).rc, OK);
    CU_ASSERT_EQUAL(read_in(most, all + 1, all).rc, IO_FAILED);
}

void http_answer_suite(CU_pSuite s)
{
    CU_ADD_TEST(s, a_body_ends_where_it_says);
    CU_ADD_TEST(s, chunks_are_joined);
    CU_ADD_TEST(s, without_a_length_the_end_is_the_end);
    CU_ADD_TEST(s, some_have_no_body);
    CU_ADD_TEST(s, interim_answers_are_skipped);
    CU_ADD_TEST(s, what_is_no_answer_is_shown);
    CU_ADD_TEST(s, what_ends_early_is_no_answer);
    CU_ADD_TEST(s, heads_and_bodies_have_limits);
}
