/* test_release_text.c - documents of GET /admin/release, as lines. */
#include "server/release_text.h"
#include <CUnit/CUnit.h>
#include <stdlib.h>
#include <string.h>

#define CHECKED "{\"step\":\"check\",\"state\":\"ok\",\"ms\":1.25,\"detail\":\"version 2, owner search\"}"
#define KEPT "{\"step\":\"contract\",\"state\":\"skipped\",\"ms\":0,\"detail\":\"not asked for\"}"
#define LOADS "{\"step\":\"load\",\"state\":\"running\",\"ms\":412.06,\"detail\":\"\"}"
#define WAITS "{\"step\":\"switch\",\"state\":\"waiting\",\"ms\":0,\"detail\":\"\"}"
#define REFUSED "{\"step\":\"load\",\"state\":\"failed\",\"ms\":61234.5,\"detail\":\"digest 11, was 22\"}"
#define RELEASE(state, steps) "{\"number\":12,\"version\":\"v2\",\"state\":\"" state "\",\"steps\":[" steps "]}"

static cJSON *parsed(const char *text)
{
    cJSON *tree = cJSON_Parse(text);
    CU_ASSERT_PTR_NOT_NULL_FATAL(tree);
    return tree;
}

static void says(out *o, const char *text)
{
    out_bytes(o, "", 1);
    CU_ASSERT_STRING_EQUAL(o->p, text);
    out_free(o);
}

static void steps(const char *document, int *told, const char *text)
{
    cJSON *tree = parsed(document);
    out o = {0};
    release_text_steps(&o, tree, told);
    says(&o, text);
    cJSON_Delete(tree);
}

static void progress(const char *document, const char *text)
{
    cJSON *tree = parsed(document);
    out o = {0};
    out_text(&o, "> ");
    release_text_progress(&o, tree);
    says(&o, text);
    cJSON_Delete(tree);
}

static void reason(const char *document, const char *text)
{
    cJSON *tree = parsed(document);
    out o = {0};
    release_text_reason(&o, tree);
    says(&o, text);
    cJSON_Delete(tree);
}

static void each_step_that_has_ended_is_told_once(void)
{
    int told = 0;
    steps(RELEASE("running", CHECKED "," LOADS "," WAITS), &told,
          "check     ok            1.2 ms  version 2, owner search\n");
    CU_ASSERT_EQUAL(told, 1);
    steps(RELEASE("running", CHECKED "," LOADS "," WAITS), &told, "");
    steps(RELEASE("refused", CHECKED "," KEPT "," REFUSED "," WAITS), &told,
          "contract  skipped       0.0 ms  not asked for\n"
          "load      failed        61.2 s  digest 11, was 22\n");
    CU_ASSERT_EQUAL(told, 3);
    steps(RELEASE("idle", ""), &told, "");
}

static void the_bar_counts_what_has_ended(void)
{
    progress(RELEASE("running", LOADS "," WAITS), "> [                    ] 0 of 2  load    412.1 ms  ");
    progress(RELEASE("running", CHECKED "," KEPT "," LOADS "," WAITS),
             "> [##########          ] 2 of 4  load    412.1 ms  ");
    progress(RELEASE("done", CHECKED "," KEPT), "> [####################] 2 of 2");
    progress(RELEASE("running", WAITS), "> [                    ] 0 of 1");
    progress(RELEASE("idle", ""), "> [                    ] 0 of 0");
    progress("{}", "> [                    ] 0 of 0");
}

/* 79 characters, however many bytes each of them has. */
static void the_bar_fits_a_line(void)
{
    char text[1024], detail[512] = "";
    for (int i = 0; i < 100; i++) strcat(detail, "\xc3\xa9");
    snprintf(text, sizeof text,
             RELEASE("running", "{\"step\":\"bake\",\"state\":\"running\",\"ms\":5,\"detail\":\"%s\"}"), detail);
    cJSON *tree = parsed(text);
    out o = {0};
    release_text_progress(&o, tree);
    int columns = 0;
    for (size_t i = 0; i < o.n; i++) columns += (o.p[i] & 0xc0) != 0x80;
    CU_ASSERT_EQUAL(columns, 79);
    CU_ASSERT_EQUAL((unsigned char)o.p[o.n - 1], 0xa9); /* the last one is whole */
    out_free(&o);
    cJSON_Delete(tree);
}

static void no_detail_moves_the_cursor(void)
{
    static const char bad[] = RELEASE(
        "refused",
        "{\"step\":\"check\",\"state\":\"failed\",\"ms\":1,\"detail\":\"a\\u001b[2Jb\\nc\\u007fd\\u009be\\u00e9\"}");
    int told = 0;
    steps(bad, &told, "check     failed        1.0 ms  a [2Jb c d e\xc3\xa9\n");
    reason(bad, "check: a [2Jb c d e\xc3\xa9");
}

static void a_release_is_known_by_its_number(void)
{
    cJSON *tree = parsed(RELEASE("rolled_back", "")), *none = parsed("{}"), *list = parsed("[12]");
    CU_ASSERT_STRING_EQUAL(release_text_state(tree, 12), "rolled_back");
    CU_ASSERT_STRING_EQUAL(release_text_state(tree, 11), "");
    CU_ASSERT_STRING_EQUAL(release_text_state(none, 12), "");
    CU_ASSERT_STRING_EQUAL(release_text_state(list, 12), "");
    cJSON_Delete(tree);
    cJSON_Delete(none);
    cJSON_Delete(list);
}

static void the_reason_is_the_step_that_said_no(void)
{
    reason(RELEASE("refused", CHECKED "," REFUSED "," WAITS), "load: digest 11, was 22");
    reason(RELEASE("failed", CHECKED "," WAITS), "the ledger says more");
}

void release_text_suite(CU_pSuite s)
{
    CU_ADD_TEST(s, each_step_that_has_ended_is_told_once);
    CU_ADD_TEST(s, the_bar_counts_what_has_ended);
    CU_ADD_TEST(s, the_bar_fits_a_line);
    CU_ADD_TEST(s, no_detail_moves_the_cursor);
    CU_ADD_TEST(s, a_release_is_known_by_its_number);
    CU_ADD_TEST(s, the_reason_is_the_step_that_said_no);
}
