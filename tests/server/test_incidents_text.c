/* test_incidents_text.c - documents in, text out; to the letter where people look. */
#include "server/incidents_text.h"
#include <CUnit/CUnit.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const double now_s = 1795597200 + 93784; /* 2026-11-25T09:00:00Z, and a day and two hours */

/* The caller's to free. */
static char *text_of(void (*render)(out *o, const cJSON *tree, double now_unix_s), const char *json)
{
    out o = {0};
    cJSON *tree = cJSON_Parse(json);
    CU_ASSERT_PTR_NOT_NULL_FATAL(tree);
    render(&o, tree, now_s);
    out_bytes(&o, "", 1);
    CU_ASSERT_FALSE_FATAL(o.failed);
    cJSON_Delete(tree);
    return o.p;
}

static void is(void (*render)(out *o, const cJSON *tree, double now_unix_s), const char *json, const char *wanted)
{
    char *text = text_of(render, json);
    CU_ASSERT_STRING_EQUAL(text, wanted);
    if (strcmp(text, wanted)) printf("\n%s", text);
    free(text);
}

static void the_table_is_as_wide_as_what_is_in_it(void)
{
    is(incidents_text,
       "[{\"id\":\"20261125-090000-slo_burn\",\"state\":\"open\",\"count\":12,\"opened_at\":\"2026-11-25T09:00:00."
       "000Z\","
       "\"version\":\"1.2\",\"owner\":{\"team\":\"search and more\"},\"summary\":\"it burns\"},"
       "{\"id\":\"20261124-090000-golden\",\"state\":\"acknowledged\",\"count\":1,"
       "\"opened_at\":\"2026-11-24T09:00:00.000Z\",\"version\":\"1.1-long\",\"summary\":\"wrong rows\"}]",
       "ID                        STATE         COUNT  AGE      VERSION   OWNER            SUMMARY\n"
       "20261125-090000-slo_burn  open          12     1 d 2 h  1.2       search and more  it burns\n"
       "20261124-090000-golden    acknowledged  1      2 d 2 h  1.1-long                   wrong rows\n");
    is(incidents_text, "[]", "no incidents\n");
}

static void nothing_moves_the_cursor(void)
{
    char *text = text_of(incidents_text, "[{\"id\":\"a\\u001b[2Jb\",\"summary\":\"x\\ny\\u007fz\"}]");
    CU_ASSERT_PTR_NULL(strchr(text, 0x1b));
    CU_ASSERT_PTR_NULL(strchr(text, 0x7f));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "a [2Jb "));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "x y z\n"));
    free(text);
}

static void a_page_says_what_when_and_whose(void)
{
    is(incident_text,
       "{\"id\":\"20261125-090000-rollback\",\"state\":\"resolved\",\"cause\":\"rollback\",\"rule\":\"p99_previous\","
       "\"summary\":\"slower\",\"opened_at\":\"2026-11-25T09:00:00.000Z\",\"last_at\":\"2026-11-26T11:02:04.000Z\","
       "\"count\":2,\"acknowledged_at\":\"2026-11-25T09:01:00.000Z\",\"acknowledged_by\":\"ada@host\","
       "\"resolved_at\":\"2026-11-25T09:02:00.000Z\",\"resolved_by\":\"bob@host\",\"note\":\"a bad build\","
       "\"version\":\"1.2\",\"model\":\"small\",\"digest\":\"0123456789abcdef\","
       "\"owner\":{\"team\":\"search\",\"contact\":\"#search\",\"runbook\":\"https://runbooks/search\"},"
       "\"bundle\":{\"slo\":{\"burn\":{\"5m\":16.70,\"1h\":3.25}},\"p99_ms\":{\"10s\":12.5},"
       "\"queue\":{\"in_hand\":3},\"device\":null,"
       "\"stages\":[{\"stage\":\"read\",\"count\":100,\"sum_ms\":1,\"p50_ms\":0.1,\"p99_ms\":1.1390625}],"
       "\"slowest\":[{\"request_id\":\"r7\",\"route\":\"/embed\",\"status\":200,\"ago_ms\":13000,\"total_ms\":120.25,"
       "\"stages_ms\":{\"read\":1,\"compute\":119.25,\"write\":0},\"sequences\":2,\"tokens\":30}],"
       "\"flight\":{\"rings\":[{\"thread\":\"loop "
       "0\",\"events\":[{\"ago_us\":5000.5,\"event\":\"request\",\"code\":200,"
       "\"total_us\":1234567,\"tokens\":30}]},{\"thread\":\"main\",\"events\":[{\"ago_us\":9000,\"event\":\"phase\","
       "\"phase\":1},{\"ago_us\":100,\"event\":\"phase\",\"phase\":3}]}]}}}",
       "incident     20261125-090000-rollback\n"
       "state        resolved\n"
       "cause        rollback\n"
       "rule         p99_previous\n"
       "what         slower\n"
       "opened       2026-11-25T09:00:00.000Z, 1 d 2 h ago; 2 times, the last 1 min ago\n"
       "seen         2026-11-25T09:01:00.000Z by ada@host\n"
       "resolved     2026-11-25T09:02:00.000Z by bob@host: a bad build\n"
       "version      1.2 of small, digest 0123456789ab\n"
       "owner        search\n"
       "contact      #search\n"
       "runbook      https://runbooks/search\n"
       "burn         5m 16.7, 1h 3.25\n"
       "p99          10s 12.5 ms\n"
       "queue        in_hand 3\n"
       "\n"
       "stage         requests     p50 ms     p99 ms\n"
       "read               100        0.1      1.139\n"
       "\n"
       "        ms  s before  status  tokens  slowest requests of the minute before\n"
       "     120.2      13.0     200      30  /embed r7, 119.2 ms in compute\n"
       "\n"
       " ms before  last events before it opened\n"
       "       9.0  main         phase phase 1\n"
       "       5.0  loop 0       request code 200 total_us 1234567 tokens 30\n"
       "       0.1  main         phase phase 3\n");
}

static void what_is_not_there_is_left_out(void)
{
    is(incident_text, "{\"id\":\"a\",\"state\":\"open\",\"opened_at\":\"2026-11-26T11:03:05.000Z\",\"bundle\":null}",
       "incident     a\n"
       "state        open\n"
       "opened       2026-11-26T11:03:05.000Z, 0 s ago\n"
       "owner        none: the version is not packed\n");
}

static void of_many_events_the_last_are_shown(void)
{
    out json = {0};
    out_text(&json, "{\"bundle\":{\"flight\":{\"rings\":[{\"thread\":\"x\",\"events\":[");
    for (int i = 100; i > 0; i--)
        out_format(&json, "{\"ago_us\":%d000,\"event\":\"cut\"}%s", i, i > 1 ? "," : "]}]}}}");
    out_bytes(&json, "", 1);
    char *text = text_of(incident_text, json.p);
    CU_ASSERT_PTR_NULL(strstr(text, "      21.0  x"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "      20.0  x            cut\n      19.0  x"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "       1.0  x            cut\n"));
    free(text);
    out_free(&json);
}

void incidents_text_suite(CU_pSuite s)
{
    CU_ADD_TEST(s, the_table_is_as_wide_as_what_is_in_it);
    CU_ADD_TEST(s, nothing_moves_the_cursor);
    CU_ADD_TEST(s, a_page_says_what_when_and_whose);
    CU_ADD_TEST(s, what_is_not_there_is_left_out);
    CU_ADD_TEST(s, of_many_events_the_last_are_shown);
}
