#include "histogram.h"
#include <math.h>

enum { STEP_BITS = 6, LAST = HISTOGRAM_COUNTERS - 1 };
_Static_assert(1 << STEP_BITS == HISTOGRAM_STEPS, "a step is the bits that follow the highest");

/* The highest bit is the power, the STEP_BITS after it are the step. */
int histogram_index(int64_t ns)
{
    if (ns < 1 << HISTOGRAM_LEAST_BITS) return 0;
    const int bits = 63 - __builtin_clzll((unsigned long long)ns), power = bits - HISTOGRAM_LEAST_BITS;
    if (power >= HISTOGRAM_POWERS) return LAST;
    return power * HISTOGRAM_STEPS + (int)(ns >> (bits - STEP_BITS)) - HISTOGRAM_STEPS;
}

int64_t histogram_low(int index)
{
    if (index == 0) return 0;
    return (int64_t)(HISTOGRAM_STEPS + index % HISTOGRAM_STEPS)
           << (index / HISTOGRAM_STEPS + HISTOGRAM_LEAST_BITS - STEP_BITS);
}

int64_t histogram_high(int index) { return index == LAST ? INT64_MAX : histogram_low(index + 1); }

void histogram_record(histogram *h, int64_t ns)
{
    _Atomic uint32_t *n = &h->n[histogram_index(ns)];
    atomic_store_explicit(n, atomic_load_explicit(n, memory_order_relaxed) + 1, memory_order_release);
}

void histogram_clear(histogram *h)
{
    for (int i = 0; i < HISTOGRAM_COUNTERS; i++) atomic_store_explicit(&h->n[i], 0, memory_order_release);
}

void histogram_add(histogram_sum *into, const histogram *h)
{
    for (int i = 0; i < HISTOGRAM_COUNTERS; i++) {
        const uint32_t n = atomic_load_explicit(&h->n[i], memory_order_acquire);
        into->n[i] += n;
        into->total += n;
    }
}

void histogram_sum_record(histogram_sum *into, int64_t ns)
{
    into->n[histogram_index(ns)]++;
    into->total++;
}

int64_t histogram_quantile(const histogram_sum *s, double q)
{
    uint64_t rank = (uint64_t)ceil(q * (double)s->total), below = 0;
    if (s->total == 0) return 0;
    if (rank < 1) rank = 1;
    if (rank > s->total) rank = s->total;
    int i = 0;
    while (below + s->n[i] < rank) below += s->n[i++];
    const int64_t low = histogram_low(i);
    return i == LAST ? low : low + (histogram_high(i) - low) / 2;
}
