/* fuzz_body.c - a request's body through the guarded door and every contract. */
#include <stdint.h>
#include <stdlib.h>
#include "runtime/base/json.h"
#include "server/contracts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char          query[] = "query", text[] = "query: ";
    static model_prompt  prompts[] = {{query, text}};
    static const options settings = {.max_inputs = 8, .auto_truncate = true};
    const model_description model = {
        .dimensions = 384, .max_tokens = 256, .prompts = prompts, .n_prompts = 1, .default_prompt = -1};
    cJSON *tree;
    error  err;
    embed_contract    embed;
    tokenize_contract tokenize;
    if (json_parse(&tree, (const char *)data, size, (json_limits){.depth = 16, .values = 10000}, &err) != OK) return 0;
    if (cJSON_IsObject(tree)) {
        if (embed_contract_read(&embed, tree, &model, &settings, &err) == OK) {
            if (embed.n < 1 || embed.n > 8 || embed.dimensions < 1 || embed.dimensions > 384) abort();
            embed_contract_free(&embed);
        }
        if (openai_contract_read(&embed, tree, &model, &settings, &err) == OK) embed_contract_free(&embed);
        if (tokenize_contract_read(&tokenize, tree, &model, &settings, &err) == OK) tokenize_contract_free(&tokenize);
    }
    cJSON_Delete(tree);
    return 0;
}
