#include "window.h"
#include <stdlib.h>

enum { SLOTS = WINDOW_SECONDS + 2, NONE = -1 };
static const int64_t SECOND_NS = 1000000000;

/* Second s is in slot s % SLOTS.  Counters are stored with release and loaded with acquire (free on x86-64): who saw a
 * count of a second sees at least its `second`, or the NONE that went before its clearing. */
typedef struct {
    _Atomic int64_t second;
    histogram took;
} slot;

struct window {
    slot slots[SLOTS];
};

status window_open(window **out, error *err)
{
    *out = calloc(1, sizeof **out);
    if (!*out) return fail(err, NO_MEMORY, "no memory for a window of %zu bytes", sizeof **out);
    for (int i = 0; i < SLOTS; i++) atomic_init(&(*out)->slots[i].second, NONE);
    return OK;
}

void window_close(window *w) { free(w); }

void window_record(window *w, int64_t now_ns, int64_t took_ns)
{
    const int64_t second = now_ns / SECOND_NS;
    slot *s = &w->slots[second % SLOTS];
    if (atomic_load_explicit(&s->second, memory_order_relaxed) != second) {
        atomic_store_explicit(&s->second, NONE, memory_order_relaxed);
        histogram_clear(&s->took);
        atomic_store_explicit(&s->second, second, memory_order_release);
    }
    histogram_record(&s->took, took_ns);
}

/* A copy first: what changed hands meanwhile must not be in the sum. */
static void add_second(histogram_sum *into, const slot *s, int64_t second)
{
    uint32_t n[HISTOGRAM_COUNTERS];
    if (atomic_load_explicit(&s->second, memory_order_acquire) != second) return;
    for (int i = 0; i < HISTOGRAM_COUNTERS; i++) n[i] = atomic_load_explicit(&s->took.n[i], memory_order_acquire);
    if (atomic_load_explicit(&s->second, memory_order_relaxed) != second) return;
    for (int i = 0; i < HISTOGRAM_COUNTERS; i++) {
        into->n[i] += n[i];
        into->total += n[i];
    }
}

void window_add(histogram_sum *into, const window *w, int64_t now_ns, int seconds)
{
    const int64_t last = now_ns / SECOND_NS;
    for (int64_t second = last; second > last - seconds && second >= 0; second--)
        add_second(into, &w->slots[second % SLOTS], second);
}
