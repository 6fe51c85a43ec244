/* test_simulation_traffic.c - the schedule and the lengths are those that `load` sends. */
#include <CUnit/CUnit.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include "bench/load_requests.h"
#include "bench/simulation_traffic.h"

static const int64_t SECOND = 1000000000;
static simulation_traffic t;
static error err;
static const int lengths[] = {3, 10, 600, 25, 7};

static simulation_mix usual(void)
{
    return (simulation_mix){.rate = 500,
                            .duration_ns = 4 * SECOND,
                            .arrivals = LOAD_POISSON,
                            .lengths = lengths,
                            .n_lengths = 5,
                            .inputs = 2,
                            .longest = 512,
                            .length_factor = 1,
                            .seed = 3};
}

/* The n-th request's bytes as `load` would send them have as many words as it has tokens here. */
static int words_of(const load_requests *pool, int body)
{
    const char *bytes = strstr(pool->bytes + pool->starts[body], "\r\n\r\n");
    const char *end = pool->bytes + pool->starts[body + 1];
    int words = 0;
    for (const char *p = bytes; p < end; p++)
        words += p[0] >= 'a' && p[0] <= 'z' && (p[1] == ' ' || (p[1] == '"' && p[2] != ':'));
    return words;
}

static void it_is_what_load_sends(void)
{
    static load_plan plan;
    load_schedule s;
    load_requests pool;
    simulation_mix m = usual();
    m.longest = 1000;
    CU_ASSERT_EQUAL_FATAL(simulation_traffic_open(&t, &m, &err), OK);
    CU_ASSERT_EQUAL_FATAL(load_schedule_open(&s, LOAD_POISSON, 500, 4 * SECOND, 3, &err), OK);
    CU_ASSERT_EQUAL_FATAL(t.n, s.n);
    CU_ASSERT_EQUAL(memcmp(t.at_ns, s.at_ns, (size_t)s.n * sizeof *s.at_ns), 0);
    const bench_options o = {.target = "http://h/", .inputs = "2"};
    CU_ASSERT_EQUAL_FATAL(load_plan_read(&plan, &o, &err), OK);
    memcpy(plan.lengths, lengths, sizeof lengths);
    plan.n_lengths = 5;
    CU_ASSERT_EQUAL_FATAL(load_requests_open(&pool, &plan, &err), OK);
    CU_ASSERT_EQUAL(t.n_bodies, pool.n);
    int wrong = 0;
    for (int i = 0; i < t.n; i++) {
        const int body = load_requests_body(&pool, 3, i);
        const int32_t *starts = t.starts + (ptrdiff_t)t.body[i] * 3;
        wrong += starts[2] != words_of(&pool, body) + 4; /* [CLS] and [SEP], twice */
    }
    CU_ASSERT_EQUAL(wrong, 0);
    load_requests_close(&pool);
    load_schedule_close(&s);
    simulation_traffic_close(&t);
}

static void lengths_are_moved_and_cut(void)
{
    simulation_mix m = usual();
    m.inputs = 1;
    m.length_factor = 1.1;
    CU_ASSERT_EQUAL_FATAL(simulation_traffic_open(&t, &m, &err), OK);
    static const int wanted[] = {3, 11, 512, 28, 8}; /* 3.3, 11, 660, 27.5, 7.7 */
    for (int b = 0; b < 5; b++) {
        CU_ASSERT_EQUAL(t.starts[2 * b], 0);
        CU_ASSERT_EQUAL(t.starts[2 * b + 1], wanted[b]);
    }
    CU_ASSERT_TRUE(t.inputs == 1 && t.mean_tokens > 110 && t.mean_tokens < 115);
    simulation_traffic_close(&t);
}

static void bursts_are_those_that_load_sends(void)
{
    load_schedule s;
    simulation_mix m = usual();
    m.arrivals = LOAD_BURST;
    m.burst = (load_burst){3, SECOND / 20};
    CU_ASSERT_EQUAL_FATAL(simulation_traffic_open(&t, &m, &err), OK);
    CU_ASSERT_EQUAL_FATAL(load_schedule_bursts(&s, m.burst, 500, 4 * SECOND, 3, &err), OK);
    CU_ASSERT_TRUE(t.n == s.n && !memcmp(t.at_ns, s.at_ns, (size_t)s.n * sizeof *s.at_ns));
    load_schedule_close(&s);
    simulation_traffic_close(&t);
}

static void a_replay_goes_at_its_pace_or_another(void)
{
    int64_t at_ns[] = {0, SECOND, SECOND, 3 * SECOND};
    int tokens[] = {5, 600, 7, 8};
    const load_schedule r = {at_ns, tokens, 4};
    simulation_mix m = usual();
    m.arrivals = LOAD_REPLAY;
    m.replay = &r;
    m.inputs = 1;
    m.rate = 1;
    CU_ASSERT_EQUAL_FATAL(simulation_traffic_open(&t, &m, &err), OK);
    CU_ASSERT_TRUE(t.n == 4 && t.at_ns[3] == 3 * SECOND && t.duration_ns == 4 * SECOND);
    for (int i = 0; i < 4; i++) CU_ASSERT_TRUE(t.body[i] == i && t.starts[2 * i + 1] == (i == 1 ? 512 : tokens[i]));
    simulation_traffic_close(&t);
    m.rate = 2; /* twice as fast */
    CU_ASSERT_EQUAL_FATAL(simulation_traffic_open(&t, &m, &err), OK);
    CU_ASSERT_TRUE(t.at_ns[1] == SECOND / 2 && t.at_ns[3] == 3 * SECOND / 2 && t.duration_ns == 2 * SECOND);
    simulation_traffic_close(&t);
}

static void nothing_and_too_much_are_refused(void)
{
    simulation_mix m = usual();
    m.rate = 1e7;
    CU_ASSERT_EQUAL(simulation_traffic_open(&t, &m, &err), BAD_INPUT);
    m.arrivals = LOAD_BURST;
    m.burst = (load_burst){3, SECOND};
    CU_ASSERT_EQUAL(simulation_traffic_open(&t, &m, &err), BAD_INPUT);
    m.rate = 0.1;
    CU_ASSERT_EQUAL(simulation_traffic_open(&t, &m, &err), BAD_INPUT);
    CU_ASSERT_PTR_NULL(t.at_ns);
}

void simulation_traffic_suite(CU_pSuite s)
{
    CU_add_test(s, "schedule and lengths are those that load sends", it_is_what_load_sends);
    CU_add_test(s, "lengths are moved by a factor and cut at the longest", lengths_are_moved_and_cut);
    CU_add_test(s, "bursts are those that load sends", bursts_are_those_that_load_sends);
    CU_add_test(s, "a replay goes at its own pace or at another rate", a_replay_goes_at_its_pace_or_another);
    CU_add_test(s, "too few requests and too many are refused", nothing_and_too_much_are_refused);
}
