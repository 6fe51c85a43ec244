/* test_policy.c - the bounds at their edges. */
#include <CUnit/CUnit.h>
#include <limits.h>
#include <math.h>
#include "runtime/serve/policy.h"

static const policy_limits limits = {.budget_tokens = 100, .budget_sequences = 4, .max_queued_tokens = 1000};

static bool admits(int64_t queued, int64_t running, int64_t n)
{
    return policy_admits(&limits, &(policy_state){queued, running}, n);
}

static void the_queue_ends_at_its_bound(void)
{
    CU_ASSERT_TRUE(admits(999, 0, 1));
    CU_ASSERT_FALSE(admits(999, 0, 2));
    CU_ASSERT_FALSE(admits(1000, 0, 1));
    CU_ASSERT_TRUE(admits(0, 100, 1000)); /* what runs no longer waits */
    CU_ASSERT_FALSE(admits(0, 100, 1001));
}

static void an_idle_server_takes_any_request(void)
{
    CU_ASSERT_TRUE(admits(0, 0, 1001));
    CU_ASSERT_TRUE(admits(0, 0, INT64_MAX));
    CU_ASSERT_FALSE(admits(5000, 0, 1)); /* and then nothing more until that is gone */
    CU_ASSERT_FALSE(admits(1, 0, INT64_MAX));
    CU_ASSERT_FALSE(admits(INT64_MAX, 0, INT64_MAX));
}

static void a_batch_ends_at_either_budget(void)
{
    CU_ASSERT_TRUE(policy_fits(&limits, 60, 1, 40));
    CU_ASSERT_FALSE(policy_fits(&limits, 60, 1, 41));
    CU_ASSERT_TRUE(policy_fits(&limits, 3, 3, 1));
    CU_ASSERT_FALSE(policy_fits(&limits, 4, 4, 1));
    CU_ASSERT_FALSE(policy_fits(&limits, 100, 1, INT_MAX));
}

static void the_first_sequence_always_fits(void)
{
    CU_ASSERT_TRUE(policy_fits(&limits, 0, 0, 101));
    CU_ASSERT_TRUE(policy_fits(&limits, 0, 0, INT_MAX));
}

static void retry_after_is_the_wait_in_whole_seconds(void)
{
    CU_ASSERT_EQUAL(policy_retry_after_s(&(policy_state){900, 100}, 500), 2);
    CU_ASSERT_EQUAL(policy_retry_after_s(&(policy_state){901, 100}, 500), 3);
    CU_ASSERT_EQUAL(policy_retry_after_s(&(policy_state){0, 0}, 500), 1);
    CU_ASSERT_EQUAL(policy_retry_after_s(&(policy_state){1, 0}, 1e9), 1);
    CU_ASSERT_EQUAL(policy_retry_after_s(&(policy_state){1000, 0}, 0), 1); /* nothing measured yet */
    CU_ASSERT_EQUAL(policy_retry_after_s(&(policy_state){1000, 0}, -1), 1);
    CU_ASSERT_EQUAL(policy_retry_after_s(&(policy_state){1000, 0}, NAN), 1);
    CU_ASSERT_EQUAL(policy_retry_after_s(&(policy_state){INT64_MAX, 0}, 1e-9), 600);
    CU_ASSERT_EQUAL(policy_retry_after_s(&(policy_state){1000, 0}, INFINITY), 1);
}

void policy_suite(CU_pSuite s)
{
    CU_add_test(s, "the queue takes exactly as many tokens as its bound", the_queue_ends_at_its_bound);
    CU_add_test(s, "an idle server takes a request of any size, then nothing beyond the bound",
                an_idle_server_takes_any_request);
    CU_add_test(s, "a batch ends at its tokens or its sequences, whichever comes first", a_batch_ends_at_either_budget);
    CU_add_test(s, "the first sequence of a batch always fits", the_first_sequence_always_fits);
    CU_add_test(s, "Retry-After is the measured wait, 1 to 600 s", retry_after_is_the_wait_in_whole_seconds);
}
