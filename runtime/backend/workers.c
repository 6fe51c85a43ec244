/* workers.c - tasks are claimed from one 64-bit word: the run's number above, the tasks still unclaimed below.
 *
 * A claim is a compare-and-swap that takes one from the lower half, so a thread that wakes late, when its run is long
 * over, either fails or claims honestly from the run that is under way: nobody has to wait for it.  While a claimed
 * task is unfinished its run cannot end, so the description of the run (task, context) may be read without a lock.
 *
 * Sleep and wake are Dekker's pattern, hence sequentially consistent: a worker says that it sleeps and then looks for
 * work again; the caller publishes work and then looks for sleepers.  The end of a run is the same, mirrored, and so is
 * a meeting. */
#include "workers.h"
#include <assert.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "runtime/base/wait.h"

typedef struct { workers *pool; pthread_t thread; int index; } worker;

struct workers {
    workers     *next; /* these two are `all_lock`'s */
    int          users;
    pthread_mutex_t running; /* held by the caller of a run */
    int          threads, started; /* started: threads to join, without the caller */
    worker      *each;             /* [threads]; 0 is the caller */
    workers_task *task;            /* the run under way; stable while a claimed task of it is unfinished */
    void        *context;
    int          tasks;
    _Alignas(64) _Atomic uint64_t claims; /* run << 32 | unclaimed */
    _Alignas(64) atomic_int done;         /* of `tasks` */
    _Alignas(64) atomic_int sleepers;
    _Alignas(64) atomic_int met;          /* arrivals at the run's meetings */
    atomic_int      meeting;              /* who sleeps there */
    atomic_bool     caller_waits, closing;
    pthread_mutex_t lock;
    pthread_cond_t  work, finished, all_met;
};

static pthread_mutex_t all_lock = PTHREAD_MUTEX_INITIALIZER;
static workers        *all; /* that are open, by next */

static bool has_work(workers *w)
{
    return (uint32_t)atomic_load(&w->claims) > 0 || atomic_load(&w->closing);
}

/* A successful claim acquires what the caller published before it: task, context, tasks. */
static void work_off(workers *w, int index)
{
    int finished = 0;
    for (;; finished++) {
        uint64_t seen = atomic_load(&w->claims);
        while ((uint32_t)seen > 0 && !atomic_compare_exchange_weak(&w->claims, &seen, seen - 1)) wait_relax();
        if ((uint32_t)seen == 0) break;
        w->task(w->context, w->tasks - (int)(uint32_t)seen, index);
    }
    if (finished == 0) return;
    const int tasks = w->tasks; /* ours are not reported yet, so the run is still this one */
    if (atomic_fetch_add(&w->done, finished) + finished == tasks && atomic_load(&w->caller_waits)) {
        pthread_mutex_lock(&w->lock);
        pthread_cond_signal(&w->finished);
        pthread_mutex_unlock(&w->lock);
    }
}

static void *live(void *arg)
{
    worker  *self = arg;
    workers *w = self->pool;
    while (!atomic_load(&w->closing)) {
        work_off(w, self->index);
        for (int64_t until = clock_ns() + WAIT_SPIN_NS; !has_work(w) && clock_ns() < until;) wait_relax();
        if (has_work(w)) continue;
        pthread_mutex_lock(&w->lock);
        atomic_fetch_add(&w->sleepers, 1);
        while (!has_work(w)) pthread_cond_wait(&w->work, &w->lock);
        atomic_fetch_sub(&w->sleepers, 1);
        pthread_mutex_unlock(&w->lock);
    }
    return NULL;
}

static int cores(void)
{
    cpu_set_t mask;
    if (sched_getaffinity(0, sizeof mask, &mask)) return 1;
    return CPU_COUNT(&mask) < WORKERS_MOST ? CPU_COUNT(&mask) : WORKERS_MOST;
}

static void end(workers *w)
{
    pthread_mutex_lock(&w->lock);
    atomic_store(&w->closing, true);
    pthread_cond_broadcast(&w->work);
    pthread_mutex_unlock(&w->lock);
    for (int i = 1; i <= w->started; i++) pthread_join(w->each[i].thread, NULL);
    pthread_cond_destroy(&w->all_met);
    pthread_cond_destroy(&w->finished);
    pthread_cond_destroy(&w->work);
    pthread_mutex_destroy(&w->lock);
    pthread_mutex_destroy(&w->running);
    free(w->each);
    free(w);
}

static status begin(workers **out, int threads, error *err)
{
    workers *w = aligned_alloc(_Alignof(workers), sizeof *w);
    if (!w) return fail(err, NO_MEMORY, "threads: no memory");
    memset(w, 0, sizeof *w);
    w->threads = threads;
    pthread_mutex_init(&w->running, NULL);
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->work, NULL);
    pthread_cond_init(&w->finished, NULL);
    pthread_cond_init(&w->all_met, NULL);
    status rc = OK;
    w->each = calloc((size_t)w->threads, sizeof *w->each);
    if (!w->each) {
        rc = fail(err, NO_MEMORY, "threads: no memory for %d", w->threads);
        goto done;
    }
    sigset_t every, before;
    sigfillset(&every);
    pthread_sigmask(SIG_SETMASK, &every, &before); /* signals are the server's business */
    for (int i = 1; i < w->threads && rc == OK; i++) {
        w->each[i] = (worker){.pool = w, .index = i};
        int e = pthread_create(&w->each[i].thread, NULL, live, &w->each[i]);
        if (e) rc = fail(err, UNAVAILABLE, "thread %d of %d: %s", i, w->threads, strerror(e));
        else w->started++;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
done:
    if (rc != OK) end(w);
    else *out = w;
    return rc;
}

status workers_open(workers **out, int threads, error *err)
{
    *out = NULL;
    if (threads < 0 || threads > WORKERS_MOST)
        return fail(err, BAD_INPUT, "threads: %d, wanted 0 (all cores) to %d", threads, WORKERS_MOST);
    if (!threads) threads = cores();
    status rc = OK;
    pthread_mutex_lock(&all_lock);
    workers *w = all;
    while (w && w->threads != threads) w = w->next;
    if (!w) rc = begin(&w, threads, err);
    if (rc == OK && w->users++ == 0) {
        w->next = all;
        all = w;
    }
    pthread_mutex_unlock(&all_lock);
    *out = rc == OK ? w : NULL;
    return rc;
}

void workers_close(workers *w)
{
    if (!w) return;
    pthread_mutex_lock(&all_lock);
    const bool last = --w->users == 0;
    workers **at = &all;
    while (*at != w) at = &(*at)->next;
    if (last) *at = w->next;
    pthread_mutex_unlock(&all_lock);
    if (last) end(w);
}

int workers_count(const workers *w)
{
    return w->threads;
}

void workers_run(workers *w, int tasks, workers_task *task, void *context)
{
    if (tasks <= 0) return;
    pthread_mutex_lock(&w->running);
    const uint64_t run = (atomic_load(&w->claims) >> 32) + 1;
    assert((uint32_t)atomic_load(&w->claims) == 0); /* never from inside a task */
    w->task = task;
    w->context = context;
    w->tasks = tasks;
    atomic_store(&w->done, 0);
    atomic_store(&w->met, 0);
    atomic_store(&w->claims, run << 32 | (uint32_t)tasks);
    if (tasks > 1 && atomic_load(&w->sleepers) > 0) {
        pthread_mutex_lock(&w->lock);
        pthread_cond_broadcast(&w->work);
        pthread_mutex_unlock(&w->lock);
    }
    work_off(w, 0);
    for (int64_t until = clock_ns() + WAIT_SPIN_NS; atomic_load(&w->done) < tasks && clock_ns() < until;) wait_relax();
    if (atomic_load(&w->done) < tasks) {
        pthread_mutex_lock(&w->lock); /* a worker has lost its core to someone else: perhaps it can have ours */
        atomic_store(&w->caller_waits, true);
        while (atomic_load(&w->done) < tasks) pthread_cond_wait(&w->finished, &w->lock);
        atomic_store(&w->caller_waits, false);
        pthread_mutex_unlock(&w->lock);
    }
    pthread_mutex_unlock(&w->running);
}

void workers_arrive(workers *w)
{
    assert(w->tasks <= w->threads); /* a task that waits keeps its thread */
    atomic_fetch_add(&w->met, 1);
    if (atomic_load(&w->meeting) == 0) return;
    pthread_mutex_lock(&w->lock);
    pthread_cond_broadcast(&w->all_met);
    pthread_mutex_unlock(&w->lock);
}

void workers_await(workers *w, int meeting)
{
    const int arrivals = meeting * w->tasks;
    for (int64_t until = clock_ns() + WAIT_SPIN_NS; atomic_load(&w->met) < arrivals && clock_ns() < until;) wait_relax();
    if (atomic_load(&w->met) >= arrivals) return;
    pthread_mutex_lock(&w->lock);
    atomic_fetch_add(&w->meeting, 1);
    while (atomic_load(&w->met) < arrivals) pthread_cond_wait(&w->all_met, &w->lock);
    atomic_fetch_sub(&w->meeting, 1);
    pthread_mutex_unlock(&w->lock);
}
