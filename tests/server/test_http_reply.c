/* test_http_reply.c - the times in a reply's head: the stages that were passed, and that they add up. */
#include <CUnit/CUnit.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "server/http_reply.h"
#include "tests/support/server_timing.h"

static char lines[HTTP_REPLY_LINES_MAX + 1];

static void lines_of(const call_record *r)
{
    http_date date = {0};
    http_reply_facts facts = {r, 5, true};
    size_t n = http_reply_lines(lines, &date, &facts);
    CU_ASSERT_FATAL(n < HTTP_REPLY_LINES_MAX);
    lines[n] = 0;
    CU_ASSERT_STRING_EQUAL(lines + n - 2, "\r\n");
}

static void stages_add_up(void)
{
    call_record r = {.status = 200, .request_id = "x", .compute_type = "cpu", .tokens = 7, .characters = 30};
    int64_t at = 1000000000;
    for (int s = 0; s <= STAGE_WRITE; s++) r.times.at[s] = at += 1000000 * (s + 1);
    lines_of(&r);
    CU_ASSERT_PTR_NOT_NULL(strstr(lines, "\r\nserver-timing: read;dur=2.000, parse;dur=3.000, tokenize;dur=4.000, "
                                         "queue;dur=5.000, h2d;dur=6.000, compute;dur=7.000, d2h;dur=8.000, "
                                         "serialize;dur=9.000, total;dur=44.000\r\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(lines, "\r\nx-compute-type: cpu\r\nx-compute-time: 44\r\nx-compute-characters: 30\r\n"
                                         "x-compute-tokens: 7\r\nx-total-time: 44\r\nx-tokenization-time: 4\r\n"
                                         "x-queue-time: 5\r\nx-inference-time: 13\r\n"));
}

static void only_what_was_passed(void)
{
    call_record r = {.status = 404, .request_id = "x"};
    r.times.at[STAGE_READ] = 5000;
    r.times.at[STAGE_WRITE] = 1239499 + 5000;
    lines_of(&r);
    CU_ASSERT_PTR_NOT_NULL(strstr(lines, "\r\nserver-timing: read;dur=1.239, total;dur=1.239\r\n"));
    CU_ASSERT_PTR_NULL(strstr(lines, "x-compute"));
    CU_ASSERT_PTR_NOT_NULL(strstr(lines, "\r\nx-total-time: "));
    r.times.at[STAGE_READ] = 0; /* of a connection too many no request was read */
    lines_of(&r);
    CU_ASSERT_PTR_NULL(strstr(lines, "server-timing"));
}

/* The value of server-timing in lines. */
static server_timing timing(void)
{
    static const char name[] = "\r\nserver-timing: ";
    server_timing t;
    char value[HTTP_REPLY_LINES_MAX], *at = strstr(lines, name);
    CU_ASSERT_PTR_NOT_NULL_FATAL(at);
    at += strlen(name);
    size_t n = strcspn(at, "\r");
    memcpy(value, at, n);
    value[n] = 0;
    CU_ASSERT_TRUE_FATAL(server_timing_parse(&t, value));
    return t;
}

/* Up to 2^40 ns in steps that may lie on either side of a rounding, some of them not passed, some stamped too early. */
static void any_stages_add_up(void)
{
    srand(1);
    for (int round = 0; round < 5000; round++) {
        call_record r = {.status = 200, .request_id = "x"};
        int64_t now = 1 + rand();
        int passed = 0;
        r.times.at[STAGE_READ] = now;
        for (int s = 1; s < STAGE_WRITE; s++) {
            now += rand() % 4 ? rand() % 3000 : rand() * INT64_C(64);
            if (rand() % 3) r.times.at[s] = rand() % 8 ? now : now / 2;
        }
        r.times.at[STAGE_WRITE] = now;
        for (int s = 0; s < STAGE_WRITE; s++) passed += r.times.at[s] != 0;
        lines_of(&r);
        const server_timing t = timing();
        CU_ASSERT_TRUE(server_timing_adds_up(&t));
        CU_ASSERT_EQUAL(t.n, passed);
        CU_ASSERT_DOUBLE_EQUAL(t.total_ms, (double)(now - r.times.at[STAGE_READ]) / 1e6, 0.0005001);
    }
}

static void a_time_is_rounded_to_the_nearest(void)
{
    static const struct {
        int64_t ns;
        const char *text;
    } rows[] = {{0, "0.000"},
                {499, "0.000"},
                {500, "0.001"},
                {1499, "0.001"},
                {999499, "0.999"},
                {999500, "1.000"},
                {61000000000, "61000.000"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char wanted[64];
        call_record r = {.status = 200, .request_id = "x", .times.at = {[STAGE_READ] = 7}};
        r.times.at[STAGE_WRITE] = 7 + rows[i].ns;
        snprintf(wanted, sizeof wanted, " read;dur=%s, total;dur=%s\r\n", rows[i].text, rows[i].text);
        lines_of(&r);
        CU_ASSERT_PTR_NOT_NULL(strstr(lines, wanted));
    }
}

/* No number has more digits than these. */
static void the_largest_numbers_fit(void)
{
    http_date date = {0};
    call_record r = {
        .status = INT_MIN, .compute_type = "a-backend-of-a-name", .tokens = INT64_MIN, .characters = INT64_MIN};
    http_reply_facts facts = {&r, SIZE_MAX, true};
    memset(r.request_id, 'x', sizeof r.request_id - 1);
    for (int s = 0; s <= STAGE_WRITE; s++) r.times.at[s] = 1 + INT64_MAX / STAGE_WRITE * s;
    size_t n = http_reply_lines(lines, &date, &facts);
    CU_ASSERT_FATAL(n < HTTP_REPLY_LINES_MAX);
    lines[n] = 0;
    CU_ASSERT_PTR_NOT_NULL(strstr(lines, ", total;dur=9223372036854.77"));
    CU_ASSERT_PTR_NOT_NULL(strstr(lines, "\r\nx-inference-time: 2305843009214\r\n"));
    r.times = (stage_times){.at = {[STAGE_READ] = 1, [STAGE_WRITE] = INT64_MAX}};
    r.status = 431;
    lines_of(&r);
    const server_timing t = timing();
    CU_ASSERT_TRUE(t.n == 1 && t.ms[0] == t.total_ms);
}

static void an_id_is_taken_or_made(void)
{
    static const char *const bad[] = {"", "a b", "a\tb", "a\"b", "a,b", "\xc3\xa9", "a/b"};
    char id[CALL_ID_MAX], other[CALL_ID_MAX], long_id[CALL_ID_MAX + 1];
    uint64_t state = 1;
    memset(long_id, 'x', CALL_ID_MAX);
    http_choose_id(id, (http_slice){long_id, CALL_ID_MAX - 1}, &state);
    CU_ASSERT_TRUE(strlen(id) == CALL_ID_MAX - 1 && !memcmp(id, long_id, CALL_ID_MAX - 1));
    http_choose_id(id, (http_slice){long_id, CALL_ID_MAX}, &state);
    CU_ASSERT_EQUAL(strlen(id), 16);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        http_choose_id(other, (http_slice){bad[i], strlen(bad[i])}, &state);
        CU_ASSERT_EQUAL(strspn(other, "0123456789abcdef"), 16);
        CU_ASSERT_TRUE(strlen(other) == 16 && strcmp(id, other));
        memcpy(id, other, sizeof id);
    }
    http_choose_id(id, (http_slice){"a\0b", 3}, &state); /* what strchr() takes for the end of its list */
    CU_ASSERT_EQUAL(strlen(id), 16);
}

static void every_status_has_its_reason(void)
{
    static const char *const wanted[] = {
        "200 OK", "202 Accepted", "400 Bad Request", "401 Unauthorized", "403 Forbidden", "404 Not Found",
        "405 Method Not Allowed", "408 Request Timeout", "409 Conflict", "413 Content Too Large", "414 URI Too Long",
        "415 Unsupported Media Type", "417 Expectation Failed", "421 Misdirected Request", "422 Unprocessable Content",
        "424 Failed Dependency", "429 Too Many Requests", "431 Request Header Fields Too Large",
        "500 Internal Server Error", "501 Not Implemented", "503 Service Unavailable", "504 Gateway Timeout",
        "505 HTTP Version Not Supported",
    };
    char line[80];
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        lines_of(&(call_record){.status = atoi(wanted[i]), .request_id = "x"});
        snprintf(line, sizeof line, "HTTP/1.1 %s\r\n", wanted[i]);
        CU_ASSERT_NSTRING_EQUAL(lines, line, strlen(line));
    }
}

void http_reply_suite(CU_pSuite s)
{
    CU_add_test(s, "the stages in server-timing add up to its total, TEI's headers are whole ms", stages_add_up);
    CU_add_test(s, "only stages that were passed are told, and nothing where no request was read",
                only_what_was_passed);
    CU_add_test(s, "whatever was stamped, the printed stages add up to the printed total", any_stages_add_up);
    CU_add_test(s, "a time is rounded to the nearest microsecond", a_time_is_rounded_to_the_nearest);
    CU_add_test(s, "an id of the client is taken when it is plain, else one is made", an_id_is_taken_or_made);
    CU_add_test(s, "all lines with the largest numbers fit", the_largest_numbers_fit);
    CU_add_test(s, "every status has its reason", every_status_has_its_reason);
}
