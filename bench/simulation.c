/* simulation.c - the loop: the next arrival or the next event, whichever is sooner; a time's events before its
 * arrivals.
 *
 * A replica's `turn` counts its lives.  Whatever was on its way to it, in it or from it when it failed is of an earlier
 * turn, and fails when its event comes.  A look at a replica that was superseded is known by its time. */
#include "simulation.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "simulation_events.h"
#include "simulation_replica.h"

const char *const simulation_stage_names[SIMULATION_STAGES] = {"host: parse, tokenize", "queue", "device",
                                                               "host: serialize"};
static const int64_t START_NS = 1000000000; /* of the clock, as the queue takes 0 for never */

typedef struct request {
    job j; /* first: a job is its request */
    int64_t due_ns, turn;
    int replica;
    struct request *next; /* free */
} request;

enum { CHUNK = 256 };
typedef struct chunk {
    struct chunk *next;
    request at[CHUNK];
} chunk;

/* The replicas' fields that the balancer reads lie side by side. */
typedef struct {
    const simulation_input *in;
    simulation_figures *out;
    int n, there; /* room for replicas; those that are not off */
    simulation_replica *replica;
    simulation_replica_state *state;
    int32_t *outstanding;
    int64_t *turn, *look_ns;
    int balance_turn;
    simulation_wishes wishes;
    simulation_events events;
    request *free;
    chunk *chunks;
    int next; /* arrival */
    int64_t now_ns, end_ns;
    int64_t in_hand;
    int64_t accounted_ns;      /* until then the next two are summed up */
    double there_ns, paid_ns;  /* of all that are not off: in the whole run; until the schedule's end */
    int64_t came, came_tokens; /* since the last sample; since the last look at the scale */
    uint64_t random;
    status rc; /* the first failure: the loop ends */
    error *err;
} world;

/* ---- small ones ---- */

static double exponential(world *w)
{
    uint64_t z = w->random += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return -log1p(-(double)((z ^ z >> 31) >> 11) * 0x1p-53);
}

static void tell(world *w, simulation_event_kind kind, int64_t at_ns, int replica, request *r)
{
    const int64_t turn = r ? r->turn : replica < 0 ? 0 : w->turn[replica];
    const simulation_event event = {.at_ns = at_ns, .kind = kind, .replica = replica, .turn = turn, .request = r};
    const status rc = simulation_events_add(&w->events, event, w->err);
    if (w->rc == OK) w->rc = rc;
}

static int count(const world *w, simulation_replica_state state)
{
    int n = 0;
    for (int i = 0; i < w->n; i++) n += w->state[i] == state;
    return n;
}

static void advance(world *w, int64_t now_ns)
{
    w->out->in_hand_ns += (double)w->in_hand * (double)(now_ns - w->now_ns);
    w->now_ns = now_ns;
}

/* Before the number that is there changes, and at the end. */
static void account(world *w)
{
    const int64_t paid_until_ns = w->now_ns < w->end_ns ? w->now_ns : w->end_ns;
    if (paid_until_ns > w->accounted_ns) w->paid_ns += (double)w->there * (double)(paid_until_ns - w->accounted_ns);
    w->there_ns += (double)w->there * (double)(w->now_ns - w->accounted_ns);
    w->accounted_ns = w->now_ns;
}

static void set_state(world *w, int i, simulation_replica_state state)
{
    account(w);
    w->there += (state != REPLICA_OFF) - (w->state[i] != REPLICA_OFF);
    w->state[i] = state;
    if (w->there > w->out->replicas_most) w->out->replicas_most = w->there;
}

/* ---- requests ---- */

static request *take_request(world *w)
{
    if (!w->free) {
        chunk *c = malloc(sizeof *c);
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
    request *r = w->free;
    w->free = r->next;
    return r;
}

static bool counts(const world *w, const request *r) { return r->due_ns - START_NS >= w->in->from_ns; }

static void note_stage(simulation_figures *f, simulation_stage stage, int64_t ns)
{
    load_latency_record(&f->stage[stage], ns);
    f->stage_ns[stage] += (double)ns;
}

static void note_answer(world *w, const request *r)
{
    simulation_figures *f = w->out;
    const int64_t took_ns = w->now_ns - r->due_ns;
    f->answered++;
    f->good += took_ns <= w->in->objective_ns;
    f->answered_in_time += w->now_ns < w->end_ns;
    load_latency_record(&f->latency, took_ns);
    f->latency_ns += (double)took_ns;
    note_stage(f, SIMULATION_HOST, r->j.submitted_ns - r->due_ns);
    note_stage(f, SIMULATION_QUEUE, r->j.begun_ns - r->j.submitted_ns);
    note_stage(f, SIMULATION_DEVICE, r->j.computed_ns - r->j.begun_ns);
    note_stage(f, SIMULATION_REPLY, w->now_ns - r->j.computed_ns);
}

/* The one end of every request that came to a replica. */
static void end(world *w, request *r, status what)
{
    const int i = r->replica;
    w->in_hand--;
    w->out->sojourn_ns += (double)(w->now_ns - r->due_ns);
    if (r->turn == w->turn[i] && --w->outstanding[i] == 0 && w->state[i] == REPLICA_DRAINING)
        set_state(w, i, REPLICA_OFF);
    if (counts(w, r)) {
        if (what == OK) note_answer(w, r);
        else if (what == OVERLOADED) w->out->overloaded++;
        else if (what == EXPIRED) w->out->late++;
        else w->out->failed++;
    }
    r->next = w->free;
    w->free = r;
}

/* ---- replicas ---- */

static void complete(world *w, int i, job_list *done)
{
    for (job *j; (j = TAILQ_FIRST(done));) {
        request *r = (request *)j;
        TAILQ_REMOVE(done, j, entry);
        const double cost_ns = w->in->host.per_row_ns * j->n;
        if (j->result != OK) end(w, r, j->result);
        else if (cost_ns <= 0) end(w, r, OK);
        else tell(w, EVENT_REPLY, simulation_replica_work(&w->replica[i], w->now_ns, cost_ns), i, r);
    }
}

static void look(world *w, int i)
{
    job_list done = TAILQ_HEAD_INITIALIZER(done);
    const int64_t next_ns = simulation_replica_turn(&w->replica[i], w->now_ns, &done);
    if (next_ns != w->look_ns[i]) {
        w->look_ns[i] = next_ns;
        if (next_ns < INT64_MAX) tell(w, EVENT_LOOK, next_ns, i, NULL);
    }
    complete(w, i, &done);
}

static void submit(world *w, request *r)
{
    const status rc = simulation_replica_submit(&w->replica[r->replica], &r->j, w->now_ns);
    const int i = r->replica;
    if (rc != OK) end(w, r, rc);
    look(w, i);
}

static void plan_failure(world *w, int i)
{
    const int64_t mtbf_ns = w->in->fleet.mtbf_ns;
    if (mtbf_ns > 0) tell(w, EVENT_FAIL, w->now_ns + (int64_t)((double)mtbf_ns * exponential(w)), i, NULL);
}

static void get_ready(world *w, int i)
{
    set_state(w, i, REPLICA_READY);
    plan_failure(w, i);
}

static void fail_replica(world *w, int i)
{
    job_list done = TAILQ_HEAD_INITIALIZER(done);
    const simulation_fleet *f = &w->in->fleet;
    const bool draining = w->state[i] == REPLICA_DRAINING;
    w->out->failures++;
    w->turn[i]++;
    w->outstanding[i] = 0;
    w->look_ns[i] = INT64_MAX;
    const status rc = simulation_replica_fail(&w->replica[i], w->now_ns, &done, w->err);
    if (w->rc == OK) w->rc = rc;
    complete(w, i, &done);
    set_state(w, i, draining ? REPLICA_OFF : REPLICA_DOWN);
    if (!draining) tell(w, EVENT_READY, w->now_ns + f->mttr_ns + f->start_ns, i, NULL);
}

/* ---- the autoscaler ---- */

static void start_one(world *w)
{
    for (int i = 0; i < w->n; i++) {
        if (w->state[i] != REPLICA_OFF) continue;
        w->turn[i]++;
        set_state(w, i, REPLICA_STARTING);
        tell(w, EVENT_READY, w->now_ns + w->in->fleet.start_ns, i, NULL);
        return;
    }
}

/* One that carries nothing yet, or the last that is ready. */
static void stop_one(world *w)
{
    for (int idle = 1; idle >= 0; idle--) {
        for (int i = w->n - 1; i >= 0; i--) {
            const bool wanted =
                idle ? w->state[i] == REPLICA_STARTING || w->state[i] == REPLICA_DOWN : w->state[i] == REPLICA_READY;
            if (!wanted) continue;
            if (idle) w->turn[i]++;
            set_state(w, i, idle || w->outstanding[i] == 0 ? REPLICA_OFF : REPLICA_DRAINING);
            return;
        }
    }
}

static void scale(world *w)
{
    const simulation_scaler *s = &w->in->fleet.scaler;
    const int ready = count(w, REPLICA_READY), present = ready + count(w, REPLICA_STARTING) + count(w, REPLICA_DOWN);
    const double per_s = (double)w->came_tokens / ((double)SIMULATION_SCALE_NS * 1e-9);
    const double load = per_s / (s->tokens_per_s * (ready ? ready : 1));
    const int wanted = simulation_scale(&w->wishes, s, present, ready ? ready : 1, load);
    for (int n = present; n < wanted; n++) start_one(w);
    for (int n = present; n > wanted; n--) stop_one(w);
    w->out->scalings += wanted != present;
    w->came_tokens = 0;
    if (w->now_ns + SIMULATION_SCALE_NS < w->end_ns) tell(w, EVENT_SCALE, w->now_ns + SIMULATION_SCALE_NS, -1, NULL);
}

static void sample(world *w)
{
    simulation_figures *f = w->out;
    const int64_t step_ns = (w->end_ns - START_NS) / SIMULATION_SAMPLES;
    f->sample[f->n_samples++] = (simulation_sample){w->now_ns - START_NS, count(w, REPLICA_READY),
                                                    count(w, REPLICA_STARTING) + count(w, REPLICA_DOWN),
                                                    (double)w->came / ((double)step_ns * 1e-9)};
    w->came = 0;
    if (f->n_samples < SIMULATION_SAMPLES) tell(w, EVENT_TICK, w->now_ns + step_ns, -1, NULL);
}

/* ---- the loop ---- */

static void arrive(world *w)
{
    const simulation_traffic *t = w->in->traffic;
    const int n = w->next++, b = t->body[n];
    const int32_t *starts = t->starts + t->first[b];
    const int inputs = t->first[b + 1] - t->first[b] - 1;
    const simulation_host *h = &w->in->host;
    w->came++;
    w->came_tokens += starts[inputs];
    w->out->due += t->at_ns[n] >= w->in->from_ns;
    const int i = simulation_balance_pick(w->in->fleet.balance, w->state, w->outstanding, w->n, &w->balance_turn);
    if (i < 0) {
        w->out->unserved += t->at_ns[n] >= w->in->from_ns;
        return;
    }
    request *r = take_request(w);
    if (!r) return;
    r->due_ns = w->now_ns;
    r->replica = i;
    r->turn = w->turn[i];
    r->j.engine = NULL;
    r->j.n = inputs;
    r->j.starts = starts;
    r->j.lane = w->in->lane;
    r->j.deadline_ns = w->in->deadline_ns ? w->now_ns + w->in->deadline_ns : INT64_MAX;
    w->in_hand++;
    w->outstanding[i]++;
    const double cost_ns = h->request_ns + h->per_token_ns * starts[inputs];
    if (cost_ns <= 0) submit(w, r);
    else tell(w, EVENT_SUBMIT, simulation_replica_work(&w->replica[i], w->now_ns, cost_ns), i, r);
}

static void happen(world *w, const simulation_event *e)
{
    request *r = e->request;
    const bool stale = e->replica >= 0 && e->turn != w->turn[e->replica];
    if (stale && r) end(w, r, UNAVAILABLE);
    if (stale) return;
    switch (e->kind) {
    case EVENT_SUBMIT:
        submit(w, r);
        break;
    case EVENT_REPLY:
        end(w, r, OK);
        break;
    case EVENT_LOOK:
        if (w->look_ns[e->replica] != e->at_ns) break;
        w->look_ns[e->replica] = INT64_MAX;
        look(w, e->replica);
        break;
    case EVENT_FAIL:
        fail_replica(w, e->replica);
        break;
    case EVENT_READY:
        get_ready(w, e->replica);
        break;
    case EVENT_TICK:
        sample(w);
        break;
    case EVENT_SCALE:
        scale(w);
        break;
    }
}

static void run(world *w)
{
    const simulation_traffic *t = w->in->traffic;
    while (w->rc == OK && (w->next < t->n || w->in_hand > 0 || w->now_ns < w->end_ns)) {
        const int64_t arrival_ns = w->next < t->n ? START_NS + t->at_ns[w->next] : INT64_MAX;
        const int64_t event_ns = simulation_events_next_ns(&w->events);
        if (event_ns == INT64_MAX && arrival_ns == INT64_MAX) break;
        const int64_t now_ns = event_ns <= arrival_ns ? event_ns : arrival_ns;
        advance(w, now_ns);
        if (event_ns <= arrival_ns) {
            const simulation_event e = simulation_events_take(&w->events);
            happen(w, &e);
        } else {
            arrive(w);
        }
    }
}

static status open_world(world *w, error *err)
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
        if (w->rc == OK && i < f->replicas) get_ready(w, i);
    }
    tell(w, EVENT_TICK, START_NS + (w->end_ns - START_NS) / SIMULATION_SAMPLES, -1, NULL);
    if (scales && START_NS + SIMULATION_SCALE_NS < w->end_ns)
        tell(w, EVENT_SCALE, START_NS + SIMULATION_SCALE_NS, -1, NULL);
    return w->rc;
}

static void sum_up(world *w)
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
    f->counted_s = (double)(w->end_ns - START_NS - w->in->from_ns) * 1e-9;
}

static void close_world(world *w)
{
    for (int i = 0; w->replica && i < w->n; i++) {
        job_list done = TAILQ_HEAD_INITIALIZER(done);
        if (w->replica[i].q && w->rc != OK) queue_abandon(w->replica[i].q, w->rc, w->err, w->now_ns, &done);
        simulation_replica_close(&w->replica[i]);
    }
    for (chunk *c; (c = w->chunks);) {
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

status simulation_run(simulation_figures *out, const simulation_input *in, error *err)
{
    *out = (simulation_figures){0};
    world w = {.in = in, .out = out, .now_ns = START_NS, .accounted_ns = START_NS, .random = in->seed, .err = err};
    w.end_ns = START_NS + in->traffic->duration_ns;
    status rc = open_world(&w, err);
    w.rc = rc;
    if (rc == OK) run(&w);
    rc = w.rc;
    if (rc == OK) sum_up(&w);
    else *out = (simulation_figures){0};
    close_world(&w);
    return rc;
}

void simulation_machine(simulation_input *in, const capacity *c, const capacity_cost *row)
{
    const double kib_per_token = SIMULATION_TOKEN_BYTES / 1024.0, frame_kib = SIMULATION_BODY_BYTES / 1024.0;
    in->service = c->service;
    in->slots = strcmp(c->backend, "cpu") ? 3 : 1;
    in->host.request_ns = (double)c->parse_per_kib.median_ns * frame_kib;
    in->host.per_token_ns =
        (double)c->parse_per_kib.median_ns * kib_per_token + (double)c->tokenize_per_token.median_ns;
    in->host.per_row_ns = (double)row->median_ns;
    in->fleet.start_ns = c->load_ns + c->warm_ns;
}
