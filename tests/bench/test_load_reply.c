/* test_load_reply.c - replies whole, byte by byte, and broken. */
#include <CUnit/CUnit.h>
#include <stdlib.h>
#include <string.h>
#include "bench/load_reply.h"

#define GOOD                                                                                                           \
    "HTTP/1.1 429 Too Many Requests\r\ndate: x\r\nContent-Length: 5\r\nretry-after: 17\r\nx-compute-tokens: 42\r\n"    \
    "server-timing: parse;dur=0.012, queue;dur=1.5, odd, new_one;desc=\"x\";dur=3\r\nConnection: close\r\n\r\nhello"

/* In parts of `step` bytes; each part is memory of its own, so that a sanitizer sees who reads beyond it. */
static load_reply_state feed(load_reply *r, const char *text, size_t n, size_t step)
{
    load_reply_state state = LOAD_REPLY_WANTS_MORE;
    for (size_t i = 0; i < n && state == LOAD_REPLY_WANTS_MORE; i += step) {
        const size_t part = n - i < step ? n - i : step;
        char *copy = malloc(part);
        memcpy(copy, text + i, part);
        state = load_reply_feed(r, copy, part);
        free(copy);
        if (state == LOAD_REPLY_DONE && i + part < n) return LOAD_REPLY_MALFORMED; /* done too soon */
    }
    return state;
}

static void the_parts_it_comes_in_do_not_matter(void)
{
    static load_reply r;
    for (size_t step = 1; step <= sizeof GOOD; step++) {
        load_reply_begin(&r);
        CU_ASSERT_EQUAL_FATAL(feed(&r, GOOD, sizeof GOOD - 1, step), LOAD_REPLY_DONE);
        CU_ASSERT_EQUAL(r.code, 429);
        CU_ASSERT_TRUE(r.closes);
        CU_ASSERT_EQUAL(r.retry_after_s, 17);
        CU_ASSERT_EQUAL(r.compute_tokens, 42);
        CU_ASSERT_EQUAL_FATAL(r.n_stages, 3);
        CU_ASSERT_STRING_EQUAL(r.stages[0].name, "parse");
        CU_ASSERT_EQUAL(r.stages[0].ns, 12000);
        CU_ASSERT_EQUAL(r.stages[1].ns, 1500000);
        CU_ASSERT_STRING_EQUAL(r.stages[2].name, "new_one");
        CU_ASSERT_EQUAL(r.stages[2].ns, 3000000);
    }
}

static load_reply_state whole(const char *text)
{
    static load_reply r;
    load_reply_begin(&r);
    return feed(&r, text, strlen(text), strlen(text));
}

static void what_is_not_said_is_known_as_such(void)
{
    static const char text[] = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
    static load_reply r;
    load_reply_begin(&r);
    CU_ASSERT_EQUAL(feed(&r, text, sizeof text - 1, 7), LOAD_REPLY_DONE);
    CU_ASSERT_TRUE(r.code == 200 && !r.closes && r.retry_after_s == -1 && r.compute_tokens == 0 && r.n_stages == 0);
}

static void an_interim_reply_is_read_over(void)
{
    static const char text[] = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n[]";
    static load_reply r;
    for (size_t step = 1; step < sizeof text; step++) {
        load_reply_begin(&r);
        CU_ASSERT_EQUAL(feed(&r, text, sizeof text - 1, step), LOAD_REPLY_DONE);
        CU_ASSERT_EQUAL(r.code, 200);
    }
}

static void broken_replies_are_malformed(void)
{
    static const char *const broken[] = {
        "HTTP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\n\r\n",                                           /* no length */
        "HTTP/1.1 200 OK\r\ncontent-length: 0\r\ncontent-length: 0\r\n\r\n", /* two */
        "HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 0x1\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 600 OK\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 2x0 OK\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 2000 OK\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nno colon\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\n: no name\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nname : blank\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\na: bare\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\na: bare\rb\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\na: \001\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n[]x", /* nobody asked for x */
        "\r\n\r\n",
    };
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++)
        if (whole(broken[i]) != LOAD_REPLY_MALFORMED) CU_FAIL(broken[i]);
}

static void a_head_has_an_end(void)
{
    static load_reply r;
    static char text[LOAD_REPLY_HEAD_MAX + 64];
    memset(text, 'a', sizeof text);
    memcpy(text, "HTTP/1.1 200 OK\r\na: ", 20);
    for (size_t step = 1; step < sizeof text; step = step * 7 + 1) {
        load_reply_begin(&r);
        CU_ASSERT_EQUAL(feed(&r, text, sizeof text, step), LOAD_REPLY_MALFORMED);
    }
}

void load_reply_suite(CU_pSuite s)
{
    CU_add_test(s, "a reply reads the same in any parts, also byte by byte", the_parts_it_comes_in_do_not_matter);
    CU_add_test(s, "what a head does not say is known as not said", what_is_not_said_is_known_as_such);
    CU_add_test(s, "an interim reply is read over", an_interim_reply_is_read_over);
    CU_add_test(s, "a reply that breaks a rule is malformed", broken_replies_are_malformed);
    CU_add_test(s, "a head that does not end is malformed at 16 KiB", a_head_has_an_end);
}
