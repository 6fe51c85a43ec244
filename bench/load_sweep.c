/* load_sweep.c - a load run for each of many rates, or of many connections in a closed loop: how latency and throughput
 * depend on the load.  A step that the server does not follow is a figure like others, and its row says valid 0; one
 * that the client could not send makes the sweep INVALID. */
#include <math.h>
#include <stdio.h>
#include "load_commands.h"
#include "load_figures.h"
#include "load_report.h"
#include "steps.h"

enum { FAILED = 1, USAGE = 2, INVALID = 3 };
static const double RATE_LEAST = 1e-3, RATE_MOST = 1e6;

static status read_plan(load_plan *p, steps *s, const bench_options *o, error *err)
{
    bench_options mine = *o;
    if (!o->rates == !o->concurrency)
        return fail(err, BAD_INPUT, "sweep: wanted one of --rates 1k:20k:x1.5 and --concurrency 1,2,4..256");
    if (o->rate) return fail(err, BAD_INPUT, "sweep: --rate %.40s, wanted --rates", o->rate);
    if (!mine.duration) mine.duration = "5s";
    if (!mine.warmup) mine.warmup = "2s";
    if (o->concurrency) mine.concurrency = "1";
    status rc = load_plan_read(p, &mine, err);
    if (rc == OK && p->arrivals == LOAD_REPLAY) rc = fail(err, BAD_INPUT, "sweep: a file of arrivals has one rate");
    if (rc != OK) return rc;
    return o->rates ? steps_read(s, "--rates", o->rates, RATE_LEAST, RATE_MOST, err)
                    : steps_read(s, "--concurrency", o->concurrency, 1, LOAD_CONNECTIONS_MAX, err);
}

static void set_step(load_plan *p, double at)
{
    if (p->arrivals == LOAD_CLOSED) p->connections = (int)lround(at);
    else p->rate = at;
}

static void say_step(report *r, const char *name, const load_plan *p, const load_outcome *o)
{
    const load_figures f = load_figures_of(p, o);
    report_row(r, name, (const double *)&f);
    for (int i = 0; i < o->verdict.n; i++) report_note(r, "%s is INVALID: %s", name, o->verdict.reasons[i].text);
}

int load_sweep_with(const bench_options *o, load_runner *run)
{
    static load_plan p;
    steps s;
    error err = {""};
    int clients = 0;
    status rc = read_plan(&p, &s, o, &err);
    if (rc != OK) {
        fprintf(stderr, "%s\n", err.text);
        return USAGE;
    }
    set_step(&p, s.at[0]);
    load_report_plan(o->report, &p);
    report_fact(o->report, "steps", "%s", o->rates ? o->rates : o->concurrency);
    report_table(o->report, "sweep", load_figures_columns, LOAD_FIGURES);
    for (int i = 0; i < s.n && rc == OK; i++) {
        load_outcome outcome = {0};
        char name[48];
        set_step(&p, s.at[i]);
        if (p.arrivals == LOAD_CLOSED) snprintf(name, sizeof name, "%d connections", p.connections);
        else snprintf(name, sizeof name, "%g/s", p.rate);
        rc = run(&outcome, &p, &err);
        if (rc == OK) say_step(o->report, name, &p, &outcome);
        clients += outcome.verdict.late || outcome.verdict.busy;
        load_outcome_close(&outcome);
    }
    if (rc != OK) fprintf(stderr, "%s\n", err.text);
    if (clients) report_note(o->report, "INVALID: the client could not send %d of %d steps as it should", clients, s.n);
    return rc == BAD_INPUT ? USAGE : rc != OK ? FAILED : clients ? INVALID : 0;
}

int bench_sweep(const bench_options *o) { return load_sweep_with(o, load_run); }
