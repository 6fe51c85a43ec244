/* knee.c - the sender is the caller's thread; done() comes on the executor's.  They meet under one lock, in the list of
 * requests that are free to be sent again. */
#include "knee.h"
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include "runtime/base/wait.h"

enum { LENGTHS = 128, LOOK_NS = 50000000, CONFIRMATIONS = 4, FULL_BATCHES = 3 };
static const double FIRST_SHARE = 0.8, TOP_SHARE = 1.1, LEAST_SHARE = 0.02; /* of the rate that keeps the device full */
static const double CLOSE = 0.04, STEP_DOWN = 0.95, LEAD_IN = 0.1, REFUSED_MAX = 0.001;

/* Log-normal, mean 100, sigma 0.8 of the logarithm, at 128 even quantiles, shuffled.
 *   python3 -c 'import math, random, statistics; q = statistics.NormalDist().inv_cdf; m = math.log(100) - 0.32
 *   v = [max(4, round(math.exp(m + 0.8 * q((i + .5) / 128)))) for i in range(128)]; random.seed(6); random.shuffle(v)
 *   print(v)' */
static const int lengths[LENGTHS] = {
    105, 29,  68,  205, 76,  40,  23,  52,  84,  180, 114, 20,  137, 309, 34,  39,  231, 72,  610, 38,  39,  185,
    212, 62,  82,  66,  98,  60,  59,  93,  58,  149, 221, 269, 46,  57,  153, 35,  67,  198, 49,  45,  34,  50,
    12,  24,  103, 287, 126, 53,  27,  70,  22,  28,  41,  86,  94,  134, 32,  30,  112, 77,  21,  90,  191, 28,
    54,  48,  64,  42,  88,  16,  73,  74,  140, 174, 108, 99,  242, 18,  123, 47,  96,  165, 170, 65,  43,  157,
    55,  116, 51,  63,  25,  146, 91,  254, 338, 161, 110, 80,  83,  36,  26,  106, 79,  78,  61,  119, 37,  143,
    445, 44,  14,  131, 50,  56,  121, 378, 69,  87,  101, 31,  9,   17,  44,  128, 71,  33,
};

typedef struct load load;
typedef struct request {
    job work;
    int32_t starts[2];
    int64_t due_ns;
    bool counted;
    load *l;
    struct request *next; /* of the free ones */
} request;

struct load {
    const knee_plan *plan;
    versions *vs;
    version *v; /* of which the requests are */
    batcher *queue;
    executor *x;
    request *pool;   /* [limits.max_requests] */
    float *rows;     /* [limits.max_requests, columns] */
    int32_t *ids;    /* [longest], of every request */
    uint64_t random; /* state */
    int next_length;
    pthread_mutex_t lock; /* guards the rest */
    pthread_cond_t back;  /* one is free again; on the monotonic clock */
    request *free;
    int out;          /* on the way */
    int64_t *took_ns; /* [n_took] of the counted that were answered */
    int n_took;
    int over, refused; /* counted ones that missed the objective, the refused among them */
    int64_t tokens;    /* answered */
    status failed;
    error why;
};

static double ms(int64_t ns) { return (double)ns * 1e-6; }
static int length_of(const load *l, int i)
{
    const int n = lengths[i % LENGTHS];
    return n < l->plan->limits.longest ? n : l->plan->limits.longest;
}

static double mean_length(const load *l)
{
    int sum = 0;
    for (int i = 0; i < LENGTHS; i++) sum += length_of(l, i);
    return (double)sum / LENGTHS;
}

/* The gap before the next of Poisson arrivals; xorshift64*. */
static int64_t gap_ns(load *l, double per_s)
{
    l->random ^= l->random >> 12;
    l->random ^= l->random << 25;
    l->random ^= l->random >> 27;
    const double share = (double)((l->random * 0x2545f4914f6cdd1du) >> 11) * 0x1p-53;
    return (int64_t)(-log1p(-share) / per_s * 1e9);
}

/* ---- one request ---- */

static void done(job *j, status result, const error *err)
{
    request *r = j->owner;
    load *l = r->l;
    const int64_t took_ns = clock_ns() - r->due_ns;
    pthread_mutex_lock(&l->lock);
    if (result == OK || result == NOT_FINITE) { /* ids of no text: what the model makes of them is not the question */
        l->tokens += r->starts[1];
        if (r->counted) l->took_ns[l->n_took++] = took_ns;
        l->over += r->counted && took_ns > l->plan->limits.objective_ns;
    } else if (l->failed == OK) {
        l->failed = result;
        l->why = *err;
    }
    r->next = l->free;
    l->free = r;
    l->out--;
    pthread_cond_signal(&l->back);
    pthread_mutex_unlock(&l->lock);
}

static void put_back(load *l, request *r, int refused)
{
    pthread_mutex_lock(&l->lock);
    r->next = l->free;
    l->free = r;
    l->out--;
    l->refused += refused;
    l->over += refused;
    pthread_mutex_unlock(&l->lock);
}

/* A refusal is a number, not a failure.  counted: 1 or 0. */
static status send(load *l, int64_t due_ns, int counted, error *err)
{
    int retry_after_s;
    pthread_mutex_lock(&l->lock);
    request *r = l->free;
    status rc = l->failed;
    if (rc != OK) *err = l->why;
    if (rc == OK && r) {
        l->free = r->next;
        l->out++;
    } else if (rc == OK) { /* as many are in hand as the queue would take */
        l->refused += counted;
        l->over += counted;
    }
    pthread_mutex_unlock(&l->lock);
    if (rc != OK || !r) return rc;
    const size_t at = (size_t)(r - l->pool);
    r->starts[1] = length_of(l, l->next_length++);
    r->due_ns = due_ns;
    r->counted = counted;
    r->work = (job){.engine = l->v->engine,
                    .n = 1,
                    .ids = l->ids,
                    .starts = r->starts,
                    .normalize = true,
                    .deadline_ns = INT64_MAX,
                    .rows = l->rows + at * (size_t)backend_columns(&l->v->engine->description),
                    .done = done,
                    .owner = r};
    rc = batcher_submit(l->queue, &r->work, &retry_after_s, err);
    if (rc != OK) put_back(l, r, rc == OVERLOADED ? counted : 0);
    return rc == OVERLOADED ? OK : rc;
}

/* A device is lost only for him who asks. */
static status look(load *l, error *err) { return executor_lost(l->x, err) ? GPU_LOST : OK; }

static status wait_until(load *l, int64_t at_ns, error *err)
{
    status rc = OK;
    for (int64_t left_ns; rc == OK && (left_ns = at_ns - clock_ns()) > 0;) {
        const int64_t nap_ns = left_ns < LOOK_NS ? left_ns : LOOK_NS;
        nanosleep(&(struct timespec){.tv_nsec = nap_ns}, NULL);
        rc = look(l, err);
    }
    return rc;
}

/* Until at most `most` are on the way. */
static status wait_for(load *l, int most, error *err)
{
    status rc = OK;
    pthread_mutex_lock(&l->lock);
    while (rc == OK && l->out > most) {
        const int64_t until_ns = clock_ns() + LOOK_NS;
        const struct timespec until = {until_ns / 1000000000, until_ns % 1000000000};
        pthread_cond_timedwait(&l->back, &l->lock, &until);
        pthread_mutex_unlock(&l->lock);
        rc = look(l, err);
        pthread_mutex_lock(&l->lock);
    }
    if (rc == OK && l->failed != OK) {
        rc = l->failed;
        *err = l->why;
    }
    pthread_mutex_unlock(&l->lock);
    return rc;
}

/* ---- a rate ---- */

typedef struct {
    bool holds;
    int n, refused;
    double requests_per_s, tokens_per_s;
    int64_t p50_ns, p99_ns, objective_ns; /* the last: at the objective's quantile; INT64_MAX: not answered */
} outcome;

static int by_size(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* Of n requests, of which some have no answer, the time that q of them do not exceed. */
static int64_t quantile(const load *l, int n, double q)
{
    const int at = (int)ceil(q * n) - 1;
    return at < l->n_took ? l->took_ns[at < 0 ? 0 : at] : INT64_MAX;
}

static status begin_counting(load *l, int n, error *err)
{
    free(l->took_ns);
    l->took_ns = malloc((size_t)n * sizeof *l->took_ns);
    l->n_took = l->over = l->refused = 0;
    l->tokens = 0;
    return l->took_ns ? OK : fail(err, NO_MEMORY, "no memory for the times of %d requests", n);
}

static outcome settle(load *l, int n, int64_t took_ns)
{
    outcome o = {.n = n, .refused = l->refused};
    qsort(l->took_ns, (size_t)l->n_took, sizeof *l->took_ns, by_size);
    o.p50_ns = quantile(l, n, 0.5);
    o.p99_ns = quantile(l, n, 0.99);
    o.objective_ns = quantile(l, n, l->plan->ratio);
    o.holds = o.objective_ns <= l->plan->limits.objective_ns && l->refused <= REFUSED_MAX * n;
    o.requests_per_s = n / ((double)took_ns * 1e-9);
    return o;
}

static bool undecided(load *l, int n)
{
    pthread_mutex_lock(&l->lock);
    const bool open = l->over <= n - (int)ceil(l->plan->ratio * n) && l->refused <= REFUSED_MAX * n;
    pthread_mutex_unlock(&l->lock);
    return open;
}

/* A tenth is sent before, so that the queue is as long as it will be. */
static status try_rate(load *l, double per_s, outcome *out, error *err)
{
    const knee_pace *pace = &l->plan->pace;
    const double least = per_s * (double)pace->least_ns * 1e-9, most = per_s * (double)pace->most_ns * 1e-9;
    const int n = (int)lround(fmax(1, fmin(fmax(least, pace->tail / (1 - l->plan->ratio)), most))),
              lead = (int)(LEAD_IN * n);
    int64_t due_ns = clock_ns(), since_ns = due_ns, tokens = 0;
    status rc = begin_counting(l, n, err);
    for (int i = 0; rc == OK && i < lead + n && undecided(l, n); i++) {
        if (i == lead) since_ns = due_ns;
        due_ns += gap_ns(l, per_s);
        rc = wait_until(l, due_ns, err);
        if (i >= lead) tokens += length_of(l, l->next_length);
        if (rc == OK) rc = send(l, due_ns, i >= lead, err);
    }
    if (rc == OK) rc = wait_for(l, 0, err);
    if (rc != OK) return rc;
    *out = settle(l, n, due_ns - since_ns);
    out->tokens_per_s = (double)tokens / ((double)(due_ns - since_ns) * 1e-9);
    return OK;
}

static void note(const load *l, double per_s, const outcome *o)
{
    char line[160], time[32] = "longer";
    if (o->holds) snprintf(time, sizeof time, "%.1f ms", ms(o->objective_ns));
    snprintf(line, sizeof line, "%.1f requests/s: p%g of %d %s, %d refused: %s", per_s, l->plan->ratio * 100, o->n,
             time, o->refused, o->holds ? "holds" : "does not hold");
    l->plan->note(line);
}

/* ---- the three parts ---- */

static void close_load(load *l, status *rc)
{
    error unused;
    if (l->queue) batcher_close(l->queue);
    if (executor_join(l->x, &unused) != OK) { /* what a thread in the device may still touch stays */
        *rc = GPU_LOST;
        return;
    }
    batcher_free(l->queue);
    versions_release(l->vs, l->v);
    free(l->pool);
    free(l->rows);
    free(l->ids);
    free(l->took_ns);
    pthread_cond_destroy(&l->back);
    pthread_mutex_destroy(&l->lock);
    free(l);
}

static status open_load(load **out, versions *vs, const knee_plan *plan, int64_t max_wait_ns, error *err)
{
    version *v = versions_acquire(vs);
    const engine *e = v->engine;
    const size_t n = (size_t)plan->limits.max_requests, columns = (size_t)backend_columns(&e->description);
    const int longest = plan->limits.longest, vocab = tokenizer_vocab_size(e->tokens);
    policy_limits limits = plan->limits;
    pthread_condattr_t monotonic;
    load *l = calloc(1, sizeof *l);
    *out = NULL;
    if (!l) {
        versions_release(vs, v);
        return fail(err, NO_MEMORY, "no memory to send requests");
    }
    l->plan = plan;
    l->vs = vs;
    l->v = v;
    l->random = 0x9e3779b97f4a7c15u;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&l->back, &monotonic);
    pthread_mutex_init(&l->lock, NULL);
    l->pool = calloc(n, sizeof *l->pool);
    l->rows = malloc(n * columns * sizeof *l->rows);
    l->ids = malloc((size_t)longest * sizeof *l->ids);
    status rc = l->pool && l->rows && l->ids ? OK : fail(err, NO_MEMORY, "no memory for %zu requests at once", n);
    for (int i = 0; rc == OK && i < longest; i++) l->ids[i] = (int32_t)((int64_t)i * 7919 % vocab);
    for (size_t i = 0; rc == OK && i < n; i++) {
        l->pool[i].l = l;
        l->pool[i].next = l->free;
        l->free = &l->pool[i];
    }
    limits.max_wait_ns = max_wait_ns;
    if (rc == OK) rc = batcher_open(&l->queue, limits, plan->service, err);
    if (rc == OK) rc = executor_start(&l->x, vs, l->queue, 0, plan->executor, err);
    if (rc != OK) close_load(l, &rc);
    else *out = l;
    return rc;
}

/* Sends as soon as one is back; the last batches are counted with all the time they took. */
static status keep_full(knee *out, versions *vs, const knee_plan *plan, error *err)
{
    load *l;
    status rc = open_load(&l, vs, plan, INT64_MAX / 4, err);
    if (rc != OK) return rc;
    const int wanted = (int)(FULL_BATCHES * plan->limits.batch_tokens / mean_length(l)) + 1;
    const int window = wanted < plan->limits.max_requests ? wanted : plan->limits.max_requests;
    const int64_t since_ns = clock_ns();
    while (rc == OK && clock_ns() - since_ns < plan->pace.full_ns) {
        rc = send(l, clock_ns(), 0, err);
        if (rc == OK) rc = wait_for(l, window - 1, err);
    }
    if (rc == OK) rc = wait_for(l, 0, err);
    if (rc == OK) out->saturated_tokens_per_s = (double)l->tokens / ((double)(clock_ns() - since_ns) * 1e-9);
    close_load(l, &rc);
    return rc;
}

static status send_alone(load *l, outcome *out, error *err)
{
    enum { MOST = 10000 };
    const int64_t since_ns = clock_ns();
    int n = 0;
    status rc = begin_counting(l, MOST, err);
    while (rc == OK && n < MOST && (n == 0 || clock_ns() - since_ns < l->plan->pace.alone_ns)) {
        rc = send(l, clock_ns(), 1, err);
        if (rc == OK) rc = wait_for(l, 0, err);
        n++;
    }
    if (rc == OK) *out = settle(l, n, clock_ns() - since_ns);
    return rc;
}

static void keep(knee *out, double per_s, const outcome *o)
{
    out->requests_per_s = per_s > 0 ? o->requests_per_s : 0;
    out->tokens_per_s = per_s > 0 ? o->tokens_per_s : 0;
    out->p50_ms = ms(o->p50_ns);
    out->p99_ms = o->p99_ns < INT64_MAX ? ms(o->p99_ns) : 0;
}

/* The highest rate that held; 0: none. */
static status bisect(load *l, double full_per_s, double *best_per_s, error *err)
{
    const int64_t since_ns = clock_ns();
    double low = 0, high = TOP_SHARE * full_per_s, per_s = FIRST_SHARE * full_per_s;
    status rc = OK;
    while (rc == OK && high - low > CLOSE * high && per_s > LEAST_SHARE * full_per_s &&
           clock_ns() - since_ns < l->plan->pace.search_ns) {
        outcome o = {0};
        rc = try_rate(l, per_s, &o, err);
        if (rc != OK) break;
        note(l, per_s, &o);
        if (o.holds) low = per_s;
        else high = per_s;
        per_s = (low + high) / 2;
    }
    *best_per_s = low;
    return rc;
}

/* Luck may have helped the best of several: it counts when it holds again, else a little less does. */
static status confirm(load *l, double per_s, knee *out, error *err)
{
    status rc = OK;
    for (int i = 0; rc == OK && i < CONFIRMATIONS; i++, per_s *= STEP_DOWN) {
        outcome o = {0};
        rc = try_rate(l, per_s, &o, err);
        if (rc != OK) break;
        note(l, per_s, &o);
        if (!o.holds) continue;
        keep(out, per_s, &o);
        break;
    }
    return rc;
}

static status search(load *l, knee *out, error *err)
{
    outcome alone = {0};
    double best_per_s = 0;
    status rc = send_alone(l, &alone, err);
    if (rc != OK) return rc;
    keep(out, 0, &alone);
    char line[160];
    snprintf(line, sizeof line, "one at a time: p50 %.2f ms, p99 %.2f ms", out->p50_ms, out->p99_ms);
    l->plan->note(line);
    if (alone.holds) rc = bisect(l, out->saturated_tokens_per_s / mean_length(l), &best_per_s, err);
    return rc == OK && best_per_s > 0 ? confirm(l, best_per_s, out, err) : rc;
}

status knee_find(knee *out, versions *vs, const knee_plan *plan, error *err)
{
    load *l = NULL;
    char line[160];
    *out = (knee){0};
    wait_exactly();
    status rc = keep_full(out, vs, plan, err);
    if (rc != OK) return rc;
    snprintf(line, sizeof line, "kept full: %.0f tokens/s", out->saturated_tokens_per_s);
    plan->note(line);
    rc = open_load(&l, vs, plan, plan->limits.max_wait_ns, err);
    if (rc != OK) return rc;
    rc = search(l, out, err);
    close_load(l, &rc);
    if (rc != OK) *out = (knee){0};
    return rc;
}
