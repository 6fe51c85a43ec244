/* test_simulation_plan.c - the least fleet, the highest rate, what moves them, and what goes over the wires. */
#include <CUnit/CUnit.h>
#include <math.h>
#include <string.h>
#include "bench/simulation_plan.h"

enum { MS = 1000000 };
static const int64_t SECOND = 1000000000;
static const int lengths[] = {100};
static error err;

/* t = 1 ms + 10 us a token, texts of 100: alone 2 ms, 20 in 21 ms, 30 in 31 ms; p99 within 60 ms. */
static simulation_question usual(void)
{
    simulation_question q = {.ratio = 0.99};
    q.mix = (simulation_mix){.rate = 1,
                             .duration_ns = 6 * SECOND,
                             .arrivals = LOAD_POISSON,
                             .lengths = lengths,
                             .n_lengths = 1,
                             .inputs = 1,
                             .longest = 512,
                             .length_factor = 1,
                             .seed = 1};
    q.input = (simulation_input){.service = {.n = 2, .row = {{16, 1, 1160000, 0}, {3000, 1, 31000000, 0}}},
                                 .host = {.threads = 1},
                                 .limits = {.objective_ns = 60 * MS,
                                            .max_wait_ns = SECOND,
                                            .batch_tokens = 3000,
                                            .batch_sequences = 256,
                                            .longest = 512,
                                            .executors = 1,
                                            .max_requests = 4096},
                                 .slots = 3,
                                 .objective_ns = 60 * MS,
                                 .seed = 7};
    return q;
}

static void the_highest_rate_is_where_it_ceases_to_hold(void)
{
    static simulation_figures f;
    const simulation_question q = usual();
    double one, four;
    CU_ASSERT_EQUAL_FATAL(simulation_highest(&one, &q, 1, &err), OK);
    CU_ASSERT_TRUE(one > 800 && one < 968); /* full batches of 29 or 30: 967/s */
    CU_ASSERT_EQUAL_FATAL(simulation_try(&f, &q, one, 1, &err), OK);
    CU_ASSERT_TRUE(simulation_holds(&f, q.ratio));
    CU_ASSERT_EQUAL_FATAL(simulation_try(&f, &q, one * 1.05, 1, &err), OK);
    CU_ASSERT_FALSE(simulation_holds(&f, q.ratio));
    CU_ASSERT_EQUAL_FATAL(simulation_highest(&four, &q, 4, &err), OK);
    CU_ASSERT_DOUBLE_EQUAL(four / one, 4, 0.3);
    simulation_question strict = q;
    strict.input.objective_ns = MS; /* less than one alone takes */
    CU_ASSERT_EQUAL_FATAL(simulation_highest(&one, &strict, 1, &err), OK);
    CU_ASSERT_EQUAL(one, 0);
}

static void the_least_fleet_holds_and_one_less_does_not(void)
{
    static simulation_figures f;
    simulation_range r;
    const simulation_question q = usual();
    CU_ASSERT_EQUAL_FATAL(simulation_least(&r, &q, 4000, 1, 40, &err), OK);
    CU_ASSERT_TRUE(r.least == 5);
    CU_ASSERT_EQUAL_FATAL(simulation_try(&f, &q, 4000, r.least - 1, &err), OK);
    CU_ASSERT_FALSE(simulation_holds(&f, q.ratio));
    for (int i = 1; i < r.n; i++) CU_ASSERT_TRUE(r.trial[i - 1].replicas < r.trial[i].replicas);
    for (int i = 0; i < r.n; i++) CU_ASSERT_EQUAL(r.trial[i].holds, r.trial[i].replicas >= r.least);
    CU_ASSERT_EQUAL_FATAL(simulation_least(&r, &q, 4000, 1, 4, &err), OK);
    CU_ASSERT_TRUE(r.least == 0 && r.n == 1 && r.trial[0].replicas == 4 && !r.trial[0].holds);
    CU_ASSERT_EQUAL_FATAL(simulation_least(&r, &q, 10, 3, 40, &err), OK);
    CU_ASSERT_EQUAL(r.least, 3);
}

static simulation_figures figures_of(int64_t due, int64_t answered, int64_t good)
{
    return (simulation_figures){.due = due, .answered = answered, .good = good};
}

static void an_objective_counts_all_that_came(void)
{
    const simulation_figures held = figures_of(10000, 10000, 9900), late = figures_of(10000, 10000, 9899),
                             few = figures_of(10000, 9990, 9980), refused = figures_of(10000, 9989, 9989);
    CU_ASSERT_TRUE(simulation_holds(&held, 0.99));
    CU_ASSERT_FALSE(simulation_holds(&late, 0.99));
    CU_ASSERT_TRUE(simulation_holds(&few, 0.99));
    CU_ASSERT_FALSE(simulation_holds(&refused, 0.99)); /* more than a thousandth */
}

/* The table's 3,000 tokens may be exceeded by a fifth, not by more; nobody says what was not measured. */
static void what_nobody_measured_is_not_planned(void)
{
    static simulation_figures f;
    simulation_question q = usual();
    q.input.limits.batch_tokens = 3600;
    q.input.limits.objective_ns = SECOND;
    CU_ASSERT_EQUAL(simulation_try(&f, &q, 3000, 1, &err), OK);
    CU_ASSERT_TRUE(f.largest_tokens == 3600);
    q.input.limits.batch_tokens = 3700;
    CU_ASSERT_EQUAL(simulation_try(&f, &q, 3000, 1, &err), BAD_INPUT);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "batches of 3700 tokens"));
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "measured up to 3000: wanted at most 3600"));
    CU_ASSERT_EQUAL(simulation_try(&f, &q, 10, 1, &err), OK); /* nothing that large is there */
}

static void each_input_is_moved_alone(void)
{
    simulation_question q = usual();
    double base, moved;
    q.input.host = (simulation_host){.request_ns = 1000, .per_token_ns = 100, .per_row_ns = 1000, .threads = 1};
    CU_ASSERT_EQUAL_FATAL(simulation_highest(&base, &q, 1, &err), OK);
    for (int up = 0; up < 2; up++) {
        const double by = up ? 1.1 : 0.9;
        simulation_question m = simulation_moved(&q, SIMULATION_SERVICE_TIME, by);
        CU_ASSERT_EQUAL(m.input.service.row[1].median_ns, (int64_t)(31000000 * by));
        CU_ASSERT_EQUAL_FATAL(simulation_highest(&moved, &m, 1, &err), OK);
        CU_ASSERT_DOUBLE_EQUAL(moved / base, 1 / by, 0.04);
        m = simulation_moved(&q, SIMULATION_LENGTH, by);
        CU_ASSERT_EQUAL_FATAL(simulation_highest(&moved, &m, 1, &err), OK);
        CU_ASSERT_DOUBLE_EQUAL(moved / base, 1 / by, 0.04);
        m = simulation_moved(&q, SIMULATION_HOST_COST, by);
        CU_ASSERT_DOUBLE_EQUAL(m.input.host.per_token_ns, 100 * by, 1e-9);
        CU_ASSERT_EQUAL_FATAL(simulation_highest(&moved, &m, 1, &err), OK);
        CU_ASSERT_DOUBLE_EQUAL(moved / base, 1, 0.02); /* it is not what limits */
        m = simulation_moved(&q, SIMULATION_RATE, by);
        CU_ASSERT_EQUAL(memcmp(&m, &q, sizeof q), 0); /* the rate is the caller's */
    }
}

static void the_largest_zone_may_be_lost(void)
{
    CU_ASSERT_EQUAL(simulation_with_zones(10, 1), 10);
    CU_ASSERT_EQUAL(simulation_with_zones(93, 3), 140); /* x1.5: 140 less 47 */
    CU_ASSERT_EQUAL(simulation_with_zones(1, 3), 2);
    CU_ASSERT_EQUAL(simulation_with_zones(2, 2), 4);
    for (int n = 1; n < 50; n++)
        for (int zones = 2; zones < 6; zones++) {
            const int all = simulation_with_zones(n, zones), left = all - (all + zones - 1) / zones;
            CU_ASSERT_TRUE(left >= n && (all - 1) - (all - 1 + zones - 1) / zones < n);
        }
}

/* A million a second of 128 tokens, replies of 768 floats. */
static void wires_carry_what_the_formats_say(void)
{
    const capacity c = {.parse_per_kib = {1024, 0},
                        .tokenize_per_token = {10, 0},
                        .row_json = {14000, 0},
                        .row_base64 = {5000, 0},
                        .row_binary = {100, 0}};
    static const double gbit[] = {80.1, 37.9, 29.7}, cores[] = {16.06, 7.06, 2.16};
    for (int i = 0; i < SIMULATION_FORMATS; i++) {
        const simulation_wire w = simulation_wire_of(&simulation_formats[i], &c, 1e6, 128, 1, 768);
        CU_ASSERT_DOUBLE_EQUAL(w.out_bits_per_s * 1e-9, gbit[i], 0.1);
        CU_ASSERT_DOUBLE_EQUAL(w.in_bits_per_s * 1e-9, 7.23, 0.01);
        CU_ASSERT_DOUBLE_EQUAL(w.cores, cores[i], 0.05);
    }
}

void simulation_plan_suite(CU_pSuite s)
{
    CU_add_test(s, "the highest rate holds, five percent more does not", the_highest_rate_is_where_it_ceases_to_hold);
    CU_add_test(s, "the least fleet holds, one replica less does not", the_least_fleet_holds_and_one_less_does_not);
    CU_add_test(s, "an objective counts all that came, and a thousandth may be refused",
                an_objective_counts_all_that_came);
    CU_add_test(s, "batches beyond 1.2 times what was measured are refused", what_nobody_measured_is_not_planned);
    CU_add_test(s, "each input is moved alone, and moves what it should", each_input_is_moved_alone);
    CU_add_test(s, "the largest of the zones may be lost", the_largest_zone_may_be_lost);
    CU_add_test(s, "wires carry what the formats say", wires_carry_what_the_formats_say);
}
