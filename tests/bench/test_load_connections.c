/* test_load_connections.c - whole runs against a small server in a thread of its own, which does what it is told.
 *
 * The only times are those the server makes: what it holds back cannot be seen earlier, on however slow a machine. */
#include <CUnit/CUnit.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "bench/load_connections.h"
#include "bench/load_verdict.h"
#include "tests/support/small_server.h"

enum { STALL_MS = SMALL_SERVER_STALL_MS, CLIENTS = SMALL_SERVER_CLIENTS };
static const char ok[] = SMALL_REPLY("200 OK", "x-compute-tokens: 7\r\nserver-timing: queue;dur=1\r\n");
static const int64_t MILLISECOND = 1000000;
static load_plan plan; /* what a test does not say */
static load_tally *t;
static int due;

static void usual(void)
{
    plan = (load_plan){.host = "127.0.0.1",
                       .path = "/embed",
                       .arrivals = LOAD_FIXED,
                       .rate = 200,
                       .duration_ns = 500 * MILLISECOND,
                       .timeout_ns = 30000 * MILLISECOND,
                       .grace_ns = 30000 * MILLISECOND,
                       .seed = 1,
                       .connections = 4,
                       .inputs = 1,
                       .lengths = {16},
                       .n_lengths = 1};
}

static load_warmup warm;
static int marks;
static int64_t sent_at_mark;
static status mark(void *context, error *err)
{
    (void)context, (void)err;
    marks++;
    sent_at_mark = t->sent;
    return OK;
}

/* Runs the plan; the tally stays until done(). */
static status run(int port)
{
    error err = {""};
    load_schedule s = {0}, before = {0};
    load_requests pool = {0};
    snprintf(plan.port, sizeof plan.port, "%d", port);
    CU_ASSERT_EQUAL_FATAL(load_tally_open(&t, &err), OK);
    if (plan.arrivals != LOAD_CLOSED)
        CU_ASSERT_EQUAL_FATAL(load_schedule_open(&s, plan.arrivals, plan.rate, plan.duration_ns, plan.seed, &err), OK);
    if (plan.warmup_ns && plan.arrivals != LOAD_CLOSED)
        CU_ASSERT_EQUAL_FATAL(load_schedule_open(&before, plan.arrivals, plan.rate, plan.warmup_ns, 2, &err), OK);
    CU_ASSERT_EQUAL_FATAL(load_requests_open(&pool, &plan, &err), OK);
    warm = (load_warmup){0};
    marks = 0;
    const load_job job = {.plan = &plan,
                          .schedule = &s,
                          .warmup = &before,
                          .requests = &pool,
                          .warm = plan.warmup_ns ? &warm : NULL,
                          .mark = mark};
    const status rc = load_connections_run(t, &job, &err);
    due = s.n;
    load_schedule_close(&before);
    load_requests_close(&pool);
    load_schedule_close(&s);
    return rc;
}

static void run_against(small_server *s)
{
    small_server_start(s);
    CU_ASSERT_EQUAL(run(s->port), OK);
    small_server_stop(s);
}

static int64_t replies(int code)
{
    for (int i = 1; i < t->n_rows; i++)
        if (t->rows[i].code == code) return t->rows[i].n;
    return 0;
}

static int64_t slower_than(const load_latency *l, int64_t ns)
{
    int64_t n = 0;
    for (int i = histogram_index(ns) + 1; i < HISTOGRAM_COUNTERS; i++) n += (int64_t)l->sum.n[i];
    return n;
}

static bool objected(const char *why)
{
    const load_verdict v = load_judge(t, due);
    for (int i = 0; i < v.n; i++)
        if (strstr(v.reasons[i].text, why)) return true;
    return false;
}

static void every_request_is_sent_and_answered_once(void)
{
    for (int halves = 0; halves < 2; halves++) {
        small_server s = {.reply = ok, .stall_at = -1, .halves = halves == 1};
        usual();
        plan.arrivals = LOAD_POISSON;
        run_against(&s);
        CU_ASSERT_TRUE(due > 50 && t->sent == due && replies(200) == due && s.requests == due);
        CU_ASSERT_TRUE(t->lateness.sum.total == (uint64_t)due && load_errors(t) == 0 && t->censored == 0);
        CU_ASSERT_TRUE(t->n_stages == 1 && t->stages[0].total_ns == due * MILLISECOND);
        CU_ASSERT_EQUAL(t->tokens_in_time, 7 * t->served_in_time);
        CU_ASSERT_FALSE(objected("errors"));
        load_tally_close(t);
    }
}

/* The 20th of 200 requests/s is held up for 300 ms: the 40 that are due in the first 200 ms of that wait 100 ms and
 * more, though only those few that were on a connection took so long to be answered. */
static void a_stall_is_seen_by_all_that_were_due_in_it(void)
{
    small_server s = {.reply = ok, .stall_at = 20};
    usual();
    plan.connections = 2;
    run_against(&s);
    CU_ASSERT_EQUAL_FATAL(t->n_rows, 2);
    CU_ASSERT_EQUAL(replies(200), due);
    CU_ASSERT_TRUE(t->rows[1].intended.longest_ns >= (STALL_MS - 1) * MILLISECOND);
    CU_ASSERT_TRUE(t->rows[1].service.longest_ns >= (STALL_MS - 1) * MILLISECOND);
    const int64_t intended = slower_than(&t->rows[1].intended, 95 * MILLISECOND);
    const int64_t service = slower_than(&t->rows[1].service, 95 * MILLISECOND);
    CU_ASSERT_TRUE(intended >= 40);
    CU_ASSERT_TRUE(service >= 1 && service < intended / 4);
    CU_ASSERT_TRUE(t->waited >= 38);
    load_tally_close(t);
}

/* 20 ms an answer on one connection are at most 50/s. */
static void a_rate_beyond_its_connections_is_invalid(void)
{
    small_server s = {.reply = ok, .stall_at = -1, .each_ms = 20};
    usual();
    plan.connections = 1;
    run_against(&s);
    CU_ASSERT_EQUAL(replies(200), due); /* late, but none is dropped */
    CU_ASSERT_TRUE(t->sent_late > due / 2);
    CU_ASSERT_TRUE(t->served_in_time <= 25);
    CU_ASSERT_TRUE(objected("sent in time"));
    load_tally_close(t);
}

static void what_is_open_at_the_end_counts_with_its_age(void)
{
    small_server s = {.reply = NULL, .stall_at = -1};
    usual();
    plan.grace_ns = 100 * MILLISECOND;
    run_against(&s);
    CU_ASSERT_TRUE(t->censored == due && t->rows[0].n == due && t->sent == plan.connections);
    CU_ASSERT_EQUAL(t->rows[0].service.sum.total, plan.connections);
    CU_ASSERT_TRUE(t->rows[0].intended.longest_ns >= plan.duration_ns + plan.grace_ns);
    CU_ASSERT_EQUAL(slower_than(&t->rows[0].intended, 95 * MILLISECOND), due); /* the last is due 5 ms before the end */
    CU_ASSERT_TRUE(objected("no reply"));
    load_tally_close(t);
}

static void a_timeout_counts_with_its_value(void)
{
    small_server s = {.reply = NULL, .stall_at = -1};
    usual();
    plan.rate = 20;
    plan.timeout_ns = 50 * MILLISECOND;
    run_against(&s);
    CU_ASSERT_TRUE(t->timeouts == due && t->rows[0].n == due && t->censored == 0 && t->reopened == due);
    CU_ASSERT_EQUAL(t->rows[0].service.longest_ns, plan.timeout_ns);
    CU_ASSERT_EQUAL(slower_than(&t->rows[0].intended, 48 * MILLISECOND), due);
    CU_ASSERT_TRUE(objected("errors"));
    load_tally_close(t);
}

static void who_shall_leave_leaves(void)
{
    small_server s = {.reply = NULL, .stall_at = -1};
    usual();
    plan.leave = 0.3;
    plan.connections = CLIENTS - 4;
    plan.duration_ns = 250 * MILLISECOND;
    plan.grace_ns = 1000 * MILLISECOND;
    run_against(&s);
    CU_ASSERT_EQUAL_FATAL(due, 50);
    int leavers = 0;
    for (int i = 0; i < due; i++) leavers += load_chance(plan.seed, LOAD_LEAVES, i) < plan.leave;
    CU_ASSERT_TRUE(leavers > 5 && leavers < 25);
    CU_ASSERT_TRUE(t->left == leavers && t->censored == due - leavers && t->rows[0].n == due - leavers);
    CU_ASSERT_TRUE(t->reopened == leavers && load_errors(t) == 0);
    load_tally_close(t);
}

/* Also where the server waits for the client to do it. */
static void a_connection_that_the_server_ends_is_opened_anew(void)
{
    for (int closes = 0; closes < 2; closes++) {
        small_server s = {
            .reply = SMALL_REPLY("200 OK", "connection: close\r\n"), .closes = closes == 1, .stall_at = -1};
        usual();
        run_against(&s);
        CU_ASSERT_TRUE(replies(200) == due && t->reopened == due && load_errors(t) == 0);
        load_tally_close(t);
    }
}

static void a_reply_that_does_not_come_is_a_reset(void)
{
    small_server s = {.reply = NULL, .closes = true, .stall_at = -1};
    usual();
    run_against(&s);
    CU_ASSERT_TRUE(t->resets == due && t->reopened == due && t->n_rows == 1 && t->rows[0].n == 0);
    CU_ASSERT_TRUE(objected("errors"));
    load_tally_close(t);
}

static void a_reply_that_breaks_a_rule_is_malformed(void)
{
    small_server s = {.reply = "HTTP/1.1 200 OK\r\n\r\n[]", .stall_at = -1};
    usual();
    run_against(&s);
    CU_ASSERT_TRUE(t->malformed == due && t->n_rows == 1);
    load_tally_close(t);
}

static void refusals_are_counted_apart(void)
{
    small_server s = {.reply = SMALL_REPLY("429 Too Many Requests", "retry-after: 2\r\n"), .stall_at = -1};
    usual();
    run_against(&s);
    CU_ASSERT_TRUE(replies(429) == due && load_errors(t) == 0 && t->served_in_time == 0);
    CU_ASSERT_TRUE(t->retry_after_least_s == 2 && t->retry_after_most_s == 2);
    CU_ASSERT_FALSE(objected("errors"));
    load_tally_close(t);
}

static int64_t in_windows(void)
{
    int64_t n = 0;
    for (int i = 0; i < t->windows.n; i++) n += (int64_t)t->windows.at[i].intended.sum.total;
    return n;
}

static void windows_have_each_reply_of_the_run_once(void)
{
    small_server s = {.reply = ok, .stall_at = -1};
    usual();
    run_against(&s);
    CU_ASSERT_EQUAL_FATAL(t->windows.n, LOAD_TENTHS);
    CU_ASSERT_EQUAL(in_windows(), t->served_in_time);
    CU_ASSERT_EQUAL(t->windows.halves[0].sum.total, 50); /* by due time: of 100, whenever they were answered */
    CU_ASSERT_EQUAL(t->windows.halves[1].sum.total, 50);
    CU_ASSERT_TRUE(t->windows.even && marks == 2 && sent_at_mark == due);
    load_tally_close(t);
}

static void faults_are_in_windows(void)
{
    small_server s = {.reply = "HTTP/1.1 200 OK\r\n\r\n[]", .stall_at = -1};
    int64_t errors = 0;
    usual();
    run_against(&s);
    for (int i = 0; i < t->windows.n; i++) errors += t->windows.at[i].errors;
    CU_ASSERT_TRUE(t->malformed == due && errors > 0 && errors <= due);
    load_tally_close(t);
}

static void a_closed_loop_keeps_each_connection_busy(void)
{
    small_server s = {.reply = ok, .stall_at = -1, .each_ms = 5};
    usual();
    plan.arrivals = LOAD_CLOSED;
    plan.rate = 0;
    plan.connections = 2;
    run_against(&s);
    /* One thread serves both, 5 ms each: a request waits for the other connection's too, and none is sent beside it. */
    CU_ASSERT_TRUE(t->sent >= 4 && t->sent <= 101 + plan.connections);
    CU_ASSERT_TRUE(replies(200) == t->sent && s.requests == t->sent && t->sent_late == 0 && t->censored == 0);
    CU_ASSERT_EQUAL(t->lateness.sum.total, 0);
    CU_ASSERT_TRUE(slower_than(&t->rows[1].intended, 4 * MILLISECOND) == t->sent);
    CU_ASSERT_TRUE(!memcmp(&t->rows[1].intended, &t->rows[1].service, sizeof t->rows[1].service));
    due = (int)t->sent;
    CU_ASSERT_FALSE(objected("sent"));
    load_tally_close(t);
}

static void a_closed_loop_opens_what_the_server_closes(void)
{
    small_server s = {.reply = ok, .closes = true, .stall_at = -1, .each_ms = 5};
    usual();
    plan.arrivals = LOAD_CLOSED;
    plan.connections = 1;
    run_against(&s);
    CU_ASSERT_TRUE(t->sent > 2 && replies(200) > 2 && t->reopened + t->resets >= t->sent - 1);
    load_tally_close(t);
}

/* The server has closed both before the first request could be sent. */
static void a_closed_loop_opens_what_was_closed_before_it(void)
{
    small_server s = {.reply = ok, .stall_at = -1, .each_ms = 5, .drops = 2};
    usual();
    plan.arrivals = LOAD_CLOSED;
    plan.connections = 2;
    run_against(&s);
    CU_ASSERT_TRUE(t->sent > 2 && replies(200) == t->sent - t->resets && t->reopened == 2);
    load_tally_close(t);
}

/* 400/s: a full window is 500 ms; three of them alike, and it ends long before its 30 s. */
static void a_warm_up_ends_when_windows_agree_and_counts_nowhere(void)
{
    for (int closed = 0; closed < 2; closed++) {
        small_server s = {.reply = ok, .stall_at = -1, .each_ms = closed ? 2 : 0};
        usual();
        plan.arrivals = closed ? LOAD_CLOSED : LOAD_FIXED;
        plan.rate = 400;
        plan.warmup_ns = 30000 * MILLISECOND;
        run_against(&s);
        CU_ASSERT_TRUE(warm.steady && warm.taken >= LOAD_LAST && warm.took_s >= 1.5 && warm.took_s < 29);
        CU_ASSERT_TRUE(s.requests > t->sent && t->sent > 0 && replies(200) == t->sent);
        if (!closed) CU_ASSERT_EQUAL(t->sent, due);
        CU_ASSERT_EQUAL(marks, 2);
        load_tally_close(t);
    }
}

static void a_warm_up_without_replies_ends_at_its_time(void)
{
    small_server s = {.reply = NULL, .stall_at = -1};
    usual();
    plan.warmup_ns = 200 * MILLISECOND;
    plan.grace_ns = 50 * MILLISECOND;
    run_against(&s);
    CU_ASSERT_TRUE(!warm.steady && warm.taken == 0 && warm.took_s >= 0.2);
    CU_ASSERT_EQUAL(t->sent, 0); /* all four connections still wait for what the warm-up sent */
    CU_ASSERT_EQUAL(t->censored, due);
    load_tally_close(t);
}

static void a_load_is_even_unless_its_tenths_differ(void)
{
    static const struct {
        load_arrivals arrivals;
        int64_t burst_ms;
        bool even;
    } rows[] = {{LOAD_POISSON, 0, true}, {LOAD_BURST, 6, true}, {LOAD_BURST, 7, false}, {LOAD_REPLAY, 0, false}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        small_server s = {.reply = ok, .stall_at = -1};
        usual();
        plan.arrivals = rows[i].arrivals;
        plan.burst = (load_burst){3, rows[i].burst_ms * MILLISECOND};
        run_against(&s); /* its schedule is what the test makes, whatever the plan calls it */
        CU_ASSERT_EQUAL(t->windows.even, rows[i].even);
        load_tally_close(t);
    }
}

static void without_a_server_there_is_no_run(void)
{
    small_server s = {.stall_at = -1};
    small_server_start(&s);
    small_server_stop(&s);
    usual();
    CU_ASSERT_EQUAL(run(s.port), UNAVAILABLE);
    CU_ASSERT_EQUAL(t->sent, 0);
    load_tally_close(t);
}

void load_connections_suite(CU_pSuite s)
{
    CU_add_test(s, "every request is sent once, and its reply counted, whole or in parts",
                every_request_is_sent_and_answered_once);
    CU_add_test(s, "a stall is in the intended latency of all that were due in it, and in few services",
                a_stall_is_seen_by_all_that_were_due_in_it);
    CU_add_test(s, "a rate beyond what the connections carry is invalid, and nothing is dropped",
                a_rate_beyond_its_connections_is_invalid);
    CU_add_test(s, "what is open at the end counts with its age", what_is_open_at_the_end_counts_with_its_age);
    CU_add_test(s, "a timeout counts with its value", a_timeout_counts_with_its_value);
    CU_add_test(s, "whom the seed lets leave has left, and no other", who_shall_leave_leaves);
    CU_add_test(s, "connection: close is honoured, and the connection opened anew",
                a_connection_that_the_server_ends_is_opened_anew);
    CU_add_test(s, "a connection that ends without a reply is a reset", a_reply_that_does_not_come_is_a_reset);
    CU_add_test(s, "a reply that breaks a rule is malformed", a_reply_that_breaks_a_rule_is_malformed);
    CU_add_test(s, "refusals are counted by their status, with their Retry-After", refusals_are_counted_apart);
    CU_add_test(s, "windows have each reply of the run once, halves each request by its due time",
                windows_have_each_reply_of_the_run_once);
    CU_add_test(s, "a fault is in the window in which it happened", faults_are_in_windows);
    CU_add_test(s, "a closed loop keeps each connection busy, and counts from the sending",
                a_closed_loop_keeps_each_connection_busy);
    CU_add_test(s, "a closed loop opens anew what the server closes", a_closed_loop_opens_what_the_server_closes);
    CU_add_test(s, "a closed loop opens anew what was closed before it began",
                a_closed_loop_opens_what_was_closed_before_it);
    CU_add_test(s, "a warm-up ends when three windows agree, and counts nowhere",
                a_warm_up_ends_when_windows_agree_and_counts_nowhere);
    CU_add_test(s, "a warm-up without replies ends at its time, and what it sent stays its own",
                a_warm_up_without_replies_ends_at_its_time);
    CU_add_test(s, "a load is even unless it is a replay or its bursts are long",
                a_load_is_even_unless_its_tenths_differ);
    CU_add_test(s, "without a server there is no run", without_a_server_there_is_no_run);
}
