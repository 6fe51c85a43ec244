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

status load_schedule_open(load_schedule *out, load_arrivals arrivals, double rate, int64_t duration_ns, uint64_t seed,
                          error *err)
{
    const double seconds = (double)duration_ns * 1e-9, wanted = rate * seconds;
    *out = (load_schedule){0};
    if (!(wanted >= 1) || wanted > LOAD_REQUESTS_MAX)
        return fail(err, BAD_INPUT, "%g requests/s for %g s are %.0f requests: wanted 1 to %d", rate, seconds, wanted,
                    LOAD_REQUESTS_MAX);
    /* A Poisson count of mean m is above m + 8 sqrt(m) + 16 less than once in 10^12 runs; then the list ends early. */
    const int room = (int)(wanted + 8 * sqrt(wanted) + 16);
    out->at_ns = malloc((size_t)room * sizeof *out->at_ns);
    if (!out->at_ns) return fail(err, NO_MEMORY, "no memory for a schedule of %d requests", room);
    double gaps = 0;
    while (out->n < room) {
        gaps += arrivals == LOAD_FIXED ? (out->n ? 1 : 0) : -log1p(-load_chance(seed, LOAD_GAP, out->n));
        const int64_t at_ns = (int64_t)(gaps / rate * 1e9);
        if (at_ns >= duration_ns) break;
        out->at_ns[out->n++] = at_ns;
    }
    if (out->n) return OK;
    load_schedule_close(out);
    return fail(err, BAD_INPUT, "with this seed no request is due within %g s", seconds);
}

void load_schedule_close(load_schedule *s)
{
    free(s->at_ns);
    *s = (load_schedule){0};
}
