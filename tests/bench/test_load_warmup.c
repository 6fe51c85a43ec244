/* test_load_warmup.c - when a server is warm, by the figures of windows alone. */
#include <CUnit/CUnit.h>
#include <string.h>
#include "bench/load_warmup.h"

static load_warmup u;
static load_window at;

static void window_of(int n, double ms)
{
    memset(&at, 0, sizeof at);
    for (int i = 0; i < n; i++) load_latency_record(&at.intended, (int64_t)(ms * 1e6));
}

static bool take(int n, double ms, double seconds)
{
    window_of(n, ms);
    return load_warmup_take(&u, &at, seconds);
}

static void a_window_has_half_a_second_and_fifty_replies(void)
{
    window_of(50, 1);
    CU_ASSERT_TRUE(load_warmup_full(&at, 0.5));
    CU_ASSERT_FALSE(load_warmup_full(&at, 0.49));
    window_of(49, 1);
    CU_ASSERT_FALSE(load_warmup_full(&at, 5));
    at.refused = 1; /* a server that refuses is answering */
    CU_ASSERT_TRUE(load_warmup_full(&at, 5));
}

static void three_alike_are_steady(void)
{
    u = (load_warmup){0};
    CU_ASSERT_FALSE(take(1000, 5, 0.5));
    CU_ASSERT_FALSE(take(1000, 5, 0.5));
    CU_ASSERT_TRUE(take(1050, 5.2, 0.5));
    CU_ASSERT_TRUE(u.steady && u.taken == 3);
}

/* Each is 30 % faster than the one before; then it is as fast as it will be. */
static void a_server_that_becomes_faster_is_not(void)
{
    u = (load_warmup){0};
    for (double ms = 40; ms > 5; ms *= 0.7) CU_ASSERT_FALSE(take(1000, ms, 0.5));
    CU_ASSERT_FALSE(take(1000, 5, 0.5));
    CU_ASSERT_FALSE(take(1000, 4, 0.5));
    CU_ASSERT_FALSE(take(1000, 4, 0.5));
    CU_ASSERT_TRUE(take(1000, 4, 0.5));
}

static void throughputs_count_by_the_second(void)
{
    u = (load_warmup){0};
    for (int i = 0; i < 6; i++) CU_ASSERT_FALSE(take(i % 2 ? 2000 : 1000, 5, 0.5));
    u = (load_warmup){0};
    take(2000, 5, 1);
    take(1000, 5, 0.5);
    CU_ASSERT_TRUE(take(4000, 5, 2));
}

static void a_count_of_few_varies_by_chance(void)
{
    u = (load_warmup){0};
    take(50, 5, 0.5);
    take(62, 5, 0.5);
    CU_ASSERT_TRUE(take(51, 5, 0.5));
}

static void who_refuses_all_is_steady_too(void)
{
    u = (load_warmup){0};
    CU_ASSERT_FALSE(take(0, 0, 0.5));
    CU_ASSERT_FALSE(take(0, 0, 0.5));
    CU_ASSERT_TRUE(take(0, 0, 0.5));
}

void load_warmup_suite(CU_pSuite s)
{
    CU_add_test(s, "a window is half a second and 50 replies", a_window_has_half_a_second_and_fifty_replies);
    CU_add_test(s, "three windows alike are steady, and not two", three_alike_are_steady);
    CU_add_test(s, "a server that becomes faster is not steady until it stays", a_server_that_becomes_faster_is_not);
    CU_add_test(s, "throughputs are compared by the second", throughputs_count_by_the_second);
    CU_add_test(s, "a count of few may vary by chance", a_count_of_few_varies_by_chance);
    CU_add_test(s, "a server that refuses all is steady", who_refuses_all_is_steady_too);
}
