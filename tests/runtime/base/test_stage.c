/* test_stage.c - stages add up to the whole, whatever was passed. */
#include "runtime/base/stage.h"
#include <CUnit/CUnit.h>
#include <string.h>

static int64_t sum_of(const stage_times *t)
{
    int64_t sum = 0;
    for (int s = 0; s < STAGES; s++) {
        CU_ASSERT(stage_ns(t, s) >= 0);
        sum += stage_ns(t, s);
    }
    return sum;
}

static void stages_that_were_all_passed_stay(void)
{
    stage_times t = {{100, 110, 130, 160, 200, 250, 310, 380, 460, 550}}, before = t;
    stage_settle(&t);
    CU_ASSERT_EQUAL(memcmp(&t, &before, sizeof t), 0);
    CU_ASSERT_EQUAL(sum_of(&t), 450);
}

static void a_stage_that_was_not_passed_took_no_time(void)
{
    stage_times t = {{100, 110, 130, 0, 0, 0, 0, 380, 460, 550}}; /* as a tokenize request */
    stage_settle(&t);
    CU_ASSERT_EQUAL(stage_ns(&t, STAGE_TOKENIZE), 250);
    for (int s = STAGE_QUEUE; s <= STAGE_D2H; s++) CU_ASSERT_EQUAL(stage_ns(&t, s), 0);
    CU_ASSERT_EQUAL(stage_ns(&t, STAGE_SERIALIZE), 80);
    CU_ASSERT_EQUAL(sum_of(&t), 450);
}

static void the_last_stages_not_passed_begin_at_the_end(void)
{
    stage_times t = {{100, 110, 0, 0, 0, 0, 0, 0, 0, 550}};
    stage_settle(&t);
    CU_ASSERT_EQUAL(stage_ns(&t, STAGE_PARSE), 440);
    for (int s = STAGE_TOKENIZE; s < STAGES; s++) CU_ASSERT_EQUAL(t.at[s], 550);
    CU_ASSERT_EQUAL(sum_of(&t), 450);
}

static void what_lies_before_its_predecessor_is_moved_up(void)
{
    stage_times t = {{100, 90, 0, 130, 120, 0, 140, 10, 160, 150}};
    stage_settle(&t);
    CU_ASSERT_EQUAL(t.at[STAGE_PARSE], 100);
    CU_ASSERT_EQUAL(t.at[STAGE_TOKENIZE], 130);
    CU_ASSERT_EQUAL(t.at[STAGE_H2D], 130);
    CU_ASSERT_EQUAL(t.at[STAGE_COMPUTE], 140);
    CU_ASSERT_EQUAL(t.at[STAGE_SERIALIZE], 140);
    CU_ASSERT_EQUAL(t.at[STAGES], 160);
    CU_ASSERT_EQUAL(sum_of(&t), 60);
}

static void without_an_end_the_last_that_was_passed_is_the_end(void)
{
    stage_times t = {{100, 110, 130}};
    stage_settle(&t);
    CU_ASSERT_EQUAL(t.at[STAGES], 130);
    CU_ASSERT_EQUAL(sum_of(&t), 30);
    t = (stage_times){{100}};
    stage_settle(&t);
    CU_ASSERT_EQUAL(sum_of(&t), 0);
}

static void stages_add_up_whichever_were_passed_and_in_whatever_order(void)
{
    uint64_t state = 1;
    for (int mask = 0; mask < 1 << STAGES; mask++) {
        stage_times t = {{1000}};
        for (int s = 1; s <= STAGES; s++) {
            state = state * 6364136223846793005u + 1442695040888963407u;
            if (mask >> (s - 1) & 1) t.at[s] = 1 + (int64_t)(state >> 33) % 3000;
        }
        stage_settle(&t);
        CU_ASSERT_EQUAL(t.at[STAGE_READ], 1000);
        CU_ASSERT_EQUAL(sum_of(&t), t.at[STAGES] - t.at[STAGE_READ]);
        const stage_times once = t;
        stage_settle(&t);
        CU_ASSERT_EQUAL(memcmp(&t, &once, sizeof t), 0); /* settled is settled */
    }
}

static void every_stage_has_its_name(void)
{
    static const char *const want[] = {"read",    "parse", "tokenize",  "queue", "h2d",
                                       "compute", "d2h",   "serialize", "write"};
    for (int s = 0; s < STAGES; s++) CU_ASSERT_STRING_EQUAL(stage_names[s], want[s]);
}

void stage_suite(CU_pSuite s)
{
    CU_ADD_TEST(s, stages_that_were_all_passed_stay);
    CU_ADD_TEST(s, a_stage_that_was_not_passed_took_no_time);
    CU_ADD_TEST(s, the_last_stages_not_passed_begin_at_the_end);
    CU_ADD_TEST(s, what_lies_before_its_predecessor_is_moved_up);
    CU_ADD_TEST(s, without_an_end_the_last_that_was_passed_is_the_end);
    CU_ADD_TEST(s, stages_add_up_whichever_were_passed_and_in_whatever_order);
    CU_ADD_TEST(s, every_stage_has_its_name);
}
