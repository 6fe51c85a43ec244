/* test_contract.c - a contract there and back, and what one breaks of another. */
#include <CUnit/CUnit.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "runtime/model/contract.h"

static char digest[65];

static contract make(model_description m)
{
    contract c;
    error err;
    memset(digest, 'a', 64);
    CU_ASSERT_EQUAL_FATAL(contract_of(&c, &m, digest, &err), OK);
    return c;
}

static model_prompt prompts[] = {{(char *)"query", (char *)"query: "}, {(char *)"doc", (char *)"passage: "}};
static char *labels[] = {(char *)"no", (char *)"yes"};

static model_description embedding(void)
{
    return (model_description){.task = TASK_EMBED,
                               .max_tokens = 64,
                               .dimensions = 32,
                               .pooling = POOL_MEAN,
                               .normalize = true,
                               .n_prompts = 2,
                               .prompts = prompts,
                               .default_prompt = 0};
}

static void there_and_back(void)
{
    contract c = make(embedding()), again;
    error err;
    CU_ASSERT_STRING_EQUAL(c.prompts[0].name, "doc");
    CU_ASSERT_EQUAL(c.default_prompt, 1); /* query, wherever it went */
    cJSON *json = contract_json(&c);
    CU_ASSERT_EQUAL_FATAL(contract_read(&again, json, &err), OK);
    CU_ASSERT_EQUAL(contract_same(&c, &again, &err), OK);
    again.dimensions = 16;
    CU_ASSERT_EQUAL(contract_same(&c, &again, &err), BAD_INPUT);
    CU_ASSERT_STRING_EQUAL(err.text, "contract: dimensions is 32, beeline.json says 16");
    contract_free(&again);
    cJSON_AddNumberToObject(json, "dimension", 1);
    CU_ASSERT_EQUAL(contract_read(&again, json, &err), BAD_INPUT);
    CU_ASSERT_STRING_EQUAL(err.text, "\"dimension\" is unknown");
    cJSON_DeleteItemFromObject(json, "dimension");
    cJSON_DeleteItemFromObject(json, "pooling");
    CU_ASSERT_EQUAL(contract_read(&again, json, &err), BAD_INPUT);
    CU_ASSERT_STRING_EQUAL(err.text, "\"pooling\" is missing");
    cJSON_Delete(json);
    contract_free(&c);
}

static char line[8][CONTRACT_LINE];

static int breaks(model_description live, model_description next)
{
    contract x = make(live), y = make(next);
    memset(line, 0, sizeof line);
    const int n = contract_breaks(&x, &y, line, 8);
    contract_free(&x);
    contract_free(&y);
    return n;
}

static void what_is_no_break(void)
{
    model_description live = embedding(), next = embedding();
    live.n_prompts = 1;
    next.max_tokens = 128;
    CU_ASSERT_EQUAL(breaks(live, next), 0);
}

static void what_is_one(void)
{
    model_description next = embedding();
    next.max_tokens = 63;
    next.dimensions = 16;
    next.pooling = POOL_CLS;
    next.normalize = false;
    next.n_prompts = 1;
    CU_ASSERT_EQUAL(breaks(embedding(), next), 5);
    CU_ASSERT_STRING_EQUAL(line[0], "max_tokens 64 -> 63");
    CU_ASSERT_STRING_EQUAL(line[1], "dimensions 32 -> 16");
    CU_ASSERT_STRING_EQUAL(line[2], "pooling mean -> cls");
    CU_ASSERT_STRING_EQUAL(line[3], "normalize true -> false");
    CU_ASSERT_STRING_EQUAL(line[4], "prompt doc is gone");
    char *turned[] = {labels[1], labels[0]};
    const model_description two = {
        .task = TASK_CLASSIFY, .max_tokens = 64, .n_labels = 2, .labels = labels, .default_prompt = -1};
    next = two;
    next.labels = turned;
    CU_ASSERT_EQUAL(breaks(two, next), 2);
    CU_ASSERT_STRING_EQUAL(line[0], "label 0 no -> yes");
    next = two;
    next.n_labels = 1;
    next.task = TASK_RERANK;
    CU_ASSERT_EQUAL(breaks(two, next), 2);
    CU_ASSERT_STRING_EQUAL(line[0], "label 1 yes is gone");
    CU_ASSERT_STRING_EQUAL(line[1], "activation softmax -> sigmoid");
    contract x = make(two), y = make(two);
    y.tokenizer_digest[0] = 'b';
    CU_ASSERT_EQUAL(contract_breaks(&x, &y, line, 0), 1);
    contract_free(&x);
    contract_free(&y);
}

void contract_suite(CU_pSuite s)
{
    CU_add_test(s, "a contract is read as it was written; a key that is unknown or missing is named", there_and_back);
    CU_add_test(s, "more prompts and longer texts break nothing", what_is_no_break);
    CU_add_test(s, "what a client depends on and is gone or changed is a line", what_is_one);
}
