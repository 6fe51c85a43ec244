/* test_queue.c - one request at a time through the queue: how it is cut, how it ends, how it is counted. */
#include <CUnit/CUnit.h>
#include <string.h>
#include "runtime/serve/queue.h"

enum { MS = 1000000, T0 = 1000, PARTS = 16, JOBS = 8, MOST = 64 };

/* t = 1 us a token; a budget of 1,000 tokens, as that is the room. */
static const policy_limits usual = {.objective_ns = 100 * MS,
                                    .max_wait_ns = 2 * MS,
                                    .batch_tokens = 1000,
                                    .batch_sequences = 32,
                                    .longest = 500,
                                    .executors = 1,
                                    .max_requests = 6};
static const service_table seed = {.row = {{1, 1, MS / 1000, 0}, {1000, 1, 1 * MS, 0}}, .n = 2};

static queue *q;
static job jobs[JOBS];
static int32_t starts[JOBS][MOST + 1];
static batch_part parts[PARTS];
static job_list ended;
static error err;
static int retry_after_s;

static void open_with(policy_limits l)
{
    TAILQ_INIT(&ended);
    memset(jobs, 0, sizeof jobs);
    CU_ASSERT_EQUAL_FATAL(queue_open(&q, l, &seed, &err), OK);
}

static void open_usual(void) { open_with(usual); }

/* Request i, n sequences of so many tokens. */
static job *request(int i, int n, int tokens)
{
    CU_ASSERT_PTR_NULL_FATAL(jobs[i].owner);
    for (int k = 0; k <= n; k++) starts[i][k] = k * tokens;
    jobs[i] = (job){.n = n, .starts = starts[i], .deadline_ns = INT64_MAX};
    return &jobs[i];
}

static status submit(job *j, int64_t now_ns)
{
    CU_ASSERT_PTR_NULL_FATAL(j->owner); /* else the lists would be a ring */
    const status rc = queue_submit(q, j, now_ns, &retry_after_s, &err);
    if (rc == OK) j->owner = j;
    return rc;
}

static queue_batch cut(int64_t now_ns) { return queue_cut(q, parts, PARTS, false, now_ns); }

static void finish(int n, status result, int64_t now_ns)
{
    const error why = {"as told"};
    queue_finish(q, parts, n, result, &why, now_ns - 20, now_ns - 10, now_ns, &ended);
}

static bool has_ended(const job *j)
{
    const job *k;
    TAILQ_FOREACH(k, &ended, entry) if (k == j) return true;
    return false;
}

static bool is_part(int i, const job *j, int first, int count)
{
    return parts[i].j == j && parts[i].first == first && parts[i].count == count;
}

static queue_counts counted(int64_t now_ns) { return queue_count(q, now_ns); }

static void done(void)
{
    const queue_counts c = counted(INT64_MAX);
    CU_ASSERT_EQUAL(c.in_hand, 0);
    CU_ASSERT_EQUAL(c.submitted, c.answered + c.expired + c.cancelled + c.failed);
    CU_ASSERT_EQUAL(c.in_hand_ns, c.sojourn_ns);
    CU_ASSERT_EQUAL(c.queued_requests + c.queued_sequences + c.queued_tokens, 0);
    queue_free(q);
}

static void bad_limits_are_refused(void)
{
    policy_limits l = usual;
    service_table t = seed;
    l.longest = 1001;
    CU_ASSERT_EQUAL(queue_open(&q, l, &seed, &err), BAD_INPUT);
    CU_ASSERT_PTR_NULL(q);
    l = usual;
    l.executors = 0;
    CU_ASSERT_EQUAL(queue_open(&q, l, &seed, &err), BAD_INPUT);
    t.n = 0;
    CU_ASSERT_EQUAL(queue_open(&q, usual, &t, &err), BAD_INPUT);
    queue_free(NULL);
}

static void equal_times_keep_the_order_of_submission(void)
{
    open_usual();
    for (int i = 0; i < 6; i++) CU_ASSERT_EQUAL(submit(request(i, 1, 10), T0), OK);
    const queue_batch b = cut(T0);
    CU_ASSERT_EQUAL(b.n, 6);
    CU_ASSERT_EQUAL(b.tokens, 60);
    CU_ASSERT_EQUAL(b.sequences, 6);
    CU_ASSERT_EQUAL(b.predicted_ns, 60000);
    CU_ASSERT_EQUAL(b.trigger, TRIGGER_IDLE);
    for (int i = 0; i < b.n; i++) CU_ASSERT_TRUE(is_part(i, &jobs[i], 0, 1));
    finish(b.n, OK, T0 + 100);
    for (int i = 0; i < 6; i++) CU_ASSERT_TRUE(has_ended(&jobs[i]));
    CU_ASSERT_EQUAL(jobs[0].submitted_ns, T0);
    CU_ASSERT_EQUAL(jobs[0].cut_ns, T0);
    CU_ASSERT_EQUAL(jobs[0].begun_ns, T0 + 80);
    CU_ASSERT_EQUAL(jobs[0].computed_ns, T0 + 90);
    CU_ASSERT_EQUAL(counted(T0 + 100).answered, 6);
    CU_ASSERT_EQUAL(counted(T0 + 100).tokens, 60);
    done();
}

/* Two arrays come together: their sequences are due in turns. */
static void interleaved_requests_are_one_part_each(void)
{
    open_usual();
    submit(request(0, 8, 50), T0);
    submit(request(1, 8, 50), T0);
    const queue_batch b = cut(T0 + 2 * MS); /* all are due */
    CU_ASSERT_EQUAL(b.n, 2);
    CU_ASSERT_TRUE(is_part(0, &jobs[0], 0, 8));
    CU_ASSERT_TRUE(is_part(1, &jobs[1], 0, 8));
    CU_ASSERT_EQUAL(b.sequences, 16);
    finish(2, OK, T0 + 3 * MS);
    done();
}

/* At a fourth of the speed 100 tokens take 400 us. */
static void an_array_lets_those_pass_who_are_due_before_its_rest(void)
{
    open_usual();
    submit(request(0, 10, 400), T0);
    submit(request(1, 1, 200), T0 + 1);
    queue_batch b = cut(T0 + 1);
    CU_ASSERT_EQUAL(b.n, 2);
    CU_ASSERT_TRUE(is_part(0, &jobs[0], 0, 1));
    CU_ASSERT_TRUE(is_part(1, &jobs[1], 0, 1));
    CU_ASSERT_EQUAL(b.trigger, TRIGGER_FULL); /* the rest is not due, and the quantum is full */
    finish(2, OK, T0 + 2);
    CU_ASSERT_TRUE(has_ended(&jobs[1]));
    CU_ASSERT_FALSE(has_ended(&jobs[0]));
    CU_ASSERT_EQUAL(queue_due_tokens(q, T0 + 2), 0);
    b = cut(T0 + 4 * MS); /* two more are due, and a batch holds two */
    CU_ASSERT_TRUE(is_part(0, &jobs[0], 1, 2));
    CU_ASSERT_EQUAL(counted(T0 + 4 * MS).queued_sequences, 7);
    CU_ASSERT_EQUAL(counted(T0 + 4 * MS).queued_tokens, 2800);
    CU_ASSERT_EQUAL(counted(T0 + 4 * MS).oldest_ns, T0);
    finish(1, OK, T0 + 5 * MS);
    queue_cancel(q, &jobs[0], T0 + 5 * MS, &ended);
    done();
}

static void few_parts_end_a_batch(void)
{
    open_usual();
    for (int i = 0; i < 3; i++) submit(request(i, 1, 10), T0);
    CU_ASSERT_EQUAL(queue_cut(q, parts, 2, false, T0).trigger, TRIGGER_FULL);
    finish(2, OK, T0);
    CU_ASSERT_EQUAL(queue_cut(q, parts, 2, true, T0).trigger, TRIGGER_DRAIN);
    finish(1, OK, T0);
    CU_ASSERT_EQUAL(cut(T0).n, 0);
    CU_ASSERT_EQUAL(counted(T0).batches[TRIGGER_FULL], 1);
    CU_ASSERT_EQUAL(counted(T0).batches[TRIGGER_DRAIN], 1);
    done();
}

/* Compared and never looked into. */
static int versions[2];
static struct engine *const before = (void *)&versions[0], *const now = (void *)&versions[1];

static void a_batch_is_of_one_version(void)
{
    static const int of[] = {0, 0, 1, 1, 0, 1}, cuts[] = {2, 2, 1, 1};
    open_usual();
    for (int i = 0; i < 6; i++) {
        job *j = request(i, 1, 10);
        j->engine = of[i] ? now : before;
        CU_ASSERT_EQUAL(submit(j, T0), OK);
    }
    for (int i = 0, first = 0; i < 4; first += cuts[i++]) {
        const queue_batch b = cut(T0);
        CU_ASSERT_EQUAL_FATAL(b.n, cuts[i]);
        CU_ASSERT_EQUAL(b.tokens, 10 * cuts[i]);
        CU_ASSERT_EQUAL(b.trigger, i < 3 ? TRIGGER_FULL : TRIGGER_IDLE); /* full: more waits, and does not join */
        CU_ASSERT_PTR_EQUAL(b.engine, of[first] ? now : before);
        for (int k = 0; k < b.n; k++) CU_ASSERT_TRUE(is_part(k, &jobs[first + k], 0, 1));
        finish(b.n, OK, T0);
    }
    for (int i = 0; i < 6; i++) CU_ASSERT_TRUE(has_ended(&jobs[i]));
    CU_ASSERT_EQUAL(cut(T0).n, 0);
    const queue_counts c = counted(T0);
    CU_ASSERT_EQUAL(c.batches[TRIGGER_FULL], 3);
    CU_ASSERT_EQUAL(c.batches[TRIGGER_IDLE], 1);
    done();
}

static void an_array_is_of_one_version_to_its_end(void)
{
    open_usual();
    job *array = request(0, 30, 50);
    array->engine = before;
    CU_ASSERT_EQUAL(submit(array, T0), OK);
    for (int i = 1; i < 4; i++) {
        job *j = request(i, 1, 10);
        j->engine = now;
        CU_ASSERT_EQUAL(submit(j, T0 + i), OK);
    }
    int sequences[2] = {0}, batches = 0;
    for (queue_batch b; batches < 40 && (b = cut(T0 + 10 + batches)).n > 0; batches++) {
        for (int k = 0; k < b.n; k++) CU_ASSERT_PTR_EQUAL(parts[k].j->engine, b.engine);
        sequences[b.engine == now] += b.sequences;
        finish(b.n, OK, T0 + 10 + batches);
    }
    CU_ASSERT_EQUAL(sequences[0], 30);
    CU_ASSERT_EQUAL(sequences[1], 3);
    CU_ASSERT(batches >= 3 && array->result == OK);
    done();
}

static void draining_says_so_of_each_version(void)
{
    open_usual();
    for (int i = 0; i < 2; i++) {
        job *j = request(i, 1, 10);
        j->engine = i ? now : before;
        CU_ASSERT_EQUAL(submit(j, T0), OK);
    }
    for (int i = 0; i < 2; i++) {
        const queue_batch b = queue_cut(q, parts, PARTS, true, T0);
        CU_ASSERT_EQUAL(b.n, 1);
        CU_ASSERT_EQUAL(b.trigger, TRIGGER_DRAIN);
        finish(b.n, OK, T0);
    }
    done();
}

/* After a switch the forecasts are of another version; what waits for the one before is not lost. */
static void new_times_leave_what_waits(void)
{
    static const service_table slow = {.row = {{1, 1, MS, 0}, {1000, 1, 50 * MS, 0}}, .n = 2};
    service_model model;
    open_usual();
    submit(request(0, 1, 10), T0);
    service_seed(&model, &slow);
    CU_ASSERT_EQUAL(queue_set_service(q, 400, &model, &err), OK);
    CU_ASSERT_EQUAL(queue_service(q)->table.row[1].median_ns, 50 * MS);
    CU_ASSERT_TRUE(queue_plan(q).ns_per_token > 40000);
    CU_ASSERT_EQUAL(queue_set_service(q, 1001, &model, &err), BAD_INPUT); /* longer than a batch has room for */
    model.table.n = 0;
    CU_ASSERT_EQUAL(queue_set_service(q, 400, &model, &err), BAD_INPUT);
    CU_ASSERT_EQUAL(queue_service(q)->table.n, 2);
    const queue_batch b = cut(T0);
    CU_ASSERT_EQUAL(b.n, 1);
    CU_ASSERT_TRUE(b.predicted_ns > MS);
    finish(b.n, OK, T0);
    done();
}

static void what_no_batch_can_hold_is_refused(void)
{
    open_usual();
    CU_ASSERT_EQUAL(submit(request(0, 0, 1), T0), BAD_INPUT);
    CU_ASSERT_EQUAL(submit(request(0, 2, 1001), T0), BAD_INPUT);
    CU_ASSERT_EQUAL(submit(request(0, 2, 0), T0), BAD_INPUT);
    CU_ASSERT_EQUAL(counted(T0).submitted, 0);
    done();
}

static void end_all(int64_t now_ns)
{
    const error why = {"the end"};
    queue_abandon(q, GPU_LOST, &why, now_ns, &ended);
}

static void the_wait_bounds_admission(void)
{
    open_usual();
    CU_ASSERT_EQUAL(submit(request(0, 60, 500), T0), OK); /* 30 ms of work on an idle device */
    CU_ASSERT_EQUAL(jobs[0].wait_ns, 0);
    cut(T0);
    queue_set_busy(q, 0, T0 + 1 * MS);
    CU_ASSERT_EQUAL(submit(request(1, 1, 500), T0), OK); /* it is due before the array's rest */
    CU_ASSERT_EQUAL(jobs[1].wait_ns, 1 * MS);
    CU_ASSERT_EQUAL(submit(request(2, 1, 500), T0), OK);
    CU_ASSERT_EQUAL(jobs[2].wait_ns, 1500000);
    CU_ASSERT_EQUAL(queue_wait_ns(q, T0), 2 * MS);
    CU_ASSERT_EQUAL(submit(request(3, 1, 500), T0), OK);
    CU_ASSERT_EQUAL(submit(request(4, 1, 1), T0), OVERLOADED);
    CU_ASSERT_EQUAL(retry_after_s, 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "2.5 ms, the limit is 2.0 ms"));
    CU_ASSERT_EQUAL(submit(request(4, 60, 500), T0), OVERLOADED); /* all of the array is due before its last */
    jobs[4].lane = LANE_BULK;                                     /* so is it here, but bulk is patient */
    CU_ASSERT_EQUAL(submit(&jobs[4], T0), OK);
    CU_ASSERT_EQUAL(counted(T0).overloaded, 2);
    end_all(T0);
    done();
}

/* In proportion between the first due time and the last. */
static void half_of_an_array_is_due_at_half_of_its_time(void)
{
    open_usual();
    submit(request(0, 51, 20), T0); /* 1,020 tokens, the last 20 due after 4 ms */
    CU_ASSERT_EQUAL(queue_due_tokens(q, T0 + 2 * MS), 510);
    CU_ASSERT_EQUAL(queue_due_tokens(q, T0 + 4 * MS), 1020);
    CU_ASSERT_EQUAL(queue_due_tokens(q, T0), 0);
    queue_cancel(q, &jobs[0], T0, &ended);
    done();
}

static void several_devices_share_the_wait(void)
{
    policy_limits l = usual;
    l.executors = 2;
    open_with(l);
    queue_set_busy(q, 0, T0 + 2 * MS);
    CU_ASSERT_EQUAL(queue_wait_ns(q, T0), 0); /* the other is idle */
    queue_set_busy(q, 1, T0 + 1 * MS);
    submit(request(0, 1, 500), T0);
    CU_ASSERT_EQUAL(queue_wait_ns(q, T0), 1 * MS + 250000);
    end_all(T0);
    done();
}

static void the_heaps_are_full_at_max_requests(void)
{
    open_usual();
    for (int i = 0; i < 6; i++) CU_ASSERT_EQUAL(submit(request(i, 1, 1), T0), OK);
    CU_ASSERT_EQUAL(submit(request(6, 1, 1), T0), OVERLOADED);
    CU_ASSERT_TRUE(retry_after_s >= 1);
    end_all(T0);
    done();
}

static void deadlines_are_kept_before_the_cut(void)
{
    open_usual();
    request(0, 1, 100)->deadline_ns = T0 + 99999;
    CU_ASSERT_EQUAL(submit(&jobs[0], T0), EXPIRED); /* alone it takes 100 us */
    CU_ASSERT_EQUAL(counted(T0).hopeless, 1);
    jobs[0].deadline_ns++;
    CU_ASSERT_EQUAL(submit(&jobs[0], T0), OK);
    request(1, 1, 100)->deadline_ns = T0 + 150000;
    CU_ASSERT_EQUAL(submit(&jobs[1], T0), OVERLOADED); /* not behind the other */
    jobs[1].deadline_ns = T0 + 200000;
    CU_ASSERT_EQUAL(submit(&jobs[1], T0), OK);
    queue_expire(q, T0, &ended);
    CU_ASSERT_TRUE(TAILQ_EMPTY(&ended));
    queue_expire(q, T0 + 1, &ended);
    CU_ASSERT_TRUE(has_ended(&jobs[0]));
    CU_ASSERT_EQUAL(jobs[0].result, EXPIRED);
    CU_ASSERT_EQUAL(counted(T0 + 1).saved_tokens, 100);
    queue_set_busy(q, 0, T0 + 100001); /* it could begin too late only */
    queue_expire(q, T0 + 2, &ended);
    CU_ASSERT_TRUE(has_ended(&jobs[1]));
    CU_ASSERT_EQUAL(counted(T0 + 2).expired, 2);
    done();
}

/* 900 tokens until 1 ms: they must begin by 100 us; when 500 of them are on the way, by 600 us. */
static void what_is_cut_of_an_array_moves_its_latest_start(void)
{
    open_usual();
    request(0, 9, 100)->deadline_ns = T0 + 1 * MS;
    submit(&jobs[0], T0);
    const queue_batch b = queue_cut(q, parts, 1, false, T0);
    CU_ASSERT_TRUE(b.sequences < 9);
    const int64_t rest_ns = (9 - b.sequences) * 100000, latest_ns = T0 + 1 * MS - rest_ns;
    queue_expire(q, latest_ns, &ended);
    CU_ASSERT_EQUAL(counted(latest_ns).queued_requests, 1);
    queue_expire(q, latest_ns + 1, &ended);
    CU_ASSERT_EQUAL(counted(latest_ns + 1).queued_requests, 0);
    CU_ASSERT_FALSE(has_ended(&jobs[0])); /* a part is on the device */
    finish(1, OK, latest_ns + 2);
    CU_ASSERT_TRUE(has_ended(&jobs[0]));
    CU_ASSERT_EQUAL(jobs[0].result, EXPIRED);
    CU_ASSERT_EQUAL(counted(latest_ns + 2).tokens, 100 * b.sequences);
    CU_ASSERT_EQUAL(counted(latest_ns + 2).saved_sequences, 9 - b.sequences);
    done();
}

static void an_answer_after_the_deadline_is_none(void)
{
    open_usual();
    request(0, 1, 100)->deadline_ns = T0 + 200000;
    submit(&jobs[0], T0);
    request(1, 1, 100)->deadline_ns = T0 + 200001;
    submit(&jobs[1], T0);
    CU_ASSERT_EQUAL(cut(T0).n, 2);
    finish(2, OK, T0 + 200001);
    CU_ASSERT_EQUAL(jobs[0].result, EXPIRED);
    CU_ASSERT_EQUAL(jobs[1].result, OK);
    CU_ASSERT_EQUAL(counted(T0 + 200001).expired, 1);
    done();
}

static void what_runs_between_is_not_its_time(void)
{
    open_usual();
    submit(request(0, 2, 600), T0); /* a batch has room for one */
    CU_ASSERT_EQUAL(cut(T0).n, 1);
    finish(1, OK, T0 + 100);
    CU_ASSERT_EQUAL(submit(request(1, 1, 600), T0 + 100), OK); /* due before the rest */
    CU_ASSERT_EQUAL(cut(T0 + 100).n, 1);
    CU_ASSERT_PTR_EQUAL(parts[0].j, &jobs[1]);
    finish(1, OK, T0 + 5000);
    CU_ASSERT_EQUAL(cut(T0 + 5000).n, 1);
    finish(1, OK, T0 + 6000);
    CU_ASSERT_TRUE(has_ended(&jobs[0]));
    CU_ASSERT_EQUAL(jobs[0].computed_ns - jobs[0].begun_ns, 5910);
    CU_ASSERT_EQUAL(jobs[0].device_ns, 20);
    CU_ASSERT_EQUAL(jobs[1].device_ns, 10);
    done();
}

static void who_leaves_costs_nothing_more(void)
{
    open_usual();
    submit(request(0, 1, 100), T0);
    submit(request(1, 4, 400), T0);
    queue_cancel(q, &jobs[0], T0, &ended);
    CU_ASSERT_TRUE(has_ended(&jobs[0]));
    CU_ASSERT_EQUAL(jobs[0].result, CANCELLED);
    queue_cancel(q, &jobs[0], T0, &ended); /* it is complete: nothing */
    const int taken = cut(T0).sequences;
    CU_ASSERT_TRUE(taken < 4);
    queue_cancel(q, &jobs[1], T0, &ended);
    CU_ASSERT_FALSE(has_ended(&jobs[1]));
    CU_ASSERT_EQUAL(cut(T0).n, 0);
    parts[0] = (batch_part){&jobs[1], 0, taken};
    finish(1, OK, T0 + 5);
    CU_ASSERT_EQUAL(jobs[1].result, CANCELLED);
    CU_ASSERT_EQUAL(counted(T0 + 5).cancelled, 2);
    CU_ASSERT_EQUAL(counted(T0 + 5).saved_sequences, 1 + 4 - taken);
    done();
}

static void the_first_failure_of_a_request_stays(void)
{
    open_usual();
    submit(request(0, 6, 400), T0);
    batch_part first[PARTS];
    CU_ASSERT_EQUAL(queue_cut(q, first, PARTS, false, T0).n, 1);
    CU_ASSERT_EQUAL(cut(T0 + 2 * MS).n, 1);
    finish(1, GPU_FAILED, T0 + 3 * MS);
    CU_ASSERT_EQUAL(cut(T0 + 9 * MS).n, 0); /* nobody wants the rest */
    const error other = {"another"};
    queue_finish(q, first, 1, NO_MEMORY, &other, T0 + 1, T0 + 2, T0 + 9 * MS, &ended);
    CU_ASSERT_TRUE(has_ended(&jobs[0]));
    CU_ASSERT_EQUAL(jobs[0].result, GPU_FAILED);
    CU_ASSERT_STRING_EQUAL(jobs[0].why.text, "as told");
    CU_ASSERT_EQUAL(jobs[0].begun_ns, T0 + 1);
    CU_ASSERT_EQUAL(jobs[0].computed_ns, T0 + 3 * MS - 10);
    const queue_counts c = counted(T0 + 9 * MS);
    CU_ASSERT_EQUAL(c.failed, 1);
    CU_ASSERT_EQUAL(c.tokens, 0);
    CU_ASSERT_TRUE(c.saved_sequences > 0);
    done();
}

static void abandon_ends_all_that_is_in_hand(void)
{
    open_usual();
    submit(request(0, 1, 100), T0);
    submit(request(1, 1, 100), T0);
    queue_cut(q, parts, 1, false, T0);
    end_all(T0 + 7);
    for (int i = 0; i < 2; i++) {
        CU_ASSERT_TRUE(has_ended(&jobs[i]));
        CU_ASSERT_EQUAL(jobs[i].result, GPU_LOST);
        CU_ASSERT_STRING_EQUAL(jobs[i].why.text, "the end");
    }
    CU_ASSERT_EQUAL(counted(T0 + 7).in_hand_ns, 14);
    done();
}

static void a_slower_device_changes_the_plan(void)
{
    policy_limits l = usual;
    l.objective_ns = 2 * MS; /* a batch of 1 ms */
    open_with(l);
    CU_ASSERT_EQUAL(queue_plan(q).budget_tokens, 1000);
    for (int i = 0; i < 60; i++) queue_learn(q, 1000, 1, 2 * MS - i % 2);
    CU_ASSERT_TRUE(queue_plan(q).budget_tokens <= 505);
    CU_ASSERT_EQUAL(queue_service(q)->batches, 60);
    done();
}

void queue_suite(CU_pSuite s)
{
    CU_add_test(s, "limits and times that make no sense are refused", bad_limits_are_refused);
    CU_add_test(s, "equal due times keep the order of submission", equal_times_keep_the_order_of_submission);
    CU_add_test(s, "requests whose sequences alternate are one part each", interleaved_requests_are_one_part_each);
    CU_add_test(s, "an array lets those pass who are due before its rest",
                an_array_lets_those_pass_who_are_due_before_its_rest);
    CU_add_test(s, "a batch has no more parts than there is room for", few_parts_end_a_batch);
    CU_add_test(s, "a batch is of one version, and full when another waits", a_batch_is_of_one_version);
    CU_add_test(s, "an array is of one version to its end", an_array_is_of_one_version_to_its_end);
    CU_add_test(s, "draining says so of each version", draining_says_so_of_each_version);
    CU_add_test(s, "new times leave what waits", new_times_leave_what_waits);
    CU_add_test(s, "what no batch can hold is refused", what_no_batch_can_hold_is_refused);
    CU_add_test(s, "the wait bounds admission, not what a request brings", the_wait_bounds_admission);
    CU_add_test(s, "of an array half is due at half of its time", half_of_an_array_is_due_at_half_of_its_time);
    CU_add_test(s, "several devices share the wait", several_devices_share_the_wait);
    CU_add_test(s, "no more than max_requests are queued", the_heaps_are_full_at_max_requests);
    CU_add_test(s, "what cannot make its deadline ends before the cut", deadlines_are_kept_before_the_cut);
    CU_add_test(s, "what is cut of an array moves its latest start", what_is_cut_of_an_array_moves_its_latest_start);
    CU_add_test(s, "an answer after the deadline is none", an_answer_after_the_deadline_is_none);
    CU_add_test(s, "what runs between its batches is not its time", what_runs_between_is_not_its_time);
    CU_add_test(s, "who leaves costs nothing more", who_leaves_costs_nothing_more);
    CU_add_test(s, "the first failure of a request stays, its rest is dropped", the_first_failure_of_a_request_stays);
    CU_add_test(s, "abandon ends all that is in hand", abandon_ends_all_that_is_in_hand);
    CU_add_test(s, "a slower device changes the plan", a_slower_device_changes_the_plan);
}
