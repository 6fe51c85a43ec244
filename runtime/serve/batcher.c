/* batcher.c - the requests in hand, in the order of their arrival, under one mutex; and the arithmetic of parts.
 *
 *     list:  [taken whole] [taken whole] ... [head: perhaps partly cut] [queued] [queued] ...
 *
 * A request is in the list from submit() to the moment before done().  Only the head, the first that has something
 * uncut, can be partly cut: a batch takes sequences in arrival order and ends at the first that does not fit, so what
 * comes later never overtakes.  A request is complete when finished == n; sequences that will never be computed (the
 * client left, or an earlier part failed) count as finished when the request is dropped: one comparison decides.
 *
 * done() may free its job, so complete requests are first collected under the lock and called after it. */
#include "batcher.h"
#include "runtime/base/clock.h"
#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

typedef TAILQ_HEAD(, job) job_list;

struct batcher {
    policy_limits   limits;
    atomic_bool     waiting; /* head is there; written under the lock, relaxed: a late look is repeated at once */
    pthread_mutex_t lock;    /* guards everything below */
    pthread_cond_t  work;    /* the queue is no longer empty, or closed */
    job_list        list;
    job            *head;    /* in the list; NULL: nothing is queued */
    bool            closed;
    status          refusal; /* of submits when closed */
    error           why;
    policy_state    state;
    batcher_counts  counts;
    int64_t         running_since_ns;
    double busy_tokens, busy_s; /* lately: both fade alike, so that their ratio is the speed of recent batches */
    bool            has_executor;
    pthread_t       executor; /* whoever took first; see assert_executor_locked() */
};

/* Of the past, what a new batch leaves in the measured speed: about the last ten batches count. */
static const double FADE = 0.9;

static int sequence_tokens(const job *j, int i) { return j->starts[i + 1] - j->starts[i]; }

static int64_t tokens_of(const job *j, int first, int count) { return j->starts[first + count] - j->starts[first]; }

static void assert_executor_locked(batcher *b)
{
    if (!b->has_executor) b->executor = pthread_self();
    b->has_executor = true;
    assert(pthread_equal(b->executor, pthread_self()));
}

status batcher_open(batcher **out, policy_limits limits, error *err)
{
    *out = NULL;
    if (limits.budget_tokens < 1 || limits.budget_sequences < 1 || limits.max_queued_tokens < 1)
        return fail(err, BAD_INPUT, "batch of %d tokens in %d sequences, queue of %d tokens: each must be at least 1",
                    limits.budget_tokens, limits.budget_sequences, limits.max_queued_tokens);
    batcher *b = calloc(1, sizeof *b);
    if (!b) return fail(err, NO_MEMORY, "no memory for the queue");
    b->limits = limits;
    TAILQ_INIT(&b->list);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes); /* none of these can fail on Linux */
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_mutex_init(&b->lock, NULL);
    pthread_cond_init(&b->work, &attributes);
    pthread_condattr_destroy(&attributes);
    *out = b;
    return OK;
}

void batcher_free(batcher *b)
{
    if (!b) return;
    assert(TAILQ_EMPTY(&b->list) && b->state.running_tokens == 0);
    pthread_cond_destroy(&b->work);
    pthread_mutex_destroy(&b->lock);
    free(b);
}

/* What no batch could ever hold must not enter: it would stand at the head for ever. */
static status check_job(const batcher *b, const job *j, error *err)
{
    if (j->n < 1) return fail(err, BAD_INPUT, "a request of %d sequences, at least 1 is needed", j->n);
    for (int i = 0; i < j->n; i++)
        if (sequence_tokens(j, i) < 1 || sequence_tokens(j, i) > b->limits.budget_tokens)
            return fail(err, BAD_INPUT, "sequence %d has %d tokens, a batch holds 1 to %d", i, sequence_tokens(j, i),
                        b->limits.budget_tokens);
    return OK;
}

static void set_head_locked(batcher *b, job *j)
{
    b->head = j;
    atomic_store_explicit(&b->waiting, j != NULL, memory_order_relaxed);
}

status batcher_submit(batcher *b, job *j, int *retry_after_s, error *err)
{
    status rc = check_job(b, j, err);
    *retry_after_s = 0;
    if (rc != OK) return rc;
    int64_t tokens = tokens_of(j, 0, j->n);

    pthread_mutex_lock(&b->lock);
    if (b->closed) {
        *err = b->why;
        rc = b->refusal;
    } else if (!policy_admits(&b->limits, &b->state, tokens)) {
        b->counts.refused++;
        *retry_after_s = policy_retry_after_s(&b->state, b->busy_s > 0 ? b->busy_tokens / b->busy_s : 0);
        rc = fail(err, OVERLOADED, "%lld tokens are queued, %lld more would pass the bound of %d",
                  (long long)b->state.queued_tokens, (long long)tokens, b->limits.max_queued_tokens);
    } else {
        j->taken = j->finished = 0;
        j->result = OK;
        j->cut_ns = j->computed_ns = 0;
        j->submitted_ns = clock_ns();
        TAILQ_INSERT_TAIL(&b->list, j, entry);
        if (!b->head) set_head_locked(b, j);
        b->state.queued_tokens += tokens;
        b->counts.submitted++;
        pthread_cond_signal(&b->work);
    }
    pthread_mutex_unlock(&b->lock);
    return rc;
}

/* The request leaves our hands: counted before done(), so that who sees the answer sees the count. */
static void complete_locked(batcher *b, job *j, job_list *complete)
{
    if (j->result == OK) b->counts.answered++;
    else if (j->result == CANCELLED) b->counts.cancelled++;
    else b->counts.failed++;
    TAILQ_REMOVE(&b->list, j, entry);
    TAILQ_INSERT_TAIL(complete, j, entry);
}

static void call_done(job_list *complete)
{
    for (job *j; (j = TAILQ_FIRST(complete));) {
        TAILQ_REMOVE(complete, j, entry); /* done() may free j */
        j->done(j, j->result, &j->why);
    }
}

/* What of the head is not yet cut is never computed. */
static void drop_head_locked(batcher *b)
{
    job *j = b->head;
    b->state.queued_tokens -= tokens_of(j, j->taken, j->n - j->taken);
    j->finished += j->n - j->taken;
    j->taken = j->n;
    set_head_locked(b, TAILQ_NEXT(j, entry));
}

static void drop_gone_head_locked(batcher *b, job_list *complete)
{
    job *j = b->head;
    b->counts.saved_sequences += j->n - j->taken;
    if (j->result == OK) j->result = fail(&j->why, CANCELLED, "the client has left");
    drop_head_locked(b);
    if (j->finished == j->n) complete_locked(b, j, complete); /* else with its last part */
}

/* Takes from the front while there is room; gone requests fall out on the way. */
static int cut_locked(batcher *b, batch_part *parts, int cap, job_list *complete)
{
    int n = 0, sequences = 0;
    int tokens = 0; /* <= budget_tokens: submit() refuses longer sequences */
    while (b->head && n < cap) {
        job *j = b->head;
        if (atomic_load_explicit(&j->gone, memory_order_relaxed)) { /* order: see `gone` in the header */
            drop_gone_head_locked(b, complete);
            continue;
        }
        int first = j->taken;
        while (j->taken < j->n && policy_fits(&b->limits, tokens, sequences, sequence_tokens(j, j->taken))) {
            tokens += sequence_tokens(j, j->taken++);
            sequences++;
        }
        if (j->taken == first) break;
        if (first == 0) j->cut_ns = clock_ns();
        parts[n++] = (batch_part){j, first, j->taken - first};
        if (j->taken < j->n) break;
        set_head_locked(b, TAILQ_NEXT(j, entry));
    }
    b->state.queued_tokens -= tokens;
    if (n > 0 && b->state.running_tokens == 0) b->running_since_ns = clock_ns();
    b->state.running_tokens += tokens;
    return n;
}

/* One look at the queue; false when only the departed were there. */
static bool cut_once_locked(batcher *b, batch_part *parts, int cap, int *n, job_list *complete)
{
    *n = cut_locked(b, parts, cap, complete);
    return *n > 0 || (b->closed && !b->head);
}

static bool wait_locked(batcher *b, int64_t until_ns)
{
    const struct timespec until = {.tv_sec = until_ns / 1000000000, .tv_nsec = until_ns % 1000000000};
    if (until_ns == INT64_MAX) return !pthread_cond_wait(&b->work, &b->lock);
    return !pthread_cond_timedwait(&b->work, &b->lock, &until);
}

int batcher_take(batcher *b, batch_part *parts, int cap, int64_t until_ns)
{
    for (bool found = false, late = false;;) {
        int      n = 0;
        job_list complete = TAILQ_HEAD_INITIALIZER(complete);
        pthread_mutex_lock(&b->lock);
        assert_executor_locked(b);
        while (!b->head && !b->closed && !late) late = !wait_locked(b, until_ns);
        found = cut_once_locked(b, parts, cap, &n, &complete);
        pthread_mutex_unlock(&b->lock);
        call_done(&complete);
        if (found) return n;
        if (late) return BATCHER_LATE;
    }
}

int batcher_try_take(batcher *b, batch_part *parts, int cap)
{
    int      n = 0;
    job_list complete = TAILQ_HEAD_INITIALIZER(complete);
    if (!atomic_load_explicit(&b->waiting, memory_order_relaxed)) return 0;
    pthread_mutex_lock(&b->lock);
    assert_executor_locked(b);
    cut_once_locked(b, parts, cap, &n, &complete);
    pthread_mutex_unlock(&b->lock);
    call_done(&complete);
    return n;
}

static void measure_locked(batcher *b, int64_t tokens, int64_t now_ns)
{
    b->busy_tokens = FADE * b->busy_tokens + (double)tokens;
    b->busy_s = FADE * b->busy_s + (double)(now_ns - b->running_since_ns) * 1e-9;
}

void batcher_finish(batcher *b, const batch_part *parts, int n, status result, const error *err)
{
    job_list complete = TAILQ_HEAD_INITIALIZER(complete);
    int64_t  tokens = 0, now_ns = clock_ns();
    pthread_mutex_lock(&b->lock);
    assert_executor_locked(b);
    for (int i = 0; i < n; i++) {
        job *j = parts[i].j;
        tokens += tokens_of(j, parts[i].first, parts[i].count);
        j->computed_ns = now_ns;
        if (result != OK && j->result == OK) { /* the first failure stays */
            j->result = result;
            j->why = *err;
        }
        j->finished += parts[i].count;
        if (result == OK) b->counts.sequences += parts[i].count;
        if (j->result != OK && j->taken < j->n) drop_head_locked(b); /* nobody wants the rest; partly cut is the head */
        if (j->finished == j->n) complete_locked(b, j, &complete);
    }
    b->state.running_tokens -= tokens;
    if (result == OK) {
        b->counts.tokens += tokens;
        b->counts.batches++;
        measure_locked(b, tokens, now_ns);
    }
    b->running_since_ns = now_ns; /* of the next batch, where one is taken already */
    pthread_mutex_unlock(&b->lock);
    call_done(&complete);
}

static void close_locked(batcher *b)
{
    b->closed = true;
    pthread_cond_broadcast(&b->work);
}

void batcher_close(batcher *b)
{
    pthread_mutex_lock(&b->lock);
    if (!b->closed) b->refusal = fail(&b->why, UNAVAILABLE, "the server is stopping and takes no more requests");
    close_locked(b);
    pthread_mutex_unlock(&b->lock);
}

void batcher_abandon(batcher *b, status why, const error *err)
{
    job_list complete = TAILQ_HEAD_INITIALIZER(complete);
    pthread_mutex_lock(&b->lock);
    b->refusal = why;
    b->why = *err;
    for (job *j; (j = TAILQ_FIRST(&b->list));) {
        if (j->result == OK) {
            j->result = why;
            j->why = *err;
        }
        complete_locked(b, j, &complete);
    }
    set_head_locked(b, NULL);
    b->state = (policy_state){0};
    close_locked(b);
    pthread_mutex_unlock(&b->lock);
    call_done(&complete);
}

batcher_counts batcher_count(batcher *b)
{
    pthread_mutex_lock(&b->lock);
    batcher_counts counts = b->counts;
    counts.queued_tokens = b->state.queued_tokens;
    pthread_mutex_unlock(&b->lock);
    return counts;
}
