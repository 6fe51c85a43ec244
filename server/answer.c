#include "answer.h"
#include <string.h>
#include "runtime/base/clock.h"
#include "runtime/base/json.h"

enum { PATIENCE_MAX_MS = 3600000 };

/* Deep enough for every contract; values: 256 inputs of 512 ids and as many again, about 15 MB of cJSON's heap. */
static const json_limits BODY_LIMITS = {.depth = 16, .values = 200000};

bool answer_ready(call *c)
{
    const int phase = atomic_load_explicit(&app_of(c)->phase, memory_order_acquire);
    if (phase == APP_LOADING || phase == APP_LOST) c->record.failure = FAILURE_DRAINING;
    if (phase == APP_LOADING) call_refuse(c, 503, NULL, 1, "the model is loading");
    if (phase == APP_LOST) call_refuse(c, 503, NULL, 1, app_of(c)->lost.text);
    return phase != APP_LOADING && phase != APP_LOST;
}

/* Milliseconds of digits alone, clamped; -1: something else. */
static int64_t read_ms(http_slice text)
{
    int64_t ms = 0;
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] < '0' || text.p[i] > '9') return -1;
        ms = ms * 10 + (text.p[i] - '0');
        if (ms > PATIENCE_MAX_MS) ms = PATIENCE_MAX_MS;
    }
    return text.n ? ms : -1;
}

static void refuse_field(call *c, const char *name, http_slice seen, const char *wanted)
{
    char message[160];
    snprintf(message, sizeof message, "%s is \"%.*s\", wanted %s", name, (int)(seen.n < 60 ? seen.n : 60), seen.p, wanted);
    call_refuse(c, 400, NULL, 0, message);
}

bool answer_patience(call *c, lane *of, int64_t *deadline_ns)
{
    const http_slice deadline = http_field(&c->head, "x-deadline-ms"), priority = http_field(&c->head, "x-priority");
    const int64_t ms = deadline.p ? read_ms(deadline) : PATIENCE_MAX_MS, late_ns = clock_ns() - c->record.times.at[STAGE_READ];
    *of = priority.p && http_is(priority, "bulk") ? LANE_BULK : LANE_INTERACTIVE;
    *deadline_ns = deadline.p ? c->record.times.at[STAGE_READ] + ms * 1000000 : INT64_MAX;
    if (priority.p && *of != LANE_BULK && !http_is(priority, "interactive")) {
        refuse_field(c, "x-priority", priority, "interactive or bulk");
    } else if (ms < 0) {
        refuse_field(c, "x-deadline-ms", deadline, "a number of milliseconds");
    } else if (deadline.p && late_ns >= ms * 1000000) {
        error err;
        answer_error(c, fail(&err, EXPIRED, "the deadline of %lld ms has passed: the request is %.3f ms old", (long long)ms,
                             (double)late_ns * 1e-6), 0, &err);
    } else {
        return true;
    }
    return false;
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
    static const struct {
        status       why;
        int          http;
        const char  *type;
        call_failure failure;
    } rows[] = {{MALFORMED, 400, NULL, FAILURE_NONE},       {EMPTY, 400, "Empty", FAILURE_NONE},
                {BAD_INPUT, 422, NULL, FAILURE_NONE},       {OVERLOADED, 429, NULL, FAILURE_NONE},
                {EXPIRED, 504, NULL, FAILURE_NONE},         {UNAVAILABLE, 503, NULL, FAILURE_DRAINING},
                {CANCELLED, 503, NULL, FAILURE_CANCELLED},  {NO_MEMORY, 503, NULL, FAILURE_OVERLOADED},
                {GPU_LOST, 503, NULL, FAILURE_BACKEND},     {NOT_FINITE, 500, NULL, FAILURE_NONE},
                {GPU_FAILED, 500, NULL, FAILURE_NONE}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (rows[i].why != why) continue;
        bool later = rows[i].http == 429 || rows[i].http == 503;
        if (rows[i].failure) c->record.failure = rows[i].failure;
        call_refuse(c, rows[i].http, rows[i].type, later && retry_after_s < 1 ? 1 : retry_after_s, err->text);
        return;
    }
    call_refuse(c, 500, NULL, 0, err->text);
}

void answer_json(call *c, out *body, const char *headers) { call_reply(c, 200, "application/json", body, headers); }
