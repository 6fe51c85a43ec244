/* monitor.c - a part for each loop: relaxed atomics that only the loop's thread writes, by a load and a store; no
 * number has to be of the same moment as another. */
#include "monitor.h"
#include <assert.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { SAMPLE_S = 10, SAMPLES = 6 * 3600 / SAMPLE_S + 2, BYTES_PER_TOKEN = 4 /* of English, about */ };
static const int64_t SECOND = 1000000000;

const int monitor_codes[MONITOR_CODES] = {0,   200, 400, 401, 404, 405, 408, 413, 414, 415, 417,
                                          422, 424, 429, 431, 500, 501, 502, 503, 504, 505};
const char *const monitor_failures[FAILURES] = {
    [FAILURE_NONE] = "",
    [FAILURE_INVALID] = "invalid",
    [FAILURE_TOO_LONG] = "too_long",
    [FAILURE_TOO_LARGE] = "too_large",
    [FAILURE_OVERLOADED] = "overloaded",
    [FAILURE_DEADLINE] = "deadline",
    [FAILURE_CANCELLED] = "cancelled",
    [FAILURE_BACKEND] = "backend",
    [FAILURE_DRAINING] = "draining",
};
const char *const monitor_windows[MONITOR_WINDOWS] = {"10s", "1m", "5m"};
const char *const monitor_quantiles[MONITOR_QUANTILES] = {"0.5", "0.9", "0.99", "0.999"};
static const int window_s[MONITOR_WINDOWS] = {10, 60, 300};
static const double quantiles[MONITOR_QUANTILES] = {0.5, 0.9, 0.99, 0.999};
const char *const monitor_burn_windows[MONITOR_BURN_WINDOWS] = {"5m", "1h", "6h"};
static const int burn_s[MONITOR_BURN_WINDOWS] = {300, 3600, 6 * 3600};

typedef _Atomic int64_t counter;
typedef struct {
    counter count[MONITOR_EDGES + 1];
    _Atomic double sum_s;
} durations;

/* As monitor_sum. */
typedef struct {
    _Alignas(64) counter requests[MONITOR_ENDPOINTS_MAX][MONITOR_CODES];
    counter failures[FAILURES], good, bad, tokens_accepted, tokens_shed, sequences, tokens;
    counter request_tokens[MONITOR_TOKEN_EDGES + 1];
    durations stages[STAGES], durations[MONITOR_ENDPOINTS_MAX];
    window *lately;
} part;

typedef struct {
    int64_t ns, good, bad, offered;
} sample;

struct monitor {
    monitor_options o;
    int64_t edges[MONITOR_EDGES];
    int endpoints, *endpoint_of_route;
    const char *names[MONITOR_ENDPOINTS_MAX];
    part *parts; /* [loops] */
    /* The second's slowest so far may be read without the lock: who sees an old one only takes the lock in vain, or,
     * beside another who was slower in the same moment, rightly not. */
    struct {
        counter second, took_ns;
        monitor_slow slow;
    } slowest[MONITOR_SLOWEST];
    pthread_mutex_t lock;        /* of slowest; held for one copy */
    pthread_mutex_t lately_lock; /* of these two; readers alone take it */
    int64_t lately_second, lately_ns[MONITOR_WINDOWS][MONITOR_QUANTILES];
    sample samples[SAMPLES];
    int64_t n_samples; /* ever taken; the ticking thread's, as they are */
    _Atomic double burn[MONITOR_BURN_WINDOWS], offered_per_s;
};

static int64_t read_counter(const counter *c) { return atomic_load_explicit(c, memory_order_relaxed); }
static void add(counter *c, int64_t n) { atomic_store_explicit(c, read_counter(c) + n, memory_order_relaxed); }

/* ---- open ------------------------------------------------------------------------------------------------------- */

static int compare(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static void set_edges(monitor *m)
{
    double edge = 100e3;
    m->edges[0] = m->o.objective_ns;
    for (int i = 1; i < MONITOR_EDGES; i++, edge *= 1.5) {
        m->edges[i] = llround(edge);
        m->edges[i] += m->edges[i] == m->o.objective_ns; /* no two alike */
    }
    qsort(m->edges, MONITOR_EDGES, sizeof *m->edges, compare);
}

static status set_endpoints(monitor *m, error *err)
{
    for (int i = 0; i < m->o.n_routes; i++) {
        m->endpoint_of_route[i] = -1;
        if (strcmp(m->o.routes[i].method, "POST")) continue;
        if (m->endpoints == MONITOR_ENDPOINTS_MAX - 1)
            return fail(err, BAD_INPUT, "more than %d POST routes", MONITOR_ENDPOINTS_MAX - 1);
        m->names[m->endpoints] = m->o.routes[i].path;
        m->endpoint_of_route[i] = m->endpoints++;
    }
    for (int i = 0; i < m->o.n_routes; i++)
        if (m->endpoint_of_route[i] < 0) m->endpoint_of_route[i] = m->endpoints;
    m->names[m->endpoints++] = "other";
    return OK;
}

static status check(const monitor_options *o, error *err)
{
    if (o->loops < 1) return fail(err, BAD_INPUT, "%d loops, at least 1 is wanted", o->loops);
    if (o->objective_ns < 1)
        return fail(err, BAD_INPUT, "an objective of %lld ns, more than 0 is wanted", (long long)o->objective_ns);
    if (!(o->objective_ratio > 0 && o->objective_ratio < 1))
        return fail(err, BAD_INPUT, "an objective of %g of the requests, more than 0 and less than 1 is wanted",
                    o->objective_ratio);
    return OK;
}

status monitor_open(monitor **opened, monitor_options o, error *err)
{
    assert(o.computes);
    *opened = NULL;
    status rc = check(&o, err);
    if (rc != OK) return rc;
    monitor *m = calloc(1, sizeof *m);
    if (!m) return fail(err, NO_MEMORY, "no memory for the monitor");
    m->o = o;
    pthread_mutex_init(&m->lock, NULL); /* cannot fail with default attributes on Linux */
    pthread_mutex_init(&m->lately_lock, NULL);
    m->lately_second = -1;
    m->parts = aligned_alloc(_Alignof(part), (size_t)o.loops * sizeof *m->parts);
    m->endpoint_of_route = calloc((size_t)o.n_routes + 1, sizeof *m->endpoint_of_route);
    if (m->parts) memset(m->parts, 0, (size_t)o.loops * sizeof *m->parts);
    if (!m->parts || !m->endpoint_of_route) rc = fail(err, NO_MEMORY, "no memory for the monitor of %d loops", o.loops);
    for (int i = 0; rc == OK && i < o.loops; i++) rc = window_open(&m->parts[i].lately, err);
    if (rc == OK) rc = set_endpoints(m, err);
    set_edges(m);
    if (rc == OK) *opened = m;
    else monitor_close(m);
    return rc;
}

void monitor_close(monitor *m)
{
    if (!m) return;
    for (int i = 0; m->parts && i < m->o.loops; i++) window_close(m->parts[i].lately);
    pthread_mutex_destroy(&m->lock);
    pthread_mutex_destroy(&m->lately_lock);
    free(m->endpoint_of_route);
    free(m->parts);
    free(m);
}

/* ---- a request has ended ----------------------------------------------------------------------------------------- */

static void record_duration(const monitor *m, durations *d, int64_t ns)
{
    int low = 0, high = MONITOR_EDGES;
    while (low < high) {
        const int middle = (low + high) / 2;
        if (ns <= m->edges[middle]) high = middle;
        else low = middle + 1;
    }
    add(&d->count[low], 1);
    const double sum = atomic_load_explicit(&d->sum_s, memory_order_relaxed);
    atomic_store_explicit(&d->sum_s, sum + (double)ns * 1e-9, memory_order_relaxed);
}

static int code_index(int code)
{
    for (int i = 1; i < MONITOR_CODES; i++)
        if (monitor_codes[i] == code) return i;
    return 0;
}

/* The client's own doing, whatever the number says: a method or a version that nobody has is no failure of ours. */
static bool is_clients(int code) { return (code >= 400 && code < 500 && code != 429) || code == 501 || code == 505; }

static call_failure failure_of(const call_record *r)
{
    if (r->status >= 200 && r->status < 300) return FAILURE_NONE;
    if (r->failure != FAILURE_NONE) return r->failure;
    switch (r->status) {
    case 0:
        return FAILURE_CANCELLED;
    case 413:
    case 414:
    case 431:
        return FAILURE_TOO_LARGE;
    case 424:
        return FAILURE_BACKEND;
    case 429:
        return FAILURE_OVERLOADED;
    case 504:
        return FAILURE_DEADLINE;
    default:
        return is_clients(r->status) ? FAILURE_INVALID : FAILURE_BACKEND;
    }
}

static int64_t tokens_of(const call_record *r)
{
    return r->tokens ? r->tokens : (r->characters + BYTES_PER_TOKEN - 1) / BYTES_PER_TOKEN;
}

static void keep_slowest(monitor *m, const call_record *r, int64_t ended_ns, int64_t took_ns)
{
    const int64_t second = ended_ns / SECOND;
    const int at = (int)(second % MONITOR_SLOWEST);
    counter *of = &m->slowest[at].second, *longest = &m->slowest[at].took_ns;
    if (read_counter(of) == second && took_ns <= read_counter(longest)) return;
    pthread_mutex_lock(&m->lock);
    if (read_counter(of) < second || (read_counter(of) == second && took_ns > read_counter(longest))) {
        m->slowest[at].slow = (monitor_slow){ended_ns, *r};
        atomic_store_explicit(longest, took_ns, memory_order_relaxed);
        atomic_store_explicit(of, second, memory_order_relaxed);
    }
    pthread_mutex_unlock(&m->lock);
}

static void record_computed(const monitor *m, part *p, const call_record *r)
{
    int octave = 0;
    while (octave < MONITOR_TOKEN_EDGES && r->tokens > INT64_C(1) << octave) octave++;
    add(&p->request_tokens[octave], 1);
    add(&p->sequences, r->sequences);
    add(&p->tokens, r->tokens);
    for (int s = 0; s < STAGES; s++) record_duration(m, &p->stages[s], stage_ns(&r->times, s));
}

/* Of a route that computes. */
static void judge(monitor *m, part *p, const call_record *r, int64_t ended_ns, int64_t took_ns)
{
    const bool answered = r->status >= 200 && r->status<300, late = took_ns> m->o.objective_ns;
    const bool refused = r->status == 429 || r->status == 503;
    if (is_clients(r->status)) return;
    add(refused || (r->status == 504 && !r->compute_type) ? &p->tokens_shed : &p->tokens_accepted, tokens_of(r));
    if (answered) record_computed(m, p, r);
    if (r->status == 0 && !late) return;
    add(answered && !late ? &p->good : &p->bad, 1);
    if (refused) return;
    window_record(p->lately, ended_ns, took_ns);
    keep_slowest(m, r, ended_ns, took_ns);
}

void monitor_ended(monitor *m, int loop, const call_record *r)
{
    part *p = &m->parts[loop];
    const int endpoint = r->route ? m->endpoint_of_route[r->route - m->o.routes] : m->endpoints - 1;
    const int64_t ended_ns = r->times.at[STAGES], took_ns = ended_ns - r->times.at[STAGE_READ];
    const call_failure why = failure_of(r);
    if (r->status) {
        add(&p->requests[endpoint][code_index(r->status)], 1);
        record_duration(m, &p->durations[endpoint], took_ns);
    }
    if (why != FAILURE_NONE) add(&p->failures[why], 1);
    if (r->route && m->o.computes(r->route)) judge(m, p, r, ended_ns, took_ns);
}

/* ---- readers ----------------------------------------------------------------------------------------------------- */

int monitor_endpoints(const monitor *m) { return m->endpoints; }
const char *monitor_endpoint(const monitor *m, int endpoint) { return m->names[endpoint]; }
const int64_t *monitor_edges_ns(const monitor *m) { return m->edges; }

static void add_counters(int64_t *into, const counter *from, int n)
{
    for (int i = 0; i < n; i++) into[i] += read_counter(&from[i]);
}

static void add_durations(monitor_durations *into, const durations *from, int n)
{
    for (int i = 0; i < n; i++) {
        add_counters(into[i].count, from[i].count, MONITOR_EDGES + 1);
        into[i].sum_s += atomic_load_explicit(&from[i].sum_s, memory_order_relaxed);
    }
}

void monitor_add_up(const monitor *m, monitor_sum *sum)
{
    *sum = (monitor_sum){0};
    for (int i = 0; i < m->o.loops; i++) {
        const part *p = &m->parts[i];
        for (int e = 0; e < m->endpoints; e++) add_counters(sum->requests[e], p->requests[e], MONITOR_CODES);
        add_counters(sum->failures, p->failures, FAILURES);
        add_counters(sum->request_tokens, p->request_tokens, MONITOR_TOKEN_EDGES + 1);
        add_durations(sum->stages, p->stages, STAGES);
        add_durations(sum->durations, p->durations, m->endpoints);
        sum->good += read_counter(&p->good);
        sum->bad += read_counter(&p->bad);
        sum->tokens_accepted += read_counter(&p->tokens_accepted);
        sum->tokens_shed += read_counter(&p->tokens_shed);
        sum->sequences += read_counter(&p->sequences);
        sum->tokens += read_counter(&p->tokens);
    }
}

void monitor_window(const monitor *m, int64_t now_ns, int seconds, histogram_sum *into)
{
    for (int i = 0; i < m->o.loops; i++) window_add(into, m->parts[i].lately, now_ns, seconds);
}

void monitor_lately(monitor *m, int64_t now_ns, int64_t took_ns[MONITOR_WINDOWS][MONITOR_QUANTILES])
{
    pthread_mutex_lock(&m->lately_lock);
    for (int w = 0; w < MONITOR_WINDOWS && m->lately_second != now_ns / SECOND; w++) {
        histogram_sum lately = {0};
        monitor_window(m, now_ns, window_s[w], &lately);
        for (int q = 0; q < MONITOR_QUANTILES; q++) m->lately_ns[w][q] = histogram_quantile(&lately, quantiles[q]);
    }
    m->lately_second = now_ns / SECOND;
    memcpy(took_ns, m->lately_ns, sizeof m->lately_ns);
    pthread_mutex_unlock(&m->lately_lock);
}

int monitor_slowest(monitor *m, int64_t now_ns, monitor_slow *slow, int cap)
{
    int n = 0;
    for (int64_t second = now_ns / SECOND, i = 0; i < MONITOR_SLOWEST && i < second && n < cap; i++) {
        const int at = (int)((second - i) % MONITOR_SLOWEST);
        pthread_mutex_lock(&m->lock);
        if (read_counter(&m->slowest[at].second) == second - i) slow[n++] = m->slowest[at].slow;
        pthread_mutex_unlock(&m->lock);
    }
    return n;
}

/* ---- the SLO's history ------------------------------------------------------------------------------------------- */

/* The newest sample that is `seconds` old, or the oldest there is. */
static const sample *sample_before(const monitor *m, int64_t now_ns, int seconds)
{
    const int64_t oldest = m->n_samples > SAMPLES ? m->n_samples - SAMPLES : 0;
    int64_t i = m->n_samples - 1;
    while (i > oldest && m->samples[i % SAMPLES].ns > now_ns - seconds * SECOND) i--;
    return &m->samples[i % SAMPLES];
}

void monitor_tick(monitor *m, int64_t now_ns)
{
    sample now = {.ns = now_ns};
    for (int i = 0; i < m->o.loops; i++) {
        now.good += read_counter(&m->parts[i].good);
        now.bad += read_counter(&m->parts[i].bad);
        now.offered += read_counter(&m->parts[i].tokens_accepted) + read_counter(&m->parts[i].tokens_shed);
    }
    if (m->n_samples == 0) m->samples[m->n_samples++] = (sample){.ns = now_ns}; /* what came before counts as after */
    for (int i = 0; i < MONITOR_BURN_WINDOWS; i++) {
        const sample *then = sample_before(m, now_ns, burn_s[i]);
        const double bad = (double)(now.bad - then->bad), all = bad + (double)(now.good - then->good);
        const double share = all > 0 ? bad / all : 0;
        atomic_store_explicit(&m->burn[i], share / (1 - m->o.objective_ratio), memory_order_relaxed);
    }
    const sample *then = sample_before(m, now_ns, SAMPLE_S);
    const double offered = (double)(now.offered - then->offered), elapsed_s = (double)(now_ns - then->ns) * 1e-9;
    atomic_store_explicit(&m->offered_per_s, elapsed_s > 0 ? offered / elapsed_s : 0, memory_order_relaxed);
    if (now_ns - m->samples[(m->n_samples - 1) % SAMPLES].ns >= SAMPLE_S * SECOND)
        m->samples[m->n_samples++ % SAMPLES] = now;
}

void monitor_burn(const monitor *m, double rate[MONITOR_BURN_WINDOWS])
{
    for (int i = 0; i < MONITOR_BURN_WINDOWS; i++) rate[i] = atomic_load_explicit(&m->burn[i], memory_order_relaxed);
}

double monitor_offered_per_s(const monitor *m) { return atomic_load_explicit(&m->offered_per_s, memory_order_relaxed); }
