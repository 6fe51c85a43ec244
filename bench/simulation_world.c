#include "simulation_world.h"
#include <math.h>
#include <stdlib.h>

enum { CHUNK = 256 };
struct simulation_chunk {
    struct simulation_chunk *next;
    simulation_request at[CHUNK];
};

/* ---- time ---- */

void simulation_world_advance(simulation_world *w, int64_t now_ns)
{
    w->out->in_hand_ns += (double)w->in_hand * (double)(now_ns - w->now_ns);
    w->now_ns = now_ns;
}

/* Before the number that is there changes, and at the end. */
static void account(simulation_world *w)
{
    const int64_t paid_until_ns = w->now_ns < w->end_ns ? w->now_ns : w->end_ns;
    if (paid_until_ns > w->accounted_ns) w->paid_ns += (double)w->there * (double)(paid_until_ns - w->accounted_ns);
    w->there_ns += (double)w->there * (double)(w->now_ns - w->accounted_ns);
    w->accounted_ns = w->now_ns;
}

void simulation_world_set(simulation_world *w, int i, simulation_replica_state state)
{
    account(w);
    w->there += (state != REPLICA_OFF) - (w->state[i] != REPLICA_OFF);
    w->state[i] = state;
    if (w->there > w->out->replicas_most) w->out->replicas_most = w->there;
}

int simulation_world_count(const simulation_world *w, simulation_replica_state state)
{
    int n = 0;
    for (int i = 0; i < w->n; i++) n += w->state[i] == state;
    return n;
}

/* ---- what is to happen ---- */

double simulation_world_exponential(simulation_world *w)
{
    uint64_t z = w->random += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return -log1p(-(double)((z ^ z >> 31) >> 11) * 0x1p-53);
}

void simulation_world_tell(simulation_world *w, simulation_event_kind kind, int64_t at_ns, int replica,
                           simulation_request *r)
{
    const int64_t turn = r ? r->turn : replica < 0 ? 0 : w->turn[replica];
    const simulation_event event = {.at_ns = at_ns, .kind = kind, .replica = replica, .turn = turn, .request = r};
    const status rc = simulation_events_add(&w->events, event, w->err);
    if (w->rc == OK) w->rc = rc;
}

/* ---- requests ---- */

simulation_request *simulation_world_request(simulation_world *w)
{
    if (!w->free) {
        struct simulation_chunk *c = malloc(sizeof *c);
        if (!c) {
            w->rc = fail(w->err, NO_MEMORY, "no memory for %d more requests", CHUNK);
            return NULL;
        }
        c->next = w->chunks;
        w->chunks = c;
        for (int i = 0; i < CHUNK; i++) {
            c->at[i].next = w->free;
            w->free = &c->at[i];
        }
    }
    simulation_request *r = w->free;
    w->free = r->next;
    return r;
}

void simulation_world_release(simulation_world *w, simulation_request *r)
{
    r->next = w->free;
    w->free = r;
}

/* ---- open and close ---- */

static status open_replicas(simulation_world *w, error *err)
{
    const simulation_fleet *f = &w->in->fleet;
    const bool scales = f->scaler.target > 0;
    w->n = scales && f->scaler.most > f->replicas ? f->scaler.most : f->replicas;
    if (f->replicas < 1 || w->n > SIMULATION_REPLICAS_MAX || w->in->host.threads < 1)
        return fail(err, BAD_INPUT, "%d replicas, at most %d, of %d threads: wanted 1 to %d, and 1 or more",
                    f->replicas, w->n, w->in->host.threads, SIMULATION_REPLICAS_MAX);
    const size_t n = (size_t)w->n;
    w->replica = calloc(n, sizeof *w->replica);
    w->state = calloc(n, sizeof *w->state);
    w->outstanding = calloc(n, sizeof *w->outstanding);
    w->turn = calloc(n, sizeof *w->turn);
    w->look_ns = malloc(n * sizeof *w->look_ns);
    if (!w->replica || !w->state || !w->outstanding || !w->turn || !w->look_ns)
        return fail(err, NO_MEMORY, "no memory for %d replicas", w->n);
    for (int i = 0; i < w->n && w->rc == OK; i++) {
        w->look_ns[i] = INT64_MAX;
        w->rc = simulation_replica_open(&w->replica[i], w->in, i, err);
    }
    return w->rc;
}

void simulation_world_close(simulation_world *w)
{
    for (int i = 0; w->replica && i < w->n; i++) {
        job_list done = TAILQ_HEAD_INITIALIZER(done);
        if (w->replica[i].q && w->rc != OK) queue_abandon(w->replica[i].q, w->rc, w->err, w->now_ns, &done);
        simulation_replica_close(&w->replica[i]);
    }
    for (struct simulation_chunk *c; (c = w->chunks);) {
        w->chunks = c->next;
        free(c);
    }
    simulation_events_close(&w->events);
    free(w->replica);
    free(w->state);
    free(w->outstanding);
    free(w->turn);
    free(w->look_ns);
}

status simulation_world_open(simulation_world *w, simulation_figures *out, const simulation_input *in, error *err)
{
    *out = (simulation_figures){0};
    *w = (simulation_world){.in = in, .out = out, .now_ns = SIMULATION_START_NS, .random = in->seed, .err = err};
    w->accounted_ns = SIMULATION_START_NS;
    w->end_ns = SIMULATION_START_NS + in->traffic->duration_ns;
    const status rc = w->rc = open_replicas(w, err);
    if (rc != OK) simulation_world_close(w);
    return rc;
}

void simulation_world_sum_up(simulation_world *w)
{
    simulation_figures *f = w->out;
    int64_t device_ns = 0, host_ns = 0;
    for (int i = 0; i < w->n; i++) {
        const simulation_replica *r = &w->replica[i];
        device_ns += r->device_ns;
        host_ns += r->host_ns;
        f->idle_queued_ns += r->idle_queued_ns;
        f->overtaken += r->overtaken;
        f->batches += r->batches;
        f->sequences += r->sequences;
        f->tokens += r->tokens;
        for (int k = 0; k < TRIGGERS; k++) f->trigger[k] += r->trigger[k];
        for (int k = 0; k < SIMULATION_OCTAVES; k++) f->batch_octaves[k] += r->batch_octaves[k];
        if (r->largest_tokens > f->largest_tokens) f->largest_tokens = r->largest_tokens;
        if (r->largest_sequences > f->largest_sequences) f->largest_sequences = r->largest_sequences;
        if (r->budget_tokens > f->budget_tokens) f->budget_tokens = r->budget_tokens;
    }
    account(w);
    f->replica_hours = w->paid_ns / 3600e9;
    f->device_busy = (double)device_ns / w->there_ns;
    f->host_busy = (double)host_ns / w->there_ns / w->in->host.threads;
    f->counted_s = (double)(w->end_ns - SIMULATION_START_NS - w->in->from_ns) * 1e-9;
}
