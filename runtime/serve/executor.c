/* executor.c - all buffers are sized at start.
 *
 * The slots are a ring: batches are submitted in order and collected in order, `in_flight` of them from `oldest` on.
 *
 * Whoever answers requests must be alone in it.  `in_call` says who that is: 0: the executor; a time: the executor has
 * been inside the backend since then and touches nothing; ABANDONED: the watcher, for ever.  The executor leaves a call
 * by exchanging the time for 0, the watcher takes over by exchanging it for ABANDONED: one of them fails, and a thread
 * that comes back too late ends without another look at anything. */
#include "executor.h"
#include <assert.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "runtime/base/log.h"
#include "runtime/base/wait.h"

enum { ABANDONED = -1, JOIN_NAP_NS = 1000000 };

typedef struct {
    batch_part *parts;     /* [max_sequences + 1]: one more where a request is halved */
    int         n_parts;
    int32_t    *ids;       /* [max_tokens] */
    int32_t    *starts;    /* [max_sequences + 1] */
    uint8_t    *normalize; /* [max_sequences] */
    batch       in;        /* of the three above */
    int64_t     submitted_ns;
} slot;

struct executor {
    engine    *e;
    batcher   *queue;
    executor_options options;
    pthread_t  thread;
    int        columns, max_sequences, slots;
    slot       slot[BACKEND_SLOTS_MAX];
    int        oldest, in_flight;
    int64_t    collected_ns;    /* when the device was last known to be done with something */
    int64_t    golden_ns;       /* when the golden sequences are due; INT64_MAX: never */
    float     *rows;            /* [max_sequences, columns] of the batch just collected */
    uint8_t   *finite;          /* [max_sequences] */
    _Atomic int64_t in_call;    /* sequentially consistent, as it decides who owns all the rest */
    atomic_bool lost, ended;    /* set with release after `why`; after everything */
    error      why;
};

/* ---- calls of the backend ---- */

/* The device is beyond repair: one line, everyone is answered, nobody enters any more. */
static void lose(executor *x, const error *why)
{
    x->why = *why;
    log_line(LOG_ERROR, "device_lost", "%s: %s", x->e->ops->name, why->text);
    batcher_abandon(x->queue, GPU_LOST, &x->why);
    atomic_store_explicit(&x->lost, true, memory_order_release);
}

static bool watched(const executor *x)
{
    return x->slots > 1; /* else collect() computes: a large batch on a slow CPU is no fault */
}

static int64_t deadline_ns(const executor *x)
{
    return (int64_t)x->options.batch_deadline_ms * 1000000;
}

static int64_t enter_call(executor *x)
{
    const int64_t since_ns = clock_ns();
    atomic_store(&x->in_call, since_ns);
    return since_ns;
}

/* false: the watcher has taken over, and nothing is ours any more.  So say all functions below that return bool: the
 * thread must end then. */
static bool leave_call(executor *x, int64_t since_ns)
{
    return atomic_compare_exchange_strong(&x->in_call, &since_ns, 0);
}

static bool submit(executor *x, int n, status *rc, error *err)
{
    slot         *s = &x->slot[n];
    const int64_t since_ns = enter_call(x);
    *rc = x->e->ops->submit(x->e->device, n, &s->in, err);
    s->submitted_ns = since_ns;
    return leave_call(x, since_ns);
}

/* Since when the device may have been at slot n: it takes one batch after the other. */
static int64_t begun_ns(const executor *x, int n)
{
    return x->slot[n].submitted_ns > x->collected_ns ? x->slot[n].submitted_ns : x->collected_ns;
}

/* One look at slot n. */
static bool collect(executor *x, int n, status *rc, error *err)
{
    const int64_t since_ns = enter_call(x);
    *rc = x->e->ops->collect(x->e->device, n, x->rows, x->finite, err);
    if (!leave_call(x, since_ns)) return false;
    if (*rc != PENDING) x->collected_ns = clock_ns();
    else if (watched(x) && since_ns - begun_ns(x, n) > deadline_ns(x))
        *rc = fail(err, GPU_LOST, "a batch of %d sequences, %d tokens is not done after %d ms", x->slot[n].in.S,
                   x->slot[n].in.T, x->options.batch_deadline_ms);
    return true;
}

/* From submit to the end, whatever else is on the way. */
static bool run_alone(executor *x, int n, status *rc, error *err)
{
    if (!submit(x, n, rc, err)) return false;
    if (*rc != OK) return true;
    while (collect(x, n, rc, err)) {
        if (*rc != PENDING) return true;
        wait_round(x->slot[n].submitted_ns);
    }
    return false;
}

/* ---- batches ---- */

/* The batch of the slot's parts, copied from where the requests lie. */
static void pack(slot *s)
{
    batch b = {.ids = s->ids, .starts = s->starts, .normalize = s->normalize};
    for (int i = 0; i < s->n_parts; i++) {
        const job *j = s->parts[i].j;
        int first = s->parts[i].first, end = first + s->parts[i].count;
        memcpy(s->ids + b.T, j->ids + j->starts[first], (size_t)(j->starts[end] - j->starts[first]) * sizeof *s->ids);
        for (int n = first; n < end; n++) {
            int tokens = j->starts[n + 1] - j->starts[n];
            s->starts[b.S] = b.T;
            s->normalize[b.S++] = j->normalize;
            b.T += tokens;
            if (tokens > b.longest) b.longest = tokens;
        }
    }
    s->starts[b.S] = b.T;
    s->in = b;
}

/* Rows that are not finite cost their own request only. */
static void hand_out(executor *x, slot *s)
{
    int good = 0, row = 0;
    size_t width = (size_t)x->columns;
    error why;
    for (int i = 0; i < s->n_parts; i++) {
        batch_part   p = s->parts[i];
        const float *rows = x->rows + (size_t)row * width;
        const bool   finite = !memchr(x->finite + row, 0, (size_t)p.count);
        row += p.count;
        if (finite) {
            memcpy(p.j->rows + (size_t)p.first * width, rows, (size_t)p.count * width * sizeof *rows);
            s->parts[good++] = p;
            continue;
        }
        status rc = fail(&why, NOT_FINITE, "the model gave a vector that is not finite");
        log_line(LOG_ERROR, "not_finite", "sequences %d to %d of a request of %d", p.first, p.first + p.count - 1,
                 p.j->n);
        batcher_finish(x->queue, &p, 1, rc, &why);
    }
    if (good) batcher_finish(x->queue, s->parts, good, OK, &why);
}

/* What a batch has come to; its slot is free. */
static bool settle(executor *x, slot *s, status rc, const error *why)
{
    if (rc == GPU_LOST) {
        lose(x, why);
        return false;
    }
    if (rc == OK) {
        hand_out(x, s);
        return true;
    }
    log_line(LOG_ERROR, "batch_failed", "%d sequences, %d tokens: %s", s->in.S, s->in.T, why->text);
    batcher_finish(x->queue, s->parts, s->n_parts, rc, why);
    return true;
}

/* Cuts the parts before sequence `at` of the batch; returns how many lie before it.  A part that is cut becomes two. */
static int split(slot *s, int at)
{
    int i = 0;
    for (; at >= s->parts[i].count; i++) at -= s->parts[i].count;
    if (at == 0) return i;
    batch_part *p = &s->parts[i];
    memmove(p + 1, p, (size_t)(s->n_parts++ - i) * sizeof *p);
    p[0].count = at;
    p[1].first += at;
    p[1].count -= at;
    return i + 1;
}

/* Half the workspace may be there where the whole is not.  Once: what fails now is told to its requests. */
static bool run_halves(executor *x, int n, const error *first)
{
    slot *s = &x->slot[n], whole = *s;
    log_line(LOG_WARN, "batch_halved", "%d sequences, %d tokens: %s", s->in.S, s->in.T, first->text);
    const int before = split(&whole, s->in.S / 2);
    bool      alive = true;
    for (int half = 0; half < 2 && alive; half++) {
        status rc;
        error  why;
        s->parts = whole.parts + (half ? before : 0);
        s->n_parts = half ? whole.n_parts - before : before;
        pack(s);
        alive = run_alone(x, n, &rc, &why) && settle(x, s, rc, &why);
    }
    s->parts = whole.parts;
    return alive;
}

static bool settle_or_halve(executor *x, int n, status rc, const error *why)
{
    if (rc == NO_MEMORY && x->slot[n].in.S > 1) return run_halves(x, n, why);
    return settle(x, &x->slot[n], rc, why);
}

static bool start(executor *x, int n, int n_parts)
{
    status rc;
    error  why;
    x->slot[n].n_parts = n_parts;
    pack(&x->slot[n]);
    if (!submit(x, n, &rc, &why)) return false;
    if (rc != OK) return settle_or_halve(x, n, rc, &why);
    x->in_flight++;
    return true;
}

/* ---- the thread ---- */

/* Nothing is in flight.  A device that fails to run them is heard of when it fails to run others. */
static bool check_golden(executor *x)
{
    status rc;
    error  why;
    x->slot[x->oldest].in = *golden_batch(x->e->golden);
    if (!run_alone(x, x->oldest, &rc, &why)) return false;
    x->golden_ns = clock_ns() + (int64_t)x->options.golden_every_ms * 1000000;
    if (rc == OK && golden_check(x->e->golden, x->rows, &why) != OK) rc = GPU_LOST;
    if (rc == GPU_LOST) lose(x, &why);
    else if (rc != OK) log_line(LOG_ERROR, "golden", "the golden sequences did not run: %s", why.text);
    return rc != GPU_LOST;
}

/* With work at hand and room on the device: submit.  Else look at what is on the device.  Else sleep. */
static bool step(executor *x)
{
    const int most = x->slots > 1 ? x->slots - 1 : 1; /* the last one's rows are being handed out */
    const int next = (x->oldest + x->in_flight) % x->slots;
    int       n = 0;
    if (x->in_flight == 0) {
        n = batcher_take(x->queue, x->slot[next].parts, x->max_sequences, x->golden_ns);
        if (n == BATCHER_LATE) return check_golden(x);
        if (n == 0) return false;
    } else if (x->in_flight < most) {
        n = batcher_try_take(x->queue, x->slot[next].parts, x->max_sequences);
    }
    if (n > 0) return start(x, next, n);
    status    rc;
    error     why;
    const int oldest = x->oldest;
    if (!collect(x, oldest, &rc, &why)) return false;
    if (rc == PENDING) {
        wait_round(begun_ns(x, oldest));
        return true;
    }
    x->oldest = (oldest + 1) % x->slots;
    x->in_flight--;
    return settle_or_halve(x, oldest, rc, &why);
}

static bool abandoned(const executor *x)
{
    return atomic_load(&x->in_call) == ABANDONED;
}

static void *run(void *arg)
{
    executor *x = arg;
    wait_exactly();
    while (step(x)) continue;
    if (!abandoned(x)) atomic_store_explicit(&x->ended, true, memory_order_release);
    return NULL;
}

/* ---- start and end ---- */

static void release(executor *x)
{
    for (int i = 0; i < x->slots; i++) {
        free(x->slot[i].parts);
        free(x->slot[i].ids);
        free(x->slot[i].starts);
        free(x->slot[i].normalize);
    }
    free(x->rows);
    free(x->finite);
    free(x);
}

static bool reserve(executor *x)
{
    const size_t sequences = (size_t)x->max_sequences, tokens = (size_t)x->e->options.batch_tokens;
    bool         all = true;
    for (int i = 0; i < x->slots; i++) {
        slot *s = &x->slot[i];
        s->parts = malloc((sequences + 1) * sizeof *s->parts);
        s->ids = malloc(tokens * sizeof *s->ids);
        s->starts = malloc((sequences + 1) * sizeof *s->starts);
        s->normalize = malloc(sequences);
        all = all && s->parts && s->ids && s->starts && s->normalize;
    }
    x->rows = malloc(sequences * (size_t)x->columns * sizeof *x->rows);
    x->finite = malloc(sequences);
    return all && x->rows && x->finite;
}

status executor_start(executor **out, engine *e, batcher *b, executor_options options, error *err)
{
    executor *x = calloc(1, sizeof *x);
    *out = NULL;
    if (!x) return fail(err, NO_MEMORY, "no memory for the executor");
    assert(e->ops->slots >= 1 && e->ops->slots <= BACKEND_SLOTS_MAX);
    x->e = e;
    x->queue = b;
    x->options = options;
    x->columns = backend_columns(&e->description);
    x->max_sequences = e->options.batch_sequences;
    x->slots = e->ops->slots;
    x->golden_ns = e->golden ? clock_ns() + (int64_t)options.golden_every_ms * 1000000 : INT64_MAX;
    status rc = OK;
    if (!reserve(x))
        rc = fail(err, NO_MEMORY, "no memory for batches of %d tokens in %d sequences", e->options.batch_tokens,
                  x->max_sequences);
    else if (pthread_create(&x->thread, NULL, run, x))
        rc = fail(err, NO_MEMORY, "the executor's thread could not be started");
    if (rc != OK) release(x);
    else *out = x;
    return rc;
}

bool executor_lost(executor *x, error *why)
{
    int64_t since_ns = atomic_load(&x->in_call);
    if (watched(x) && since_ns > 0 && clock_ns() - since_ns > deadline_ns(x) &&
        atomic_compare_exchange_strong(&x->in_call, &since_ns, ABANDONED)) {
        error silent;
        snprintf(silent.text, sizeof silent.text, "a call has not returned for %d ms", x->options.batch_deadline_ms);
        lose(x, &silent);
    }
    if (!atomic_load_explicit(&x->lost, memory_order_acquire)) return false;
    *why = x->why;
    return true;
}

status executor_join(executor *x, error *why)
{
    if (!x) return OK;
    while (!atomic_load_explicit(&x->ended, memory_order_acquire)) {
        if (executor_lost(x, why) && abandoned(x)) {
            pthread_detach(x->thread);
            return GPU_LOST;
        }
        nanosleep(&(struct timespec){.tv_nsec = JOIN_NAP_NS}, NULL);
    }
    pthread_join(x->thread, NULL);
    status rc = executor_lost(x, why) ? GPU_LOST : OK;
    release(x);
    return rc;
}
