/* release.c - the steps, each a function on what is under way, in one table.
 *
 * The lock guards what is told (release_write) and who may begin; the work itself is the control thread's alone.  A
 * rollback is done where it is asked for: three pointers and the forecast, no thread has to wake for it. */
#include "release.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "capacity_find.h"
#include "commands.h"
#include "ledger.h"
#include "runtime/base/clock.h"
#include "runtime/base/flight.h"
#include "runtime/base/log.h"
#include "runtime/serve/probe.h"

enum { GOLDEN_MS = 60000, WARM_RUNS = 3, REAP_MS = 100 };

const char *const release_steps[STEPS] = {"check", "contract", "load", "golden", "warm", "switch"};

typedef enum { STATE_IDLE, STATE_RUNNING, STATE_DONE, STATE_REFUSED, STATE_FAILED } release_state;
static const char *const state_names[] = {"idle", "running", "done", "refused", "failed"};

typedef struct {
    int64_t begun_ns, took_ns; /* 0: not yet */
    bool failed;
    char detail[256];
} told_step;

struct release {
    app *a;
    pthread_t thread;
    pthread_mutex_t lock; /* of all down to counts */
    pthread_cond_t asked;
    bool ordered, closing;
    release_order order;
    release_state told;
    int64_t number;
    told_step steps[STEPS];
    release_counts counts;
    /* the control thread's */
    manifest *manifest; /* of the candidate, as first read */
    version *candidate; /* NULL, or ours to free */
    state_version subject;
};

/* ---- the steps: OK with a detail in err->text, or the failure ---- */

static status check(release *r, error *err)
{
    directory *d = NULL;
    status rc = directory_open_beneath(&d, r->a->versions_root, r->order.version, err);
    if (rc == OK) rc = manifest_read(&r->manifest, d, err);
    directory_close(d);
    if (rc == NOT_FOUND && d)
        return fail(err, BAD_INPUT, "%.64s has no beeline.json: only a packed version has an owner (beeline pack)",
                    r->order.version);
    if (rc != OK) return rc;
    snprintf(r->subject.version, sizeof r->subject.version, "%s", r->manifest->version);
    snprintf(r->subject.digest, sizeof r->subject.digest, "%s", r->manifest->digest);
    snprintf(err->text, sizeof err->text, "version %s, digest %.12s, owner %.100s", r->manifest->version,
             r->manifest->digest, r->manifest->team);
    return OK;
}

static status keep_contract(release *r, error *err)
{
    char lines[8][CONTRACT_LINE];
    version *live = versions_acquire(r->a->versions);
    const int n = contract_breaks(&live->engine->contract, &r->manifest->contract, lines, 8);
    versions_release(r->a->versions, live);
    if (n == 0) {
        snprintf(err->text, sizeof err->text, "kept");
        return OK;
    }
    if (r->order.breaking) {
        snprintf(err->text, sizeof err->text, "broken, as ordered: %.200s", lines[0]);
        return OK;
    }
    return fail(err, BAD_INPUT, "%d break%s of the contract (--breaking insists): %.100s%s%.80s", n, n == 1 ? "" : "s",
                lines[0], n > 1 ? "; " : "", n > 1 ? lines[1] : "");
}

static capacity *find_capacity(const release *r, const engine *e)
{
    error why;
    capacity *c = malloc(sizeof *c);
    if (c && capacity_for(c, r->a->options, e, &why) == OK) return c;
    free(c);
    return NULL;
}

/* The device, and the room of a batch, are those of the version that answers: one executor runs both. */
static status check_room(const release *r, const engine *e, error *err)
{
    version *live = versions_acquire(r->a->versions);
    const int tokens = live->engine->options.batch_tokens;
    const bool same = live->engine->ops == e->ops;
    versions_release(r->a->versions, live);
    if (!same)
        return fail(err, BAD_INPUT, "the device of this server does not run it, only the %s would", e->ops->name);
    if (e->options.batch_tokens == tokens) return OK;
    return fail(err, BAD_INPUT,
                "its inputs have up to %d tokens, and the batches of this server have room for %d: start it with "
                "--batch-tokens %d",
                e->description.max_tokens, tokens, e->options.batch_tokens);
}

static status load(release *r, error *err)
{
    engine *e;
    status rc = engine_beside(&e, r->a->options, r->a->versions_root, r->order.version, err);
    if (rc == OK)
        rc = version_new(&r->candidate, e, r->order.version, r->a->options->model_name, find_capacity(r, e), err);
    if (rc == OK) rc = check_room(r, r->candidate->engine, err);
    if (rc == OK && strcmp(r->candidate->engine->digest, r->manifest->digest))
        rc = fail(err, IO_FAILED, "the directory has changed since it was checked: digest %.12s, now %.12s",
                  r->manifest->digest, r->candidate->engine->digest);
    if (rc != OK) return rc;
    snprintf(err->text, sizeof err->text, "on %s, %s", r->candidate->engine->ops->name,
             r->candidate->engine->ops->precision(r->candidate->engine->device));
    return OK;
}

static status golden_step(release *r, error *err)
{
    double least;
    status rc = probe_golden(r->a->queue, r->candidate->engine, &least, GOLDEN_MS, err);
    if (rc != OK) return rc;
    snprintf(err->text, sizeof err->text, "%d cases, least cosine %.6f", r->manifest->n_cases, least);
    return OK;
}

static status warm(release *r, error *err)
{
    service_table t;
    version *v = r->candidate;
    status rc = probe_times(r->a->queue, v->engine, WARM_RUNS, &t, err);
    if (rc != OK) return rc;
    if (!v->capacity) service_seed(&v->service, &t);
    snprintf(err->text, sizeof err->text, "%d tokens in %.2f ms, %d in %.2f ms", t.row[0].tokens,
             (double)t.row[0].median_ns * 1e-6, t.row[t.n - 1].tokens, (double)t.row[t.n - 1].median_ns * 1e-6);
    return OK;
}

/* From here on the forecasts are of the version that answers; what the other had learned stays with it. */
static status follow(app *a, error *err)
{
    version *v = versions_acquire(a->versions), *before = versions_acquire_previous(a->versions);
    before->service = batcher_service(a->queue);
    status rc = batcher_set_service(a->queue, v->engine, v->engine->description.max_tokens, &v->service, err);
    versions_release(a->versions, before);
    versions_release(a->versions, v);
    return rc;
}

static void subject_of(state_version *s, const version *v)
{
    *s = (state_version){.directory = ""};
    if (!v) return;
    snprintf(s->directory, sizeof s->directory, "%s", v->directory);
    snprintf(s->version, sizeof s->version, "%s", v->name);
    snprintf(s->digest, sizeof s->digest, "%s", v->engine->digest);
}

/* What a crash starts on from now on.  A disk that does not take it is the operator's to mend; the version answers. */
static void keep_state(app *a)
{
    error err;
    state_version now, then;
    version *v = versions_acquire(a->versions), *before = versions_acquire_previous(a->versions);
    subject_of(&now, v);
    subject_of(&then, before);
    if (state_set_versions(a->state, &now, &then, &err) != OK)
        log_line(LOG_ERROR, "state", "a restart would not start on %s: %s", now.version, err.text);
    versions_release(a->versions, before);
    versions_release(a->versions, v);
}

static status switch_over(release *r, error *err)
{
    const int64_t begun_ns = clock_ns();
    versions_activate(r->a->versions, r->candidate);
    r->candidate = NULL;
    status rc = follow(r->a, err);
    const double ms = (double)(clock_ns() - begun_ns) * 1e-6;
    keep_state(r->a);
    versions_settle(r->a->versions);
    if (!r->a->options->keep) versions_drop_previous(r->a->versions);
    if (rc != OK) return rc;
    snprintf(err->text, sizeof err->text, "in %.3f ms", ms);
    return OK;
}

static const struct {
    status (*run)(release *r, error *err);
    bool refuses;
} steps[STEPS] = {{check, true},       {keep_contract, true}, {load, true},
                  {golden_step, true}, {warm, false},         {switch_over, false}};

/* ---- the control thread ---- */

static void write_line(release *r, ledger_outcome outcome, release_step s, const char *detail, double ms)
{
    const ledger_line line = {.action = LEDGER_RELEASE,
                              .outcome = outcome,
                              .release = r->number,
                              .step = release_steps[s],
                              .version = &r->subject,
                              .who = r->order.who,
                              .why = r->order.reason,
                              .detail = detail,
                              .ms = ms};
    ledger_append(r->a->ledger, &line);
}

static status run_step(release *r, release_step s)
{
    error err = {""};
    const int64_t begun_ns = clock_ns();
    pthread_mutex_lock(&r->lock);
    r->steps[s].begun_ns = begun_ns;
    pthread_mutex_unlock(&r->lock);
    write_line(r, LEDGER_BEGUN, s, NULL, -1);
    const status rc = steps[s].run(r, &err);
    const int64_t took_ns = clock_ns() - begun_ns;
    const ledger_outcome bad = steps[s].refuses ? LEDGER_REFUSED : LEDGER_FAILED;
    write_line(r, rc == OK ? LEDGER_OK : bad, s, err.text, (double)took_ns * 1e-6);
    flight_note(clock_ns(), FLIGHT_RELEASE, (uint32_t)s, (uint64_t)took_ns / 1000, (uint64_t)rc);
    log_line(rc == OK ? LOG_INFO : LOG_WARN, "release", "%lld of %s: %s%s in %.1f ms: %s", (long long)r->number,
             r->order.version, release_steps[s],
             rc == OK           ? ""
             : steps[s].refuses ? " refused it"
                                : " failed",
             (double)took_ns * 1e-6, err.text);
    pthread_mutex_lock(&r->lock);
    r->steps[s].took_ns = took_ns > 0 ? took_ns : 1;
    r->steps[s].failed = rc != OK;
    snprintf(r->steps[s].detail, sizeof r->steps[s].detail, "%s", err.text);
    pthread_mutex_unlock(&r->lock);
    return rc;
}

static bool is_closing(release *r)
{
    pthread_mutex_lock(&r->lock);
    const bool closing = r->closing;
    pthread_mutex_unlock(&r->lock);
    return closing;
}

static void run_release(release *r)
{
    int s = 0;
    status rc = OK;
    r->subject = (state_version){.directory = ""};
    snprintf(r->subject.directory, sizeof r->subject.directory, "%s", r->order.version);
    for (; s < STEPS && rc == OK; s++)
        if (s < STEP_SWITCH && is_closing(r)) break;
        else rc = run_step(r, (release_step)s);
    const bool whole = rc == OK && s == STEPS, refused = !whole && steps[s ? s - 1 : 0].refuses;
    version_free(r->candidate);
    r->candidate = NULL;
    manifest_free(r->manifest);
    r->manifest = NULL;
    while (versions_reap(r->a->versions) > 0 && !is_closing(r))
        nanosleep(&(struct timespec){.tv_nsec = REAP_MS * 1000000L}, NULL);
    pthread_mutex_lock(&r->lock);
    r->told = whole ? STATE_DONE : refused ? STATE_REFUSED : STATE_FAILED;
    if (whole) r->counts.activate_ok++;
    else if (refused) r->counts.activate_refused++;
    else r->counts.activate_failed++;
    pthread_mutex_unlock(&r->lock);
}

static void *control(void *arg)
{
    release *r = arg;
    error err;
    if (flight_attach("control", &err) != OK) log_line(LOG_WARN, "flight", "control records nothing: %s", err.text);
    pthread_mutex_lock(&r->lock);
    for (;;) {
        while (!r->ordered && !r->closing) pthread_cond_wait(&r->asked, &r->lock);
        if (r->closing) break;
        r->ordered = false;
        pthread_mutex_unlock(&r->lock);
        run_release(r);
        pthread_mutex_lock(&r->lock);
    }
    pthread_mutex_unlock(&r->lock);
    flight_detach();
    return NULL;
}

status release_open(release **opened, app *a, error *err)
{
    release *r = calloc(1, sizeof *r);
    *opened = NULL;
    if (!r) return fail(err, NO_MEMORY, "no memory for the control thread");
    r->a = a;
    pthread_mutex_init(&r->lock, NULL);
    pthread_cond_init(&r->asked, NULL);
    if (pthread_create(&r->thread, NULL, control, r)) {
        free(r);
        return fail(err, NO_MEMORY, "the control thread could not be started");
    }
    *opened = r;
    return OK;
}

void release_close(release *r)
{
    if (!r) return;
    pthread_mutex_lock(&r->lock);
    r->closing = true;
    pthread_cond_signal(&r->asked);
    pthread_mutex_unlock(&r->lock);
    pthread_join(r->thread, NULL);
    pthread_cond_destroy(&r->asked);
    pthread_mutex_destroy(&r->lock);
    free(r);
}

/* ---- orders ---- */

static status busy(const release *r, error *err)
{
    int s = 0;
    while (s + 1 < STEPS && r->steps[s].took_ns) s++;
    return fail(err, CONFLICT, "release %lld of %s is under way, at step %s", (long long)r->number, r->order.version,
                release_steps[s]);
}

status release_start(release *r, const release_order *o, int64_t *number, error *err)
{
    status rc = OK;
    pthread_mutex_lock(&r->lock);
    if (r->told == STATE_RUNNING) {
        rc = busy(r, err);
    } else {
        r->order = *o;
        r->told = STATE_RUNNING;
        r->number = ledger_next_release(r->a->ledger);
        memset(r->steps, 0, sizeof r->steps);
        r->ordered = true;
        *number = r->number;
        pthread_cond_signal(&r->asked);
    }
    pthread_mutex_unlock(&r->lock);
    return rc;
}

static void write_rollback(release *r, const char *reason, const char *who, int64_t took_ns)
{
    state_version now;
    version *v = versions_acquire(r->a->versions), *before = versions_acquire_previous(r->a->versions);
    subject_of(&now, v);
    const ledger_line line = {.action = LEDGER_ROLLBACK,
                              .outcome = LEDGER_OK,
                              .release = r->number,
                              .version = &now,
                              .previous = before ? before->name : "",
                              .who = who,
                              .why = reason,
                              .ms = (double)took_ns * 1e-6};
    ledger_append(r->a->ledger, &line);
    log_line(LOG_WARN, "rollback", "%s answers again, in %.3f ms: %s (%s)", now.version, (double)took_ns * 1e-6, reason,
             who);
    versions_release(r->a->versions, before);
    versions_release(r->a->versions, v);
}

status release_rollback(release *r, const char *reason, const char *who, int64_t *took_ns, error *err)
{
    pthread_mutex_lock(&r->lock);
    status rc = r->told == STATE_RUNNING ? busy(r, err) : OK;
    if (rc == OK) {
        const int64_t begun_ns = clock_ns();
        rc = versions_rollback(r->a->versions, err);
        if (rc == OK) rc = follow(r->a, err);
        *took_ns = clock_ns() - begun_ns;
        if (rc == OK) keep_state(r->a);
        if (rc == OK) r->counts.rollback_ok++;
        else r->counts.rollback_failed++;
        if (rc == OK) write_rollback(r, reason, who, *took_ns);
    }
    pthread_mutex_unlock(&r->lock);
    return rc;
}

release_counts release_count(release *r)
{
    pthread_mutex_lock(&r->lock);
    const release_counts n = r->counts;
    pthread_mutex_unlock(&r->lock);
    return n;
}

/* ---- what is told ---- */

static void member(out *o, const char *name, const char *value)
{
    out_format(o, ",\"%s\":", name);
    out_json_string(o, value, strlen(value));
}

static void write_step(out *o, const told_step *t, const char *name, int64_t now_ns)
{
    const char *how = t->failed ? "failed" : t->took_ns ? "ok" : t->begun_ns ? "running" : "waiting";
    const int64_t ns = t->took_ns ? t->took_ns : t->begun_ns ? now_ns - t->begun_ns : 0;
    out_format(o, "{\"step\":\"%s\",\"state\":\"%s\",\"ms\":%.3f", name, how, (double)ns * 1e-6);
    member(o, "detail", t->detail);
    out_text(o, "}");
}

void release_write(out *o, release *r)
{
    pthread_mutex_lock(&r->lock);
    const int64_t now_ns = clock_ns();
    out_format(o, "{\"number\":%lld", (long long)r->number);
    member(o, "version", r->order.version);
    member(o, "state", state_names[r->told]);
    member(o, "who", r->order.who);
    member(o, "reason", r->order.reason);
    out_text(o, ",\"steps\":[");
    for (int i = 0; i < STEPS; i++) {
        if (i) out_text(o, ",");
        write_step(o, &r->steps[i], release_steps[i], now_ns);
    }
    out_text(o, "]}\n");
    pthread_mutex_unlock(&r->lock);
}

static void write_version(out *o, const version *v)
{
    const manifest *m = v ? v->engine->manifest : NULL;
    if (!v) {
        out_text(o, "null");
        return;
    }
    out_text(o, "{\"version\":");
    out_json_string(o, v->name, strlen(v->name));
    member(o, "directory", v->directory);
    member(o, "digest", v->engine->digest);
    member(o, "model", v->model_name);
    out_format(o, ",\"since\":%lld,\"owner\":{\"team\":", (long long)v->since_unix_s);
    out_json_string(o, m ? m->team : "", m ? strlen(m->team) : 0);
    member(o, "contact", m ? m->contact : "");
    member(o, "runbook", m ? m->runbook : "");
    out_text(o, "}}");
}

void release_write_versions(out *o, release *r)
{
    version *v = versions_acquire(r->a->versions), *before = versions_acquire_previous(r->a->versions);
    out_text(o, "{\"active\":");
    write_version(o, v);
    out_text(o, ",\"previous\":");
    write_version(o, before);
    out_text(o, "}\n");
    versions_release(r->a->versions, before);
    versions_release(r->a->versions, v);
}
