/* The server is killed at every write of its state, and starts again on a good version; a disk that is full stops
 * nothing. */
#include <CUnit/CUnit.h>
#include <cjson/cJSON.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tests/support/operator.h"

enum { CALLS_MOST = 200 };
static int step(void) { return *BEELINE_SANITIZED ? 9 : 1; } /* a start takes seconds under a sanitizer */
static server_process server;
static char *root, *state, *first, text[OPERATOR_TEXT], setting[600];

static void begin(void)
{
    root = tiny_folder_make();
    state = tiny_path(root, "state");
    first = tiny_path(root, "one");
    operator_pack(root, "one", (tiny_model){.seed = 1}, 0);
    operator_pack(root, "two", (tiny_model){.seed = 2}, 0);
}

static void end(void)
{
    free(first);
    free(state);
    tiny_folder_remove(root);
}

/* fault: "kill=7"; NULL: the disk works.  false: it was killed before it was ready. */
static bool start(const char *fault)
{
    static const char *const works[] = {NULL};
    static const char *const fails[] = {"LD_PRELOAD=" BEELINE_FAILING_DISK,
                                        "ASAN_OPTIONS=verify_asan_link_order=0:detect_leaks=0", setting, NULL};
    const char *const words[] = {"--versions", root, "--state", state, NULL};
    snprintf(setting, sizeof setting, "FAILING_DISK=%s:%s", state, fault ? fault : "");
    server_environment(fault ? fails : works);
    const bool ready = server_start(&server, first, words);
    server_environment(NULL);
    return ready;
}

static char answering[64];

static const char *version_of_a_reply(void)
{
    client c;
    const client_reply r = client_ask(&c, server.port, "POST /embed HTTP/1.1\r\nhost: x\r\ncontent-type: "
                                                       "application/json\r\ncontent-length: 14\r\n\r\n{\"inputs\":\"a\"}");
    answering[0] = 0;
    if (r.status == 200) client_field(&r, "x-model-version", answering, sizeof answering);
    client_close(&c);
    return answering;
}

static void clear_state(void)
{
    static const char *const files[] = {"current.json", "exits.json", "ledger.jsonl", "lock"};
    for (int i = 0; i < 4; i++) {
        char *path = tiny_path(state, files[i]);
        remove(path);
        free(path);
    }
}

/* Whatever was on its way: it begins, on a version that was good, and knows of all that was whole. */
static void starts_again(bool two_was_done)
{
    CU_ASSERT_TRUE_FATAL(start(NULL));
    const char *version = version_of_a_reply();
    CU_ASSERT(!strcmp(version, "1-one") || !strcmp(version, "1-two"));
    if (two_was_done) CU_ASSERT_STRING_EQUAL(version, "1-two");
    CU_ASSERT_EQUAL(operator_look(&server, "/admin/ledger", text), 200);
    cJSON *lines = cJSON_Parse(text), *line;
    CU_ASSERT(cJSON_IsArray(lines));
    bool begun = false, ended = false;
    cJSON_ArrayForEach(line, lines)
    {
        const char *step = cJSON_GetStringValue(cJSON_GetObjectItem(line, "step"));
        const char *outcome = cJSON_GetStringValue(cJSON_GetObjectItem(line, "outcome"));
        begun = begun || (step && !strcmp(step, "check"));
        ended = ended || (step && !strcmp(step, "done")) || (outcome && !strcmp(outcome, "interrupted"));
    }
    CU_ASSERT_EQUAL(begun, ended);
    cJSON_Delete(lines);
    CU_ASSERT_EQUAL(operator_release(&server, "two", ",\"bake_s\":0", text), 202);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "\"state\":\"done\""));
    CU_ASSERT_EQUAL(server_end(&server, SIGTERM), 0);
}

/* Returns how many calls were survived: that many kills make a whole release. */
static int killed_at_each_call(const char *how)
{
    for (int call = 1; call < CALLS_MOST; call += step()) {
        char fault[32];
        bool done = false;
        snprintf(fault, sizeof fault, "%s=%d", how, call);
        clear_state();
        if (start(fault)) {
            operator_release(&server, "two", ",\"bake_s\":0", text);
            done = strstr(text, "\"state\":\"done\"");
            if (server_end(&server, SIGTERM) == 0) return call; /* what it says at its end is the last */
        }
        starts_again(done);
    }
    return CALLS_MOST;
}

static void killed_at_every_call(void)
{
    begin();
    const int calls = killed_at_each_call("kill");
    CU_ASSERT(calls > 40 && calls < CALLS_MOST); /* ten steps, a line before and after each, written and synced */
    end();
}

static void killed_amid_every_write(void)
{
    begin();
    const int calls = killed_at_each_call("torn");
    CU_ASSERT(calls > 40 && calls < CALLS_MOST);
    end();
}

static void a_full_disk_stops_nothing(void)
{
    static const char *const full[] = {"full=1", "full=6", "full=20", "full=45"};
    begin();
    for (int i = 0; i < 4; i++) {
        clear_state();
        CU_ASSERT_TRUE_FATAL(start(full[i]));
        CU_ASSERT_STRING_EQUAL(version_of_a_reply(), "1-one");
        CU_ASSERT_EQUAL(operator_release(&server, "two", ",\"bake_s\":0", text), 202);
        CU_ASSERT_PTR_NOT_NULL(strstr(text, "\"state\":\"done\""));
        CU_ASSERT_STRING_EQUAL(version_of_a_reply(), "1-two");
        CU_ASSERT_EQUAL(operator_rollback(&server, text), 200);
        CU_ASSERT_STRING_EQUAL(version_of_a_reply(), "1-one");
        CU_ASSERT_EQUAL(operator_look(&server, "/metrics", text), 200);
        CU_ASSERT_PTR_NULL(strstr(text, "beeline_write_errors_total{target=\"state\"} 0\n"));
        CU_ASSERT_EQUAL(operator_look(&server, "/admin/ledger", text), 200); /* in memory it is whole */
        CU_ASSERT_PTR_NOT_NULL(strstr(text, "\"step\":\"done\""));
        CU_ASSERT_PTR_NOT_NULL(strstr(text, "\"action\":\"rollback\""));
        CU_ASSERT_EQUAL(server_end(&server, SIGTERM), 0);
        CU_ASSERT_PTR_NOT_NULL(strstr(server.log, "No space left on device"));
    }
    end();
}

void recover_suite(CU_pSuite s)
{
    CU_add_test(s, "S102 killed before each write, sync and rename of a release it starts again on a good version",
                killed_at_every_call);
    CU_add_test(s, "R105 likewise amid a write", killed_amid_every_write);
    CU_add_test(s, "R104 a full disk stops neither serving nor releases, and is counted", a_full_disk_stops_nothing);
}
