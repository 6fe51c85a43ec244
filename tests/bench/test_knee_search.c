/* test_knee_search.c - the search against servers that are a formula: it has to come near their knee, whatever noise,
 * cliffs and clients do. */
#include <CUnit/CUnit.h>
#include <math.h>
#include <stdint.h>
#include <string.h>
#include "bench/knee_search.h"

enum { RUNS_MOST = 200, CONFIRMATIONS = 3 };
static const double MOST = 1e6, NEVER = INFINITY;
static uint64_t state;
static int runs, confirmations;
static double highest;

typedef struct {
    double capacity, slo_ms; /* a queue of one server: 1000 / (capacity - rate) ms in the mean */
    double noise;            /* of each run's figure, of its logarithm */
    double cliff, client;    /* beyond: it fails; the client fails */
} server;

/* xorshift64*, in (0, 1) */
static double uniform(void)
{
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return ((double)((state * 0x2545f4914f6cdd1du) >> 11) + 0.5) * 0x1p-53;
}

static double normal(void) { return sqrt(-2 * log(uniform())) * cos(6.283185307179586 * uniform()); }

static knee_outcome answer(const server *s, double rate)
{
    const double ms = rate < s->capacity ? 1000 / (s->capacity - rate) : INFINITY;
    if (rate > s->client) return KNEE_CLIENT_FAILED;
    return rate <= s->cliff && ms * exp(s->noise * normal()) <= s->slo_ms ? KNEE_PASSED : KNEE_FAILED;
}

static double truth(const server *s) { return fmin(s->capacity - 1000 / s->slo_ms, s->cliff); }

static knee_search find(const server *s, double first, uint64_t seed)
{
    knee_search k = knee_search_begin(first, MOST, CONFIRMATIONS);
    state = seed;
    runs = confirmations = 0;
    highest = 0;
    while (!knee_search_is_over(&k) && runs < RUNS_MOST) {
        confirmations += k.phase == KNEE_CONFIRM;
        highest = fmax(highest, k.rate);
        knee_search_take(&k, answer(s, k.rate));
        runs++;
    }
    CU_ASSERT_TRUE(runs < RUNS_MOST);
    return k;
}

static void a_queue_has_its_knee_found_within_three_percent(void)
{
    static const double firsts[] = {10, 66.6, 500, 890};
    const server s = {.capacity = 1000, .slo_ms = 10, .cliff = NEVER, .client = NEVER};
    for (int i = 0; i < 4; i++) {
        const knee_search k = find(&s, firsts[i], 1);
        CU_ASSERT_EQUAL(k.phase, KNEE_FOUND);
        CU_ASSERT_TRUE(k.passed <= truth(&s) && k.failed > truth(&s));
        CU_ASSERT_TRUE(k.failed <= 1.03 * k.passed);
        CU_ASSERT_TRUE(k.confirmed == CONFIRMATIONS && confirmations == CONFIRMATIONS);
        CU_ASSERT_TRUE(runs < 30);
    }
}

static void the_ramp_goes_up_by_half(void)
{
    knee_search k = knee_search_begin(10, MOST, CONFIRMATIONS);
    for (double rate = 10; rate < 1000; rate *= 1.5) {
        CU_ASSERT_DOUBLE_EQUAL(k.rate, rate, 1e-6);
        knee_search_take(&k, KNEE_PASSED);
    }
    CU_ASSERT_EQUAL(k.phase, KNEE_RAMP);
}

static void a_cliff_is_found_as_well(void)
{
    const server s = {.capacity = 1000, .slo_ms = 100, .cliff = 333, .client = NEVER};
    const knee_search k = find(&s, 20, 1);
    CU_ASSERT_EQUAL(k.phase, KNEE_FOUND);
    CU_ASSERT_TRUE(k.passed <= 333 && k.passed > 320 && k.failed > 333);
}

/* Each run's figure is off by a tenth: at 10 ms and 1000/s that is the knee's own tenth of 900 as well. */
static void noise_moves_it_little(void)
{
    const server s = {.capacity = 1000, .slo_ms = 10, .noise = 0.1, .cliff = NEVER, .client = NEVER};
    int found = 0, near = 0;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        const knee_search k = find(&s, 50, seed);
        found += k.phase == KNEE_FOUND;
        near += k.phase == KNEE_FOUND && k.passed > 0.9 * truth(&s) && k.passed < 1.05 * truth(&s);
    }
    CU_ASSERT_EQUAL(found, 200);
    CU_ASSERT_TRUE(near >= 190);
}

/* One bad second of the machine: the n-th run fails, whatever its rate. */
static void one_bad_run_does_not_cut_it(void)
{
    const server s = {.capacity = 1000, .slo_ms = 10, .cliff = NEVER, .client = NEVER};
    const knee_search clean = find(&s, 50, 1);
    for (int bad = 0; bad < 12; bad++) {
        knee_search k = knee_search_begin(50, MOST, CONFIRMATIONS);
        for (int i = 0; !knee_search_is_over(&k); i++) {
            const int spoils = i == bad && k.phase != KNEE_CONFIRM;
            knee_search_take(&k, spoils ? KNEE_FAILED : answer(&s, k.rate));
        }
        CU_ASSERT_TRUE(k.phase == KNEE_FOUND && k.passed == clean.passed);
    }
}

static void luck_is_held_to_its_word(void)
{
    knee_search k = knee_search_begin(100, MOST, CONFIRMATIONS);
    knee_search_take(&k, KNEE_PASSED);
    while (k.phase != KNEE_CONFIRM) knee_search_take(&k, k.rate > 110 ? KNEE_FAILED : KNEE_PASSED);
    const double lucky = k.rate;
    knee_search_take(&k, KNEE_PASSED);
    knee_search_take(&k, KNEE_PASSED);
    knee_search_take(&k, KNEE_FAILED); /* at the last moment */
    CU_ASSERT_TRUE(k.phase == KNEE_CONFIRM && k.confirmed == 0);
    CU_ASSERT_DOUBLE_EQUAL(k.rate, 0.95 * lucky, 1e-9);
    CU_ASSERT_DOUBLE_EQUAL(k.failed, lucky, 1e-9);
    for (int i = 0; i < CONFIRMATIONS; i++) {
        CU_ASSERT_EQUAL(k.phase, KNEE_CONFIRM);
        knee_search_take(&k, KNEE_PASSED);
    }
    CU_ASSERT_EQUAL(k.phase, KNEE_FOUND);
    CU_ASSERT_DOUBLE_EQUAL(k.passed, 0.95 * lucky, 1e-9);
}

static void what_never_passes_has_none(void)
{
    const server s = {.capacity = 1000, .slo_ms = 0.5, .cliff = NEVER, .client = NEVER};
    const knee_search k = find(&s, 10, 1);
    CU_ASSERT_TRUE(k.phase == KNEE_NONE && k.passed == 0 && k.failed == 10);
    CU_ASSERT_EQUAL(runs, 2); /* twice, as one may be chance */
    knee_search j = knee_search_begin(10, MOST, CONFIRMATIONS);
    for (runs = 0; !knee_search_is_over(&j) && runs < RUNS_MOST; runs++)
        knee_search_take(&j, j.phase != KNEE_CONFIRM && j.rate < 30 ? KNEE_PASSED : KNEE_FAILED);
    CU_ASSERT_TRUE(j.phase == KNEE_NONE && j.passed == 0); /* and what never passes again */
}

static void the_clients_end_is_no_knee(void)
{
    const server s = {.capacity = 1000, .slo_ms = 10, .cliff = NEVER, .client = 400};
    const knee_search k = find(&s, 50, 1);
    CU_ASSERT_EQUAL(k.phase, KNEE_CLIENT_LIMIT);
    CU_ASSERT_TRUE(k.passed <= 400 && k.passed >= 400 / 1.5 && k.rate > 400 && isinf(k.failed));
    const server fast = {.capacity = 1e12, .slo_ms = 10, .cliff = NEVER, .client = NEVER};
    const knee_search all = find(&fast, 1000, 1); /* what passes for ever ends where no client could go on */
    CU_ASSERT_TRUE(all.phase == KNEE_CLIENT_LIMIT && all.passed <= MOST && all.passed > MOST / 1.5);
    CU_ASSERT_TRUE(highest <= MOST);
}

static void a_client_may_fail_twice(void)
{
    knee_search k = knee_search_begin(10, MOST, CONFIRMATIONS);
    for (int i = 0; i < 5; i++) {
        const double rate = k.rate;
        knee_search_take(&k, KNEE_CLIENT_FAILED);
        knee_search_take(&k, KNEE_CLIENT_FAILED);
        CU_ASSERT_TRUE(k.phase == KNEE_RAMP && k.rate == rate);
        knee_search_take(&k, KNEE_PASSED);
    }
    for (int i = 0; i < 3; i++) knee_search_take(&k, KNEE_CLIENT_FAILED);
    CU_ASSERT_EQUAL(k.phase, KNEE_CLIENT_LIMIT);
}

/* As under bursts, where the knee is known to fail. */
static void a_known_failure_bounds_the_ramp(void)
{
    knee_search k = knee_search_begin(500, 1000, 0);
    k.failed = 1000;
    for (highest = 0; !knee_search_is_over(&k);) {
        highest = fmax(highest, k.rate);
        knee_search_take(&k, k.rate <= 900 ? KNEE_PASSED : KNEE_FAILED);
    }
    CU_ASSERT_TRUE(k.phase == KNEE_FOUND && highest < 1000);
    CU_ASSERT_TRUE(k.passed <= 900 && k.passed > 870 && k.failed > 900);
}

void knee_search_suite(CU_pSuite s)
{
    CU_add_test(s, "a queue's knee is found within 3 %, from wherever it starts",
                a_queue_has_its_knee_found_within_three_percent);
    CU_add_test(s, "the ramp goes up by half", the_ramp_goes_up_by_half);
    CU_add_test(s, "a cliff is found as well as a curve", a_cliff_is_found_as_well);
    CU_add_test(s, "noise of a tenth moves it little", noise_moves_it_little);
    CU_add_test(s, "one bad run does not cut it", one_bad_run_does_not_cut_it);
    CU_add_test(s, "what luck let pass has to hold again", luck_is_held_to_its_word);
    CU_add_test(s, "what never passes, or never again, has no knee", what_never_passes_has_none);
    CU_add_test(s, "where the client ends is no knee", the_clients_end_is_no_knee);
    CU_add_test(s, "a client may fail twice at a rate", a_client_may_fail_twice);
    CU_add_test(s, "a rate that is known to fail bounds the ramp", a_known_failure_bounds_the_ramp);
}
