/* executor.c - all buffers are sized at start.
 *
 * The slots are a ring: batches are submitted in order and collected in order, `in_flight` of them from `oldest` on.
 *
 * Whoever answers requests must be alone in it.  `in_call` says who that is: 0: the executor; a time: the executor has
 * been inside the backend since then and touches nothing; ABANDONED: the watcher, for ever.  The executor leaves a call
 * by exchanging the time for 0, the watcher takes over by exchanging it for ABANDONED: one of them fails, and a thread
 * that comes back too late ends without another look at anything. */
#include "executor_tally.h"
#include <assert.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "runtime/base/flight.h"
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
    engine     *e;         /* that computes it: touched only until its last job is done, or while `held` keeps it */
    int64_t     predicted_ns; /* on the device */
    int64_t     submitted_ns, begun_ns, computed_ns; /* the last two once it is no longer there */
} slot;

struct executor {
    versions  *vs;
    batcher   *queue;
    int        number;
    executor_options options;
    pthread_t  thread;
    const char *device;         /* its backend's name */
    int        max_sequences, max_tokens, slots;
    slot       slot[BACKEND_SLOTS_MAX];
    int        oldest, in_flight;
    int64_t    collected_ns;    /* when the device was last known to be done with something */
    int64_t    golden_ns;       /* when the golden sequences are due; INT64_MAX: never */
    uint8_t   *finite;          /* [max_sequences] */
    executor_tally tally;       /* the owner's to write */
    int        called;          /* slot of the call */
    _Atomic int64_t in_call;    /* sequentially consistent, as it decides who owns all the rest */
    atomic_bool lost, ended;    /* set with release after `why`; after everything */
    error      why;
};

/* ---- calls of the backend ---- */

/* The device is beyond repair: one line, everyone is answered, nobody enters any more. */
static void lose(executor *x, const error *why)
{
    x->why = *why;
    log_line(LOG_ERROR, "device_lost", "%s: %s", x->device, why->text);
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

static int64_t enter_call(executor *x, int n)
{
    const int64_t since_ns = clock_ns();
    x->called = n;
    atomic_store(&x->in_call, since_ns);
    return since_ns;
}

/* false: the watcher has taken over, and nothing is ours any more.  So say all functions below that return bool: the
 * thread must end then. */
static bool leave_call(executor *x, int64_t since_ns)
{
    return atomic_compare_exchange_strong(&x->in_call, &since_ns, 0);
}

static void note_fault(const slot *s, status rc, int64_t begun_ns, int64_t now_ns)
{
    flight_note(now_ns, FLIGHT_FAULT, (uint32_t)rc, (uint64_t)(now_ns - begun_ns) / 1000, (uint64_t)s->in.T);
}

/* What the device said itself, of the batch that was in the slot. */
static void note_answer(executor *x, const slot *s, status rc)
{
    if (rc != NO_MEMORY && rc != GPU_FAILED && rc != GPU_LOST) return;
    tally_add(&x->tally.device_errors, 1);
    note_fault(s, rc, s->begun_ns, s->computed_ns);
}

static bool submit(executor *x, int n, status *rc, error *err)
{
    slot         *s = &x->slot[n];
    const int64_t since_ns = enter_call(x, n);
    *rc = s->e->ops->submit(s->e->device, n, &s->in, err);
    if (!leave_call(x, since_ns)) return false;
    s->submitted_ns = clock_ns();
    s->begun_ns = since_ns; /* of a batch that was refused; else collect() knows better */
    s->computed_ns = s->submitted_ns;
    note_answer(x, s, *rc);
    return true;
}

/* Since when the device may have been at slot n: it takes one batch after the other. */
static int64_t begun_ns(const executor *x, int n)
{
    return x->slot[n].submitted_ns > x->collected_ns ? x->slot[n].submitted_ns : x->collected_ns;
}

/* One look at slot n. */
static bool collect(executor *x, int n, status *rc, error *err)
{
    slot         *s = &x->slot[n];
    const int64_t since_ns = enter_call(x, n);
    *rc = s->e->ops->collect(s->e->device, n, s->e->rows, x->finite, err);
    if (!leave_call(x, since_ns)) return false;
    if (*rc != PENDING) {
        s->begun_ns = begun_ns(x, n);
        s->computed_ns = x->collected_ns = clock_ns();
        tally_sum(&x->tally.busy_s, (double)(s->computed_ns - s->begun_ns) * 1e-9); /* begins where the last ended */
        note_answer(x, s, *rc);
    } else if (watched(x) && since_ns - begun_ns(x, n) > deadline_ns(x)) {
        *rc = fail(err, GPU_LOST, "a batch of %d sequences, %d tokens is not done after %d ms", s->in.S, s->in.T,
                   x->options.batch_deadline_ms);
        tally_add(&x->tally.watchdog_trips, 1);
        note_fault(s, GPU_LOST, begun_ns(x, n), since_ns);
    }
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
    const float *all = s->e->rows;
    size_t width = (size_t)backend_columns(&s->e->description);
    error why;
    for (int i = 0; i < s->n_parts; i++) {
        batch_part   p = s->parts[i];
        const float *rows = all + (size_t)row * width;
        const bool   finite = !memchr(x->finite + row, 0, (size_t)p.count);
        row += p.count;
        if (finite) {
            memcpy(p.j->rows + (size_t)p.first * width, rows, (size_t)p.count * width * sizeof *rows);
            s->parts[good++] = p;
            continue;
        }
        status rc = fail(&why, NOT_FINITE, "the model gave a vector that is not finite");
        tally_add(&x->tally.not_finite, 1);
        log_line(LOG_ERROR, "not_finite", "sequences %d to %d of a request of %d", p.first, p.first + p.count - 1,
                 p.j->n);
        batcher_finish(x->queue, &p, 1, rc, &why, s->begun_ns, s->computed_ns);
    }
    if (good) batcher_finish(x->queue, s->parts, good, OK, &why, s->begun_ns, s->computed_ns);
}

/* What a batch has come to; its slot is free. */
static bool settle(executor *x, slot *s, status rc, const error *why)
{
    if (rc == GPU_LOST) {
        lose(x, why);
        return false;
    }
    if (x->in_flight == 0) batcher_set_idle(x->queue, x->number);
    if (rc == OK) {
        tally_batch(&x->tally, &s->e->description.shape, &s->in); /* before done(): who has his rows sees it counted */
        flight_note(s->computed_ns, FLIGHT_BATCH, (uint32_t)s->in.S, (uint64_t)(s->computed_ns - s->begun_ns) / 1000,
                    (uint64_t)s->in.T);
        hand_out(x, s);
        return true;
    }
    log_line(LOG_ERROR, "batch_failed", "%d sequences, %d tokens: %s", s->in.S, s->in.T, why->text);
    batcher_finish(x->queue, s->parts, s->n_parts, rc, why, s->begun_ns, s->computed_ns);
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

/* From batches as they were cut: what runs in halves, alone, is no measure.  The engine may be no more: it is compared
 * only. */
static void learn(executor *x, const slot *s)
{
    const int64_t took_ns = s->computed_ns - s->begun_ns;
    const int64_t calibrated_ns = batcher_learn(x->queue, s->e, s->in.T, s->in.S, took_ns);
    if (calibrated_ns > 0) tally_ratio(&x->tally, (double)took_ns / (double)calibrated_ns);
}

static bool settle_or_halve(executor *x, int n, status rc, const error *why)
{
    slot *s = &x->slot[n];
    if (rc == NO_MEMORY && s->in.S > 1) return run_halves(x, n, why);
    if (!settle(x, s, rc, why)) return false;
    if (rc == OK) learn(x, s); /* after the rows: nobody waits for it */
    return true;
}

static void set_in_flight(executor *x, int n)
{
    x->in_flight = n;
    atomic_store_explicit(&x->tally.in_flight, n, memory_order_relaxed);
}

static bool start(executor *x, int n, const queue_batch *cut)
{
    status rc;
    error  why;
    x->slot[n].n_parts = cut->n;
    x->slot[n].e = cut->engine;
    x->slot[n].predicted_ns = cut->predicted_ns;
    pack(&x->slot[n]);
    if (!submit(x, n, &rc, &why)) return false;
    if (rc != OK) return settle_or_halve(x, n, rc, &why);
    set_in_flight(x, x->in_flight + 1);
    return true;
}

/* ---- the thread ---- */

/* Of the version that answers now.  Nothing is in flight.  A device that fails to run them is heard of when it fails to
 * run others. */
static bool check_golden_of(executor *x, engine *e)
{
    status rc;
    error  why;
    slot  *s = &x->slot[x->oldest];
    if (!e->golden) return true;
    s->e = e;
    s->in = *golden_batch(e->golden);
    if (!run_alone(x, x->oldest, &rc, &why)) return false;
    if (rc == OK && golden_check(e->golden, e->rows, &why) == OK) {
        tally_add(&x->tally.golden_ok, 1);
    } else if (rc == OK) {
        rc = GPU_LOST;
        tally_add(&x->tally.golden_failed, 1);
        note_fault(s, rc, s->begun_ns, s->computed_ns);
    }
    if (rc == GPU_LOST) lose(x, &why);
    else if (rc != OK) log_line(LOG_ERROR, "golden", "the golden sequences did not run: %s", why.text);
    return rc != GPU_LOST;
}

static bool abandoned(const executor *x)
{
    return atomic_load(&x->in_call) == ABANDONED;
}

static bool check_golden(executor *x)
{
    version   *v = versions_acquire(x->vs);
    const bool alive = check_golden_of(x, v->engine);
    if (abandoned(x)) return false; /* with the version: whoever took over ends the process */
    x->golden_ns = clock_ns() + (int64_t)x->options.golden_every_ms * 1000000;
    versions_release(x->vs, v);
    return alive;
}

/* With work whose time has come and room on the device: submit.  Else look at what is on the device.  Else sleep. */
static bool step(executor *x)
{
    const int   most = x->slots > 1 ? x->slots - 1 : 1; /* the last one's rows are being handed out */
    const int   oldest = x->oldest, next = (oldest + x->in_flight) % x->slots;
    batch_part *parts = x->slot[next].parts;
    queue_batch cut;
    int         n = 0;
    if (x->in_flight == 0) {
        n = batcher_take(x->queue, x->number, parts, x->max_sequences, x->golden_ns, &cut);
        if (n == BATCHER_LATE) return check_golden(x);
        if (n == 0) return false;
    } else if (x->in_flight < most) {
        const int64_t busy_until_ns = begun_ns(x, oldest) + x->slot[oldest].predicted_ns; /* one is there: most <= 2 */
        n = batcher_try_take(x->queue, x->number, parts, x->max_sequences, busy_until_ns, &cut);
    }
    if (n > 0) return start(x, next, &cut);
    status rc;
    error  why;
    if (!collect(x, oldest, &rc, &why)) return false;
    if (rc == PENDING) {
        wait_round(begun_ns(x, oldest));
        return true;
    }
    x->oldest = (oldest + 1) % x->slots;
    set_in_flight(x, x->in_flight - 1);
    return settle_or_halve(x, oldest, rc, &why);
}

static void *run(void *arg)
{
    executor *x = arg;
    char      name[32];
    error     err;
    snprintf(name, sizeof name, "executor %d", x->number);
    if (flight_attach(name, &err) != OK) log_line(LOG_WARN, "flight", "%s records nothing: %s", name, err.text);
    wait_exactly();
    while (step(x)) continue;
    flight_detach();
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
    free(x->finite);
    free(x);
}

static bool reserve(executor *x)
{
    const size_t sequences = (size_t)x->max_sequences, tokens = (size_t)x->max_tokens;
    bool         all = true;
    for (int i = 0; i < x->slots; i++) {
        slot *s = &x->slot[i];
        s->parts = malloc((sequences + 1) * sizeof *s->parts);
        s->ids = malloc(tokens * sizeof *s->ids);
        s->starts = malloc((sequences + 1) * sizeof *s->starts);
        s->normalize = malloc(sequences);
        all = all && s->parts && s->ids && s->starts && s->normalize;
    }
    x->finite = malloc(sequences);
    return all && x->finite;
}

status executor_start(executor **out, versions *vs, batcher *b, int number, executor_options options, error *err)
{
    executor *x = calloc(1, sizeof *x);
    *out = NULL;
    if (!x) return fail(err, NO_MEMORY, "no memory for the executor");
    version *v = versions_acquire(vs);
    const engine *e = v->engine;
    assert(e->ops->slots >= 1 && e->ops->slots <= BACKEND_SLOTS_MAX);
    x->vs = vs;
    x->queue = b;
    x->number = number;
    x->options = options;
    x->device = e->ops->name;
    x->max_sequences = e->options.batch_sequences;
    x->max_tokens = e->options.batch_tokens;
    x->slots = e->ops->slots;
    x->golden_ns = e->golden ? clock_ns() + (int64_t)options.golden_every_ms * 1000000 : INT64_MAX;
    versions_release(vs, v);
    status rc = OK;
    if (!reserve(x))
        rc = fail(err, NO_MEMORY, "no memory for batches of %d tokens in %d sequences", x->max_tokens,
                  x->max_sequences);
    else if (pthread_create(&x->thread, NULL, run, x))
        rc = fail(err, NO_MEMORY, "the thread of executor %d could not be started", number);
    if (rc != OK) release(x);
    else *out = x;
    return rc;
}

executor_counts executor_count(const executor *x) { return tally_read(&x->tally); }

bool executor_lost(executor *x, error *why)
{
    int64_t since_ns = atomic_load(&x->in_call);
    if (watched(x) && since_ns > 0 && clock_ns() - since_ns > deadline_ns(x) &&
        atomic_compare_exchange_strong(&x->in_call, &since_ns, ABANDONED)) {
        error silent;
        tally_add(&x->tally.watchdog_trips, 1);
        note_fault(&x->slot[x->called], GPU_LOST, since_ns, clock_ns());
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
