/* test_release_text.c - a release's document in, what a terminal and a log show of it out. */
#include "server/release_text.h"
#include <CUnit/CUnit.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static cJSON *tree;
static out o;

static void begin(const char *json)
{
    CU_ASSERT_PTR_NOT_NULL_FATAL(tree = cJSON_Parse(json));
    o = (out){0};
}

/* What was written by now. */
static void is(const char *wanted)
{
    out_bytes(&o, "", 1);
    CU_ASSERT_FALSE_FATAL(o.failed);
    CU_ASSERT_STRING_EQUAL(o.p, wanted);
    if (strcmp(o.p, wanted)) printf("\n    %s", o.p);
    out_free(&o);
    o = (out){0};
}

static void end(void)
{
    cJSON_Delete(tree);
    out_free(&o);
}

#define STEP(name, state, ms, detail)                                                                                  \
    "{\"step\":\"" name "\",\"state\":\"" state "\",\"ms\":" ms ",\"detail\":\"" detail "\"}"
#define RELEASE(state, steps) "{\"number\":7,\"version\":\"two\",\"state\":\"" state "\",\"steps\":[" steps "]}"

static void a_bar_grows_with_the_steps(void)
{
    static const struct {
        const char *steps, *text;
    } rows[] = {
        {STEP("check", "waiting", "0", "") "," STEP("load", "waiting", "0", ""), "[                    ] 0 of 2"},
        {STEP("check", "running", "12.34", "") "," STEP("load", "waiting", "0", ""),
         "[                    ] 0 of 2  check     12.3 ms"},
        {STEP("check", "ok", "1", "fine") "," STEP("bake", "running", "31000.4", "31 s of 60 s"),
         "[##########          ] 1 of 2  bake      31.0 s  31 s of 60 s"},
        {STEP("check", "ok", "1", "") "," STEP("shadow", "skipped", "1", "") "," STEP("load", "failed", "1", "no"),
         "[####################] 3 of 3"},
        {STEP("check", "ok", "1", "") "," STEP("load", "ok", "1", "") "," STEP("bake", "waiting", "0", ""),
         "[#############       ] 2 of 3"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char json[1024];
        snprintf(json, sizeof json, "{\"steps\":[%s]}", rows[i].steps);
        begin(json);
        release_text_progress(&o, tree);
        is(rows[i].text);
        end();
    }
}

static void each_step_is_told_once(void)
{
    int told = 0;
    begin(
        RELEASE("running",
                STEP("check", "ok", "3.25", "version 2") "," STEP("shadow", "skipped", "0.1", "not asked for") "," STEP(
                    "switch", "running", "0.4", "soon") "," STEP("bake", "waiting", "0", "")));
    release_text_steps(&o, tree, &told);
    CU_ASSERT_EQUAL(told, 2);
    is("check     ok            3.2 ms  version 2\n"
       "shadow    skipped       0.1 ms  not asked for\n");
    release_text_steps(&o, tree, &told);
    CU_ASSERT_EQUAL(told, 2);
    is("");
    end();
    begin(
        RELEASE("failed",
                STEP("check", "ok", "3.25", "version 2") "," STEP("shadow", "skipped", "0.1", "not asked for") "," STEP(
                    "switch", "failed", "9999.9", "no room") "," STEP("bake", "waiting", "0", "")));
    release_text_steps(&o, tree, &told);
    CU_ASSERT_EQUAL(told, 3);
    is("switch    failed     9999.9 ms  no room\n");
    end();
}

/* In the order of the steps, so that what was told is a count. */
static void a_step_waits_for_those_before_it(void)
{
    int told = 0;
    begin(RELEASE("running", STEP("check", "running", "3", "") "," STEP("contract", "ok", "1", "the same")));
    release_text_steps(&o, tree, &told);
    CU_ASSERT_EQUAL(told, 0);
    is("");
    end();
}

static void a_state_is_of_the_release_that_was_asked_for(void)
{
    begin(RELEASE("done", ""));
    CU_ASSERT_STRING_EQUAL(release_text_state(tree, 7), "done");
    CU_ASSERT_STRING_EQUAL(release_text_state(tree, 8), "");
    end();
    begin("{\"error\":{\"message\":\"x\"}}");
    CU_ASSERT_STRING_EQUAL(release_text_state(tree, 7), "");
    CU_ASSERT_STRING_EQUAL(release_text_state(tree, 0), ""); /* has no state either */
    end();
    begin("[1]");
    CU_ASSERT_STRING_EQUAL(release_text_state(tree, 1), "");
    end();
}

static void the_step_that_said_no_says_why(void)
{
    begin(RELEASE("refused", STEP("check", "ok", "1", "fine") "," STEP(
                                 "contract", "failed", "1", "dimensions: 384, now 768") "," STEP("memory", "failed",
                                                                                                 "1", "later")));
    release_text_reason(&o, tree);
    is("contract: dimensions: 384, now 768");
    end();
    begin(RELEASE("done", STEP("check", "ok", "1", "fine") "," STEP("bake", "skipped", "1", "not asked for")));
    release_text_reason(&o, tree);
    is("");
    end();
}

/* Of an older server, or none of ours: nothing is told, and nothing breaks. */
static void what_is_missing_is_left_out(void)
{
    static const char *const odd[] = {"{}", "[]", "\"text\"", "{\"steps\":{}}", "{\"steps\":7,\"number\":\"7\"}"};
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        int told = 0;
        begin(odd[i]);
        release_text_steps(&o, tree, &told);
        release_text_reason(&o, tree);
        CU_ASSERT_EQUAL(told, 0);
        is("");
        release_text_progress(&o, tree);
        is("[                    ] 0 of 0");
        CU_ASSERT_STRING_EQUAL(release_text_state(tree, 7), "");
        end();
    }
    begin("{\"steps\":[{\"step\":3,\"state\":\"running\",\"ms\":\"x\",\"detail\":null}]}");
    release_text_progress(&o, tree);
    is("[                    ] 0 of 1        0.0 ms");
    end();
}

/* However many bytes each character has. */
static void a_bar_fits_a_line(void)
{
    char detail[256] = "", json[1024];
    int columns = 0;
    for (int i = 0; i < 100; i++) strcat(detail, "\xc3\xa9");
    snprintf(json, sizeof json,
             RELEASE("running", "{\"step\":\"bake\",\"state\":\"running\",\"ms\":5,\"detail\":\"%s\"}"), detail);
    begin(json);
    release_text_progress(&o, tree);
    for (size_t i = 0; i < o.n; i++) columns += (o.p[i] & 0xc0) != 0x80;
    CU_ASSERT_EQUAL(columns, 79);
    CU_ASSERT_EQUAL((unsigned char)o.p[o.n - 1], 0xa9); /* the last one is whole */
    end();
}

/* A bundle is quoted in them. */
static void no_detail_moves_the_cursor(void)
{
    int told = 0;
    begin(RELEASE("refused", STEP("check", "failed", "1", "a\\u001b[2Jb\\nc\\u007fd\\u009be\\u00e9")));
    release_text_steps(&o, tree, &told);
    is("check     failed        1.0 ms  a [2Jb c d e\xc3\xa9\n");
    release_text_reason(&o, tree);
    is("check: a [2Jb c d e\xc3\xa9");
    end();
    begin(RELEASE("running", STEP("load", "running", "1", "a\\u009b2J")));
    release_text_progress(&o, tree);
    is("[                    ] 0 of 1  load      1.0 ms  a 2J");
    end();
}

static void the_rules_are_lines(void)
{
    static const char *const cases[][2] = {
        {"{\"rules\":[\"errors: more than 1 %\",\"p99_previous: p99 above 19.0 ms\"]}",
         "          rule errors: more than 1 %\n          rule p99_previous: p99 above 19.0 ms\n"},
        {"{\"rules\":[]}", ""},
        {"{}", ""},
        {"{\"rules\":[1]}", ""}};
    for (int i = 0; i < 4; i++) {
        out lines = {0};
        cJSON *release = cJSON_Parse(cases[i][0]);
        release_text_rules(&lines, release);
        out_bytes(&lines, "", 1);
        CU_ASSERT_STRING_EQUAL(lines.p, cases[i][1]);
        cJSON_Delete(release);
        out_free(&lines);
    }
}

void release_text_suite(CU_pSuite s)
{
    CU_add_test(s, "the rules of a bake are a line each, where there are some", the_rules_are_lines);
    CU_add_test(s, "a bar grows with the steps that have ended", a_bar_grows_with_the_steps);
    CU_add_test(s, "each step is told once, when it has ended", each_step_is_told_once);
    CU_add_test(s, "a step waits for those before it", a_step_waits_for_those_before_it);
    CU_add_test(s, "a state is of the release that was asked for", a_state_is_of_the_release_that_was_asked_for);
    CU_add_test(s, "the step that said no says why", the_step_that_said_no_says_why);
    CU_add_test(s, "what is missing is left out", what_is_missing_is_left_out);
    CU_add_test(s, "a bar fits a line", a_bar_fits_a_line);
    CU_add_test(s, "no detail moves the cursor", no_detail_moves_the_cursor);
}
