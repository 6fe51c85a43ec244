/* test_load_verdict.c - which runs may be believed. */
#include <CUnit/CUnit.h>
#include <string.h>
#include "bench/load_schedule.h"
#include "bench/load_verdict.h"

enum { N = 10000 };
static load_tally *t;
static load_verdict v;

/* N requests of 5 ms, all sent 20 us late, all answered `code`. */
static void make(int code)
{
    static load_reply r;
    error err;
    CU_ASSERT_EQUAL_FATAL(load_tally_open(&t, &err), OK);
    r = (load_reply){.code = code, .retry_after_s = -1};
    for (int i = 0; i < N; i++) {
        load_tally_reply(t, &r, 5000000, 5000000, true);
        load_latency_record(&t->lateness, 20000);
    }
    t->sent = N;
    t->cpu = 0.5;
}

static void judge(const char *reason)
{
    v = load_judge(t, N);
    CU_ASSERT_EQUAL(v.n, reason ? 1 : 0);
    if (reason && v.n && !strstr(v.reasons[0].text, reason)) CU_FAIL(v.reasons[0].text);
    load_tally_close(t);
}

static void a_good_run_is_valid(void)
{
    make(200);
    judge(NULL);
}

static void refusals_are_no_fault(void)
{
    for (int i = 0; i < 3; i++) {
        make((int[]){429, 503, 504}[i]);
        judge(NULL);
    }
}

static void other_statuses_are_errors(void)
{
    make(200);
    t->rows[t->n_rows].code = 500;
    t->rows[t->n_rows++].n = 10;
    judge(NULL);
    make(200);
    t->rows[t->n_rows].code = 500;
    t->rows[t->n_rows++].n = 11;
    judge("0.11 % errors, at most 0.1 %");
}

static void faults_are_errors(void)
{
    for (int i = 0; i < 4; i++) {
        make(200);
        *(int64_t *[]){&t->connects_failed, &t->resets, &t->malformed, &t->timeouts}[i] = 11;
        judge("errors");
    }
    make(200);
    t->left = N / 2; /* as it was told to */
    judge(NULL);
}

static void a_late_client_is_not_believed(void)
{
    make(200);
    for (int i = 0; i < 99; i++) load_latency_record(&t->lateness, 300000); /* less than one in a hundred */
    judge(NULL);
    make(200);
    for (int i = 0; i < 110; i++) load_latency_record(&t->lateness, 300000);
    judge("at most 200 us");
}

static void a_tenth_of_a_short_median_is_late(void)
{
    static load_reply r;
    make(200);
    r = (load_reply){.code = 200, .retry_after_s = -1};
    for (int i = 0; i < N + 2; i++) load_tally_reply(t, &r, 150000, 150000, true);
    judge("of a median of 0.15");
}

static void a_busy_client_is_not_believed(void)
{
    make(200);
    t->cpu = 0.86;
    judge("86 % of a core");
}

static void a_rate_that_was_not_reached_is_not_believed(void)
{
    make(200);
    t->sent_late = N / 100;
    judge(NULL);
    make(200);
    t->sent_late = N / 100 + 1;
    judge("sent in time");
    make(200);
    t->sent -= N / 100 + 1;
    judge("sent in time");
}

static void a_server_that_never_answers_is_not_believed(void)
{
    error err;
    CU_ASSERT_EQUAL_FATAL(load_tally_open(&t, &err), OK);
    t->sent = N;
    for (int i = 0; i < N; i++) load_tally_unanswered(t, 5000000, 5000000);
    judge("no reply");
}

static void unanswered_requests_are_in_the_served_latencies(void)
{
    static load_latency intended, service;
    static load_reply r;
    make(200);
    r = (load_reply){.code = 429, .retry_after_s = -1};
    load_tally_reply(t, &r, 99, 99, true);
    load_tally_unanswered(t, 70000000, 60000000);
    load_served(&intended, &service, t);
    CU_ASSERT_TRUE(intended.sum.total == N + 1 && intended.longest_ns == 70000000);
    CU_ASSERT_TRUE(service.sum.total == N + 1 && service.longest_ns == 60000000);
    judge(NULL);
}

/* A run of 10 s with n 200s of ms in each of its windows and of half_ms in each of its halves. */
static void divide(int n, const double ms[LOAD_TENTHS], double first_ms, double second_ms)
{
    make(200);
    load_windows_divide(&t->windows, 10000000000);
    t->windows.even = true;
    for (int i = 0; i < LOAD_TENTHS; i++)
        for (int k = 0; k < n; k++) load_latency_record(&t->windows.at[i].intended, (int64_t)(ms[i] * 1e6));
    for (int k = 0; k < n * 5; k++) {
        const double part = 0.5 + 0.5 * k / (n * 5);
        load_latency_record(&t->windows.halves[0], (int64_t)(first_ms * part * 1e6));
        load_latency_record(&t->windows.halves[1], (int64_t)(second_ms * part * 1e6));
    }
}

static void a_server_on_its_way_elsewhere_is_not_believed(void)
{
    divide(1000, (double[]){9, 8, 7, 6, 5, 5, 5, 5, 5, 5}, 5, 5);
    judge(NULL);
    divide(1000, (double[]){5, 5, 5, 5, 5, 5, 5, 5, 5, 6}, 5, 5);
    judge("medians of the last three tenths of the run lie");
    divide(1000, (double[]){5, 5, 5, 5, 5, 5, 5, 5, 5, 5.3}, 5, 5);
    judge(NULL);
    divide(99, (double[]){5, 5, 5, 5, 5, 5, 5, 5, 5, 50}, 5, 5); /* too few to say so */
    judge(NULL);
    divide(1000, (double[]){5, 5, 5, 5, 5, 5, 5, 5, 5, 5}, 5, 5);
    for (int k = 0; k < 500; k++) load_latency_record(&t->windows.at[8].intended, 5000000);
    judge("throughputs of the last three tenths");
}

static void a_queue_that_grows_is_named(void)
{
    divide(1000, (double[]){5, 5, 5, 5, 5, 5, 5, 5, 5, 5}, 10, 13);
    judge("the queue grows: p99");
    divide(1000, (double[]){5, 5, 5, 5, 5, 5, 5, 5, 5, 5}, 10, 11);
    judge(NULL);
    divide(1000, (double[]){5, 5, 5, 5, 5, 5, 5, 5, 5, 5}, 13, 10); /* it has become better */
    judge(NULL);
    divide(199, (double[]){5, 5, 5, 5, 5, 5, 5, 5, 5, 5}, 10, 99); /* 995: no p99 */
    judge(NULL);
    divide(1000, (double[]){5, 5, 5, 5, 5, 5, 5, 5, 5, 50}, 10, 99);
    t->windows.even = false; /* a replay may be so */
    judge(NULL);
}

/* One server, 5 ms a request in the mean, which it has become `slower` times as slow at the end; Poisson for 30 s at
 * `load` of what it can do at first.  Of 40 such runs: how many have that reason. */
static int of_forty_queues(double load, double slower, const char *reason)
{
    int have = 0;
    for (int run = 0; run < 40; run++) {
        load_schedule s;
        error err;
        static load_reply r;
        double free_ns = 0;
        CU_ASSERT_EQUAL_FATAL(load_tally_open(&t, &err), OK);
        load_windows_divide(&t->windows, 30000000000);
        t->windows.even = true;
        r = (load_reply){.code = 200};
        CU_ASSERT_EQUAL_FATAL(load_schedule_open(&s, LOAD_POISSON, load * 200, 30000000000, (uint64_t)run, &err), OK);
        for (int i = 0; i < s.n; i++) {
            const double due_ns = (double)s.at_ns[i], begin_ns = due_ns > free_ns ? due_ns : free_ns;
            const double part = 0.5 + load_chance((uint64_t)run, LOAD_LEAVES, i);
            free_ns = begin_ns + 5e6 * part * (1 + (slower - 1) * due_ns / 30e9);
            load_windows_reply(&t->windows, &r, (int64_t)free_ns, (int64_t)(free_ns - due_ns));
        }
        v = load_judge(t, s.n);
        int found = 0;
        for (int i = 0; i < v.n; i++) found += strstr(v.reasons[i].text, reason) != NULL;
        have += found > 0;
        load_schedule_close(&s);
        load_tally_close(t);
    }
    return have;
}

static void luck_in_a_queue_is_no_reason(void)
{
    CU_ASSERT_EQUAL(of_forty_queues(0.5, 1, "not steady"), 0);
    CU_ASSERT_EQUAL(of_forty_queues(0.5, 1, "the queue grows"), 0);
    CU_ASSERT_TRUE(of_forty_queues(0.85, 1, "not steady") <= 8); /* 26 without what the run itself says of chance */
    CU_ASSERT_TRUE(of_forty_queues(0.85, 1, "the queue grows") <= 2);
    CU_ASSERT_TRUE(of_forty_queues(1.1, 1, "the queue grows") >= 38);
    CU_ASSERT_TRUE(of_forty_queues(0.85, 1.3, "the queue grows") >= 38);
}

void load_verdict_suite(CU_pSuite s)
{
    CU_add_test(s, "a run without a fault is valid", a_good_run_is_valid);
    CU_add_test(s, "a server that refuses is measured well", refusals_are_no_fault);
    CU_add_test(s, "more than 0.1 % of other statuses is invalid", other_statuses_are_errors);
    CU_add_test(s, "more than 0.1 % of faults is invalid; who left as told is none", faults_are_errors);
    CU_add_test(s, "a lateness of more than 200 us at p99 is invalid", a_late_client_is_not_believed);
    CU_add_test(s, "a lateness of more than a tenth of the median is invalid", a_tenth_of_a_short_median_is_late);
    CU_add_test(s, "a client above 85 % of a core is invalid", a_busy_client_is_not_believed);
    CU_add_test(s, "less than 99 % sent in time is invalid", a_rate_that_was_not_reached_is_not_believed);
    CU_add_test(s, "no reply at all is invalid", a_server_that_never_answers_is_not_believed);
    CU_add_test(s, "last tenths that lie more than 10 % apart are invalid",
                a_server_on_its_way_elsewhere_is_not_believed);
    CU_add_test(s, "a p99 that grows from half to half is invalid, and named", a_queue_that_grows_is_named);
    CU_add_test(s, "what luck does in a queue is no reason, what overload does is one", luck_in_a_queue_is_no_reason);
    CU_add_test(s, "what got no reply counts among the served", unanswered_requests_are_in_the_served_latencies);
}
