/* test_answer.c - x-deadline-ms and x-priority, and the status of each refusal. */
#include <CUnit/CUnit.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "server/answer.h"
#include "server/http_exchange.h"
#include "tests/support/versions_of.h"

enum { READ_NS = 7000000 };
static exchange e;
static answer_terms terms;

static bool reads(const char *name, const char *value, int times)
{
    exchange none = {0};
    out_free(&e.fields);
    out_free(&e.reply);
    e = none;
    e.c.record.times.at[STAGE_READ] = READ_NS;
    e.c.head.fields = times;
    for (int i = 0; i < times; i++) {
        e.c.head.name[i] = (http_slice){name, strlen(name)};
        e.c.head.value[i] = (http_slice){value, strlen(value)};
    }
    bool good = answer_read_terms(&e.c, &terms);
    CU_ASSERT_EQUAL(good, !e.replied);
    if (!good) CU_ASSERT_EQUAL(e.c.record.status, 400);
    return good;
}

/* The reply does, which is a text from here on. */
static bool starts(const char *text)
{
    out_bytes(&e.reply, "", 1);
    return !strncmp(e.reply.p, text, strlen(text));
}

static void deadlines(void)
{
    char seen[128];
    static const struct {
        const char *value;
        int64_t ms; /* -1: refused */
    } cases[] = {{"0", 0},
                 {"250", 250},
                 {"0007", 7},
                 {"3600000", 3600000},
                 {"3600001", 3600000},
                 {"1000000000000000000", 3600000},
                 {"999999999999999999999999999999", 3600000},
                 {"", -1},
                 {"-5", -1},
                 {"+5", -1},
                 {"5ms", -1},
                 {"1.5", -1},
                 {"1e3", -1},
                 {"soon", -1},
                 {"5,5", -1},
                 {"\xd9\xa5", -1}}; /* a digit, but not of ours */
    CU_ASSERT(reads("x-other", "1", 1) && terms.deadline_ns == INT64_MAX && terms.lane == LANE_INTERACTIVE);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bool good = reads("X-Deadline-Ms", cases[i].value, 1);
        CU_ASSERT_EQUAL(good, cases[i].ms >= 0);
        if (good) CU_ASSERT_EQUAL(terms.deadline_ns, READ_NS + cases[i].ms * 1000000);
        snprintf(seen, sizeof seen, "{\"error\":\"x-deadline-ms is \\\"%s\\\", wanted ", cases[i].value);
        if (!good) CU_ASSERT(starts(seen) && strstr(e.reply.p, "\"error_type\":\"Validation\"}"));
    }
    CU_ASSERT_FALSE(reads("x-deadline-ms", "5", 2));
}

static void priorities(void)
{
    CU_ASSERT(reads("x-priority", "bulk", 1) && terms.lane == LANE_BULK);
    CU_ASSERT(reads("X-Priority", "BULK", 1) && terms.lane == LANE_BULK);
    CU_ASSERT(reads("x-priority", "Interactive", 1) && terms.lane == LANE_INTERACTIVE);
    CU_ASSERT_FALSE(reads("x-priority", "bulk", 2));
    CU_ASSERT_FALSE(reads("x-priority", "bulky", 1));
    CU_ASSERT_FALSE(reads("x-priority", "bul", 1));
    CU_ASSERT(starts("{\"error\":\"x-priority is \\\"bul\\\", wanted "));
    CU_ASSERT(reads("x-priority", "interactive", 1) && terms.lane == LANE_INTERACTIVE);
    CU_ASSERT_FALSE(reads("x-priority", "urgent", 1));
    CU_ASSERT_FALSE(reads("x-priority", "", 1));
}

static void a_deadline_passes(void)
{
    error err;
    CU_ASSERT(reads("x-deadline-ms", "2", 1));
    CU_ASSERT_EQUAL(answer_in_time(&e.c, &terms, READ_NS + 1999999, &err), OK);
    CU_ASSERT_EQUAL(answer_in_time(&e.c, &terms, READ_NS + 2000000, &err), EXPIRED);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "2 ms"));
    CU_ASSERT(reads("x-deadline-ms", "0", 1));
    CU_ASSERT_EQUAL(answer_in_time(&e.c, &terms, READ_NS, &err), EXPIRED);
}

static void long_nonsense_is_quoted_in_part(void)
{
    static char value[5000];
    memset(value, 'x', sizeof value - 1);
    CU_ASSERT_FALSE(reads("x-deadline-ms", value, 1));
    CU_ASSERT(e.reply.n < 250);
    CU_ASSERT_FALSE(reads("x-priority", value, 1));
    CU_ASSERT(e.reply.n < 250);
}

static void device_close(backend *b) { (void)b; }
static const backend_ops device = {.name = "none", .close = device_close};

static void not_ready(void)
{
    static const struct {
        int phase;
        const char *reason; /* NULL: it is ready */
    } cases[] = {{APP_LOADING, "the model is loading"}, {APP_READY, NULL}, {APP_DRAINING, NULL}, {APP_LOST, "a cable"}};
    engine *small = calloc(1, sizeof *small);
    CU_ASSERT_PTR_NOT_NULL_FATAL(small);
    small->ops = &device;
    app a = {.versions = versions_of(small), .lost = {"a cable"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        CU_ASSERT(reads("x-other", "1", 1));
        atomic_store(&a.phase, cases[i].phase);
        e.c.app = &a;
        version *answers = answer_version(&e.c);
        const bool ready = answers;
        if (ready) CU_ASSERT_PTR_EQUAL(answers->engine, small);
        versions_release(a.versions, answers);
        CU_ASSERT_EQUAL(ready, !cases[i].reason);
        CU_ASSERT_EQUAL(ready, !e.replied);
        if (ready) continue;
        CU_ASSERT(e.c.record.status == 503 && e.c.record.failure == FAILURE_DRAINING);
        CU_ASSERT(strstr(e.reply.p, cases[i].reason) && strstr(e.reply.p, "\"Unhealthy\""));
        out_bytes(&e.fields, "", 1);
        CU_ASSERT_PTR_NOT_NULL(strstr(e.fields.p, "retry-after: 1\r\n"));
    }
    versions_close(a.versions);
}

static void refusals(void)
{
    static const struct {
        status why;
        int code;
        call_failure failure;
        const char *type;
    } cases[] = {
        {EXPIRED, 504, FAILURE_NONE, "\"Deadline\""},          {OVERLOADED, 429, FAILURE_NONE, "\"Overloaded\""},
        {UNAVAILABLE, 503, FAILURE_DRAINING, "\"Unhealthy\""}, {NO_MEMORY, 503, FAILURE_OVERLOADED, "\"Unhealthy\""},
        {BAD_INPUT, 422, FAILURE_NONE, "\"Validation\""},      {GPU_FAILED, 500, FAILURE_NONE, "\"Backend\""},
        {MALFORMED, 400, FAILURE_NONE, "\"Validation\""},      {EMPTY, 400, FAILURE_NONE, "\"Empty\""},
        {CANCELLED, 503, FAILURE_CANCELLED, "\"Unhealthy\""},  {GPU_LOST, 503, FAILURE_BACKEND, "\"Unhealthy\""},
        {NOT_FINITE, 500, FAILURE_NONE, "\"Backend\""},        {IO_FAILED, 500, FAILURE_NONE, "\"Backend\""}};
    error err = {"why"};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        CU_ASSERT(reads("x-other", "1", 1));
        answer_turned_away(&e.c, cases[i].why, 3, 0, &err);
        out_bytes(&e.fields, "", 1);
        CU_ASSERT_EQUAL(e.c.record.status, cases[i].code);
        CU_ASSERT_EQUAL(e.c.record.failure, cases[i].failure);
        CU_ASSERT_PTR_NOT_NULL(strstr(e.reply.p, cases[i].type));
        if (cases[i].code == 429) CU_ASSERT_PTR_NOT_NULL(strstr(e.fields.p, "retry-after: 3"));
    }
    out_free(&e.fields);
    out_free(&e.reply);
}

void answer_suite(CU_pSuite s)
{
    CU_add_test(s, "D80 x-deadline-ms is digits, at most an hour; anything else is 400", deadlines);
    CU_add_test(s, "x-priority is interactive or bulk; anything else is 400", priorities);
    CU_add_test(s, "a deadline of n ms passes n ms after the first byte", a_deadline_passes);
    CU_add_test(s, "a long nonsense is quoted in part", long_nonsense_is_quoted_in_part);
    CU_add_test(s, "who loads or has lost its device says 503 and why, who drains still answers", not_ready);
    CU_add_test(s, "each refusal has its status, its type and its reason", refusals);
}
