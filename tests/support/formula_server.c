#include "formula_server.h"
#include <CUnit/CUnit.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { SERVERS = 4, TOKENS = 7, STALLED_S = 10 };
const formula_server formula_server_good = {.capacity = 1000,
                                            .refuses_from = INFINITY,
                                            .unsteady_from = INFINITY,
                                            .late_from = INFINITY,
                                            .busy_from = INFINITY};
formula_runs formula_made;
static struct {
    int port;
    formula_server is;
} servers[SERVERS];
static int n_servers;

void formula_server_set(int port, const formula_server *s)
{
    formula_made.n = 0;
    int at = 0;
    while (at < n_servers && servers[at].port != port) at++;
    CU_ASSERT_FATAL(at < SERVERS);
    if (at == n_servers) n_servers++;
    servers[at].port = port;
    servers[at].is = *s;
}

static const formula_server *server_at(int port)
{
    int other = 0;
    for (int i = 0; i < n_servers; i++) {
        if (servers[i].port == port) return &servers[i].is;
        if (!servers[i].port) other = i;
    }
    return &servers[other].is;
}

/* What a run's seed makes of its latencies: even within 1 - noise and 1 + noise. */
static double luck(const formula_server *s, uint64_t seed)
{
    return 1 + s->noise * (2 * load_chance(seed * 2654435761u, LOAD_BODY, 0) - 1);
}

static void answer(load_tally *t, const formula_server *s, double rate, int due, double factor)
{
    static load_reply ok, refused; /* 16 KiB each */
    ok = (load_reply){.code = 200, .retry_after_s = -1, .compute_tokens = TOKENS};
    refused = (load_reply){.code = 429, .retry_after_s = -1};
    const bool stalled = rate >= s->capacity, late = rate > s->late_from;
    for (int i = 0; i < due; i++) {
        const double seconds = -log1p(-(i + 0.5) / due) / (s->capacity - rate) * factor;
        const int64_t ns = stalled ? STALLED_S * 1000000000LL : (int64_t)(seconds * 1e9) + 1000;
        const bool refuses = rate > s->refuses_from && i % 100 == 0;
        load_tally_reply(t, refuses ? &refused : &ok, ns, ns, !stalled || i % 2);
        load_latency_record(&t->lateness, late ? 5000000 : 1);
    }
    t->sent = due;
    t->cpu = rate > s->busy_from ? 0.9 : 0.1;
}

static void record(const load_plan *p)
{
    CU_ASSERT_FATAL(formula_made.n < FORMULA_RUNS_MAX);
    formula_made.at[formula_made.n].port = atoi(p->port);
    formula_made.at[formula_made.n].connections = p->connections;
    formula_made.at[formula_made.n].rate = p->rate;
    formula_made.at[formula_made.n].duration_ns = p->duration_ns;
    formula_made.at[formula_made.n].warmup_ns = p->warmup_ns;
    formula_made.at[formula_made.n].seed = p->seed;
    formula_made.at[formula_made.n++].arrivals = p->arrivals;
}

status formula_server_run(load_outcome *out, const load_plan *p, error *err)
{
    const formula_server *s = server_at(atoi(p->port));
    const bool closed = p->arrivals == LOAD_CLOSED;
    /* The queue's length under bursts is that of their own rate. */
    const double burst = p->arrivals == LOAD_BURST ? 2 * p->burst.ratio / (1 + p->burst.ratio) : 1;
    const double factor = luck(s, p->seed), seconds = (double)p->duration_ns * 1e-9;
    *out = (load_outcome){0};
    record(p);
    if (atoi(p->port) == 1) return fail(err, UNAVAILABLE, "nobody is there");
    if (load_tally_open(&out->tally, err) != OK) return NO_MEMORY;
    out->due = (int)lround((closed ? s->capacity / factor : p->rate) * seconds);
    out->seconds = seconds;
    answer(out->tally, s, closed ? 0 : p->rate * burst, out->due, factor);
    out->verdict = load_judge(out->tally, out->due);
    if (!closed && p->rate > s->unsteady_from) {
        load_verdict *v = &out->verdict;
        snprintf(v->reasons[v->n].text, sizeof v->reasons[v->n].text, "not steady");
        v->n++;
    }
    return OK;
}
