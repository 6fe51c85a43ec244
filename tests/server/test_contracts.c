/* Request bodies against their contracts, without a server: what is read, what is refused and with which words. */
#include <CUnit/CUnit.h>
#include <stdio.h>
#include <string.h>
#include "runtime/base/json.h"
#include "server/contracts.h"

static model_prompt prompts[] = {{.name = "query", .text = "query: "}, {.name = "passage", .text = "passage: "}};
static model_description the_model;
static options the_options;

static void prepare(void)
{
    the_model = (model_description){
        .dimensions = 384, .max_tokens = 256, .prompts = prompts, .n_prompts = 2, .default_prompt = -1};
    the_options = (options){.max_inputs = 4, .auto_truncate = true};
}

typedef status reader(embed_contract *, const cJSON *, const model_description *, const options *, error *);

static status read_with(reader *read, const char *text, embed_contract *out, cJSON **tree, error *err)
{
    CU_ASSERT_EQUAL_FATAL(json_parse(tree, text, strlen(text), (json_limits){16, 1000}, err), OK);
    prepare();
    return read(out, *tree, &the_model, &the_options, err);
}

static void refused(reader *read, const char *text, status why, const char *part)
{
    embed_contract out;
    cJSON *tree;
    error err = {""};
    status rc = read_with(read, text, &out, &tree, &err);
    if (rc != why || !strstr(err.text, part))
        fprintf(stderr, "%s: %d \"%s\", wanted %d \"%s\"\n", text, rc, err.text, why, part);
    CU_ASSERT_EQUAL(rc, why);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, part));
    cJSON_Delete(tree);
}

static void forms_of_input(void)
{
    static const struct { const char *text; int n; bool ids; } rows[] = {
        {"{\"inputs\":\"a\"}", 1, false}, {"{\"inputs\":[\"a\",\"b\"]}", 2, false}, {"{\"inputs\":[1,2,3]}", 1, true},
        {"{\"inputs\":[[1],[2,3]]}", 2, true}, {"{\"inputs\":[\"a\",[2]]}", 2, false}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        embed_contract out;
        cJSON *tree;
        error err;
        CU_ASSERT_EQUAL_FATAL(read_with(embed_contract_read, rows[i].text, &out, &tree, &err), OK);
        CU_ASSERT_EQUAL(out.n, rows[i].n);
        CU_ASSERT_EQUAL(out.inputs[0].ids != NULL, rows[i].ids);
        CU_ASSERT_TRUE(out.truncate && out.normalize && out.side == CUT_RIGHT && out.dimensions == 384 && !out.prompt);
        embed_contract_free(&out);
        cJSON_Delete(tree);
    }
}

static void settings_of_embed(void)
{
    embed_contract out;
    cJSON *tree;
    error err;
    CU_ASSERT_EQUAL_FATAL(read_with(embed_contract_read,
                                    "{\"inputs\":\"a\",\"truncate\":false,\"truncation_direction\":\"Left\",\"prompt_"
                                    "name\":\"query\",\"normalize\":false,"
                                    "\"dimensions\":8,\"unknown\":{\"x\":1}}",
                                    &out, &tree, &err),
                          OK);
    CU_ASSERT_TRUE(!out.truncate && !out.normalize && out.side == CUT_LEFT && out.dimensions == 8);
    CU_ASSERT_STRING_EQUAL(out.prompt, "query: ");
    embed_contract_free(&out);
    cJSON_Delete(tree);
}

static void wrong_types(void)
{
    static const char *const fields[] = {"inputs",      "truncate",  "truncation_direction",
                                         "prompt_name", "normalize", "dimensions"};
    static const char *const values[] = {"7", "{}", "true", "\"x\"", "[{}]", "1.5"};
    static const bool right[6][6] = {/* 7, {}, true, "x", [{}], 1.5 */
                                     {0, 0, 0, 1, 0, 0}, {0, 0, 1, 0, 0, 0}, {0, 0, 0, 0, 0, 0},
                                     {0, 0, 0, 0, 0, 0}, {0, 0, 1, 0, 0, 0}, {1, 0, 0, 0, 0, 0}};
    for (int f = 0; f < 6; f++)
        for (int v = 0; v < 6; v++) {
            char text[128];
            if (right[f][v]) continue;
            if (f) snprintf(text, sizeof text, "{\"inputs\":\"a\",\"%s\":%s}", fields[f], values[v]);
            else snprintf(text, sizeof text, "{\"inputs\":%s}", values[v]);
            refused(embed_contract_read, text, BAD_INPUT, fields[f]);
        }
    refused(openai_contract_read, "{\"input\":\"a\",\"model\":7}", BAD_INPUT, "model");
    refused(openai_contract_read, "{\"input\":\"a\",\"user\":7}", BAD_INPUT, "user");
    refused(openai_contract_read, "{\"input\":\"a\",\"encoding_format\":7}", BAD_INPUT, "encoding_format");
    refused(openai_contract_read, "{\"input\":7}", BAD_INPUT, "input");
}

static void missing_and_empty(void)
{
    refused(embed_contract_read, "{}", BAD_INPUT, "\"inputs\" is missing");
    refused(embed_contract_read, "{\"inputs\":null}", BAD_INPUT, "null");
    refused(embed_contract_read, "{\"input\":\"a\"}", BAD_INPUT, "\"inputs\" is missing");
    refused(openai_contract_read, "{\"inputs\":\"a\"}", BAD_INPUT, "\"input\" is missing");
    refused(embed_contract_read, "{\"inputs\":[]}", EMPTY, "empty list");
    refused(embed_contract_read, "{\"inputs\":\"\"}", EMPTY, "\"inputs\"[0] is an empty string");
    refused(embed_contract_read, "{\"inputs\":[\"a\",\"\"]}", EMPTY, "\"inputs\"[1]");
    refused(embed_contract_read, "{\"inputs\":[[]]}", EMPTY, "\"inputs\"[0] is an empty list");
}

static void twice(void)
{
    refused(embed_contract_read, "{\"inputs\":\"a\",\"inputs\":\"b\"}", MALFORMED, "twice");
    refused(embed_contract_read, "{\"inputs\":\"a\",\"normalize\":true,\"normalize\":false}", MALFORMED, "twice");
}

static void too_many(void)
{
    refused(embed_contract_read, "{\"inputs\":[\"a\",\"b\",\"c\",\"d\",\"e\"]}", BAD_INPUT,
            "has 5 items, the limit is 4");
}

static void dimensions_and_formats(void)
{
    refused(embed_contract_read, "{\"inputs\":\"a\",\"dimensions\":0}", BAD_INPUT, "1 to 384");
    refused(embed_contract_read, "{\"inputs\":\"a\",\"dimensions\":385}", BAD_INPUT, "385");
    refused(embed_contract_read, "{\"inputs\":\"a\",\"dimensions\":-1}", BAD_INPUT, "-1");
    refused(openai_contract_read, "{\"input\":\"a\",\"dimensions\":1e9}", BAD_INPUT, "1000000000");
    refused(openai_contract_read, "{\"input\":\"a\",\"encoding_format\":\"int8\"}", BAD_INPUT,
            "\"float\" or \"base64\"");
    refused(embed_contract_read, "{\"inputs\":\"a\",\"truncation_direction\":\"left\"}", BAD_INPUT,
            "\"Right\" or \"Left\"");
    refused(embed_contract_read, "{\"inputs\":\"a\",\"prompt_name\":\"nope\"}", BAD_INPUT,
            "the model has 2 prompts, the first is query");
}

static void any_model(void)
{
    embed_contract out;
    cJSON *tree;
    error err;
    CU_ASSERT_EQUAL_FATAL(
        read_with(openai_contract_read,
                  "{\"input\":[\"a\"],\"model\":\"text-embedding-3-large\",\"encoding_format\":\"base64\"}", &out,
                  &tree, &err),
        OK);
    CU_ASSERT_TRUE(out.base64 && out.n == 1 && out.normalize);
    embed_contract_free(&out);
    cJSON_Delete(tree);
}

static void token_ids_in_range(void)
{
    static const struct {
        const char *text;
        status want;
    } rows[] = {{"5", OK},
                {"0", OK},
                {"10", BAD_INPUT},
                {"-1", BAD_INPUT},
                {"1.5", BAD_INPUT},
                {"1e300", BAD_INPUT},
                {"\"5\"", BAD_INPUT},
                {"null", BAD_INPUT}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        cJSON *v;
        error err;
        int32_t id;
        CU_ASSERT_EQUAL_FATAL(json_parse(&v, rows[i].text, strlen(rows[i].text), (json_limits){2, 2}, &err), OK);
        CU_ASSERT_EQUAL(contract_id(&id, v, 10, &err), rows[i].want);
        cJSON_Delete(v);
    }
}

void contracts_suite(CU_pSuite s)
{
    CU_add_test(s, "every form of input is read", forms_of_input);
    CU_add_test(s, "every setting of /embed is read, unknown fields are ignored", settings_of_embed);
    CU_add_test(s, "J34 a wrong type is refused by field", wrong_types);
    CU_add_test(s, "J29 U49 nothing, an empty list and an empty string are refused", missing_and_empty);
    CU_add_test(s, "J35 a used key that is given twice is malformed", twice);
    CU_add_test(s, "J38 too many inputs are refused with the count and the limit", too_many);
    CU_add_test(s, "J42 bad dimensions, formats, directions and prompts are refused with what is wanted",
                dimensions_and_formats);
    CU_add_test(s, "J41 any model name is answered by the one model", any_model);
    CU_add_test(s, "token ids are integers below the vocabulary's size", token_ids_in_range);
}
