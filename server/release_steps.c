/* release_steps.c - one function a step, in the order of the table at the end. */
#include "release_steps.h"
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>
#include "capacity_find.h"
#include "commands.h"
#include "incidents.h"
#include "runtime/base/clock.h"
#include "runtime/base/log.h"
#include "runtime/serve/probe.h"
#include "runtime/serve/shadow.h"

enum {
    WARM_RUNS = 3,
    IDLE_PRIORITY = 19,
};

/* ---- check, contract, memory: from the files alone ---- */

static status read_model(release_work *w, directory *d, error *err)
{
    tokenizer *t = NULL;
    status rc = tokenizer_open(&t, d, err);
    if (rc == OK) rc = description_read(&w->model, d, tokenizer_model_max_length(t), err);
    tokenizer_close(t);
    return rc;
}

static status check(release_work *w, error *err)
{
    directory *d = NULL;
    status rc = directory_open_beneath(&d, w->a->versions_root, w->order.version, err);
    if (rc == OK) rc = manifest_read(&w->manifest, d, err);
    if (rc == NOT_FOUND && d)
        rc = fail(err, BAD_INPUT, "%.64s has no beeline.json: only a packed version has an owner (beeline pack)",
                  w->order.version);
    if (rc == OK) rc = read_model(w, d, err);
    directory_close(d);
    if (rc != OK) return rc;
    snprintf(w->subject.version, sizeof w->subject.version, "%s", w->manifest->version);
    snprintf(w->subject.digest, sizeof w->subject.digest, "%s", w->manifest->digest);
    w->golden_limit = w->manifest->golden_cosine;
    snprintf(err->text, sizeof err->text, "version %s, digest %.12s, owner %.100s", w->manifest->version,
             w->manifest->digest, w->manifest->team);
    return OK;
}

static status keep_contract(release_work *w, error *err)
{
    char lines[8][CONTRACT_LINE];
    version *live = versions_acquire(w->a->versions);
    const int n = contract_breaks(&live->engine->contract, &w->manifest->contract, lines, 8);
    versions_release(w->a->versions, live);
    if (n == 0) {
        snprintf(err->text, sizeof err->text, "kept");
        return OK;
    }
    if (w->order.breaking) {
        snprintf(err->text, sizeof err->text, "broken, as ordered: %.200s", lines[0]);
        return OK;
    }
    return fail(err, BAD_INPUT, "%d break%s of the contract (--breaking insists): %.100s%s%.80s", n, n == 1 ? "" : "s",
                lines[0], n > 1 ? "; " : "", n > 1 ? lines[1] : "");
}

/* The files' bytes lie in the host's memory while it loads; on a device that has its own they are not counted twice. */
static status check_memory(release_work *w, error *err)
{
    int64_t wanted = 0, available = -1, files = 0;
    version *live = versions_acquire(w->a->versions);
    const engine *e = live->engine;
    if (e->ops->room) e->ops->room(e->device, &w->model, &wanted, &available);
    const bool host = !strcmp(e->ops->name, "cpu");
    versions_release(w->a->versions, live);
    for (int i = 0; host && i < w->manifest->n_files; i++) files += w->manifest->files[i].size;
    const double mib = 1.0 / (1 << 20);
    if (available >= 0 && wanted + files > available)
        return fail(err, NO_MEMORY, "it would take about %.0f MiB beside the version that answers, %.0f MiB are free",
                    (double)(wanted + files) * mib, (double)available * mib);
    if (available < 0) snprintf(err->text, sizeof err->text, "not known what is free");
    else
        snprintf(err->text, sizeof err->text, "about %.0f MiB of %.0f MiB that are free",
                 (double)(wanted + files) * mib, (double)available * mib);
    return OK;
}

/* ---- load, golden, warm: beside the one that answers ---- */

static capacity *find_capacity(const release_work *w, const engine *e)
{
    error why;
    capacity *c = malloc(sizeof *c);
    if (c && capacity_for(c, w->a->options, e, &why) == OK) return c;
    free(c);
    return NULL;
}

/* The device, and the room of a batch, are those of the version that answers: one executor runs both. */
static status check_room(const release_work *w, const engine *e, error *err)
{
    version *live = versions_acquire(w->a->versions);
    const int tokens = live->engine->options.batch_tokens;
    const bool same = live->engine->ops == e->ops;
    versions_release(w->a->versions, live);
    if (!same)
        return fail(err, BAD_INPUT, "the device of this server does not run it, only the %s would", e->ops->name);
    if (e->options.batch_tokens == tokens) return OK;
    return fail(err, BAD_INPUT,
                "its inputs have up to %d tokens, and the batches of this server have room for %d: start it with "
                "--batch-tokens %d",
                e->description.max_tokens, tokens, e->options.batch_tokens);
}

typedef struct {
    const release_work *w;
    engine *e;
    status result;
    error why;
} loading;

/* A thread of its own, as one that has stepped back cannot step forward again: live requests' cores come first. */
static void *load_behind(void *arg)
{
    loading *l = arg;
    const release_work *w = l->w;
    if (setpriority(PRIO_PROCESS, (id_t)gettid(), IDLE_PRIORITY))
        log_line(LOG_WARN, "release", "the version loads at the priority of requests");
    l->result = engine_beside(&l->e, w->a->options, w->a->versions_root, w->order.version, &l->why);
    return NULL;
}

static status load(release_work *w, error *err)
{
    pthread_t thread;
    loading l = {.w = w};
    if (pthread_create(&thread, NULL, load_behind, &l))
        return fail(err, NO_MEMORY, "the thread that loads could not be started");
    pthread_join(thread, NULL);
    if (l.result != OK) {
        *err = l.why;
        return l.result;
    }
    status rc =
        version_new(&w->candidate, l.e, w->order.version, w->a->options->model_name, find_capacity(w, l.e), err);
    if (rc == OK) rc = check_room(w, w->candidate->engine, err);
    if (rc == OK && strcmp(w->candidate->engine->digest, w->manifest->digest))
        rc = fail(err, IO_FAILED, "the directory has changed since it was checked: digest %.12s, now %.12s",
                  w->manifest->digest, w->candidate->engine->digest);
    if (rc != OK) return rc;
    snprintf(err->text, sizeof err->text, "on %s, %s", w->candidate->engine->ops->name,
             w->candidate->engine->ops->precision(w->candidate->engine->device));
    return OK;
}

static status golden_step(release_work *w, error *err)
{
    status rc = probe_golden(w->a->queue, w->candidate->engine, &w->golden_least, RELEASE_GOLDEN_MS, err);
    if (rc != OK) {
        incidents_report(w->a->incidents, CAUSE_GOLDEN, "", err->text);
        return rc;
    }
    snprintf(err->text, sizeof err->text, "%d cases, least cosine %.6f", w->manifest->n_cases, w->golden_least);
    return OK;
}

static status warm(release_work *w, error *err)
{
    service_table t;
    version *v = w->candidate;
    status rc = probe_times(w->a->queue, v->engine, WARM_RUNS, &t, err);
    if (rc != OK) return rc;
    if (!v->capacity) service_seed(&v->service, &t);
    snprintf(err->text, sizeof err->text, "%d tokens in %.2f ms, %d in %.2f ms", t.row[0].tokens,
             (double)t.row[0].median_ns * 1e-6, t.row[t.n - 1].tokens, (double)t.row[t.n - 1].median_ns * 1e-6);
    return OK;
}

/* ---- shadow ---- */

static status run_shadow(release_work *w, error *err)
{
    shadow_report r;
    if (!w->order.shadow_ms) {
        snprintf(err->text, sizeof err->text, "not asked for");
        return EMPTY;
    }
    version *live = versions_acquire(w->a->versions);
    const shadow_run_options o = {.queue = w->a->queue,
                                  .live = live->engine,
                                  .candidate = w->candidate->engine,
                                  .limit_ms = w->order.shadow_ms,
                                  .stop = w->closing};
    status rc = shadow_run(w->a->shadow, &o, &r, err);
    versions_release(w->a->versions, live);
    if (rc == OK) rc = shadow_judge(&r, err);
    if (rc != OK) return rc;
    const double ratio = r.live_ns > 0 ? (double)r.candidate_ns / (double)r.live_ns : 0;
    if (r.ran == 0) snprintf(err->text, sizeof err->text, "no request came to compare");
    else if (!r.comparable)
        snprintf(err->text, sizeof err->text,
                 "%lld samples in %.2f of the live version's time; rows are not comparable", (long long)r.ran, ratio);
    else
        snprintf(err->text, sizeof err->text,
                 "%lld samples agree: cosine %.6f, least %.6f, in %.2f of the live version's time", (long long)r.ran,
                 r.cosine_median, r.cosine_least, ratio);
    return OK;
}

/* ---- who answers ---- */

/* Warnings and errors name its owner from now on. */
static void name_owner(const version *v)
{
    const manifest *m = v->engine->manifest;
    log_set_owner(m ? m->team : "", m ? m->contact : "", m ? m->runbook : "");
}

status release_follow(app *a, version *before, error *err)
{
    version *v = versions_acquire(a->versions);
    name_owner(v);
    if (before) before->service = batcher_service(a->queue);
    const status rc = batcher_set_service(a->queue, v->engine, v->engine->description.max_tokens, &v->service, err);
    versions_release(a->versions, v);
    return rc;
}

status release_revert(release_work *w, error *err)
{
    status rc = versions_revert(w->a->versions, err);
    if (rc == OK) rc = release_follow(w->a, NULL, err);
    w->baking = false;
    return rc;
}

status release_exchange(app *a, error *err)
{
    version *before = versions_acquire(a->versions);
    status rc = versions_rollback(a->versions, err);
    if (rc == OK) rc = release_follow(a, before, err);
    versions_release(a->versions, before);
    return rc;
}

void release_subject(state_version *s, const version *v)
{
    *s = (state_version){.directory = ""};
    if (!v) return;
    snprintf(s->directory, sizeof s->directory, "%s", v->directory);
    snprintf(s->version, sizeof s->version, "%s", v->name);
    snprintf(s->digest, sizeof s->digest, "%s", v->engine->digest);
}

/* A disk that does not take it is the operator's to mend; the version answers. */
void release_keep(app *a)
{
    error err;
    state_version now, then;
    version *v = versions_acquire(a->versions), *before = versions_acquire_previous(a->versions);
    release_subject(&now, v);
    release_subject(&then, before);
    if (state_set_versions(a->state, &now, &then, &err) != OK)
        log_line(LOG_ERROR, "state", "a restart would not start on %s: %s", now.version, err.text);
    versions_release(a->versions, before);
    versions_release(a->versions, v);
}

static status switch_over(release_work *w, error *err)
{
    version *before = versions_acquire(w->a->versions);
    const int64_t requests = release_requests(&w->at_look), failed = w->at_look.failures[FAILURE_BACKEND];
    monitor_add_up(w->a->monitor, &w->at_look);
    const double share = (double)(w->at_look.failures[FAILURE_BACKEND] - failed) /
                         (double)(release_requests(&w->at_look) - requests + 1);
    w->before.failed = (int64_t)(share * (double)w->before.requests);
    w->not_finite_at_switch = executor_count(w->a->executor).not_finite;
    pthread_mutex_lock(w->lock);
    w->switched_ns = w->looked_ns = clock_ns();
    versions_activate(w->a->versions, w->candidate);
    status rc = release_follow(w->a, before, err);
    if (rc != OK) (void)release_revert(w, &(error){""});
    else w->baking = true;
    pthread_mutex_unlock(w->lock);
    w->candidate = NULL;
    const double ms = (double)(clock_ns() - w->switched_ns) * 1e-6;
    versions_release(w->a->versions, before);
    if (rc != OK) return rc;
    snprintf(err->text, sizeof err->text, "in %.3f ms", ms);
    return OK;
}

/* ---- bake ---- */

/* Once it has passed, and not before, a restart begins with it; nobody can take that back but by a rollback. */
static status bake(release_work *w, error *err)
{
    status rc = OK;
    if (w->order.bake_ms) rc = release_bake(w, err);
    else snprintf(err->text, sizeof err->text, "not asked for");
    pthread_mutex_lock(w->lock);
    if (rc == OK && w->reverted) {
        *err = w->verdict;
        rc = CANCELLED;
    }
    if (rc == OK) {
        w->baking = false;
        versions_settle(w->a->versions);
        if (!w->a->options->keep) versions_drop_previous(w->a->versions);
    }
    pthread_mutex_unlock(w->lock);
    if (rc == OK) release_keep(w->a);
    return rc == OK && !w->order.bake_ms ? EMPTY : rc;
}

const release_row release_rows[STEPS] = {
    [STEP_CHECK] = {"check", check, true},
    [STEP_CONTRACT] = {"contract", keep_contract, true},
    [STEP_MEMORY] = {"memory", check_memory, true},
    [STEP_LOAD] = {"load", load, true},
    [STEP_GOLDEN] = {"golden", golden_step, true},
    [STEP_WARM] = {"warm", warm, false},
    [STEP_SHADOW] = {"shadow", run_shadow, true},
    [STEP_SWITCH] = {"switch", switch_over, false},
    [STEP_BAKE] = {"bake", bake, false},
};
