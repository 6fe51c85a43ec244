#include "simulation_traffic.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "load_requests.h"

/* ---- when ---- */

/* Time runs at the pace of the rate that holds: a Poisson schedule of rate 1 in that time is one of bursts in ours. */
static status make_bursts(simulation_traffic *t, const simulation_mix *m, error *err)
{
    const double wanted = m->rate * (double)m->duration_ns * 1e-9;
    if (!(wanted >= 1) || wanted > LOAD_REQUESTS_MAX)
        return fail(err, BAD_INPUT, "%.0f requests: wanted 1 to %d", wanted, LOAD_REQUESTS_MAX);
    const double high = 2 * m->rate * m->burst_ratio / (1 + m->burst_ratio), low = high / m->burst_ratio;
    const int room = (int)(2 * wanted) + 1000; /* all of the time at the high rate is less than twice the mean */
    double now_ns = 0, rate = low, left_ns = 0;
    t->at_ns = malloc((size_t)room * sizeof *t->at_ns);
    if (!t->at_ns) return fail(err, NO_MEMORY, "no memory for a schedule of %d requests", room);
    for (int turn = 0; t->n < room; t->n++) {
        double work = -log1p(-load_chance(m->seed, LOAD_GAP, t->n)); /* requests until the next */
        while (work > rate * left_ns * 1e-9) {
            work -= rate * left_ns * 1e-9;
            now_ns += left_ns;
            rate = turn % 2 ? high : low;
            left_ns = -log1p(-load_chance(m->seed, LOAD_LEAVES_AFTER, turn++)) * (double)m->burst_ns;
        }
        now_ns += work / rate * 1e9;
        left_ns -= work / rate * 1e9;
        if (now_ns >= (double)m->duration_ns) break;
        t->at_ns[t->n] = (int64_t)now_ns;
    }
    return t->n ? OK : fail(err, BAD_INPUT, "with this seed no request is due within the duration");
}

static status play_times(simulation_traffic *t, const simulation_mix *m, error *err)
{
    const simulation_record *r = m->record;
    const int64_t last_ns = r->at_ns[r->n - 1];
    const double factor = m->rate > 0 && last_ns > 0 ? r->n / ((double)last_ns * 1e-9) / m->rate : 1;
    t->at_ns = malloc((size_t)r->n * sizeof *t->at_ns);
    if (!t->at_ns) return fail(err, NO_MEMORY, "no memory for a schedule of %d requests", r->n);
    for (t->n = 0; t->n < r->n; t->n++) t->at_ns[t->n] = (int64_t)((double)r->at_ns[t->n] * factor);
    t->duration_ns = t->at_ns[t->n - 1] + 1;
    return OK;
}

static status make_times(simulation_traffic *t, const simulation_mix *m, error *err)
{
    t->duration_ns = m->duration_ns;
    if (m->record) return play_times(t, m, err);
    if (m->burst_ratio > 0) return make_bursts(t, m, err);
    load_schedule s;
    const status rc = load_schedule_open(&s, m->arrivals, m->rate, m->duration_ns, m->seed, err);
    t->at_ns = s.at_ns;
    t->n = s.n;
    return rc;
}

/* ---- what ---- */

static int tokens_of(const simulation_mix *m, int tokens)
{
    const double wanted = round(tokens * m->length_factor);
    return wanted < 1 ? 1 : wanted > m->longest ? m->longest : (int)wanted;
}

static bool own_rows(const simulation_mix *m) { return m->record && m->record->first; }

/* As load_requests.c fills its pool. */
static int length_at(const simulation_mix *m, int b, int k)
{
    if (own_rows(m)) return m->record->tokens[m->record->first[b] + k];
    return m->lengths[(b * m->inputs + k) % m->n_lengths];
}

static int inputs_of(const simulation_mix *m, int b)
{
    return own_rows(m) ? m->record->first[b + 1] - m->record->first[b] : m->inputs;
}

static status make_bodies(simulation_traffic *t, const simulation_mix *m, error *err)
{
    t->n_bodies = own_rows(m) ? m->record->n : m->n_lengths > LOAD_POOL ? m->n_lengths : LOAD_POOL;
    size_t all = 0;
    for (int b = 0; b < t->n_bodies; b++) all += (size_t)inputs_of(m, b) + 1;
    t->starts = malloc(all * sizeof *t->starts);
    t->first = malloc(((size_t)t->n_bodies + 1) * sizeof *t->first);
    t->body = malloc((size_t)t->n * sizeof *t->body);
    if (!t->starts || !t->first || !t->body) return fail(err, NO_MEMORY, "no memory for %d requests", t->n_bodies);
    t->first[0] = 0;
    double tokens = 0, inputs = 0;
    for (int b = 0; b < t->n_bodies; b++) {
        int32_t *starts = t->starts + t->first[b];
        const int n = inputs_of(m, b);
        starts[0] = 0;
        for (int k = 0; k < n; k++) starts[k + 1] = starts[k] + tokens_of(m, length_at(m, b, k));
        t->first[b + 1] = t->first[b] + n + 1;
        tokens += starts[n];
        inputs += n;
    }
    t->mean_tokens = tokens / t->n_bodies;
    t->mean_inputs = inputs / t->n_bodies;
    for (int i = 0; i < t->n; i++)
        t->body[i] = own_rows(m) ? i : (int32_t)(load_chance(m->seed, LOAD_BODY, i) * t->n_bodies);
    return OK;
}

status simulation_traffic_open(simulation_traffic *out, const simulation_mix *m, error *err)
{
    *out = (simulation_traffic){0};
    status rc = make_times(out, m, err);
    if (rc == OK) rc = make_bodies(out, m, err);
    if (rc != OK) simulation_traffic_close(out);
    return rc;
}

void simulation_traffic_close(simulation_traffic *t)
{
    free(t->at_ns);
    free(t->body);
    free(t->starts);
    free(t->first);
    *t = (simulation_traffic){0};
}
