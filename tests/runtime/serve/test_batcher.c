/* test_batcher.c - one executor, many requests.
 *
 * Where no threads are needed the test itself is the executor: submit, take, finish in a chosen order.  The last tests
 * run submitters, leavers and an executor at once and count that every request was answered exactly once. */
#include <CUnit/CUnit.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "runtime/base/clock.h"
#include "runtime/serve/batcher.h"

enum { SEQUENCES_MAX = 16, PARTS = 64 };

typedef struct {
    job        j;
    int32_t    starts[SEQUENCES_MAX + 1], ids[SEQUENCES_MAX * 64];
    atomic_int calls;    /* of done(); read by the submitting thread */
    status     result;   /* of the last call: written before calls is raised */
    char       why[256];
    int        computed; /* sequences that the test's executor ran */
} request;

static void request_done(job *j, status result, const error *err)
{
    request *r = j->owner;
    r->result = result;
    if (result != OK) strcpy(r->why, err->text);
    atomic_fetch_add(&r->calls, 1); /* publishes the two above */
}

/* n sequences of `tokens` each */
static request *request_make(int n, int tokens)
{
    request *r = calloc(1, sizeof *r);
    for (int i = 0; i <= n; i++) r->starts[i] = i * tokens;
    r->j = (job){.n = n, .ids = r->ids, .starts = r->starts, .done = request_done, .owner = r};
    return r;
}

static batcher *batcher_make(int tokens, int sequences, int queued)
{
    batcher *b;
    error err;
    CU_ASSERT_EQUAL_FATAL(batcher_open(&b, (policy_limits){tokens, sequences, queued}, &err), OK);
    return b;
}

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

static void finish_ok(batcher *b, const batch_part *parts, int n)
{
    for (int i = 0; i < n; i++) ((request *)parts[i].j->owner)->computed += parts[i].count;
    batcher_finish(b, parts, n, OK, NULL);
}

static void requests_share_a_batch_in_order(void)
{
    batcher *b = batcher_make(100, 8, 1000);
    request *r[3] = {request_make(1, 10), request_make(2, 20), request_make(1, 50)};
    batch_part parts[PARTS];
    for (int i = 0; i < 3; i++) must_submit(b, r[i]);
    CU_ASSERT_EQUAL(batcher_count(b).queued_tokens, 100);
    CU_ASSERT_EQUAL(batcher_take(b, parts, PARTS, INT64_MAX), 3);
    for (int i = 0; i < 3; i++) CU_ASSERT(parts[i].j == &r[i]->j && parts[i].first == 0 && parts[i].count == r[i]->j.n);
    CU_ASSERT_EQUAL(batcher_count(b).queued_tokens, 0);
    CU_ASSERT_EQUAL(r[0]->calls, 0);
    finish_ok(b, parts, 3);
    for (int i = 0; i < 3; i++) {
        CU_ASSERT(r[i]->calls == 1 && r[i]->result == OK);
        CU_ASSERT(r[i]->j.submitted_ns <= r[i]->j.cut_ns && r[i]->j.cut_ns <= r[i]->j.computed_ns);
        free(r[i]);
    }
    batcher_counts c = batcher_count(b);
    CU_ASSERT(c.submitted == 3 && c.answered == 3 && c.sequences == 4 && c.tokens == 100 && c.batches == 1);
    CU_ASSERT(c.refused == 0 && c.cancelled == 0 && c.failed == 0 && c.saved_sequences == 0);
    batcher_free(b);
}

static void a_request_is_spread_over_batches(void)
{
    batcher *b = batcher_make(100, 8, 10000);
    request *big = request_make(10, 30), *small = request_make(1, 40); /* three of 30 to a batch */
    batch_part parts[PARTS];
    must_submit(b, big);
    must_submit(b, small);
    for (int first = 0; first < 9; first += 3) {
        CU_ASSERT_EQUAL(batcher_take(b, parts, PARTS, INT64_MAX), 1); /* the small one must not overtake */
        CU_ASSERT(parts[0].j == &big->j && parts[0].first == first && parts[0].count == 3);
        finish_ok(b, parts, 1);
        CU_ASSERT_EQUAL(big->calls, 0);
    }
    CU_ASSERT_EQUAL(batcher_take(b, parts, PARTS, INT64_MAX), 2);
    CU_ASSERT(parts[0].first == 9 && parts[0].count == 1 && parts[1].j == &small->j);
    finish_ok(b, parts, 2);
    CU_ASSERT(big->calls == 1 && big->result == OK && big->computed == 10 && small->calls == 1);
    CU_ASSERT_EQUAL(batcher_count(b).batches, 4);
    free(big);
    free(small);
    batcher_free(b);
}

static void budgets_of_sequences_and_parts_hold(void)
{
    batcher *b = batcher_make(1000, 3, 10000);
    request *r[5];
    batch_part parts[PARTS];
    for (int i = 0; i < 5; i++) must_submit(b, r[i] = request_make(1, 1));
    CU_ASSERT_EQUAL(batcher_take(b, parts, PARTS, INT64_MAX), 3);
    finish_ok(b, parts, 3);
    CU_ASSERT_EQUAL(batcher_take(b, parts, 1, INT64_MAX), 1);
    CU_ASSERT_PTR_EQUAL(parts[0].j, &r[3]->j);
    finish_ok(b, parts, 1);
    CU_ASSERT_EQUAL(batcher_take(b, parts, PARTS, INT64_MAX), 1);
    finish_ok(b, parts, 1);
    for (int i = 0; i < 5; i++) free(r[i]);
    batcher_free(b);
}

static void the_bound_refuses_and_keeps_nothing(void)
{
    batcher *b = batcher_make(100, 8, 150);
    request *r[4] = {request_make(2, 100), request_make(1, 100), request_make(1, 51), request_make(1, 50)};
    batch_part parts[PARTS];
    error err;
    must_submit(b, r[0]); /* above the bound, but nothing waits */
    CU_ASSERT_EQUAL(submit(b, r[1], &err), OVERLOADED);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "200 tokens are queued, 100 more would pass the bound of 150"));
    CU_ASSERT_EQUAL(batcher_take(b, parts, PARTS, INT64_MAX), 1);
    CU_ASSERT_EQUAL(submit(b, r[2], &err), OVERLOADED); /* 100 of r[0] still wait: 151 */
    CU_ASSERT_EQUAL(submit(b, r[3], &err), OK);
    finish_ok(b, parts, 1);
    CU_ASSERT_EQUAL(batcher_take(b, parts, PARTS, INT64_MAX), 1);
    finish_ok(b, parts, 1);
    CU_ASSERT_EQUAL(batcher_take(b, parts, PARTS, INT64_MAX), 1);
    finish_ok(b, parts, 1);
    CU_ASSERT(r[0]->calls == 1 && r[1]->calls == 0 && r[2]->calls == 0 && r[3]->calls == 1);
    CU_ASSERT_EQUAL(batcher_count(b).refused, 2);
    must_submit(b, r[1]); /* a refused request may be tried again */
    CU_ASSERT_EQUAL(batcher_take(b, parts, PARTS, INT64_MAX), 1);
    finish_ok(b, parts, 1);
    CU_ASSERT_EQUAL(r[1]->calls, 1);
    for (int i = 0; i < 4; i++) free(r[i]);
    batcher_free(b);
}

static void what_no_batch_can_hold_is_refused(void)
{
    batcher *b = batcher_make(100, 8, 1000);
    request *long_one = request_make(1, 101), *empty = request_make(1, 0), *none = request_make(0, 1);
    error err;
    CU_ASSERT_EQUAL(submit(b, long_one, &err), BAD_INPUT);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "sequence 0 has 101 tokens, a batch holds 1 to 100"));
    CU_ASSERT_EQUAL(submit(b, empty, &err), BAD_INPUT);
    CU_ASSERT_EQUAL(submit(b, none, &err), BAD_INPUT);
    CU_ASSERT_EQUAL(batcher_count(b).submitted, 0);
    free(long_one);
    free(empty);
    free(none);
    batcher_free(b);
    policy_limits bad[] = {{0, 1, 1}, {1, 0, 1}, {1, 1, 0}, {-1, 1, 1}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        CU_ASSERT_EQUAL(batcher_open(&b, bad[i], &err), BAD_INPUT);
        CU_ASSERT_PTR_NULL(b);
    }
}

static void who_left_is_not_computed(void)
{
    batcher *b = batcher_make(100, 8, 10000);
    request *gone = request_make(3, 50), *partly = request_make(4, 50), *stays = request_make(1, 50);
    batch_part parts[PARTS];
    must_submit(b, gone);
    must_submit(b, partly);
    must_submit(b, stays);
    gone->j.gone = true;
    CU_ASSERT_EQUAL(batcher_take(b, parts, PARTS, INT64_MAX), 1); /* two of partly */
    CU_ASSERT(parts[0].j == &partly->j && parts[0].count == 2);
    CU_ASSERT(gone->calls == 1 && gone->result == CANCELLED && strstr(gone->why, "left"));
    CU_ASSERT_EQUAL(batcher_count(b).queued_tokens, 150);
    partly->j.gone = true;
    finish_ok(b, parts, 1);
    CU_ASSERT_EQUAL(partly->calls, 0); /* is noticed at the next cut */
    CU_ASSERT_EQUAL(batcher_take(b, parts, PARTS, INT64_MAX), 1);
    CU_ASSERT(partly->calls == 1 && partly->result == CANCELLED);
    CU_ASSERT_PTR_EQUAL(parts[0].j, &stays->j);
    finish_ok(b, parts, 1);
    CU_ASSERT(stays->calls == 1 && stays->result == OK);
    batcher_counts c = batcher_count(b);
    CU_ASSERT(c.cancelled == 2 && c.answered == 1 && c.saved_sequences == 5 && c.queued_tokens == 0 &&
              c.sequences == 3);
    free(gone);
    free(partly);
    free(stays);
    batcher_free(b);
}

/* With a second batch cut before the first is finished, the cancelled request must wait for its part in flight. */
static void who_left_with_a_part_in_flight_is_told_once(void)
{
    batcher *b = batcher_make(100, 8, 10000);
    request *r = request_make(4, 50), *next = request_make(1, 50);
    batch_part ahead[PARTS], parts[PARTS];
    must_submit(b, r);
    must_submit(b, next);
    CU_ASSERT_EQUAL(batcher_take(b, parts, PARTS, INT64_MAX), 1);
    r->j.gone = true;
    CU_ASSERT_EQUAL(batcher_take(b, ahead, PARTS, INT64_MAX), 1);
    CU_ASSERT_PTR_EQUAL(ahead[0].j, &next->j);
    CU_ASSERT_EQUAL(r->calls, 0);
    finish_ok(b, parts, 1);
    CU_ASSERT(r->calls == 1 && r->result == CANCELLED);
    finish_ok(b, ahead, 1);
    CU_ASSERT(next->calls == 1 && r->calls == 1);
    free(r);
    free(next);
    batcher_free(b);
}

static void a_failed_part_fails_its_request_alone(void)
{
    batcher *b = batcher_make(100, 8, 10000);
    request *r = request_make(6, 50), *next = request_make(1, 50);
    batch_part parts[PARTS], ahead[PARTS];
    error why = {"the device is out of memory"}, later = {"another reason"};
    must_submit(b, r);
    must_submit(b, next);
    CU_ASSERT_EQUAL(batcher_take(b, parts, PARTS, INT64_MAX), 1);
    CU_ASSERT_EQUAL(batcher_take(b, ahead, PARTS, INT64_MAX), 1); /* two more of r are in flight */
    batcher_finish(b, parts, 1, GPU_FAILED, &why);
    CU_ASSERT_EQUAL(r->calls, 0);
    CU_ASSERT_EQUAL(batcher_count(b).queued_tokens, 50); /* the last two of r are not waited for */
    batcher_finish(b, ahead, 1, GPU_LOST, &later);
    CU_ASSERT(r->calls == 1 && r->result == GPU_FAILED && !strcmp(r->why, why.text)); /* the first reason stays */
    CU_ASSERT_EQUAL(batcher_take(b, parts, PARTS, INT64_MAX), 1);
    CU_ASSERT_PTR_EQUAL(parts[0].j, &next->j);
    finish_ok(b, parts, 1);
    CU_ASSERT(next->calls == 1 && next->result == OK);
    batcher_counts c = batcher_count(b);
    CU_ASSERT(c.failed == 1 && c.answered == 1 && c.sequences == 1 && c.batches == 1);
    free(r);
    free(next);
    batcher_free(b);
}

static void close_drains_what_is_queued(void)
{
    batcher *b = batcher_make(100, 8, 10000);
    request *r = request_make(3, 50), *late = request_make(1, 1), *left = request_make(1, 1);
    batch_part parts[PARTS];
    error err;
    must_submit(b, r);
    must_submit(b, left);
    left->j.gone = true;
    batcher_close(b);
    batcher_close(b);
    CU_ASSERT_EQUAL(submit(b, late, &err), UNAVAILABLE);
    CU_ASSERT_EQUAL(batcher_take(b, parts, PARTS, INT64_MAX), 1);
    finish_ok(b, parts, 1);
    CU_ASSERT_EQUAL(batcher_take(b, parts, PARTS, INT64_MAX), 1);
    finish_ok(b, parts, 1);
    CU_ASSERT(r->calls == 1 && r->computed == 3);
    CU_ASSERT_EQUAL(batcher_take(b, parts, PARTS, INT64_MAX), 0);
    CU_ASSERT_EQUAL(batcher_take(b, parts, PARTS, INT64_MAX), 0);
    CU_ASSERT(left->calls == 1 && left->result == CANCELLED && late->calls == 0);
    free(r);
    free(late);
    free(left);
    batcher_free(b);
    batcher_free(NULL);
}

static void looking_does_not_wait(void)
{
    batcher *b = batcher_make(100, 8, 10000);
    request *r = request_make(1, 50), *gone = request_make(1, 50), *stays = request_make(1, 50);
    batch_part parts[PARTS];
    CU_ASSERT_EQUAL(batcher_try_take(b, parts, PARTS), 0);
    CU_ASSERT_EQUAL(batcher_take(b, parts, PARTS, 1), BATCHER_LATE); /* long past */
    const int64_t soon_ns = clock_ns() + 3000000;
    CU_ASSERT_EQUAL(batcher_take(b, parts, PARTS, soon_ns), BATCHER_LATE);
    CU_ASSERT(clock_ns() >= soon_ns);
    must_submit(b, r);
    CU_ASSERT_EQUAL(batcher_take(b, parts, PARTS, 1), 1); /* what is there is taken, however late */
    finish_ok(b, parts, 1);
    must_submit(b, gone);
    gone->j.gone = true;
    CU_ASSERT_EQUAL(batcher_try_take(b, parts, PARTS), 0);
    CU_ASSERT_EQUAL(gone->result, CANCELLED);
    must_submit(b, stays);
    CU_ASSERT_EQUAL(batcher_try_take(b, parts, PARTS), 1);
    CU_ASSERT_EQUAL(batcher_try_take(b, parts, PARTS), 0);
    finish_ok(b, parts, 1);
    batcher_close(b);
    CU_ASSERT_EQUAL(batcher_try_take(b, parts, PARTS), 0);
    CU_ASSERT_EQUAL(batcher_take(b, parts, PARTS, 1), 0);
    CU_ASSERT(r->calls == 1 && gone->calls == 1 && stays->calls == 1);
    free(r);
    free(gone);
    free(stays);
    batcher_free(b);
}

/* A batch may also come back in pieces, and a request's parts apart. */
static void a_batch_may_be_finished_in_pieces(void)
{
    batcher *b = batcher_make(100, 8, 10000);
    request *r = request_make(4, 20), *next = request_make(1, 20);
    batch_part parts[PARTS];
    error why = {"no memory for this half"};
    must_submit(b, r);
    must_submit(b, next);
    CU_ASSERT_EQUAL(batcher_take(b, parts, PARTS, INT64_MAX), 2);
    const batch_part first = {&r->j, 0, 2}, rest[] = {{&r->j, 2, 2}, parts[1]};
    finish_ok(b, &first, 1);
    CU_ASSERT_EQUAL(r->calls, 0);
    batcher_finish(b, rest, 2, NO_MEMORY, &why);
    CU_ASSERT(r->calls == 1 && r->result == NO_MEMORY && next->calls == 1 && next->result == NO_MEMORY);
    free(r);
    free(next);
    batcher_free(b);
}

static void *abandon(void *arg)
{
    error why = {"the device is gone"};
    batcher_abandon(arg, GPU_LOST, &why);
    return NULL;
}

/* Taken whole, taken in part, queued, failed already, left: each is told once, by a thread that is no executor. */
static void abandoned_requests_are_told_once(void)
{
    batcher *b = batcher_make(100, 8, 10000);
    request *r[5], *late = request_make(1, 1);
    batch_part parts[PARTS], ahead[PARTS];
    pthread_t watcher;
    error err, failed = {"its first part failed"};
    for (int i = 0; i < 5; i++) must_submit(b, r[i] = request_make(i == 1 ? 5 : i == 2 ? 3 : 1, 50));
    r[4]->j.gone = true;
    CU_ASSERT_EQUAL(batcher_take(b, parts, PARTS, INT64_MAX), 2); /* r[0], one of r[1] */
    CU_ASSERT_EQUAL(batcher_take(b, ahead, PARTS, INT64_MAX), 1); /* two more of r[1] */
    batcher_finish(b, parts + 1, 1, GPU_FAILED, &failed);
    CU_ASSERT_EQUAL(batcher_take(b, parts + 1, PARTS - 1, INT64_MAX), 1); /* two of r[2] */
    CU_ASSERT_EQUAL_FATAL(pthread_create(&watcher, NULL, abandon, b), 0);
    pthread_join(watcher, NULL);
    for (int i = 0; i < 5; i++) {
        CU_ASSERT_EQUAL(r[i]->calls, 1);
        CU_ASSERT_EQUAL(r[i]->result, i == 1 ? GPU_FAILED : GPU_LOST);
        CU_ASSERT_STRING_EQUAL(r[i]->why, i == 1 ? failed.text : "the device is gone");
        free(r[i]);
    }
    CU_ASSERT_EQUAL(submit(b, late, &err), GPU_LOST);
    CU_ASSERT_STRING_EQUAL(err.text, "the device is gone");
    batcher_close(b);
    CU_ASSERT_EQUAL(submit(b, late, &err), GPU_LOST); /* the reason stays */
    CU_ASSERT_EQUAL(batcher_take(b, parts, PARTS, INT64_MAX), 0);
    CU_ASSERT(batcher_count(b).failed == 5 && batcher_count(b).queued_tokens == 0 && late->calls == 0);
    free(late);
    batcher_free(b);
}

static void done_frees_its_job(job *j, status result, const error *err)
{
    (void)result, (void)err;
    free(j->owner);
}

static void done_may_free_its_request(void)
{
    batcher *b = batcher_make(100, 8, 10000);
    batch_part parts[PARTS];
    for (int i = 0; i < 5; i++) {
        request *r = request_make(1, 10);
        r->j.done = done_frees_its_job;
        r->j.gone = i % 2;
        must_submit(b, r);
    }
    int n = batcher_take(b, parts, PARTS, INT64_MAX);
    CU_ASSERT_EQUAL(n, 3);
    batcher_finish(b, parts, n, OK, NULL);
    CU_ASSERT_EQUAL(batcher_count(b).answered, 3);
    batcher_free(b);
}

static void *execute(void *arg)
{
    batcher *b = arg;
    batch_part parts[PARTS];
    for (int n, k = 0; (n = batcher_take(b, parts, 5, INT64_MAX)) > 0; k++) {
        int tokens = 0, sequences = 0;
        for (int i = 0; i < n; i++) {
            const job *j = parts[i].j;
            tokens += j->starts[parts[i].first + parts[i].count] - j->starts[parts[i].first];
            sequences += parts[i].count;
        }
        if (tokens > 100 || sequences > 8) abort(); /* a budget was passed: no use going on */
        error err = {"every seventh batch is lost"};
        if (k % 7 == 6) batcher_finish(b, parts, n, GPU_FAILED, &err);
        else finish_ok(b, parts, n);
    }
    return NULL;
}

enum { CLIENTS = 4, ROUNDS = 400 };
typedef struct { batcher *b; int number, answered, cancelled, failed, refused, wrong; } client;

static void *send_requests(void *arg)
{
    client *c = arg;
    for (int k = 0; k < ROUNDS; k++) {
        error err;
        int n = 1 + (k * 7 + c->number) % SEQUENCES_MAX, retry;
        request *r = request_make(n, 1 + (k + c->number) % 40);
        status rc = batcher_submit(c->b, &r->j, &retry, &err);
        if (rc == OVERLOADED) {
            c->refused++;
            sched_yield();
        } else if (rc != OK) {
            c->wrong++;
        } else {
            if (k % 5 == 0) atomic_store_explicit(&r->j.gone, true, memory_order_relaxed);
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
    batcher *b = batcher_make(100, 8, 400);
    pthread_t thread[CLIENTS], executor;
    client c[CLIENTS];
    client sum = {0};
    pthread_create(&executor, NULL, execute, b);
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
    pthread_join(executor, NULL);
    batcher_counts n = batcher_count(b);
    CU_ASSERT_EQUAL(sum.wrong, 0);
    CU_ASSERT_EQUAL(sum.answered + sum.cancelled + sum.failed + sum.refused, CLIENTS * ROUNDS);
    CU_ASSERT(n.answered == sum.answered && n.cancelled == sum.cancelled && n.failed == sum.failed);
    CU_ASSERT(n.refused == sum.refused && n.submitted == sum.answered + sum.cancelled + sum.failed);
    CU_ASSERT_EQUAL(n.queued_tokens, 0);
    CU_ASSERT(sum.answered > 0 && sum.failed > 0);
    batcher_free(b);
}

static void *wait_for_the_end(void *arg)
{
    batch_part parts[PARTS];
    return batcher_take(arg, parts, PARTS, INT64_MAX) == 0 ? arg : NULL;
}

static void close_wakes_an_idle_executor(void)
{
    batcher *b = batcher_make(100, 8, 400);
    pthread_t executor;
    void *woke = NULL;
    pthread_create(&executor, NULL, wait_for_the_end, b);
    batcher_close(b);
    pthread_join(executor, &woke);
    CU_ASSERT_PTR_EQUAL(woke, b);
    batcher_free(b);
}

/* A queue whose requests have all left must wake the executor, tell them, and let it wait again. */
static void the_gone_do_not_end_the_executor(void)
{
    batcher *b = batcher_make(100, 8, 400);
    request *left = request_make(1, 5), *stays = request_make(1, 5);
    pthread_t executor;
    left->j.gone = true;
    must_submit(b, left);
    pthread_create(&executor, NULL, execute, b);
    while (!atomic_load(&left->calls)) sched_yield();
    must_submit(b, stays);
    while (!atomic_load(&stays->calls)) sched_yield();
    CU_ASSERT(left->result == CANCELLED && stays->result == OK);
    batcher_close(b);
    pthread_join(executor, NULL);
    free(left);
    free(stays);
    batcher_free(b);
}

void batcher_suite(CU_pSuite s)
{
    CU_add_test(s, "requests share a batch in the order of their arrival", requests_share_a_batch_in_order);
    CU_add_test(s, "a request is spread over batches and nobody overtakes it", a_request_is_spread_over_batches);
    CU_add_test(s, "the budget of sequences and the room for parts hold", budgets_of_sequences_and_parts_hold);
    CU_add_test(s, "the bound refuses with Retry-After and keeps nothing", the_bound_refuses_and_keeps_nothing);
    CU_add_test(s, "what no batch could hold is refused at the door", what_no_batch_can_hold_is_refused);
    CU_add_test(s, "who left is not computed, told CANCELLED and counted", who_left_is_not_computed);
    CU_add_test(s, "who left with a part in flight is told once, when it is back",
                who_left_with_a_part_in_flight_is_told_once);
    CU_add_test(s, "a failed part fails its request with the first reason, and no other",
                a_failed_part_fails_its_request_alone);
    CU_add_test(s, "close refuses what is new and drains what is queued", close_drains_what_is_queued);
    CU_add_test(s, "a look at the queue does not wait, and a wait ends at its time", looking_does_not_wait);
    CU_add_test(s, "a batch may be finished in pieces", a_batch_may_be_finished_in_pieces);
    CU_add_test(s, "what is abandoned is told once, queued, taken or half failed, and later submits are told the same",
                abandoned_requests_are_told_once);
    CU_add_test(s, "done() may free its request", done_may_free_its_request);
    CU_add_test(s, "under four clients, leavers and failures every request is answered once",
                every_request_is_answered_once);
    CU_add_test(s, "close wakes an idle executor", close_wakes_an_idle_executor);
    CU_add_test(s, "a queue of leavers does not end the executor", the_gone_do_not_end_the_executor);
}
