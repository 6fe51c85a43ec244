/* simulation.c - the loop: the next arrival or the next event, whichever is sooner; a time's events before its
 * arrivals.
 *
 * A replica's `turn` counts its lives.  Whatever was on its way to it, in it or from it when it failed is of an earlier
 * turn, and fails when its event comes.  A look at a replica that was superseded is known by its time. */
#include "simulation.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "simulation_world.h"

const char *const simulation_stage_names[SIMULATION_STAGES] = {"host: parse, tokenize", "queue", "device",
                                                               "host: serialize"};
/* ---- requests ---- */

static bool counts(const simulation_world *w, const simulation_request *r)
{
    return r->due_ns - SIMULATION_START_NS >= w->in->from_ns;
}

static void note_stage(simulation_figures *f, simulation_stage stage, int64_t ns)
{
    load_latency_record(&f->stage[stage], ns);
    f->stage_ns[stage] += (double)ns;
}

static void note_answer(simulation_world *w, const simulation_request *r)
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
static void end(simulation_world *w, simulation_request *r, status what)
{
    const int i = r->replica;
    w->in_hand--;
    w->out->sojourn_ns += (double)(w->now_ns - r->due_ns);
    if (r->turn == w->turn[i] && --w->outstanding[i] == 0 && w->state[i] == REPLICA_DRAINING)
        simulation_world_set(w, i, REPLICA_OFF);
    if (counts(w, r)) {
        if (what == OK) note_answer(w, r);
        else if (what == OVERLOADED) w->out->overloaded++;
        else if (what == EXPIRED) w->out->late++;
        else w->out->failed++;
    }
    simulation_world_release(w, r);
}

/* ---- replicas ---- */

static void complete(simulation_world *w, int i, job_list *done)
{
    for (job *j; (j = TAILQ_FIRST(done));) {
        simulation_request *r = (simulation_request *)j;
        TAILQ_REMOVE(done, j, entry);
        const double cost_ns = w->in->host.per_row_ns * j->n;
        if (j->result != OK) end(w, r, j->result);
        else if (cost_ns <= 0) end(w, r, OK);
        else simulation_world_tell(w, EVENT_REPLY, simulation_replica_work(&w->replica[i], w->now_ns, cost_ns), i, r);
    }
}

static void look(simulation_world *w, int i)
{
    job_list done = TAILQ_HEAD_INITIALIZER(done);
    const int64_t next_ns = simulation_replica_turn(&w->replica[i], w->now_ns, &done);
    if (next_ns != w->look_ns[i]) {
        w->look_ns[i] = next_ns;
        if (next_ns < INT64_MAX) simulation_world_tell(w, EVENT_LOOK, next_ns, i, NULL);
    }
    complete(w, i, &done);
}

static void submit(simulation_world *w, simulation_request *r)
{
    const status rc = simulation_replica_submit(&w->replica[r->replica], &r->j, w->now_ns);
    const int i = r->replica;
    if (rc != OK) end(w, r, rc);
    look(w, i);
}

static void plan_failure(simulation_world *w, int i)
{
    const int64_t mtbf_ns = w->in->fleet.mtbf_ns;
    if (mtbf_ns > 0)
        simulation_world_tell(w, EVENT_FAIL, w->now_ns + (int64_t)((double)mtbf_ns * simulation_world_exponential(w)),
                              i, NULL);
}

static void get_ready(simulation_world *w, int i)
{
    simulation_world_set(w, i, REPLICA_READY);
    plan_failure(w, i);
}

static void fail_replica(simulation_world *w, int i)
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
    simulation_world_set(w, i, draining ? REPLICA_OFF : REPLICA_DOWN);
    if (!draining) simulation_world_tell(w, EVENT_READY, w->now_ns + f->mttr_ns + f->start_ns, i, NULL);
}

/* ---- the autoscaler ---- */

static void start_one(simulation_world *w)
{
    for (int i = 0; i < w->n; i++) {
        if (w->state[i] != REPLICA_OFF) continue;
        w->turn[i]++;
        simulation_world_set(w, i, REPLICA_STARTING);
        simulation_world_tell(w, EVENT_READY, w->now_ns + w->in->fleet.start_ns, i, NULL);
        return;
    }
}

/* One that carries nothing yet, or the last that is ready. */
static void stop_one(simulation_world *w)
{
    for (int idle = 1; idle >= 0; idle--) {
        for (int i = w->n - 1; i >= 0; i--) {
            const bool wanted =
                idle ? w->state[i] == REPLICA_STARTING || w->state[i] == REPLICA_DOWN : w->state[i] == REPLICA_READY;
            if (!wanted) continue;
            if (idle) w->turn[i]++;
            simulation_world_set(w, i, idle || w->outstanding[i] == 0 ? REPLICA_OFF : REPLICA_DRAINING);
            return;
        }
    }
}

static void plan_scale(simulation_world *w)
{
    const int64_t at_ns = w->now_ns + SIMULATION_SCALE_NS;
    if (at_ns < w->end_ns) simulation_world_tell(w, EVENT_SCALE, at_ns, -1, NULL);
}

static void scale(simulation_world *w)
{
    const simulation_scaler *s = &w->in->fleet.scaler;
    const int ready = simulation_world_count(w, REPLICA_READY),
              present = ready + simulation_world_count(w, REPLICA_STARTING) + simulation_world_count(w, REPLICA_DOWN);
    const double per_s = (double)w->came_tokens / ((double)SIMULATION_SCALE_NS * 1e-9);
    const double load = per_s / (s->tokens_per_s * (ready ? ready : 1));
    const int wanted = simulation_scale(&w->wishes, s, present, ready ? ready : 1, load);
    for (int n = present; n < wanted; n++) start_one(w);
    for (int n = present; n > wanted; n--) stop_one(w);
    w->out->scalings += wanted != present;
    w->came_tokens = 0;
    plan_scale(w);
}

static void sample(simulation_world *w)
{
    simulation_figures *f = w->out;
    const int64_t step_ns = (w->end_ns - SIMULATION_START_NS) / SIMULATION_SAMPLES;
    f->sample[f->n_samples++] =
        (simulation_sample){w->now_ns - SIMULATION_START_NS, simulation_world_count(w, REPLICA_READY),
                            simulation_world_count(w, REPLICA_STARTING) + simulation_world_count(w, REPLICA_DOWN),
                            (double)w->came / ((double)step_ns * 1e-9)};
    w->came = 0;
    if (f->n_samples < SIMULATION_SAMPLES) simulation_world_tell(w, EVENT_TICK, w->now_ns + step_ns, -1, NULL);
}

/* ---- the loop ---- */

static void arrive(simulation_world *w)
{
    const simulation_traffic *t = w->in->traffic;
    const int n = w->next++, inputs = t->inputs;
    const int32_t *starts = t->starts + (ptrdiff_t)t->body[n] * (inputs + 1);
    const simulation_host *h = &w->in->host;
    w->came++;
    w->came_tokens += starts[inputs];
    w->out->due += t->at_ns[n] >= w->in->from_ns;
    const int i = simulation_balance_pick(w->in->fleet.balance, w->state, w->outstanding, w->n, &w->balance_turn);
    if (i < 0) {
        w->out->unserved += t->at_ns[n] >= w->in->from_ns;
        return;
    }
    simulation_request *r = simulation_world_request(w);
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
    else simulation_world_tell(w, EVENT_SUBMIT, simulation_replica_work(&w->replica[i], w->now_ns, cost_ns), i, r);
}

static void happen(simulation_world *w, const simulation_event *e)
{
    simulation_request *r = e->request;
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

static void run(simulation_world *w)
{
    const simulation_traffic *t = w->in->traffic;
    while (w->rc == OK && (w->next < t->n || w->in_hand > 0 || w->now_ns < w->end_ns)) {
        const int64_t arrival_ns = w->next < t->n ? SIMULATION_START_NS + t->at_ns[w->next] : INT64_MAX;
        const int64_t event_ns = simulation_events_next_ns(&w->events);
        if (event_ns == INT64_MAX && arrival_ns == INT64_MAX) break;
        const int64_t now_ns = event_ns <= arrival_ns ? event_ns : arrival_ns;
        simulation_world_advance(w, now_ns);
        if (event_ns <= arrival_ns) {
            const simulation_event e = simulation_events_take(&w->events);
            happen(w, &e);
        } else {
            arrive(w);
        }
    }
}

/* What there is at the start, and what comes by the clock. */
static void start(simulation_world *w)
{
    const simulation_fleet *f = &w->in->fleet;
    const int64_t step_ns = w->in->traffic->duration_ns / SIMULATION_SAMPLES;
    for (int i = 0; i < f->replicas; i++) get_ready(w, i);
    simulation_world_tell(w, EVENT_TICK, w->now_ns + step_ns, -1, NULL);
    if (f->scaler.target > 0) plan_scale(w);
}

status simulation_run(simulation_figures *out, const simulation_input *in, error *err)
{
    simulation_world w;
    status rc = simulation_world_open(&w, out, in, err);
    if (rc != OK) return rc;
    start(&w);
    run(&w);
    rc = w.rc;
    if (rc == OK) simulation_world_sum_up(&w);
    else *out = (simulation_figures){0};
    simulation_world_close(&w);
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
