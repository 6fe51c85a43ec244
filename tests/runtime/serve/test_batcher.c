/* test_batcher.c - the queue shared by threads; what it does with requests is test_queue.c's.
 *
 * Where no threads are needed the test itself is the executor: submit, take, finish in a chosen order.  The last tests
 * run submitters, leavers and executors at once and count that every request was answered exactly once. */
#include <CUnit/CUnit.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "runtime/base/clock.h"
#include "runtime/base/flight.h"
#include "runtime/serve/batcher.h"

enum { SEQUENCES_MAX = 16, PARTS = 64, BUDGET = 100, EXECUTORS = 2 };
static const int64_t SECOND_NS = 1000000000, HOUR_NS = 3600 * SECOND_NS;

/* A token takes a microsecond, a sequence nothing. */
static const service_table microseconds = {.row = {{1, 1, 1000, 0}, {BUDGET, 1, BUDGET * 1000, 0}}, .n = 2};

/* A full batch takes an eighth of an hour. */
static const service_table minutes = {
    .row = {{1, 1, 3600000000000 / 800, 0}, {BUDGET, 1, 3600000000000 / 800 * BUDGET, 0}}, .n = 2};

typedef struct {
    job j;
    int32_t starts[SEQUENCES_MAX + 1], ids[SEQUENCES_MAX * BUDGET];
    batcher *cancels_at; /* its done() calls batcher_cancel() there, of itself and of `other` */
    job *other;
    atomic_int calls; /* of done(); read by the submitting thread */
    status result;    /* of the last call: written before calls is raised */
    char why[256];
    atomic_int computed; /* sequences that a test's executor ran */
} request;

static void request_done(job *j, status result, const error *err)
{
    request *r = j->owner;
    r->result = result;
    if (result != OK) strcpy(r->why, err->text);
    if (r->cancels_at) {
        batcher_cancel(r->cancels_at, j);
        batcher_cancel(r->cancels_at, r->other);
    }
    atomic_fetch_add(&r->calls, 1); /* publishes the two above */
}

/* n sequences of `tokens` each */
static request *request_make(int n, int tokens)
{
    request *r = calloc(1, sizeof *r);
    for (int i = 0; i <= n; i++) r->starts[i] = i * tokens;
    r->j =
        (job){.n = n, .ids = r->ids, .starts = r->starts, .deadline_ns = INT64_MAX, .done = request_done, .owner = r};
    return r;
}

/* A budget of BUDGET tokens in 8 sequences; the objective and the wait allowed are as long as nothing here takes. */
static batcher *batcher_make_at(int executors, const service_table *times)
{
    batcher *b;
    error err = {""};
    const policy_limits limits = {.objective_ns = HOUR_NS,
                                  .max_wait_ns = HOUR_NS / 2,
                                  .batch_tokens = BUDGET,
                                  .batch_sequences = 8,
                                  .longest = BUDGET,
                                  .executors = executors,
                                  .max_requests = 1000};
    CU_ASSERT_EQUAL_FATAL(batcher_open(&b, limits, times, &err), OK);
    return b;
}

static batcher *batcher_make(int executors) { return batcher_make_at(executors, &microseconds); }

static status submit(batcher *b, request *r, error *err)
{
    int retry = -1;
    status rc = batcher_submit(b, &r->j, &retry, err);
    CU_ASSERT_EQUAL(retry >= 1, rc == OVERLOADED);
    return rc;
}

static void must_submit(batcher *b, request *r)
{
    error err;
    CU_ASSERT_EQUAL_FATAL(submit(b, r, &err), OK);
}

static int take_at_once(batcher *b, batch_part *parts, queue_batch *cut)
{
    return batcher_take(b, 0, parts, PARTS, 1, cut); /* 1: long past */
}

static int take(batcher *b, batch_part *parts)
{
    queue_batch cut;
    const int n = take_at_once(b, parts, &cut);
    if (n > 0) CU_ASSERT_EQUAL(n, cut.n);
    return n;
}

static void finish_ok(batcher *b, const batch_part *parts, int n)
{
    const int64_t now_ns = clock_ns();
    for (int i = 0; i < n; i++) atomic_fetch_add(&((request *)parts[i].j->owner)->computed, parts[i].count);
    batcher_finish(b, parts, n, OK, NULL, now_ns, now_ns);
}

/* All is over: the books balance. */
static void end(batcher *b)
{
    const queue_counts c = batcher_count(b);
    CU_ASSERT(c.in_hand == 0 && c.queued_requests == 0 && c.queued_sequences == 0 && c.queued_tokens == 0);
    CU_ASSERT_EQUAL(c.submitted, c.answered + c.expired + c.cancelled + c.failed);
    CU_ASSERT_EQUAL(c.in_hand_ns, c.sojourn_ns);
    batcher_free(b);
}

static void requests_share_a_batch(void)
{
    batcher *b = batcher_make(1);
    request *r[3] = {request_make(1, 10), request_make(1, 20), request_make(1, 50)};
    batch_part parts[PARTS];
    queue_batch cut;
    for (int i = 0; i < 3; i++) must_submit(b, r[i]);
    CU_ASSERT_EQUAL(batcher_count(b).queued_tokens, 80);
    CU_ASSERT_EQUAL(take_at_once(b, parts, &cut), 3);
    CU_ASSERT(cut.n == 3 && cut.sequences == 3 && cut.tokens == 80 && cut.trigger == TRIGGER_IDLE);
    CU_ASSERT_EQUAL(cut.predicted_ns, 80000);
    for (int i = 0; i < 3; i++) CU_ASSERT(parts[i].j == &r[i]->j && parts[i].first == 0 && parts[i].count == 1);
    CU_ASSERT(batcher_count(b).queued_tokens == 0 && r[0]->calls == 0);
    const int64_t begun_ns = clock_ns(), computed_ns = clock_ns();
    batcher_finish(b, parts, 3, OK, NULL, begun_ns, computed_ns);
    for (int i = 0; i < 3; i++) {
        const job *j = &r[i]->j;
        CU_ASSERT(r[i]->calls == 1 && r[i]->result == OK);
        CU_ASSERT(j->submitted_ns > 0 && j->submitted_ns <= j->cut_ns && j->cut_ns <= begun_ns);
        CU_ASSERT(j->begun_ns == begun_ns && j->computed_ns == computed_ns);
        free(r[i]);
    }
    const queue_counts c = batcher_count(b);
    CU_ASSERT(c.submitted == 3 && c.answered == 3 && c.sequences == 3 && c.tokens == 80);
    CU_ASSERT_EQUAL(c.batches[TRIGGER_IDLE], 1);
    end(b);
}

static void what_is_refused_is_not_kept(void)
{
    batcher *b = NULL;
    error err = {""};
    const policy_limits none = {.executors = 1};
    CU_ASSERT_EQUAL(batcher_open(&b, none, &microseconds, &err), BAD_INPUT);
    CU_ASSERT_PTR_NULL(b);
    CU_ASSERT_NOT_EQUAL(err.text[0], 0);
    b = batcher_make(1);
    request *long_one = request_make(1, BUDGET + 1), *empty = request_make(0, 1);
    batch_part parts[PARTS];
    queue_batch cut;
    CU_ASSERT_EQUAL(submit(b, long_one, &err), BAD_INPUT);
    CU_ASSERT_EQUAL(submit(b, empty, &err), BAD_INPUT);
    CU_ASSERT_EQUAL(take_at_once(b, parts, &cut), BATCHER_LATE);
    CU_ASSERT(long_one->calls == 0 && empty->calls == 0);
    free(long_one);
    free(empty);
    end(b);
    batcher_free(NULL);
}

/* ---- leaving ---- */

static void who_leaves_the_queue_is_told_at_once(void)
{
    batcher *b = batcher_make(1);
    request *r = request_make(3, 50), *stays = request_make(1, 50);
    batch_part parts[PARTS];
    must_submit(b, r);
    must_submit(b, stays);
    batcher_cancel(b, &r->j);
    CU_ASSERT(r->calls == 1 && r->result == CANCELLED);
    batcher_cancel(b, &r->j); /* complete: nothing */
    CU_ASSERT_EQUAL(r->calls, 1);
    CU_ASSERT_EQUAL(take(b, parts), 1);
    CU_ASSERT_PTR_EQUAL(parts[0].j, &stays->j);
    finish_ok(b, parts, 1);
    CU_ASSERT(stays->calls == 1 && stays->result == OK);
    batcher_cancel(b, &stays->j);
    CU_ASSERT_EQUAL(stays->calls, 1);
    const queue_counts c = batcher_count(b);
    CU_ASSERT(c.cancelled == 1 && c.answered == 1 && c.saved_sequences == 3 && c.saved_tokens == 150);
    free(r);
    free(stays);
    end(b);
}

static void who_leaves_with_a_part_on_a_device_is_told_with_it(void)
{
    batcher *b = batcher_make(1);
    request *r = request_make(4, BUDGET);
    batch_part parts[PARTS];
    must_submit(b, r);
    CU_ASSERT_EQUAL(take(b, parts), 1);
    CU_ASSERT(parts[0].first == 0 && parts[0].count == 1);
    batcher_cancel(b, &r->j);
    batcher_cancel(b, &r->j);
    CU_ASSERT_EQUAL(r->calls, 0);
    CU_ASSERT_EQUAL(batcher_count(b).queued_tokens, 0);
    finish_ok(b, parts, 1);
    CU_ASSERT(r->calls == 1 && r->result == CANCELLED);
    CU_ASSERT_EQUAL(batcher_count(b).saved_sequences, 3);
    free(r);
    end(b);
}

/* done() holds no lock: it may come back in, for itself, who is complete, and for others. */
static void done_may_cancel(void)
{
    batcher *b = batcher_make(1);
    request *first = request_make(1, BUDGET), *second = request_make(1, BUDGET);
    batch_part parts[PARTS];
    first->cancels_at = b;
    first->other = &second->j;
    must_submit(b, first);
    must_submit(b, second);
    CU_ASSERT_EQUAL(take(b, parts), 1);
    CU_ASSERT_PTR_EQUAL(parts[0].j, &first->j);
    finish_ok(b, parts, 1);
    CU_ASSERT(first->calls == 1 && first->result == OK);
    CU_ASSERT(second->calls == 1 && second->result == CANCELLED);
    free(first);
    free(second);
    end(b);
}

/* Retried with a longer one where the machine was too slow to submit before it. */
static request *submit_with_deadline(batcher *b)
{
    for (int64_t within_ns = 20000000;; within_ns *= 2) {
        error err;
        request *r = request_make(2, 10);
        r->j.deadline_ns = clock_ns() + within_ns;
        if (submit(b, r, &err) == OK) return r;
        free(r);
        CU_ASSERT_FATAL(within_ns < 30 * SECOND_NS);
    }
}

static void let_it_pass(int64_t ns)
{
    while (clock_ns() <= ns) sched_yield();
}

static void the_expired_are_told_and_not_computed(void)
{
    batcher *b = batcher_make(1);
    batch_part parts[PARTS];
    queue_batch cut;
    request *r = submit_with_deadline(b);
    let_it_pass(r->j.deadline_ns);
    CU_ASSERT_EQUAL(take_at_once(b, parts, &cut), BATCHER_LATE);
    CU_ASSERT(r->calls == 1 && r->result == EXPIRED && r->why[0] != 0);
    free(r);
    r = submit_with_deadline(b); /* while a device is busy, too, and it does not take others with it */
    request *stays = request_make(1, 10);
    must_submit(b, stays);
    let_it_pass(r->j.deadline_ns);
    CU_ASSERT_EQUAL(batcher_try_take(b, 0, parts, PARTS, 1, &cut), 1);
    CU_ASSERT(parts[0].j == &stays->j && r->calls == 1 && r->result == EXPIRED);
    finish_ok(b, parts, 1);
    const queue_counts c = batcher_count(b);
    CU_ASSERT(c.expired == 2 && c.saved_sequences == 4 && c.sequences == 1);
    free(r);
    free(stays);
    end(b);
}

static void done_frees_its_job(job *j, status result, const error *err)
{
    (void)result, (void)err;
    free(j->owner);
}

static void done_may_free_its_request(void)
{
    batcher *b = batcher_make(1);
    batch_part parts[PARTS];
    for (int i = 0; i < 5; i++) {
        request *r = request_make(1, 10);
        r->j.done = done_frees_its_job;
        must_submit(b, r);
        if (i % 2) batcher_cancel(b, &r->j);
    }
    int n = take(b, parts);
    CU_ASSERT_EQUAL(n, 3);
    batcher_finish(b, parts, n, OK, NULL, 1, 2);
    CU_ASSERT_EQUAL(batcher_count(b).answered, 3);
    end(b);
}

/* ---- cutting while a device is busy ---- */

static void a_busy_device_is_not_given_work_too_early(void)
{
    batcher *b = batcher_make(1);
    request *r[3] = {request_make(1, 40), request_make(1, 40), request_make(1, 40)};
    batch_part parts[PARTS];
    queue_batch cut;
    const int64_t end_ns = clock_ns() + HOUR_NS / 4;
    CU_ASSERT_EQUAL(batcher_try_take(b, 0, parts, PARTS, 1, &cut), 0); /* nothing is there */
    CU_ASSERT_EQUAL(cut.n, 0);
    must_submit(b, r[0]);
    must_submit(b, r[1]);
    for (int i = 0; i < 3; i++) CU_ASSERT_EQUAL(batcher_try_take(b, 0, parts, PARTS, end_ns, &cut), 0);
    must_submit(b, r[2]); /* with this one a batch is full */
    CU_ASSERT_EQUAL(batcher_try_take(b, 0, parts, PARTS, end_ns, &cut), 2);
    CU_ASSERT(cut.n == 2 && cut.tokens == 80 && cut.trigger == TRIGGER_FULL);
    CU_ASSERT_EQUAL(batcher_try_take(b, 0, parts + 2, PARTS - 2, end_ns, &cut), 0);
    CU_ASSERT_EQUAL(batcher_try_take(b, 0, parts + 2, PARTS - 2, 1, &cut), 1); /* the running one is overdue */
    CU_ASSERT_EQUAL(batcher_try_take(b, 0, parts, PARTS, 1, &cut), 0);
    finish_ok(b, parts, 3);
    for (int i = 0; i < 3; i++) {
        CU_ASSERT_EQUAL(r[i]->calls, 1);
        free(r[i]);
    }
    end(b);
}

/* What waits longer than the second of its patience is due, but then the test would be, too. */
static void bulk_does_not_make_a_batch_full(void)
{
    batcher *b = batcher_make(1);
    request *r = request_make(4, 50);
    batch_part parts[PARTS];
    queue_batch cut;
    const int64_t begun_ns = clock_ns();
    r->j.lane = LANE_BULK;
    must_submit(b, r);
    const int early = batcher_try_take(b, 0, parts, PARTS, begun_ns + HOUR_NS / 4, &cut);
    CU_ASSERT(early == 0 || clock_ns() > begun_ns + POLICY_BULK_PATIENCE_NS);
    batcher_cancel(b, &r->j);
    if (early > 0) finish_ok(b, parts, early);
    CU_ASSERT_EQUAL(r->calls, 1);
    free(r);
    end(b);
}

/* Who asks for admission waits for what is on the device. */
static void the_end_of_what_runs_is_told_to_the_queue(void)
{
    batcher *b = batcher_make(1);
    request *first = request_make(1, 10), *second = request_make(1, 10);
    batch_part parts[PARTS];
    queue_batch cut;
    error err;
    CU_ASSERT_EQUAL(batcher_try_take(b, 0, parts, PARTS, clock_ns() + HOUR_NS, &cut), 0);
    CU_ASSERT_EQUAL(submit(b, first, &err), OVERLOADED);
    CU_ASSERT_EQUAL(batcher_try_take(b, 0, parts, PARTS, clock_ns() + HOUR_NS / 4, &cut), 0);
    CU_ASSERT_EQUAL(submit(b, first, &err), OK);
    CU_ASSERT_EQUAL(batcher_try_take(b, 0, parts, PARTS, clock_ns() + HOUR_NS, &cut), 0);
    CU_ASSERT_EQUAL(submit(b, second, &err), OVERLOADED);
    CU_ASSERT_EQUAL(take(b, parts), 1); /* idle, so not busy for an hour any more */
    CU_ASSERT_EQUAL(submit(b, second, &err), OK);
    finish_ok(b, parts, 1);
    CU_ASSERT_EQUAL(batcher_try_take(b, 0, parts, PARTS, 1, &cut), 1);
    finish_ok(b, parts, 1);
    CU_ASSERT(first->calls == 1 && second->calls == 1 && batcher_count(b).overloaded == 2);
    free(first);
    free(second);
    end(b);
}

/* What was cut adds to it. */
static void what_is_taken_makes_its_device_busy(void)
{
    batcher *b = batcher_make_at(1, &minutes);
    request *r[3] = {request_make(1, BUDGET), request_make(1, BUDGET), request_make(1, 10)};
    batch_part parts[PARTS];
    queue_batch cut;
    must_submit(b, r[0]);
    CU_ASSERT_EQUAL(take_at_once(b, parts, &cut), 1);
    const int64_t until_ns = clock_ns() + cut.predicted_ns;
    CU_ASSERT_EQUAL(cut.predicted_ns, HOUR_NS / 8);
    must_submit(b, r[1]);
    CU_ASSERT(r[1]->j.wait_ns > HOUR_NS / 16);
    CU_ASSERT_EQUAL(batcher_try_take(b, 0, parts + 1, PARTS - 1, until_ns, &cut), 1); /* full */
    must_submit(b, r[2]);
    CU_ASSERT(r[2]->j.wait_ns > r[1]->j.wait_ns + HOUR_NS / 16);
    batcher_cancel(b, &r[2]->j);
    finish_ok(b, parts, 2);
    for (int i = 0; i < 3; i++) free(r[i]);
    end(b);
}

/* Of two whose deadlines do not allow one batch after what runs, both go when that is over much earlier. */
static void an_idle_device_is_known_to_be(void)
{
    const int64_t token_ns = minutes.row[0].median_ns;
    batcher *b = batcher_make_at(1, &minutes);
    request *r[3] = {request_make(1, BUDGET), request_make(1, 10), request_make(1, 10)};
    batch_part parts[PARTS];
    queue_batch cut;
    must_submit(b, r[0]);
    CU_ASSERT_EQUAL(take_at_once(b, parts, &cut), 1);
    r[1]->j.deadline_ns = clock_ns() + (BUDGET + 19) * token_ns;
    r[2]->j.deadline_ns = clock_ns() + (BUDGET + 40) * token_ns;
    must_submit(b, r[1]);
    must_submit(b, r[2]);
    finish_ok(b, parts, 1);
    CU_ASSERT_EQUAL(take_at_once(b, parts, &cut), 2);
    CU_ASSERT_NOT_EQUAL(cut.trigger, TRIGGER_DEADLINE);
    finish_ok(b, parts, cut.n);
    for (int i = 0; i < 3; i++) {
        if (r[i]->calls == 0) batcher_cancel(b, &r[i]->j);
        CU_ASSERT_EQUAL(r[i]->result, OK);
        free(r[i]);
    }
    end(b);
}

static void what_was_learned_changes_the_plan(void)
{
    batcher *b = batcher_make(1);
    CU_ASSERT_EQUAL(batcher_plan(b).budget_tokens, BUDGET);
    CU_ASSERT(batcher_plan(b).ns_per_token > 900 && batcher_plan(b).ns_per_token < 1100);
    for (int i = 0; i < 100; i++) batcher_learn(b, NULL, BUDGET, 1, 4 * BUDGET * 1000);
    CU_ASSERT(batcher_plan(b).ns_per_token > 2000);
    end(b);
}

/* What still runs of the version before says nothing of the one that answers. */
static void only_the_version_that_answers_is_learned_of(void)
{
    static char versions[2];
    struct engine *const before = (void *)&versions[0], *const now = (void *)&versions[1];
    batcher *b = batcher_make(1);
    const service_model kept = batcher_service(b);
    error err;
    CU_ASSERT_EQUAL(batcher_set_service(b, now, BUDGET, &kept, &err), OK);
    for (int i = 0; i < 100; i++) CU_ASSERT_EQUAL(batcher_learn(b, before, BUDGET, 1, 4 * BUDGET * 1000), 0);
    CU_ASSERT(batcher_plan(b).ns_per_token < 1100);
    for (int i = 0; i < 100; i++)
        CU_ASSERT_EQUAL(batcher_learn(b, now, BUDGET, 1, 4 * BUDGET * 1000), BUDGET * 1000); /* the table stays */
    CU_ASSERT(batcher_plan(b).ns_per_token > 2000);
    CU_ASSERT_EQUAL(batcher_set_service(b, before, BUDGET, &kept, &err), OK);
    CU_ASSERT(batcher_plan(b).ns_per_token < 1100);
    end(b);
}

/* ---- the end ---- */

static void close_drains_what_is_queued(void)
{
    batcher *b = batcher_make(1);
    request *r = request_make(3, BUDGET), *late = request_make(1, 1), *left = request_make(1, 1);
    batch_part parts[PARTS];
    queue_batch cut;
    error err;
    must_submit(b, r);
    must_submit(b, left);
    batcher_cancel(b, &left->j);
    batcher_close(b);
    batcher_close(b);
    CU_ASSERT_EQUAL(submit(b, late, &err), UNAVAILABLE);
    for (int i = 0; i < 3; i++) {
        CU_ASSERT_EQUAL(take_at_once(b, parts, &cut), 1);
        CU_ASSERT_EQUAL(cut.trigger, TRIGGER_DRAIN);
        finish_ok(b, parts, 1);
    }
    CU_ASSERT(r->calls == 1 && r->result == OK && r->computed == 3);
    CU_ASSERT_EQUAL(take(b, parts), 0);
    CU_ASSERT_EQUAL(take(b, parts), 0);
    CU_ASSERT_EQUAL(batcher_try_take(b, 0, parts, PARTS, 1, &cut), 0);
    CU_ASSERT(left->calls == 1 && left->result == CANCELLED && late->calls == 0);
    free(r);
    free(late);
    free(left);
    end(b);
}

static void waiting_ends_when_it_should(void)
{
    batcher *b = batcher_make(1);
    request *r = request_make(1, 50);
    batch_part parts[PARTS];
    queue_batch cut;
    CU_ASSERT_EQUAL(take_at_once(b, parts, &cut), BATCHER_LATE);
    const int64_t soon_ns = clock_ns() + 3000000;
    CU_ASSERT_EQUAL(batcher_take(b, 0, parts, PARTS, soon_ns, &cut), BATCHER_LATE);
    CU_ASSERT(clock_ns() >= soon_ns);
    must_submit(b, r);
    CU_ASSERT_EQUAL(take_at_once(b, parts, &cut), 1); /* what is there is taken, however late */
    finish_ok(b, parts, 1);
    CU_ASSERT_EQUAL(r->calls, 1);
    free(r);
    end(b);
}

static void *abandon(void *arg)
{
    error why = {"the device is gone"};
    batcher_abandon(arg, GPU_LOST, &why);
    return NULL;
}

/* Taken whole, taken in part, queued, cancelled with a part on the device: each is told once, by a thread that is no
 * executor. */
static void abandoned_requests_are_told_once(void)
{
    batcher *b = batcher_make(1);
    request *r[4], *late = request_make(1, 1);
    batch_part parts[PARTS];
    queue_batch cut;
    pthread_t watcher;
    error err;
    must_submit(b, r[0] = request_make(1, BUDGET));
    must_submit(b, r[1] = request_make(3, BUDGET));
    must_submit(b, r[2] = request_make(2, BUDGET));
    must_submit(b, r[3] = request_make(1, BUDGET));
    for (int i = 0; i < 3; i++) CU_ASSERT_EQUAL(take_at_once(b, parts, &cut), 1); /* the first of three requests */
    batcher_cancel(b, &r[2]->j);
    CU_ASSERT_EQUAL_FATAL(pthread_create(&watcher, NULL, abandon, b), 0);
    pthread_join(watcher, NULL);
    for (int i = 0; i < 4; i++) {
        CU_ASSERT_EQUAL(r[i]->calls, 1);
        CU_ASSERT(r[i]->result == GPU_LOST || (i == 2 && r[i]->result == CANCELLED));
        batcher_cancel(b, &r[i]->j); /* complete: nothing */
        CU_ASSERT_EQUAL(r[i]->calls, 1);
        free(r[i]);
    }
    CU_ASSERT_EQUAL(submit(b, late, &err), GPU_LOST);
    CU_ASSERT_STRING_EQUAL(err.text, "the device is gone");
    batcher_close(b);
    CU_ASSERT_EQUAL(submit(b, late, &err), GPU_LOST); /* the reason stays */
    CU_ASSERT_EQUAL(take(b, parts), 0);
    CU_ASSERT_EQUAL(batcher_try_take(b, 0, parts, PARTS, 1, &cut), 0);
    CU_ASSERT_EQUAL(late->calls, 0);
    free(late);
    end(b);
}

/* ---- the flight recorder ---- */

static void cuts_and_drops_are_noted(void)
{
    static flight_record seen[FLIGHT_EVENTS];
    batcher *b = batcher_make(1);
    batch_part parts[PARTS];
    error err;
    char name[32];
    int n = 0;
    CU_ASSERT_EQUAL_FATAL(flight_attach("noted", &err), OK);
    request *r = request_make(1, 30), *left = request_make(2, 20);
    must_submit(b, r);
    must_submit(b, left);
    batcher_cancel(b, &left->j);
    CU_ASSERT_EQUAL(take(b, parts), 1);
    finish_ok(b, parts, 1);
    for (int ring = 0; ring < flight_rings() && n == 0; ring++)
        if (!strcmp(flight_ring_name(ring, name), "noted")) n = flight_read(ring, seen);
    CU_ASSERT_EQUAL_FATAL(n, 2);
    CU_ASSERT(seen[0].kind == FLIGHT_DROP && seen[0].a == CANCELLED && seen[0].c == 40);
    CU_ASSERT_EQUAL(seen[0].b, (uint64_t)(seen[0].ns - left->j.submitted_ns) / 1000);
    CU_ASSERT(seen[1].kind == FLIGHT_CUT && seen[1].a == 1 && seen[1].b == 30 && seen[1].c == TRIGGER_IDLE);
    flight_detach();
    free(r);
    free(left);
    end(b);
}

/* ---- threads ---- */

typedef struct {
    batcher *b;
    int number, batches;
    bool wrong;
} worker;

static void *execute(void *arg)
{
    worker *w = arg;
    batch_part parts[2][PARTS];
    queue_batch cut, ahead;
    error err = {"every seventh batch is lost"};
    for (int n, m; (n = batcher_take(w->b, w->number, parts[0], 5, INT64_MAX, &cut)) > 0;) {
        m = batcher_try_take(w->b, w->number, parts[1], PARTS, clock_ns() + 20000, &ahead);
        for (int k = 0, of = n; k < 2; k++, of = m) {
            int tokens = 0, sequences = 0;
            for (int i = 0; i < of; i++) {
                const job *j = parts[k][i].j;
                tokens += j->starts[parts[k][i].first + parts[k][i].count] - j->starts[parts[k][i].first];
                sequences += parts[k][i].count;
            }
            const queue_batch *said = k ? &ahead : &cut;
            if (tokens > BUDGET || sequences > 8 || tokens != said->tokens || sequences != said->sequences)
                w->wrong = true;
            if (of > 0 && w->batches++ % 7 == 6) batcher_finish(w->b, parts[k], of, GPU_FAILED, &err, 1, 2);
            else if (of > 0) finish_ok(w->b, parts[k], of);
        }
    }
    return NULL;
}

enum { CLIENTS = 4, ROUNDS = 400 };
typedef struct {
    batcher *b;
    int number, answered, cancelled, failed, refused, wrong;
} client;

static void *send_requests(void *arg)
{
    client *c = arg;
    for (int k = 0; k < ROUNDS; k++) {
        error err;
        int n = 1 + (k * 7 + c->number) % SEQUENCES_MAX, retry;
        request *r = request_make(n, 1 + (k + c->number) % 40);
        r->j.lane = k % 3 ? LANE_INTERACTIVE : LANE_BULK;
        status rc = batcher_submit(c->b, &r->j, &retry, &err);
        if (rc == OVERLOADED) {
            c->refused++;
            sched_yield();
        } else if (rc != OK) {
            c->wrong++;
        } else {
            for (int yields = k % 4; k % 5 == 0 && yields > 0; yields--) sched_yield();
            if (k % 5 == 0) batcher_cancel(c->b, &r->j); /* queued, partly or wholly on a device, or complete */
            while (!atomic_load(&r->calls)) sched_yield();
            if (r->result == OK) c->answered++, c->wrong += r->computed != n;
            else if (r->result == CANCELLED) c->cancelled++, c->wrong += k % 5 != 0;
            else if (r->result == GPU_FAILED) c->failed++;
            else c->wrong++;
            c->wrong += r->calls != 1;
        }
        free(r);
    }
    return NULL;
}

static void every_request_is_answered_once(void)
{
    batcher *b = batcher_make(EXECUTORS);
    pthread_t thread[CLIENTS], executor[EXECUTORS];
    worker w[EXECUTORS];
    client c[CLIENTS];
    client sum = {0};
    for (int i = 0; i < EXECUTORS; i++) {
        w[i] = (worker){.b = b, .number = i};
        pthread_create(&executor[i], NULL, execute, &w[i]);
    }
    for (int i = 0; i < CLIENTS; i++) {
        c[i] = (client){.b = b, .number = i};
        pthread_create(&thread[i], NULL, send_requests, &c[i]);
    }
    for (int i = 0; i < CLIENTS; i++) {
        pthread_join(thread[i], NULL);
        sum.answered += c[i].answered;
        sum.cancelled += c[i].cancelled;
        sum.failed += c[i].failed;
        sum.refused += c[i].refused;
        sum.wrong += c[i].wrong;
    }
    batcher_close(b);
    for (int i = 0; i < EXECUTORS; i++) {
        pthread_join(executor[i], NULL);
        CU_ASSERT_FALSE(w[i].wrong);
    }
    const queue_counts n = batcher_count(b);
    CU_ASSERT_EQUAL(sum.wrong, 0);
    CU_ASSERT_EQUAL(sum.answered + sum.cancelled + sum.failed + sum.refused, CLIENTS * ROUNDS);
    CU_ASSERT(n.answered == sum.answered && n.cancelled == sum.cancelled && n.failed == sum.failed);
    CU_ASSERT(n.overloaded == sum.refused && n.submitted == sum.answered + sum.cancelled + sum.failed);
    CU_ASSERT(sum.answered > 0 && sum.failed > 0);
    end(b);
}

typedef struct {
    batcher *b;
    int number, n;
    atomic_bool took;
    batch_part parts[PARTS];
} taker;

static void *take_one(void *arg)
{
    taker *t = arg;
    queue_batch cut;
    t->n = batcher_take(t->b, t->number, t->parts, PARTS, INT64_MAX, &cut);
    atomic_store(&t->took, true);
    return NULL;
}

/* One request wakes one executor; what that leaves in the queue must wake the other.  Both should wait by then: several
 * rounds, as that cannot be seen. */
static void what_one_leaves_wakes_the_other(void)
{
    bool both = true;
    for (int round = 0; round < 5 && both; round++) {
        batcher *b = batcher_make(EXECUTORS);
        request *r = request_make(EXECUTORS, BUDGET);
        pthread_t thread[EXECUTORS];
        static taker t[EXECUTORS];
        for (int i = 0; i < EXECUTORS; i++) {
            t[i] = (taker){.b = b, .number = i};
            pthread_create(&thread[i], NULL, take_one, &t[i]);
        }
        nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
        must_submit(b, r);
        const int64_t until_ns = clock_ns() + 30 * SECOND_NS;
        while (!(both = atomic_load(&t[0].took) && atomic_load(&t[1].took)) && clock_ns() < until_ns) sched_yield();
        CU_ASSERT(both);
        batcher_close(b); /* who still sleeps wakes */
        for (int i = 0; i < EXECUTORS; i++) {
            pthread_join(thread[i], NULL);
            if (t[i].n > 0) finish_ok(b, t[i].parts, t[i].n);
        }
        CU_ASSERT(r->calls == 1 && r->computed == EXECUTORS);
        free(r);
        end(b);
    }
}

static void *wait_for_the_end(void *arg)
{
    batch_part parts[PARTS];
    queue_batch cut;
    return batcher_take(arg, 0, parts, PARTS, INT64_MAX, &cut) == 0 ? arg : NULL;
}

static void close_wakes_an_idle_executor(void)
{
    batcher *b = batcher_make(1);
    pthread_t executor;
    void *woke = NULL;
    pthread_create(&executor, NULL, wait_for_the_end, b);
    batcher_close(b);
    pthread_join(executor, &woke);
    CU_ASSERT_PTR_EQUAL(woke, b);
    end(b);
}

/* A queue whose requests have all left tells them and lets the executor wait again. */
static void those_who_left_do_not_end_the_executor(void)
{
    batcher *b = batcher_make(1);
    worker w = {.b = b};
    request *left = submit_with_deadline(b), *stays = request_make(1, 5);
    pthread_t executor;
    let_it_pass(left->j.deadline_ns);
    pthread_create(&executor, NULL, execute, &w);
    while (!atomic_load(&left->calls)) sched_yield();
    must_submit(b, stays);
    while (!atomic_load(&stays->calls)) sched_yield();
    CU_ASSERT(left->result == EXPIRED && stays->result == OK);
    batcher_close(b);
    pthread_join(executor, NULL);
    free(left);
    free(stays);
    end(b);
}

void batcher_suite(CU_pSuite s)
{
    CU_add_test(s, "requests share a batch, and know when it was submitted, cut, begun and computed",
                requests_share_a_batch);
    CU_add_test(s, "what is refused is not kept", what_is_refused_is_not_kept);
    CU_add_test(s, "who leaves the queue is told at once, who is answered not again",
                who_leaves_the_queue_is_told_at_once);
    CU_add_test(s, "who leaves with a part on a device is told with it, the rest is never computed",
                who_leaves_with_a_part_on_a_device_is_told_with_it);
    CU_add_test(s, "done() may cancel: no lock is held", done_may_cancel);
    CU_add_test(s, "the expired are told when the queue is looked at, and never computed",
                the_expired_are_told_and_not_computed);
    CU_add_test(s, "done() may free its request", done_may_free_its_request);
    CU_add_test(s, "a busy device gets the next batch late, or when it is full",
                a_busy_device_is_not_given_work_too_early);
    CU_add_test(s, "bulk that is not due does not make a batch full", bulk_does_not_make_a_batch_full);
    CU_add_test(s, "admission knows when what runs will end", the_end_of_what_runs_is_told_to_the_queue);
    CU_add_test(s, "what is taken makes its device busy for as long as predicted", what_is_taken_makes_its_device_busy);
    CU_add_test(s, "a device that is idle earlier than predicted is known to be", an_idle_device_is_known_to_be);
    CU_add_test(s, "what was learned changes the plan, not the table", what_was_learned_changes_the_plan);
    CU_add_test(s, "only the version that answers is learned of, and its times come and go with it",
                only_the_version_that_answers_is_learned_of);
    CU_add_test(s, "close drains what is queued, and says so", close_drains_what_is_queued);
    CU_add_test(s, "waiting ends with work or when it is late", waiting_ends_when_it_should);
    CU_add_test(s, "G86 abandoned requests are told once, and so is who comes later", abandoned_requests_are_told_once);
    CU_add_test(s, "cuts and drops are in the flight recorder", cuts_and_drops_are_noted);
    CU_add_test(s, "of submitters, leavers and two executors at once every request is answered once",
                every_request_is_answered_once);
    CU_add_test(s, "what one executor leaves wakes the other", what_one_leaves_wakes_the_other);
    CU_add_test(s, "close wakes an idle executor", close_wakes_an_idle_executor);
    CU_add_test(s, "a queue whose requests have left does not end the executor",
                those_who_left_do_not_end_the_executor);
}
