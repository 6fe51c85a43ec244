#include "answer.h"
#include <stdio.h>
#include <string.h>
#include "runtime/base/clock.h"
#include "runtime/base/flight.h"
#include "runtime/base/json.h"

enum { DEADLINE_MAX_MS = 3600000 /* longer is as good as none */ };

/* Deep enough for every contract; values: 256 inputs of 512 ids and as many again, about 15 MB of cJSON's heap. */
static const json_limits BODY_LIMITS = {.depth = 16, .values = 200000};

version *answer_version(call *c)
{
    const int phase = atomic_load_explicit(&app_of(c)->phase, memory_order_acquire);
    error why;
    if (phase == APP_LOADING) answer_turned_away(c, fail(&why, UNAVAILABLE, "the model is loading"), 1, 0, &why);
    if (phase == APP_LOST) answer_turned_away(c, UNAVAILABLE, 1, 0, &app_of(c)->lost); /* read in no other phase */
    return phase != APP_LOADING && phase != APP_LOST ? versions_acquire(app_of(c)->versions) : NULL;
}

/* The field's value; false when it is absent.  Twice is as wrong as empty, and reads as that. */
static bool find_field(const call *c, const char *name, http_slice *value)
{
    int times = 0;
    for (int i = 0; i < c->head.fields; i++) times += http_is(c->head.name[i], name);
    *value = http_field(&c->head, name);
    return times > 0;
}

static bool refuse_field(call *c, const char *name, http_slice seen, const char *wanted)
{
    char message[160];
    snprintf(message, sizeof message, "%s is \"%.*s\", wanted %s", name, (int)(seen.n < 40 ? seen.n : 40),
             seen.n ? seen.p : "", wanted);
    call_refuse(c, 400, NULL, 0, message);
    return false;
}

bool answer_read_terms(call *c, answer_terms *terms)
{
    http_slice v;
    *terms = (answer_terms){.deadline_ns = INT64_MAX, .lane = LANE_INTERACTIVE};
    if (find_field(c, "x-deadline-ms", &v)) {
        int64_t ms = 0;
        size_t i = 0;
        for (; i < v.n && v.p[i] >= '0' && v.p[i] <= '9'; i++) {
            ms = ms * 10 + (v.p[i] - '0');
            if (ms > DEADLINE_MAX_MS) ms = DEADLINE_MAX_MS;
        }
        if (!v.n || i < v.n) return refuse_field(c, "x-deadline-ms", v, "the milliseconds that are left, in digits");
        terms->deadline_ns = c->record.times.at[STAGE_READ] + ms * 1000000;
    }
    if (!find_field(c, "x-priority", &v)) return true;
    if (http_is(v, "bulk")) terms->lane = LANE_BULK;
    else if (!http_is(v, "interactive")) return refuse_field(c, "x-priority", v, "\"interactive\" or \"bulk\"");
    return true;
}

status answer_in_time(const call *c, const answer_terms *terms, int64_t now_ns, error *err)
{
    int64_t read_ns = c->record.times.at[STAGE_READ];
    if (now_ns < terms->deadline_ns) return OK;
    return fail(err, EXPIRED, "the deadline of %lld ms has passed: %.1f ms went by before the request was understood",
                (long long)((terms->deadline_ns - read_ns) / 1000000), (double)(now_ns - read_ns) * 1e-6);
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
        status why;
        int http;
        const char *type;
        call_failure failure;
    } rows[] = {
        {MALFORMED, 400, NULL, FAILURE_NONE},       {EMPTY, 400, "Empty", FAILURE_NONE},
        {BAD_INPUT, 422, NULL, FAILURE_NONE},       {OVERLOADED, 429, NULL, FAILURE_NONE},
        {UNAVAILABLE, 503, NULL, FAILURE_DRAINING}, {CANCELLED, 503, NULL, FAILURE_CANCELLED},
        {NO_MEMORY, 503, NULL, FAILURE_OVERLOADED}, {GPU_LOST, 503, NULL, FAILURE_BACKEND},
        {EXPIRED, 504, NULL, FAILURE_NONE},         {NOT_FINITE, 500, NULL, FAILURE_NONE},
        {GPU_FAILED, 500, NULL, FAILURE_NONE},      {NOT_FOUND, 404, NULL, FAILURE_NONE},
        {CONFLICT, 409, NULL, FAILURE_NONE},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (rows[i].why != why) continue;
        if (!c->record.failure) c->record.failure = rows[i].failure;
        bool later = rows[i].http == 429 || rows[i].http == 503;
        call_refuse(c, rows[i].http, rows[i].type, later && retry_after_s < 1 ? 1 : retry_after_s, err->text);
        return;
    }
    call_refuse(c, 500, NULL, 0, err->text);
}

void answer_turned_away(call *c, status why, int retry_after_s, int64_t wait_ns, const error *err)
{
    answer_error(c, why, retry_after_s, err);
    int code = c->record.status;
    if (code == 429 || code == 503 || code == 504)
        flight_note(clock_ns(), FLIGHT_REFUSAL, (uint32_t)code, (uint64_t)wait_ns / 1000, (uint64_t)c->record.tokens);
}

void answer_json(call *c, out *body, const char *headers) { call_reply(c, 200, "application/json", body, headers); }
