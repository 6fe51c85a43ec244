/* test_policy.c - each decision at its edge. */
#include <CUnit/CUnit.h>
#include "runtime/serve/policy.h"

enum { MS = 1000000 };

static const policy_limits limits = {.objective_ns = 100 * MS,
                                     .max_wait_ns = 50 * MS,
                                     .batch_tokens = 8000,
                                     .batch_sequences = 4,
                                     .longest = 512,
                                     .executors = 1,
                                     .max_requests = 100};

/* t = fixed + token * T */
static service_model device(int64_t fixed_ns, int64_t token_ns)
{
    service_model m;
    service_table t = {.n = 2};
    t.row[0] = (service_row){1, 1, fixed_ns + token_ns, 0};
    t.row[1] = (service_row){1000, 1, fixed_ns + 1000 * token_ns, 0};
    service_seed(&m, &t);
    return m;
}

static void the_budget_takes_half_the_objective(void)
{
    service_model m = device(1 * MS, 10000);
    CU_ASSERT_EQUAL(policy_plan_make(&limits, &m).budget_tokens, 4900);
    CU_ASSERT_DOUBLE_EQUAL(policy_plan_make(&limits, &m).ns_per_token, 50e6 / 4900, 0.01);
    m = device(1 * MS, 1000);
    CU_ASSERT_EQUAL(policy_plan_make(&limits, &m).budget_tokens, 8000); /* the device's room */
    m = device(1 * MS, 1 * MS);
    CU_ASSERT_EQUAL(policy_plan_make(&limits, &m).budget_tokens, 512); /* a longest sequence must be served */
}

static void the_quantum_runs_at_half_speed(void)
{
    service_model m = device(1 * MS, 1000);
    const policy_plan p = policy_plan_make(&limits, &m);
    const double full = 1 / p.ns_per_token;
    CU_ASSERT_TRUE(p.quantum_tokens / (double)service_predict_ns(&m, p.quantum_tokens, 1) >= 0.5 * full);
    CU_ASSERT_TRUE((p.quantum_tokens - 1) / (double)service_predict_ns(&m, p.quantum_tokens - 1, 1) < 0.5 * full);
    CU_ASSERT_TRUE(p.quiet_tokens / (double)service_predict_ns(&m, p.quiet_tokens, 1) >= 0.9 * full);
    CU_ASSERT_TRUE((p.quiet_tokens - 1) / (double)service_predict_ns(&m, p.quiet_tokens - 1, 1) < 0.9 * full);
    m = device(0, 1000);
    CU_ASSERT_EQUAL(policy_plan_make(&limits, &m).quantum_tokens, 1);
    CU_ASSERT_EQUAL(policy_ahead_tokens(&p, 5, 5 + POLICY_QUIET_NS), p.quantum_tokens);
    CU_ASSERT_EQUAL(policy_ahead_tokens(&p, 5, 6 + POLICY_QUIET_NS), p.quiet_tokens);
}

static void arrays_are_due_at_a_fourth_of_the_speed(void)
{
    const policy_plan p = {.ns_per_token = 10};
    CU_ASSERT_EQUAL(policy_due_ns(&p, LANE_INTERACTIVE, 1000, 0), 1000);
    CU_ASSERT_EQUAL(policy_due_ns(&p, LANE_INTERACTIVE, 1000, 50), 3000);
    CU_ASSERT_EQUAL(policy_due_ns(&p, LANE_BULK, 1000, 50), 3000 + POLICY_BULK_PATIENCE_NS);
}

/* t = 1 us a token */
static bool joins(policy_batch open, int tokens, int64_t due_ns, int64_t deadline_ns, policy_trigger *why)
{
    static const policy_plan p = {.budget_tokens = 1000, .quantum_tokens = 100, .ns_per_token = 1000};
    const service_model m = device(0, 1000);
    const policy_sequence s = {tokens, due_ns, deadline_ns};
    *why = TRIGGERS;
    return policy_joins(&limits, &p, &m, &open, &s, 5000, why);
}

static void batches_end_at_budget_quantum_room_and_deadline(void)
{
    const int64_t never = INT64_MAX;
    const policy_batch none = {0, 0, never, 100}, some = {60, 1, never, 100};
    policy_trigger why;
    CU_ASSERT_TRUE(joins(none, 5000, 9000, 1, &why)); /* the first, whatever it is */
    CU_ASSERT_TRUE(joins(some, 940, 5000, never, &why));
    CU_ASSERT_EQUAL(why, TRIGGERS); /* as it was */
    CU_ASSERT_FALSE(joins(some, 941, 5000, never, &why));
    CU_ASSERT_EQUAL(why, TRIGGER_FULL);
    CU_ASSERT_TRUE(joins(some, 40, 5001, never, &why)); /* not yet due */
    CU_ASSERT_FALSE(joins(some, 41, 5001, never, &why));
    CU_ASSERT_TRUE(joins((policy_batch){60, 3, never, 100}, 1, 0, never, &why));
    CU_ASSERT_FALSE(joins((policy_batch){60, 4, never, 100}, 1, 0, never, &why));
    CU_ASSERT_EQUAL(why, TRIGGER_FULL);
    CU_ASSERT_TRUE(joins(some, 40, 0, 5000 + 100000, &why));
    CU_ASSERT_FALSE(joins(some, 40, 0, 5000 + 99999, &why)); /* the new one would be late */
    CU_ASSERT_EQUAL(why, TRIGGER_DEADLINE);
    CU_ASSERT_FALSE(joins((policy_batch){60, 1, 5000 + 99999, 100}, 40, 0, never, &why)); /* a member would */
    CU_ASSERT_EQUAL(why, TRIGGER_DEADLINE);
}

static void the_next_batch_is_cut_late(void)
{
    const policy_plan p = {.budget_tokens = 1000};
    CU_ASSERT_TRUE(policy_cut_ns(&p, 1, 0, 777) <= 777);
    CU_ASSERT_TRUE(policy_cut_ns(&p, 1, 777, 777) <= 777);
    CU_ASSERT_EQUAL(policy_cut_ns(&p, 999, MS, 777), MS - POLICY_LEAD_NS);
    CU_ASSERT_TRUE(policy_cut_ns(&p, 1000, MS, 777) <= 777);
}

static policy_verdict admits(lane of, int64_t wait_ns, int64_t deadline_ns)
{
    return policy_admits(&limits, of, wait_ns, 10, deadline_ns, 100);
}

static void admission_ends_at_wait_and_deadline(void)
{
    const int64_t most = limits.max_wait_ns, never = INT64_MAX;
    CU_ASSERT_EQUAL(admits(LANE_INTERACTIVE, most, never), POLICY_ADMIT);
    CU_ASSERT_EQUAL(admits(LANE_INTERACTIVE, most + 1, never), POLICY_OVERLOADED);
    CU_ASSERT_EQUAL(admits(LANE_BULK, most + POLICY_BULK_PATIENCE_NS, never), POLICY_ADMIT);
    CU_ASSERT_EQUAL(admits(LANE_BULK, most + POLICY_BULK_PATIENCE_NS + 1, never), POLICY_OVERLOADED);
    CU_ASSERT_EQUAL(admits(LANE_INTERACTIVE, 5, 115), POLICY_ADMIT);
    CU_ASSERT_EQUAL(admits(LANE_INTERACTIVE, 6, 115), POLICY_OVERLOADED);
    CU_ASSERT_EQUAL(admits(LANE_INTERACTIVE, 0, 110), POLICY_ADMIT);
    CU_ASSERT_EQUAL(admits(LANE_INTERACTIVE, 0, 109), POLICY_HOPELESS);
    CU_ASSERT_EQUAL(admits(LANE_INTERACTIVE, most + 1, 99), POLICY_HOPELESS);
}

static void retry_after_is_what_is_too_much(void)
{
    const int64_t s = 1000000000;
    CU_ASSERT_EQUAL(policy_retry_after_s(5, 4), 1);
    CU_ASSERT_EQUAL(policy_retry_after_s(4, 5), 1);
    CU_ASSERT_EQUAL(policy_retry_after_s(5 * s, 4 * s), 1);
    CU_ASSERT_EQUAL(policy_retry_after_s(5 * s + 1, 4 * s), 2);
    CU_ASSERT_EQUAL(policy_retry_after_s(604 * s, 4 * s), 600);
    CU_ASSERT_EQUAL(policy_retry_after_s(6040 * s, 4 * s), 600);
}

void policy_suite(CU_pSuite s)
{
    CU_add_test(s, "the budget takes half the objective, between the longest sequence and the room",
                the_budget_takes_half_the_objective);
    CU_add_test(s, "the quantum is the smallest at half speed, at 0.9 when it is quiet",
                the_quantum_runs_at_half_speed);
    CU_add_test(s, "an array is due at a fourth of the speed, bulk later", arrays_are_due_at_a_fourth_of_the_speed);
    CU_add_test(s, "a batch ends at budget, quantum, room and deadline",
                batches_end_at_budget_quantum_room_and_deadline);
    CU_add_test(s, "an idle device takes at once, a busy one late or a full batch", the_next_batch_is_cut_late);
    CU_add_test(s, "admission ends at the wait and at the deadline", admission_ends_at_wait_and_deadline);
    CU_add_test(s, "Retry-After is the wait beyond the limit, 1 to 600 s", retry_after_is_what_is_too_much);
}
