/* admin.c - what changes the server, and what was changed.  Who asks is in x-operator: the door has seen to that. */
#include "admin.h"
#include <signal.h>
#include <string.h>
#include <unistd.h>
#include "answer.h"
#include "console_state.h"
#include "door.h"
#include "ledger.h"
#include "release.h"
#include "runtime/base/json.h"
#include "runtime/base/log.h"

enum { BAKE_S = 120, SECONDS_MOST = 3600 };

/* There is a version that answers, and it will stay; else the call has been refused. */
static bool ready(call *c)
{
    const int phase = atomic_load_explicit(&app_of(c)->phase, memory_order_acquire);
    error why;
    if (phase == APP_READY) return true;
    answer_error(c, fail(&why, UNAVAILABLE, phase == APP_LOADING ? "the model is loading" : "the server is stopping"), 1,
                 &why);
    return false;
}

static bool answer_loaded(call *c)
{
    const bool loaded = atomic_load_explicit(&app_of(c)->phase, memory_order_acquire) != APP_LOADING;
    error why;
    if (!loaded) answer_error(c, fail(&why, UNAVAILABLE, "the model is loading"), 1, &why);
    return loaded;
}

/* A member that must be there; a value longer than the room is refused with its length. */
static status take_text(char *to, size_t cap, const cJSON *body, const char *name, error *err)
{
    const char *value = NULL;
    status rc = json_string(&value, body, name, err);
    if (rc != OK) return rc;
    if (!value || !*value) return fail(err, BAD_INPUT, "\"%s\" is missing or empty, wanted a string", name);
    if (strlen(value) >= cap)
        return fail(err, BAD_INPUT, "\"%s\" has %zu bytes, the limit is %zu", name, strlen(value), cap - 1);
    memcpy(to, value, strlen(value) + 1);
    return OK;
}

static status take_seconds(int *ms, const cJSON *body, const char *name, int otherwise, error *err)
{
    int s = otherwise;
    const status rc = json_int(&s, body, name, 0, SECONDS_MOST, err);
    *ms = s * 1000;
    return rc;
}

void release_post(call *c)
{
    cJSON *tree;
    error err;
    release_order order = {.breaking = false};
    int64_t number;
    if (!ready(c) || !answer_body(c, &tree)) return;
    status rc = take_text(order.version, sizeof order.version, tree, "version", &err);
    if (rc == OK && !manifest_is_name(order.version))
        rc = fail(&err, MALFORMED, "\"version\" is \"%s\", wanted the name of a directory: letters, digits, '.', '_', '-'",
                  order.version);
    if (rc == OK) rc = take_text(order.reason, sizeof order.reason, tree, "reason", &err);
    if (rc == OK) rc = json_bool(&order.breaking, tree, "breaking", &err);
    if (rc == OK) rc = take_seconds(&order.shadow_ms, tree, "shadow_s", 0, &err);
    if (rc == OK) rc = take_seconds(&order.bake_ms, tree, "bake_s", BAKE_S, &err);
    cJSON_Delete(tree);
    door_operator(c, order.who);
    if (rc == OK) rc = release_start(app_of(c)->release, &order, &number, &err);
    if (rc != OK) {
        answer_error(c, rc, 0, &err);
        return;
    }
    out o = {0};
    out_format(&o, "{\"number\":%lld}\n", (long long)number);
    call_reply(c, 202, "application/json", &o, "");
}

void rollback_post(call *c)
{
    cJSON *tree;
    error err;
    char reason[257], who[80];
    int64_t took_ns = 0;
    app *a = app_of(c);
    if (!ready(c) || !answer_body(c, &tree)) return;
    status rc = take_text(reason, sizeof reason, tree, "reason", &err);
    cJSON_Delete(tree);
    door_operator(c, who);
    if (rc == OK) rc = release_rollback(a->release, reason, who, &took_ns, &err);
    if (rc != OK) {
        answer_error(c, rc, 0, &err);
        return;
    }
    version *v = versions_acquire(a->versions), *before = versions_acquire_previous(a->versions);
    out o = {0};
    out_text(&o, "{\"version\":");
    out_json_string(&o, v->name, strlen(v->name));
    out_text(&o, ",\"previous\":");
    out_json_string(&o, before ? before->name : "", before ? strlen(before->name) : 0);
    out_format(&o, ",\"ms\":%.3f}\n", (double)took_ns * 1e-6);
    versions_release(a->versions, before);
    versions_release(a->versions, v);
    answer_json(c, &o, "");
}

void release_get(call *c)
{
    out o = {0};
    if (!answer_loaded(c)) return;
    release_write(&o, app_of(c)->release);
    answer_json(c, &o, "cache-control: no-store\r\n");
}

void versions_get(call *c)
{
    out o = {0};
    if (!answer_loaded(c)) return;
    release_write_versions(&o, app_of(c)->release);
    answer_json(c, &o, "cache-control: no-store\r\n");
}

void ledger_get(call *c)
{
    out o = {0};
    ledger_write(&o, app_of(c)->ledger, LEDGER_KEPT);
    answer_json(c, &o, "cache-control: no-store\r\n");
}

void console_state_get(call *c)
{
    out o = {0};
    console_state_write(&o, app_of(c));
    answer_json(c, &o, "cache-control: no-store\r\n");
}

/* Main's thread waits for signals: there is one way to end. */
void drain_post(call *c)
{
    char who[80];
    out o = {0};
    door_operator(c, who);
    log_line(LOG_INFO, "stop", "asked for by %s", who);
    kill(getpid(), SIGTERM);
    out_text(&o, "{\"state\":\"draining\"}\n");
    call_reply(c, 202, "application/json", &o, "");
}
