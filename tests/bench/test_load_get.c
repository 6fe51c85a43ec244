/* test_load_get.c - one document of a server, or a line that says why not. */
#include <CUnit/CUnit.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "bench/load_get.h"
#include "tests/support/canned.h"

static char *body;
static error err;

static status get(canned_answer answer)
{
    char port[8];
    canned *c = canned_open((canned_options){.answers = &answer, .n = 1});
    snprintf(port, sizeof port, "%d", canned_port(c));
    const status rc = load_get(&body, "127.0.0.1", port, "/metrics", &err);
    canned_close(c);
    return rc;
}

static void a_document_comes_whole(void)
{
    for (size_t piece = 0; piece < 8; piece += 7) {
        CU_ASSERT_EQUAL_FATAL(
            get((canned_answer){.text = "HTTP/1.1 200 OK\r\ncontent-length: 12\r\n\r\nfirst\nsecond", .piece = piece}),
            OK);
        CU_ASSERT_STRING_EQUAL(body, "first\nsecond");
        free(body);
    }
}

static void its_end_is_its_length(void)
{
    CU_ASSERT_EQUAL_FATAL(
        get((canned_answer){.text = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", .then = CANNED_HOLDS}), OK);
    CU_ASSERT_STRING_EQUAL(body, "ok");
    free(body);
}

static void other_answers_are_refused(void)
{
    static const struct {
        const char *text, *why;
        status rc;
    } rows[] = {
        {"HTTP/1.1 404 Not Found\r\ncontent-length: 2\r\n\r\nno", "/metrics answers 404, wanted 200", UNAVAILABLE},
        {"HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\ncut off", "/metrics has no answer", UNAVAILABLE},
        {"HTTP/1.1 200 OK\r\n\r\nhow long?", "/metrics is no HTTP", MALFORMED},
        {"SSH-2.0-OpenSSH_9.2\r\n\r\n", "/metrics is no HTTP", MALFORMED},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        CU_ASSERT_EQUAL(get((canned_answer){.text = rows[i].text}), rows[i].rc);
        if (!strstr(err.text, rows[i].why)) CU_FAIL(err.text);
        CU_ASSERT_PTR_NULL(body);
    }
}

static void nobody_there_is_said(void)
{
    char port[8];
    canned *c = canned_open((canned_options){.answers = &(canned_answer){.text = ""}, .n = 1});
    snprintf(port, sizeof port, "%d", canned_port(c));
    canned_close(c);
    CU_ASSERT_EQUAL(load_get(&body, "127.0.0.1", port, "/", &err), UNAVAILABLE);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "refused"));
    CU_ASSERT_EQUAL(load_get(&body, "a.host.that.is.invalid", "80", "/", &err), NOT_FOUND);
    CU_ASSERT_PTR_NULL(body);
}

void load_get_suite(CU_pSuite s)
{
    CU_add_test(s, "a document comes whole, also in pieces", a_document_comes_whole);
    CU_add_test(s, "it ends with its length, not with its connection", its_end_is_its_length);
    CU_add_test(s, "other statuses, half an answer and what is no HTTP are refused", other_answers_are_refused);
    CU_add_test(s, "nobody there is said at once", nobody_there_is_said);
}
