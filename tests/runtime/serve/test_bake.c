/* test_bake.c - each rule at its edge, and what it says. */
#include <CUnit/CUnit.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "runtime/serve/bake.h"

enum { MS = 1000000 };

/* A version that answered well before; the new one promises 100 ms, and may fail once in a thousand. */
static const bake_terms terms = {.before = {.requests = 5210, .failed = 0, .p99_ns = 12 * MS},
                                 .objective_ns = 100 * MS,
                                 .availability = 0.999,
                                 .golden_limit = 0.999};

static bake_look look_of(int64_t requests, int64_t failed, int64_t p99_ns)
{
    return (bake_look){.now = {.requests = requests, .failed = failed, .p99_ns = p99_ns}, .golden_least = 1};
}

/* So many looks in a row that are alike; BAKE_RULES: none fired. */
static bake_rule fires_after(const bake_terms *t, bake_look look, int looks, error *why)
{
    bake_state s = {0};
    bake_rule rule = BAKE_RULES;
    *why = (error){""};
    for (int i = 0; i < looks && rule == BAKE_RULES; i++)
        if (!bake_fires(t, &s, &look, &rule, why)) CU_ASSERT_EQUAL(rule, BAKE_RULES);
    return rule;
}

static bake_rule fires(const bake_terms *t, bake_look look)
{
    error why;
    return fires_after(t, look, BAKE_LOOKS, &why);
}

static void a_good_version_passes(void)
{
    error why;
    CU_ASSERT_EQUAL(fires_after(&terms, look_of(1000, 0, 12 * MS), 120, &why), BAKE_RULES);
    CU_ASSERT_EQUAL(fires_after(&terms, (bake_look){.golden_least = 1}, 120, &why), BAKE_RULES); /* nobody asks */
}

static void wrong_numbers_fire_at_once(void)
{
    error why;
    bake_look look = {.golden_least = 1, .not_finite = 1};
    CU_ASSERT_EQUAL(fires_after(&terms, look, 1, &why), BAKE_NOT_FINITE);
    CU_ASSERT_STRING_EQUAL(why.text, "not_finite: 1 rows are not finite; the rule: any row that is not finite");
    look = (bake_look){.golden_least = 0.999};
    CU_ASSERT_EQUAL(fires_after(&terms, look, 1, &why), BAKE_RULES);
    look.golden_least = 0.998999;
    CU_ASSERT_EQUAL(fires_after(&terms, look, 1, &why), BAKE_GOLDEN);
    CU_ASSERT_STRING_EQUAL(why.text, "golden_drift: cosine 0.998999; the rule: a golden case's cosine below 0.999");
    look.golden_least = NAN;
    CU_ASSERT_EQUAL(fires_after(&terms, look, 1, &why), BAKE_GOLDEN);
}

static void errors_are_held_against_those_before(void)
{
    bake_terms t = terms;
    error why;
    CU_ASSERT_EQUAL(fires(&t, look_of(1000, 10, MS)), BAKE_RULES);
    CU_ASSERT_EQUAL(fires(&t, look_of(1000, 11, MS)), BAKE_ERRORS);
    t.availability = 0.9999; /* below one in a hundred it is luck */
    CU_ASSERT_EQUAL(fires(&t, look_of(1000, 10, MS)), BAKE_RULES);
    t.availability = 0.99;
    CU_ASSERT_EQUAL(fires(&t, look_of(1000, 99, MS)), BAKE_RULES);
    CU_ASSERT_EQUAL(fires(&t, look_of(1000, 101, MS)), BAKE_ERRORS);
    t = terms;
    t.before = (bake_numbers){.requests = 1000, .failed = 20, .p99_ns = MS}; /* what fails is not the version's doing */
    CU_ASSERT_EQUAL(fires(&t, look_of(1000, 29, MS)), BAKE_RULES);
    CU_ASSERT_EQUAL(fires_after(&t, look_of(1000, 31, MS), BAKE_LOOKS, &why), BAKE_ERRORS);
    CU_ASSERT_STRING_EQUAL(why.text, "errors: 31 of 1000 requests failed, 3.10 %; the rule: more than 3.00 % fail: the "
                                     "2.00 % of 1000 before and 1.00 %");
    t.before = (bake_numbers){0};
    CU_ASSERT_EQUAL(fires(&t, look_of(1000, 11, MS)), BAKE_ERRORS);
}

static void the_objective_is_the_versions_own(void)
{
    bake_terms t = terms;
    error why;
    t.before.p99_ns = 99 * MS;
    CU_ASSERT_EQUAL(fires(&t, look_of(1000, 0, 100 * MS)), BAKE_RULES);
    CU_ASSERT_EQUAL(fires_after(&t, look_of(1000, 0, 100 * MS + 1), BAKE_LOOKS, &why), BAKE_OBJECTIVE);
    CU_ASSERT_STRING_EQUAL(why.text,
                           "p99_objective: p99 100.0 ms over 1000 requests; the rule: p99 above the objective "
                           "of 100.0 ms");
    t.before.p99_ns = 100 * MS;
    CU_ASSERT_EQUAL(fires(&t, look_of(1000, 0, 100 * MS + 1)), BAKE_OBJECTIVE);
    t.before.p99_ns = 100 * MS + 1; /* the machine's fault, unless it is far above */
    CU_ASSERT_EQUAL(fires(&t, look_of(1000, 0, 120 * MS)), BAKE_RULES);
    CU_ASSERT_EQUAL(fires(&t, look_of(1000, 0, 152 * MS)), BAKE_SLOWER);
    t.before.requests = BAKE_REQUESTS - 1; /* too few to know what the machine can */
    CU_ASSERT_EQUAL(fires(&t, look_of(1000, 0, 100 * MS + 1)), BAKE_OBJECTIVE);
}

static void slower_is_against_the_version_before(void)
{
    bake_terms t = terms;
    error why;
    CU_ASSERT_EQUAL(fires(&t, look_of(1000, 0, 19 * MS)), BAKE_RULES);
    CU_ASSERT_EQUAL(fires(&t, look_of(1000, 0, 19 * MS + 1)), BAKE_SLOWER);
    CU_ASSERT_EQUAL(fires_after(&t, look_of(312, 0, 41200000), BAKE_LOOKS, &why), BAKE_SLOWER);
    CU_ASSERT_STRING_EQUAL(why.text,
                           "p99_previous: p99 41.2 ms over 312 requests; the rule: p99 above 19.0 ms: 1.5 x the "
                           "12.0 ms of 5210 before, and 1.0 ms");
    t.before.requests = BAKE_REQUESTS;
    CU_ASSERT_EQUAL(fires(&t, look_of(1000, 0, 19 * MS + 1)), BAKE_SLOWER);
    t.before.requests = BAKE_REQUESTS - 1;
    CU_ASSERT_EQUAL(fires(&t, look_of(1000, 0, 99 * MS)), BAKE_RULES);
}

static void few_requests_are_no_judgement(void)
{
    bake_state s = {0};
    bake_rule rule;
    error why;
    for (int i = 1; i < BAKE_REQUESTS; i++) {
        const bake_look look = look_of(i, i, 900 * MS);
        CU_ASSERT_FALSE(bake_fires(&terms, &s, &look, &rule, &why));
    }
    for (int i = 0; i < BAKE_LOOKS; i++) { /* and they do not count as looks later */
        const bake_look look = look_of(BAKE_REQUESTS, BAKE_REQUESTS, 900 * MS);
        CU_ASSERT_EQUAL(bake_fires(&terms, &s, &look, &rule, &why), i == BAKE_LOOKS - 1);
    }
    CU_ASSERT_EQUAL(rule, BAKE_ERRORS);
}

static void noise_of_two_looks_does_not_fire(void)
{
    bake_state s = {0};
    bake_rule rule = BAKE_RULES;
    error why;
    for (int i = 1; i <= 60; i++) {
        const bool bad = i % BAKE_LOOKS; /* two in three */
        const bake_look look = look_of(1000, bad ? 500 : 0, (bad ? 900 : 12) * MS);
        CU_ASSERT_FALSE(bake_fires(&terms, &s, &look, &rule, &why));
    }
    for (int i = 0; i < BAKE_LOOKS; i++) { /* seconds without enough requests between them change nothing */
        const bake_look none = {.golden_least = 1}, look = look_of(1000, 1000, 900 * MS);
        CU_ASSERT_FALSE(bake_fires(&terms, &s, &none, &rule, &why));
        CU_ASSERT_EQUAL(bake_fires(&terms, &s, &look, &rule, &why), i == BAKE_LOOKS - 1);
    }
    CU_ASSERT_EQUAL(rule, BAKE_ERRORS);
}

static void the_first_of_the_table_is_told(void)
{
    static const bake_rule order[] = {BAKE_NOT_FINITE, BAKE_GOLDEN, BAKE_ERRORS, BAKE_OBJECTIVE, BAKE_SLOWER};
    bake_look look = {.now = {1000, 1000, 900 * MS}, .not_finite = 1, .golden_least = 0};
    for (int i = 0; i < BAKE_RULES; i++) {
        CU_ASSERT_EQUAL(fires(&terms, look), order[i]);
        if (order[i] == BAKE_NOT_FINITE) look.not_finite = 0;
        if (order[i] == BAKE_GOLDEN) look.golden_least = 1;
        if (order[i] == BAKE_ERRORS) look.now.failed = 0;
        if (order[i] == BAKE_OBJECTIVE) look.now.p99_ns = 99 * MS;
    }
}

static void the_words_are_the_thresholds(void)
{
    static const char *const known[BAKE_RULES] = {"any row that is not finite", "a golden case's cosine below 0.999",
                                                  "more than 1.00 % fail: the 0.00 % of 5210 before and 1.00 %",
                                                  "p99 above the objective of 100.0 ms",
                                                  "p99 above 19.0 ms: 1.5 x the 12.0 ms of 5210 before, and 1.0 ms"};
    char words[BAKE_LINE];
    bake_terms t = terms;
    for (int i = 0; i < BAKE_RULES; i++) {
        bake_words(&t, (bake_rule)i, words);
        CU_ASSERT_STRING_EQUAL(words, known[i]);
    }
    t.before = (bake_numbers){.requests = 199, .p99_ns = 900 * MS};
    bake_words(&t, BAKE_SLOWER, words);
    CU_ASSERT_STRING_EQUAL(words, "not judged: 199 requests came to the version before, 200 are wanted");
    bake_words(&t, BAKE_OBJECTIVE, words);
    CU_ASSERT_STRING_EQUAL(words, "p99 above the objective of 100.0 ms");
    t.before.requests = 200;
    bake_words(&t, BAKE_OBJECTIVE, words);
    CU_ASSERT_STRING_EQUAL(words, "not judged: the objective is 100.0 ms, and the version before took 900.0 ms");
}

void bake_suite(CU_pSuite s)
{
    CU_add_test(s, "a version as good as the one before passes, and so does one that nobody asks",
                a_good_version_passes);
    CU_add_test(s, "rows that are not finite and golden drift fire at once", wrong_numbers_fire_at_once);
    CU_add_test(s, "errors fire above ten times what is allowed, on top of those before",
                errors_are_held_against_those_before);
    CU_add_test(s, "an objective that the version before did not keep either is not held against the new one",
                the_objective_is_the_versions_own);
    CU_add_test(s, "slower is above half as slow again as the version before", slower_is_against_the_version_before);
    CU_add_test(s, "shares and quantiles want enough requests", few_requests_are_no_judgement);
    CU_add_test(s, "noise of two looks does not fire, and seconds without requests are no looks",
                noise_of_two_looks_does_not_fire);
    CU_add_test(s, "of several rules that are broken the first of the table is told", the_first_of_the_table_is_told);
    CU_add_test(s, "the words of a rule are the threshold that is in force", the_words_are_the_thresholds);
}
