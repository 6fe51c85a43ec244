/* bake.c - the table of rules. */
#include "bake.h"
#include <stdio.h>

const char *const bake_names[BAKE_RULES] = {"not_finite", "golden_drift", "errors", "p99_objective", "p99_previous"};

/* What the numbers are held against; -1: not judged. */
typedef struct {
    double golden, errors;
    int64_t objective_ns, slower_ns;
} thresholds;

static double share(const bake_numbers *n) { return n->requests ? (double)n->failed / (double)n->requests : 0; }
static double ms(int64_t ns) { return (double)ns * 1e-6; }
static bool is_known(const bake_numbers *n) { return n->requests >= BAKE_REQUESTS; }

static double errors_allowed(const bake_terms *t)
{
    const double allowed = BAKE_ERRORS_TIMES * (1 - t->availability);
    return allowed > BAKE_ERRORS_LEAST ? allowed : BAKE_ERRORS_LEAST;
}

/* An objective that the version before did not keep either is missed by the machine or the load: then p99_previous is
 * what tells whether the new one is worse. */
static thresholds thresholds_of(const bake_terms *t)
{
    const bake_numbers *was = &t->before;
    const bool missed = is_known(was) && was->p99_ns > t->objective_ns;
    const int64_t slower_ns = (int64_t)(BAKE_SLOWER_TIMES * (double)was->p99_ns) + BAKE_SLOWER_NS;
    return (thresholds){.golden = t->golden_limit,
                        .errors = share(was) + errors_allowed(t),
                        .objective_ns = missed ? -1 : t->objective_ns,
                        .slower_ns = is_known(was) ? slower_ns : -1};
}

/* ---- is a rule broken ---- */

static bool not_finite(const thresholds *h, const bake_look *l)
{
    (void)h;
    return l->not_finite > 0;
}

static bool drifts(const thresholds *h, const bake_look *l)
{
    return !(l->golden_least >= h->golden); /* NaN is below */
}
static bool errs(const thresholds *h, const bake_look *l) { return share(&l->now) > h->errors; }
static bool above(int64_t limit_ns, int64_t p99_ns) { return limit_ns >= 0 && p99_ns > limit_ns; }
static bool misses(const thresholds *h, const bake_look *l) { return above(h->objective_ns, l->now.p99_ns); }
static bool is_slower(const thresholds *h, const bake_look *l) { return above(h->slower_ns, l->now.p99_ns); }

/* ---- what was seen ---- */

static int see_not_finite(const bake_look *l, char *out)
{
    return snprintf(out, BAKE_LINE, "%lld rows are not finite", (long long)l->not_finite);
}

static int see_golden(const bake_look *l, char *out)
{
    return snprintf(out, BAKE_LINE, "cosine %.6f", l->golden_least);
}

static int see_errors(const bake_look *l, char *out)
{
    return snprintf(out, BAKE_LINE, "%lld of %lld requests failed, %.2f %%", (long long)l->now.failed,
                    (long long)l->now.requests, 100 * share(&l->now));
}

static int see_p99(const bake_look *l, char *out)
{
    return snprintf(out, BAKE_LINE, "p99 %.1f ms over %lld requests", ms(l->now.p99_ns), (long long)l->now.requests);
}

/* ---- the threshold in words ---- */

static int say_not_finite(const thresholds *h, const bake_terms *t, char *out)
{
    (void)h, (void)t;
    return snprintf(out, BAKE_LINE, "any row that is not finite");
}

static int say_golden(const thresholds *h, const bake_terms *t, char *out)
{
    (void)t;
    return snprintf(out, BAKE_LINE, "a golden case's cosine below %g", h->golden);
}

static int say_errors(const thresholds *h, const bake_terms *t, char *out)
{
    return snprintf(out, BAKE_LINE, "more than %.2f %% fail: the %.2f %% of %lld before and %.2f %%", 100 * h->errors,
                    100 * share(&t->before), (long long)t->before.requests, 100 * errors_allowed(t));
}

static int say_objective(const thresholds *h, const bake_terms *t, char *out)
{
    if (h->objective_ns >= 0)
        return snprintf(out, BAKE_LINE, "p99 above the objective of %.1f ms", ms(h->objective_ns));
    return snprintf(out, BAKE_LINE, "not judged: the objective is %.1f ms, and the version before took %.1f ms",
                    ms(t->objective_ns), ms(t->before.p99_ns));
}

static int say_slower(const thresholds *h, const bake_terms *t, char *out)
{
    const long long requests = (long long)t->before.requests;
    if (h->slower_ns >= 0)
        return snprintf(out, BAKE_LINE, "p99 above %.1f ms: %g x the %.1f ms of %lld before, and %.1f ms",
                        ms(h->slower_ns), BAKE_SLOWER_TIMES, ms(t->before.p99_ns), requests, ms(BAKE_SLOWER_NS));
    return snprintf(out, BAKE_LINE, "not judged: %lld requests came to the version before, %d are wanted", requests,
                    BAKE_REQUESTS);
}

static const struct {
    int looks; /* in a row; where more than one, of BAKE_REQUESTS requests */
    bool (*broken)(const thresholds *, const bake_look *);
    int (*see)(const bake_look *, char *out);
    int (*say)(const thresholds *, const bake_terms *, char *out);
} rules[BAKE_RULES] = {
    [BAKE_NOT_FINITE] = {1, not_finite, see_not_finite, say_not_finite},
    [BAKE_GOLDEN] = {1, drifts, see_golden, say_golden},
    [BAKE_ERRORS] = {BAKE_LOOKS, errs, see_errors, say_errors},
    [BAKE_OBJECTIVE] = {BAKE_LOOKS, misses, see_p99, say_objective},
    [BAKE_SLOWER] = {BAKE_LOOKS, is_slower, see_p99, say_slower},
};

void bake_words(const bake_terms *t, bake_rule rule, char out[BAKE_LINE])
{
    const thresholds h = thresholds_of(t);
    rules[rule].say(&h, t, out);
}

bool bake_fires(const bake_terms *t, bake_state *s, const bake_look *look, bake_rule *rule, error *why)
{
    const thresholds h = thresholds_of(t);
    const bool enough = is_known(&look->now);
    int fired = BAKE_RULES;
    for (int i = BAKE_RULES - 1; i >= 0; i--) {
        const bool patient = rules[i].looks > 1;
        if (patient && !enough) continue;
        const bool broken = rules[i].broken(&h, look);
        s->broken[i] = broken ? s->broken[i] + 1 : 0;
        if (s->broken[i] >= rules[i].looks) fired = i;
    }
    if (fired == BAKE_RULES) return false;
    char seen[BAKE_LINE], words[BAKE_LINE];
    rules[fired].see(look, seen);
    rules[fired].say(&h, t, words);
    *rule = (bake_rule)fired;
    snprintf(why->text, sizeof why->text, "%s: %.80s; the rule: %.140s", bake_names[fired], seen, words);
    return true;
}
