/* test_load_tally.c - each reply is counted once, where it belongs. */
#include <CUnit/CUnit.h>
#include <string.h>
#include "bench/load_tally.h"

static load_tally *make(void)
{
    load_tally *t;
    error err;
    CU_ASSERT_EQUAL_FATAL(load_tally_open(&t, &err), OK);
    return t;
}

static void replies_are_counted_by_status(void)
{
    static load_reply r;
    load_tally *t = make();
    r = (load_reply){.code = 200, .retry_after_s = -1, .compute_tokens = 10, .n_stages = 2};
    strcpy(r.stages[0].name, "queue");
    strcpy(r.stages[1].name, "never heard of");
    r.stages[0].ns = 2000000;
    load_tally_reply(t, &r, 5000000, 4000000, true);
    r.stages[0].ns = 4000000;
    r.n_stages = 1;
    load_tally_reply(t, &r, 6000000, 4000000, false);
    r = (load_reply){.code = 429, .retry_after_s = 3, .compute_tokens = 99};
    load_tally_reply(t, &r, 1000000, 1000000, true);
    r.retry_after_s = 1;
    load_tally_reply(t, &r, 1000000, 1000000, true);
    CU_ASSERT_EQUAL_FATAL(t->n_rows, 3);
    CU_ASSERT_TRUE(t->rows[1].code == 200 && t->rows[1].n == 2 && t->rows[1].intended.longest_ns == 6000000);
    CU_ASSERT_EQUAL(t->rows[1].service.longest_ns, 4000000);
    CU_ASSERT_TRUE(t->rows[2].code == 429 && t->rows[2].n == 2);
    CU_ASSERT_TRUE(t->served_in_time == 1 && t->tokens_in_time == 10);
    CU_ASSERT_TRUE(t->retry_after_least_s == 1 && t->retry_after_most_s == 3);
    CU_ASSERT_EQUAL_FATAL(t->n_stages, 2);
    CU_ASSERT_TRUE(t->stages[0].sum.total == 2 && t->stages[0].total_ns == 6000000);
    CU_ASSERT_STRING_EQUAL(t->stages[1].name, "never heard of");
    load_tally_close(t);
}

static void more_kinds_than_there_is_room_for_are_no_overflow(void)
{
    static load_reply r;
    load_tally *t = make();
    for (int i = 0; i < 40; i++) {
        r = (load_reply){.code = i < 30 ? 300 + i : 200, .retry_after_s = -1};
        load_tally_reply(t, &r, 1, 1, true);
    }
    CU_ASSERT_EQUAL(t->n_rows, LOAD_CODES);
    CU_ASSERT_EQUAL(t->malformed, 40 - (LOAD_CODES - 1));
    load_tally_close(t);
    t = make();
    r = (load_reply){.code = 200, .retry_after_s = -1, .n_stages = 1};
    for (int i = 0; i < 40; i++) {
        memset(r.stages[0].name, 0, LOAD_STAGE_NAME);
        r.stages[0].name[0] = (char)('A' + i);
        load_tally_reply(t, &r, 1, 1, true);
    }
    CU_ASSERT_EQUAL(t->n_stages, LOAD_STAGES);
    load_tally_close(t);
}

static void without_a_reply_the_age_counts(void)
{
    load_tally *t = make();
    load_tally_unanswered(t, 9000000, 7000000);
    load_tally_unanswered(t, 8000000, -1); /* never sent */
    CU_ASSERT_EQUAL(t->rows[0].n, 2);
    CU_ASSERT_TRUE(t->rows[0].intended.sum.total == 2 && t->rows[0].intended.longest_ns == 9000000);
    CU_ASSERT_TRUE(t->rows[0].service.sum.total == 1 && t->rows[0].service.longest_ns == 7000000);
    load_tally_close(t);
}

void load_tally_suite(CU_pSuite s)
{
    CU_add_test(s, "replies are counted by status, stages by name, and only 200s in time are goodput",
                replies_are_counted_by_status);
    CU_add_test(s, "a 25th status and a 17th stage overflow nothing",
                more_kinds_than_there_is_room_for_are_no_overflow);
    CU_add_test(s, "what got no reply counts with its age", without_a_reply_the_age_counts);
}
