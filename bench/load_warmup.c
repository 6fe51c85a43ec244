#include "load_warmup.h"
#include <string.h>

static const double LEAST_S = 0.5, APART = 1.1;
enum { LEAST_REPLIES = 50 };

bool load_warmup_full(const load_window *w, double seconds)
{
    return seconds >= LEAST_S && (int64_t)w->intended.sum.total + w->refused >= LEAST_REPLIES;
}

bool load_warmup_take(load_warmup *u, const load_window *w, double seconds)
{
    memmove(u->last + 1, u->last, (LOAD_LAST - 1) * sizeof *u->last);
    memmove(u->seconds + 1, u->seconds, (LOAD_LAST - 1) * sizeof *u->seconds);
    u->last[0] = *w;
    u->seconds[0] = seconds;
    u->taken++;
    if (u->taken < LOAD_LAST) return false;
    const load_change c = load_windows_change(u->last, u->seconds, LOAD_LAST, 0);
    return u->steady = c.medians <= APART && c.rates <= APART;
}
