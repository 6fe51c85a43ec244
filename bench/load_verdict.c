#include "load_verdict.h"
#include <math.h>
#include <stdarg.h>
#include <stdio.h>

static const double LATE_MS = 0.2, LATE_SHARE = 0.1, CPU_SHARE = 0.85, ACHIEVED_SHARE = 0.99, ERROR_SHARE = 0.001,
                    APART = 1.1, GROWS = 1.2;

void load_served(load_latency *intended, load_latency *service, const load_tally *t)
{
    *intended = *service = (load_latency){0};
    for (int i = 0; i < t->n_rows; i++) {
        if (t->rows[i].code != 0 && t->rows[i].code != 200) continue;
        load_latency_add(intended, &t->rows[i].intended);
        load_latency_add(service, &t->rows[i].service);
    }
}

int64_t load_errors(const load_tally *t)
{
    int64_t n = t->connects_failed + t->resets + t->malformed + t->timeouts;
    for (int i = 1; i < t->n_rows; i++)
        if (t->rows[i].code != 200 && !load_is_refusal(t->rows[i].code)) n += t->rows[i].n;
    return n;
}

__attribute__((format(printf, 2, 3))) static void object(load_verdict *v, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(v->reasons[v->n].text, sizeof v->reasons[v->n].text, format, arguments);
    va_end(arguments);
    v->n++;
}

static void judge_windows(load_verdict *v, const load_windows *w)
{
    const load_change c = load_windows_last(w);
    const load_latency *first = &w->halves[0], *second = &w->halves[1];
    if (c.medians > APART)
        object(v, "not steady: medians of the last three tenths of the run lie %.0f %% apart, at most 10 %%",
               (c.medians - 1) * 100);
    if (c.rates > APART)
        object(v, "not steady: throughputs of the last three tenths of the run lie %.0f %% apart, at most 10 %%",
               (c.rates - 1) * 100);
    if (!w->even || isnan(load_quantile_ms(first, 0.99)) || isnan(load_quantile_ms(second, 0.99))) return;
    const double wander = load_windows_wander(w, 0.99, LOAD_TENTHS) / sqrt(LOAD_TENTHS / 2.0); /* of a half's mean */
    if (load_wandering_bounds_ms(second, 0.99, wander).low > GROWS * load_wandering_bounds_ms(first, 0.99, wander).high)
        object(v, "the queue grows: p99 %.3f ms of the second half, at most 1.2 times the first half's %.3f ms",
               load_quantile_ms(second, 0.99), load_quantile_ms(first, 0.99));
}

load_verdict load_judge(const load_tally *t, int64_t due)
{
    load_verdict v = {0};
    load_latency intended, service;
    load_served(&intended, &service, t);
    int64_t answered = 0;
    for (int i = 1; i < t->n_rows; i++)
        if (t->rows[i].code == 200 || load_is_refusal(t->rows[i].code)) answered += t->rows[i].n;
    /* Without the guard of the percentiles that are shown: a short run is judged too, by its worst. */
    const double late_ms = (double)histogram_quantile(&t->lateness.sum, 0.99) * 1e-6;
    const double median_ms = (double)histogram_quantile(&intended.sum, 0.5) * 1e-6;
    const double most_ms = median_ms * LATE_SHARE < LATE_MS ? median_ms * LATE_SHARE : LATE_MS;
    const double achieved = (double)(t->sent - t->sent_late) / (double)due;
    const double wrong = (double)load_errors(t) / (double)due;
    v.late = intended.sum.total && late_ms > most_ms;
    v.busy = t->cpu > CPU_SHARE;
    if (!answered) object(&v, "no reply was a 200 or a refusal");
    if (v.late)
        object(&v, "the client sent late: p99 %.0f us, at most %.0f us of a median of %.3f ms (chrt -f 1 helps)",
               late_ms * 1e3, most_ms * 1e3, median_ms);
    if (v.busy) object(&v, "the client used %.0f %% of a core, at most 85 %%", t->cpu * 100);
    if (achieved < ACHIEVED_SHARE)
        object(&v, "%.1f %% of the requests were sent in time, at least 99 %%: all connections were busy",
               achieved * 100);
    if (wrong > ERROR_SHARE) object(&v, "%.2f %% errors, at most 0.1 %%", wrong * 100);
    judge_windows(&v, &t->windows);
    return v;
}
