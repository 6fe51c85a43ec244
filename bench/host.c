/* host.c - what each request pays for being watched and queued: one core, checked, then ns a call.
 *
 * Times are virtual where a caller passes one on, so that a row is the call alone; "clock" is what a reading costs
 * beside.  The queue hands out one request for each that comes, among so many that wait. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "bench.h"
#include "median.h"
#include "runtime/base/clock.h"
#include "runtime/base/flight.h"
#include "runtime/base/stage.h"
#include "runtime/base/window.h"
#include "runtime/serve/queue.h"

enum { WAITING_MAX = 1000, TOKENS = 32, CALLS = 256, ROUNDS = 15, ROUND_NS = 4000000, PER_SECOND = 2000 };
static const int64_t SECOND = 1000000000;

/* Everything any row needs. */
typedef struct {
    int64_t now_ns, calls; /* virtual; since the row began */
    histogram took;
    window *lately;
    queue *waiting;
    job jobs[WAITING_MAX + 1];
    job *free; /* the one job that is not in the queue */
    uint64_t sink; /* so that the calls are made; what it comes to means nothing, and may wrap */
} room;

/* Some 100 us to 100 ms, another counter each time. */
static int64_t duration(int64_t n) { return 100000 + n * 7919 % 1000 * 100000; }

/* ---- what is timed: so many calls, and what must be true after them ---- */

static void run_clock(room *r, int calls)
{
    for (int i = 0; i < calls; i++) r->sink += (uint64_t)clock_ns();
}

static bool check_clock(room *r)
{
    const int64_t before = clock_ns();
    return before > 0 && clock_ns() >= before && r->calls > 0;
}

static void run_event(room *r, int calls)
{
    for (int i = 0; i < calls; i++) flight_note(r->calls + i, FLIGHT_REQUEST, 200, (uint64_t)i, TOKENS);
}

static void run_event_and_clock(room *r, int calls)
{
    (void)r;
    for (int i = 0; i < calls; i++) flight_note(clock_ns(), FLIGHT_REQUEST, 200, (uint64_t)i, TOKENS);
}

/* The last event of this thread's ring, the only one here, is the last call's. */
static bool check_event(room *r)
{
    static flight_record seen[FLIGHT_EVENTS];
    const int n = flight_read(flight_rings() - 1, seen);
    return r->calls > 0 && n > 0 && seen[n - 1].kind == FLIGHT_REQUEST && seen[n - 1].a == 200 &&
           seen[n - 1].b == CALLS - 1 && seen[n - 1].c == TOKENS;
}

static void run_record(room *r, int calls)
{
    for (int i = 0; i < calls; i++) histogram_record(&r->took, duration(r->calls + i));
}

static bool check_record(room *r)
{
    histogram_sum seen = {0};
    histogram_add(&seen, &r->took);
    return seen.total == (uint64_t)r->calls;
}

static void run_window(room *r, int calls)
{
    for (int i = 0; i < calls; i++) window_record(r->lately, r->now_ns += SECOND / PER_SECOND, duration(r->calls + i));
}

static void run_window_add(room *r, int calls)
{
    histogram_sum seen = {0};
    for (int i = 0; i < calls; i++) window_add(&seen, r->lately, r->now_ns, WINDOW_SECONDS);
    r->sink += seen.total;
}

static bool check_window(room *r)
{
    histogram_sum seen = {0};
    r->now_ns = (r->now_ns / SECOND + 1) * SECOND; /* whole seconds, the last as well */
    run_window(r, WINDOW_SECONDS * PER_SECOND - 1);
    window_add(&seen, r->lately, r->now_ns, WINDOW_SECONDS);
    const double seen_ns = (double)histogram_quantile(&seen, 0.99), want_ns = (double)duration(0) + 989 * 1e5;
    return seen.total == (uint64_t)WINDOW_SECONDS * PER_SECOND - 1 && fabs(seen_ns - want_ns) < 0.016 * want_ns;
}

static void run_settle(room *r, int calls)
{
    for (int i = 0; i < calls; i++) {
        stage_times t = {{r->calls + 1, r->calls + 2, 0, r->calls + 9, r->calls + 7, 0, 0, 0, 0, r->calls + 20}};
        stage_settle(&t);
        r->sink += (uint64_t)t.at[STAGE_WRITE];
    }
}

static bool check_settle(room *r)
{
    stage_times t = {{1, 2, 0, 9, 7, 0, 0, 0, 0, 20}};
    stage_settle(&t);
    return r->calls > 0 && stage_ns(&t, STAGE_PARSE) == 7 && t.at[STAGE_H2D] == 9 && t.at[STAGE_WRITE] == 20;
}

static void submit(room *r, job *j, lane of)
{
    int retry_after_s;
    error err;
    j->lane = of;
    j->deadline_ns = r->now_ns + 3600 * SECOND;
    if (queue_submit(r->waiting, j, r->now_ns, &retry_after_s, &err) != OK) fprintf(stderr, "%s\n", err.text);
}

static void run_queue(room *r, int calls)
{
    for (int i = 0; i < calls; i++) {
        batch_part part;
        job_list complete = TAILQ_HEAD_INITIALIZER(complete);
        submit(r, r->free, LANE_INTERACTIVE);
        r->now_ns += 1000;
        const queue_batch b = queue_cut(r->waiting, &part, 1, false, r->now_ns);
        queue_finish(r->waiting, &part, b.n, OK, NULL, r->now_ns, r->now_ns, r->now_ns, &complete);
        r->free = TAILQ_FIRST(&complete);
    }
}

/* ---- the table ---- */

typedef struct {
    const char *name;
    void (*run)(room *r, int calls);
    bool (*check)(room *r);
    int calls;   /* at a time, between two looks at the clock */
    int waiting; /* queue: so many, with the one that comes */
    lane others; /* those that wait before it comes */
} workload;

static bool check_queue(room *r);
static const workload workloads[] = {
    {"clock", run_clock, check_clock, CALLS, 0, 0},
    {"flight event", run_event, check_event, CALLS, 0, 0},
    {"flight event and clock", run_event_and_clock, check_event, CALLS, 0, 0},
    {"histogram record", run_record, check_record, CALLS, 0, 0},
    {"window record", run_window, check_window, CALLS, 0, 0},
    {"window add, 300 s", run_window_add, check_window, 1, 0, 0},
    {"stage settle", run_settle, check_settle, CALLS, 0, 0},
    {"queue, 1 waiting", run_queue, check_queue, CALLS, 1, LANE_INTERACTIVE},
    {"queue, 100 waiting", run_queue, check_queue, CALLS, 100, LANE_INTERACTIVE},
    {"queue, 1000 waiting", run_queue, check_queue, CALLS, 1000, LANE_INTERACTIVE},
    {"queue, 1000 waiting, 999 in bulk", run_queue, check_queue, CALLS, 1000, LANE_BULK},
};

/* Batches of one sequence, so that as many leave as come. */
static status open_queue(room *r, const workload *w, error *err)
{
    static const int32_t ids[TOKENS], starts[] = {0, TOKENS};
    const policy_limits limits = {.objective_ns = SECOND,
                                  .max_wait_ns = 3600 * SECOND,
                                  .batch_tokens = TOKENS,
                                  .batch_sequences = 1,
                                  .longest = TOKENS,
                                  .executors = 1,
                                  .max_requests = WAITING_MAX + 1};
    const service_table seed = {{{1, 1, 1000, 0}, {TOKENS, 1, 1000, 0}}, 2};
    const status rc = queue_open(&r->waiting, limits, &seed, err);
    if (rc != OK) return rc;
    for (int i = 0; i < w->waiting; i++) {
        r->jobs[i] = (job){.n = 1, .ids = ids, .starts = starts};
        if (i > 0) submit(r, &r->jobs[i], w->others);
    }
    r->free = &r->jobs[0];
    return OK;
}

static bool check_queue(room *r)
{
    const queue_counts c = queue_count(r->waiting, r->now_ns);
    return c.answered == r->calls && c.submitted == c.answered + c.in_hand && c.queued_requests == c.in_hand &&
           c.overloaded + c.hopeless + c.expired + c.cancelled + c.failed == 0;
}

static void close_queue(room *r)
{
    job_list complete = TAILQ_HEAD_INITIALIZER(complete);
    error none = {""};
    if (r->waiting) queue_abandon(r->waiting, CANCELLED, &none, r->now_ns, &complete);
    queue_free(r->waiting);
    r->waiting = NULL;
}

static double round_ns(const workload *w, room *r, int64_t least_ns)
{
    int64_t done = 0;
    const int64_t start = clock_ns();
    int64_t now = start;
    do {
        w->run(r, w->calls);
        r->calls += w->calls;
        done += w->calls;
        now = clock_ns();
    } while (now - start < least_ns);
    return (double)(now - start) / (double)done;
}

static const report_column columns[] = {{"median_ns", "median ns", "%.1f", 12}, {"spread_ns", "spread ns", "%.1f", 12}};

/* 0, or 1 when what was called did not do its work. */
static int measure(const workload *w, const bench_options *o, room *r)
{
    double rounds[ROUNDS];
    const int n = o->quick ? 1 : ROUNDS;
    error err = {""};
    r->calls = 0;
    if (w->waiting && open_queue(r, w, &err) != OK) {
        fprintf(stderr, "%s: %s\n", w->name, err.text);
        return 1;
    }
    round_ns(w, r, 0);
    bool right = w->check(r);
    for (int i = 0; right && i < n; i++) rounds[i] = round_ns(w, r, ROUND_NS);
    right = right && w->check(r);
    close_queue(r);
    if (!right) {
        fprintf(stderr, "%s: after %" PRId64 " calls not what they should have left\n", w->name, r->calls);
        return 1;
    }
    const double middle = median(rounds, n);
    report_row(o->report, w->name, (double[]){middle, median_distance(rounds, n, middle)});
    return 0;
}

int bench_host(const bench_options *o)
{
    static room r;
    error err = {""};
    int bad = 0;
    if (window_open(&r.lately, &err) != OK || flight_attach("bench", &err) != OK) {
        fprintf(stderr, "host: %s\n", err.text);
        window_close(r.lately);
        return 1;
    }
    report_table(o->report, "host", columns, sizeof columns / sizeof *columns);
    for (size_t i = 0; i < sizeof workloads / sizeof *workloads; i++)
        if (!o->filter || strstr(workloads[i].name, o->filter)) bad |= measure(&workloads[i], o, &r);
    flight_detach();
    window_close(r.lately);
    return bad;
}
