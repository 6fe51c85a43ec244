/* batcher.c - one mutex around queue.h, one condition for idle executors, and the clock, read under the lock so that
 * the queue's time never goes back.
 *
 * done() may free its job, so complete requests are first collected under the lock and called after it.
 *
 * An executor whose device is busy asks again and again whether the next batch should be cut.  Most of these looks take
 * no lock: they ask policy_cut_ns() with what the executor knows of the plan since its last locked look, and with a
 * hint of the due tokens: those that were due at anybody's last locked look, and all that were submitted since.  That
 * is too much where a request is due later, which costs one locked look; it is too little where time alone has made
 * something due, which is seen when the running batch is about to end, and then nothing was lost: a batch that is full
 * before then only waits on the device instead. */
#include "batcher.h"
#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include "runtime/base/clock.h"
#include "runtime/base/flight.h"

/* What the batcher keeps for an executor; its thread's alone. */
typedef struct {
    bool taken;
    pthread_t thread;      /* whoever took first */
    policy_plan plan;      /* of its last locked look */
    int64_t busy_until_ns; /* as the queue was told */
} seat;

struct batcher {
    /* Written under the lock and read without it, relaxed: they only say whether to take the lock, and who looks too
     * early looks again. */
    atomic_bool waiting; /* something is queued */
    _Atomic int64_t due_tokens;
    pthread_mutex_t lock; /* guards the queue and what follows */
    pthread_cond_t work;  /* something is queued that nobody was woken for, or closed */
    queue *queue;
    bool closed;
    const struct engine *served; /* what the times are of; NULL: of whatever comes */
    status refusal; /* of submits when closed */
    error why;
    int executors;
    seat seats[];
};

status batcher_open(batcher **out, policy_limits limits, const service_table *seed, error *err)
{
    queue *q;
    *out = NULL;
    status rc = queue_open(&q, limits, seed, err);
    if (rc != OK) return rc;
    batcher *b = calloc(1, sizeof *b + (size_t)limits.executors * sizeof *b->seats);
    if (!b) {
        queue_free(q);
        return fail(err, NO_MEMORY, "no memory for the queue");
    }
    b->queue = q;
    b->executors = limits.executors;
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes); /* none of these can fail on Linux */
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_mutex_init(&b->lock, NULL);
    pthread_cond_init(&b->work, &attributes);
    pthread_condattr_destroy(&attributes);
    for (int i = 0; i < b->executors; i++) b->seats[i].plan = queue_plan(q);
    *out = b;
    return OK;
}

void batcher_free(batcher *b)
{
    if (!b) return;
    queue_free(b->queue);
    pthread_cond_destroy(&b->work);
    pthread_mutex_destroy(&b->lock);
    free(b);
}

/* ---- in ---- */

status batcher_submit(batcher *b, job *j, int *retry_after_s, error *err)
{
    status rc;
    *retry_after_s = 0;
    pthread_mutex_lock(&b->lock);
    if (b->closed) {
        *err = b->why;
        rc = b->refusal;
    } else {
        rc = queue_submit(b->queue, j, clock_ns(), retry_after_s, err);
    }
    if (rc == OK) {
        atomic_store_explicit(&b->waiting, true, memory_order_relaxed);
        atomic_fetch_add_explicit(&b->due_tokens, j->starts[j->n], memory_order_relaxed);
        pthread_cond_signal(&b->work);
    }
    pthread_mutex_unlock(&b->lock);
    return rc;
}

/* ---- out ---- */

static void hand_back(job_list *complete, int64_t now_ns)
{
    for (job *j; (j = TAILQ_FIRST(complete));) {
        TAILQ_REMOVE(complete, j, entry); /* done() may free j */
        if (j->cut_ns == 0)               /* no device saw it */
            flight_note(now_ns, FLIGHT_DROP, (uint32_t)j->result, (uint64_t)(now_ns - j->submitted_ns) / 1000,
                        (uint64_t)j->starts[j->n]);
        j->done(j, j->result, &j->why);
    }
}

void batcher_cancel(batcher *b, job *j)
{
    job_list complete = TAILQ_HEAD_INITIALIZER(complete);
    pthread_mutex_lock(&b->lock);
    const int64_t now_ns = clock_ns();
    queue_cancel(b->queue, j, now_ns, &complete);
    pthread_mutex_unlock(&b->lock);
    hand_back(&complete, now_ns);
}

void batcher_finish(batcher *b, const batch_part *parts, int n, status result, const error *err, int64_t begun_ns,
                    int64_t computed_ns)
{
    job_list complete = TAILQ_HEAD_INITIALIZER(complete);
    pthread_mutex_lock(&b->lock);
    const int64_t now_ns = clock_ns();
    queue_finish(b->queue, parts, n, result, err, begun_ns, computed_ns, now_ns, &complete);
    pthread_mutex_unlock(&b->lock);
    hand_back(&complete, now_ns);
}

/* ---- to the device ---- */

static seat *sit_locked(batcher *b, int executor)
{
    assert(executor >= 0 && executor < b->executors);
    seat *s = &b->seats[executor];
    if (!s->taken) s->thread = pthread_self();
    s->taken = true;
    assert(pthread_equal(s->thread, pthread_self()));
    return s;
}

static void set_busy_locked(batcher *b, int executor, int64_t until_ns)
{
    b->seats[executor].busy_until_ns = until_ns;
    queue_set_busy(b->queue, executor, until_ns);
}

/* Renews what is known without the lock, wakes another idle executor for what is left; returns the due tokens. */
static int64_t look_locked(batcher *b, seat *s, int64_t now_ns)
{
    const bool waiting = queue_count(b->queue, now_ns).queued_requests > 0;
    const int64_t due_tokens = queue_due_tokens(b->queue, now_ns);
    s->plan = queue_plan(b->queue);
    atomic_store_explicit(&b->waiting, waiting, memory_order_relaxed);
    atomic_store_explicit(&b->due_tokens, due_tokens, memory_order_relaxed);
    if (waiting) pthread_cond_signal(&b->work);
    return due_tokens;
}

static void note_cut(int64_t now_ns, const queue_batch *cut)
{
    flight_note(now_ns, FLIGHT_CUT, (uint32_t)cut->sequences, (uint64_t)cut->tokens, cut->trigger);
}

static bool wait_locked(batcher *b, int64_t until_ns)
{
    const struct timespec until = {.tv_sec = until_ns / 1000000000, .tv_nsec = until_ns % 1000000000};
    if (until_ns == INT64_MAX) return !pthread_cond_wait(&b->work, &b->lock);
    return !pthread_cond_timedwait(&b->work, &b->lock, &until);
}

int batcher_take(batcher *b, int executor, batch_part *parts, int cap, int64_t until_ns, queue_batch *cut)
{
    for (bool late = false;;) {
        job_list complete = TAILQ_HEAD_INITIALIZER(complete);
        pthread_mutex_lock(&b->lock);
        seat *s = sit_locked(b, executor);
        const int64_t now_ns = clock_ns();
        const bool closed = b->closed, enough = late;
        set_busy_locked(b, executor, 0); /* before the others: both ask when a batch could begin */
        queue_expire(b->queue, now_ns, &complete);
        *cut = queue_cut(b->queue, parts, cap, closed, now_ns);
        if (cut->n > 0) set_busy_locked(b, executor, now_ns + cut->predicted_ns);
        look_locked(b, s, now_ns);
        if (cut->n == 0 && !closed && !late && TAILQ_EMPTY(&complete)) late = !wait_locked(b, until_ns);
        pthread_mutex_unlock(&b->lock);
        if (cut->n > 0) note_cut(now_ns, cut);
        hand_back(&complete, now_ns);
        if (cut->n > 0) return cut->n;
        if (closed) return 0;
        if (enough) return BATCHER_LATE;
    }
}

void batcher_set_idle(batcher *b, int executor)
{
    pthread_mutex_lock(&b->lock);
    sit_locked(b, executor);
    set_busy_locked(b, executor, 0);
    pthread_mutex_unlock(&b->lock);
}

/* Is it time, as far as can be said without the lock? */
static bool perhaps_time(batcher *b, const seat *s, int64_t busy_until_ns)
{
    if (!atomic_load_explicit(&b->waiting, memory_order_relaxed)) return false;
    const int64_t due_tokens = atomic_load_explicit(&b->due_tokens, memory_order_relaxed), now_ns = clock_ns();
    return policy_cut_ns(&s->plan, due_tokens, busy_until_ns, now_ns) <= now_ns;
}

int batcher_try_take(batcher *b, int executor, batch_part *parts, int cap, int64_t busy_until_ns, queue_batch *cut)
{
    job_list complete = TAILQ_HEAD_INITIALIZER(complete);
    *cut = (queue_batch){0};
    /* A new forecast is told at once, as those who are admitted meanwhile depend on it: once a batch. */
    if (busy_until_ns == b->seats[executor].busy_until_ns && !perhaps_time(b, &b->seats[executor], busy_until_ns))
        return 0;
    pthread_mutex_lock(&b->lock);
    seat *s = sit_locked(b, executor);
    const int64_t now_ns = clock_ns();
    set_busy_locked(b, executor, busy_until_ns);
    queue_expire(b->queue, now_ns, &complete);
    const int64_t due_tokens = look_locked(b, s, now_ns);
    if (policy_cut_ns(&s->plan, due_tokens, busy_until_ns, now_ns) <= now_ns)
        *cut = queue_cut(b->queue, parts, cap, b->closed, now_ns);
    if (cut->n > 0) {
        const int64_t begin_ns = busy_until_ns > now_ns ? busy_until_ns : now_ns; /* what runs may be overdue */
        set_busy_locked(b, executor, begin_ns + cut->predicted_ns);
        look_locked(b, s, now_ns);
    }
    pthread_mutex_unlock(&b->lock);
    if (cut->n > 0) note_cut(now_ns, cut);
    hand_back(&complete, now_ns);
    return cut->n;
}

/* ---- the end ---- */

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
    const int64_t now_ns = clock_ns();
    b->refusal = why;
    b->why = *err;
    queue_abandon(b->queue, why, err, now_ns, &complete);
    close_locked(b);
    pthread_mutex_unlock(&b->lock);
    hand_back(&complete, now_ns);
}

/* ---- numbers ---- */

status batcher_set_service(batcher *b, const struct engine *e, int longest, const service_model *service, error *err)
{
    pthread_mutex_lock(&b->lock);
    const status rc = queue_set_service(b->queue, longest, service, err);
    if (rc == OK) b->served = e; /* executors have the new plan with their next locked look */
    pthread_mutex_unlock(&b->lock);
    return rc;
}

service_model batcher_service(batcher *b)
{
    pthread_mutex_lock(&b->lock);
    const service_model m = *queue_service(b->queue);
    pthread_mutex_unlock(&b->lock);
    return m;
}

int64_t batcher_learn(batcher *b, const struct engine *e, int tokens, int sequences, int64_t took_ns)
{
    int64_t calibrated_ns = 0;
    pthread_mutex_lock(&b->lock);
    if (!b->served || b->served == e) {
        calibrated_ns = service_calibrated_ns(queue_service(b->queue), tokens, sequences);
        queue_learn(b->queue, tokens, sequences, took_ns);
    }
    pthread_mutex_unlock(&b->lock);
    return calibrated_ns;
}

queue_counts batcher_count(batcher *b)
{
    pthread_mutex_lock(&b->lock);
    const queue_counts counts = queue_count(b->queue, clock_ns());
    pthread_mutex_unlock(&b->lock);
    return counts;
}

policy_plan batcher_plan(batcher *b)
{
    pthread_mutex_lock(&b->lock);
    const policy_plan plan = queue_plan(b->queue);
    pthread_mutex_unlock(&b->lock);
    return plan;
}
