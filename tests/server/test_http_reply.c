/* test_http_reply.c - the times in a reply's head: the stages that were passed, and that they add up. */
#include <CUnit/CUnit.h>
#include <stdlib.h>
#include <string.h>
#include "server/http_reply.h"

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
    r.times.at[STAGE_READ] = 0; /* of a connection too many no request was read */
    lines_of(&r);
    CU_ASSERT_PTR_NULL(strstr(lines, "server-timing"));
}

static void the_largest_numbers_fit(void)
{
    call_record r = {
        .status = 431, .compute_type = "a-backend-of-a-name", .tokens = INT64_MAX, .characters = INT64_MAX};
    memset(r.request_id, 'x', sizeof r.request_id - 1);
    r.times.at[STAGE_READ] = 1;
    for (int s = 1; s <= STAGE_WRITE; s++) r.times.at[s] = INT64_MAX - 1000000;
    lines_of(&r);
    CU_ASSERT_PTR_NOT_NULL(strstr(lines, "x-inference-time: "));
}

void http_reply_suite(CU_pSuite s)
{
    CU_add_test(s, "the stages in server-timing add up to its total, TEI's headers are whole ms", stages_add_up);
    CU_add_test(s, "only stages that were passed are told, and nothing where no request was read",
                only_what_was_passed);
    CU_add_test(s, "all lines with the largest numbers fit", the_largest_numbers_fit);
}
