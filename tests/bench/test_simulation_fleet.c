/* test_simulation_fleet.c - who gets the next request, and how many replicas there should be. */
#include <CUnit/CUnit.h>
#include "bench/simulation_fleet.h"

static void turns_go_round_those_that_are_ready(void)
{
    const simulation_replica_state state[] = {REPLICA_READY, REPLICA_STARTING, REPLICA_READY,
                                              REPLICA_DOWN,  REPLICA_READY,    REPLICA_DRAINING};
    const int32_t outstanding[6] = {9, 0, 5, 0, 7, 0};
    static const int wanted[] = {0, 2, 4, 0, 2};
    int turn = 0;
    for (int i = 0; i < 5; i++)
        CU_ASSERT_EQUAL(simulation_balance_pick(BALANCE_ROUND_ROBIN, state, outstanding, 6, &turn), wanted[i]);
    const simulation_replica_state none[] = {REPLICA_OFF, REPLICA_DOWN};
    CU_ASSERT_EQUAL(simulation_balance_pick(BALANCE_ROUND_ROBIN, none, outstanding, 2, &turn), -1);
}

static void the_fewest_outstanding_are_found(void)
{
    const simulation_replica_state state[] = {REPLICA_READY, REPLICA_STARTING, REPLICA_READY, REPLICA_READY};
    int32_t outstanding[4] = {9, 0, 5, 7};
    int turn = 0;
    CU_ASSERT_EQUAL(simulation_balance_pick(BALANCE_LEAST_OUTSTANDING, state, outstanding, 4, &turn), 2);
    outstanding[0] = 5; /* of equals the one whose turn is sooner */
    CU_ASSERT_EQUAL(simulation_balance_pick(BALANCE_LEAST_OUTSTANDING, state, outstanding, 4, &turn), 0);
    CU_ASSERT_EQUAL(simulation_balance_pick(BALANCE_LEAST_OUTSTANDING, state, outstanding, 4, &turn), 2);
    CU_ASSERT_EQUAL(simulation_balance_pick(BALANCE_LEAST_OUTSTANDING, state, outstanding, 4, &turn), 0);
}

static simulation_scaler scaler(void)
{
    return (simulation_scaler){.target = 0.7, .least = 2, .most = 20, .tokens_per_s = 1};
}

static void as_many_as_bring_the_load_to_its_target(void)
{
    const simulation_scaler s = scaler();
    simulation_wishes w = {0};
    CU_ASSERT_EQUAL(simulation_scale(&w, &s, 4, 4, 0.76), 4);   /* within a tenth */
    CU_ASSERT_EQUAL(simulation_scale(&w, &s, 4, 4, 1.0), 6);    /* 4 * 1 / 0.7 = 5.7 */
    CU_ASSERT_EQUAL(simulation_scale(&w, &s, 6, 4, 1.0), 6);    /* two of them are not ready: the load is of four */
    CU_ASSERT_EQUAL(simulation_scale(&w, &s, 10, 10, 3), 20);   /* not above the most */
    CU_ASSERT_EQUAL(simulation_scale(&w, &s, 10, 10, 0.01), 2); /* not below the least */
}

static void at_most_twice_as_many_or_four_more_at_once(void)
{
    const simulation_scaler s = scaler();
    simulation_wishes w = {0};
    CU_ASSERT_EQUAL(simulation_scale(&w, &s, 2, 2, 7), 6);
    CU_ASSERT_EQUAL(simulation_scale(&w, &s, 6, 6, 7), 12);
}

static void windows_hold_back(void)
{
    simulation_scaler s = scaler();
    simulation_wishes w = {0};
    s.down_ns = 2 * SIMULATION_SCALE_NS;
    CU_ASSERT_EQUAL(simulation_scale(&w, &s, 10, 10, 0.7), 10);
    CU_ASSERT_EQUAL(simulation_scale(&w, &s, 10, 10, 0.35), 10); /* 5 are enough, but 10 were wanted lately */
    CU_ASSERT_EQUAL(simulation_scale(&w, &s, 10, 10, 0.41), 10);
    CU_ASSERT_EQUAL(simulation_scale(&w, &s, 10, 10, 0.35), 6); /* the most of the last three: 5, 6, 5 */
    s.up_ns = SIMULATION_SCALE_NS;
    CU_ASSERT_EQUAL(simulation_scale(&w, &s, 6, 6, 1.0), 6); /* 9 are wanted, and were not 15 s ago */
    CU_ASSERT_EQUAL(simulation_scale(&w, &s, 6, 6, 1.0), 9);
}

void simulation_fleet_suite(CU_pSuite s)
{
    CU_add_test(s, "turns go round the replicas that are ready", turns_go_round_those_that_are_ready);
    CU_add_test(s, "the fewest outstanding get the next, of equals whose turn it is", the_fewest_outstanding_are_found);
    CU_add_test(s, "the autoscaler wants as many as bring the load to its target",
                as_many_as_bring_the_load_to_its_target);
    CU_add_test(s, "at most twice as many or four more at once", at_most_twice_as_many_or_four_more_at_once);
    CU_add_test(s, "windows hold back: down to the most, up to the least that was wanted in them", windows_hold_back);
}
