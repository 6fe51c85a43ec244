/* test_load_connections.c - whole runs against a small server in a thread of its own, which does what it is told.
 *
 * The only times are those the server makes: what it holds back cannot be seen earlier, on however slow a machine. */
#include <CUnit/CUnit.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "bench/load_connections.h"
#include "bench/load_verdict.h"

#define REPLY(status, fields) "HTTP/1.1 " status "\r\n" fields "content-length: 2\r\n\r\n[]"
static const char ok[] = REPLY("200 OK", "x-compute-tokens: 7\r\nserver-timing: queue;dur=1\r\n");
static const int64_t MILLISECOND = 1000000;
enum { CLIENTS = 64, STALL_MS = 300 };

typedef struct {
    const char *reply; /* NULL: none */
    bool closes;       /* after a request */
    bool halves;       /* the reply is sent in two parts */
    int stall_at;      /* holds everything up for STALL_MS before this answer, counted from 0; -1: never */
    int each_ms;       /* before every answer */
    int port, listener;
    _Atomic int stop, requests;
    pthread_t thread;
} small_server;

static void pause_ms(int ms) { poll(NULL, 0, ms); }

/* false: the client has left, or shall. */
static bool answer(small_server *s, int fd)
{
    char text[4096];
    const ssize_t n = recv(fd, text, sizeof text - 1, 0);
    if (n <= 0) return false;
    text[n] = 0;
    if (strncmp(text, "POST /embed HTTP/1.1\r\n", 22) || strcmp(text + n - 2, "\"}")) return false; /* not whole */
    const int at = atomic_fetch_add(&s->requests, 1);
    if (at == s->stall_at) pause_ms(STALL_MS);
    if (s->each_ms) pause_ms(s->each_ms);
    if (s->reply) {
        const size_t all = strlen(s->reply), first = s->halves ? all / 2 : all;
        send(fd, s->reply, first, MSG_NOSIGNAL);
        if (s->halves) pause_ms(1);
        if (s->halves) send(fd, s->reply + first, all - first, MSG_NOSIGNAL);
    }
    return !s->closes;
}

static void *serve(void *arg)
{
    small_server *s = arg;
    struct pollfd p[1 + CLIENTS] = {{.fd = s->listener, .events = POLLIN}};
    int n = 1;
    while (!atomic_load(&s->stop)) {
        poll(p, (nfds_t)n, 20);
        for (int i = n - 1; i > 0; i--) {
            if (!p[i].revents || answer(s, p[i].fd)) continue;
            close(p[i].fd);
            p[i] = p[--n];
        }
        if (n <= CLIENTS && p[0].revents) {
            p[n] = (struct pollfd){.fd = accept(s->listener, NULL, NULL), .events = POLLIN};
            if (p[n].fd >= 0) n++;
        }
    }
    while (--n > 0) close(p[n].fd);
    return NULL;
}

static void start(small_server *s)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof a;
    s->listener = socket(AF_INET, SOCK_STREAM, 0);
    CU_ASSERT_FATAL(!bind(s->listener, (struct sockaddr *)&a, n) && !listen(s->listener, CLIENTS));
    getsockname(s->listener, (struct sockaddr *)&a, &n);
    s->port = ntohs(a.sin_port);
    CU_ASSERT_EQUAL_FATAL(pthread_create(&s->thread, NULL, serve, s), 0);
}

static void stop(small_server *s)
{
    atomic_store(&s->stop, 1);
    pthread_join(s->thread, NULL);
    close(s->listener);
}

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

/* Runs the plan; the tally stays until done(). */
static status run(int port)
{
    error err = {""};
    load_schedule s = {0};
    load_requests pool = {0};
    snprintf(plan.port, sizeof plan.port, "%d", port);
    CU_ASSERT_EQUAL_FATAL(load_tally_open(&t, &err), OK);
    CU_ASSERT_EQUAL_FATAL(load_schedule_open(&s, plan.arrivals, plan.rate, plan.duration_ns, plan.seed, &err), OK);
    CU_ASSERT_EQUAL_FATAL(load_requests_open(&pool, &plan, &err), OK);
    const status rc = load_connections_run(t, &(load_job){&plan, &s, &pool, NULL}, &err);
    due = s.n;
    load_requests_close(&pool);
    load_schedule_close(&s);
    return rc;
}

static void run_against(small_server *s)
{
    start(s);
    CU_ASSERT_EQUAL(run(s->port), OK);
    stop(s);
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
        small_server s = {.reply = REPLY("200 OK", "connection: close\r\n"), .closes = closes == 1, .stall_at = -1};
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
    small_server s = {.reply = REPLY("429 Too Many Requests", "retry-after: 2\r\n"), .stall_at = -1};
    usual();
    run_against(&s);
    CU_ASSERT_TRUE(replies(429) == due && load_errors(t) == 0 && t->served_in_time == 0);
    CU_ASSERT_TRUE(t->retry_after_least_s == 2 && t->retry_after_most_s == 2);
    CU_ASSERT_FALSE(objected("errors"));
    load_tally_close(t);
}

static void without_a_server_there_is_no_run(void)
{
    small_server s = {.stall_at = -1};
    start(&s);
    stop(&s);
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
    CU_add_test(s, "without a server there is no run", without_a_server_there_is_no_run);
}
