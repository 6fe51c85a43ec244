/* contracts.h - JSON bodies to structs, checked: type, range, count, with the value seen and the limit.
 *
 * A contract points into its JSON tree and the description of the version that answers; the caller keeps both while it
 * uses the contract. */
#ifndef SERVER_CONTRACTS_H
#define SERVER_CONTRACTS_H
#include <cjson/cJSON.h>
#include <stdbool.h>
#include "options.h"
#include "runtime/model/description.h"
#include "runtime/text/tokenizer.h"

typedef struct {
    text_view    text; /* p NULL: pre-tokenized */
    const cJSON *ids;  /* the list of ids then */
} contract_input;

typedef struct {
    contract_input *inputs; /* [n], from malloc */
    int         n;
    bool        truncate, normalize, base64;
    cut_side    side;
    int         dimensions; /* of a row as answered */
    const char *prompt;     /* goes before every text; NULL: none */
} embed_contract;

/* POST /embed, and POST /v1/embeddings, whose list is called "input". */
status embed_contract_read(embed_contract *out, const cJSON *body, const model_description *m, const options *o,
                            error *err);
status openai_contract_read(embed_contract *out, const cJSON *body, const model_description *m, const options *o,
                            error *err);
void   embed_contract_free(embed_contract *e);

typedef struct { contract_input *inputs; int n; bool add_template; const char *prompt; } tokenize_contract;
status tokenize_contract_read(tokenize_contract *out, const cJSON *body, const model_description *m, const options *o,
                            error *err);
void   tokenize_contract_free(tokenize_contract *t);

/* One id of a pre-tokenized list; `vocab`: ids below it are taken. */
status contract_id(int32_t *out, const cJSON *v, int vocab, error *err);
#endif
