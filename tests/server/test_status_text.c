/* test_status_text.c - the console's document in, a screen out; to the letter where people look. */
#include "server/status_text.h"
#include <CUnit/CUnit.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char head[] = "\"state\":\"ready\",\"build\":\"0.1.0 abc\",\"now\":1795683784,\"uptime_s\":93784,"
                           "\"resident_bytes\":104857600",
                  objective[] =
                      ",\"objective\":{\"ms\":100,\"ratio\":0.999},"
                      "\"latency_ms\":{\"10s\":{\"0.5\":1,\"0.99\":900},\"1m\":{\"0.5\":4.25,\"0.99\":99.96}},"
                      "\"burn\":{\"5m\":14.44,\"1h\":2,\"6h\":0.5}",
                  load[] = ",\"load\":{\"offered_tokens_per_s\":5000,\"capacity_tokens_per_s\":20000,\"ratio\":0.25},"
                           "\"queue\":{\"requests\":3,\"tokens\":60,\"oldest_ms\":12.4},"
                           "\"device\":{\"backend\":\"cpu\",\"name\":\"avx2, 2 threads\",\"precision\":\"float32\"}",
                  versions[] =
                      ",\"versions\":{\"active\":{\"version\":\"1.2\",\"directory\":\"two\","
                      "\"digest\":\"0123456789abcdef\",\"model\":\"encoder\",\"since\":1795680184,"
                      "\"owner\":{\"team\":\"search\",\"contact\":\"search@example.org\","
                      "\"runbook\":\"https://example.org/run\"}},"
                      "\"previous\":{\"version\":\"1.1\",\"directory\":\"one\",\"digest\":\"fedcba9876543210\","
                      "\"model\":\"encoder\",\"since\":1795597384,\"owner\":{\"team\":\"old\"}}}",
                  nothing_open[] = ",\"incidents\":[]";

/* The caller's to free. */
static char *text_of(const char *json)
{
    out o = {0};
    cJSON *tree = cJSON_Parse(json);
    CU_ASSERT_PTR_NOT_NULL_FATAL(tree);
    status_text(&o, tree, "http://localhost:8001");
    out_bytes(&o, "", 1);
    CU_ASSERT_FALSE_FATAL(o.failed);
    cJSON_Delete(tree);
    return o.p;
}

static void is(const char *wanted, const char *json)
{
    char *text = text_of(json);
    CU_ASSERT_STRING_EQUAL(text, wanted);
    if (strcmp(text, wanted)) printf("\n%s", text);
    free(text);
}

/* A document of the head and what follows. */
static void has(const char *rest, const char *wanted)
{
    char json[4096];
    snprintf(json, sizeof json, "{%s%s}", head, rest);
    char *text = text_of(json);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, wanted));
    if (!strstr(text, wanted)) printf("\n    no %s in\n%s", wanted, text);
    free(text);
}

static void has_not(const char *rest, const char *unwanted)
{
    char json[4096];
    snprintf(json, sizeof json, "{%s%s}", head, rest);
    char *text = text_of(json);
    CU_ASSERT_PTR_NULL(strstr(text, unwanted));
    free(text);
}

static void a_server_that_answers_is_a_screen(void)
{
    char json[4096];
    snprintf(json, sizeof json, "{%s%s%s%s%s}", head, objective, load, versions, nothing_open);
    is("beeline     ready for 1 d 2 h at http://localhost:8001, 0.1.0 abc, 100 MiB\n"
       "objective   99.9 % within 100 ms: last minute p50 4.2 ms, p99 100.0 ms\n"
       "budget      burns at 14.4 over 5 min, 2.0 over 1 h, 0.5 over 6 h (1: just as much as is allowed)\n"
       "load        0.25 of capacity: 5000 of 20000 tokens/s; 3 requests wait, the oldest for 12 ms\n"
       "device      cpu, avx2, 2 threads, float32\n"
       "active      encoder 1.2 in two, digest 0123456789ab, for 1 h\n"
       "previous    encoder 1.1 in one, digest fedcba987654, for 1 d\n"
       "owner       search, search@example.org, https://example.org/run\n"
       "incidents   0 open\n",
       json);
}

static void one_that_loads_says_what_there_is(void)
{
    is("beeline     loading for 3 s at http://localhost:8001, 0.1.0 abc, 1 MiB\n"
       "objective   99 % within 50 ms: last minute p50 0.0 ms, p99 0.0 ms\n"
       "budget      burns at 0.0 over 5 min, 0.0 over 1 h, 0.0 over 6 h (1: just as much as is allowed)\n"
       "incidents   0 open\n",
       "{\"state\":\"loading\",\"build\":\"0.1.0 abc\",\"uptime_s\":3.9,\"resident_bytes\":1048576,"
       "\"objective\":{\"ms\":50,\"ratio\":0.99},\"incidents\":[]}");
}

static void what_is_late_is_said(void)
{
    has_not(objective, "TOO LATE");
    has(",\"objective\":{\"ms\":100,\"ratio\":0.999},\"latency_ms\":{\"1m\":{\"0.99\":100.5}}",
        "p99 100.5 ms, TOO LATE\n");
}

static void a_version_that_nobody_packed_has_no_owner(void)
{
    has(",\"versions\":{\"active\":{\"version\":\"one\",\"owner\":{\"team\":\"\"}},\"previous\":null}",
        "owner       none: the version is not packed\n");
    has(",\"versions\":{\"active\":{\"version\":\"one\",\"owner\":{\"team\":\"\"}},\"previous\":null}",
        "previous    none\n");
}

#define RELEASE(state, steps)                                                                                          \
    ",\"release\":{\"number\":7,\"version\":\"two\",\"state\":\"" state                                                \
    "\",\"who\":\"ada@host\",\"reason\":\"better\",\"steps\":[" steps "]}"

static void a_release_is_told_from_its_first_to_its_last(void)
{
    has_not(RELEASE("idle", ""), "release");
    has(RELEASE("running", "{\"step\":\"check\",\"state\":\"ok\",\"detail\":\"fine\"},"
                           "{\"step\":\"bake\",\"state\":\"running\",\"detail\":\"3 s of 60 s\"},"
                           "{\"step\":\"more\",\"state\":\"waiting\",\"detail\":\"\"}"),
        "release     7 of two: running, bake: 3 s of 60 s (ada@host, better)\n");
    has(RELEASE("refused", "{\"step\":\"check\",\"state\":\"failed\",\"detail\":\"no owner\"}"),
        "release     7 of two: refused, check: no owner (ada@host, better)\n");
    has(RELEASE("done", "{\"step\":\"check\",\"state\":\"ok\",\"detail\":\"fine\"}"),
        "release     7 of two: done (ada@host, better)\n");
}

static void incidents_that_are_resolved_are_not_told(void)
{
    static const char three[] =
        ",\"incidents\":[{\"id\":\"c\",\"state\":\"open\",\"count\":2,\"summary\":\"it burns\"},"
        "{\"id\":\"b\",\"state\":\"resolved\",\"count\":1,\"summary\":\"over\"},"
        "{\"id\":\"a\",\"state\":\"acknowledged\",\"count\":1,\"summary\":\"wrong rows\"}]";
    has(three, "incidents   2 open\n"
               "            c, 2 x, open: it burns\n"
               "            a, 1 x, acknowledged: wrong rows\n");
    has_not(three, "over\n");
}

static void what_is_missing_is_left_out(void)
{
    static const char *const odd[] = {"{}", "[]", "{\"load\":7,\"versions\":[],\"release\":3,\"incidents\":{\"a\":1}}",
                                      "{\"state\":null,\"objective\":[],\"versions\":{\"active\":\"one\"}}"};
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        char *text = text_of(odd[i]);
        CU_ASSERT_PTR_NOT_NULL(strstr(text, "incidents   "));
        CU_ASSERT_PTR_NULL(strstr(text, "null"));
        free(text);
    }
}

static void an_age_has_its_two_largest_units(void)
{
    static const struct {
        double s;
        const char *text;
    } rows[] = {{93784, "1 d 2 h"},      {0, "0 s"},    {59.9, "59 s"},      {60, "1 min"},  {61, "1 min 1 s"},
                {3599, "59 min 59 s"},   {3600, "1 h"}, {7325, "2 h 2 min"}, {86400, "1 d"}, {86399, "23 h 59 min"},
                {400 * 86400., "400 d"}, {-5, "0 s"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        out o = {0};
        status_age(&o, rows[i].s);
        out_bytes(&o, "", 1);
        CU_ASSERT_STRING_EQUAL(o.p, rows[i].text);
        if (strcmp(o.p, rows[i].text)) printf("\n    %s", o.p);
        out_free(&o);
    }
}

void status_text_suite(CU_pSuite s)
{
    CU_add_test(s, "a server that answers is a screen", a_server_that_answers_is_a_screen);
    CU_add_test(s, "one that loads says what there is", one_that_loads_says_what_there_is);
    CU_add_test(s, "what is late is said", what_is_late_is_said);
    CU_add_test(s, "a version that nobody packed has no owner", a_version_that_nobody_packed_has_no_owner);
    CU_add_test(s, "a release is told from its first step to its last", a_release_is_told_from_its_first_to_its_last);
    CU_add_test(s, "incidents that are resolved are not told", incidents_that_are_resolved_are_not_told);
    CU_add_test(s, "what is missing is left out", what_is_missing_is_left_out);
    CU_add_test(s, "an age has its two largest units", an_age_has_its_two_largest_units);
}
