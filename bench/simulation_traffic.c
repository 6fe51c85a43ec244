#include "simulation_traffic.h"
#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include "load_requests.h"

/* ---- when ---- */

static status play(simulation_traffic *t, const simulation_mix *m, error *err)
{
    const load_schedule *r = m->replay;
    const double factor = r->n / ((double)m->duration_ns * 1e-9) / m->rate;
    t->duration_ns = (int64_t)((double)m->duration_ns * factor);
    t->at_ns = malloc((size_t)r->n * sizeof *t->at_ns);
    if (!t->at_ns) return fail(err, NO_MEMORY, "no memory for a schedule of %d requests", r->n);
    for (t->n = 0; t->n < r->n; t->n++) t->at_ns[t->n] = (int64_t)((double)r->at_ns[t->n] * factor);
    return OK;
}

static status make_times(simulation_traffic *t, const simulation_mix *m, error *err)
{
    if (m->arrivals == LOAD_REPLAY) return play(t, m, err);
    load_schedule s;
    const status rc = m->arrivals == LOAD_BURST
                          ? load_schedule_bursts(&s, m->burst, m->rate, m->duration_ns, m->seed, err)
                          : load_schedule_open(&s, m->arrivals, m->rate, m->duration_ns, m->seed, err);
    t->duration_ns = m->duration_ns;
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

static bool has_tokens(const simulation_mix *m) { return m->arrivals == LOAD_REPLAY && m->replay->tokens; }

/* As load_requests.c fills its pool; a replay with tokens has a body for each request. */
static int length_at(const simulation_mix *m, int b, int k)
{
    return has_tokens(m) ? m->replay->tokens[b] : m->lengths[(b * m->inputs + k) % m->n_lengths];
}

static status make_bodies(simulation_traffic *t, const simulation_mix *m, error *err)
{
    t->n_bodies = has_tokens(m) ? m->replay->n : m->n_lengths > LOAD_POOL ? m->n_lengths : LOAD_POOL;
    t->inputs = m->inputs;
    t->starts = malloc((size_t)t->n_bodies * ((size_t)m->inputs + 1) * sizeof *t->starts);
    t->body = malloc((size_t)t->n * sizeof *t->body);
    if (!t->starts || !t->body) return fail(err, NO_MEMORY, "no memory for %d requests", t->n_bodies);
    double tokens = 0;
    for (int b = 0; b < t->n_bodies; b++) {
        int32_t *starts = t->starts + (ptrdiff_t)b * (m->inputs + 1);
        starts[0] = 0;
        for (int k = 0; k < m->inputs; k++) starts[k + 1] = starts[k] + tokens_of(m, length_at(m, b, k));
        tokens += starts[m->inputs];
    }
    t->mean_tokens = tokens / t->n_bodies;
    for (int i = 0; i < t->n; i++)
        t->body[i] = has_tokens(m) ? i : (int32_t)(load_chance(m->seed, LOAD_BODY, i) * t->n_bodies);
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
    *t = (simulation_traffic){0};
}
