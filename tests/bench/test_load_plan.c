/* test_load_plan.c - the command's words: what is taken, and what is refused in words that say why. */
#include <CUnit/CUnit.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "bench/load_plan.h"

static load_plan plan;
static error err;
static const char url[] = "http://127.0.0.1:8080/embed";

static void the_usual_plan(void)
{
    const bench_options o = {.target = url};
    CU_ASSERT_EQUAL_FATAL(load_plan_read(&plan, &o, &err), OK);
    CU_ASSERT_STRING_EQUAL(plan.host, "127.0.0.1");
    CU_ASSERT_STRING_EQUAL(plan.port, "8080");
    CU_ASSERT_STRING_EQUAL(plan.path, "/embed");
    CU_ASSERT_TRUE(plan.arrivals == LOAD_POISSON && plan.rate == 100 && plan.connections == 64 && plan.inputs == 1);
    CU_ASSERT_TRUE(plan.seed == 1 && plan.leave == 0 && plan.deadline_ms == 0 && !plan.priority);
    CU_ASSERT_EQUAL(plan.duration_ns, 10000000000);
    CU_ASSERT_TRUE(plan.n_lengths == 128 && plan.lengths[0] == 118);
}

static void units_are_understood(void)
{
    const bench_options o = {
        .target = url, .rate = "1.5k/s", .duration = "250ms", .leave = "5%", .seed = "12345678901"};
    CU_ASSERT_EQUAL_FATAL(load_plan_read(&plan, &o, &err), OK);
    CU_ASSERT_DOUBLE_EQUAL(plan.rate, 1500, 1e-9);
    CU_ASSERT_EQUAL(plan.duration_ns, 250000000);
    CU_ASSERT_DOUBLE_EQUAL(plan.leave, 0.05, 1e-12);
    CU_ASSERT_EQUAL(plan.seed, 12345678901);
    const bench_options p = {.target = url, .duration = "2m", .tokens = "32", .arrivals = "fixed", .priority = "bulk"};
    CU_ASSERT_EQUAL_FATAL(load_plan_read(&plan, &p, &err), OK);
    CU_ASSERT_EQUAL(plan.duration_ns, 120000000000);
    CU_ASSERT_TRUE(plan.n_lengths == 1 && plan.lengths[0] == 32 && plan.arrivals == LOAD_FIXED);
    CU_ASSERT_STRING_EQUAL(plan.priority, "bulk");
}

static void urls_are_taken_apart(void)
{
    const bench_options six = {.target = "http://[::1]:1/a?b=c"}, plain = {.target = "http://host.example/"};
    CU_ASSERT_EQUAL_FATAL(load_plan_read(&plan, &six, &err), OK);
    CU_ASSERT_STRING_EQUAL(plan.host, "::1");
    CU_ASSERT_STRING_EQUAL(plan.port, "1");
    CU_ASSERT_STRING_EQUAL(plan.path, "/a?b=c");
    CU_ASSERT_EQUAL_FATAL(load_plan_read(&plan, &plain, &err), OK);
    CU_ASSERT_STRING_EQUAL(plan.host, "host.example");
    CU_ASSERT_STRING_EQUAL(plan.port, "80");
}

static void other_urls_are_refused(void)
{
    static const char *const bad[] = {
        "",
        "http:/",
        "http://",
        "http:///embed",
        "https://h/",
        "HTTP://h/",
        "h:80/embed",
        "http://h",
        "http://h:80",
        "http://h:/",
        "http://h:0/",
        "http://h:65536/",
        "http://h:8o/",
        "http://h:+80/",
        "http://h:123456/",
        "http://a@h/",
        "http://h:1:2/",
        "http://[::1/",
        "http://[::1]80/",
        "http://::1/",
        "http://h/a b",
        "http://h/#x",
        "http://h/\r\nx: y",
        "http://h /",
        "http://[]/",
        "http://h\x80/",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const bench_options o = {.target = bad[i]};
        if (load_plan_read(&plan, &o, &err) != BAD_INPUT) CU_FAIL(bad[i]);
    }
    CU_ASSERT_EQUAL(load_plan_read(&plan, &(bench_options){0}, &err), EMPTY);
}

static void numbers_out_of_range_are_refused(void)
{
    const bench_options bad[] = {
        {.rate = "0"},        {.rate = "-1"},          {.rate = "nan"},        {.rate = "inf"},
        {.rate = "5x"},       {.rate = "1e9"},         {.rate = ""},           {.rate = " 5"},
        {.duration = "5"},    {.duration = "50ms"},    {.duration = "2h"},     {.duration = "61m"},
        {.connections = "0"}, {.connections = "8193"}, {.connections = "1.5"}, {.tokens = "2"},
        {.inputs = "0"},      {.inputs = "4097"},      {.seed = "-1"},         {.seed = "0.5"},
        {.deadline_ms = "0"}, {.seed = "5x"},          {.leave = "5x"},        {.leave = "1.1"},
        {.leave = "101%"},    {.arrivals = "bursts"},  {.priority = "high"},   {.tokens = "5", .lengths = "/dev/null"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        bench_options o = bad[i];
        o.target = url;
        if (load_plan_read(&plan, &o, &err) == BAD_INPUT) continue;
        fprintf(stderr, "row %zu is taken\n", i);
        CU_FAIL("taken");
    }
    const bench_options o = {.target = url, .rate = "5x"};
    CU_ASSERT_EQUAL(load_plan_read(&plan, &o, &err), BAD_INPUT);
    CU_ASSERT_STRING_EQUAL(err.text, "--rate 5x: wanted requests/s, as 0.5, 500 or 5k");
}

static void arrivals_have_their_words(void)
{
    const bench_options burst = {.target = url, .arrivals = "burst:2.5x50ms", .rate = "5k"};
    CU_ASSERT_EQUAL_FATAL(load_plan_read(&plan, &burst, &err), OK);
    CU_ASSERT_TRUE(plan.arrivals == LOAD_BURST && plan.burst.ratio == 2.5 && plan.burst.each_ns == 50000000);
    CU_ASSERT_EQUAL(plan.rate, 5000);
    const bench_options replay = {.target = url, .arrivals = "file:a b"};
    CU_ASSERT_EQUAL_FATAL(load_plan_read(&plan, &replay, &err), OK);
    CU_ASSERT_TRUE(plan.arrivals == LOAD_REPLAY && plan.rate == 0 && plan.duration_ns == 0);
    CU_ASSERT_STRING_EQUAL(plan.replay, "a b");
    const bench_options cut = {.target = url, .arrivals = "file:a", .duration = "5s"};
    CU_ASSERT_EQUAL_FATAL(load_plan_read(&plan, &cut, &err), OK);
    CU_ASSERT_EQUAL(plan.duration_ns, 5000000000);
    const bench_options closed = {.target = url, .concurrency = "7"};
    CU_ASSERT_EQUAL_FATAL(load_plan_read(&plan, &closed, &err), OK);
    CU_ASSERT_TRUE(plan.arrivals == LOAD_CLOSED && plan.connections == 7 && plan.rate == 0);
    CU_ASSERT_EQUAL(plan.duration_ns, 10000000000);
}

static void other_arrivals_are_refused(void)
{
    const bench_options bad[] = {
        {.arrivals = "burst"},
        {.arrivals = "burst:"},
        {.arrivals = "burst:3"},
        {.arrivals = "burst:3x"},
        {.arrivals = "burst:3x50"},
        {.arrivals = "burst:1x50ms"},
        {.arrivals = "burst:0.5x50ms"},
        {.arrivals = "burst:x50ms"},
        {.arrivals = "burst:3x0ms"},
        {.arrivals = "burst:3x61s"},
        {.arrivals = "burst:nanx5ms"},
        {.arrivals = "burst:3x50ms "},
        {.arrivals = "file:"},
        {.arrivals = "file:a", .rate = "5"},
        {.concurrency = "0"},
        {.concurrency = "8193"},
        {.concurrency = "1", .rate = "5"},
        {.concurrency = "1", .arrivals = "fixed"},
        {.concurrency = "1", .connections = "1"},
        {.warmup = "-1s"},
        {.warmup = "11m"},
        {.warmup = "5x"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        bench_options o = bad[i];
        o.target = url;
        if (load_plan_read(&plan, &o, &err) == BAD_INPUT) continue;
        fprintf(stderr, "row %zu is taken\n", i);
        CU_FAIL("taken");
    }
    const bench_options o = {.target = url, .concurrency = "4", .rate = "9"};
    CU_ASSERT_EQUAL(load_plan_read(&plan, &o, &err), BAD_INPUT);
    CU_ASSERT_STRING_EQUAL(err.text, "--concurrency and --rate: wanted one of them, a closed loop has no schedule");
}

static void a_warm_up_has_a_time_or_is_none(void)
{
    const bench_options none = {.target = url, .warmup = "0"}, some = {.target = url, .warmup = "300ms"};
    const bench_options usual = {.target = url};
    CU_ASSERT_TRUE(load_plan_read(&plan, &none, &err) == OK && plan.warmup_ns == 0);
    CU_ASSERT_TRUE(load_plan_read(&plan, &some, &err) == OK && plan.warmup_ns == 300000000);
    CU_ASSERT_TRUE(load_plan_read(&plan, &usual, &err) == OK && plan.warmup_ns == 10000000000);
}

static void the_ops_port_is_a_url_without_a_path(void)
{
    static const char *const bad[] = {"127.0.0.1:9090", "http://h:1/metrics", "https://h", "http://", ""};
    const bench_options none = {.target = url}, good = {.target = url, .ops = "http://[::1]:9090/"};
    CU_ASSERT_TRUE(load_plan_read(&plan, &none, &err) == OK && !*plan.ops_host);
    CU_ASSERT_EQUAL_FATAL(load_plan_read(&plan, &good, &err), OK);
    CU_ASSERT_STRING_EQUAL(plan.ops_host, "::1");
    CU_ASSERT_STRING_EQUAL(plan.ops_port, "9090");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const bench_options o = {.target = url, .ops = bad[i]};
        CU_ASSERT_EQUAL(load_plan_read(&plan, &o, &err), BAD_INPUT);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "wanted http://HOST:PORT of the ops port"));
    }
}

static status lengths(const char *text)
{
    char file[] = "/tmp/load_lengths_XXXXXX";
    const int fd = mkstemp(file);
    CU_ASSERT_TRUE_FATAL(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    close(fd);
    const bench_options o = {.target = url, .lengths = file};
    const status rc = load_plan_read(&plan, &o, &err);
    unlink(file);
    return rc;
}

static void lengths_are_a_number_a_line(void)
{
    CU_ASSERT_EQUAL(lengths("3\n512\n17"), OK);
    CU_ASSERT_TRUE(plan.n_lengths == 3 && plan.lengths[0] == 3 && plan.lengths[1] == 512 && plan.lengths[2] == 17);
    CU_ASSERT_EQUAL(lengths(""), EMPTY);
    CU_ASSERT_EQUAL(lengths("3\n2\n"), BAD_INPUT);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "line 2: wanted one number, 3 to 65536"));
    CU_ASSERT_EQUAL(lengths("3 4\n"), BAD_INPUT);
    CU_ASSERT_EQUAL(lengths("3\n\n4\n"), BAD_INPUT);
    CU_ASSERT_EQUAL(lengths("70000\n"), BAD_INPUT);
    char many[2 * LOAD_LENGTHS_MAX + 3] = "";
    for (int i = 0; i <= LOAD_LENGTHS_MAX; i++) memcpy(many + 2 * i, "9\n", 3);
    CU_ASSERT_EQUAL(lengths(many), BAD_INPUT);
    const bench_options o = {.target = url, .lengths = "/nowhere/at/all"};
    CU_ASSERT_EQUAL(load_plan_read(&plan, &o, &err), IO_FAILED);
}

void load_plan_suite(CU_pSuite s)
{
    CU_add_test(s, "a URL alone gives the usual plan", the_usual_plan);
    CU_add_test(s, "units of rates, times and shares are understood", units_are_understood);
    CU_add_test(s, "host, port and path are taken from a URL", urls_are_taken_apart);
    CU_add_test(s, "what is no http://HOST:PORT/PATH is refused", other_urls_are_refused);
    CU_add_test(s, "numbers and words out of their range are refused", numbers_out_of_range_are_refused);
    CU_add_test(s, "bursts, a replay and a closed loop have their words", arrivals_have_their_words);
    CU_add_test(s, "other arrivals, and two of them, are refused", other_arrivals_are_refused);
    CU_add_test(s, "a warm-up has a time, or there is none", a_warm_up_has_a_time_or_is_none);
    CU_add_test(s, "the ops port is a URL without a path", the_ops_port_is_a_url_without_a_path);
    CU_add_test(s, "a file of lengths is a number a line, 1 to 4096 lines", lengths_are_a_number_a_line);
}
