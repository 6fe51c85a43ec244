#include "load_windows.h"
#include <math.h>

static const int64_t SECOND_NS = 1000000000;

void load_windows_divide(load_windows *w, int64_t duration_ns)
{
    const int64_t tens = duration_ns / (LOAD_TENTHS * SECOND_NS);
    w->n = tens < 1 ? LOAD_TENTHS : tens * LOAD_TENTHS > LOAD_WINDOWS_MAX ? LOAD_WINDOWS_MAX : (int)tens * LOAD_TENTHS;
    w->duration_ns = duration_ns;
    w->each_ns = (duration_ns + w->n - 1) / w->n;
}

void load_window_reply(load_window *w, const load_reply *r, int64_t intended_ns)
{
    if (r->code == 200) {
        load_latency_record(&w->intended, intended_ns);
        w->tokens += r->compute_tokens;
    } else if (load_is_refusal(r->code)) {
        w->refused++;
    } else {
        w->errors++;
    }
}

void load_window_add(load_window *into, const load_window *w)
{
    into->refused += w->refused;
    into->errors += w->errors;
    into->tokens += w->tokens;
    load_latency_add(&into->intended, &w->intended);
}

/* NULL: before the start or after the end. */
static load_window *window_of(load_windows *w, int64_t since_ns)
{
    return since_ns >= 0 && since_ns < w->duration_ns ? &w->at[since_ns / w->each_ns] : NULL;
}

static void take_half(load_windows *w, int64_t due_ns, int64_t intended_ns)
{
    load_latency_record(&w->halves[due_ns * 2 >= w->duration_ns], intended_ns);
}

void load_windows_reply(load_windows *w, const load_reply *r, int64_t since_ns, int64_t intended_ns)
{
    load_window *at = window_of(w, since_ns);
    if (at) load_window_reply(at, r, intended_ns);
    if (w->each_ns && r->code == 200) take_half(w, since_ns - intended_ns, intended_ns);
}

void load_windows_unanswered(load_windows *w, int64_t since_ns, int64_t intended_ns)
{
    if (w->each_ns) take_half(w, since_ns - intended_ns, intended_ns);
}

void load_windows_error(load_windows *w, int64_t since_ns)
{
    load_window *at = window_of(w, since_ns);
    if (at) at->errors++;
}

load_change load_windows_change(const load_window *w, const double *seconds, int n, double wander)
{
    load_bounds median = {0, INFINITY}, rate = {0, INFINITY}; /* the highest low, the lowest high */
    for (int i = 0; i < n; i++) {
        const load_bounds m = load_wandering_bounds_ms(&w[i].intended, 0.5, wander);
        const load_bounds c = load_count_bounds((double)w[i].intended.sum.total);
        median = (load_bounds){fmax(median.low, m.low), fmin(median.high, m.high)};
        rate = (load_bounds){fmax(rate.low, c.low / seconds[i]), fmin(rate.high, c.high / seconds[i])};
    }
    return (load_change){median.low > median.high ? median.low / median.high : 1,
                         rate.low > rate.high ? rate.low / rate.high : 1};
}

static void add_tenth(load_window *into, const load_windows *w, int tenth)
{
    const int each = w->n / LOAD_TENTHS;
    for (int k = 0; k < each; k++) load_window_add(into, &w->at[tenth * each + k]);
}

double load_windows_wander(const load_windows *w, double q, int tenths)
{
    static load_window tenth; /* 13 KiB */
    double before = 0, squares = 0;
    int steps = 0;
    for (int i = 0; w->each_ns && i < tenths; i++) {
        tenth = (load_window){0};
        add_tenth(&tenth, w, i);
        const double at = tenth.intended.sum.total ? (double)histogram_quantile(&tenth.intended.sum, q) * 1e-6 : 0;
        if (at > 0 && before > 0) squares += (at - before) * (at - before);
        steps += at > 0 && before > 0;
        before = at;
    }
    return steps ? sqrt(squares / (2 * steps)) : 0;
}

load_change load_windows_last(const load_windows *w)
{
    static load_window last[LOAD_LAST]; /* 13 KiB each */
    double seconds[LOAD_LAST];
    if (!w->each_ns || !w->even) return (load_change){1, 1};
    for (int i = 0; i < LOAD_LAST; i++) {
        last[i] = (load_window){0};
        seconds[i] = (double)(w->n / LOAD_TENTHS) * (double)w->each_ns * 1e-9;
        add_tenth(&last[i], w, LOAD_TENTHS - LOAD_LAST + i);
        if (last[i].intended.sum.total < LOAD_WINDOW_NEEDS) return (load_change){1, 1};
    }
    /* By the tenths before them: what is judged does not say how it is judged. */
    return load_windows_change(last, seconds, LOAD_LAST, load_windows_wander(w, 0.5, LOAD_TENTHS - LOAD_LAST));
}
