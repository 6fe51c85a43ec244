/* batcher.c - a singly linked FIFO under one mutex, and the arithmetic of parts.
 *
 * Only the head of the queue can be partly cut: a batch takes sequences in arrival order and ends at the first that
 * does not fit, so what comes later never overtakes.  A request is complete when finished == n; sequences that will
 * never be computed (the client left, or an earlier part failed) count as finished when the request is dropped, so
 * that one comparison decides.
 *
 * done() may free its job, so complete requests are first collected under the lock and called after it. */
#include "batcher.h"
#include "runtime/base/clock.h"
#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

struct batcher {
    policy_limits   limits;
    pthread_mutex_t lock; /* guards everything below */
    pthread_cond_t  work; /* the queue is no longer empty, or closed */
    job            *head, **tail;
    bool            closed;
    policy_state    state;
    batcher_counts  counts;
    int64_t         running_since_ns;
    double busy_tokens, busy_s; /* lately: both fade alike, so that their ratio is the speed of recent batches */
    bool            has_executor;
    pthread_t       executor; /* whoever took first; see assert_executor_locked() */
};

typedef struct { job *first, **end; } job_list; /* complete, waiting for done() outside the lock */

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
    b->tail = &b->head;
    pthread_mutex_init(&b->lock, NULL); /* neither can fail with default attributes on Linux */
    pthread_cond_init(&b->work, NULL);
    *out = b;
    return OK;
}

void batcher_free(batcher *b)
{
    if (!b) return;
    assert(!b->head && b->state.running_tokens == 0);
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

status batcher_submit(batcher *b, job *j, int *retry_after_s, error *err)
{
    status rc = check_job(b, j, err);
    *retry_after_s = 0;
    if (rc != OK) return rc;
    int64_t tokens = tokens_of(j, 0, j->n);

    pthread_mutex_lock(&b->lock);
    if (b->closed) {
        rc = fail(err, UNAVAILABLE, "the server is stopping and takes no more requests");
    } else if (!policy_admits(&b->limits, &b->state, tokens)) {
        b->counts.refused++;
        *retry_after_s = policy_retry_after_s(&b->state, b->busy_s > 0 ? b->busy_tokens / b->busy_s : 0);
        rc = fail(err, OVERLOADED, "%lld tokens are queued, %lld more would pass the bound of %d",
                  (long long)b->state.queued_tokens, (long long)tokens, b->limits.max_queued_tokens);
    } else {
        j->taken = j->finished = 0;
        j->result = OK;
        j->next = NULL;
        j->cut_ns = j->computed_ns = 0;
        j->submitted_ns = clock_ns();
        *b->tail = j;
        b->tail = &j->next;
        b->state.queued_tokens += tokens;
        b->counts.submitted++;
        pthread_cond_signal(&b->work);
    }
    pthread_mutex_unlock(&b->lock);
    return rc;
}

static void unlink_head_locked(batcher *b)
{
    b->head = b->head->next;
    if (!b->head) b->tail = &b->head;
}

/* The request leaves our hands: counted before done(), so that who sees the answer sees the count. */
static void complete_locked(batcher *b, job *j, job_list *complete)
{
    if (j->result == OK) b->counts.answered++;
    else if (j->result == CANCELLED) b->counts.cancelled++;
    else b->counts.failed++;
    j->next = NULL;
    *complete->end = j;
    complete->end = &j->next;
}

static void call_done(job *j)
{
    for (job *next; j; j = next) {
        next = j->next; /* done() may free j */
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
    unlink_head_locked(b);
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
        unlink_head_locked(b);
    }
    b->state.queued_tokens -= tokens;
    if (n > 0 && b->state.running_tokens == 0) b->running_since_ns = clock_ns();
    b->state.running_tokens += tokens;
    return n;
}

int batcher_take(batcher *b, batch_part *parts, int cap)
{
    for (;;) {
        job_list complete = {.end = &complete.first};
        pthread_mutex_lock(&b->lock);
        assert_executor_locked(b);
        while (!b->head && !b->closed) pthread_cond_wait(&b->work, &b->lock);
        int  n = cut_locked(b, parts, cap, &complete);
        bool ended = b->closed && !b->head;
        pthread_mutex_unlock(&b->lock);
        call_done(complete.first);
        if (n > 0 || ended) return n; /* else all that was there had gone */
    }
}

static void measure_locked(batcher *b, int64_t tokens, int64_t now_ns)
{
    b->busy_tokens = FADE * b->busy_tokens + (double)tokens;
    b->busy_s = FADE * b->busy_s + (double)(now_ns - b->running_since_ns) * 1e-9;
    b->running_since_ns = now_ns;
}

void batcher_finish(batcher *b, const batch_part *parts, int n, status result, const error *err)
{
    job_list complete = {.end = &complete.first};
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
    pthread_mutex_unlock(&b->lock);
    call_done(complete.first);
}

void batcher_close(batcher *b)
{
    pthread_mutex_lock(&b->lock);
    b->closed = true;
    pthread_cond_broadcast(&b->work);
    pthread_mutex_unlock(&b->lock);
}

batcher_counts batcher_count(batcher *b)
{
    pthread_mutex_lock(&b->lock);
    batcher_counts counts = b->counts;
    counts.queued_tokens = b->state.queued_tokens;
    pthread_mutex_unlock(&b->lock);
    return counts;
}
