/* test_simulation_events.c - soonest first, and in the order of telling where two are due at once. */
#include <CUnit/CUnit.h>
#include "bench/simulation_events.h"

static error err;

static void they_come_in_the_order_of_time_then_of_telling(void)
{
    enum { N = 5000 };
    simulation_events e = {0};
    unsigned random = 1;
    CU_ASSERT_EQUAL(simulation_events_next_ns(&e), INT64_MAX);
    for (int i = 0; i < N; i++) {
        random = random * 1103515245 + 12345;
        const simulation_event event = {.at_ns = random >> 16 & 255, .replica = i};
        CU_ASSERT_EQUAL_FATAL(simulation_events_add(&e, event, &err), OK);
    }
    int64_t last_ns = -1;
    int last = -1, wrong = 0;
    for (int i = 0; i < N; i++) {
        const int64_t next_ns = simulation_events_next_ns(&e);
        const simulation_event event = simulation_events_take(&e);
        wrong += event.at_ns != next_ns || event.at_ns < last_ns || (event.at_ns == last_ns && event.replica < last);
        last_ns = event.at_ns;
        last = event.replica;
    }
    CU_ASSERT_EQUAL(wrong, 0);
    CU_ASSERT_EQUAL(simulation_events_next_ns(&e), INT64_MAX);
    simulation_events_close(&e);
}

void simulation_events_suite(CU_pSuite s)
{
    CU_add_test(s, "events come by time, and those of one time in the order they were told",
                they_come_in_the_order_of_time_then_of_telling);
}
