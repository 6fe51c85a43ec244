#include "contracts.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "prompt.h"
#include "runtime/base/json.h"

status contract_id(int32_t *out, const cJSON *v, int vocab, error *err)
{
    double id = cJSON_IsNumber(v) ? v->valuedouble : -1;
    if (!cJSON_IsNumber(v)) return fail(err, BAD_INPUT, "a token id of type %s, wanted an integer", json_type_name(v));
    if (id < 0 || id >= vocab || id != floor(id))
        return fail(err, BAD_INPUT, "token id %.17g, wanted an integer of 0 to %d", id, vocab - 1);
    *out = (int32_t)id;
    return OK;
}

static status read_input(contract_input *out, const cJSON *v, const char *name, int i, bool ids_allowed, error *err)
{
    if (cJSON_IsString(v)) {
        out->text = (text_view){v->valuestring, strlen(v->valuestring)};
        return out->text.n ? OK : fail(err, EMPTY, "\"%s\"[%d] is an empty string", name, i);
    }
    if (ids_allowed && cJSON_IsArray(v)) {
        out->ids = v;
        return v->child ? OK : fail(err, EMPTY, "\"%s\"[%d] is an empty list", name, i);
    }
    return fail(err, BAD_INPUT, "\"%s\"[%d] is of type %s, wanted a string%s", name, i, json_type_name(v),
                ids_allowed ? " or a list of token ids" : "");
}

/* "text", ["text", ...] and, where ids are allowed, [1, 2] (one pre-tokenized text) and lists among the texts. */
static status read_inputs(contract_input **out, int *n, const cJSON *body, const char *name, int max_inputs,
                          bool ids_allowed, error *err)
{
    cJSON *v;
    *out = NULL;
    *n = 0;
    status rc = json_member(&v, body, name, err);
    if (rc != OK) return rc;
    if (!v) return fail(err, BAD_INPUT, "\"%s\" is missing, wanted a string or a list of strings", name);
    bool one = cJSON_IsString(v) || (ids_allowed && cJSON_IsArray(v) && cJSON_IsNumber(v->child));
    if (!one && !cJSON_IsArray(v))
        return fail(err, BAD_INPUT, "\"%s\" is of type %s, wanted a string or a list of strings", name,
                    json_type_name(v));
    int count = one ? 1 : cJSON_GetArraySize(v);
    if (!count) return fail(err, EMPTY, "\"%s\" is an empty list", name);
    if (count > max_inputs)
        return fail(err, BAD_INPUT, "\"%s\" has %d items, the limit is %d", name, count, max_inputs);
    contract_input *inputs = calloc((size_t)count, sizeof *inputs);
    if (!inputs) return fail(err, NO_MEMORY, "no memory for %d inputs", count);
    const cJSON *item = one ? v : v->child;
    for (int i = 0; i < count && rc == OK; i++, item = item->next)
        rc = read_input(&inputs[i], item, name, i, ids_allowed, err);
    if (rc != OK) {
        free(inputs);
        return rc;
    }
    *out = inputs;
    *n = count;
    return OK;
}

static status read_side(cut_side *out, const cJSON *body, error *err)
{
    const char *side = NULL;
    status rc = json_string(&side, body, "truncation_direction", err);
    if (rc != OK || !side) return rc;
    *out = !strcmp(side, "Left") ? CUT_LEFT : CUT_RIGHT;
    if (*out == CUT_RIGHT && strcmp(side, "Right"))
        return fail(err, BAD_INPUT, "\"truncation_direction\" is \"%.40s\", wanted \"Right\" or \"Left\"", side);
    return OK;
}

static status read_prompt(const char **out, const cJSON *body, const model_description *m, error *err)
{
    const char *name = NULL;
    *out = prompt_default(m);
    status rc = json_string(&name, body, "prompt_name", err);
    if (rc != OK || !name) return rc;
    for (int i = 0; i < m->n_prompts; i++)
        if (!strcmp(m->prompts[i].name, name)) {
            *out = m->prompts[i].text;
            return OK;
        }
    return fail(err, BAD_INPUT, "\"prompt_name\" is \"%.60s\", the model has %d prompts%s%.60s", name, m->n_prompts,
                m->n_prompts ? ", the first is " : "", m->n_prompts ? m->prompts[0].name : "");
}

static status read_dimensions(int *out, const cJSON *body, const model_description *m, error *err)
{
    *out = m->dimensions;
    return json_int(out, body, "dimensions", 1, m->dimensions, err);
}

status embed_contract_read(embed_contract *out, const cJSON *body, const model_description *m, const options *o,
                            error *err)
{
    *out = (embed_contract){.truncate = o->auto_truncate, .normalize = true};
    status rc = json_bool(&out->truncate, body, "truncate", err);
    if (rc == OK) rc = json_bool(&out->normalize, body, "normalize", err);
    if (rc == OK) rc = read_side(&out->side, body, err);
    if (rc == OK) rc = read_prompt(&out->prompt, body, m, err);
    if (rc == OK) rc = read_dimensions(&out->dimensions, body, m, err);
    if (rc == OK) rc = read_inputs(&out->inputs, &out->n, body, "inputs", o->max_inputs, true, err);
    return rc;
}

status openai_contract_read(embed_contract *out, const cJSON *body, const model_description *m, const options *o,
                            error *err)
{
    const char *format = "float", *ignored;
    *out = (embed_contract){.truncate = o->auto_truncate, .normalize = true};
    out->prompt = prompt_default(m);
    status rc = json_string(&ignored, body, "model", err); /* one model is served, under whatever name */
    if (rc == OK) rc = json_string(&ignored, body, "user", err);
    if (rc == OK) rc = json_string(&format, body, "encoding_format", err);
    if (rc == OK && strcmp(format, "float") && strcmp(format, "base64"))
        rc = fail(err, BAD_INPUT, "\"encoding_format\" is \"%.40s\", wanted \"float\" or \"base64\"", format);
    out->base64 = !strcmp(format, "base64");
    if (rc == OK) rc = read_dimensions(&out->dimensions, body, m, err);
    if (rc == OK) rc = read_inputs(&out->inputs, &out->n, body, "input", o->max_inputs, true, err);
    return rc;
}

void embed_contract_free(embed_contract *e) { free(e->inputs); }

status tokenize_contract_read(tokenize_contract *out, const cJSON *body, const model_description *m, const options *o,
                            error *err)
{
    *out = (tokenize_contract){.add_template = true};
    status rc = json_bool(&out->add_template, body, "add_special_tokens", err);
    const char *name = NULL;
    if (rc == OK) rc = json_string(&name, body, "prompt_name", err);
    if (rc == OK && name) rc = read_prompt(&out->prompt, body, m, err);
    if (rc == OK) rc = read_inputs(&out->inputs, &out->n, body, "inputs", o->max_inputs, false, err);
    return rc;
}

void tokenize_contract_free(tokenize_contract *t) { free(t->inputs); }
