/* test_schedule.c - the queue and the policy under traffic, on a virtual clock: streams of requests, devices that take
 * exactly as long as they are told, and every claim checked at every cut and at the end.
 *
 * A world jumps from event to event: a request comes, a client leaves, a device is done, a batch is to be cut late.  An
 * executor holds two batches, one computing and one staged behind it, as the real one does. */
#include <CUnit/CUnit.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "runtime/serve/queue.h"

enum { MS = 1000000, SECOND = 1000000000, STREAMS = 4, EXECUTORS = 4, PARTS = 1024, DEPTH = 2 };

typedef struct {
    double per_s; /* Poisson; 0: the next comes when the last is answered */
    int sequences_least, sequences_most, tokens_least, tokens_most;
    lane lane;
    int64_t deadline_ns;       /* after it came; 0: none */
    double leave;              /* the share of clients that leave within twice the longest wait */
    int64_t from_ns, until_ns; /* comes between */
} stream;

typedef struct {
    job j; /* first: a job is its request */
    const stream *from;
    int64_t leaves_ns;
    int cut; /* sequences */
    int64_t last_cut_ns, done_ns;
    int32_t starts[];
} request;

typedef struct {
    queue_batch b;
    batch_part part[PARTS];
} device_batch;

typedef struct {
    device_batch batch[DEPTH];
    int oldest, n;
    int64_t begun_ns, done_ns;                 /* of the oldest */
    int64_t predicted_ns, staged_predicted_ns; /* ends */
    int64_t busy_ns;
} device;

typedef struct {
    /* set before it runs */
    policy_limits limits;
    double fixed_ns, token_ns; /* t = fixed + token * T, as calibrated */
    double noise, failures;    /* a batch takes up to so much more or less; the share that fails */
    stream stream[STREAMS];
    int n_streams;
    uint64_t seed;
    /* the rest is its own */
    uint64_t random;
    queue *q;
    int64_t now_ns, next_ns[STREAMS];
    device device[EXECUTORS];
    request **all; /* submitted */
    int n, room;
    int64_t last_single[LANES]; /* the submission of the last single sequence that was cut */
    int64_t refused, hopeless, failed_tokens, failed_sequences, cut_tokens;
    const char *fault; /* the first claim that did not hold */
} world;

/* ---- chance ---- */

static uint64_t draw(world *w) /* splitmix64 */
{
    uint64_t z = w->random += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static double chance(world *w) { return (double)(draw(w) >> 11) * 0x1p-53; }

static int between(world *w, int least, int most) { return least + (int)(draw(w) % (uint64_t)(most - least + 1)); }

static int64_t gap_ns(world *w, double per_s)
{
    return per_s > 0 ? 1 + (int64_t)(-log(1 - chance(w)) / per_s * 1e9) : 1;
}

/* ---- the world ---- */

static void claim(world *w, bool holds, const char *what)
{
    if (!holds && !w->fault) w->fault = what;
}

static int64_t truth_ns(const world *w, int tokens) { return (int64_t)(w->fixed_ns + w->token_ns * tokens); }

static void begin(world *w)
{
    error err;
    service_table t = {.n = 3};
    const int tokens[] = {1, 256, 4096};
    for (int i = 0; i < 3; i++) t.row[i] = (service_row){tokens[i], 1, truth_ns(w, tokens[i]), 0};
    w->random = w->seed;
    w->now_ns = SECOND; /* 0 is never */
    if (queue_open(&w->q, w->limits, &t, &err) != OK) abort();
    for (int i = 0; i < w->n_streams; i++)
        w->next_ns[i] = SECOND + w->stream[i].from_ns + gap_ns(w, w->stream[i].per_s);
    for (int i = 0; i < LANES; i++) w->last_single[i] = -1;
}

static void settle_complete(world *w, job_list *complete)
{
    for (job *j; (j = TAILQ_FIRST(complete));) {
        request *r = (request *)j;
        TAILQ_REMOVE(complete, j, entry);
        claim(w, r->done_ns == 0, "a request is complete once");
        claim(w, j->result != OK || r->cut == j->n, "what is answered was computed");
        claim(w, j->result != OK || w->now_ns <= j->deadline_ns, "what is answered is in time");
        r->done_ns = w->now_ns;
        if (r->from->per_s <= 0 && w->now_ns < SECOND + r->from->until_ns)
            w->next_ns[r->from - w->stream] = w->now_ns + 1;
    }
}

static void arrive(world *w, const stream *s)
{
    error err;
    int retry_after_s;
    const int n = between(w, s->sequences_least, s->sequences_most);
    request *r = calloc(1, sizeof *r + (size_t)(n + 1) * sizeof r->starts[0]);
    if (!r) abort();
    for (int i = 0; i < n; i++) r->starts[i + 1] = r->starts[i] + between(w, s->tokens_least, s->tokens_most);
    r->from = s;
    r->j = (job){.n = n, .starts = r->starts, .lane = s->lane, .deadline_ns = INT64_MAX};
    if (s->deadline_ns) r->j.deadline_ns = w->now_ns + (int64_t)((double)s->deadline_ns * (0.2 + chance(w)));
    if (chance(w) < s->leave) r->leaves_ns = w->now_ns + (int64_t)(chance(w) * 2 * (double)w->limits.max_wait_ns);
    const queue_counts before = queue_count(w->q, w->now_ns);
    const status rc = queue_submit(w->q, &r->j, w->now_ns, &retry_after_s, &err);
    claim(w, (rc == OVERLOADED) == (retry_after_s > 0), "who is refused hears when to come back, and only he");
    if (rc != OK) {
        claim(w, rc != OVERLOADED || before.in_hand > 0, "an idle server takes any request");
        *(rc == OVERLOADED ? &w->refused : &w->hopeless) += 1;
        free(r);
        return;
    }
    if (w->n == w->room) {
        w->room = w->room ? 2 * w->room : 1024;
        w->all = realloc(w->all, (size_t)w->room * sizeof(request *));
        if (!w->all) abort();
    }
    w->all[w->n++] = r;
}

/* Every part goes on where its request's last one ended: so nothing is computed twice or left out. */
static void check_part(world *w, const queue_batch *b, const batch_part *p, int64_t begin_ns)
{
    request *r = (request *)p->j;
    claim(w, p->first == r->cut && p->count >= 1 && p->first + p->count <= r->j.n,
          "each sequence is cut once, in order");
    claim(w, r->done_ns == 0, "what is complete is not cut");
    r->cut += p->count;
    r->last_cut_ns = w->now_ns;
    if (r->j.n == 1) {
        claim(w, r->j.submitted_ns >= w->last_single[r->j.lane], "first come, first served within a lane");
        w->last_single[r->j.lane] = r->j.submitted_ns;
    }
    if (w->noise == 0)
        claim(w, begin_ns + b->predicted_ns <= r->j.deadline_ns, "what cannot make its deadline is not computed");
}

static void check_batch(world *w, const device_batch *d, int64_t begin_ns)
{
    const policy_plan plan = queue_plan(w->q);
    int tokens = 0, sequences = 0;
    for (int i = 0; i < d->b.n; i++) {
        const batch_part *p = &d->part[i];
        for (int k = 0; k < i && d->b.n < 64; k++) claim(w, d->part[k].j != p->j, "a request is one part of a batch");
        tokens += p->j->starts[p->first + p->count] - p->j->starts[p->first];
        sequences += p->count;
        check_part(w, &d->b, p, begin_ns);
    }
    w->cut_tokens += tokens;
    claim(w, tokens == d->b.tokens && sequences == d->b.sequences, "a batch is the sum of its parts");
    claim(w, sequences == 1 || tokens <= plan.budget_tokens, "a batch is within the budget");
    claim(w, sequences <= w->limits.batch_sequences && tokens <= w->limits.batch_tokens, "the device has room for it");
}

/* The oldest batch is on the device from now on. */
static void launch(world *w, device *x)
{
    const queue_batch *b = &x->batch[x->oldest].b;
    double ns = (double)truth_ns(w, b->tokens) * (1 + w->noise * (2 * chance(w) - 1));
    x->begun_ns = w->now_ns;
    x->done_ns = w->now_ns + (int64_t)ns;
    x->busy_ns += (int64_t)ns;
    x->predicted_ns = w->now_ns + b->predicted_ns;
}

/* What the executor does at each look at its device; returns when it wants to look again. */
static int64_t look(world *w, int number)
{
    device *x = &w->device[number];
    if (x->n == DEPTH) return x->done_ns;
    const int64_t busy_ns = x->n ? x->predicted_ns : 0;
    queue_set_busy(w->q, number, busy_ns);
    const policy_plan plan = queue_plan(w->q);
    const int64_t cut_ns = policy_cut_ns(&plan, queue_due_tokens(w->q, w->now_ns), busy_ns, w->now_ns);
    if (cut_ns > w->now_ns) return cut_ns < x->done_ns ? cut_ns : x->done_ns;
    job_list complete = TAILQ_HEAD_INITIALIZER(complete);
    device_batch *d = &x->batch[(x->oldest + x->n) % DEPTH];
    int64_t begin_ns = INT64_MAX;
    for (int i = 0; i < w->limits.executors; i++) {
        const device *other = &w->device[i];
        int64_t free_ns = other->n == 0 ? 0 : other->predicted_ns + (other->n > 1 ? other->staged_predicted_ns : 0);
        if (free_ns < begin_ns) begin_ns = free_ns;
    }
    if (begin_ns < w->now_ns) begin_ns = w->now_ns;
    queue_expire(w->q, w->now_ns, &complete);
    settle_complete(w, &complete);
    d->b = queue_cut(w->q, d->part, PARTS, false, w->now_ns);
    if (d->b.n == 0) {
        claim(w, queue_count(w->q, w->now_ns).queued_requests == 0, "a device that is free takes what there is");
        return x->n ? x->done_ns : INT64_MAX;
    }
    check_batch(w, d, begin_ns);
    if (++x->n == 1) launch(w, x);
    else x->staged_predicted_ns = d->b.predicted_ns;
    queue_set_busy(w->q, number, x->predicted_ns + (x->n > 1 ? x->staged_predicted_ns : 0));
    return w->now_ns;
}

static void device_done(world *w, device *x)
{
    device_batch *d = &x->batch[x->oldest];
    job_list complete = TAILQ_HEAD_INITIALIZER(complete);
    error why = {"it failed"};
    const bool failed = chance(w) < w->failures;
    if (failed) {
        w->failed_tokens += d->b.tokens;
        w->failed_sequences += d->b.sequences;
    }
    queue_finish(w->q, d->part, d->b.n, failed ? GPU_FAILED : OK, &why, x->begun_ns, w->now_ns, w->now_ns, &complete);
    queue_learn(w->q, d->b.tokens, d->b.sequences, w->now_ns - x->begun_ns);
    settle_complete(w, &complete);
    x->oldest = (x->oldest + 1) % DEPTH;
    if (--x->n > 0) launch(w, x);
}

static int64_t leave(world *w, int from)
{
    int64_t next_ns = INT64_MAX;
    for (int i = from; i < w->n; i++) {
        request *r = w->all[i];
        if (r->leaves_ns == 0) continue;
        if (r->leaves_ns > w->now_ns) {
            if (r->leaves_ns < next_ns) next_ns = r->leaves_ns;
            continue;
        }
        job_list complete = TAILQ_HEAD_INITIALIZER(complete);
        r->leaves_ns = 0;
        queue_cancel(w->q, &r->j, w->now_ns, &complete); /* it may be complete already */
        settle_complete(w, &complete);
    }
    return next_ns;
}

/* All that happens at now_ns; returns when something happens next. */
static int64_t turn(world *w)
{
    int64_t next_ns = INT64_MAX;
    bool leaving = false;
    for (int i = 0; i < w->limits.executors; i++)
        if (w->device[i].n && w->device[i].done_ns <= w->now_ns) device_done(w, &w->device[i]);
    for (int i = 0; i < w->n_streams; i++) {
        const stream *s = &w->stream[i];
        if (w->next_ns[i] <= w->now_ns) {
            arrive(w, s);
            w->next_ns[i] += gap_ns(w, s->per_s);
            if (s->per_s <= 0 || w->next_ns[i] > SECOND + s->until_ns) w->next_ns[i] = INT64_MAX;
        }
        if (w->next_ns[i] < next_ns) next_ns = w->next_ns[i];
        leaving = leaving || s->leave > 0;
    }
    if (leaving) {
        const int64_t leave_ns = leave(w, 0);
        if (leave_ns < next_ns) next_ns = leave_ns;
    }
    for (int i = 0; i < w->limits.executors; i++) {
        int64_t look_ns;
        while ((look_ns = look(w, i)) <= w->now_ns && w->device[i].done_ns > w->now_ns) continue;
        if (look_ns < next_ns) next_ns = look_ns;
    }
    return next_ns;
}

/* The longest that anything may be queued beyond its last due time.  What is ahead of a request then was admitted
 * before it, or came later and is due earlier; of either no more than the limit of the wait of its lane, and the
 * request that was the last within that limit.  All in batches that may be half full, as the next sequence did not fit;
 * deadlines can make them smaller yet, so there the bound is not claimed. */
static int64_t patience_ns(const world *w)
{
    double largest = 0;
    if (w->noise > 0) return INT64_MAX / 2;
    for (int i = 0; i < w->n_streams; i++) {
        if (w->stream[i].deadline_ns) return INT64_MAX / 2;
        largest = fmax(largest, (double)w->stream[i].sequences_most * w->stream[i].tokens_most);
    }
    const policy_plan p = queue_plan(w->q);
    const int64_t ahead_ns = w->limits.max_wait_ns + (int64_t)(largest * p.ns_per_token);
    return 2 * ahead_ns + 3 * truth_ns(w, p.budget_tokens);
}

/* Until nothing happens any more, then the books. */
static void run(world *w)
{
    begin(w);
    for (int64_t next_ns; (next_ns = turn(w)) != INT64_MAX; w->now_ns = next_ns > w->now_ns ? next_ns : w->now_ns)
        continue;
    const queue_counts c = queue_count(w->q, w->now_ns);
    int64_t tokens = 0, sequences = 0;
    for (int i = 0; i < w->n; i++) {
        const request *r = w->all[i];
        tokens += r->starts[r->j.n];
        sequences += r->j.n;
        claim(w, r->done_ns > 0, "every request is answered");
        claim(w, r->cut == 0 || r->last_cut_ns <= r->j.last_due_ns + patience_ns(w), "nobody starves");
    }
    claim(w, c.in_hand == 0 && c.queued_requests == 0 && c.queued_tokens == 0 && c.queued_sequences == 0,
          "all is done");
    claim(w, c.submitted == w->n && c.overloaded == w->refused && c.hopeless == w->hopeless, "requests are counted");
    claim(w, c.submitted == c.answered + c.expired + c.cancelled + c.failed, "no request is lost");
    claim(w, tokens == c.tokens + c.saved_tokens + w->failed_tokens, "no token is lost");
    claim(w, sequences == c.sequences + c.saved_sequences + w->failed_sequences, "no sequence is lost");
    claim(w, w->cut_tokens == c.tokens + w->failed_tokens, "what was cut was finished");
    claim(w, c.in_hand_ns == c.sojourn_ns, "Little's law");
    if (w->fault) printf("\n    seed %llu: not so: %s\n", (unsigned long long)w->seed, w->fault);
    CU_ASSERT_PTR_NULL(w->fault);
}

static void end(world *w)
{
    for (int i = 0; i < w->n; i++) free(w->all[i]);
    free(w->all);
    queue_free(w->q);
    free(w);
}

/* ---- what is measured ---- */

static int64_t wait_ns(const request *r) { return r->j.begun_ns - r->j.submitted_ns; }

static int64_t latency_ns(const request *r) { return r->done_ns - r->j.submitted_ns; }

static int by_value(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* Of those that a stream's answered requests measure, the q-th. */
static int64_t quantile(const world *w, int of, int64_t (*measure)(const request *), double q)
{
    int64_t *v = malloc((size_t)(w->n + 1) * sizeof *v), found = 0;
    int n = 0;
    if (!v) abort();
    for (int i = 0; i < w->n; i++)
        if (w->all[i]->from == &w->stream[of] && w->all[i]->j.result == OK) v[n++] = measure(w->all[i]);
    qsort(v, (size_t)n, sizeof *v, by_value);
    if (n) found = v[(int)(q * (n - 1))];
    free(v);
    return found;
}

static const policy_limits usual = {.objective_ns = 100 * MS,
                                    .max_wait_ns = 50 * MS,
                                    .batch_tokens = 16384,
                                    .batch_sequences = 256,
                                    .longest = 512,
                                    .executors = 1,
                                    .max_requests = 4096};

static world *make(double fixed_ns, double token_ns, uint64_t seed)
{
    world *w = calloc(1, sizeof *w);
    if (!w) abort();
    w->limits = usual;
    w->fixed_ns = fixed_ns;
    w->token_ns = token_ns;
    w->seed = seed;
    return w;
}

static void add(world *w, stream s) { w->stream[w->n_streams++] = s; }

/* ---- claims ---- */

static world *any_world(uint64_t seed)
{
    world *w = make(0, 0, seed);
    w->random = seed ^ 0x5eed;
    w->fixed_ns = 1e4 * pow(100, chance(w));
    w->token_ns = 20 * pow(500, chance(w));
    w->limits.executors = between(w, 1, EXECUTORS);
    w->limits.longest = between(w, 32, 512);
    w->limits.batch_tokens = w->limits.longest + between(w, 0, 8000);
    w->limits.batch_sequences = between(w, 1, 256);
    w->limits.objective_ns = between(w, 1, 200) * (int64_t)MS;
    w->limits.max_wait_ns = between(w, 1, 200) * (int64_t)MS;
    w->limits.max_requests = between(w, 1, 400);
    w->noise = between(w, 0, 1) * 0.3 * chance(w);
    w->failures = between(w, 0, 3) ? 0 : 0.1;
    const double tokens_per_s = 1e9 / w->token_ns * w->limits.executors;
    const int streams = between(w, 1, STREAMS);
    for (int i = 0; i < streams; i++) {
        const int most = between(w, 0, 1) ? 1 : between(w, 2, 60);
        stream s = {.sequences_least = 1, .sequences_most = most, .tokens_least = 1};
        s.tokens_most = between(w, 1, w->limits.longest);
        s.per_s = tokens_per_s * pow(10, 1.5 * chance(w) - 1) / streams / (0.25 * (most + 1) * (s.tokens_most + 1));
        s.lane = between(w, 0, 2) ? LANE_INTERACTIVE : LANE_BULK;
        s.deadline_ns = between(w, 0, 1) ? 0 : between(w, 1, 300) * (int64_t)MS;
        s.leave = between(w, 0, 2) ? 0 : 0.3;
        s.until_ns = (int64_t)(60 / s.per_s * 1e9);
        add(w, s);
    }
    return w;
}

static void random_schedules_keep_every_promise(void)
{
    queue_counts sum = {0};
    for (uint64_t seed = 1; seed <= 400; seed++) {
        world *w = any_world(seed);
        run(w);
        const queue_counts c = queue_count(w->q, w->now_ns);
        sum.answered += c.answered;
        sum.overloaded += c.overloaded;
        sum.hopeless += c.hopeless;
        sum.expired += c.expired;
        sum.cancelled += c.cancelled;
        sum.failed += c.failed;
        for (int i = 0; i < TRIGGERS; i++) sum.batches[i] += c.batches[i];
        end(w);
    }
    CU_ASSERT_TRUE(sum.answered > 10000 && sum.overloaded > 1000 && sum.hopeless > 100); /* all of it happened */
    CU_ASSERT_TRUE(sum.expired > 100 && sum.cancelled > 100 && sum.failed > 100);
    CU_ASSERT_TRUE(sum.batches[TRIGGER_IDLE] > 100 && sum.batches[TRIGGER_FULL] > 100);
    CU_ASSERT_TRUE(sum.batches[TRIGGER_DEADLINE] > 100);
}

static stream queries(double per_s, int64_t until_ns)
{
    return (stream){.per_s = per_s,
                    .sequences_least = 1,
                    .sequences_most = 1,
                    .tokens_least = 10,
                    .tokens_most = 40,
                    .until_ns = until_ns};
}

static stream arrays(double per_s, int64_t until_ns)
{
    stream s = queries(per_s, until_ns);
    s.sequences_least = s.sequences_most = 1000;
    return s;
}

/* p99 of queries at a load, of what the device can do one by one; beside one array after the other, or alone. */
static int64_t query_p99_ns(double fixed_ns, double token_ns, double load, int n_arrays)
{
    const double own_ns = fixed_ns + 25 * token_ns;
    const int64_t until_ns = (int64_t)(4000 * own_ns / load);
    world *w = make(fixed_ns, token_ns, 7);
    add(w, queries(load / own_ns * 1e9, until_ns));
    if (n_arrays) add(w, arrays(0, until_ns));
    run(w);
    const int64_t p99_ns = quantile(w, 0, latency_ns, 0.99);
    end(w);
    return p99_ns;
}

static void arrays_leave_room_for_queries(void)
{
    static const double fixed_ns[] = {1e4, 1e5, 1e6, 1e5}, token_ns[] = {2e4, 1e4, 1e3, 1e2};
    for (int i = 0; i < 4; i++)
        for (double load = 0.2; load < 0.55; load += 0.1) {
            const int64_t alone_ns = query_p99_ns(fixed_ns[i], token_ns[i], load, 0);
            const int64_t beside_ns = query_p99_ns(fixed_ns[i], token_ns[i], load, 1);
            CU_ASSERT_TRUE(beside_ns <= 2 * alone_ns);
        }
}

/* A device with t = 1 ms + 10 us * T: a budget of 4,900 tokens in 50 ms. */
static world *loaded(double load, uint64_t seed, int64_t until_ns)
{
    world *w = make(1e6, 1e4, seed);
    add(w, queries(load * 1e5 / 25, until_ns));
    return w;
}

static double busy_share(const world *w, int64_t until_ns)
{
    return (double)w->device[0].busy_ns / (double)(until_ns < w->now_ns - SECOND ? w->now_ns - SECOND : until_ns);
}

/* Open loop, 2 and 10 times of what the device can do. */
static void overload_costs_nobody_but_those_refused(void)
{
    for (double load = 2; load < 11; load *= 5)
        for (int noisy = 0; noisy < 2; noisy++) {
            const int64_t until_ns = 5ll * SECOND;
            world *w = loaded(load, 3, until_ns);
            w->noise = 0.2 * noisy;
            run(w);
            const int64_t p99_ns = quantile(w, 0, wait_ns, 0.99),
                          batch_ns = truth_ns(w, queue_plan(w->q).budget_tokens);
            const queue_counts c = queue_count(w->q, w->now_ns);
            const double saturation = queue_plan(w->q).budget_tokens / (double)batch_ns * 1e9;
            CU_ASSERT_TRUE(p99_ns <= w->limits.max_wait_ns + 2 * batch_ns);
            CU_ASSERT_TRUE((double)c.tokens / ((double)(w->now_ns - SECOND) * 1e-9) >= 0.95 * saturation);
            CU_ASSERT_TRUE(busy_share(w, until_ns) > 0.99);
            CU_ASSERT_TRUE((double)w->refused > (1 - 1.1 / load) * (double)(w->refused + w->n));
            end(w);
        }
}

static void more_load_means_no_less_wait(void)
{
    int64_t before[2] = {0, 0};
    for (double load = 0.1; load < 1.15; load += 0.1) {
        world *w = loaded(load, 11, 4ll * SECOND);
        run(w);
        for (int i = 0; i < 2; i++) {
            const int64_t wait = quantile(w, 0, wait_ns, i ? 0.99 : 0.5);
            CU_ASSERT_TRUE((double)wait >= 0.9 * (double)before[i]);
            before[i] = wait;
        }
        end(w);
    }
    CU_ASSERT_TRUE(before[1] > 10 * MS);
}

/* Queries alone fill the device one and a half times; the bulk lane gets its share all the same, as it ages. */
static void neither_lane_starves(void)
{
    world *w = loaded(1.5, 5, 8ll * SECOND);
    stream bulk = queries(400, 8ll * SECOND);
    bulk.lane = LANE_BULK;
    add(w, bulk);
    run(w);
    const int64_t most_ns = w->limits.max_wait_ns + 3 * truth_ns(w, queue_plan(w->q).budget_tokens);
    int answered[2] = {0, 0};
    for (int i = 0; i < w->n; i++) {
        const request *r = w->all[i];
        const int of = r->from == &w->stream[1];
        answered[of] += r->j.result == OK;
        CU_ASSERT_TRUE(wait_ns(r) <= most_ns + of * (int64_t)POLICY_BULK_PATIENCE_NS);
    }
    CU_ASSERT_TRUE(answered[0] > 10000);
    CU_ASSERT_TRUE(answered[1] > 1000);
    end(w);
}

static void the_bulk_lane_gives_way_for_its_patience(void)
{
    world *w = loaded(0.3, 5, 4ll * SECOND);
    stream bulk = arrays(0, 4ll * SECOND);
    bulk.lane = LANE_BULK;
    add(w, bulk);
    run(w);
    CU_ASSERT_TRUE(quantile(w, 0, wait_ns, 0.99) < 10 * MS);
    CU_ASSERT_TRUE(busy_share(w, 4ll * SECOND) > 0.99); /* and nothing is wasted */
    end(w);
}

/* Each part is checked to follow the last one of its request, so nothing is computed twice. */
static void devices_pull_from_one_queue(void)
{
    double alone = 0;
    for (int n = 1; n <= EXECUTORS; n++) {
        world *w = loaded(10, 9, 2ll * SECOND);
        w->limits.executors = n;
        run(w);
        const double tokens_per_ns = (double)queue_count(w->q, w->now_ns).tokens / (double)(w->now_ns - SECOND);
        const int64_t batch_ns = truth_ns(w, queue_plan(w->q).budget_tokens);
        if (n == 1) alone = tokens_per_ns;
        CU_ASSERT_TRUE(tokens_per_ns > 0.93 * n * alone);
        CU_ASSERT_TRUE(quantile(w, 0, wait_ns, 0.99) <= w->limits.max_wait_ns + 2 * batch_ns);
        end(w);
    }
}

/* The second batch is there when the first ends, and not cut before it has to be. */
static void a_busy_device_gets_its_next_batch_in_time(void)
{
    world *w = loaded(0.6, 13, 2ll * SECOND);
    int late = 0;
    run(w);
    for (int i = 0; i < w->n; i++) late += w->all[i]->j.begun_ns - w->all[i]->j.cut_ns > POLICY_LEAD_NS;
    CU_ASSERT_EQUAL(late, 0);
    CU_ASSERT_TRUE(busy_share(w, 2ll * SECOND) > 0.9);
    end(w);
}

static void what_cannot_be_in_time_is_not_computed(void)
{
    world *w = loaded(1.3, 17, 4ll * SECOND);
    w->limits.max_wait_ns = SECOND;
    w->stream[0].deadline_ns = 80 * MS;
    stream batches = queries(200, 4ll * SECOND);
    batches.sequences_most = 20;
    add(w, batches);
    run(w); /* claims it at every cut */
    const queue_counts c = queue_count(w->q, w->now_ns);
    CU_ASSERT_TRUE(c.expired > 0);
    CU_ASSERT_TRUE(c.hopeless + c.overloaded > 0);
    CU_ASSERT_TRUE(c.batches[TRIGGER_DEADLINE] > 0);
    CU_ASSERT_TRUE(c.saved_tokens > 0);
    end(w);
}

void schedule_suite(CU_pSuite s)
{
    CU_add_test(s, "random schedules keep every promise", random_schedules_keep_every_promise);
    CU_add_test(s, "arrays of 1,000 texts leave queries a p99 within twice of what it is alone",
                arrays_leave_room_for_queries);
    CU_add_test(s, "overload: accepted p99 <= max-wait + 2 batches, goodput >= 95 % of saturation",
                overload_costs_nobody_but_those_refused);
    CU_add_test(s, "more load means no less wait", more_load_means_no_less_wait);
    CU_add_test(s, "neither lane starves", neither_lane_starves);
    CU_add_test(s, "the bulk lane gives way for its patience", the_bulk_lane_gives_way_for_its_patience);
    CU_add_test(s, "several devices pull from one queue", devices_pull_from_one_queue);
    CU_add_test(s, "a busy device gets its next batch in time, and late", a_busy_device_gets_its_next_batch_in_time);
    CU_add_test(s, "what cannot be in time is not computed", what_cannot_be_in_time_is_not_computed);
}
