#include "load_latency.h"
#include <math.h>

/* 3 / sqrt(2): the difference of two equal errors is sqrt(2) times one of them. */
static const double ERRORS = 2.1213;

void load_latency_record(load_latency *l, int64_t ns)
{
    histogram_sum_record(&l->sum, ns);
    if (ns > l->longest_ns) l->longest_ns = ns;
}

void load_latency_add(load_latency *into, const load_latency *l)
{
    for (int i = 0; i < HISTOGRAM_COUNTERS; i++) into->sum.n[i] += l->sum.n[i];
    into->sum.total += l->sum.total;
    if (l->longest_ns > into->longest_ns) into->longest_ns = l->longest_ns;
}

int64_t load_quantile_needs(double q) { return (int64_t)ceil(10 / (1 - q) - 1e-6); }

double load_quantile_ms(const load_latency *l, double q)
{
    if (!l->sum.total) return NAN;
    if (q >= 1) return (double)l->longest_ns * 1e-6;
    if ((int64_t)l->sum.total < load_quantile_needs(q)) return NAN;
    return (double)histogram_quantile(&l->sum, q) * 1e-6;
}

load_bounds load_quantile_bounds_ms(const load_latency *l, double q)
{
    if (!l->sum.total) return (load_bounds){0, 0};
    const double off = ERRORS * sqrt(q * (1 - q) / (double)l->sum.total);
    const double low = (double)histogram_quantile(&l->sum, fmax(q - off, 0)) * 1e-6;
    if (q + off >= 1) return (load_bounds){low, (double)l->longest_ns * 1e-6};
    return (load_bounds){low, (double)histogram_quantile(&l->sum, q + off) * 1e-6};
}

load_bounds load_wandering_bounds_ms(const load_latency *l, double q, double wander)
{
    const load_bounds b = load_quantile_bounds_ms(l, q);
    const double ms = (double)histogram_quantile(&l->sum, q) * 1e-6;
    return (load_bounds){fmin(b.low, ms - ERRORS * wander), fmax(b.high, ms + ERRORS * wander)};
}

load_bounds load_count_bounds(double n) { return (load_bounds){fmax(n - ERRORS * sqrt(n), 0), n + ERRORS * sqrt(n)}; }
