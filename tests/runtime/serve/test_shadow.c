/* test_shadow.c - what live requests ask is run on a candidate that does what the test tells it.
 *
 * The executor is a thread here that takes the candidate's batches from a real batcher: it says how long they took, so
 * no time depends on the machine. */
#include <CUnit/CUnit.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include "runtime/base/clock.h"
#include "runtime/serve/shadow.h"

enum { DIMENSIONS = 4, LONGEST = 8, VOCAB = 100, MS = 1000000, ROOM = 100, LIMIT_MS = 30000, OFFERING = 2 };

typedef enum { AGREES, OPPOSES, MOSTLY_AGREES, MOSTLY_OPPOSES, IS_ZERO, IS_NAN, FAILS_ONCE, IS_LOST } behaviour;

static engine live, other, candidate;
static shadow *sampled;
static batcher *jobs;
static atomic_bool stop, offering;
static atomic_int ran, wanted_runs;
static atomic_bool misused;
static behaviour does;
static int64_t takes_ns;

static void nap(void) { nanosleep(&(struct timespec){.tv_nsec = MS}, NULL); }

static engine engine_of(int dimensions, int max_tokens, int vocab)
{
    engine e = {.description = {.dimensions = dimensions, .max_tokens = max_tokens, .shape.vocab = vocab}};
    e.contract.dimensions = dimensions;
    e.contract.max_tokens = max_tokens;
    e.contract.default_prompt = -1;
    return e;
}

/* As the live version computes it; only two ids of it matter. */
static void row_of(const int32_t *ids, int tokens, float *row, int dimensions)
{
    for (int i = 0; i < dimensions; i++) row[i] = (float)(ids[0] + i * ids[tokens - 1] + 1);
}

static bool opposes(int nth)
{
    return does == OPPOSES || (does == MOSTLY_AGREES && nth % 3 == 0) || (does == MOSTLY_OPPOSES && nth % 3);
}

static status compute(job *j, int nth, error *err)
{
    const int dimensions = candidate.description.dimensions, tokens = j->starts[1];
    if (j->engine != &candidate || j->n != 1 || j->lane != LANE_BULK || tokens > candidate.description.max_tokens)
        atomic_store(&misused, true);
    for (int i = 0; i < tokens; i++)
        if (j->ids[i] < 0 || j->ids[i] >= candidate.description.shape.vocab) atomic_store(&misused, true);
    if (does == IS_NAN) return fail(err, NOT_FINITE, "a vector is not finite");
    if (does == IS_LOST) return fail(err, GPU_LOST, "the device is lost");
    if (does == FAILS_ONCE && nth == 1) return fail(err, GPU_FAILED, "a launch failed");
    row_of(j->ids, tokens, j->rows, dimensions);
    for (int i = 0; i < dimensions; i++) j->rows[i] *= does == IS_ZERO ? 0.0f : opposes(nth) ? -0.5f : 0.5f;
    return OK;
}

static void *execute(void *unused)
{
    batch_part part;
    queue_batch cut;
    (void)unused;
    while (batcher_take(jobs, 0, &part, 1, INT64_MAX, &cut) > 0) {
        error err = {""};
        const int64_t now_ns = clock_ns();
        const status rc = compute(part.j, atomic_load(&ran), &err);
        batcher_finish(jobs, &part, 1, rc, &err, now_ns - takes_ns, now_ns);
        if (atomic_fetch_add(&ran, 1) + 1 >= atomic_load(&wanted_runs)) atomic_store(&stop, true);
    }
    return NULL;
}

/* A loop: its requests' memory is its own, and gone right after. */
static void *offer(void *seed)
{
    for (int i = *(int *)seed; atomic_load(&offering); i++) {
        int32_t ids[LONGEST];
        float row[DIMENSIONS];
        const int tokens = 1 + i % LONGEST;
        const bool from_live = i % 2;
        for (int k = 0; k < tokens; k++) ids[k] = (i + k * 7) % VOCAB;
        row_of(ids, tokens, row, DIMENSIONS);
        if (!from_live) row[0] = -1000; /* would be seen if it were compared */
        shadow_offer(sampled, &(shadow_sample){from_live ? &live : &other, ids, tokens, row});
        memset(ids, 0xff, sizeof ids);
    }
    return NULL;
}

static void begin(behaviour b, int runs)
{
    static const service_table times = {.n = 1, .row = {{LONGEST, 1, 2 * MS, 0}}};
    const policy_limits limits = {.objective_ns = 1000 * MS,
                                  .max_wait_ns = 1000 * MS,
                                  .batch_tokens = 64,
                                  .batch_sequences = 4,
                                  .longest = LONGEST,
                                  .executors = 1,
                                  .max_requests = ROOM};
    error err;
    does = b;
    takes_ns = 1000;
    live = other = candidate = engine_of(DIMENSIONS, LONGEST, VOCAB);
    atomic_store(&ran, 0);
    atomic_store(&wanted_runs, runs);
    atomic_store(&stop, false);
    atomic_store(&misused, false);
    CU_ASSERT_EQUAL_FATAL(shadow_open(&sampled, &err), OK);
    CU_ASSERT_EQUAL_FATAL(batcher_open(&jobs, limits, &times, &err), OK);
}

static void end(void)
{
    CU_ASSERT_FALSE(atomic_load(&misused));
    batcher_free(jobs);
    shadow_close(sampled);
}

/* Runs while loops offer, until the executor has had so many as begin() said. */
static status run(shadow_report *report, int limit_ms)
{
    pthread_t loops[OFFERING], executor;
    int seeds[OFFERING];
    error err = {""};
    const shadow_run_options o = {
        .queue = jobs, .live = &live, .candidate = &candidate, .limit_ms = limit_ms, .stop = &stop};
    atomic_store(&offering, true);
    CU_ASSERT_EQUAL_FATAL(pthread_create(&executor, NULL, execute, NULL), 0);
    for (int i = 0; i < OFFERING; i++) {
        seeds[i] = i * 1000;
        CU_ASSERT_EQUAL_FATAL(pthread_create(&loops[i], NULL, offer, &seeds[i]), 0);
    }
    const status rc = shadow_run(sampled, &o, report, &err);
    nap(); /* what loops offer now is wanted no more, and its room is gone */
    atomic_store(&offering, false);
    for (int i = 0; i < OFFERING; i++) pthread_join(loops[i], NULL);
    batcher_close(jobs);
    pthread_join(executor, NULL);
    return rc;
}

static void refused(const shadow_report *report, const char *part)
{
    error err = {""};
    CU_ASSERT_EQUAL(shadow_judge(report, &err), BAD_INPUT);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, part));
    if (!strstr(err.text, part)) printf("\n    \"%s\", wanted \"%s\"", err.text, part);
}

/* ---- claims ---- */

static void one_that_agrees_passes(void)
{
    shadow_report r;
    error err;
    begin(AGREES, 30);
    CU_ASSERT_EQUAL(run(&r, LIMIT_MS), OK);
    CU_ASSERT(r.comparable && r.ran == 30 && r.failed == 0 && r.skipped == 0);
    CU_ASSERT(r.cosine_least > 0.999999 && r.cosine_median > 0.999999);
    CU_ASSERT_EQUAL(r.candidate_ns, 30 * takes_ns);
    CU_ASSERT(r.live_ns > 0 && r.live_ns <= 30 * 2 * MS);
    CU_ASSERT_EQUAL(shadow_judge(&r, &err), OK);
    end();
}

static void one_that_differs_is_refused(void)
{
    shadow_report r;
    error err;
    begin(OPPOSES, 6);
    CU_ASSERT_EQUAL(run(&r, LIMIT_MS), OK);
    refused(&r, "median cosine -1.0000 over 6 live inputs, least -1.0000; wanted at least 0.95");
    end();
    begin(MOSTLY_OPPOSES, 6);
    CU_ASSERT_EQUAL(run(&r, LIMIT_MS), OK);
    refused(&r, "median cosine -1.0000");
    end();
    begin(MOSTLY_AGREES, 6);
    CU_ASSERT_EQUAL(run(&r, LIMIT_MS), OK);
    CU_ASSERT(r.cosine_least < -0.99 && r.cosine_median > 0.99);
    CU_ASSERT_EQUAL(shadow_judge(&r, &err), OK);
    end();
    r.cosine_median = SHADOW_COSINE;
    CU_ASSERT_EQUAL(shadow_judge(&r, &err), OK);
    r.cosine_median = 0.9499;
    refused(&r, "median cosine 0.9499");
}

static void one_that_fails_is_refused(void)
{
    shadow_report r;
    begin(IS_NAN, 5);
    CU_ASSERT_EQUAL(run(&r, LIMIT_MS), OK);
    CU_ASSERT(r.ran == 0 && r.failed == 5);
    refused(&r, "5 of 5 live inputs failed on the candidate: a vector is not finite");
    end();
    begin(FAILS_ONCE, 5);
    CU_ASSERT_EQUAL(run(&r, LIMIT_MS), OK);
    refused(&r, "1 of 5 live inputs failed on the candidate: a launch failed");
    end();
    begin(IS_ZERO, 5);
    CU_ASSERT_EQUAL(run(&r, LIMIT_MS), OK);
    refused(&r, "5 of 5 live inputs failed on the candidate: the candidate's row has no direction");
    end();
}

/* Fewer dimensions, words and tokens: rows and ids of the one are none of the other. */
static void a_broken_contract_leaves_the_times(void)
{
    shadow_report r;
    error err;
    begin(OPPOSES, 20);
    candidate = engine_of(DIMENSIONS - 1, 2, 5);
    CU_ASSERT_EQUAL(run(&r, LIMIT_MS), OK);
    CU_ASSERT(!r.comparable && r.ran == 20 && r.failed == 0);
    CU_ASSERT(r.cosine_least == 1 && r.cosine_median == 1);
    CU_ASSERT_EQUAL(r.candidate_ns, 20 * takes_ns);
    CU_ASSERT_EQUAL(shadow_judge(&r, &err), OK);
    end();
}

static void no_more_than_its_share(void)
{
    shadow_report r;
    begin(AGREES, 1000000);
    takes_ns = 10000LL * MS; /* as it says; 200 times as long is beyond the limit */
    CU_ASSERT_EQUAL(run(&r, 200), OK);
    CU_ASSERT(r.ran <= 1);
    end();
    begin(AGREES, 1000000);
    takes_ns = 0;
    CU_ASSERT_EQUAL(run(&r, LIMIT_MS), OK);
    CU_ASSERT_EQUAL(r.ran, SHADOW_MOST);
    end();
}

static void nobody_asks(void)
{
    shadow_report r;
    error err;
    begin(AGREES, 1);
    const shadow_run_options o = {.queue = jobs, .live = &live, .candidate = &candidate, .limit_ms = 20, .stop = &stop};
    shadow_offer(sampled, &(shadow_sample){&live, NULL, LONGEST, NULL}); /* none is wanted: it is not even looked at */
    CU_ASSERT_EQUAL(shadow_run(sampled, &o, &r, &err), OK);
    CU_ASSERT(r.ran == 0 && r.failed == 0);
    CU_ASSERT_EQUAL(shadow_judge(&r, &err), OK);
    shadow_offer(sampled, &(shadow_sample){&live, NULL, LONGEST, NULL});
    end();
}

static void it_ends_when_told(void)
{
    shadow_report r;
    begin(AGREES, 0);
    atomic_store(&stop, true);
    CU_ASSERT_EQUAL(run(&r, LIMIT_MS), OK);
    CU_ASSERT_EQUAL(r.ran, 0);
    end();
}

static void what_is_not_the_candidates_fault(void)
{
    shadow_report r;
    begin(IS_LOST, 1);
    CU_ASSERT_EQUAL(run(&r, LIMIT_MS), GPU_LOST);
    CU_ASSERT_EQUAL(r.failed, 0);
    end();
    begin(AGREES, 1);
    batcher_close(jobs);
    CU_ASSERT_EQUAL(run(&r, LIMIT_MS), UNAVAILABLE);
    CU_ASSERT_EQUAL(r.failed, 0);
    end();
}

static void ignore(job *j, status result, const error *err) { (void)j, (void)result, (void)err; }

/* Nobody takes from it, as if every device were busy for long. */
static void a_full_queue_is_nobodys_failure(void)
{
    static const int32_t ids[ROOM * LONGEST], starts[] = {0, LONGEST};
    job full[ROOM];
    shadow_report r;
    error err;
    int retry_after_s;
    float row[DIMENSIONS];
    pthread_t loop;
    int seed = 0;
    begin(AGREES, 1);
    for (int i = 0; i < ROOM; i++) {
        full[i] = (job){.engine = &live,
                        .n = 1,
                        .ids = ids,
                        .starts = starts,
                        .deadline_ns = INT64_MAX,
                        .rows = row,
                        .done = ignore};
        CU_ASSERT_EQUAL_FATAL(batcher_submit(jobs, &full[i], &retry_after_s, &err), OK);
    }
    const shadow_run_options o = {
        .queue = jobs, .live = &live, .candidate = &candidate, .limit_ms = 300, .stop = &stop};
    atomic_store(&offering, true);
    CU_ASSERT_EQUAL_FATAL(pthread_create(&loop, NULL, offer, &seed), 0);
    CU_ASSERT_EQUAL(shadow_run(sampled, &o, &r, &err), OK);
    atomic_store(&offering, false);
    pthread_join(loop, NULL);
    CU_ASSERT(r.ran == 0 && r.failed == 0 && r.skipped > 0);
    CU_ASSERT_EQUAL(shadow_judge(&r, &err), OK);
    batcher_abandon(jobs, GPU_LOST, &err);
    end();
}

void shadow_suite(CU_pSuite s)
{
    CU_add_test(s, "a candidate that agrees passes, with both versions' times", one_that_agrees_passes);
    CU_add_test(s, "a candidate whose median row differs is refused with the numbers", one_that_differs_is_refused);
    CU_add_test(s, "a candidate that gives no row, NaN or zeros for a live input is refused",
                one_that_fails_is_refused);
    CU_add_test(s, "where the contract is broken only times are compared, and ids stay within the candidate's",
                a_broken_contract_leaves_the_times);
    CU_add_test(s, "samples take no more than their share of the device, and end at the most", no_more_than_its_share);
    CU_add_test(s, "nothing is taken while none is wanted; none at all is no refusal", nobody_asks);
    CU_add_test(s, "it ends when it is told to", it_ends_when_told);
    CU_add_test(s, "a lost device and a closed queue are the server's, not the candidate's",
                what_is_not_the_candidates_fault);
    CU_add_test(s, "a sample that finds no room in the queue is skipped", a_full_queue_is_nobodys_failure);
}
