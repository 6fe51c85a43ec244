/* test_load_replay.c - schedules from files: what is taken, and what is refused with its line. */
#include <CUnit/CUnit.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "bench/load_replay.h"

static load_schedule schedule;
static error err;
static int64_t duration_ns;

static status read_file(const char *text)
{
    char file[] = "/tmp/load_replay_XXXXXX";
    const int fd = mkstemp(file);
    CU_ASSERT_TRUE_FATAL(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    close(fd);
    const status rc = load_replay_open(&schedule, file, &duration_ns, &err);
    unlink(file);
    return rc;
}

static void times_alone_are_a_schedule(void)
{
    duration_ns = 0;
    CU_ASSERT_EQUAL_FATAL(read_file("0\n0.25\n0.25\n1.5\n"), OK);
    CU_ASSERT_TRUE(schedule.n == 4 && schedule.at_ns[1] == 250000000 && schedule.at_ns[3] == 1500000000);
    CU_ASSERT_PTR_NULL(schedule.tokens);
    CU_ASSERT_EQUAL(duration_ns, 2000000001); /* 1.5 s and the mean gap of 0.5 s */
    load_schedule_close(&schedule);
}

static void tokens_come_with_their_request(void)
{
    duration_ns = 0;
    CU_ASSERT_EQUAL_FATAL(read_file("0 3\r\n0.1,512\n0.2\t 65536"), OK);
    CU_ASSERT_TRUE_FATAL(schedule.n == 3 && schedule.tokens != NULL);
    CU_ASSERT_TRUE(schedule.tokens[0] == 3 && schedule.tokens[1] == 512 && schedule.tokens[2] == 65536);
    load_schedule_close(&schedule);
}

static void a_duration_cuts_the_file(void)
{
    duration_ns = 1500000000;
    CU_ASSERT_EQUAL_FATAL(read_file("0\n0.25\n1.4999\n1.5\n2\n"), OK);
    CU_ASSERT_TRUE(schedule.n == 3 && duration_ns == 1500000000);
    load_schedule_close(&schedule);
    duration_ns = 100000000;
    CU_ASSERT_EQUAL(read_file("0.1\n0.2\n"), BAD_INPUT);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "no request in it is due"));
}

static void one_moment_is_a_run_too(void)
{
    duration_ns = 0;
    CU_ASSERT_EQUAL_FATAL(read_file("0\n0\n0\n"), OK);
    CU_ASSERT_TRUE(schedule.n == 3 && duration_ns == 100000000);
    load_schedule_close(&schedule);
}

static void other_lines_are_refused_with_their_number(void)
{
    static const struct {
        const char *text, *why;
    } rows[] = {
        {"", "no request in it is due"},
        {"\n", "line 1: \"\", wanted seconds of 0 to 3600, and 3 to 65536 tokens if any"},
        {"0\nx\n", "line 2: \"x\", wanted seconds"},
        {"-1\n", "line 1: \"-1\", wanted seconds"},
        {"nan\n", "line 1: \"nan\", wanted seconds"},
        {"0\n3601\n", "line 2: \"3601\", wanted seconds"},
        {"0 2\n", "line 1: \"0 2\", wanted seconds of 0 to 3600, and 3 to 65536 tokens"},
        {"0 65537\n", "line 1: \"0 65537\", wanted"},
        {"0 5 5\n", "line 1: \"0 5 5\", wanted"},
        {"0 5x\n", "line 1: \"0 5x\", wanted"},
        {"1\n0.5\n", "line 2: 0.5 s, wanted at least the 1 s before it"},
        {"0 5\n1\n", "line 2: without tokens, wanted as in line 1"},
        {"0\n1 5\n", "line 2: with tokens, wanted as in line 1"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        duration_ns = 0;
        CU_ASSERT_EQUAL(read_file(rows[i].text), BAD_INPUT);
        if (!strstr(err.text, rows[i].why)) CU_FAIL(err.text);
        CU_ASSERT_TRUE(!schedule.at_ns && !schedule.tokens && !schedule.n);
    }
    CU_ASSERT_EQUAL(load_replay_open(&schedule, "/nowhere/at/all", &duration_ns, &err), IO_FAILED);
}

static void a_long_file_is_whole(void)
{
    enum { N = 5000 };
    static char text[N * 16];
    size_t n = 0;
    for (int i = 0; i < N; i++) n += (size_t)snprintf(text + n, sizeof text - n, "%.3f %d\n", i * 0.001, 3 + i % 100);
    duration_ns = 0;
    CU_ASSERT_EQUAL_FATAL(read_file(text), OK);
    CU_ASSERT_TRUE(schedule.n == N && schedule.at_ns[N - 1] == 4999000000 && schedule.tokens[N - 1] == 102);
    load_schedule_close(&schedule);
}

void load_replay_suite(CU_pSuite s)
{
    CU_add_test(s, "a line a request, its due time in seconds; the run ends a mean gap after the last",
                times_alone_are_a_schedule);
    CU_add_test(s, "tokens come with their request", tokens_come_with_their_request);
    CU_add_test(s, "what is due after the duration is left out", a_duration_cuts_the_file);
    CU_add_test(s, "a file that is one moment is a run too", one_moment_is_a_run_too);
    CU_add_test(s, "other lines are refused with their number, what was seen and what is wanted",
                other_lines_are_refused_with_their_number);
    CU_add_test(s, "a file of thousands of lines is read whole", a_long_file_is_whole);
}
