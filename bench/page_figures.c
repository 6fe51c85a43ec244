/* page_figures.c - tables as drawings.  A value that was not measured is a gap in its line. */
#include <math.h>
#include <stdbool.h>
#include <string.h>
#include "chart.h"
#include "markup.h"
#include "page.h"
#include "page_parts.h"

enum {
    POINTS = 4096,
    BARS = 64,
    LOG_FROM = 20 /* times the smallest: on a linear axis that would be a line at zero */
};

typedef struct {
    double x[POINTS], y[POINTS];
    int n;
} series;

static void left_out(FILE *f, const result *r, const char *what, const char *table)
{
    fprintf(f, "<p class=\"missing\">No %s: ", what);
    markup_text(f, r->name);
    fprintf(f,
            result_next(r, table, NULL) ? " measured none of it (table \"%s\").</p>\n" : " has no table \"%s\".</p>\n",
            table);
}

/* Points that have both; the rest stay, as gaps. */
static int read_series(series *s, const result *r, const char *table, const char *x, const char *y)
{
    int points = 0;
    s->n = 0;
    for (const cJSON *row = NULL; (row = result_next(r, table, row)) && s->n < POINTS; s->n++) {
        s->x[s->n] = result_number(row, x);
        s->y[s->n] = result_number(row, y);
        points += !isnan(s->x[s->n]) && !isnan(s->y[s->n]);
    }
    return points;
}

static scale_kind kind_of(const chart_line *lines, int n)
{
    double low = INFINITY, high = 0;
    for (int i = 0; i < n; i++)
        for (int k = 0; k < lines[i].n; k++) {
            if (lines[i].y[k] > 0) low = fmin(low, lines[i].y[k]);
            high = fmax(high, lines[i].y[k]);
        }
    return high > low * LOG_FROM ? SCALE_LOG : SCALE_LINEAR;
}

static void say_cut(FILE *f, const result *r, const char *table)
{
    const int rows = result_rows(r, table);
    if (rows > POINTS) fprintf(f, "<p class=\"missing\">Drawn are the first %d of %d rows.</p>\n", POINTS, rows);
}

/* A line for each of n tables' columns that has a point; where none has, a line of text. */
typedef struct {
    const result *of;
    const char *name, *column;
    int style;
} source;

static void draw_latency(FILE *f, chart_plot *c, const char *what, const char *table, const char *x,
                         const source *sources, int n)
{
    static series all[PAGE_RESULTS_MAX];
    chart_line lines[PAGE_RESULTS_MAX];
    c->n_lines = 0;
    for (int i = 0; i < n; i++) {
        if (read_series(&all[i], sources[i].of, table, x, sources[i].column))
            lines[c->n_lines++] = (chart_line){sources[i].name, all[i].x, all[i].y, all[i].n, sources[i].style};
        else if (i == 0 || sources[i].of != sources[i - 1].of) left_out(f, sources[i].of, what, table);
    }
    if (!c->n_lines) return;
    c->lines = lines;
    c->y.kind = kind_of(lines, c->n_lines);
    c->y.unit = UNIT_MS;
    c->y.label = c->y.kind == SCALE_LOG ? "latency, log scale" : "latency";
    chart_plot_draw(f, c);
    for (int i = 0; i < n; i++)
        if (i == 0 || sources[i].of != sources[i - 1].of) say_cut(f, sources[i].of, table);
}

/* One result: both columns of it.  Several: `column` of each that has `gate`, the table of its kind. */
static int choose(source *sources, const result *results, int n, const char *gate, const source *both,
                  const char *column)
{
    int chosen = 0;
    for (int i = 0; i < n; i++) {
        if (!result_next(&results[i], gate, NULL)) continue;
        if (n > 1) sources[chosen++] = (source){&results[i], results[i].name, column, i};
        for (int k = 0; k < 2 && n == 1; k++) sources[chosen++] = both[k];
    }
    return chosen;
}

void page_curves(FILE *f, const result *results, int n)
{
    const source curve[] = {{results, "intended", "intended_ms", 0}, {results, "service", "service_ms", 1}};
    const source sweep[] = {{results, "p50", "p50_ms", 0}, {results, "p99", "p99_ms", 1}};
    source sources[PAGE_RESULTS_MAX] = {{0}};
    chart_plot c = {.title = n > 1 ? "Latency by percentile, from the intended time" : "Latency by percentile",
                    .about = "How long the slowest share of the requests took; the tables have the numbers.",
                    .x = {"percentile of the requests", SCALE_PERCENTILE, UNIT_PERCENT}};
    int chosen = choose(sources, results, n, "load", curve, "intended_ms");
    draw_latency(f, &c, "curve of percentiles", "load curve, ms", "percentile", sources, chosen);
    c = (chart_plot){.title = n > 1 ? "p99 by throughput" : "Latency by throughput",
                     .about = "Each point is a step of the sweep, in the order of its rates.",
                     .x = {"goodput", SCALE_LINEAR, UNIT_PER_S}};
    chosen = choose(sources, results, n, "sweep", sweep, "p99_ms");
    draw_latency(f, &c, "curve of the sweep", "sweep", "goodput_per_s", sources, chosen);
}

static bool any_above_zero(const series *s)
{
    for (int i = 0; i < s->n; i++)
        if (s->y[i] > 0) return true;
    return false;
}

static void draw_windows(FILE *f, const result *r)
{
    static const char table[] = "load windows";
    static series rate, refused, errors;
    const source latency[] = {{r, "p50", "p50_ms", 0}, {r, "p99", "p99_ms", 1}};
    chart_plot c = {.title = "Latency over time",
                    .about = "Percentiles of each window, by the time its requests were due.",
                    .x = {"since the first request", SCALE_LINEAR, UNIT_S}};
    draw_latency(f, &c, "time line of latency", table, "start_s", latency, 2);
    if (!read_series(&rate, r, table, "start_s", "per_s")) {
        left_out(f, r, "time line of throughput", table);
        return;
    }
    read_series(&refused, r, table, "start_s", "refused");
    read_series(&errors, r, table, "start_s", "errors");
    const bool wrong = any_above_zero(&refused) || any_above_zero(&errors);
    const chart_line line = {"requests per second", rate.x, rate.y, rate.n, 0};
    const chart_lane lanes[] = {{"refused", refused.x, refused.y, refused.n}, {"errors", errors.x, errors.y, errors.n}};
    c = (chart_plot){.title = "Throughput over time",
                     .about = wrong ? "Windows with refusals or errors have a cross above the line."
                                    : "No window had a refusal or an error.",
                     .x = c.x,
                     .y = {"throughput", SCALE_LINEAR, UNIT_PER_S},
                     .lines = &line,
                     .n_lines = 1,
                     .lanes = lanes,
                     .n_lanes = wrong ? 2 : 0};
    chart_plot_draw(f, &c);
    say_cut(f, r, table);
}

/* Up to BARS of the table's rows that have the column. */
static int read_bars(chart_bar *bars, const result *r, const char *table, const char *value, const char *whisker)
{
    int n = 0;
    for (const cJSON *row = NULL; (row = result_next(r, table, row)) && n < BARS;) {
        const double v = result_number(row, value);
        if (!isnan(v))
            bars[n++] = (chart_bar){result_text(row, "name"), v, whisker ? result_number(row, whisker) : (double)NAN};
    }
    return n;
}

static void draw_stages(FILE *f, const result *r)
{
    static const char table[] = "load server stages of the 200s, ms";
    chart_bar bars[BARS];
    const chart_bars c = {.title = "Where the server's time goes",
                          .about = "Mean and p99 of each stage of a request.",
                          .value_name = "mean",
                          .whisker_name = "p99",
                          .unit = UNIT_MS,
                          .bars = bars,
                          .n = read_bars(bars, r, table, "mean_ms", "p99_ms")};
    if (c.n) chart_bars_draw(f, &c);
    else left_out(f, r, "bars of stages", table);
}

static void draw_batches(FILE *f, const result *r)
{
    static const char table[] = "load batches";
    chart_bar bars[BARS];
    const char *names[BARS];
    double counts[BARS];
    chart_histogram c = {.title = "Sizes of batches",
                         .about = "How many batches had at most so many tokens.",
                         .x_label = "tokens of a batch, at most",
                         .y_label = "batches",
                         .names = names,
                         .counts = counts,
                         .n = read_bars(bars, r, table, "batches", NULL)};
    for (int i = 0; i < c.n; i++) {
        names[i] = bars[i].name;
        counts[i] = bars[i].value;
    }
    if (c.n) chart_histogram_draw(f, &c);
    else left_out(f, r, "histogram of batches", table);
}

/* Whatever table says how much of the possible its rows reach. */
static void draw_shares(FILE *f, const result *r)
{
    static const struct {
        const char *column, *what;
    } shares[] = {{"share_of_peak", "share of the peak"},
                  {"of_peak", "share of the peak"},
                  {"roof_over_warm", "share of the roof, warm"}};
    const cJSON *row;
    cJSON_ArrayForEach(row, r->rows)
    {
        const char *table = result_text(row, "table");
        if (result_next(r, table, NULL) != row) continue;
        for (size_t i = 0; i < sizeof shares / sizeof *shares; i++) {
            chart_bar bars[BARS];
            chart_bars c = {.title = table,
                            .about = "What each row reaches of what the machine could do.",
                            .value_name = shares[i].what,
                            .unit = UNIT_SHARE,
                            .full = 1,
                            .bars = bars,
                            .n = read_bars(bars, r, table, shares[i].column, NULL)};
            for (int k = 0; k < c.n; k++) c.full = fmax(c.full, bars[k].value);
            if (c.n) chart_bars_draw(f, &c);
        }
    }
}

void page_figures(FILE *f, const result *r)
{
    if (result_next(r, "load", NULL)) {
        draw_windows(f, r);
        draw_stages(f, r);
        draw_batches(f, r);
    }
    draw_shares(f, r);
}
