/* test_simulation_order.c - the command's words and files: what is taken, and what is refused in words that say why. */
#include <CUnit/CUnit.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "bench/simulation_order.h"

static simulation_order order;
static error err;
static const int64_t SECOND = 1000000000;
static char file[] = "/tmp/simulation_capacity_XXXXXX";

static void write_capacity(void)
{
    capacity c = {.build = "0.1.0",
                  .made_at = "2026-11-25T00:00:00Z",
                  .model = "m",
                  .digest = "0",
                  .backend = "cpu",
                  .device = "d",
                  .precision = "float32",
                  .parse_per_kib = {1024, 0},
                  .tokenize_per_token = {10, 0},
                  .row_json = {6000, 0},
                  .load_ns = 3 * SECOND,
                  .warm_ns = SECOND,
                  .objective_ms = 100,
                  .objective_ratio = 0.95,
                  .knee_tokens_per_s = 5000};
    c.service.n = 2;
    c.service.row[0] = (service_row){16, 1, 1000000, 0};
    c.service.row[1] = (service_row){1024, 8, 40000000, 0};
    strcpy(file, "/tmp/simulation_capacity_XXXXXX");
    const int fd = mkstemp(file);
    CU_ASSERT_TRUE_FATAL(fd >= 0);
    close(fd);
    CU_ASSERT_EQUAL_FATAL(capacity_save(&c, file, &err), OK);
}

static status read_with(bench_options o)
{
    write_capacity();
    o.capacity = file;
    simulation_order_close(&order);
    const status rc = simulation_order_read(&order, &o, &err);
    unlink(file);
    return rc;
}

static void a_capacity_alone_gives_the_usual_order(void)
{
    CU_ASSERT_EQUAL_FATAL(read_with((bench_options){0}), OK);
    const simulation_input *in = &order.question.input;
    CU_ASSERT_TRUE(order.rate == 100 && order.least == 1 && order.most == 1 && !order.plans && order.zones == 1);
    CU_ASSERT_TRUE(isnan(order.price) && order.dimensions == 384);
    CU_ASSERT_TRUE(order.question.ratio == 0.95 && in->objective_ns == 100000000 && in->slots == 1);
    CU_ASSERT_TRUE(in->limits.batch_tokens == 1024 && in->limits.longest == 512 && in->limits.executors == 1);
    CU_ASSERT_TRUE(in->limits.objective_ns == 100000000 && in->limits.max_wait_ns == SECOND);
    CU_ASSERT_TRUE(in->fleet.start_ns == 4 * SECOND && in->fleet.mtbf_ns == 0 && in->fleet.scaler.target == 0);
    CU_ASSERT_TRUE(order.question.mix.n_lengths == 128 && order.question.mix.duration_ns == 10 * SECOND);
    CU_ASSERT_DOUBLE_EQUAL(in->host.request_ns, 16, 1e-9); /* 16 bytes at 1 ns a byte */
    CU_ASSERT_DOUBLE_EQUAL(in->host.per_token_ns, 16, 1e-9);
    CU_ASSERT_TRUE(in->host.per_row_ns == 6000 && in->host.threads == 1);
}

static void words_are_understood(void)
{
    const bench_options o = {.slo = "p99.9<=12.5ms",
                             .replicas = "2..64",
                             .failures = "30d/10m",
                             .zones = "3",
                             .price = "2.5",
                             .balancer = "least",
                             .loops = "4",
                             .max_wait = "300ms",
                             .batch_tokens = "512",
                             .dimensions = "768",
                             .rate = "5k",
                             .tokens = "32",
                             .seed = "9",
                             .deadline_ms = "250",
                             .priority = "bulk"};
    CU_ASSERT_EQUAL_FATAL(read_with(o), OK);
    const simulation_input *in = &order.question.input;
    CU_ASSERT_DOUBLE_EQUAL(order.question.ratio, 0.999, 1e-12);
    CU_ASSERT_TRUE(in->objective_ns == 12500000 && in->limits.objective_ns == 12500000);
    CU_ASSERT_TRUE(order.least == 2 && order.most == 64 && order.zones == 3 && order.price == 2.5);
    CU_ASSERT_TRUE(in->fleet.mtbf_ns == 30 * 86400 * SECOND && in->fleet.mttr_ns == 600 * SECOND);
    CU_ASSERT_TRUE(in->fleet.balance == BALANCE_LEAST_OUTSTANDING && in->host.threads == 4);
    CU_ASSERT_TRUE(in->limits.max_wait_ns == 300000000 && in->limits.batch_tokens == 512 && order.dimensions == 768);
    CU_ASSERT_TRUE(order.rate == 5000 && order.question.mix.seed == 9 && in->seed == 9);
    CU_ASSERT_TRUE(order.question.mix.n_lengths == 1 && order.question.mix.lengths[0] == 32);
    CU_ASSERT_TRUE(in->deadline_ns == 250000000 && in->lane == LANE_BULK);
    CU_ASSERT_EQUAL_FATAL(read_with((bench_options){.plan = "1000000/s"}), OK);
    CU_ASSERT_TRUE(order.plans && order.rate == 1e6);
    CU_ASSERT_EQUAL_FATAL(read_with((bench_options){.plan = "2k"}), OK);
    CU_ASSERT_EQUAL(order.rate, 2000);
    CU_ASSERT_EQUAL_FATAL(read_with((bench_options){.autoscale = "0.7/30s/5m", .replicas = "3..9"}), OK);
    const simulation_scaler *s = &order.question.input.fleet.scaler;
    CU_ASSERT_TRUE(s->target == 0.7 && s->up_ns == 30 * SECOND && s->down_ns == 300 * SECOND);
    CU_ASSERT_TRUE(s->least == 3 && s->most == 9 && s->tokens_per_s == 5000);
    CU_ASSERT_EQUAL_FATAL(read_with((bench_options){.arrivals = "burst:3x50ms"}), OK);
    CU_ASSERT_TRUE(order.question.mix.arrivals == LOAD_BURST && order.question.mix.burst.ratio == 3);
}

static void other_words_are_refused(void)
{
    const bench_options bad[] = {
        {.slo = "p99=10ms"},
        {.slo = "p99<=10"},
        {.slo = "99<=10ms"},
        {.slo = "p49<=10ms"},
        {.slo = "p100<=10ms"},
        {.slo = "p99<=10msx"},
        {.slo = ""},
        {.replicas = "0"},
        {.replicas = "4..2"},
        {.replicas = "1..5000"},
        {.replicas = "1.."},
        {.replicas = "1.5"},
        {.replicas = "x"},
        {.plan = "0"},
        {.plan = "5m/s"},
        {.plan = "1k/m"},
        {.plan = ""},
        {.failures = "30"},
        {.failures = "0d"},
        {.failures = "30d/"},
        {.failures = "30d/10"},
        {.zones = "1"},
        {.zones = "65"},
        {.price = "0"},
        {.price = "-1"},
        {.price = "2x"},
        {.balancer = "random"},
        {.autoscale = "0"},
        {.autoscale = "0.7/5m"},
        {.autoscale = "0.7/1s/2h"},
        {.autoscale = "x"},
        {.loops = "0"},
        {.max_wait = "0s"},
        {.max_wait = "1"},
        {.batch_tokens = "0"},
        {.dimensions = "0"},
        {.arrivals = "burst:1x50ms"},
        {.arrivals = "burst:3x50"},
        {.arrivals = "burst:"},
        {.arrivals = "bursts"},
        {.rate = "x"},
        {.plan = "5", .replicas = "2"},
        {.plan = "5", .rate = "5"},
        {.plan = "5", .failures = "1d"},
        {.plan = "5", .autoscale = "0.7"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (read_with(bad[i]) == BAD_INPUT) continue;
        fprintf(stderr, "row %zu is taken\n", i);
        CU_FAIL("taken");
    }
    CU_ASSERT_EQUAL(simulation_order_read(&order, &(bench_options){0}, &err), EMPTY);
    CU_ASSERT_EQUAL(simulation_order_read(&order, &(bench_options){.capacity = "/nowhere/at/all"}, &err), NOT_FOUND);
}

/* option: 'w' for --workload, else --arrivals. */
static status replay(const char *text, char option, const char *tokens)
{
    char name[] = "/tmp/simulation_replay_XXXXXX", how[64];
    const int fd = mkstemp(name);
    CU_ASSERT_TRUE_FATAL(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    close(fd);
    snprintf(how, sizeof how, "file:%s", name);
    bench_options o = {.tokens = tokens};
    if (option == 'w') o.workload = name;
    else o.arrivals = how;
    const status rc = read_with(o);
    unlink(name);
    return rc;
}

static void a_workload_is_times_and_tokens(void)
{
    CU_ASSERT_EQUAL_FATAL(replay("0.5 118\n0.75 20\n1.5 7\n", 'w', NULL), OK);
    const simulation_mix *m = &order.question.mix;
    CU_ASSERT_TRUE(m->arrivals == LOAD_REPLAY && m->replay->n == 3 && m->replay->at_ns[1] == 3 * SECOND / 4);
    CU_ASSERT_TRUE(m->replay->tokens[0] == 118 && m->replay->tokens[2] == 7);
    CU_ASSERT_DOUBLE_EQUAL(order.rate, 3 / 2.25, 1e-6); /* 1.5 s and a mean gap */
    CU_ASSERT_EQUAL_FATAL(replay("0\n1\n1\n4\n", 'a', "5"), OK);
    CU_ASSERT_TRUE(m->replay->n == 4 && !m->replay->tokens && m->n_lengths == 1);
    CU_ASSERT_EQUAL(replay("0\n1\n", 'w', NULL), BAD_INPUT);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "wanted the tokens behind each time"));
    CU_ASSERT_EQUAL(replay("0 5\n1 6\n", 'w', "5"), BAD_INPUT);
    CU_ASSERT_EQUAL(replay("1 5\n0.5 5\n", 'w', NULL), BAD_INPUT);
    CU_ASSERT_EQUAL(read_with((bench_options){.workload = "/nowhere/at/all"}), IO_FAILED);
    CU_ASSERT_EQUAL(read_with((bench_options){.workload = "/dev/null", .arrivals = "fixed"}), BAD_INPUT);
    CU_ASSERT_EQUAL(read_with((bench_options){.concurrency = "4"}), BAD_INPUT);
    simulation_order_close(&order);
}

void simulation_order_suite(CU_pSuite s)
{
    CU_add_test(s, "a capacity alone gives the usual order", a_capacity_alone_gives_the_usual_order);
    CU_add_test(s, "words are understood", words_are_understood);
    CU_add_test(s, "other words are refused", other_words_are_refused);
    CU_add_test(s, "a workload is times and tokens, a replay with --arrivals times at least",
                a_workload_is_times_and_tokens);
}
