/* release_bake.c - watching the version that has just begun to answer: what is counted, and the rules (bake.h) that
 * look at it. */
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "incidents.h"
#include "release_steps.h"
#include "runtime/base/clock.h"
#include "runtime/base/log.h"
#include "runtime/serve/probe.h"

enum {
    BEFORE_SECONDS = 60,   /* of the version before, which a new one is compared with */
    LOOK_MS = 1000,        /* between two looks in a bake */
    BAKE_GOLDEN_LOOKS = 5, /* golden cases are run again at each so-manieth look */
};

/* Of the last seconds; the failures are another's to count. */
static bake_numbers lately(const app *a, int seconds)
{
    bake_numbers n = {0};
    histogram_sum *sum = calloc(1, sizeof *sum);
    if (!sum) return n;
    monitor_window(a->monitor, clock_ns(), seconds, sum);
    n.requests = (int64_t)sum->total;
    n.p99_ns = histogram_quantile(sum, 0.99);
    free(sum);
    return n;
}

/* What loading does to others' times is not the version's doing: it is compared with the minute before, or as much of
 * it as the version that answers has.  Of failures the share from now to the switch is known. */
void release_begin(release_work *w)
{
    version *v = versions_acquire(w->a->versions);
    const int64_t seconds = (clock_ns() - v->since_ns) / 1000000000;
    versions_release(w->a->versions, v);
    if (seconds > 0) w->before = lately(w->a, seconds < BEFORE_SECONDS ? (int)seconds : BEFORE_SECONDS);
    monitor_add_up(w->a->monitor, &w->at_look);
}

/* What came since the last look that had enough of it, of which this one then is the next. */
static bake_look look_at(release_work *w)
{
    const int64_t now_ns = clock_ns(), ns = now_ns - w->looked_ns;
    monitor_sum *now = malloc(sizeof *now);
    bake_look look = {.not_finite = executor_count(w->a->executor).not_finite - w->not_finite_at_switch,
                      .golden_least = w->golden_least};
    if (!now) return look;
    monitor_add_up(w->a->monitor, now);
    const int64_t requests = release_requests(now) - release_requests(&w->at_look);
    if (requests >= BAKE_REQUESTS && ns >= 1000000000) {
        const int seconds = ns / 1000000000 < WINDOW_SECONDS ? (int)(ns / 1000000000) : WINDOW_SECONDS;
        look.now = (bake_numbers){.requests = requests,
                                  .failed = now->failures[FAILURE_BACKEND] - w->at_look.failures[FAILURE_BACKEND],
                                  .p99_ns = lately(w->a, seconds).p99_ns};
        w->at_look = *now;
        w->looked_ns = now_ns;
        w->requests += look.now.requests;
        w->failed += look.now.failed;
        w->p99_ns = look.now.p99_ns;
    }
    free(now);
    return look;
}

/* The golden cases again, of the version that answers: it drifts when memory does. */
static void look_at_golden(release_work *w)
{
    error why;
    version *v = versions_acquire(w->a->versions);
    const status rc = probe_golden(w->a->queue, v->engine, &w->golden_least, RELEASE_GOLDEN_MS, &why);
    if (rc == GPU_FAILED) w->golden_least = 0; /* the device's own are wrong */
    versions_release(w->a->versions, v);
}

static bool has_reverted(release_work *w)
{
    pthread_mutex_lock(w->lock);
    const bool reverted = w->reverted;
    pthread_mutex_unlock(w->lock);
    return reverted;
}

/* Unless somebody was faster. */
static void revert_for(release_work *w, bake_rule rule, const error *why)
{
    error err;
    pthread_mutex_lock(w->lock);
    if (!w->reverted) {
        w->reverted = true;
        w->verdict = *why;
        if (release_revert(w, &err) != OK) log_line(LOG_ERROR, "rollback", "%s", err.text);
    }
    pthread_mutex_unlock(w->lock);
    char summary[512];
    snprintf(summary, sizeof summary, "version %s was rolled back in its bake: %s", w->subject.version, why->text);
    incidents_report(w->a->incidents, CAUSE_ROLLBACK, bake_names[rule], summary);
}

static void say_look(release_work *w, int64_t now_ns)
{
    char line[200];
    snprintf(line, sizeof line, "%lld s of %d s, %lld requests, %lld failed, p99 %.1f ms lately",
             (long long)((now_ns - w->switched_ns) / 1000000000), w->order.bake_ms / 1000, (long long)w->requests,
             (long long)w->failed, (double)w->p99_ns * 1e-6);
    w->say(w, line);
}

status release_bake(release_work *w, error *err)
{
    version *v = versions_acquire(w->a->versions);
    const manifest *m = v->engine->manifest;
    const bake_terms terms = {.before = w->before,
                              .objective_ns = (int64_t)(m->p99_ms * 1e6),
                              .availability = m->availability,
                              .golden_limit = w->golden_limit};
    bake_state seen = {{0}};
    versions_release(w->a->versions, v);
    for (int i = 0; i < BAKE_RULES; i++) {
        char words[BAKE_LINE];
        bake_words(&terms, (bake_rule)i, words);
        log_line(LOG_INFO, "bake", "%s: %s", bake_names[i], words);
        pthread_mutex_lock(w->lock);
        snprintf(w->rules[i], sizeof w->rules[i], "%s: %s", bake_names[i], words);
        pthread_mutex_unlock(w->lock);
    }
    const int64_t end_ns = w->switched_ns + (int64_t)w->order.bake_ms * 1000000;
    for (int i = 1; clock_ns() < end_ns; i++) {
        bake_rule rule;
        for (int ms = 0; ms < LOOK_MS && clock_ns() < end_ns && !has_reverted(w); ms += 10) {
            if (atomic_load(w->closing)) return fail(err, UNAVAILABLE, "the server ends amid the bake");
            nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
        }
        if (i % BAKE_GOLDEN_LOOKS == 0 && !has_reverted(w)) look_at_golden(w);
        if (has_reverted(w)) {
            *err = w->verdict;
            return CANCELLED;
        }
        const bake_look look = look_at(w);
        say_look(w, clock_ns());
        if (!bake_fires(&terms, &seen, &look, &rule, err)) continue;
        revert_for(w, rule, err);
        *err = w->verdict;
        return CANCELLED;
    }
    snprintf(err->text, sizeof err->text, "%lld requests, %lld failed, p99 %.1f ms at the end", (long long)w->requests,
             (long long)w->failed, (double)w->p99_ns * 1e-6);
    return OK;
}
