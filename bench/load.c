/* load.c - an open-loop load on a server: requests are sent when they are due, whatever became of those before them.
 *
 * Read "intended" for what a caller saw; "service" beside it shows what waiting for a connection of this client added.
 * goodput counts the 200s seen before the schedule's end, over the schedule's length. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "bench.h"
#include "load_run.h"

enum { FAILED = 1, USAGE = 2, INVALID = 3, QUANTILES = 5 };
static const double quantiles[QUANTILES] = {0.5, 0.9, 0.99, 0.999, 1};

static const report_column run_columns[] = {
    {"offered_per_s", "offered/s", "%9.1f", 9},
    {"sent_per_s", "sent/s", "%9.1f", 9},
    {"goodput_per_s", "goodput/s", "%9.1f", 9},
    {"tokens_per_s", "tokens/s", "%9.0f", 9},
    {"refused", "refused", "%8.0f", 8},
    {"errors", "errors", "%7.0f", 7},
    {"left", "left", "%6.0f", 6},
    {"censored", "censored", "%8.0f", 8},
    {"retry_after_least_s", "retry>=s", "%8.0f", 8},
    {"retry_after_most_s", "retry<=s", "%8.0f", 8},
    {"valid", "valid", "%5.0f", 5},
};
static const report_column fault_columns[] = {
    {"connects_failed", "connects", "%9.0f", 9},
    {"resets", "resets", "%9.0f", 9},
    {"malformed", "malformed", "%9.0f", 9},
    {"timeouts", "timeouts", "%9.0f", 9},
    {"status", "status", "%9.0f", 9},
};
static const report_column client_columns[] = {
    {"late_p50_us", "late p50us", "%10.1f", 10}, {"late_p99_us", "late p99us", "%10.1f", 10},
    {"cpu_percent", "cpu %", "%8.1f", 8},        {"connections", "connections", "%11.0f", 11},
    {"reopened", "reopened", "%8.0f", 8},        {"waited", "waited", "%8.0f", 8},
};
static const report_column latency_columns[] = {
    {"n", "n", "%9.0f", 9},        {"p50_ms", "p50", "%9.3f", 9},    {"p90_ms", "p90", "%9.3f", 9},
    {"p99_ms", "p99", "%9.3f", 9}, {"p999_ms", "p99.9", "%9.3f", 9}, {"max_ms", "max", "%9.3f", 9},
};
static const report_column stage_columns[] = {
    {"n", "n", "%9.0f", 9},
    {"mean_ms", "mean", "%9.3f", 9},
    {"p99_ms", "p99", "%9.3f", 9},
};
enum {
    RUN = sizeof run_columns / sizeof *run_columns,
    FAULTS = sizeof fault_columns / sizeof *fault_columns,
    CLIENT = sizeof client_columns / sizeof *client_columns,
    LATENCY = sizeof latency_columns / sizeof *latency_columns,
    STAGE = sizeof stage_columns / sizeof *stage_columns
};

static void say_run(report *r, const load_plan *p, const load_tally *t, int due, const load_verdict *v)
{
    const double seconds = (double)p->duration_ns * 1e-9;
    double refused = 0, other = 0;
    for (int i = 1; i < t->n_rows; i++) {
        if (load_is_refusal(t->rows[i].code)) refused += (double)t->rows[i].n;
        else if (t->rows[i].code != 200) other += (double)t->rows[i].n;
    }
    const bool seen = t->retry_after_least_s >= 0;
    report_table(r, "load", run_columns, RUN);
    report_row(r, p->arrivals == LOAD_FIXED ? "fixed" : "poisson",
               (double[RUN]){due / seconds, (double)(t->sent - t->sent_late) / seconds,
                             (double)t->served_in_time / seconds, (double)t->tokens_in_time / seconds, refused,
                             (double)load_errors(t), (double)t->left, (double)t->censored,
                             seen ? (double)t->retry_after_least_s : NAN, seen ? (double)t->retry_after_most_s : NAN,
                             v->n == 0});
    report_table(r, "load errors", fault_columns, FAULTS);
    report_row(r, "of the requests",
               (double[FAULTS]){(double)t->connects_failed, (double)t->resets, (double)t->malformed,
                                (double)t->timeouts, other});
    report_table(r, "load client", client_columns, CLIENT);
    report_row(r, "one thread",
               (double[CLIENT]){load_quantile_ms(&t->lateness, 0.5) * 1e3, load_quantile_ms(&t->lateness, 0.99) * 1e3,
                                t->cpu * 100, p->connections, (double)t->reopened, (double)t->waited});
}

static void say_latency(report *r, const char *what, const char *from, const load_latency *l)
{
    double values[LATENCY] = {(double)l->sum.total};
    char name[80];
    for (int i = 0; i < QUANTILES; i++) values[1 + i] = load_quantile_ms(l, quantiles[i]);
    snprintf(name, sizeof name, "%s, %s", what, from);
    report_row(r, name, values);
}

/* Says once what a "-" among the percentiles means. */
static void say_guard(report *r)
{
    char line[160] = "-: n/a, ten samples must lie beyond a percentile:";
    for (int i = 0; i < QUANTILES - 1; i++) {
        const size_t n = strlen(line);
        snprintf(line + n, sizeof line - n, "%s p%g needs %lld", i ? "," : "", quantiles[i] * 100,
                 (long long)load_quantile_needs(quantiles[i]));
    }
    report_note(r, "%s", line);
}

static void say_latencies(report *r, const load_tally *t)
{
    static load_latency intended, service; /* 13 KiB each */
    load_served(&intended, &service, t);
    report_table(r, "load latency, ms", latency_columns, LATENCY);
    say_latency(r, "200 or no reply", "intended", &intended);
    say_latency(r, "200 or no reply", "service", &service);
    for (int i = 0; i < t->n_rows; i++) {
        char what[16] = "no reply";
        if (i) snprintf(what, sizeof what, "%d", t->rows[i].code);
        if (!t->rows[i].n || (t->rows[i].code == 200 && !t->rows[0].n)) continue; /* the same as above */
        say_latency(r, what, "intended", &t->rows[i].intended);
        say_latency(r, what, "service", &t->rows[i].service);
    }
    say_guard(r);
    if (!t->n_stages) return;
    report_table(r, "load server stages of the 200s, ms", stage_columns, STAGE);
    for (int i = 0; i < t->n_stages; i++) {
        const load_latency l = {t->stages[i].sum, 0};
        const double n = (double)l.sum.total;
        report_row(r, t->stages[i].name,
                   (double[STAGE]){n, (double)t->stages[i].total_ns * 1e-6 / n, load_quantile_ms(&l, 0.99)});
    }
}

static void say_plan(report *r, const load_plan *p)
{
    int64_t total = 0;
    for (int i = 0; i < p->n_lengths; i++) total += p->lengths[i];
    report_fact(r, "target", "http://%s port %s %s", p->host, p->port, p->path);
    report_fact(r, "requests", "%s at %g/s for %g s, %d connections, seed %llu; inputs %d, of %.1f tokens in the mean",
                p->arrivals == LOAD_FIXED ? "fixed" : "poisson", p->rate, (double)p->duration_ns * 1e-9, p->connections,
                (unsigned long long)p->seed, p->inputs, (double)total / p->n_lengths);
}

int bench_load(const bench_options *o)
{
    static load_plan p;
    load_outcome run = {0};
    error err = {""};
    if (load_plan_read(&p, o, &err) != OK) {
        fprintf(stderr, "%s\n", err.text);
        return USAGE;
    }
    say_plan(o->report, &p);
    const status rc = load_run(&run, &p, &err);
    const bool invalid = run.verdict.n > 0;
    if (rc == OK) {
        say_run(o->report, &p, run.tally, run.due, &run.verdict);
        say_latencies(o->report, run.tally);
        for (int i = 0; i < run.verdict.n; i++) report_note(o->report, "INVALID: %s", run.verdict.reasons[i].text);
        if (!invalid) report_note(o->report, "VALID");
    } else {
        fprintf(stderr, "%s\n", err.text);
    }
    load_outcome_close(&run);
    return rc == BAD_INPUT ? USAGE : rc != OK ? FAILED : invalid ? INVALID : 0;
}
