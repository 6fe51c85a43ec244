/* load_compare.c - is B slower than A?
 *
 * Two servers that run: A and B in turns, so that whatever the machine does meets both; the order changes with each
 * pair, and both of a pair get the same schedule.  One run of each before them is not counted.  Or two results of
 * `load --json`: their windows are the pairs, which is less, for they were not measured in turns.
 *
 * Each figure is judged by its ratios B/A (bootstrap.h), one at a time, and only where every run of every pair has it:
 * to leave out those without would choose. */
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include "bootstrap.h"
#include "load_commands.h"
#include "load_figures.h"
#include "load_report.h"
#include "quantity.h"
#include "result.h"

enum { SLOWER = 1, FAILED = 1, USAGE = 2, INVALID = 3 };
enum { PAIRS_LEAST = 10, PAIRS = 20, METRICS = 3 };

static const struct {
    const char *name, *unit, *window_column;
    bootstrap_better better;
    size_t field; /* of load_figures */
} metrics[METRICS] = {
    {"p50", "ms", "p50_ms", BOOTSTRAP_LESS, offsetof(load_figures, p50_ms)},
    {"p99", "ms", "p99_ms", BOOTSTRAP_LESS, offsetof(load_figures, p99_ms)},
    {"throughput", "/s", "per_s", BOOTSTRAP_MORE, offsetof(load_figures, goodput_per_s)},
};

typedef struct {
    int n, invalid;                                  /* pairs; runs that may not be believed */
    double values[METRICS][2][BOOTSTRAP_VALUES_MAX]; /* of A, of B; NAN: too few requests */
} pairs;

static double ratio(const pairs *p, int metric, int at) { return p->values[metric][1][at] / p->values[metric][0][at]; }

/* ---- the verdict --------------------------------------------------------------------------------------------------
 */

static double median_of(const double *values, int n) { return bootstrap_median(values, n, 0).median; }

static const report_column columns[] = {{"a", "A", "%10.3f", 10},
                                        {"b", "B", "%10.3f", 10},
                                        {"ratio", "B/A", "%8.4f", 8},
                                        {"low", "low", "%8.4f", 8},
                                        {"high", "high", "%8.4f", 8}};

/* false: not every pair has it. */
static bool judge_metric(report *r, const pairs *p, int m, double margin, bootstrap_verdict *out)
{
    double ratios[BOOTSTRAP_VALUES_MAX];
    for (int i = 0; i < p->n; i++) {
        ratios[i] = ratio(p, m, i);
        if (!isfinite(ratios[i])) return false;
    }
    const double a = median_of(p->values[m][0], p->n), b = median_of(p->values[m][1], p->n);
    const bootstrap_interval i = bootstrap_median(ratios, p->n, (uint64_t)m);
    *out = bootstrap_judge(i, margin, metrics[m].better);
    report_row(r, metrics[m].name, (double[]){a, b, i.median, i.low, i.high});
    report_note(r, "%-10s  A %.4g%s  B %.4g%s  ratio %.3f  [%.3f .. %.3f]  %s", metrics[m].name, a, metrics[m].unit, b,
                metrics[m].unit, i.median, i.low, i.high, bootstrap_verdicts[*out]);
    if (*out != BOOTSTRAP_UNDECIDED) return true;
    const int all = bootstrap_pairs(i, p->n, margin);
    if (all) report_note(r, "%-10s  about %d pairs might decide, %d more", "", all, all - p->n);
    else
        report_note(r, "%-10s  no number of pairs will decide: the median lies on the margin of %g %%", "",
                    margin * 100);
    return true;
}

static int judge(report *r, const pairs *p, double margin)
{
    bootstrap_verdict worst = BOOTSTRAP_SAME;
    int judged = 0;
    report_table(r, "compare", columns, sizeof columns / sizeof *columns);
    for (int m = 0; m < METRICS; m++) {
        bootstrap_verdict v;
        if (!judge_metric(r, p, m, margin, &v)) {
            report_note(r, "%-10s  n/a: not all of the %d pairs have the requests that it needs", metrics[m].name,
                        p->n);
            continue;
        }
        worst = bootstrap_worst(worst, v);
        judged++;
    }
    if (!judged) report_note(r, "INVALID: no figure could be judged, longer runs or a higher rate are wanted");
    if (p->invalid)
        report_note(r, "INVALID: %d of %d runs, what they say of A and B is not worth much", p->invalid, 2 * p->n);
    if (judged) report_note(r, "B is %s", bootstrap_verdicts[worst]);
    return !judged || p->invalid ? INVALID : worst == BOOTSTRAP_SLOWER ? SLOWER : 0;
}

/* ---- two servers --------------------------------------------------------------------------------------------------
 */

typedef struct {
    load_runner *run;
    report *r;
    load_plan *plans[2];
} sides;

static status run_side(sides *s, pairs *p, int side, int at, error *err)
{
    load_outcome o = {0};
    const status rc = s->run(&o, s->plans[side], err);
    if (rc != OK) return rc;
    const load_figures f = load_figures_of(s->plans[side], &o);
    for (int m = 0; m < METRICS; m++) p->values[m][side][at] = *(const double *)((const char *)&f + metrics[m].field);
    p->invalid += o.verdict.n > 0;
    if (o.verdict.n) report_note(s->r, "%c of pair %d is INVALID: %s", "AB"[side], at + 1, o.verdict.reasons[0].text);
    load_outcome_close(&o);
    return OK;
}

static status warm(sides *s, error *err)
{
    status rc = OK;
    for (int side = 0; side < 2 && rc == OK; side++) {
        load_outcome o = {0};
        rc = s->run(&o, s->plans[side], err);
        load_outcome_close(&o);
        s->plans[side]->warmup_ns = 0;
    }
    return rc;
}

static status measure(sides *s, pairs *p, int n, error *err)
{
    static const report_column ratios[METRICS] = {{"p50_ratio", "p50 B/A", "%9.4f", 9},
                                                  {"p99_ratio", "p99 B/A", "%9.4f", 9},
                                                  {"per_s_ratio", "200s/s", "%9.4f", 9}};
    status rc = warm(s, err);
    report_table(s->r, "compare pairs", ratios, METRICS);
    for (int at = 0; at < n && rc == OK; at++) {
        const int first = at % 2;
        char name[32];
        rc = run_side(s, p, first, at, err);
        if (rc == OK) rc = run_side(s, p, 1 - first, at, err);
        if (rc != OK) break;
        for (int side = 0; side < 2; side++) s->plans[side]->seed++;
        snprintf(name, sizeof name, "pair %d, %s", at + 1, first ? "B A" : "A B");
        report_row(s->r, name, (double[METRICS]){ratio(p, 0, at), ratio(p, 1, at), ratio(p, 2, at)});
        p->n++;
    }
    return rc;
}

static status read_plan(load_plan *out, const bench_options *o, const char *url, error *err)
{
    bench_options mine = *o;
    mine.target = url;
    if (!mine.duration) mine.duration = "2s";
    return load_plan_read(out, &mine, err);
}

static int compare_servers(const bench_options *o, load_runner *run, double margin)
{
    static load_plan a, b;
    static pairs p;
    sides s = {run, o->report, {&a, &b}};
    error err = {""};
    const double n = o->pairs ? quantity_read(o->pairs, quantity_counts) : PAIRS;
    status rc =
        n >= PAIRS_LEAST && n <= BOOTSTRAP_VALUES_MAX && n == floor(n)
            ? OK
            : fail(&err, BAD_INPUT, "--pairs %.40s: wanted %d to %d", o->pairs, PAIRS_LEAST, BOOTSTRAP_VALUES_MAX);
    if (rc == OK) rc = read_plan(&a, o, o->a, &err);
    if (rc == OK) rc = read_plan(&b, o, o->b, &err);
    if (rc != OK) {
        fprintf(stderr, "%s\n", err.text);
        return USAGE;
    }
    p = (pairs){0};
    load_report_plan(o->report, &a);
    report_fact(o->report, "target B", "http://%s port %s %s", b.host, b.port, b.path);
    report_fact(o->report, "compare", "%g pairs, margin %g %%", n, margin * 100);
    rc = measure(&s, &p, (int)n, &err);
    if (rc != OK) fprintf(stderr, "%s\n", err.text);
    return rc == BAD_INPUT ? USAGE : rc != OK ? FAILED : judge(o->report, &p, margin);
}

/* ---- two results --------------------------------------------------------------------------------------------------
 */

/* What was asked of the two servers has to be the same, word for word. */
static status check_workload(const result *a, const result *b, error *err)
{
    static const char *const facts[] = {"requests", "dataset"};
    for (int i = 0; i < 2; i++) {
        const char *of_a = result_fact(a, facts[i]), *of_b = result_fact(b, facts[i]);
        if (!of_a || !of_b)
            return fail(err, BAD_INPUT, "%.100s: no \"%s\" in its environment, wanted a result of load",
                        of_a ? b->name : a->name, facts[i]);
        if (strcmp(of_a, of_b))
            return fail(err, BAD_INPUT, "another workload, %s: A %.90s; B %.90s", facts[i], of_a, of_b);
    }
    return OK;
}

static status take_windows(pairs *p, const result *results, error *err)
{
    static const char table[] = "load windows";
    const cJSON *row[2] = {NULL, NULL};
    const int n = result_rows(&results[0], table), of_b = result_rows(&results[1], table);
    if (n < PAIRS_LEAST || n > BOOTSTRAP_VALUES_MAX || n != of_b)
        return fail(err, BAD_INPUT, "%d windows of A and %d of B, wanted as many of both, %d to %d", n, of_b,
                    PAIRS_LEAST, BOOTSTRAP_VALUES_MAX);
    for (; p->n < n; p->n++) {
        for (int side = 0; side < 2; side++) {
            row[side] = result_next(&results[side], table, row[side]);
            for (int m = 0; m < METRICS; m++)
                p->values[m][side][p->n] = result_number(row[side], metrics[m].window_column);
        }
    }
    return OK;
}

static int compare_results(const bench_options *o, double margin)
{
    static pairs p;
    result results[2] = {0};
    error err = {""};
    status rc = OK;
    p = (pairs){0};
    for (int i = 0; i < 2 && rc == OK; i++) rc = result_read(&results[i], o->arguments[i], &err);
    if (rc == OK) rc = check_workload(&results[0], &results[1], &err);
    if (rc == OK) rc = take_windows(&p, results, &err);
    int exit_status = USAGE;
    if (rc == OK) {
        for (int i = 0; i < 2; i++) {
            const bool valid = result_number(result_next(&results[i], "load", NULL), "valid") > 0;
            if (!valid) report_note(o->report, "INVALID: %s is a run that may not be believed", results[i].name);
            p.invalid += valid ? 0 : p.n;
        }
        report_note(o->report,
                    "windows of two runs, not measured in turns: what the machine did between them is not seen");
        exit_status = judge(o->report, &p, margin);
    } else {
        fprintf(stderr, "%s\n", err.text);
    }
    for (int i = 0; i < 2; i++) result_close(&results[i]);
    return exit_status;
}

int load_compare_with(const bench_options *o, load_runner *run)
{
    const double margin = quantity_read(o->margin ? o->margin : "2%", quantity_shares);
    if (!(margin > 0 && margin <= 0.5)) {
        fprintf(stderr, "--margin %s: wanted a share up to 50%%, as 2%%\n", o->margin);
        return USAGE;
    }
    if (o->a && o->b && !o->n_arguments) return compare_servers(o, run, margin);
    if (!o->a && !o->b && o->n_arguments == 2) return compare_results(o, margin);
    fprintf(stderr, "compare: wanted --a URL --b URL, or two results of load --json\n");
    return USAGE;
}

int bench_compare(const bench_options *o) { return load_compare_with(o, load_run); }
