/* load_knee.c - the highest rate at which a server meets an objective.
 *
 * Search (knee_search.h), three longer runs there, and then, as reality is no Poisson process, the same under bursts.
 * A rate passes when the percentile is within the objective, errors and refusals are few, the requests were sent in
 * time, and the run is VALID: a server that is not in a steady state holds no rate.  The run at the knee is told in
 * full, as `load` does it. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "knee_search.h"
#include "load_commands.h"
#include "load_figures.h"
#include "load_get.h"
#include "load_report.h"
#include "quantity.h"
#include "runtime/base/json.h"
#include "runtime/serve/capacity.h"
#include "slo.h"

enum { FAILED = 1, USAGE = 2, INVALID = 3, CONFIRMATIONS = 3, LONGER = 3, COLUMNS = LOAD_FIGURES + 2 };
static const load_burst BURSTS = {3, 50000000};
static const int64_t ESTIMATE_NS = 2000000000;
static const double FIRST_SHARE = 1.0 / 15, FIRST_PER_S = 10, SPARE = 1.2; /* of a closed loop's; without one */

typedef struct {
    int n;
    double offered, tokens, p50, p99, least_ms, most_ms; /* sums of n runs; what was judged */
} confirmations;

typedef struct {
    report *r;
    load_runner *run;
    load_plan *plan; /* the next run's */
    slo objective;
    double error_max;
    int64_t step_ns, confirm_ns;
    uint64_t seed;
    int runs;
    confirmations confirmed;
    load_outcome at_knee; /* the last that confirmed it, and its plan */
    load_plan *knee_plan;
} knee_job;

/* ---- one run ------------------------------------------------------------------------------------------------------
 */

/* Quantiles without the guard of those that are shown: a step of the search may be short, confirmations are not. */
static knee_outcome judge(const knee_job *j, const load_figures *f, const load_outcome *o, double *judged_ms,
                          error *why)
{
    static load_latency intended, service; /* 13 KiB each */
    const load_verdict *v = &o->verdict;
    load_served(&intended, &service, o->tally);
    const double ms = *judged_ms = (double)histogram_quantile(&intended.sum, j->objective.q) * 1e-6;
    const double service_ms = (double)histogram_quantile(&service.sum, j->objective.q) * 1e-6;
    const double wrong = (f->errors + f->refused) / o->due;
    *why = v->reasons[0];
    for (int i = v->n - 1; i >= 0; i--)
        if (!strncmp(v->reasons[i].text, "the client", 10)) *why = v->reasons[i];
    if (v->busy) return KNEE_CLIENT_FAILED;
    /* A machine that is full makes its client late too; where the server alone took too long, that is no excuse. */
    if (v->late && service_ms <= j->objective.most_ms) return KNEE_CLIENT_FAILED;
    if (wrong > j->error_max) {
        snprintf(why->text, sizeof why->text, "%.2f %% errors and refusals, at most %g %%", wrong * 100,
                 j->error_max * 100);
        return KNEE_FAILED;
    }
    if (!intended.sum.total || ms > j->objective.most_ms) {
        snprintf(why->text, sizeof why->text, "%s %.3f ms of %lld requests, at most %g ms", j->objective.percentile, ms,
                 (long long)intended.sum.total, j->objective.most_ms);
        return KNEE_FAILED;
    }
    return v->n ? KNEE_FAILED : KNEE_PASSED;
}

static const report_column judged_columns[] = {{"judged_ms", "judged", "%8.3f", 8}, {"passed", "passed", "%6.0f", 6}};

static void begin_table(report *r)
{
    static report_column columns[COLUMNS];
    memcpy(columns, load_figures_columns, sizeof load_figures_columns);
    memcpy(columns + LOAD_FIGURES, judged_columns, sizeof judged_columns);
    report_table(r, "knee", columns, COLUMNS);
}

static void keep(knee_job *j, const load_figures *f, load_outcome *o, double judged_ms)
{
    confirmations *c = &j->confirmed;
    c->least_ms = c->n ? fmin(c->least_ms, judged_ms) : judged_ms;
    c->most_ms = c->n ? fmax(c->most_ms, judged_ms) : judged_ms;
    c->offered += f->offered_per_s;
    c->tokens += f->tokens_per_s;
    c->p50 += f->p50_ms;
    c->p99 += f->p99_ms;
    c->n++;
    load_outcome_close(&j->at_knee);
    j->at_knee = *o;
    *j->knee_plan = *j->plan;
    *o = (load_outcome){0};
}

/* As long as the percentile needs requests: a step within three times its time, a longer run whatever it takes. */
static int64_t duration_of(const knee_job *j, knee_phase phase, double rate)
{
    const double needs = (double)load_quantile_needs(fmax(j->objective.q, 0.99)) * SPARE;
    const double wanted_ns = needs / rate * 1e9, step_ns = (double)j->step_ns;
    if (phase >= KNEE_CONFIRM) return (int64_t)fmax((double)j->confirm_ns, wanted_ns);
    return (int64_t)fmax(step_ns, fmin(LONGER * step_ns, wanted_ns));
}

/* One run at `rate`, its row, and what it means. */
static status try_rate(knee_job *j, const char *name, knee_phase phase, double rate, knee_outcome *out, error *err)
{
    load_outcome o = {0};
    error why = {""};
    double row[COLUMNS], judged_ms;
    j->plan->rate = rate;
    j->plan->duration_ns = duration_of(j, phase, rate);
    j->plan->seed = j->seed + (uint64_t)j->runs++;
    const status rc = j->run(&o, j->plan, err);
    if (rc != OK) return rc;
    const load_figures f = load_figures_of(j->plan, &o);
    *out = judge(j, &f, &o, &judged_ms, &why);
    memcpy(row, &f, sizeof f);
    row[LOAD_FIGURES] = judged_ms;
    row[LOAD_FIGURES + 1] = *out == KNEE_PASSED;
    report_row(j->r, name, row);
    if (*out != KNEE_PASSED)
        report_note(j->r, "%g/s %s: %s", rate, *out == KNEE_FAILED ? "fails" : "cannot be judged", why.text);
    if (phase == KNEE_CONFIRM && *out == KNEE_PASSED) keep(j, &f, &o, judged_ms);
    if (phase == KNEE_CONFIRM && *out == KNEE_FAILED) j->confirmed = (confirmations){0}; /* another rate comes */
    load_outcome_close(&o);
    return OK;
}

/* ---- the search ---------------------------------------------------------------------------------------------------
 */

static status search(knee_job *j, knee_search *s, const char *name, error *err)
{
    status rc = OK;
    while (rc == OK && !knee_search_is_over(s)) {
        knee_outcome o;
        rc = try_rate(j, name ? name : knee_phases[s->phase], s->phase, s->rate, &o, err);
        if (rc == OK) knee_search_take(s, o);
    }
    return rc;
}

/* A fifteenth of what as many connections do that never pause: low enough to pass, and near. */
static status estimate(knee_job *j, double *first, error *err)
{
    load_plan *closed = malloc(sizeof *closed);
    load_outcome o = {0};
    if (!closed) return fail(err, NO_MEMORY, "no memory for a plan");
    *closed = *j->plan;
    closed->arrivals = LOAD_CLOSED;
    closed->rate = 0;
    closed->duration_ns = ESTIMATE_NS;
    const status rc = j->run(&o, closed, err);
    if (rc == OK) {
        const double per_s = load_figures_of(closed, &o).goodput_per_s;
        *first = per_s > 0 ? per_s * FIRST_SHARE : FIRST_PER_S;
        report_note(j->r, "a closed loop of %d connections: %.1f/s; from a fifteenth of it, %.3g/s",
                    closed->connections, per_s, *first);
    }
    load_outcome_close(&o);
    free(closed);
    return rc;
}

/* *per_s: NAN where even half the knee does not hold, or the client cannot do it. */
static status find_bursts(knee_job *j, double knee, double *per_s, error *err)
{
    static const char name[] = "bursts of 3:1, 50 ms";
    knee_outcome o;
    *per_s = NAN;
    j->plan->arrivals = LOAD_BURST;
    j->plan->burst = BURSTS;
    status rc = try_rate(j, name, KNEE_FOUND, knee, &o, err);
    if (rc == OK && o == KNEE_PASSED) *per_s = knee;
    if (rc == OK && o == KNEE_FAILED) {
        knee_search s = knee_search_begin(knee / 2, knee, 0);
        s.failed = knee;
        rc = search(j, &s, name, err);
        if (s.phase == KNEE_FOUND) *per_s = s.passed;
    }
    return rc;
}

/* ---- capacity.json ------------------------------------------------------------------------------------------------
 */

/* A capacity belongs to a version on a device: the knee of another's server has no business in it. */
static status check_owner(const capacity *c, const load_plan *p, error *err)
{
    static const char *const names[] = {"digest", "backend", "device", "precision"};
    const char *said[4];
    char *text = NULL;
    cJSON *info = NULL;
    status rc = load_get(&text, p->host, p->port, "/info", err);
    if (rc == OK) rc = json_parse(&info, text, strlen(text), (json_limits){8, 1000}, err);
    for (int i = 0; i < 4 && rc == OK; i++) {
        said[i] = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(info, names[i]));
        if (!said[i]) rc = fail(err, BAD_INPUT, "--capacity: /info of the server has no \"%s\"", names[i]);
    }
    if (rc == OK) rc = capacity_matches(c, said[0], said[1], said[2], said[3], err);
    cJSON_Delete(info);
    free(text);
    return rc;
}

static status open_capacity(capacity *c, const knee_job *j, const char *file, error *err)
{
    const double objective_ms = j->objective.most_ms;
    if (objective_ms < 1)
        return fail(err, BAD_INPUT, "--capacity: an objective of %g ms, at least 1 ms can be kept", objective_ms);
    const status rc = capacity_read(c, file, err);
    return rc == OK ? check_owner(c, j->plan, err) : rc;
}

static status save_capacity(capacity *c, const knee_job *j, const char *file, error *err)
{
    const confirmations *f = &j->confirmed;
    c->objective_ms = j->objective.most_ms;
    c->objective_ratio = j->objective.q;
    c->knee_requests_per_s = f->offered / f->n;
    c->knee_tokens_per_s = f->tokens / f->n;
    c->knee_p50_ms = f->p50 / f->n;
    c->knee_p99_ms = f->p99 / f->n;
    return capacity_save(c, file, err);
}

/* ---- what comes of it ---------------------------------------------------------------------------------------------
 */

static void say_found(const knee_job *j, const knee_search *s, double bursts, const char *slo_text, const char *file)
{
    static const report_column columns[] = {
        {"requests_per_s", "knee/s", "%9.1f", 9},
        {"low_per_s", "passed", "%9.1f", 9},
        {"high_per_s", "failed", "%9.1f", 9},
        {"bursts_per_s", "bursts/s", "%9.1f", 9},
        {"tokens_per_s", "tokens/s", "%9.0f", 9},
        {"p50_ms", "p50 ms", "%8.3f", 8},
        {"p99_ms", "p99", "%8.3f", 8},
        {"judged_least_ms", "judged>=", "%8.3f", 8},
        {"judged_most_ms", "judged<=", "%8.3f", 8},
    };
    const confirmations *c = &j->confirmed;
    char burst[48] = "n/a";
    load_report_outcome(j->r, j->knee_plan, &j->at_knee);
    report_table(j->r, "knee found", columns, sizeof columns / sizeof *columns);
    report_row(j->r, slo_text,
               (double[]){s->passed, s->passed, s->failed, bursts, c->tokens / c->n, c->p50 / c->n, c->p99 / c->n,
                          c->least_ms, c->most_ms});
    if (!isnan(bursts)) snprintf(burst, sizeof burst, "%s%.1f/s", bursts < s->passed ? "" : ">= ", bursts);
    report_note(j->r, "knee %.1f/s [%.1f passed .. %.1f failed]   %s %.3f .. %.3f ms in %d runs   bursts %s%s%s",
                s->passed, s->passed, s->failed, j->objective.percentile, c->least_ms, c->most_ms, c->n, burst,
                file ? "   -> " : "", file ? file : "");
}

static int say_not_found(const knee_job *j, const knee_search *s, double first)
{
    if (s->phase == KNEE_CLIENT_LIMIT) {
        report_note(j->r, "INVALID: the client is the limit at %.1f/s, the highest rate that passed is %.1f/s", s->rate,
                    s->passed);
        return INVALID;
    }
    if (s->failed <= first)
        report_note(j->r, "no knee: the objective is not met even at the lowest rate, %.3g/s", first);
    else report_note(j->r, "no knee: no rate down to %.1f/s held %d times in a row", s->failed, CONFIRMATIONS);
    return FAILED;
}

static status read_words(knee_job *j, const bench_options *o, error *err)
{
    bench_options mine = *o;
    if (!o->slo) return fail(err, BAD_INPUT, "knee: wanted --slo 'p99<=10ms'");
    if (o->concurrency || o->arrivals)
        return fail(err, BAD_INPUT, "knee: %s, it sends Poisson arrivals and then bursts",
                    o->arrivals ? "--arrivals" : "--concurrency");
    if (!mine.duration) mine.duration = "5s";
    if (!mine.warmup) mine.warmup = "2s";
    status rc = load_plan_read(j->plan, &mine, err);
    if (rc == OK) rc = slo_read(&j->objective, o->slo, err);
    j->error_max = quantity_read(o->max_error ? o->max_error : "0.1%", quantity_shares);
    const double confirm_ns = quantity_read(o->confirm ? o->confirm : "30s", quantity_times);
    if (rc == OK && !(j->error_max >= 0 && j->error_max <= 0.5))
        rc = fail(err, BAD_INPUT, "--max-error %.40s: wanted a share up to 50%%, as 0.1%%", o->max_error);
    if (rc == OK && !(confirm_ns >= 1e8 && confirm_ns <= 3.6e12))
        rc = fail(err, BAD_INPUT, "--confirm %.40s: wanted 100ms to 60m", o->confirm);
    if (rc != OK) return rc;
    j->confirm_ns = (int64_t)confirm_ns;
    j->step_ns = j->plan->duration_ns;
    j->seed = j->plan->seed;
    return OK;
}

static status find(knee_job *j, knee_search *s, double *first, double *bursts, error *err)
{
    status rc = *first > 0 ? OK : estimate(j, first, err);
    if (rc != OK) return rc;
    /* A confirmation of that rate is as much as a schedule may hold. */
    *s = knee_search_begin(*first, LOAD_REQUESTS_MAX / ((double)j->confirm_ns * 1e-9) / SPARE, CONFIRMATIONS);
    begin_table(j->r);
    rc = search(j, s, NULL, err);
    return rc == OK && s->phase == KNEE_FOUND ? find_bursts(j, s->passed, bursts, err) : rc;
}

int load_knee_with(const bench_options *o, load_runner *run)
{
    static load_plan plan, knee_plan;
    static capacity c;
    knee_job j = {.r = o->report, .run = run, .plan = &plan, .knee_plan = &knee_plan};
    knee_search s;
    error err = {""};
    double first = 0, bursts = NAN;
    status rc = read_words(&j, o, &err);
    if (rc == OK && o->capacity) rc = open_capacity(&c, &j, o->capacity, &err);
    if (rc != OK) {
        fprintf(stderr, "%s\n", err.text);
        return USAGE;
    }
    if (o->rate) first = plan.rate;
    load_report_plan(o->report, &plan);
    report_fact(o->report, "objective", "%s, at most %g %% errors and refusals", o->slo, j.error_max * 100);
    rc = find(&j, &s, &first, &bursts, &err);
    int result = rc == BAD_INPUT ? USAGE : FAILED;
    if (rc == OK && s.phase != KNEE_FOUND) result = say_not_found(&j, &s, first);
    if (rc == OK && s.phase == KNEE_FOUND) {
        if (o->capacity) rc = save_capacity(&c, &j, o->capacity, &err);
        say_found(&j, &s, bursts, o->slo, rc == OK ? o->capacity : NULL);
        result = rc == OK ? 0 : FAILED;
    }
    if (rc != OK) fprintf(stderr, "%s\n", err.text);
    load_outcome_close(&j.at_knee);
    return result;
}

int bench_knee(const bench_options *o) { return load_knee_with(o, load_run); }
