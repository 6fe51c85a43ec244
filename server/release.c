/* release.c - one release at a time: its control thread, what is written down of it, what is told.
 *
 * The lock guards what is told (release_write), who may begin, and from the switch to the end of the bake who answers:
 * then an operator's rollback and a rule's may want the same at once.  The work is the control thread's alone.  A
 * rollback is done where it is asked for: a few pointers and the forecast, no thread has to wake for it. */
#include "release.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "ledger.h"
#include "release_steps.h"
#include "runtime/base/clock.h"
#include "runtime/base/flight.h"
#include "runtime/base/log.h"

enum { REAP_MS = 20 };

const char *const release_steps[STEPS] = {"check", "contract", "memory", "load", "golden",
                                          "warm",  "shadow",   "switch", "bake"};

typedef enum { STATE_IDLE, STATE_RUNNING, STATE_DONE, STATE_REFUSED, STATE_FAILED, STATE_ROLLED_BACK } release_state;
static const char *const state_names[] = {"idle", "running", "done", "refused", "failed", "rolled_back"};

typedef struct {
    int64_t begun_ns, took_ns; /* 0: not yet */
    bool failed, skipped;
    char detail[256];
} told_step;

struct release {
    app *a;
    pthread_t thread;
    pthread_mutex_t lock; /* of all down to counts, and see release_work */
    pthread_cond_t asked;
    bool ordered;
    release_state told;
    int64_t number;
    release_order order;
    told_step steps[STEPS];
    release_step now;
    release_counts counts;
    atomic_bool closing;
    release_work work; /* the control thread's */
};

/* ---- the control thread ---- */

static void write_line(release *r, ledger_outcome outcome, const char *step, const char *detail, double ms)
{
    const release_work *w = &r->work;
    const ledger_line line = {.action = LEDGER_RELEASE,
                              .outcome = outcome,
                              .release = r->number,
                              .step = step,
                              .version = &w->subject,
                              .who = w->order.who,
                              .why = w->order.reason,
                              .detail = detail,
                              .ms = ms};
    ledger_append(r->a->ledger, &line);
}

static void say(release_work *w, const char *line)
{
    release *r = w->a->release;
    pthread_mutex_lock(&r->lock);
    snprintf(r->steps[r->now].detail, sizeof r->steps[r->now].detail, "%s", line);
    pthread_mutex_unlock(&r->lock);
}

static ledger_outcome outcome_of(release_step s, status rc)
{
    if (rc == OK || rc == EMPTY) return LEDGER_OK;
    if (rc == CANCELLED) return LEDGER_ROLLED_BACK;
    if (rc == UNAVAILABLE) return LEDGER_INTERRUPTED;
    return release_rows[s].refuses ? LEDGER_REFUSED : LEDGER_FAILED;
}

static void begin_step(release *r, release_step s)
{
    pthread_mutex_lock(&r->lock);
    r->now = s;
    r->steps[s].begun_ns = clock_ns();
    pthread_mutex_unlock(&r->lock);
}

static void end_step(release *r, release_step s, status rc, int64_t took_ns, const char *detail)
{
    pthread_mutex_lock(&r->lock);
    r->steps[s].took_ns = took_ns > 0 ? took_ns : 1;
    r->steps[s].failed = rc != OK && rc != EMPTY;
    r->steps[s].skipped = rc == EMPTY;
    snprintf(r->steps[s].detail, sizeof r->steps[s].detail, "%s", detail);
    pthread_mutex_unlock(&r->lock);
}

static status run_step(release *r, release_step s)
{
    static const char *const words[] = {[LEDGER_OK] = "",
                                        [LEDGER_REFUSED] = " refused it",
                                        [LEDGER_FAILED] = " failed",
                                        [LEDGER_ROLLED_BACK] = " rolled it back",
                                        [LEDGER_INTERRUPTED] = " was interrupted"};
    error err = {""};
    const int64_t begun_ns = clock_ns();
    begin_step(r, s);
    write_line(r, LEDGER_BEGUN, release_steps[s], NULL, -1);
    const status rc = release_rows[s].run(&r->work, &err);
    const int64_t took_ns = clock_ns() - begun_ns;
    const ledger_outcome outcome = outcome_of(s, rc);
    write_line(r, outcome, release_steps[s], err.text, (double)took_ns * 1e-6);
    flight_note(clock_ns(), FLIGHT_RELEASE, (uint32_t)s, (uint64_t)took_ns / 1000, (uint64_t)rc);
    log_line(outcome == LEDGER_OK ? LOG_INFO : LOG_WARN, "release", "%lld of %s: %s%s in %.1f ms: %s",
             (long long)r->number, r->work.order.version, release_steps[s], words[outcome], (double)took_ns * 1e-6,
             err.text);
    end_step(r, s, rc, took_ns, err.text);
    return rc;
}

/* What was retired is closed once its last request is answered. */
static void clean_up(release *r)
{
    release_work *w = &r->work;
    version_free(w->candidate);
    manifest_free(w->manifest);
    description_free(&w->model);
    while (versions_reap(r->a->versions) > 0 && !atomic_load(&r->closing))
        nanosleep(&(struct timespec){.tv_nsec = REAP_MS * 1000000L}, NULL);
}

static void run_release(release *r)
{
    const int64_t begun_ns = clock_ns();
    status rc = OK;
    int s = 0;
    pthread_mutex_lock(&r->lock); /* a rollback looks whether it bakes */
    r->work = (release_work){
        .a = r->a, .order = r->order, .closing = &r->closing, .say = say, .lock = &r->lock, .golden_least = 1};
    pthread_mutex_unlock(&r->lock);
    snprintf(r->work.subject.directory, sizeof r->work.subject.directory, "%s", r->order.version);
    release_begin(&r->work);
    for (; s < STEPS && (rc == OK || rc == EMPTY); s++) {
        if (s < STEP_SWITCH && atomic_load(&r->closing)) break;
        rc = run_step(r, (release_step)s);
    }
    const ledger_outcome outcome = s ? outcome_of((release_step)(s - 1), rc) : LEDGER_INTERRUPTED;
    const bool whole = outcome == LEDGER_OK && s == STEPS;
    if (whole) write_line(r, LEDGER_OK, "done", NULL, (double)(clock_ns() - begun_ns) * 1e-6);
    clean_up(r);
    pthread_mutex_lock(&r->lock);
    r->told = whole                           ? STATE_DONE
              : outcome == LEDGER_REFUSED     ? STATE_REFUSED
              : outcome == LEDGER_ROLLED_BACK ? STATE_ROLLED_BACK
                                              : STATE_FAILED;
    if (whole) r->counts.activate_ok++;
    else if (outcome == LEDGER_REFUSED) r->counts.activate_refused++;
    else r->counts.activate_failed++;
    if (outcome == LEDGER_ROLLED_BACK) r->counts.rollback_ok++;
    pthread_mutex_unlock(&r->lock);
}

static void *control(void *arg)
{
    release *r = arg;
    error err;
    if (flight_attach("control", &err) != OK) log_line(LOG_WARN, "flight", "control records nothing: %s", err.text);
    pthread_mutex_lock(&r->lock);
    for (;;) {
        while (!r->ordered && !atomic_load(&r->closing)) pthread_cond_wait(&r->asked, &r->lock);
        if (atomic_load(&r->closing)) break;
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
    *opened = NULL;
    status rc = release_follow(a, NULL, err);
    if (rc != OK) return rc;
    release *r = calloc(1, sizeof *r);
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
    atomic_store(&r->closing, true);
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
    return fail(err, CONFLICT, "release %lld of %s is under way, at step %s", (long long)r->number, r->order.version,
                release_steps[r->now]);
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
        r->now = STEP_CHECK;
        r->number = ledger_next_release(r->a->ledger);
        memset(r->steps, 0, sizeof r->steps);
        memset(r->work.rules, 0, sizeof r->work.rules);
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
    release_subject(&now, v);
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

/* Amid a bake, which hears of it at its next look. */
static status revert(release *r, const char *reason, const char *who, error *err)
{
    release_work *w = &r->work;
    const status rc = release_revert(w, err);
    if (rc != OK) return rc;
    w->reverted = true;
    return fail(&w->verdict, OK, "by %s: %.160s", who, reason);
}

status release_rollback(release *r, const char *reason, const char *who, int64_t *took_ns, error *err)
{
    pthread_mutex_lock(&r->lock);
    const bool running = r->told == STATE_RUNNING, baking = running && r->work.baking;
    const int64_t begun_ns = clock_ns();
    status rc = baking ? revert(r, reason, who, err) : running ? busy(r, err) : release_exchange(r->a, err);
    *took_ns = clock_ns() - begun_ns;
    if (rc == OK && !baking) release_keep(r->a);
    if (rc == OK && !baking) r->counts.rollback_ok++; /* the bake's own is counted at its end */
    if (rc != OK) r->counts.rollback_failed++;
    if (rc == OK) write_rollback(r, reason, who, *took_ns);
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
    const char *how = t->failed     ? "failed"
                      : t->skipped  ? "skipped"
                      : t->took_ns  ? "ok"
                      : t->begun_ns ? "running"
                                    : "waiting";
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
    out_text(o, "],\"rules\":[");
    for (int i = 0; i < BAKE_RULES && *r->work.rules[i]; i++) {
        out_text(o, i ? "," : "");
        out_json_string(o, r->work.rules[i], strlen(r->work.rules[i]));
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
