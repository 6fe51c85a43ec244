/* test_incident_file.c - an incident there and back, and files that are none. */
#include "server/incident_file.h"
#include <CUnit/CUnit.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[64];

static void make_folder(void)
{
    strcpy(folder, "/tmp/incident_file.XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
}

static incident whole(void)
{
    static char bundle[] = "{\"a\":[1,2.5],\"b\":\"x\"}";
    incident n = {.id = "20261125-090000-rollback-2",
                  .why = CAUSE_ROLLBACK,
                  .state = INCIDENT_RESOLVED,
                  .opened_ms = 1795597200001,
                  .last_ms = 1795597260999,
                  .acknowledged_ms = 1795597261000,
                  .resolved_ms = 1795597262000,
                  .count = 3,
                  .rule = "p99_previous",
                  .summary = "a \"summary\"\nof two lines",
                  .version = "1.2",
                  .digest = "0123abcd",
                  .model = "small",
                  .team = "search",
                  .contact = "#search",
                  .runbook = "https://runbooks/search",
                  .acknowledged_by = "ada@host",
                  .resolved_by = "bob@host",
                  .note = "it was \xe2\x82\xac",
                  .bundle = bundle,
                  .bundle_bytes = sizeof bundle - 1};
    return n;
}

static void there_and_back_nothing_is_lost(void)
{
    out o = {0}, again = {0};
    incident n = whole(), *read;
    error err;
    incident_document(&o, &n);
    CU_ASSERT_EQUAL_FATAL(incident_parse(&read, o.p, o.n, &err), OK);
    incident_document(&again, read);
    CU_ASSERT(o.n == again.n && !memcmp(o.p, again.p, o.n));
    CU_ASSERT(read->why == n.why && read->state == n.state && read->count == n.count);
    CU_ASSERT(read->opened_ms == n.opened_ms && read->last_ms == n.last_ms);
    CU_ASSERT(read->acknowledged_ms == n.acknowledged_ms && read->resolved_ms == n.resolved_ms);
    CU_ASSERT_STRING_EQUAL(read->summary, n.summary);
    CU_ASSERT_STRING_EQUAL(read->runbook, n.runbook);
    CU_ASSERT_STRING_EQUAL(read->note, n.note);
    CU_ASSERT_STRING_EQUAL(read->bundle, n.bundle);
    incident_free(read);
    out_free(&o);
    out_free(&again);
}

static void the_document_looks_as_documented(void)
{
    out o = {0};
    incident n = whole();
    n.acknowledged_ms = 0;
    n.bundle = NULL;
    incident_document(&o, &n);
    out_bytes(&o, "", 1);
    CU_ASSERT_STRING_EQUAL(
        o.p, "{\"id\":\"20261125-090000-rollback-2\",\"cause\":\"rollback\",\"state\":\"resolved\","
             "\"opened_at\":\"2026-11-25T09:00:00.001Z\",\"last_at\":\"2026-11-25T09:01:00.999Z\",\"count\":3,"
             "\"summary\":\"a \\\"summary\\\"\\nof two lines\",\"rule\":\"p99_previous\",\"version\":\"1.2\","
             "\"digest\":\"0123abcd\",\"model\":\"small\",\"owner\":{\"team\":\"search\",\"contact\":\"#search\","
             "\"runbook\":\"https://runbooks/search\"},\"acknowledged_at\":null,"
             "\"resolved_at\":\"2026-11-25T09:01:02.000Z\",\"acknowledged_by\":\"ada@host\","
             "\"resolved_by\":\"bob@host\",\"note\":\"it was \xe2\x82\xac\",\"bundle\":null}\n");
    out_free(&o);
}

static void a_copy_is_whole_letters_that_fit(void)
{
    char to[6];
    incident_copy(to, sizeof to, "abcd\xe2\x82\xac");
    CU_ASSERT_STRING_EQUAL(to, "abcd");
    incident_copy(to, sizeof to, "ab\xe2\x82\xacz");
    CU_ASSERT_STRING_EQUAL(to, "ab\xe2\x82\xac");
    incident_copy(to, sizeof to, "\xff\xe2\x82.\xc3");
    CU_ASSERT_STRING_EQUAL(to, "???.?");
}

static const struct {
    const char *text, *said;
} broken[] = {
    {"", "ends at byte 0"},
    {"{\"id\":\"a\",", "ends at byte 10"},
    {"[]", "\"id\" is \"\""},
    {"{\"id\":\"../a\",\"cause\":\"golden\",\"state\":\"open\",\"count\":1,\"opened_at\":\"2026-11-25T09:00:00.001Z\"}",
     "\"id\" is \"../a\""},
    {"{\"id\":\"a\",\"cause\":\"bad luck\",\"state\":\"open\",\"count\":1,\"opened_at\":\"2026-11-25T09:00:00.001Z\"}",
     "\"cause\" is \"bad luck\""},
    {"{\"id\":\"a\",\"cause\":\"golden\",\"state\":\"shut\",\"count\":1,\"opened_at\":\"2026-11-25T09:00:00.001Z\"}",
     "\"state\" is \"shut\""},
    {"{\"id\":\"a\",\"cause\":\"golden\",\"state\":\"open\",\"count\":0,\"opened_at\":\"2026-11-25T09:00:00.001Z\"}",
     "\"count\" is 0"},
    {"{\"id\":\"a\",\"cause\":\"golden\",\"state\":\"open\",\"opened_at\":\"2026-11-25T09:00:00.001Z\"}",
     "\"count\" is"},
    {"{\"id\":\"a\",\"cause\":\"golden\",\"state\":\"open\",\"count\":1,\"opened_at\":\"yesterday\"}",
     "\"opened_at\" is \"yesterday\""},
};

static void what_is_no_incident_is_said_to_be_none(void)
{
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        incident *n;
        error err = {""};
        CU_ASSERT_EQUAL(incident_parse(&n, broken[i].text, strlen(broken[i].text), &err), MALFORMED);
        CU_ASSERT_PTR_NULL(n);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.text, broken[i].said));
        if (!strstr(err.text, broken[i].said)) printf("\n    %zu: %s", i, err.text);
    }
}

static void a_file_is_read_under_its_own_name_alone(void)
{
    incident n = whole(), *read;
    error err = {""};
    char path[128], other[128];
    make_folder();
    CU_ASSERT_FALSE(incident_file_is_there(folder, &n));
    CU_ASSERT_EQUAL_FATAL(incident_file_write(folder, &n, &err), OK);
    CU_ASSERT_TRUE(incident_file_is_there(folder, &n));
    CU_ASSERT_EQUAL_FATAL(incident_file_read(&read, folder, "20261125-090000-rollback-2.json", &err), OK);
    CU_ASSERT_STRING_EQUAL(read->id, n.id);
    incident_free(read);
    snprintf(path, sizeof path, "%s/20261125-090000-rollback-2.json", folder);
    snprintf(other, sizeof other, "%s/20261125-090000-rollback-3.json", folder);
    CU_ASSERT_EQUAL(rename(path, other), 0);
    CU_ASSERT_EQUAL(incident_file_read(&read, folder, "20261125-090000-rollback-3.json", &err), MALFORMED);
    CU_ASSERT_PTR_NULL(read);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "of another name"));
    CU_ASSERT_EQUAL(incident_file_read(&read, folder, "20261125-090000-rollback-2.json", &err), IO_FAILED);
    unlink(other);
    CU_ASSERT_EQUAL(rmdir(folder), 0);
}

static void the_folder_is_made_for_its_owner_alone(void)
{
    incident n = whole();
    struct stat st;
    char below[128];
    error err = {""};
    make_folder();
    snprintf(below, sizeof below, "%s/incidents", folder);
    CU_ASSERT_EQUAL(incident_file_write(below, &n, &err), OK);
    CU_ASSERT(stat(below, &st) == 0 && (st.st_mode & 0777) == 0700);
    incident_file_remove(below, &n);
    CU_ASSERT_EQUAL(rmdir(below), 0);
    CU_ASSERT_EQUAL(rmdir(folder), 0);
    CU_ASSERT_EQUAL(incident_file_write(below, &n, &err), IO_FAILED);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "No such file"));
}

void incident_file_suite(CU_pSuite s)
{
    CU_ADD_TEST(s, there_and_back_nothing_is_lost);
    CU_ADD_TEST(s, the_document_looks_as_documented);
    CU_ADD_TEST(s, a_copy_is_whole_letters_that_fit);
    CU_ADD_TEST(s, what_is_no_incident_is_said_to_be_none);
    CU_ADD_TEST(s, a_file_is_read_under_its_own_name_alone);
    CU_ADD_TEST(s, the_folder_is_made_for_its_owner_alone);
}
