/* simulate.c - a fleet that nobody has bought yet: simulation.h asked once for its latencies, and again and again for
 * the least fleet that holds an objective.
 *
 *   --replicas N      what becomes of the workload on N
 *   --replicas N..M   the least of them that holds, then that fleet as above
 *   --plan RATE       the fleet for a rate: what one of a cell of CELL replicas carries stands for all of them, so that
 * a hundred thousand requests tell of a million a second
 *
 * Read goodput beside what was refused, and the moved inputs last: an answer is as good as its least certain one. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "bench.h"
#include "simulation_order.h"

enum { MISSED = 1, USAGE = 2, CELL = 4, PLAN_TAIL = 1000, QUANTILES = 5 };
static const double quantiles[QUANTILES] = {0.5, 0.9, 0.99, 0.999, 0.9999}, MOVES[] = {0.9, 1.1};

static const report_column fleet_columns[] = {
    {"offered_per_s", "offered/s", "%10.1f", 10},
    {"goodput_per_s", "goodput/s", "%10.1f", 10},
    {"within_percent", "within %", "%8.3f", 8},
    {"shed_percent", "shed %", "%8.3f", 8},
    {"overloaded", "429", "%8.0f", 8},
    {"late", "504", "%8.0f", 8},
    {"failed", "failed", "%7.0f", 7},
    {"unserved", "unserved", "%8.0f", 8},
    {"holds", "holds", "%5.0f", 5},
};
static const report_column latency_columns[] = {
    {"n", "n", "%9.0f", 9},
    {"mean_ms", "mean", "%9.3f", 9},
    {"p50_ms", "p50", "%9.3f", 9},
    {"p90_ms", "p90", "%9.3f", 9},
    {"p99_ms", "p99", "%9.3f", 9},
    {"p999_ms", "p99.9", "%9.3f", 9},
    {"p9999_ms", "p99.99", "%9.3f", 9},
    {"max_ms", "max", "%9.3f", 9},
};
static const report_column stage_columns[] = {
    {"mean_ms", "mean", "%9.3f", 9}, {"share_percent", "share %", "%8.1f", 8}, {"p99_ms", "p99", "%9.3f", 9}};
static const report_column batch_columns[] = {
    {"batches", "batches", "%9.0f", 9},      {"mean_sequences", "sequences", "%9.1f", 9},
    {"mean_tokens", "tokens", "%9.1f", 9},   {"idle_percent", "idle %", "%7.1f", 7},
    {"full_percent", "full %", "%7.1f", 7},  {"deadline_percent", "deadline %", "%10.1f", 10},
    {"budget_tokens", "budget", "%8.0f", 8},
};
static const report_column mix_columns[] = {{"batches_percent", "batches %", "%9.1f", 9}};
static const report_column use_columns[] = {
    {"device_busy_percent", "device %", "%8.1f", 8},
    {"host_busy_percent", "host %", "%8.1f", 8},
    {"replica_hours", "replica-hours", "%13.4f", 13},
    {"replicas_most", "most", "%6.0f", 6},
    {"failures", "failures", "%8.0f", 8},
    {"scalings", "scalings", "%8.0f", 8},
    {"cost", "cost", "%9.4f", 9},
    {"cost_per_million", "per million", "%11.4f", 11},
};
static const report_column time_columns[] = {{"ready", "ready", "%6.0f", 6},
                                             {"starting", "not yet", "%7.0f", 7},
                                             {"requests_per_s", "requests/s", "%10.1f", 10}};
static const report_column trial_columns[] = {
    {"p50_ms", "p50", "%9.3f", 9},
    {"p99_ms", "p99", "%9.3f", 9},
    {"within_percent", "within %", "%8.3f", 8},
    {"refused_percent", "refused %", "%9.3f", 9},
    {"holds", "holds", "%5.0f", 5},
};
static const report_column moved_columns[] = {
    {"p50_ms", "p50", "%9.3f", 9},
    {"p99_ms", "p99", "%9.3f", 9},
    {"within_percent", "within %", "%8.3f", 8},
    {"highest_per_s", "highest/s", "%11.1f", 11},
    {"replicas", "replicas", "%8.0f", 8},
};
static const report_column plan_columns[] = {
    {"replicas", "replicas", "%8.0f", 8},
    {"per_replica_per_s", "each/s", "%9.1f", 9},
    {"highest_per_s", "highest/s", "%11.0f", 11},
    {"headroom_percent", "headroom %", "%10.1f", 10},
    {"hours_per_day", "hours/day", "%9.0f", 9},
    {"cost_per_day", "cost/day", "%10.2f", 10},
    {"cost_per_million", "per million", "%11.4f", 11},
};
static const report_column wire_columns[] = {{"in_gbit_per_s", "in Gbit/s", "%9.3f", 9},
                                             {"out_gbit_per_s", "out Gbit/s", "%10.3f", 10},
                                             {"host_cores", "host cores", "%10.2f", 10}};
#define TABLE(r, name, columns) report_table(r, name, columns, sizeof columns / sizeof *columns)

/* ---- one fleet ---- */

static double percent(int64_t part, int64_t whole) { return whole ? 100.0 * (double)part / (double)whole : NAN; }

static void say_latency(report *r, const simulation_figures *f)
{
    double values[sizeof latency_columns / sizeof *latency_columns] = {(double)f->answered};
    values[1] = f->answered ? f->latency_ns * 1e-6 / (double)f->answered : NAN;
    for (int i = 0; i < QUANTILES; i++) values[2 + i] = load_quantile_ms(&f->latency, quantiles[i]);
    values[2 + QUANTILES] = load_quantile_ms(&f->latency, 1);
    TABLE(r, "simulated latency, ms", latency_columns);
    report_row(r, "answered", values);
    TABLE(r, "simulated stages, ms", stage_columns);
    for (int i = 0; i < SIMULATION_STAGES; i++)
        report_row(r, simulation_stage_names[i],
                   (double[]){f->stage_ns[i] * 1e-6 / (double)f->answered, 100 * f->stage_ns[i] / f->latency_ns,
                              load_quantile_ms(&f->stage[i], 0.99)});
}

static void say_batches(report *r, const simulation_figures *f)
{
    char name[32];
    TABLE(r, "simulated batches", batch_columns);
    report_row(r, "all",
               (double[]){(double)f->batches, (double)f->sequences / (double)f->batches,
                          (double)f->tokens / (double)f->batches, percent(f->trigger[TRIGGER_IDLE], f->batches),
                          percent(f->trigger[TRIGGER_FULL], f->batches),
                          percent(f->trigger[TRIGGER_DEADLINE], f->batches), f->budget_tokens});
    TABLE(r, "simulated batches by sequences", mix_columns);
    for (int i = 0; i < SIMULATION_OCTAVES; i++) {
        if (!f->batch_octaves[i]) continue;
        if (i) snprintf(name, sizeof name, "%d to %d", 1 << i, (2 << i) - 1);
        else strcpy(name, "1");
        report_row(r, name, (double[]){percent(f->batch_octaves[i], f->batches)});
    }
}

static void say_use(report *r, const simulation_figures *f, double price)
{
    char name[32];
    TABLE(r, "simulated fleet", use_columns);
    report_row(r, "in use",
               (double[]){f->device_busy * 100, f->host_busy * 100, f->replica_hours, f->replicas_most,
                          (double)f->failures, (double)f->scalings, price * f->replica_hours,
                          price * f->replica_hours * 1e6 / (double)f->answered});
    if (!f->failures && !f->scalings) return;
    TABLE(r, "simulated replicas over time", time_columns);
    for (int i = 0; i < f->n_samples; i++) {
        const simulation_sample *s = &f->sample[i];
        snprintf(name, sizeof name, "at %.1f s", (double)s->at_ns * 1e-9);
        report_row(r, name, (double[]){s->ready, s->starting, s->requests_per_s});
    }
}

static void say_figures(report *r, const simulation_order *o, const simulation_figures *f, int replicas)
{
    char name[40];
    snprintf(name, sizeof name, "%d replica%s", replicas, replicas == 1 ? "" : "s");
    TABLE(r, "simulated", fleet_columns);
    report_row(r, name,
               (double[]){(double)f->due / f->counted_s, (double)f->answered_in_time / f->counted_s,
                          percent(f->good, f->due), percent(f->due - f->answered, f->due), (double)f->overloaded,
                          (double)f->late, (double)f->failed, (double)f->unserved,
                          simulation_holds(f, o->question.ratio)});
    if (!f->answered) return;
    say_latency(r, f);
    say_batches(r, f);
    say_use(r, f, o->price);
}

/* ---- what moves it ---- */

/* As long as a highest rate asks for: what comes at a hundredth more than is carried waits for the objective's time at
 * the end of a hundred of them; and enough requests for the percentile. */
static simulation_question brief(const simulation_question *q)
{
    simulation_question b = *q;
    if (b.mix.arrivals != LOAD_REPLAY) b.mix.duration_ns = 100 * q->input.objective_ns;
    b.least_requests = (int)fmin(fmax(PLAN_TAIL / (1 - q->ratio), 20000), 1000000);
    return b;
}

/* needed: how many replicas carry the rate when this many carry `highest` together; the answer for each input. */
static status say_moved(report *r, const simulation_order *o, double rate, int replicas, double of_rate, error *err)
{
    static simulation_figures f;
    char name[48];
    status rc = OK;
    TABLE(r, "simulated with one input moved", moved_columns);
    for (int i = 0; i < 2 * SIMULATION_INPUTS && rc == OK; i++) {
        const simulation_factor what = (simulation_factor)(i / 2);
        const double by = MOVES[i % 2], moved_rate = what == SIMULATION_RATE ? by : 1;
        const simulation_question q = simulation_moved(&o->question, what, by), short_q = brief(&q);
        double highest = 0;
        rc = simulation_try(&f, &q, rate * moved_rate, replicas, err);
        if (rc == OK) rc = simulation_highest(&highest, &short_q, replicas, err);
        if (rc != OK) break;
        const simulation_trial t = simulation_trial_of(&f, replicas, q.ratio);
        const double needed = highest > 0 ? ceil(of_rate * moved_rate / (highest / replicas)) : NAN;
        snprintf(name, sizeof name, "%s %+.0f %%", simulation_factor_names[what], (by - 1) * 100);
        report_row(r, name, (double[]){t.p50_ms, t.p99_ms, t.good * 100, highest, needed});
    }
    return rc;
}

static status say_headroom(report *r, const simulation_order *o, int replicas, error *err)
{
    double highest;
    const simulation_question q = brief(&o->question);
    status rc = simulation_highest(&highest, &q, replicas, err);
    if (rc != OK) return rc;
    if (highest <= 0) report_note(r, "headroom: none, the objective does not hold at any rate worth the name");
    else
        report_note(r, "headroom: %d replica%s hold%s the objective up to %.1f/s, %+.0f %% of the rate", replicas,
                    replicas == 1 ? "" : "s", replicas == 1 ? "s" : "", highest, (highest / o->rate - 1) * 100);
    return say_moved(r, o, o->rate, replicas, o->rate, err);
}

/* ---- the three questions ---- */

/* *holds: the objective does. */
static status simulate_fleet(report *r, const simulation_order *o, int replicas, bool *holds, error *err)
{
    static simulation_figures f;
    const simulation_fleet *fleet = &o->question.input.fleet;
    status rc = simulation_try(&f, &o->question, o->rate, replicas, err);
    if (rc != OK) return rc;
    say_figures(r, o, &f, replicas);
    *holds = simulation_holds(&f, o->question.ratio);
    /* Of a fleet that changes, a highest rate would be one of luck. */
    return fleet->mtbf_ns > 0 || fleet->scaler.target > 0 ? OK : say_headroom(r, o, replicas, err);
}

static void say_zones(report *r, const simulation_order *o, int survivors)
{
    if (o->zones < 2) return;
    report_note(r, "%d zones: %d replicas leave %d when the largest zone is lost", o->zones,
                simulation_with_zones(survivors, o->zones), survivors);
}

static status simulate_range(report *r, const simulation_order *o, bool *holds, error *err)
{
    simulation_range range;
    char name[32];
    status rc = simulation_least(&range, &o->question, o->rate, o->least, o->most, err);
    if (rc != OK) return rc;
    TABLE(r, "simulated replicas", trial_columns);
    for (int i = 0; i < range.n; i++) {
        const simulation_trial *t = &range.trial[i];
        snprintf(name, sizeof name, "%d", t->replicas);
        report_row(r, name, (double[]){t->p50_ms, t->p99_ms, t->good * 100, t->refused * 100, t->holds});
    }
    if (range.least) report_note(r, "least: %d hold the objective", range.least);
    else report_note(r, "least: not even %d hold the objective", o->most);
    if (range.least) say_zones(r, o, range.least);
    return simulate_fleet(r, o, range.least ? range.least : o->most, holds, err);
}

static void say_plan(report *r, const simulation_order *o, double each)
{
    const int survivors = (int)ceil(o->rate / each), all = simulation_with_zones(survivors, o->zones);
    char name[48];
    TABLE(r, "plan", plan_columns);
    for (int lost = 0; lost < (o->zones > 1 ? 2 : 1); lost++) {
        const int n = lost ? all : survivors;
        if (lost) snprintf(name, sizeof name, "one of %d zones may be lost", o->zones);
        else strcpy(name, "none may be lost");
        report_row(r, name,
                   (double[]){n, each, n * each, (n * each / o->rate - 1) * 100, n * 24.0, o->price * n * 24,
                              o->price * n / 3600 / o->rate * 1e6});
    }
}

static status say_wires(report *r, const simulation_order *o, error *err)
{
    simulation_traffic t;
    simulation_mix mix = o->question.mix;
    mix.rate = 1e11 / (double)mix.duration_ns; /* any: only the texts are looked at */
    const status rc = simulation_traffic_open(&t, &mix, err);
    if (rc != OK) return rc;
    TABLE(r, "plan wires", wire_columns);
    for (int i = 0; i < SIMULATION_FORMATS; i++) {
        const simulation_format *f = &simulation_formats[i];
        const simulation_wire w = simulation_wire_of(f, &o->machine, o->rate, t.mean_tokens, t.inputs, o->dimensions);
        report_row(r, f->name, (double[]){w.in_bits_per_s * 1e-9, w.out_bits_per_s * 1e-9, w.cores});
    }
    report_note(r,
                "wires: JSON in, rows of %d floats out; of the host only what is calibrated, HTTP and the kernel not",
                o->dimensions);
    simulation_traffic_close(&t);
    return OK;
}

/* At what a cell carries, the figures of one that carries that. */
static status plan_fleet(report *r, simulation_order *o, bool *holds, error *err)
{
    static simulation_figures f;
    double highest;
    o->question = brief(&o->question);
    status rc = simulation_highest(&highest, &o->question, CELL, err);
    *holds = rc == OK && highest > 0;
    if (rc == OK && !*holds) report_note(r, "plan: the objective does not hold at any rate worth the name");
    if (!*holds) return rc;
    const double each = highest / CELL;
    if (o->rate / each > INT32_MAX / 2) return fail(err, BAD_INPUT, "--plan: more than 10^9 replicas");
    say_plan(r, o, each);
    rc = say_wires(r, o, err);
    const double least = ceil(o->rate / each), at = CELL * o->rate / least; /* what the fleet leaves to a cell */
    if (rc == OK) rc = simulation_try(&f, &o->question, at, CELL, err);
    if (rc != OK) return rc;
    report_note(r, "a cell of %d of the %.0f replicas:", CELL, least);
    say_figures(r, o, &f, CELL);
    return say_moved(r, o, at, CELL, o->rate, err);
}

static void say_order(report *r, const simulation_order *o)
{
    const simulation_input *in = &o->question.input;
    const policy_limits *l = &in->limits;
    report_fact(r, "capacity", "%s on %s (%s), calibrated %s by %s", o->machine.model, o->machine.device,
                o->machine.precision, o->machine.made_at, o->machine.build);
    report_fact(r, "objective", "p%g <= %g ms", o->question.ratio * 100, (double)in->objective_ns * 1e-6);
    report_fact(r, "server", "batches of at most %d tokens in %d sequences, waits of at most %g ms, %d loop%s",
                l->batch_tokens, l->batch_sequences, (double)l->max_wait_ns * 1e-6, in->host.threads,
                in->host.threads == 1 ? "" : "s");
    report_fact(r, "requests", "%g/s, seed %llu", o->rate, (unsigned long long)in->seed);
}

int bench_simulate(const bench_options *given)
{
    static simulation_order o;
    error err = {""};
    bool holds = false;
    status rc = simulation_order_read(&o, given, &err);
    if (rc != OK) {
        fprintf(stderr, "%s\n", err.text);
        return USAGE;
    }
    say_order(given->report, &o);
    const bool exact = o.least == o.most || o.question.input.fleet.scaler.target > 0;
    if (o.plans) rc = plan_fleet(given->report, &o, &holds, &err);
    else if (exact) rc = simulate_fleet(given->report, &o, o.least, &holds, &err);
    else rc = simulate_range(given->report, &o, &holds, &err);
    if (rc == OK) report_note(given->report, holds ? "the objective HOLDS" : "the objective does NOT hold");
    else fprintf(stderr, "%s\n", err.text);
    simulation_order_close(&o);
    return rc == BAD_INPUT ? USAGE : rc != OK || !holds ? MISSED : 0;
}
