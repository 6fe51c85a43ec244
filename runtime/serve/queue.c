/* queue.c - two binary heaps of what is queued, sized at open, and a list of all that is in hand.
 *
 * An entry of the due heap holds what a forecast needs, so that admission reads one array and no request.
 * The deadline heap is ordered by the latest start: the deadline less the time that devices need for what is uncut, as
 * it was when the entry was made.  As the request's batches are cut the true one moves on, so an entry whose time has
 * come is looked at again, and dropped only if it is hopeless now. */
#include "queue.h"
#include <assert.h>
#include <stddef.h>
#include <stdlib.h>

typedef struct {
    int64_t key;              /* due heap: of the next sequence; deadline heap: the latest start */
    int64_t order;            /* of submission, among equal keys */
    int64_t last_due, tokens; /* due heap: of the last sequence; uncut */
    job *j;
} entry;
typedef struct {
    entry *at; /* [max_requests]; none is before its parent */
    int n;
    size_t place; /* of a job's int that says where it is */
} heap;

struct queue {
    policy_limits limits;
    policy_plan plan;
    service_model service;
    heap due, deadline;
    job_list list; /* in hand, in the order of submission */
    queue_counts counts;
    int64_t last_ns;        /* until then counts.in_hand_ns is summed up */
    int64_t latest_due_ns;  /* nothing queued is due later */
    int64_t last_query_ns;  /* submission of the last that was due when it came */
    int64_t *busy_until_ns; /* [executors] */
};

/* ---- heaps ---- */

static int *place(const heap *h, job *j) { return (int *)(void *)((char *)j + h->place); }

static bool before(const entry *a, const entry *b) { return a->key != b->key ? a->key < b->key : a->order < b->order; }

static void put(heap *h, int i, entry e)
{
    h->at[i] = e;
    *place(h, e.j) = i;
}

/* Finds e its place from i on, where there is a hole. */
static void settle(heap *h, int i, entry e)
{
    for (int up; i > 0 && before(&e, &h->at[up = (i - 1) / 2]); i = up) put(h, i, h->at[up]);
    for (int down; (down = 2 * i + 1) < h->n; i = down) {
        if (down + 1 < h->n && before(&h->at[down + 1], &h->at[down])) down++;
        if (!before(&h->at[down], &e)) break;
        put(h, i, h->at[down]);
    }
    put(h, i, e);
}

static void heap_add(heap *h, entry e) { settle(h, h->n++, e); }

static void heap_remove(heap *h, job *j)
{
    const int i = *place(h, j);
    if (i < 0) return;
    *place(h, j) = -1;
    if (i < --h->n) settle(h, i, h->at[h->n]);
}

/* ---- open and close ---- */

static status check_limits(const policy_limits *l, error *err)
{
    if (l->longest < 1 || l->batch_tokens < l->longest || l->batch_sequences < 1)
        return fail(err, BAD_INPUT,
                    "batches of %d tokens in %d sequences, the longest of %d: the longest must be 1 or more and fit",
                    l->batch_tokens, l->batch_sequences, l->longest);
    if (l->objective_ns < 1 || l->max_wait_ns < 1 || l->executors < 1 || l->max_requests < 1)
        return fail(err, BAD_INPUT,
                    "objective of %lld ns, wait of %lld ns, %d executors, %d requests: each must be at least 1",
                    (long long)l->objective_ns, (long long)l->max_wait_ns, l->executors, l->max_requests);
    return OK;
}

status queue_open(queue **out, policy_limits limits, const service_table *seed, error *err)
{
    *out = NULL;
    status rc = check_limits(&limits, err);
    if (rc == OK) rc = service_check(seed, err);
    if (rc != OK) return rc;
    queue *q = calloc(1, sizeof *q);
    if (!q) return fail(err, NO_MEMORY, "no memory for the queue");
    q->limits = limits;
    q->last_query_ns = -POLICY_QUIET_NS;
    service_seed(&q->service, seed);
    q->plan = policy_plan_make(&q->limits, &q->service);
    TAILQ_INIT(&q->list);
    const size_t n = (size_t)limits.max_requests;
    q->due = (heap){.at = malloc(n * sizeof(entry)), .place = offsetof(job, due_at)};
    q->deadline = (heap){.at = malloc(n * sizeof(entry)), .place = offsetof(job, deadline_at)};
    q->busy_until_ns = calloc((size_t)limits.executors, sizeof *q->busy_until_ns);
    if (q->due.at && q->deadline.at && q->busy_until_ns) {
        *out = q;
        return OK;
    }
    queue_free(q);
    return fail(err, NO_MEMORY, "no memory for a queue of %d requests", limits.max_requests);
}

void queue_free(queue *q)
{
    if (!q) return;
    assert(TAILQ_EMPTY(&q->list) && q->due.n == 0 && q->deadline.n == 0);
    free(q->due.at);
    free(q->deadline.at);
    free(q->busy_until_ns);
    free(q);
}

/* ---- forecasts ---- */

static int64_t tokens_of(const job *j, int first, int count) { return j->starts[first + count] - j->starts[first]; }

/* When the next batch can begin, at the earliest. */
static int64_t begin_ns(const queue *q, int64_t now_ns)
{
    int64_t earliest = q->busy_until_ns[0];
    for (int i = 1; i < q->limits.executors; i++)
        if (q->busy_until_ns[i] < earliest) earliest = q->busy_until_ns[i];
    return earliest > now_ns ? earliest : now_ns;
}

/* Of all devices together, in full batches. */
static int64_t flow_ns(const queue *q, int64_t tokens)
{
    return (int64_t)((double)tokens * q->plan.ns_per_token / q->limits.executors);
}

/* What is uncut of j with nothing else to do: in one batch, or in full ones over all devices. */
static int64_t own_ns(const queue *q, const job *j)
{
    const int64_t tokens = tokens_of(j, j->taken, j->n - j->taken), most = q->plan.budget_tokens;
    if (tokens <= most) return service_predict_ns(&q->service, (int)tokens, j->n - j->taken);
    return flow_ns(q, tokens > most * q->limits.executors ? tokens : most * q->limits.executors);
}

/* Queued tokens that are due by then.  Within a request the due time rises with the tokens, so between its first and
 * last they are taken in proportion. */
static int64_t due_by(const queue *q, int64_t ns)
{
    int64_t sum = 0;
    if (ns >= q->latest_due_ns) return q->counts.queued_tokens;
    for (int i = 0; i < q->due.n; i++) {
        const entry *e = &q->due.at[i];
        if (e->last_due <= ns) sum += e->tokens;
        else if (e->key <= ns)
            sum += (int64_t)((double)e->tokens * (double)(ns - e->key) / (double)(e->last_due - e->key));
    }
    return sum;
}

static int64_t wait_ns(const queue *q, int64_t due_ns, int64_t now_ns)
{
    return begin_ns(q, now_ns) - now_ns + flow_ns(q, due_by(q, due_ns));
}

int64_t queue_due_tokens(const queue *q, int64_t now_ns) { return due_by(q, now_ns); }

int64_t queue_wait_ns(const queue *q, int64_t now_ns) { return wait_ns(q, now_ns, now_ns); }

/* ---- in and out ---- */

static void advance(queue *q, int64_t now_ns)
{
    assert(now_ns >= q->last_ns);
    q->counts.in_hand_ns += q->counts.in_hand * (now_ns - q->last_ns);
    q->last_ns = now_ns;
}

static int64_t due_ns(const job *j, int sequence)
{
    if (sequence == 0) return j->first_due_ns;
    const double share = (double)j->starts[sequence] / (double)j->starts[j->n - 1];
    return j->first_due_ns + (int64_t)((double)(j->last_due_ns - j->first_due_ns) * share);
}

static entry due_entry(job *j, int64_t order)
{
    return (entry){due_ns(j, j->taken), order, j->last_due_ns, tokens_of(j, j->taken, j->n - j->taken), j};
}

static entry deadline_entry(const queue *q, job *j, int64_t order)
{
    return (entry){.key = j->deadline_ns - own_ns(q, j), .order = order, .j = j};
}

static void complete(queue *q, job *j, int64_t now_ns, job_list *done)
{
    if (j->result == OK) q->counts.answered++;
    else if (j->result == EXPIRED) q->counts.expired++;
    else if (j->result == CANCELLED) q->counts.cancelled++;
    else q->counts.failed++;
    q->counts.in_hand--;
    q->counts.sojourn_ns += now_ns - j->submitted_ns;
    TAILQ_REMOVE(&q->list, j, entry);
    TAILQ_INSERT_TAIL(done, j, entry);
}

static void unqueue(queue *q, job *j)
{
    heap_remove(&q->due, j);
    heap_remove(&q->deadline, j);
    q->counts.queued_requests--;
}

/* What is uncut of j is never computed. */
static void drop(queue *q, job *j)
{
    const int count = j->n - j->taken;
    if (count == 0) return;
    const int64_t tokens = tokens_of(j, j->taken, count);
    q->counts.queued_sequences -= count;
    q->counts.queued_tokens -= tokens;
    q->counts.saved_sequences += count;
    q->counts.saved_tokens += tokens;
    j->finished += count;
    j->taken = j->n;
    unqueue(q, j);
}

static status check_job(const queue *q, const job *j, error *err)
{
    if (j->n < 1) return fail(err, BAD_INPUT, "a request of %d sequences, at least 1 is needed", j->n);
    for (int i = 0; i < j->n; i++)
        if (tokens_of(j, i, 1) < 1 || tokens_of(j, i, 1) > q->limits.batch_tokens)
            return fail(err, BAD_INPUT, "sequence %d has %lld tokens, 1 to %d are possible", i,
                        (long long)tokens_of(j, i, 1), q->limits.batch_tokens);
    return OK;
}

static status admit(queue *q, job *j, int64_t now_ns, int *retry_after_s, error *err)
{
    const int64_t own = own_ns(q, j), limit = policy_wait_limit_ns(&q->limits, j->lane, own, j->deadline_ns, now_ns);
    j->wait_ns = wait_ns(q, j->last_due_ns, now_ns);
    switch (policy_admits(&q->limits, j->lane, j->wait_ns, own, j->deadline_ns, now_ns)) {
    case POLICY_HOPELESS:
        q->counts.hopeless++;
        return fail(err, EXPIRED, "%.1f ms are left to the deadline, the request alone takes %.1f ms",
                    (double)(j->deadline_ns - now_ns) * 1e-6, (double)own * 1e-6);
    case POLICY_OVERLOADED:
        q->counts.overloaded++;
        *retry_after_s = policy_retry_after_s(j->wait_ns, limit);
        return fail(err, OVERLOADED, "the wait would be %.1f ms, the limit is %.1f ms", (double)j->wait_ns * 1e-6,
                    (double)limit * 1e-6);
    case POLICY_ADMIT:
        break;
    }
    if (q->due.n < q->limits.max_requests) return OK;
    q->counts.overloaded++;
    *retry_after_s = policy_retry_after_s(j->wait_ns, 0);
    return fail(err, OVERLOADED, "%d requests are queued, no more can be", q->due.n);
}

status queue_submit(queue *q, job *j, int64_t now_ns, int *retry_after_s, error *err)
{
    *retry_after_s = 0;
    status rc = check_job(q, j, err);
    if (rc != OK) return rc;
    advance(q, now_ns);
    j->taken = j->finished = 0;
    j->first_due_ns = policy_due_ns(&q->plan, j->lane, now_ns, 0);
    j->last_due_ns = policy_due_ns(&q->plan, j->lane, now_ns, j->starts[j->n - 1]);
    rc = admit(q, j, now_ns, retry_after_s, err);
    if (rc != OK) return rc;
    j->submitted_ns = now_ns;
    j->cut_ns = j->begun_ns = j->computed_ns = j->device_ns = 0;
    j->result = OK;
    j->deadline_at = -1;
    TAILQ_INSERT_TAIL(&q->list, j, entry);
    q->counts.in_hand++;
    const int64_t order = q->counts.submitted++;
    if (q->due.n == 0 || j->last_due_ns > q->latest_due_ns) q->latest_due_ns = j->last_due_ns;
    if (j->last_due_ns == now_ns) q->last_query_ns = now_ns;
    heap_add(&q->due, due_entry(j, order));
    if (j->deadline_ns != INT64_MAX) heap_add(&q->deadline, deadline_entry(q, j, order));
    q->counts.queued_requests++;
    q->counts.queued_sequences += j->n;
    q->counts.queued_tokens += j->starts[j->n];
    return OK;
}

/* ---- what ends without a device ---- */

static void drop_whole(queue *q, job *j, int64_t now_ns, job_list *done)
{
    drop(q, j);
    if (j->finished == j->n) complete(q, j, now_ns, done); /* else with its last part */
}

void queue_expire(queue *q, int64_t now_ns, job_list *done)
{
    const int64_t begin = begin_ns(q, now_ns);
    advance(q, now_ns);
    while (q->deadline.n > 0 && q->deadline.at[0].key < begin) {
        job *j = q->deadline.at[0].j;
        const int64_t own = own_ns(q, j);
        if (!policy_hopeless(own, j->deadline_ns, begin)) { /* its key becomes begin or later */
            settle(&q->deadline, 0, deadline_entry(q, j, q->deadline.at[0].order));
            continue;
        }
        j->result = fail(&j->why, EXPIRED, "%.1f ms are left to the deadline, the request takes %.1f ms",
                         (double)(j->deadline_ns - begin) * 1e-6, (double)own * 1e-6);
        drop_whole(q, j, now_ns, done);
    }
}

void queue_cancel(queue *q, job *j, int64_t now_ns, job_list *done)
{
    advance(q, now_ns);
    if (j->finished == j->n) return;
    if (j->result == OK) j->result = fail(&j->why, CANCELLED, "the client has left");
    drop_whole(q, j, now_ns, done);
}

void queue_abandon(queue *q, status why, const error *err, int64_t now_ns, job_list *done)
{
    advance(q, now_ns);
    for (job *j; (j = TAILQ_FIRST(&q->list));) {
        if (j->result == OK) {
            j->result = why;
            j->why = *err;
        }
        drop(q, j);
        complete(q, j, now_ns, done);
    }
}

/* ---- batches ---- */

/* Takes the next sequence of the first in the due heap. */
static void take(queue *q, queue_batch *b, batch_part *parts, int64_t now_ns)
{
    job *j = q->due.at[0].j;
    const int i = j->taken++, tokens = (int)tokens_of(j, i, 1);
    if (i == 0) j->cut_ns = now_ns;
    if (i > 0 && j->part < b->n && parts[j->part].j == j) {
        parts[j->part].count++;
    } else {
        j->part = b->n++;
        parts[j->part] = (batch_part){j, i, 1};
    }
    b->sequences++;
    b->tokens += tokens;
    q->counts.queued_sequences--;
    q->counts.queued_tokens -= tokens;
    if (j->taken == j->n) unqueue(q, j);
    else settle(&q->due, 0, due_entry(j, q->due.at[0].order));
}

queue_batch queue_cut(queue *q, batch_part *parts, int cap, bool draining, int64_t now_ns)
{
    queue_batch b = {.trigger = TRIGGER_IDLE};
    const int64_t begin = begin_ns(q, now_ns);
    policy_batch open = {.first_deadline_ns = INT64_MAX,
                         .ahead_tokens = policy_ahead_tokens(&q->plan, q->last_query_ns, now_ns)};
    advance(q, now_ns);
    while (q->due.n > 0) {
        const job *j = q->due.at[0].j;
        if (b.n > 0 && j->engine != b.engine) { /* waits for the next batch: this one is of another version */
            b.trigger = TRIGGER_FULL;
            break;
        }
        const policy_sequence next = {(int)tokens_of(j, j->taken, 1), q->due.at[0].key, j->deadline_ns};
        if (!policy_joins(&q->limits, &q->plan, &q->service, &open, &next, begin, &b.trigger)) break;
        if (b.n == cap) {
            b.trigger = TRIGGER_FULL;
            break;
        }
        b.engine = j->engine;
        if (j->deadline_ns < open.first_deadline_ns) open.first_deadline_ns = j->deadline_ns;
        take(q, &b, parts, now_ns);
        open.tokens = b.tokens;
        open.sequences = b.sequences;
    }
    if (b.n == 0) return b;
    if (draining) b.trigger = TRIGGER_DRAIN;
    b.predicted_ns = service_predict_ns(&q->service, b.tokens, b.sequences);
    q->counts.batches[b.trigger]++;
    return b;
}

/* The first failure of a request stays. */
static void note_result(job *j, status result, const error *err, int64_t now_ns)
{
    if (j->result != OK) return;
    j->result = result;
    if (result != OK) j->why = *err;
    else if (j->deadline_ns < now_ns)
        j->result = fail(&j->why, EXPIRED, "the deadline passed %.1f ms ago", (double)(now_ns - j->deadline_ns) * 1e-6);
}

void queue_finish(queue *q, const batch_part *parts, int n, status result, const error *err, int64_t begun_ns,
                  int64_t computed_ns, int64_t now_ns, job_list *done)
{
    advance(q, now_ns);
    for (int i = 0; i < n; i++) {
        const batch_part p = parts[i];
        job *j = p.j;
        if (p.first == 0) j->begun_ns = begun_ns;
        if (computed_ns > j->computed_ns) j->computed_ns = computed_ns; /* several devices end in any order */
        j->device_ns += computed_ns - begun_ns;
        if (result == OK) {
            q->counts.sequences += p.count;
            q->counts.tokens += tokens_of(j, p.first, p.count);
        }
        j->finished += p.count;
        note_result(j, result, err, now_ns);
        if (j->result != OK) drop(q, j);
        if (j->finished == j->n) complete(q, j, now_ns, done);
    }
}

void queue_learn(queue *q, int tokens, int sequences, int64_t took_ns)
{
    service_learn(&q->service, tokens, sequences, took_ns);
    q->plan = policy_plan_make(&q->limits, &q->service);
}

status queue_set_service(queue *q, int longest, const service_model *service, error *err)
{
    policy_limits limits = q->limits;
    limits.longest = longest;
    status rc = check_limits(&limits, err);
    if (rc == OK) rc = service_check(&service->table, err);
    if (rc != OK) return rc;
    q->limits = limits;
    q->service = *service;
    q->plan = policy_plan_make(&q->limits, &q->service);
    return OK;
}

void queue_set_busy(queue *q, int executor, int64_t until_ns)
{
    assert(executor >= 0 && executor < q->limits.executors);
    q->busy_until_ns[executor] = until_ns;
}

policy_plan queue_plan(const queue *q) { return q->plan; }

const service_model *queue_service(const queue *q) { return &q->service; }

queue_counts queue_count(const queue *q, int64_t now_ns)
{
    queue_counts c = q->counts;
    const job *j = TAILQ_FIRST(&q->list);
    while (j && j->taken == j->n) j = TAILQ_NEXT(j, entry);
    if (j) c.oldest_ns = j->submitted_ns;
    c.in_hand_ns += c.in_hand * (now_ns - q->last_ns);
    return c;
}
