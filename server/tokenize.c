/* tokenize.c - POST /tokenize and /decode: answered at once, no device involved. */
#include <stdlib.h>
#include <string.h>
#include "answer.h"
#include "contracts.h"
#include "handlers.h"
#include "prompt.h"
#include "runtime/base/clock.h"
#include "runtime/base/json.h"

static void write_span(out *o, const tokenizer *t, text_view text, token_span s)
{
    const char *piece = tokenizer_piece(t, s.id);
    out_text(o, "{\"id\":");
    out_int(o, s.id);
    out_text(o, ",\"text\":");
    if (s.special) out_json_string(o, piece, strlen(piece));
    else out_json_string(o, text.p + s.start, (size_t)(s.stop - s.start));
    if (s.special) out_text(o, ",\"special\":true,\"start\":null,\"stop\":null}");
    else out_format(o, ",\"special\":false,\"start\":%d,\"stop\":%d}", s.start, s.stop);
}

/* Offsets count bytes of what is tokenized: with a prompt, of the prompt and the text together. */
static status write_tokens(out *o, const tokenizer *t, const tokenize_contract *ask, error *err)
{
    prompt_room room = {0};
    status      rc = OK;
    out_text(o, "[");
    for (int i = 0; i < ask->n && rc == OK; i++) {
        text_view   text = ask->inputs[i].text;
        rc = prompt_join(&text, &room, ask->prompt, err);
        token_span *spans = rc == OK ? malloc(tokenizer_bound(text.n) * sizeof *spans) : NULL;
        int n = spans ? tokenizer_spans(t, text, NULL, 0, CUT_RIGHT, ask->add_template, spans) : -1;
        out_text(o, i ? ",[" : "[");
        for (int k = 0; k < n; k++) {
            if (k) out_text(o, ",");
            write_span(o, t, text, spans[k]);
        }
        out_text(o, "]");
        free(spans);
        if (rc == OK && (n < 0 || o->failed)) rc = fail(err, NO_MEMORY, "no memory for the tokens of input %d", i);
    }
    out_text(o, "]");
    prompt_room_free(&room);
    return rc == OK && o->failed ? fail(err, NO_MEMORY, "no memory for the reply") : rc;
}

static status tokens_of_body(out *o, const engine *e, const options *settings, const cJSON *body, error *err)
{
    tokenize_contract ask;
    status rc = tokenize_contract_read(&ask, body, &e->description, settings, err);
    if (rc != OK) return rc;
    rc = write_tokens(o, e->tokens, &ask, err);
    tokenize_contract_free(&ask);
    return rc;
}

static status write_decoded(out *o, const engine *e, const cJSON *list, bool skip_special, error *err)
{
    int n = cJSON_GetArraySize(list), i = 0;
    int32_t *ids = malloc(((size_t)n + 1) * sizeof *ids);
    status rc = ids ? OK : fail(err, NO_MEMORY, "no memory for %d ids", n);
    for (const cJSON *v = list->child; v && rc == OK; v = v->next)
        rc = contract_id(&ids[i++], v, tokenizer_vocab_size(e->tokens), err);
    size_t bytes = rc == OK ? tokenizer_decode(e->tokens, ids, n, skip_special, NULL, 0) : 0;
    char  *text = rc == OK ? malloc(bytes + 1) : NULL;
    if (rc == OK && !text) rc = fail(err, NO_MEMORY, "no memory for %zu bytes of text", bytes);
    if (rc == OK) {
        tokenizer_decode(e->tokens, ids, n, skip_special, text, bytes + 1);
        out_json_string(o, text, bytes);
    }
    free(text);
    free(ids);
    return rc;
}

/* [1, 2] or [[1, 2], [3]] */
static status texts_of_body(out *o, const engine *e, const options *settings, const cJSON *body, error *err)
{
    bool skip_special = true;
    cJSON *ids;
    status rc = json_bool(&skip_special, body, "skip_special_tokens", err);
    if (rc == OK) rc = json_member(&ids, body, "ids", err);
    if (rc != OK) return rc;
    if (!cJSON_IsArray(ids))
        return fail(err, BAD_INPUT, "\"ids\" is %s, wanted a list of token ids or of such lists",
                    ids ? json_type_name(ids) : "missing");
    if (!ids->child) return fail(err, EMPTY, "\"ids\" is an empty list");
    out_text(o, "[");
    if (!cJSON_IsArray(ids->child)) {
        rc = write_decoded(o, e, ids, skip_special, err);
    } else {
        int n = cJSON_GetArraySize(ids);
        if (n > settings->max_inputs)
            return fail(err, BAD_INPUT, "\"ids\" has %d lists, the limit is %d", n, settings->max_inputs);
        for (const cJSON *v = ids->child; v && rc == OK; v = v->next) {
            if (!cJSON_IsArray(v))
                return fail(err, BAD_INPUT, "\"ids\" has a list and a value of type %s", json_type_name(v));
            if (v != ids->child) out_text(o, ",");
            rc = write_decoded(o, e, v, skip_special, err);
        }
    }
    out_text(o, "]");
    return rc == OK && o->failed ? fail(err, NO_MEMORY, "no memory for the reply") : rc;
}

static void answer_text(call *c, status (*write)(out *, const engine *, const options *, const cJSON *, error *))
{
    app *a = app_of(c);
    cJSON *tree;
    error err;
    out body = {0};
    answer_terms terms;
    version *v = answer_version(c);
    if (!v) return;
    if (answer_read_terms(c, &terms) && answer_body(c, &tree)) {
        int64_t now_ns = c->record.times.at[STAGE_TOKENIZE] = clock_ns();
        status rc = answer_in_time(c, &terms, now_ns, &err);
        if (rc == OK) rc = write(&body, v->engine, a->options, tree, &err);
        cJSON_Delete(tree);
        if (rc == OK) {
            answer_json(c, &body, "");
        } else {
            out_free(&body);
            answer_error(c, rc, 0, &err);
        }
    }
    versions_release(a->versions, v);
}

void tokenize_post(call *c) { answer_text(c, tokens_of_body); }
void decode_post(call *c) { answer_text(c, texts_of_body); }
