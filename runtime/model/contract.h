/* contract.h - what a client of a version depends on, and what a new version would break for it.
 *
 * A value; strings and lists are owned.  The one contract of a version is computed from its directory; the one in its
 * manifest must be equal to it. */
#ifndef RUNTIME_MODEL_CONTRACT_H
#define RUNTIME_MODEL_CONTRACT_H
#include <cjson/cJSON.h>
#include "description.h"

typedef struct {
    int  max_tokens, dimensions;
    char pooling[64]; /* as pooling_name() */
    bool normalize;
    int  n_prompts, default_prompt; /* index, or -1 */
    model_prompt *prompts;          /* [n_prompts], by name */
    int  n_labels;
    char **labels;                  /* [n_labels] */
    char activation[16];            /* of a head's scores: "none" for embeddings, else "sigmoid" or "softmax" */
    char tokenizer_digest[65];      /* of the files that the tokenizer is made of, as directory_digest() */
} contract;

status contract_of(contract *out, const model_description *m, const char *tokenizer_digest, error *err);
void   contract_free(contract *c); /* {0} is fine */

/* The member "contract" of a manifest, and back.  Reading says which key is missing, of a wrong type, or unknown. */
status contract_read(contract *out, const cJSON *from, error *err);
cJSON *contract_json(const contract *c); /* NULL: no memory; the caller's */

/* OK when they say the same; BAD_INPUT names the first key that differs, with both values. */
status contract_same(const contract *is, const contract *said, error *err);

/* What `next` breaks for clients of `live`: max_tokens down, dimensions, pooling or normalize changed, a prompt, a label
 * or the order of labels gone, activation or tokenizer changed.  Prompts may be added, max_tokens may rise.  Returns how
 * many; each is a line "dimensions 384 -> 256" into lines, as many as fit. */
enum { CONTRACT_LINE = 160 };
int contract_breaks(const contract *live, const contract *next, char (*lines)[CONTRACT_LINE], int cap);
#endif
