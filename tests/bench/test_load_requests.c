/* test_load_requests.c - the bytes that are sent. */
#include <CUnit/CUnit.h>
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "bench/load_requests.h"

static load_plan plan;

static void set_plan(int inputs, const int *lengths, int n)
{
    plan = (load_plan){.host = "h", .port = "80", .path = "/embed", .inputs = inputs, .n_lengths = n};
    memcpy(plan.lengths, lengths, (size_t)n * sizeof *lengths);
}

static int tokens(const cJSON *text)
{
    int words = 1;
    CU_ASSERT_TRUE_FATAL(cJSON_IsString(text));
    for (const char *p = text->valuestring; *p; p++) words += *p == ' ';
    return words + 2;
}

/* The i-th request's JSON; head [1024]. */
static cJSON *body_of(const load_requests *r, int i, char *head)
{
    const size_t n = r->starts[i + 1] - r->starts[i];
    char *copy = strndup(r->bytes + r->starts[i], n), *body = strstr(copy, "\r\n\r\n");
    CU_ASSERT_PTR_NOT_NULL_FATAL(body);
    snprintf(head, 1024, "%.*s", (int)(body + 2 - copy), copy);
    const char *length = strstr(head, "\r\ncontent-length: ");
    CU_ASSERT_PTR_NOT_NULL_FATAL(length);
    CU_ASSERT_EQUAL(strtoul(length + 18, NULL, 10), n - (size_t)(body + 4 - copy));
    cJSON *json = cJSON_Parse(body + 4), *inputs = cJSON_DetachItemFromObject(json, "inputs");
    CU_ASSERT_PTR_NOT_NULL_FATAL(inputs);
    cJSON_Delete(json);
    free(copy);
    return inputs;
}

static void each_text_has_its_length(void)
{
    load_requests r;
    error err;
    char head[1024];
    set_plan(1, (int[]){3, 512, 17}, 3);
    CU_ASSERT_EQUAL_FATAL(load_requests_open(&r, &plan, &err), OK);
    CU_ASSERT_EQUAL(r.n, LOAD_POOL);
    for (int i = 0; i < r.n; i++) {
        cJSON *text = body_of(&r, i, head);
        CU_ASSERT_EQUAL(tokens(text), plan.lengths[i % 3]);
        cJSON_Delete(text);
    }
    CU_ASSERT_EQUAL(strncmp(head, "POST /embed HTTP/1.1\r\nhost: h:80\r\ncontent-type: application/json\r\n", 66), 0);
    CU_ASSERT_PTR_NULL(strstr(head, "x-"));
    load_requests_close(&r);
}

static void many_inputs_are_an_array(void)
{
    load_requests r;
    error err;
    char head[1024];
    set_plan(4, (int[]){3, 5, 9}, 3);
    plan.deadline_ms = 250;
    plan.priority = "bulk";
    strcpy(plan.host, "::1");
    CU_ASSERT_EQUAL_FATAL(load_requests_open(&r, &plan, &err), OK);
    cJSON *texts = body_of(&r, 1, head);
    CU_ASSERT_EQUAL_FATAL(cJSON_GetArraySize(texts), 4);
    for (int k = 0; k < 4; k++) CU_ASSERT_EQUAL(tokens(cJSON_GetArrayItem(texts, k)), plan.lengths[(4 + k) % 3]);
    cJSON_Delete(texts);
    CU_ASSERT_PTR_NOT_NULL(strstr(head, "\r\nhost: [::1]:80\r\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(head, "\r\nx-deadline-ms: 250\r\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(head, "\r\nx-priority: bulk\r\n"));
    load_requests_close(&r);
}

static void more_lengths_make_a_larger_pool(void)
{
    load_requests r;
    error err;
    static int lengths[LOAD_LENGTHS_MAX];
    for (int i = 0; i < LOAD_LENGTHS_MAX; i++) lengths[i] = 3 + i % 50;
    set_plan(1, lengths, LOAD_LENGTHS_MAX);
    CU_ASSERT_EQUAL_FATAL(load_requests_open(&r, &plan, &err), OK);
    CU_ASSERT_EQUAL(r.n, LOAD_LENGTHS_MAX);
    load_requests_close(&r);
}

static void a_pool_has_a_bound(void)
{
    load_requests r;
    error err;
    set_plan(100, (int[]){LOAD_TOKENS_MAX}, 1);
    CU_ASSERT_EQUAL(load_requests_open(&r, &plan, &err), BAD_INPUT);
    CU_ASSERT_PTR_NULL(r.bytes);
}

static void a_replay_has_a_body_for_each_number_of_tokens(void)
{
    enum { N = 5 };
    load_requests r;
    error err = {""};
    char head[1024];
    int own[N] = {9, 3, 9, 40, 3};
    const load_schedule s = {.tokens = own, .n = N};
    set_plan(1, (int[]){100}, 1);
    plan.replay = "a file";
    CU_ASSERT_EQUAL_FATAL(load_requests_replay(&r, &plan, &s, &err), OK);
    for (int i = 0; i < 2 * N; i++) { /* and the warm-up may want more of them */
        cJSON *text = body_of(&r, load_requests_body(&r, 1, i), head);
        CU_ASSERT_EQUAL(tokens(text), own[i % N]);
        cJSON_Delete(text);
    }
    load_requests_close(&r);
    plan.inputs = 2;
    CU_ASSERT_EQUAL(load_requests_replay(&r, &plan, &s, &err), BAD_INPUT);
    CU_ASSERT_STRING_EQUAL(err.text, "--inputs 2: wanted 1 where a file says the tokens of each request");
    CU_ASSERT_PTR_NULL(r.bytes);
}

static void a_replay_has_a_bound_of_different_tokens(void)
{
    static int many[LOAD_LENGTHS_MAX + 1];
    load_requests r;
    error err = {""};
    for (int i = 0; i <= LOAD_LENGTHS_MAX; i++) many[i] = 3 + i;
    set_plan(1, (int[]){100}, 1);
    plan.replay = "a file";
    CU_ASSERT_EQUAL(load_requests_replay(&r, &plan, &(load_schedule){.tokens = many, .n = LOAD_LENGTHS_MAX + 1}, &err),
                    BAD_INPUT);
    CU_ASSERT_STRING_EQUAL(err.text, "a file: more than 4096 different numbers of tokens");
    CU_ASSERT_TRUE(!r.bytes && !r.body_of);
}

void load_requests_suite(CU_pSuite s)
{
    CU_add_test(s, "a text of n tokens has n - 2 words, and the lengths come in turn", each_text_has_its_length);
    CU_add_test(s, "several inputs are an array; deadline and priority are headers", many_inputs_are_an_array);
    CU_add_test(s, "every length of a file is in the pool", more_lengths_make_a_larger_pool);
    CU_add_test(s, "a replay has a body for each number of tokens", a_replay_has_a_body_for_each_number_of_tokens);
    CU_add_test(s, "a replay of too many different numbers is refused", a_replay_has_a_bound_of_different_tokens);
    CU_add_test(s, "a pool of more than 256 MiB is refused", a_pool_has_a_bound);
}
