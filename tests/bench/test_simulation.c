/* test_simulation.c - the simulator against what is known without it: a closed form, laws of queues, and itself. */
#include "bench/simulation.h"
#include <CUnit/CUnit.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MS = 1000000 };
static const int64_t SECOND = 1000000000;
static simulation_traffic traffic;
static simulation_figures figures, other;
static error err;
static const int mixed[] = {12, 80, 33, 150, 7, 100, 260, 41};

/* Poisson, texts of `mixed`. */
static simulation_mix usual_mix(double rate, int64_t duration_ns)
{
    return (simulation_mix){.rate = rate,
                            .duration_ns = duration_ns,
                            .arrivals = LOAD_POISSON,
                            .lengths = mixed,
                            .n_lengths = sizeof mixed / sizeof *mixed,
                            .inputs = 1,
                            .longest = 512,
                            .length_factor = 1,
                            .seed = 1};
}

/* t = 1 ms + 10 us a token, 2,048 tokens at once: 20 requests of `mixed` in 18 ms, about 1,100/s. */
static simulation_input usual_input(void)
{
    simulation_input in = {.traffic = &traffic,
                           .service = {.n = 2, .row = {{16, 1, 1160000, 0}, {2048, 1, 21480000, 0}}},
                           .host = {.threads = 1},
                           .limits = {.objective_ns = 50 * MS,
                                      .max_wait_ns = SECOND,
                                      .batch_tokens = 2048,
                                      .batch_sequences = 256,
                                      .longest = 512,
                                      .executors = 1,
                                      .max_requests = 4096},
                           .slots = 3,
                           .objective_ns = 50 * MS,
                           .fleet = {.replicas = 1},
                           .seed = 7};
    return in;
}

static void run(simulation_figures *f, const simulation_input *in, const simulation_mix *mix)
{
    CU_ASSERT_EQUAL_FATAL(simulation_traffic_open(&traffic, mix, &err), OK);
    CU_ASSERT_EQUAL_FATAL(simulation_run(f, in, &err), OK);
    CU_ASSERT_EQUAL(f->due, f->answered + f->overloaded + f->late + f->failed + f->unserved);
    simulation_traffic_close(&traffic);
}

/* ---- the closed form ---- */

/* Of one device that takes all that wait, with t(b) = t0 + a b: arXiv 1912.06322. */
static double mean_bound(double rate, double t0, double a)
{
    const double la = rate * a;
    const double f0 = (a + t0) / (2 * (1 - la)) * (1 + 2 * rate * t0 + (1 - rate * t0) / (1 + la));
    const double f1 = 1.5 * t0 / (1 - la) + a / 2 * (la + 2) / (1 - la * la);
    return fmin(f0, f1);
}

/* Requests of one token, so that T == S == b.  Take-all is what the policy does where the budget is all that the device
 * has room for, as half of the objective is enough for it; and one slot, so that a batch is cut when the device is free
 * and not a moment sooner. */
static simulation_input take_all(void)
{
    enum { ROOM = 1 << 20 };
    simulation_input in = usual_input();
    in.limits = (policy_limits){.objective_ns = 240 * SECOND,
                                .max_wait_ns = 3600 * SECOND,
                                .batch_tokens = ROOM,
                                .batch_sequences = 8192,
                                .longest = 1,
                                .executors = 1,
                                .max_requests = 1 << 16};
    in.service = (service_table){.n = 2, .row = {{1, 1, 555000, 0}, {ROOM, 1, 500000 + (int64_t)ROOM * 55000, 0}}};
    in.slots = 1;
    return in;
}

/* Three millions for each rate, by four seeds.  The rate is taken as it came out: at 16,000/s a thousandth more is
 * eight more in the mean.  What is left of chance is below 0.2 %, where the bound is some 0.05 % above the truth. */
static void the_mean_is_below_its_bound_and_close(void)
{
    static const struct {
        double rate, mean_ms;
    } rows[] = {{6000, 1.1899}, {10000, 1.7670}, {14000, 3.4450}, {16000, 6.586}};
    static const int one[] = {1};
    const double t0 = 0.5e-3, a = 55e-6;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        double mean_s = 0, bound_s = 0;
        for (unsigned seed = 1; seed <= 4; seed++) {
            simulation_input in = take_all();
            simulation_mix mix = usual_mix(rows[i].rate, (int64_t)(0.75e6 / rows[i].rate * 1e9));
            mix.lengths = one;
            mix.n_lengths = 1;
            mix.seed = seed;
            in.from_ns = mix.duration_ns / 20;
            run(&figures, &in, &mix);
            CU_ASSERT_EQUAL(figures.answered, figures.due);
            mean_s += figures.latency_ns / (double)figures.answered * 1e-9 / 4;
            bound_s += mean_bound((double)figures.due / figures.counted_s, t0, a) / 4;
        }
        const bool holds = mean_s <= bound_s * 1.002 && mean_s > bound_s * 0.995;
        CU_ASSERT_TRUE(holds);
        CU_ASSERT_DOUBLE_EQUAL(mean_s * 1e3, rows[i].mean_ms, rows[i].mean_ms * 0.01);
        if (!holds) fprintf(stderr, "%g/s: mean %.4f ms, bound %.4f ms\n", rows[i].rate, mean_s * 1e3, bound_s * 1e3);
    }
}

/* ---- laws ---- */

/* What must hold in any run whatever. */
static void claim_laws(const simulation_figures *f, const simulation_input *in)
{
    CU_ASSERT_TRUE(fabs(f->in_hand_ns - f->sojourn_ns) <= 0.01 * f->sojourn_ns + 1); /* Little: L T = sum of W */
    CU_ASSERT_EQUAL(f->idle_queued_ns, 0);
    CU_ASSERT_EQUAL(f->overtaken, 0);
    CU_ASSERT_TRUE(f->largest_sequences <= in->limits.batch_sequences);
    CU_ASSERT_TRUE(f->largest_tokens <= f->budget_tokens && f->budget_tokens <= in->limits.batch_tokens);
    int64_t batches = 0, triggers = 0;
    for (int i = 0; i < SIMULATION_OCTAVES; i++) batches += f->batch_octaves[i];
    for (int i = 0; i < TRIGGERS; i++) triggers += f->trigger[i];
    CU_ASSERT_TRUE(batches == f->batches && triggers == f->batches);
    double stages_ns = 0;
    for (int i = 0; i < SIMULATION_STAGES; i++) stages_ns += f->stage_ns[i];
    CU_ASSERT_DOUBLE_EQUAL(stages_ns, f->latency_ns, f->latency_ns * 1e-9);
    CU_ASSERT_TRUE(f->device_busy <= 1 && f->host_busy <= 1);
}

/* Everything at once that makes a run hard: noise, deadlines, overload, arrays, failures, two balancers, bursts. */
static void the_laws_hold_in_any_weather(void)
{
    for (int weather = 0; weather < 32; weather++) {
        simulation_input in = usual_input();
        simulation_mix mix = usual_mix(weather & 1 ? 3000 : 1200, 10 * SECOND);
        in.fleet.replicas = 2;
        in.host = (simulation_host){.request_ns = 20000, .per_token_ns = 100, .per_row_ns = 50000, .threads = 2};
        in.slots = weather & 2 ? 1 : 3;
        in.seed = (uint64_t)weather;
        if (weather & 4) in.service.row[0].spread_ns = in.service.row[1].spread_ns = 600000;
        if (weather & 4) mix.arrivals = LOAD_BURST, mix.burst = (load_burst){3, 50 * MS};
        if (weather & 8) in.deadline_ns = 60 * MS, mix.inputs = 3;
        if (weather & 16) in.fleet.mtbf_ns = 2 * SECOND, in.fleet.start_ns = SECOND;
        in.fleet.balance = weather & 16 ? BALANCE_LEAST_OUTSTANDING : BALANCE_ROUND_ROBIN;
        run(&figures, &in, &mix);
        claim_laws(&figures, &in);
        CU_ASSERT_EQUAL(figures.failures > 0, (weather & 16) != 0);
        CU_ASSERT_TRUE(figures.answered > 0);
    }
}

static void the_same_input_gives_the_same_figures(void)
{
    simulation_input in = usual_input();
    const simulation_mix mix = usual_mix(900, 5 * SECOND);
    in.service.row[0].spread_ns = in.service.row[1].spread_ns = 600000;
    run(&figures, &in, &mix);
    run(&other, &in, &mix);
    CU_ASSERT_EQUAL(memcmp(&figures, &other, sizeof figures), 0);
    in.seed++;
    run(&other, &in, &mix);
    CU_ASSERT_NOT_EQUAL(memcmp(&figures.latency, &other.latency, sizeof figures.latency), 0);
}

static double mean_ms(void) { return figures.latency_ns / (double)figures.answered * 1e-6; }

static void latency_rises_with_the_load(void)
{
    double before_ms = 0;
    for (double rate = 100; rate <= 1100; rate += 200) {
        const simulation_input in = usual_input();
        const simulation_mix mix = usual_mix(rate, (int64_t)(20000 / rate * 1e9));
        run(&figures, &in, &mix);
        claim_laws(&figures, &in);
        CU_ASSERT_TRUE(mean_ms() > before_ms);
        before_ms = mean_ms();
    }
}

/* ---- what is known in numbers ---- */

/* A request alone takes the table's time and the host's, to the nanosecond. */
static void a_request_alone_takes_what_is_calibrated(void)
{
    static const int hundred[] = {100};
    simulation_input in = usual_input();
    simulation_mix mix = usual_mix(10, 10 * SECOND);
    mix.arrivals = LOAD_FIXED;
    mix.lengths = hundred;
    mix.n_lengths = 1;
    in.host = (simulation_host){.request_ns = 30000, .per_token_ns = 200, .per_row_ns = 70000, .threads = 1};
    run(&figures, &in, &mix);
    CU_ASSERT_EQUAL(figures.answered, 100);
    CU_ASSERT_EQUAL(figures.latency_ns, 100.0 * (30000 + 100 * 200 + 2000000 + 70000));
    CU_ASSERT_EQUAL(figures.stage_ns[SIMULATION_HOST], 100.0 * 50000);
    CU_ASSERT_EQUAL(figures.stage_ns[SIMULATION_QUEUE], 0);
    CU_ASSERT_EQUAL(figures.stage_ns[SIMULATION_DEVICE], 100.0 * 2000000);
    CU_ASSERT_EQUAL(figures.stage_ns[SIMULATION_REPLY], 100.0 * 70000);
    CU_ASSERT_TRUE(figures.batches == 100 && figures.trigger[TRIGGER_IDLE] == 100 && figures.batch_octaves[0] == 100);
    CU_ASSERT_DOUBLE_EQUAL(figures.device_busy, 0.02, 1e-9);
    CU_ASSERT_DOUBLE_EQUAL(figures.replica_hours, 10 / 3600.0, 1e-9);
}

/* Of 100 tokens: one takes 2 ms, two 3, three 4.  A staged batch is cut 20 us before the first is done, so that it has
 * what came at 0.5 and 1.5 ms and not what comes 10 us before; without a slot for it, it is cut when the device is
 * free. */
static void the_next_batch_is_cut_late(void)
{
    static const int hundred[] = {100};
    int64_t at_ns[] = {0, MS / 2, 3 * MS / 2, 2 * MS - 10000};
    const load_schedule replay = {.at_ns = at_ns, .n = 4};
    simulation_mix mix = usual_mix(4, SECOND);
    simulation_input in = usual_input();
    mix.lengths = hundred;
    mix.n_lengths = 1;
    mix.arrivals = LOAD_REPLAY;
    mix.replay = &replay;
    run(&figures, &in, &mix);
    CU_ASSERT_TRUE(figures.batches == 3 && figures.batch_octaves[1] == 1);
    CU_ASSERT_DOUBLE_EQUAL(figures.latency_ns, (2 + 4.5 + 3.5 + 5.01) * MS, 1);
    in.slots = 1;
    run(&figures, &in, &mix);
    CU_ASSERT_TRUE(figures.batches == 2 && figures.largest_sequences == 3);
    CU_ASSERT_DOUBLE_EQUAL(figures.latency_ns, (2 + 5.5 + 4.5 + 4.01) * MS, 1);
}

/* The quartiles of the times of batches of one are those of the row. */
static void service_times_spread_as_the_table_says(void)
{
    static const int sixteen[] = {16};
    simulation_input in = usual_input();
    simulation_mix mix = usual_mix(10, 2000 * SECOND);
    mix.arrivals = LOAD_FIXED;
    mix.lengths = sixteen;
    mix.n_lengths = 1;
    in.service.row[0].spread_ns = 400000;
    run(&figures, &in, &mix);
    const int64_t q1 = histogram_quantile(&figures.latency.sum, 0.25),
                  q3 = histogram_quantile(&figures.latency.sum, 0.75);
    CU_ASSERT_DOUBLE_EQUAL((double)histogram_quantile(&figures.latency.sum, 0.5), 1160000, 1160000 * 0.02);
    CU_ASSERT_DOUBLE_EQUAL((double)(q3 - q1), 400000, 30000);
}

/* Twice the work that one thread can do: what is computed quickly waits for its reply. */
static void a_slow_host_is_a_bottleneck_of_its_own(void)
{
    simulation_input in = usual_input();
    const simulation_mix mix = usual_mix(500, 5 * SECOND);
    in.host.per_row_ns = 4 * MS;
    run(&figures, &in, &mix);
    CU_ASSERT_TRUE(figures.host_busy > 0.98 && figures.device_busy < 0.7);
    CU_ASSERT_TRUE(figures.stage_ns[SIMULATION_REPLY] > 0.9 * figures.latency_ns);
    in.host.threads = 8;
    run(&figures, &in, &mix);
    CU_ASSERT_TRUE(figures.stage_ns[SIMULATION_REPLY] < (double)figures.answered * 6 * MS);
}

/* What is let in is answered within its wait and two batches; the rest is told at once. */
static void past_the_capacity_the_servers_promise_holds(void)
{
    simulation_input in = usual_input();
    const simulation_mix mix = usual_mix(3000, 20 * SECOND);
    in.limits.max_wait_ns = 200 * MS;
    run(&figures, &in, &mix);
    CU_ASSERT_TRUE(figures.overloaded > figures.due / 2);
    CU_ASSERT_TRUE(figures.latency.longest_ns <= 200 * MS + 2 * 22 * MS);
    CU_ASSERT_TRUE((double)figures.answered > 0.95 * 1050 * 20);
    in.deadline_ns = 100 * MS;
    run(&figures, &in, &mix);
    CU_ASSERT_TRUE(figures.latency.longest_ns <= 100 * MS);
    in.deadline_ns = MS;
    run(&figures, &in, &mix);
    CU_ASSERT_EQUAL(figures.late, figures.due); /* the device takes 1 ms for nothing */
}

static void a_fleet_shares_the_load(void)
{
    simulation_input in = usual_input();
    const simulation_mix one = usual_mix(700, 20 * SECOND), four = usual_mix(2800, 20 * SECOND);
    run(&figures, &in, &one);
    const double alone_ms = mean_ms();
    in.fleet.replicas = 4;
    run(&figures, &in, &four);
    const double turns_ms = mean_ms();
    in.fleet.balance = BALANCE_LEAST_OUTSTANDING;
    run(&figures, &in, &four);
    /* In turn they come more evenly than by chance, to the shortest queue better still. */
    CU_ASSERT_TRUE(turns_ms < alone_ms && mean_ms() < turns_ms);
    CU_ASSERT_TRUE(turns_ms > alone_ms / 2);
}

/* One replica, up for 20 s and down for 10 in the mean: a third is not served. */
static void what_fails_is_lost_and_comes_back(void)
{
    simulation_input in = usual_input();
    const simulation_mix mix = usual_mix(50, 3600 * SECOND);
    in.fleet.mtbf_ns = 20 * SECOND;
    in.fleet.mttr_ns = 7 * SECOND;
    in.fleet.start_ns = 3 * SECOND;
    run(&figures, &in, &mix);
    CU_ASSERT_TRUE(figures.failures > 90 && figures.failures < 150);
    CU_ASSERT_DOUBLE_EQUAL((double)figures.unserved / (double)figures.due, 1.0 / 3, 0.05);
    CU_ASSERT_TRUE(figures.failed > 0 && figures.failed < figures.failures * 3);
    CU_ASSERT_DOUBLE_EQUAL(figures.replica_hours, 1, 1e-6); /* what is repaired is paid for */
}

/* 700 then 2,100 requests/s, in a replay; the autoscaler follows in its own time, and goes back later. */
static void the_autoscaler_follows_the_load(void)
{
    enum { SLOW = 200 * 700, QUICK = 200 * 2100, REQUESTS = 2 * SLOW + QUICK };
    static int64_t at_ns[REQUESTS];
    for (int i = 0; i < REQUESTS; i++) {
        if (i < SLOW) at_ns[i] = i * (200 * SECOND) / SLOW;
        else if (i < SLOW + QUICK) at_ns[i] = 200 * SECOND + (i - SLOW) * (200 * SECOND) / QUICK;
        else at_ns[i] = 400 * SECOND + (i - SLOW - QUICK) * (200 * SECOND) / SLOW;
    }
    const load_schedule replay = {.at_ns = at_ns, .n = REQUESTS};
    simulation_mix mix = usual_mix(REQUESTS / 600.0, 600 * SECOND);
    simulation_input in = usual_input();
    mix.arrivals = LOAD_REPLAY;
    mix.replay = &replay;
    in.fleet = (simulation_fleet){.replicas = 1, .start_ns = 20 * SECOND};
    in.fleet.scaler =
        (simulation_scaler){.target = 0.75, .least = 1, .most = 8, .tokens_per_s = 80000, .down_ns = 60 * SECOND};
    run(&figures, &in, &mix);
    CU_ASSERT_EQUAL(figures.n_samples, SIMULATION_SAMPLES);
    CU_ASSERT_EQUAL(figures.sample[7].ready, 1);  /* at 200 s */
    CU_ASSERT_EQUAL(figures.sample[8].ready, 1);  /* at 225 s: seen at 210 s or 225 s, ready 20 s later */
    CU_ASSERT_EQUAL(figures.sample[10].ready, 3); /* 2,100/s of 85 tokens are 2.2 times 80,000: 3 at 0.75 */
    CU_ASSERT_EQUAL(figures.sample[17].ready, 3); /* at 450 s: the window has not passed */
    CU_ASSERT_TRUE(figures.sample[23].ready <= 2);
    CU_ASSERT_EQUAL(figures.replicas_most, 3);
    CU_ASSERT_TRUE(figures.failed == 0 && figures.unserved == 0);
    claim_laws(&figures, &in);
}

static void what_no_queue_takes_is_refused(void)
{
    simulation_input in = usual_input();
    const simulation_mix mix = usual_mix(100, SECOND);
    CU_ASSERT_EQUAL_FATAL(simulation_traffic_open(&traffic, &mix, &err), OK);
    in.fleet.replicas = 0;
    CU_ASSERT_EQUAL(simulation_run(&figures, &in, &err), BAD_INPUT);
    in.fleet.replicas = SIMULATION_REPLICAS_MAX + 1;
    CU_ASSERT_EQUAL(simulation_run(&figures, &in, &err), BAD_INPUT);
    in = usual_input();
    in.service.row[1].median_ns = 1;
    CU_ASSERT_EQUAL(simulation_run(&figures, &in, &err), BAD_INPUT);
    CU_ASSERT_EQUAL(figures.due, 0);
    simulation_traffic_close(&traffic);
}

void simulation_suite(CU_pSuite s)
{
    CU_add_test(s, "one device that takes all: the mean is below the published bound and within 0.5 % of it",
                the_mean_is_below_its_bound_and_close);
    CU_add_test(s, "Little's law, no idle device beside a queue, nobody overtaken, batches within the cap, none lost",
                the_laws_hold_in_any_weather);
    CU_add_test(s, "the same input gives the same figures, another seed does not",
                the_same_input_gives_the_same_figures);
    CU_add_test(s, "latency rises with the load", latency_rises_with_the_load);
    CU_add_test(s, "a request alone takes what is calibrated, to the nanosecond",
                a_request_alone_takes_what_is_calibrated);
    CU_add_test(s, "a staged batch is cut just before the device is free", the_next_batch_is_cut_late);
    CU_add_test(s, "service times spread about their median as the table says", service_times_spread_as_the_table_says);
    CU_add_test(s, "a slow host is a bottleneck, and more threads relieve it", a_slow_host_is_a_bottleneck_of_its_own);
    CU_add_test(s, "past the capacity who is let in is answered in time, the rest is refused",
                past_the_capacity_the_servers_promise_holds);
    CU_add_test(s, "a fleet shares the load: in turn better than alone, by outstanding better still",
                a_fleet_shares_the_load);
    CU_add_test(s, "what fails loses what it has, is repaired and started, and is paid for",
                what_fails_is_lost_and_comes_back);
    CU_add_test(s, "the autoscaler follows a load up at once and down after its window",
                the_autoscaler_follows_the_load);
    CU_add_test(s, "what no queue takes, and no fleet, is refused", what_no_queue_takes_is_refused);
}
