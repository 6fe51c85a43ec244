#include <CUnit/CUnit.h>
#include <stdlib.h>
#include <string.h>
#include "server/http_chunk.h"

static char   payload[1 << 17];
static size_t payload_n;

/* Shows the message `step` bytes more at a time, as a connection does, and returns the last finding. */
static http_chunk_found feed(const char *p, size_t n, size_t step, size_t *rest)
{
    http_chunks c = {0};
    const char *why = NULL;
    size_t at = 0, have = 0;
    payload_n = 0;
    for (;;) {
        size_t used;
        http_chunk_found found = http_chunk_next(&c, p + at, have - at, &used, &why);
        if (found == CHUNK_PAYLOAD) {
            memcpy(payload + payload_n, p + at, used);
            payload_n += used;
        }
        at += used;
        *rest = n - at;
        CU_ASSERT((found == CHUNK_MALFORMED) == (why != NULL));
        if (found == CHUNK_END || found == CHUNK_MALFORMED || (found == CHUNK_NEEDS_MORE && have == n)) return found;
        if (found == CHUNK_NEEDS_MORE) {
            CU_ASSERT_EQUAL(used, 0);
            have = have + step < n ? have + step : n;
        }
    }
}

static http_chunk_found verdict(const char *message)
{
    size_t rest;
    http_chunk_found whole = feed(message, strlen(message), strlen(message), &rest);
    CU_ASSERT_EQUAL(feed(message, strlen(message), 1, &rest), whole);
    return whole;
}

static void a_body_comes_out_however_it_arrives(void)
{
    static const char message[] = "5\r\nhello\r\n1;x=y\r\n \r\n00005 ; a\r\nworld\r\n0\r\nA: b\r\n\r\nGET /";
    size_t rest;
    for (size_t step = 1; step < sizeof message; step++) {
        CU_ASSERT_EQUAL(feed(message, sizeof message - 1, step, &rest), CHUNK_END);
        CU_ASSERT_EQUAL(payload_n, 11);
        CU_ASSERT(!memcmp(payload, "hello world", 11));
        CU_ASSERT_EQUAL(rest, 5);
    }
}

static void the_end_is_not_guessed(void)
{
    static const char message[] = "5\r\nhello\r\n0\r\nA: b\r\n\r\n";
    size_t rest;
    for (size_t cut = 0; cut + 1 < sizeof message; cut++)
        CU_ASSERT_EQUAL(feed(message, cut, 3, &rest), CHUNK_NEEDS_MORE);
}

static void ambiguous_framing_is_refused(void)
{
    static const char *const bad[] = {
        "5\nhello\r\n", "\r\n5\r\nhello\r\n", "5\r\nhello5\r\n", "5\r\nhello\n0\r\n\r\n", "5\r\nhello\r0\r\n", "g\r\n",
        "0\r\n folded\r\n\r\n", "0\r\nno colon\r\n\r\n", "0\r\nA : b\r\n\r\n", "0\r\n\n", "5\rx\n", "1\r\nab\r\n",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) CU_ASSERT_EQUAL(verdict(bad[i]), CHUNK_MALFORMED);
}

/* A message of `lines` times `line` before `end`. */
static http_chunk_found repeated(const char *start, const char *line, size_t lines, const char *end)
{
    size_t n = strlen(start), k = strlen(line), rest;
    char *p = malloc(n + k * lines + strlen(end) + 1);
    memcpy(p, start, n);
    for (size_t i = 0; i < lines; i++) memcpy(p + n + i * k, line, k);
    strcpy(p + n + k * lines, end);
    http_chunk_found found = feed(p, strlen(p), 1000, &rest);
    free(p);
    return found;
}

static void framing_is_bounded(void)
{
    CU_ASSERT_EQUAL(repeated("1;", "x", HTTP_CHUNK_LINE_MAX - 3, "\r\na\r\n0\r\n\r\n"), CHUNK_END);
    CU_ASSERT_EQUAL(repeated("1;", "x", HTTP_CHUNK_LINE_MAX, "\r\na\r\n0\r\n\r\n"), CHUNK_MALFORMED);
    CU_ASSERT_EQUAL(repeated("1;", "x", HTTP_CHUNK_LINE_MAX, ""), CHUNK_MALFORMED); /* not even waited for */
    CU_ASSERT_EQUAL(repeated("0\r\n", "A: b\r\n", HTTP_TRAILERS_MAX / 6, "\r\n"), CHUNK_END);
    CU_ASSERT_EQUAL(repeated("0\r\n", "A: b\r\n", HTTP_TRAILERS_MAX / 6 + 1, "\r\n"), CHUNK_MALFORMED);
    CU_ASSERT_EQUAL(repeated("", "1\r\nx\r\n", HTTP_OVERHEAD_MAX / 5 - 1, "0\r\n\r\n"), CHUNK_END);
    CU_ASSERT_EQUAL(repeated("", "1\r\nx\r\n", HTTP_OVERHEAD_MAX / 5 + 1, "0\r\n\r\n"), CHUNK_MALFORMED);
}

void http_chunk_suite(CU_pSuite s)
{
    CU_add_test(s, "a chunked body comes out the same however it arrives", a_body_comes_out_however_it_arrives);
    CU_add_test(s, "a message that is cut never ends", the_end_is_not_guessed);
    CU_add_test(s, "chunk framing that others read differently is refused", ambiguous_framing_is_refused);
    CU_add_test(s, "chunk framing is bounded: a line, the trailers, and all together", framing_is_bounded);
}
