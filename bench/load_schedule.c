#include "load_schedule.h"
#include <math.h>
#include <stdlib.h>

/* splitmix64 of a counter: any number of the sequence at once, so that a choice needs no memory of those before it. */
double load_chance(uint64_t seed, load_choice what, int request)
{
    uint64_t x = (seed * 4 + (uint64_t)what) * 0xd1342543de82ef95u + ((uint64_t)request + 1) * 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return (double)((x ^ (x >> 31)) >> 11) * 0x1p-53;
}

typedef struct {
    load_burst burst; /* ratio 1: the rate never changes */
    double rate;
} pace;

/* When a sum of gaps is reached, the mean gap being 1: time runs at the pace of the rate that holds, so that a Poisson
 * schedule stays one. */
static double seconds_of(const pace *p, double gaps)
{
    if (p->burst.ratio <= 1) return gaps / p->rate;
    const double each_s = (double)p->burst.each_ns * 1e-9, period = 2 * each_s * p->rate; /* requests of a period */
    const double in_burst = period * p->burst.ratio / (1 + p->burst.ratio);
    const double periods = floor(gaps / period), rest = gaps - periods * period;
    const double part = rest < in_burst ? rest / in_burst : 1 + (rest - in_burst) / (period - in_burst);
    return (2 * periods + part) * each_s;
}

static status make(load_schedule *out, load_arrivals arrivals, const pace *p, int64_t duration_ns, uint64_t seed,
                   error *err)
{
    const double seconds = (double)duration_ns * 1e-9, wanted = p->rate * seconds;
    *out = (load_schedule){0};
    if (!(wanted >= 1) || wanted > LOAD_REQUESTS_MAX)
        return fail(err, BAD_INPUT, "%g requests/s for %g s are %.0f requests: wanted 1 to %d", p->rate, seconds,
                    wanted, LOAD_REQUESTS_MAX);
    /* Half a period of bursts alone may have twice the mean.  A Poisson count of mean m is above m + 8 sqrt(m) + 16
     * less than once in 10^12 runs; then the list ends early. */
    const double most = wanted + (p->burst.ratio > 1 ? p->rate * (double)p->burst.each_ns * 1e-9 : 0);
    const int room = (int)(most + 8 * sqrt(most) + 16);
    out->at_ns = malloc((size_t)room * sizeof *out->at_ns);
    if (!out->at_ns) return fail(err, NO_MEMORY, "no memory for a schedule of %d requests", room);
    double gaps = 0;
    while (out->n < room) {
        gaps += arrivals == LOAD_FIXED ? (out->n ? 1 : 0) : -log1p(-load_chance(seed, LOAD_GAP, out->n));
        const int64_t at_ns = (int64_t)(seconds_of(p, gaps) * 1e9);
        if (at_ns >= duration_ns) break;
        out->at_ns[out->n++] = at_ns;
    }
    if (out->n) return OK;
    load_schedule_close(out);
    return fail(err, BAD_INPUT, "with this seed no request is due within %g s", seconds);
}

status load_schedule_open(load_schedule *out, load_arrivals arrivals, double rate, int64_t duration_ns, uint64_t seed,
                          error *err)
{
    return make(out, arrivals, &(pace){.rate = rate}, duration_ns, seed, err);
}

status load_schedule_bursts(load_schedule *out, load_burst burst, double rate, int64_t duration_ns, uint64_t seed,
                            error *err)
{
    return make(out, LOAD_BURST, &(pace){burst, rate}, duration_ns, seed, err);
}

void load_schedule_close(load_schedule *s)
{
    free(s->at_ns);
    free(s->tokens);
    *s = (load_schedule){0};
}
