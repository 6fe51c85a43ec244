#include "simulation_replica.h"
#include <math.h>
#include <stdlib.h>

/* ---- chance ---- */

static double chance(simulation_replica *r) /* splitmix64 */
{
    uint64_t z = r->random += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return (double)((z ^ z >> 31) >> 11) * 0x1p-53;
}

/* Of a log-normal time the quartiles are median * exp(+-0.6745 sigma), so (q3 - q1) / median = 2 sinh(0.6745 sigma). */
static double sigma_of(const service_row *row)
{
    return asinh((double)row->spread_ns / (2 * (double)row->median_ns)) / 0.67448975;
}

/* With the spread of the row whose tokens are nearest. */
static double spread_factor(simulation_replica *r, int tokens)
{
    const service_table *t = &r->truth.table;
    int near = 0;
    while (near + 1 < t->n && tokens - t->row[near].tokens > t->row[near + 1].tokens - tokens) near++;
    if (t->row[near].spread_ns == 0) return 1;
    const double normal = sqrt(-2 * log1p(-chance(r))) * cos(6.283185307179586 * chance(r));
    return exp(sigma_of(&t->row[near]) * normal);
}

/* ---- open and close ---- */

void simulation_replica_close(simulation_replica *r)
{
    queue_free(r->q);
    for (int i = 0; i < 2; i++) free(r->batch[i].parts);
    free(r->thread_free_ns);
    *r = (simulation_replica){0};
}

status simulation_replica_open(simulation_replica *r, const simulation_input *in, int number, error *err)
{
    const int cap = in->limits.batch_sequences;
    *r = (simulation_replica){.limits = in->limits, .slots = in->slots, .cap = cap, .threads = in->host.threads};
    r->random = (in->seed + 1) * 0xd1342543de82ef95u + (uint64_t)number * 0xaf251af3b0f025b5u;
    for (int i = 0; i < LANES; i++) r->last_single_ns[i] = -1;
    status rc = queue_open(&r->q, in->limits, &in->service, err);
    if (rc != OK) return rc;
    service_seed(&r->truth, &in->service);
    for (int i = 0; i < 2; i++) r->batch[i].parts = malloc((size_t)cap * sizeof *r->batch[i].parts);
    r->thread_free_ns = calloc((size_t)r->threads, sizeof *r->thread_free_ns);
    if (r->batch[0].parts && r->batch[1].parts && r->thread_free_ns) return OK;
    simulation_replica_close(r);
    return fail(err, NO_MEMORY, "no memory for replica %d", number);
}

/* ---- the host ---- */

int64_t simulation_replica_work(simulation_replica *r, int64_t now_ns, double cost_ns)
{
    int first = 0;
    for (int i = 1; i < r->threads; i++)
        if (r->thread_free_ns[i] < r->thread_free_ns[first]) first = i;
    const int64_t begin_ns = r->thread_free_ns[first] > now_ns ? r->thread_free_ns[first] : now_ns;
    r->host_ns += (int64_t)cost_ns;
    return r->thread_free_ns[first] = begin_ns + (int64_t)cost_ns;
}

/* ---- the device ---- */

/* The claim that a free device takes what there is, watched from outside of what decides it. */
static void watch(simulation_replica *r, int64_t now_ns)
{
    if (r->starved) r->idle_queued_ns += now_ns - r->last_ns;
    r->last_ns = now_ns;
}

status simulation_replica_submit(simulation_replica *r, job *j, int64_t now_ns)
{
    int retry_after_s;
    error unused;
    watch(r, now_ns);
    return queue_submit(r->q, j, now_ns, &retry_after_s, &unused);
}

/* The oldest batch begins. */
static void launch(simulation_replica *r, int64_t now_ns)
{
    const queue_batch *b = &r->batch[r->oldest].b;
    const double calibrated_ns = (double)service_calibrated_ns(&r->truth, b->tokens, b->sequences);
    const int64_t took_ns = (int64_t)(calibrated_ns * spread_factor(r, b->tokens));
    r->begun_ns = now_ns;
    r->done_ns = now_ns + (took_ns > 0 ? took_ns : 1);
    r->predicted_ns = now_ns + b->predicted_ns;
    r->device_ns += r->done_ns - now_ns;
}

static void note_cut(simulation_replica *r, const simulation_batch *cut)
{
    const queue_batch *b = &cut->b;
    const policy_plan plan = queue_plan(r->q);
    int octave = 0;
    while (octave < SIMULATION_OCTAVES - 1 && b->sequences >> (octave + 1)) octave++;
    r->batches++;
    r->batch_octaves[octave]++;
    r->trigger[b->trigger]++;
    r->sequences += b->sequences;
    r->tokens += b->tokens;
    if (b->tokens > r->largest_tokens) r->largest_tokens = b->tokens;
    if (b->sequences > r->largest_sequences) r->largest_sequences = b->sequences;
    if (plan.budget_tokens > r->budget_tokens) r->budget_tokens = plan.budget_tokens;
    for (int i = 0; i < b->n; i++) {
        const job *j = cut->parts[i].j;
        if (j->n > 1) continue;
        if (j->submitted_ns < r->last_single_ns[j->lane]) r->overtaken++;
        r->last_single_ns[j->lane] = j->submitted_ns;
    }
}

static void finish(simulation_replica *r, int64_t now_ns, job_list *complete)
{
    const simulation_batch *s = &r->batch[r->oldest];
    error unused;
    r->oldest = 1 - r->oldest;
    if (--r->n == 0) queue_set_busy(r->q, 0, 0);
    queue_finish(r->q, s->parts, s->b.n, OK, &unused, r->begun_ns, now_ns, now_ns, complete);
    queue_learn(r->q, s->b.tokens, s->b.sequences, now_ns - r->begun_ns);
    if (r->n > 0) launch(r, now_ns);
}

/* What the executor does at each look with room for another batch; returns when it looks again. */
static int64_t look(simulation_replica *r, int64_t now_ns, job_list *complete)
{
    const int64_t busy_ns = r->n ? r->predicted_ns : 0;
    queue_set_busy(r->q, 0, busy_ns);
    const policy_plan plan = queue_plan(r->q);
    const int64_t cut_ns = policy_cut_ns(&plan, queue_due_tokens(r->q, now_ns), busy_ns, now_ns);
    if (cut_ns > now_ns) return cut_ns < r->done_ns ? cut_ns : r->done_ns;
    simulation_batch *s = &r->batch[r->n ? 1 - r->oldest : r->oldest];
    queue_expire(r->q, now_ns, complete);
    s->b = queue_cut(r->q, s->parts, r->cap, false, now_ns);
    if (s->b.n == 0) return r->n ? r->done_ns : INT64_MAX;
    note_cut(r, s);
    if (++r->n == 1) launch(r, now_ns);
    const int64_t begin_ns = busy_ns > now_ns ? busy_ns : now_ns; /* what runs may be overdue */
    queue_set_busy(r->q, 0, begin_ns + s->b.predicted_ns);
    return now_ns;
}

int64_t simulation_replica_turn(simulation_replica *r, int64_t now_ns, job_list *complete)
{
    watch(r, now_ns);
    if (r->n > 0 && r->done_ns <= now_ns) finish(r, now_ns, complete);
    int64_t next_ns = now_ns;
    while (next_ns == now_ns) next_ns = r->n < (r->slots > 1 ? 2 : 1) ? look(r, now_ns, complete) : r->done_ns;
    r->starved = r->n == 0 && queue_due_tokens(r->q, INT64_MAX) > 0;
    return next_ns;
}

status simulation_replica_fail(simulation_replica *r, int64_t now_ns, job_list *complete, error *err)
{
    error why;
    const status rc = fail(&why, UNAVAILABLE, "the replica failed");
    watch(r, now_ns);
    queue_abandon(r->q, rc, &why, now_ns, complete);
    queue_free(r->q);
    r->q = NULL;
    if (r->n > 0) r->device_ns -= r->done_ns - now_ns;
    r->n = 0;
    r->starved = false;
    for (int i = 0; i < r->threads; i++) r->thread_free_ns[i] = now_ns;
    return queue_open(&r->q, r->limits, &r->truth.table, err);
}
