#include "answer.h"
#include <string.h>
#include "runtime/base/json.h"

/* Deep enough for every contract; values: 256 inputs of 512 ids and as many again, about 15 MB of cJSON's heap. */
static const json_limits BODY_LIMITS = {.depth = 16, .values = 200000};

bool answer_ready(call *c)
{
    const int phase = atomic_load_explicit(&app_of(c)->phase, memory_order_acquire);
    if (phase == APP_LOADING) call_refuse(c, 503, NULL, 1, "the model is loading");
    if (phase == APP_LOST) call_refuse(c, 503, NULL, 1, app_of(c)->lost.text);
    return phase != APP_LOADING && phase != APP_LOST;
}

/* "application/json", with or without parameters */
static bool is_json(http_slice type)
{
    const char *end = type.n ? memchr(type.p, ';', type.n) : NULL;
    http_slice  name = {type.p, end ? (size_t)(end - type.p) : type.n};
    while (name.n && (name.p[name.n - 1] == ' ' || name.p[name.n - 1] == '\t')) name.n--;
    return http_is(name, "application/json");
}

bool answer_body(call *c, cJSON **tree)
{
    char message[160];
    error err;
    http_slice coding = http_field(&c->head, "content-encoding"), type = http_field(&c->head, "content-type");
    *tree = NULL;
    if (coding.n && !http_is(coding, "identity")) {
        snprintf(message, sizeof message, "content-encoding is %.*s, only plain bodies are taken",
                 (int)(coding.n < 40 ? coding.n : 40), coding.p);
        call_refuse(c, 415, NULL, 0, message);
        return false;
    }
    if (!is_json(type)) {
        snprintf(message, sizeof message, "content-type is \"%.*s\", wanted application/json",
                 (int)(type.n < 60 ? type.n : 60), type.n ? type.p : "");
        call_refuse(c, 415, NULL, 0, message);
        return false;
    }
    status rc = json_parse(tree, c->body, c->body_bytes, BODY_LIMITS, &err);
    if (rc == OK && !cJSON_IsObject(*tree)) {
        rc = fail(&err, BAD_INPUT, "the body is of type %s, wanted an object", json_type_name(*tree));
        cJSON_Delete(*tree);
        *tree = NULL;
    }
    if (rc != OK) answer_error(c, rc, 0, &err);
    return rc == OK;
}

void answer_error(call *c, status why, int retry_after_s, const error *err)
{
    static const struct { status why; int http; const char *type;
    } rows[] = {{MALFORMED, 400, NULL},   {EMPTY, 400, "Empty"},  {BAD_INPUT, 422, NULL}, {OVERLOADED, 429, NULL},
                {UNAVAILABLE, 503, NULL}, {CANCELLED, 503, NULL}, {NO_MEMORY, 503, NULL}, {GPU_LOST, 503, NULL},
                {NOT_FINITE, 500, NULL},  {GPU_FAILED, 500, NULL}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (rows[i].why != why) continue;
        bool later = rows[i].http == 429 || rows[i].http == 503;
        call_refuse(c, rows[i].http, rows[i].type, later && retry_after_s < 1 ? 1 : retry_after_s, err->text);
        return;
    }
    call_refuse(c, 500, NULL, 0, err->text);
}

void answer_json(call *c, out *body, const char *headers) { call_reply(c, 200, "application/json", body, headers); }
