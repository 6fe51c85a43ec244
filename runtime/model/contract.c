/* contract.c - a contract as a value, as JSON, and against another one. */
#include "contract.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "runtime/base/json.h"

enum { PROMPTS_MAX = 1000, LABELS_MAX = 100000 };

static int by_name(const void *x, const void *y)
{
    return strcmp(((const model_prompt *)x)->name, ((const model_prompt *)y)->name);
}

static status no_memory(contract *c, error *err)
{
    contract_free(c);
    return fail(err, NO_MEMORY, "no memory for a contract");
}

status contract_of(contract *out, const model_description *m, const char *tokenizer_digest, error *err)
{
    *out = (contract){
        .max_tokens = m->max_tokens, .dimensions = m->dimensions, .normalize = m->normalize, .default_prompt = -1};
    contract *c = out;
    snprintf(c->pooling, sizeof c->pooling, "%s", m->task == TASK_EMBED ? pooling_name(m->pooling) : "none");
    snprintf(c->activation, sizeof c->activation, "%s",
             m->task == TASK_EMBED    ? "none"
             : m->task == TASK_RERANK ? "sigmoid"
                                      : "softmax");
    snprintf(c->tokenizer_digest, sizeof c->tokenizer_digest, "%s", tokenizer_digest);
    c->prompts = calloc((size_t)m->n_prompts + 1, sizeof *c->prompts);
    c->labels = calloc((size_t)m->n_labels + 1, sizeof *c->labels);
    if (!c->prompts || !c->labels) return no_memory(c, err);
    for (; c->n_prompts < m->n_prompts; c->n_prompts++) {
        model_prompt *p = &c->prompts[c->n_prompts];
        p->name = strdup(m->prompts[c->n_prompts].name);
        p->text = strdup(m->prompts[c->n_prompts].text);
        if (p->name && p->text) continue;
        c->n_prompts++;
        return no_memory(c, err);
    }
    for (; c->n_labels < m->n_labels; c->n_labels++)
        if (!(c->labels[c->n_labels] = strdup(m->labels[c->n_labels]))) return no_memory(c, err);
    qsort(c->prompts, (size_t)c->n_prompts, sizeof *c->prompts, by_name);
    for (int i = 0; m->default_prompt >= 0 && i < c->n_prompts; i++)
        if (!strcmp(c->prompts[i].name, m->prompts[m->default_prompt].name)) c->default_prompt = i;
    return OK;
}

void contract_free(contract *c)
{
    for (int i = 0; c->prompts && i < c->n_prompts; i++) {
        free(c->prompts[i].name);
        free(c->prompts[i].text);
    }
    for (int i = 0; c->labels && i < c->n_labels; i++) free(c->labels[i]);
    free(c->prompts);
    free(c->labels);
    *c = (contract){0};
}

static status copy_text(char *to, size_t cap, const cJSON *from, const char *name, error *err)
{
    const char *text = NULL;
    status rc = json_string(&text, from, name, err);
    if (rc == OK && strlen(text) >= cap)
        rc = fail(err, BAD_INPUT, "\"%s\" of %zu bytes, at most %zu", name, strlen(text), cap - 1);
    if (rc == OK) memcpy(to, text, strlen(text) + 1);
    return rc;
}

/* Prompts are borrowed from the tree into a description, and copied, sorted, by contract_of(). */
static status read_lists(model_description *m, const cJSON *from, error *err)
{
    const cJSON *prompts = cJSON_GetObjectItemCaseSensitive(from, "prompts");
    const cJSON *labels = cJSON_GetObjectItemCaseSensitive(from, "labels"), *v;
    const char *chosen = NULL;
    if (!cJSON_IsObject(prompts))
        return fail(err, BAD_INPUT, "\"prompts\" is of type %s, wanted an object", json_type_name(prompts));
    if (!cJSON_IsArray(labels))
        return fail(err, BAD_INPUT, "\"labels\" is of type %s, wanted an array", json_type_name(labels));
    if (cJSON_GetArraySize(prompts) > PROMPTS_MAX || cJSON_GetArraySize(labels) > LABELS_MAX)
        return fail(err, BAD_INPUT, "more than %d prompts or %d labels", PROMPTS_MAX, LABELS_MAX);
    status rc = json_string(&chosen, from, "default_prompt", err);
    if (rc != OK) return rc;
    m->default_prompt = -1;
    m->prompts = calloc((size_t)cJSON_GetArraySize(prompts) + 1, sizeof *m->prompts);
    m->labels = calloc((size_t)cJSON_GetArraySize(labels) + 1, sizeof *m->labels);
    if (!m->prompts || !m->labels) return fail(err, NO_MEMORY, "no memory for a contract");
    cJSON_ArrayForEach(v, prompts)
    {
        if (!cJSON_IsString(v)) return fail(err, BAD_INPUT, "prompt \"%.60s\" is no string", v->string);
        if (!strcmp(v->string, chosen)) m->default_prompt = m->n_prompts;
        m->prompts[m->n_prompts++] = (model_prompt){.name = v->string, .text = v->valuestring};
    }
    cJSON_ArrayForEach(v, labels)
    {
        if (!cJSON_IsString(v)) return fail(err, BAD_INPUT, "label %d is no string", m->n_labels);
        m->labels[m->n_labels++] = v->valuestring;
    }
    if (*chosen && m->default_prompt < 0)
        return fail(err, BAD_INPUT, "\"default_prompt\" is \"%.60s\", no such prompt", chosen);
    return OK;
}

status contract_read(contract *out, const cJSON *from, error *err)
{
    static const char *const names[] = {"max_tokens",     "dimensions", "pooling",    "normalize",       "prompts",
                                        "default_prompt", "labels",     "activation", "tokenizer_digest"};
    contract c = {0};
    model_description m = {0};
    *out = c;
    status rc = json_exactly(from, names, sizeof names / sizeof *names, err);
    if (rc == OK) rc = json_int(&c.max_tokens, from, "max_tokens", 1, 1 << 30, err);
    if (rc == OK) rc = json_int(&c.dimensions, from, "dimensions", 0, 1 << 30, err);
    if (rc == OK) rc = json_bool(&c.normalize, from, "normalize", err);
    if (rc == OK) rc = copy_text(c.pooling, sizeof c.pooling, from, "pooling", err);
    if (rc == OK) rc = copy_text(c.activation, sizeof c.activation, from, "activation", err);
    if (rc == OK) rc = copy_text(c.tokenizer_digest, sizeof c.tokenizer_digest, from, "tokenizer_digest", err);
    if (rc == OK) rc = read_lists(&m, from, err);
    if (rc == OK) rc = contract_of(out, &m, c.tokenizer_digest, err);
    free(m.prompts);
    free(m.labels);
    if (rc != OK) return rc;
    out->max_tokens = c.max_tokens;
    out->dimensions = c.dimensions;
    out->normalize = c.normalize;
    memcpy(out->pooling, c.pooling, sizeof c.pooling);
    memcpy(out->activation, c.activation, sizeof c.activation);
    return OK;
}

cJSON *contract_json(const contract *c)
{
    cJSON *o = cJSON_CreateObject();
    bool ok = cJSON_AddNumberToObject(o, "max_tokens", c->max_tokens) &&
              cJSON_AddNumberToObject(o, "dimensions", c->dimensions) &&
              cJSON_AddStringToObject(o, "pooling", c->pooling) && cJSON_AddBoolToObject(o, "normalize", c->normalize);
    cJSON *prompts = ok ? cJSON_AddObjectToObject(o, "prompts") : NULL;
    ok = prompts != NULL;
    for (int i = 0; ok && i < c->n_prompts; i++)
        ok = cJSON_AddStringToObject(prompts, c->prompts[i].name, c->prompts[i].text) != NULL;
    ok = ok &&
         cJSON_AddStringToObject(o, "default_prompt", c->default_prompt < 0 ? "" : c->prompts[c->default_prompt].name);
    cJSON *labels = ok ? cJSON_AddArrayToObject(o, "labels") : NULL;
    ok = labels != NULL;
    for (int i = 0; ok && i < c->n_labels; i++) ok = cJSON_AddItemToArray(labels, cJSON_CreateString(c->labels[i]));
    ok = ok && cJSON_AddStringToObject(o, "activation", c->activation) &&
         cJSON_AddStringToObject(o, "tokenizer_digest", c->tokenizer_digest);
    if (ok) return o;
    cJSON_Delete(o);
    return NULL;
}

/* Both have the same members in the same order, so their text can be compared. */
status contract_same(const contract *is, const contract *said, error *err)
{
    cJSON *x = contract_json(is), *y = contract_json(said);
    status rc = x && y ? OK : fail(err, NO_MEMORY, "no memory for a contract");
    for (const cJSON *p = x ? x->child : NULL, *q = y ? y->child : NULL; rc == OK && p && q; p = p->next, q = q->next) {
        char *seen = cJSON_PrintUnformatted(p), *wanted = cJSON_PrintUnformatted(q);
        if (!seen || !wanted) rc = fail(err, NO_MEMORY, "no memory for a contract");
        else if (strcmp(seen, wanted))
            rc = fail(err, BAD_INPUT, "contract: %s is %.100s, beeline.json says %.100s", p->string, seen, wanted);
        cJSON_free(seen);
        cJSON_free(wanted);
    }
    cJSON_Delete(x);
    cJSON_Delete(y);
    return rc;
}

typedef struct {
    char (*line)[CONTRACT_LINE];
    int cap, n;
} broken;

__attribute__((format(printf, 2, 3))) static void add(broken *b, const char *form, ...)
{
    va_list list;
    va_start(list, form);
    if (b->n < b->cap) vsnprintf(b->line[b->n], CONTRACT_LINE, form, list);
    va_end(list);
    b->n++;
}

static void add_text(broken *b, const char *what, const char *live, const char *next)
{
    if (strcmp(live, next)) add(b, "%s %.60s -> %.60s", what, live, next);
}

static const model_prompt *prompt_of(const contract *c, const char *name)
{
    for (int i = 0; i < c->n_prompts; i++)
        if (!strcmp(c->prompts[i].name, name)) return &c->prompts[i];
    return NULL;
}

int contract_breaks(const contract *live, const contract *next, char (*lines)[CONTRACT_LINE], int cap)
{
    broken b = {.line = lines, .cap = cap};
    if (next->max_tokens < live->max_tokens) add(&b, "max_tokens %d -> %d", live->max_tokens, next->max_tokens);
    if (next->dimensions != live->dimensions) add(&b, "dimensions %d -> %d", live->dimensions, next->dimensions);
    add_text(&b, "pooling", live->pooling, next->pooling);
    add_text(&b, "normalize", live->normalize ? "true" : "false", next->normalize ? "true" : "false");
    for (int i = 0; i < live->n_prompts; i++) {
        const model_prompt *was = &live->prompts[i], *is = prompt_of(next, was->name);
        if (!is) add(&b, "prompt %.60s is gone", was->name);
        else if (strcmp(was->text, is->text))
            add(&b, "prompt %.40s \"%.40s\" -> \"%.40s\"", was->name, was->text, is->text);
    }
    add_text(&b, "default_prompt", live->default_prompt < 0 ? "none" : live->prompts[live->default_prompt].name,
             next->default_prompt < 0 ? "none" : next->prompts[next->default_prompt].name);
    for (int i = 0; i < live->n_labels; i++)
        if (i >= next->n_labels) add(&b, "label %d %.60s is gone", i, live->labels[i]);
        else if (strcmp(live->labels[i], next->labels[i]))
            add(&b, "label %d %.60s -> %.60s", i, live->labels[i], next->labels[i]);
    add_text(&b, "activation", live->activation, next->activation);
    if (strcmp(live->tokenizer_digest, next->tokenizer_digest))
        add(&b, "tokenizer %.12s -> %.12s", live->tokenizer_digest, next->tokenizer_digest);
    return b.n;
}
