/* test_executor.c - the executor with a device that computes what the test can foretell, and fails as the first id of a
 * sequence tells it to: row s is (first id, last id, length, normalize).
 *
 * The device checks its caller: a slot is free before it is filled and filled before it is looked at, batches come back
 * in the order of their submission but for the halves of one that failed, and no more are on the way than should be. */
#include <CUnit/CUnit.h>
#include <math.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "runtime/base/clock.h"
#include "runtime/base/flight.h"
#include "runtime/serve/executor.h"
#include "tests/support/versions_of.h"

enum { DIMENSIONS = 4, MANY = 20 };

/* What the first id of a sequence makes of its batch. */
enum {
    POISON = -100,        /* its row is not finite */
    FAILING = -200,       /* GPU_FAILED */
    LOSING = -300,        /* GPU_LOST */
    REFUSED = -400,       /* submit() says GPU_FAILED */
    CROWDED = -500,       /* NO_MEMORY with more than two others */
    TOO_LARGE = -600,     /* NO_MEMORY alone, too */
    SILENT = -700,        /* PENDING for ever */
    STUCK_INSIDE = -800,  /* collect() does not return */
    STUCK_AT_DOOR = -900, /* submit() does not return */
};

struct backend {
    const batch *in[BACKEND_SLOTS_MAX];
    atomic_int   looks[BACKEND_SLOTS_MAX];
    atomic_int   submitted, batches;
    int          most;
    bool         misused;
    sem_t        stuck; /* posted: who is stuck comes back */
    atomic_bool  came_back;
};
static backend devices[64], *device; /* one for each run: who was stuck in an older one may still be at it */
static atomic_int pends; /* looks at a batch before it is done */

static bool holds(const batch *in, int id)
{
    for (int s = 0; s < in->S; s++)
        if (in->ids[in->starts[s]] == id) return true;
    return false;
}

static void get_stuck(backend *b)
{
    sem_wait(&b->stuck);
    atomic_store(&b->came_back, true);
}

static status fake_submit(backend *b, int slot, const batch *in, error *err)
{
    if (holds(in, STUCK_AT_DOOR)) get_stuck(b);
    if (holds(in, REFUSED)) return fail(err, GPU_FAILED, "the device takes no more");
    if (b->in[slot]) b->misused = true;
    b->in[slot] = in;
    b->looks[slot] = 0;
    if (atomic_fetch_add(&b->submitted, 1) + 1 > b->most) b->most = b->submitted;
    return OK;
}

static void compute(const batch *in, float *out, uint8_t *finite)
{
    for (int s = 0; s < in->S; s++) {
        const int first = in->ids[in->starts[s]];
        float    *row = out + s * DIMENSIONS;
        row[0] = (float)first;
        row[1] = first == POISON ? NAN : (float)in->ids[in->starts[s + 1] - 1];
        row[2] = (float)(in->starts[s + 1] - in->starts[s]);
        row[3] = in->normalize[s];
        finite[s] = first != POISON;
    }
}

static status fake_collect(backend *b, int slot, float *out, uint8_t *finite, error *err)
{
    const batch *in = b->in[slot];
    if (!in) {
        b->misused = true;
        return fail(err, GPU_FAILED, "the slot is empty");
    }
    if (holds(in, STUCK_INSIDE)) get_stuck(b);
    if (holds(in, SILENT) || b->looks[slot]++ < atomic_load(&pends)) return PENDING;
    b->in[slot] = NULL;
    atomic_fetch_sub(&b->submitted, 1);
    atomic_fetch_add(&b->batches, 1);
    if (holds(in, FAILING)) return fail(err, GPU_FAILED, "the device said no");
    if (holds(in, LOSING)) return fail(err, GPU_LOST, "an illegal address");
    if (holds(in, TOO_LARGE) || (holds(in, CROWDED) && in->S > 3)) return fail(err, NO_MEMORY, "no memory left");
    compute(in, out, finite);
    return OK;
}

static void fake_close(backend *b) { (void)b; }

static const backend_ops one_slot = {.abi = BACKEND_ABI, .name = "fake", .slots = 1, .submit = fake_submit,
                                     .collect = fake_collect, .close = fake_close},
                         two_slots = {.abi = BACKEND_ABI, .name = "fake", .slots = 2, .submit = fake_submit,
                                      .collect = fake_collect, .close = fake_close},
                         three_slots = {.abi = BACKEND_ABI, .name = "fake", .slots = 3, .submit = fake_submit,
                                        .collect = fake_collect, .close = fake_close};
static const backend_ops *const all_ops[] = {&one_slot, &two_slots, &three_slots};
enum { SLOTS_MOST = sizeof all_ops / sizeof *all_ops };

static void nap(int ms) { nanosleep(&(struct timespec){.tv_nsec = ms * 1000000L}, NULL); }

/* Waits up to half a minute, no longer than needed. */
#define EVENTUALLY(condition)                                           \
    do {                                                                \
        for (int naps = 0; !(condition) && naps < 30000; naps++) nap(1); \
        CU_ASSERT_FATAL(condition);                                     \
    } while (0)

typedef struct {
    job j;
    int32_t ids[64], starts[17];
    float rows[16 * DIMENSIONS];
    sem_t finished;
    atomic_int calls;
    status result;
    char why[256];
} request;

static void done(job *j, status result, const error *err)
{
    request *r = j->owner;
    r->result = result;
    memcpy(r->why, err->text, sizeof r->why);
    atomic_fetch_add(&r->calls, 1);
    sem_post(&r->finished);
}

/* n sequences; sequence s is s + 1 tokens that begin with `first` + s */
static request *make(int n, int first)
{
    request *r = calloc(1, sizeof *r);
    int at = 0;
    for (int s = 0; s < n; s++) {
        r->starts[s] = at;
        for (int i = 0; i <= s; i++) r->ids[at++] = first + s + i;
    }
    r->starts[n] = at;
    r->j.n = n;
    r->j.ids = r->ids;
    r->j.starts = r->starts;
    r->j.normalize = first % 2;
    r->j.rows = r->rows;
    r->j.deadline_ns = INT64_MAX;
    r->j.done = done;
    r->j.owner = r;
    sem_init(&r->finished, 0, 0);
    return r;
}

static void end(request *r)
{
    CU_ASSERT_EQUAL(atomic_load(&r->calls), 1);
    sem_destroy(&r->finished);
    free(r);
}

typedef struct { engine *e; versions *vs; batcher *queue; executor *x; } bench;

static const int64_t HOUR_NS = 3600000000000;

/* Until go() nothing runs: what is submitted before is cut as one queue.  A batch is predicted to take batch_ns. */
static void begin_at(bench *t, const backend_ops *ops, int tokens, int sequences, int64_t batch_ns)
{
    error err = {""};
    const policy_limits limits = {.objective_ns = 100 * HOUR_NS,
                                  .max_wait_ns = 50 * HOUR_NS,
                                  .batch_tokens = tokens,
                                  .batch_sequences = sequences,
                                  .longest = tokens,
                                  .executors = 1,
                                  .max_requests = 1000};
    const service_table times = {.row = {{1, 1, batch_ns, 0}, {tokens, 1, batch_ns, 0}}, .n = 2};
    memset(t, 0, sizeof *t);
    device = device ? device + 1 : devices;
    CU_ASSERT_FATAL(device < devices + sizeof devices / sizeof *devices);
    sem_init(&device->stuck, 0, 0);
    atomic_store(&pends, 0);
    CU_ASSERT_PTR_NOT_NULL_FATAL(t->e = calloc(1, sizeof *t->e));
    t->e->ops = ops;
    CU_ASSERT_PTR_NOT_NULL_FATAL(t->e->rows = calloc((size_t)sequences * DIMENSIONS, sizeof *t->e->rows));
    t->e->device = device;
    t->e->description.dimensions = DIMENSIONS;
    t->e->description.shape = (model_shape){.layers = 2, .hidden = 4, .inner = 8};
    t->e->options = (engine_options){.batch_tokens = tokens, .batch_sequences = sequences};
    t->vs = versions_of(t->e);
    CU_ASSERT_EQUAL_FATAL(batcher_open(&t->queue, limits, &times, &err), OK);
}

/* Of batches that are over at once, the next is staged at once. */
static void begin(bench *t, const backend_ops *ops, int tokens, int sequences)
{
    begin_at(t, ops, tokens, sequences, 1);
}

static void go(bench *t, int deadline_ms)
{
    error err;
    const executor_options options = {.batch_deadline_ms = deadline_ms, .golden_every_ms = EXECUTOR_GOLDEN_MS};
    CU_ASSERT_EQUAL_FATAL(executor_start(&t->x, t->vs, t->queue, 0, options, &err), OK);
}

static void finish(bench *t)
{
    error why = {""};
    batcher_close(t->queue);
    CU_ASSERT_EQUAL(executor_join(t->x, &why), OK);
    batcher_free(t->queue);
    versions_close(t->vs);
    CU_ASSERT_FALSE(device->misused);
}

static void submit(bench *t, request *r)
{
    error err;
    int   retry;
    r->j.engine = t->e;
    CU_ASSERT_EQUAL(batcher_submit(t->queue, &r->j, &retry, &err), OK);
}

static void answered(request *r, status expected)
{
    sem_wait(&r->finished);
    CU_ASSERT_EQUAL(r->result, expected);
}

static bool rows_right(const request *r)
{
    for (int s = 0; s < r->j.n; s++) {
        const float *row = r->rows + s * DIMENSIONS;
        int first = r->ids[r->starts[s]];
        if ((int)row[0] != first || (int)row[1] != first + s || (int)row[2] != s + 1 || (int)row[3] != r->j.normalize)
            return false;
    }
    return true;
}

static void rows_reach_their_request(void)
{
    for (int o = 0; o < SLOTS_MOST; o++) {
        bench t;
        request *r[MANY];
        begin(&t, all_ops[o], 12, 3); /* small: requests are spread over batches and share them */
        go(&t, 60000);
        atomic_store(&pends, 3 * o); /* one slot never has anything pending */
        for (int i = 0; i < MANY; i++) submit(&t, r[i] = make(1 + i % 4, 100 * i + i % 2));
        for (int i = 0; i < MANY; i++) {
            answered(r[i], OK);
            CU_ASSERT_TRUE(rows_right(r[i]));
            CU_ASSERT_TRUE(r[i]->j.submitted_ns <= r[i]->j.cut_ns && r[i]->j.cut_ns <= r[i]->j.begun_ns &&
                           r[i]->j.begun_ns <= r[i]->j.computed_ns);
        }
        finish(&t);
        for (int i = 0; i < MANY; i++) end(r[i]);
    }
}

static void one_computes_and_one_is_staged(void)
{
    for (int o = 0; o < SLOTS_MOST; o++) {
        bench t;
        request *r[9];
        begin(&t, all_ops[o], 12, 3);
        atomic_store(&pends, o ? 5 : 0);
        for (int i = 0; i < 9; i++) submit(&t, r[i] = make(3, 10 * i)); /* a batch each */
        go(&t, 60000);
        for (int i = 0; i < 9; i++) {
            answered(r[i], OK);
            CU_ASSERT_TRUE(rows_right(r[i]));
        }
        finish(&t);
        CU_ASSERT_EQUAL(device->most, o < 2 ? 1 : 2);
        CU_ASSERT_EQUAL(device->batches, 9);
        for (int i = 0; i < 9; i++) end(r[i]);
    }
}

/* What comes while a batch is on the device that should be over does not wait for it. */
static void work_that_comes_is_staged_at_once(void)
{
    bench t;
    request *first = make(1, 10), *second = make(1, 20);
    begin(&t, &three_slots, 12, 3);
    go(&t, 60000);
    atomic_store(&pends, INT32_MAX);
    submit(&t, first);
    EVENTUALLY(atomic_load(&device->submitted) == 1);
    submit(&t, second);
    EVENTUALLY(atomic_load(&device->submitted) == 2);
    atomic_store(&pends, 0);
    answered(first, OK);
    answered(second, OK);
    finish(&t);
    end(first), end(second);
}

/* ---- when the next batch is cut ---- */

/* Waits until the device was asked many times more whether a batch is done. */
static void look_often(void)
{
    const int before = atomic_load(&device->looks[0]) + atomic_load(&device->looks[1]) + atomic_load(&device->looks[2]);
    EVENTUALLY(atomic_load(&device->looks[0]) + atomic_load(&device->looks[1]) + atomic_load(&device->looks[2]) >
               before + 100);
}

static void the_next_batch_is_cut_late_or_full(void)
{
    bench t;
    request *first = make(1, 10), *second = make(1, 20), *third = make(1, 30), *fourth = make(1, 40);
    begin_at(&t, &three_slots, 3, 3, HOUR_NS);
    go(&t, 60000);
    atomic_store(&pends, INT32_MAX);
    submit(&t, first);
    EVENTUALLY(atomic_load(&device->submitted) == 1);
    submit(&t, second);
    submit(&t, third);
    look_often();
    CU_ASSERT_EQUAL(atomic_load(&device->submitted), 1); /* a batch holds three, and it is not time */
    CU_ASSERT_EQUAL(batcher_count(t.queue).queued_requests, 2);
    CU_ASSERT_EQUAL(executor_count(t.x).in_flight, 1);
    submit(&t, fourth);
    EVENTUALLY(atomic_load(&device->submitted) == 2);
    CU_ASSERT_EQUAL(batcher_count(t.queue).queued_requests, 0);
    EVENTUALLY(executor_count(t.x).in_flight == 2);
    atomic_store(&pends, 0);
    request *const all[] = {first, second, third, fourth};
    for (int i = 0; i < 4; i++) {
        answered(all[i], OK);
        CU_ASSERT_TRUE(rows_right(all[i]));
    }
    CU_ASSERT_TRUE(second->j.cut_ns < first->j.computed_ns); /* staged, and begun when the first was over */
    CU_ASSERT_EQUAL(second->j.begun_ns, first->j.computed_ns);
    CU_ASSERT_EQUAL(third->j.begun_ns, second->j.begun_ns);
    finish(&t);
    for (int i = 0; i < 4; i++) end(all[i]);
}

/* What is queued when the device is idle again goes at once, however long it is predicted to take. */
static void an_idle_device_waits_for_nothing(void)
{
    for (int o = 0; o < SLOTS_MOST; o++) {
        bench t;
        request *first = make(1, 10), *second = make(1, 20);
        begin_at(&t, all_ops[o], 12, 3, HOUR_NS);
        go(&t, 60000);
        submit(&t, first);
        answered(first, OK);
        submit(&t, second);
        answered(second, OK);
        finish(&t);
        end(first), end(second);
    }
}

static void who_leaves_is_not_computed(void)
{
    bench t;
    request *first = make(1, 10), *second = make(1, 20);
    begin_at(&t, &three_slots, 12, 3, HOUR_NS);
    go(&t, 60000);
    atomic_store(&pends, INT32_MAX);
    submit(&t, first);
    EVENTUALLY(atomic_load(&device->submitted) == 1);
    submit(&t, second);
    batcher_cancel(t.queue, &second->j);
    batcher_cancel(t.queue, &first->j);
    answered(second, CANCELLED);
    CU_ASSERT_EQUAL(atomic_load(&first->calls), 0);
    atomic_store(&pends, 0);
    sem_wait(&first->finished); /* all of it was on the device: its outcome is the queue's to say */
    finish(&t);
    CU_ASSERT_EQUAL(device->batches, 1);
    end(first), end(second);
}

/* ---- what it counts ---- */

static double flops(int tokens, int pairs) { return 2 * (2 * (4 * 4 * 4 + 2 * 4 * 8) * tokens + 4 * 4 * pairs); }

static void what_it_ran_is_counted(void)
{
    for (int o = 0; o < SLOTS_MOST; o++) {
        bench t;
        request *three = make(3, 50), *one = make(1, 60), *failing = make(1, FAILING), *refused = make(2, REFUSED);
        begin(&t, all_ops[o], 12, 3);
        go(&t, 60000);
        submit(&t, three);
        answered(three, OK);
        executor_counts c = executor_count(t.x);
        CU_ASSERT_TRUE(c.batches == 1 && c.sequences == 3 && c.tokens == 6 && c.batch_sequences[2] == 1 &&
                       c.batch_tokens[3] == 1); /* before its rows are handed out */
        submit(&t, one);
        answered(one, OK);
        submit(&t, failing);
        answered(failing, GPU_FAILED);
        submit(&t, refused);
        answered(refused, GPU_FAILED);
        EVENTUALLY(executor_count(t.x).in_flight == 0);
        c = executor_count(t.x);
        CU_ASSERT_TRUE(c.batches == 2 && c.sequences == 4 && c.tokens == 7);
        CU_ASSERT_TRUE(c.batch_sequences[0] == 1 && c.batch_sequences[2] == 1);
        CU_ASSERT_TRUE(c.batch_tokens[0] == 1 && c.batch_tokens[3] == 1);
        CU_ASSERT_EQUAL(c.model_flops, flops(6, 1 + 4 + 9) + flops(1, 1));
        CU_ASSERT_TRUE(c.device_errors == 2 && c.watchdog_trips == 0 && c.golden_ok == 0 && c.golden_failed == 0);
        CU_ASSERT_EQUAL(c.service_ratio[EXECUTOR_RATIO_EDGES], 2); /* longer than 8 ns, each */
        CU_ASSERT_TRUE(c.ratio_sum > 16 && c.busy_s > 0);
        finish(&t);
        end(three), end(one), end(failing), end(refused);
    }
}

static void halves_teach_nothing(void)
{
    bench t;
    request *r = make(4, CROWDED), *failing = make(1, FAILING), *last = make(1, 10);
    begin_at(&t, &three_slots, 64, 6, 10); /* ns: too little */
    const double before = batcher_plan(t.queue).ns_per_token;
    submit(&t, r);
    go(&t, 60000);
    answered(r, OK);
    submit(&t, failing);
    answered(failing, GPU_FAILED);
    executor_counts c = executor_count(t.x);
    CU_ASSERT_TRUE(c.batches == 2 && c.sequences == 4 && c.batch_sequences[1] == 2);
    CU_ASSERT_EQUAL(c.ratio_sum, 0);
    CU_ASSERT_EQUAL(batcher_plan(t.queue).ns_per_token, before);
    submit(&t, last);
    answered(last, OK);
    EVENTUALLY(executor_count(t.x).ratio_sum > 0);
    EVENTUALLY(batcher_plan(t.queue).ns_per_token > before);
    finish(&t);
    end(r), end(failing), end(last);
}

/* Two batches on the device at once do not make it twice as busy. */
static void no_time_is_busy_twice(void)
{
    bench t;
    request *first = make(1, 10), *second = make(1, 20);
    begin(&t, &three_slots, 12, 3);
    const int64_t begun_ns = clock_ns();
    go(&t, 60000);
    atomic_store(&pends, INT32_MAX);
    submit(&t, first);
    EVENTUALLY(atomic_load(&device->submitted) == 1);
    submit(&t, second);
    EVENTUALLY(atomic_load(&device->submitted) == 2);
    nap(20);
    atomic_store(&pends, 0);
    answered(first, OK);
    answered(second, OK);
    EVENTUALLY(executor_count(t.x).in_flight == 0);
    const double busy_s = executor_count(t.x).busy_s;
    CU_ASSERT_TRUE(busy_s >= 0.02);
    CU_ASSERT_TRUE(busy_s <= (double)(clock_ns() - begun_ns) * 1e-9);
    finish(&t);
    end(first), end(second);
}

/* The ring of that name with the newest event; returns how many it has. */
static int read_flight(flight_record seen[FLIGHT_EVENTS])
{
    int64_t newest_ns = 0;
    int newest = -1;
    for (int ring = 0; ring < flight_rings(); ring++) {
        char name[32];
        const int n = flight_read(ring, seen);
        if (n == 0 || seen[n - 1].ns < newest_ns || strcmp(flight_ring_name(ring, name), "executor 0")) continue;
        newest_ns = seen[n - 1].ns;
        newest = ring;
    }
    return newest < 0 ? 0 : flight_read(newest, seen);
}

static void its_events_are_noted(void)
{
    static flight_record seen[FLIGHT_EVENTS];
    bench t;
    request *good = make(2, 50), *failing = make(1, FAILING);
    begin(&t, &three_slots, 12, 3);
    submit(&t, good);
    go(&t, 60000);
    answered(good, OK);
    submit(&t, failing);
    answered(failing, GPU_FAILED);
    finish(&t);
    CU_ASSERT_EQUAL_FATAL(read_flight(seen), 4);
    const flight_record *e = seen;
    CU_ASSERT_TRUE(e[0].kind == FLIGHT_CUT && e[0].a == 2 && e[0].b == 3);
    CU_ASSERT_TRUE(e[1].kind == FLIGHT_BATCH && e[1].a == 2 && e[1].c == 3);
    CU_ASSERT_EQUAL(e[1].b, (uint64_t)(good->j.computed_ns - good->j.begun_ns) / 1000);
    CU_ASSERT_TRUE(e[2].kind == FLIGHT_CUT && e[2].a == 1 && e[2].b == 1);
    CU_ASSERT_TRUE(e[3].kind == FLIGHT_FAULT && e[3].a == GPU_FAILED && e[3].c == 1);
    end(good), end(failing);
}

/* ---- what goes wrong ---- */

static void bad_rows_cost_only_their_request(void)
{
    for (int o = 0; o < SLOTS_MOST; o++) {
        bench t;
        begin(&t, all_ops[o], 64, 16);
        request *good = make(2, 50), *poison = make(1, POISON), *failing = make(1, FAILING), *later = make(3, 70),
                *refused = make(1, REFUSED);
        submit(&t, good);
        submit(&t, poison);
        go(&t, 60000);
        answered(good, OK);
        answered(poison, NOT_FINITE);
        submit(&t, failing);
        answered(failing, GPU_FAILED);
        CU_ASSERT_STRING_EQUAL(failing->why, "the device said no");
        submit(&t, refused);
        answered(refused, GPU_FAILED);
        submit(&t, later);
        answered(later, OK);
        CU_ASSERT_TRUE(rows_right(good) && rows_right(later));
        finish(&t);
        end(good), end(poison), end(failing), end(later), end(refused);
    }
}

static void halves_answer_what_the_whole_cannot(void)
{
    for (int o = 0; o < SLOTS_MOST; o++) {
        bench t;
        request *r[4] = {make(1, 50), make(3, CROWDED), make(2, 60), make(3, 70)};
        begin(&t, all_ops[o], 64, 6);
        for (int i = 0; i < 4; i++) submit(&t, r[i]); /* the first six sequences are a batch, cut within r[1] */
        go(&t, 60000);
        for (int i = 0; i < 4; i++) {
            answered(r[i], OK);
            CU_ASSERT_TRUE(rows_right(r[i]));
        }
        finish(&t);
        CU_ASSERT_EQUAL(device->batches, 4);
        for (int i = 0; i < 4; i++) end(r[i]);
    }
}

static void what_fails_in_its_half_is_no_memory(void)
{
    for (int o = 0; o < SLOTS_MOST; o++) {
        bench t;
        request *r[3] = {make(2, 50), make(1, TOO_LARGE), make(1, 60)}, *alone = make(1, TOO_LARGE);
        begin(&t, all_ops[o], 64, 6);
        for (int i = 0; i < 3; i++) submit(&t, r[i]);
        go(&t, 60000);
        answered(r[0], OK);
        answered(r[1], NO_MEMORY);
        answered(r[2], NO_MEMORY); /* in the same half */
        CU_ASSERT_TRUE(rows_right(r[0]));
        CU_ASSERT_STRING_EQUAL(r[1]->why, "no memory left");
        CU_ASSERT_EQUAL(atomic_load(&device->batches), 3);
        submit(&t, alone);
        answered(alone, NO_MEMORY);
        finish(&t);
        CU_ASSERT_EQUAL(device->batches, 4); /* one sequence has no halves */
        for (int i = 0; i < 3; i++) end(r[i]);
        end(alone);
    }
}

/* ---- the device is lost ---- */

enum { QUIET_MS = 30 };
static executor *volatile left_behind[16]; /* threads may look at these, so nobody frees them; volatile: they stay */
static versions *volatile left_versions[16];
static int       n_left_behind;

/* Who was stuck comes back when all that it knew is gone, but for the rows that it is inside of. */
static void come_back(bench *t)
{
    const engine whole = *t->e;
    memset(t->e, 0xff, sizeof *t->e);
    left_versions[n_left_behind] = t->vs; /* never closed: who came back is still inside of the rows */
    left_behind[n_left_behind++] = t->x;
    sem_post(&device->stuck);
    EVENTUALLY(atomic_load(&device->came_back));
    nap(20);
    *t->e = whole;
}

/* A good batch, a bad one, and more in the queue. */
static void lose_the_device(const backend_ops *ops, int id, int deadline_ms, const char *part)
{
    bench t;
    error why = {""}, err;
    int   retry;
    const bool stuck = id == STUCK_INSIDE || id == STUCK_AT_DOOR;
    request *r[5] = {make(3, 50), make(3, id), make(3, 60), make(3, 70), make(2, 80)}, *late = make(1, 90);
    begin(&t, ops, 12, 3);
    for (int i = 0; i < 5; i++) submit(&t, r[i]);
    go(&t, deadline_ms);
    EVENTUALLY(executor_lost(t.x, &why));
    CU_ASSERT_PTR_NOT_NULL(strstr(why.text, part));
    for (int i = 0; i < 5; i++) {
        CU_ASSERT_EQUAL_FATAL(atomic_load(&r[i]->calls), 1); /* before it says so */
        if (i == 0) CU_ASSERT_EQUAL(r[i]->result, id == STUCK_AT_DOOR && ops == &three_slots ? GPU_LOST : OK);
        if (i == 0 && r[i]->result == OK) CU_ASSERT_TRUE(rows_right(r[i]));
        if (i > 0) CU_ASSERT_EQUAL(r[i]->result, GPU_LOST);
        if (i > 0) CU_ASSERT_STRING_EQUAL(r[i]->why, why.text);
    }
    late->j.engine = t.e;
    CU_ASSERT_EQUAL(batcher_submit(t.queue, &late->j, &retry, &err), GPU_LOST);
    CU_ASSERT_TRUE(executor_lost(t.x, &why));
    const executor_counts c = executor_count(t.x);
    CU_ASSERT_EQUAL(c.watchdog_trips, id != LOSING);
    CU_ASSERT_EQUAL(c.device_errors, id == LOSING);
    batcher_close(t.queue);
    CU_ASSERT_EQUAL(executor_join(t.x, &why), GPU_LOST); /* does not wait for the stuck */
    batcher_free(t.queue);
    for (int i = 0; i < 5; i++) end(r[i]);
    free(late);
    if (stuck) come_back(&t);
    else versions_close(t.vs);
    CU_ASSERT_FALSE(device->misused);
}

static void a_lost_device_answers_everyone(void)
{
    for (int o = 0; o < SLOTS_MOST; o++) lose_the_device(all_ops[o], LOSING, 60000, "an illegal address");
}

static void a_silent_device_is_lost(void)
{
    for (int o = 1; o < SLOTS_MOST; o++)
        lose_the_device(all_ops[o], SILENT, QUIET_MS, "a batch of 3 sequences, 6 tokens is not done after 30 ms");
}

static void a_call_that_does_not_return_is_given_up(void)
{
    for (int o = 1; o < SLOTS_MOST; o++) {
        lose_the_device(all_ops[o], STUCK_INSIDE, QUIET_MS, "a call has not returned for 30 ms");
        lose_the_device(all_ops[o], STUCK_AT_DOOR, QUIET_MS, "a call has not returned for 30 ms");
    }
}

static void joining_does_not_wait_for_the_stuck(void)
{
    bench t;
    error why = {""};
    request *r = make(1, STUCK_INSIDE);
    begin(&t, &two_slots, 12, 3);
    submit(&t, r);
    go(&t, QUIET_MS);
    batcher_close(t.queue);
    CU_ASSERT_EQUAL(executor_join(t.x, &why), GPU_LOST);
    CU_ASSERT_PTR_NOT_NULL(strstr(why.text, "has not returned"));
    answered(r, GPU_LOST);
    batcher_free(t.queue);
    end(r);
    come_back(&t);
    CU_ASSERT_EQUAL(executor_join(NULL, &why), OK);
}

/* One slot computes within its call: however long that takes is no fault of a device. */
static void a_slow_cpu_is_not_lost(void)
{
    bench t;
    error why = {""};
    request *r = make(1, STUCK_INSIDE);
    begin(&t, &one_slot, 12, 3);
    submit(&t, r);
    go(&t, 1);
    nap(30);
    CU_ASSERT_FALSE(executor_lost(t.x, &why));
    sem_post(&device->stuck);
    answered(r, OK);
    finish(&t);
    end(r);
}

static struct { bench *t; request *next; status answer; } again;

static void ask_again(job *j, status result, const error *err)
{
    error why;
    int   retry_after_s;
    again.answer = batcher_submit(again.t->queue, &again.next->j, &retry_after_s, &why);
    done(j, result, err);
}

/* The batch took no time, though hours were predicted: hours that nobody waits. */
static void who_is_answered_may_ask_again_at_once(void)
{
    for (int i = 0; i < SLOTS_MOST; i++) {
        bench    t;
        request *first = make(1, 100), *next = make(1, 200);
        begin_at(&t, all_ops[i], 64, 8, 60 * HOUR_NS); /* longer than any wait that is let in */
        again.t = &t;
        again.next = next;
        first->j.done = ask_again;
        next->j.engine = t.e;
        submit(&t, first);
        go(&t, 600000);
        answered(first, OK);
        CU_ASSERT_EQUAL_FATAL(again.answer, OK);
        answered(next, OK);
        finish(&t);
        end(first);
        end(next);
    }
}

void executor_suite(CU_pSuite s)
{
    CU_add_test(s, "every row reaches its request, however batches are cut, on one slot and on more",
                rows_reach_their_request);
    CU_add_test(s, "of three slots one computes and one is staged, in order; one slot has one batch",
                one_computes_and_one_is_staged);
    CU_add_test(s, "work that comes when a batch is about to end is staged at once",
                work_that_comes_is_staged_at_once);
    CU_add_test(s, "while one computes the next is cut late, or full, and begins where the first ends",
                the_next_batch_is_cut_late_or_full);
    CU_add_test(s, "an idle device waits for nothing", an_idle_device_waits_for_nothing);
    CU_add_test(s, "who is answered may ask again at once: the device is idle then, whatever was predicted",
                who_is_answered_may_ask_again_at_once);
    CU_add_test(s, "who leaves is not computed", who_leaves_is_not_computed);
    CU_add_test(s, "batches, tokens, flops, errors and the ratio to the calibrated time are counted",
                what_it_ran_is_counted);
    CU_add_test(s, "halves and failures teach nothing, whole batches do", halves_teach_nothing);
    CU_add_test(s, "two batches on the device do not make it busy twice", no_time_is_busy_twice);
    CU_add_test(s, "cuts, batches and faults are in the flight recorder", its_events_are_noted);
    CU_add_test(s, "G91 a row that is not finite and a failed batch cost only their own requests",
                bad_rows_cost_only_their_request);
    CU_add_test(s, "G83 a batch without memory runs as two halves, a request may be cut between them",
                halves_answer_what_the_whole_cannot);
    CU_add_test(s, "G83 what fails in its half ends with no memory, a single sequence at once",
                what_fails_in_its_half_is_no_memory);
    CU_add_test(s, "G84 G87 G94 a lost device: what came back before is answered, the rest and what comes later told",
                a_lost_device_answers_everyone);
    CU_add_test(s, "G86 a batch that is not done by its deadline: the device is lost", a_silent_device_is_lost);
    CU_add_test(s, "G86 a call that does not return: the watcher answers, who comes back touches nothing",
                a_call_that_does_not_return_is_given_up);
    CU_add_test(s, "the end does not wait for a stuck thread", joining_does_not_wait_for_the_stuck);
    CU_add_test(s, "a slow CPU is not taken for a lost device", a_slow_cpu_is_not_lost);
}
