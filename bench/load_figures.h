/* load_figures.h - a load run as one row: what `sweep`, `knee` and `compare` want of each of their many. */
#ifndef BENCH_LOAD_FIGURES_H
#define BENCH_LOAD_FIGURES_H
#include "load_run.h"
#include "report.h"

enum { LOAD_FIGURES = 11 };
typedef struct {
    double offered_per_s;  /* NAN: a closed loop offers what it is let */
    double achieved_per_s; /* sent before the schedule's end */
    double goodput_per_s, tokens_per_s;
    double p50_ms, p90_ms, p99_ms, p999_ms; /* intended, of all that was not refused; NAN: too few requests for it */
    double refused, errors, valid;
} load_figures;
extern const report_column load_figures_columns[LOAD_FIGURES]; /* in the order of the fields */
_Static_assert(sizeof(load_figures) == LOAD_FIGURES * sizeof(double), "each field is a column");

load_figures load_figures_of(const load_plan *p, const load_outcome *o);
#endif
