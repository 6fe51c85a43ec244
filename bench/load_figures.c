#include "load_figures.h"
#include <math.h>

const report_column load_figures_columns[LOAD_FIGURES] = {
    {"offered_per_s", "offered/s", "%9.1f", 9},
    {"achieved_per_s", "achieved/s", "%10.1f", 10},
    {"goodput_per_s", "goodput/s", "%9.1f", 9},
    {"tokens_per_s", "tokens/s", "%9.0f", 9},
    {"p50_ms", "p50 ms", "%8.3f", 8},
    {"p90_ms", "p90", "%8.3f", 8},
    {"p99_ms", "p99", "%8.3f", 8},
    {"p999_ms", "p99.9", "%8.3f", 8},
    {"refused", "refused", "%7.0f", 7},
    {"errors", "errors", "%6.0f", 6},
    {"valid", "valid", "%5.0f", 5},
};

load_figures load_figures_of(const load_plan *p, const load_outcome *o)
{
    static load_latency intended, service; /* 13 KiB each */
    const load_tally *t = o->tally;
    load_served(&intended, &service, t);
    load_figures f = {.offered_per_s = p->arrivals == LOAD_CLOSED ? (double)NAN : o->due / o->seconds,
                      .achieved_per_s = (double)(t->sent - t->sent_late) / o->seconds,
                      .goodput_per_s = (double)t->served_in_time / o->seconds,
                      .tokens_per_s = (double)t->tokens_in_time / o->seconds,
                      .p50_ms = load_quantile_ms(&intended, 0.5),
                      .p90_ms = load_quantile_ms(&intended, 0.9),
                      .p99_ms = load_quantile_ms(&intended, 0.99),
                      .p999_ms = load_quantile_ms(&intended, 0.999),
                      .errors = (double)load_errors(t),
                      .valid = o->verdict.n == 0};
    for (int i = 1; i < t->n_rows; i++)
        if (load_is_refusal(t->rows[i].code)) f.refused += (double)t->rows[i].n;
    return f;
}
