/* info.c - what is served, and whether it is ready. */
#include <string.h>
#include "answer.h"
#include "build.h"
#include "handlers.h"

static void member(out *o, const char *name, const char *value)
{
    out_format(o, ",\"%s\":", name);
    if (value) out_json_string(o, value, strlen(value));
    else out_text(o, "null");
}

void info_get(call *c)
{
    const app *a = app_of(c);
    version *v = answer_version(c);
    if (!v) return;
    const engine *e = v->engine;
    const model_description *m = &e->description;
    out o = {0};
    out_text(&o, "{\"model_id\":");
    out_json_string(&o, v->model_name, strlen(v->model_name));
    member(&o, "model_sha", NULL);
    member(&o, "model_dtype", e->ops->precision(e->device));
    out_text(&o, ",\"model_type\":{\"embedding\":{\"pooling\":");
    out_json_string(&o, pooling_name(m->pooling), strlen(pooling_name(m->pooling)));
    out_format(
        &o,
        "}},\"max_concurrent_requests\":%d,\"max_input_length\":%d,\"max_batch_tokens\":%d,\"max_batch_requests\":%d",
        a->options->max_connections, m->max_tokens, e->options.batch_tokens, e->options.batch_sequences);
    out_format(&o, ",\"max_client_batch_size\":%d,\"auto_truncate\":%s,\"tokenization_workers\":%d",
               a->options->max_inputs, a->options->auto_truncate ? "true" : "false",
               a->options->loops + a->options->parse_threads);
    member(&o, "version", build_version());
    member(&o, "sha", build_commit());
    member(&o, "docker_label", NULL);
    member(&o, "model_version", v->name);
    member(&o, "digest", e->digest);
    member(&o, "backend", e->ops->name);
    member(&o, "device", e->ops->describe(e->device));
    member(&o, "precision", e->ops->precision(e->device));
    out_text(&o, ",\"owner\":{\"team\":");
    out_json_string(&o, e->manifest ? e->manifest->team : "", e->manifest ? strlen(e->manifest->team) : 0);
    member(&o, "contact", e->manifest ? e->manifest->contact : "");
    member(&o, "runbook", e->manifest ? e->manifest->runbook : "");
    out_format(&o, "},\"dimensions\":%d,\"prompts\":[", m->dimensions);
    for (int i = 0; i < m->n_prompts; i++) {
        if (i) out_text(&o, ",");
        out_json_string(&o, m->prompts[i].name, strlen(m->prompts[i].name));
    }
    out_text(&o, "]}");
    versions_release(a->versions, v);
    answer_json(c, &o, "");
}

void models_get(call *c)
{
    const app *a = app_of(c);
    version *v = answer_version(c);
    if (!v) return;
    out o = {0};
    out_text(&o, "{\"object\":\"list\",\"data\":[{\"id\":");
    out_json_string(&o, v->model_name, strlen(v->model_name));
    out_format(&o, ",\"object\":\"model\",\"created\":%lld,\"owned_by\":\"beeline\"}]}", (long long)v->since_unix_s);
    versions_release(a->versions, v);
    answer_json(c, &o, "");
}

static app_phase phase_of(const call *c)
{
    return (app_phase)atomic_load_explicit(&app_of(c)->phase, memory_order_acquire);
}

static void answer_status(call *c, const char *word)
{
    out o = {0};
    out_format(&o, "{\"status\":\"%s\"}", word);
    answer_json(c, &o, "");
}

void health_ready_get(call *c)
{
    if (phase_of(c) != APP_READY) c->record.failure = FAILURE_DRAINING;
    switch (phase_of(c)) {
    case APP_LOADING: call_refuse(c, 503, NULL, 1, "the model is loading"); break;
    case APP_DRAINING: call_refuse(c, 503, NULL, 1, "the server is stopping"); break;
    case APP_LOST: call_refuse(c, 503, NULL, 1, app_of(c)->lost.text); break;
    case APP_READY: answer_status(c, "ready"); break;
    }
}

void health_get(call *c)
{
    out empty = {0};
    if (phase_of(c) == APP_READY) call_reply(c, 200, "text/plain", &empty, "");
    else health_ready_get(c);
}

void health_live_get(call *c) { answer_status(c, "live"); }
