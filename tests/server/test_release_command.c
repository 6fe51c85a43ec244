/* test_release_command.c - what an operator sees of a release, and what the shell does, with a server of given answers.
 */
#include <CUnit/CUnit.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "server/commands.h"
#include "tests/support/canned.h"
#include "tests/support/child.h"

#define OK_200 "HTTP/1.1 200 OK\r\n\r\n"
#define TAKEN                                                                                                          \
    {                                                                                                                  \
        .text = "HTTP/1.1 202 Accepted\r\n\r\n{\"number\":3}"                                                          \
    }
#define CHECK "{\"step\":\"check\",\"state\":\"ok\",\"ms\":1.5,\"detail\":\"owner search\"}"
#define STEPS(state, steps)                                                                                            \
    {                                                                                                                  \
        .text = OK_200 "{\"number\":3,\"version\":\"v2\",\"state\":\"" state "\",\"steps\":[" steps "]}"               \
    }
#define LOADS STEPS("running", CHECK ",{\"step\":\"load\",\"state\":\"running\",\"ms\":7,\"detail\":\"\"}")
#define FIRST "release 3 of v2, which goes on when this ends\n"

/* The child's, which has no arguments. */
static options given;
static int (*command)(const options *o, const char *word);
static int terminal = -1;
static bool interrupted;

static void run_command(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    dup2(terminal >= 0 ? terminal : STDERR_FILENO, STDOUT_FILENO);
    setvbuf(stdout, NULL, _IONBF, 0); /* so that both streams keep their order */
    if (interrupted) {                /* it waits until it is looked for */
        pthread_sigmask(SIG_BLOCK, &set, NULL);
        raise(SIGINT);
    }
    fprintf(stderr, "exit %d\n", command(&given, "v2"));
}

static canned *serve(const canned_answer *answers, int n)
{
    static char ops[64];
    canned *c = canned_open((canned_options){.answers = answers, .n = n});
    snprintf(ops, sizeof ops, "127.0.0.1:%d", canned_port(c));
    given = (options){.ops = ops, .ops_keys = "", .ops_ca = "", .reason = "because", .bake_ms = 120000};
    command = release_command;
    interrupted = false;
    terminal = -1;
    return c;
}

static void says(const char *text)
{
    char seen[2048];
    CU_ASSERT_EQUAL(child_run(run_command, 0, seen, sizeof seen), 0);
    if (strcmp(seen, text)) printf("\n    seen:\n%s    wanted:\n%s", seen, text);
    CU_ASSERT_STRING_EQUAL(seen, text);
}

static void a_release_is_followed_to_its_end(void)
{
    static const canned_answer answers[] = {
        TAKEN, LOADS, LOADS,
        STEPS("done", CHECK ",{\"step\":\"load\",\"state\":\"ok\",\"ms\":412.125,\"detail\":\"on cpu\"}")};
    canned *c = serve(answers, 4);
    given.breaking = true;
    given.shadow_ms = 30000;
    says(FIRST "check     ok            1.5 ms  owner search\n"
               "load      ok          412.1 ms  on cpu\n"
               "v2 answers\nexit 0\n");
    CU_ASSERT_PTR_NOT_NULL(strstr(canned_request(c, 0), "POST /admin/release "));
    CU_ASSERT_PTR_NOT_NULL(
        strstr(canned_request(c, 0),
               "\r\n\r\n{\"version\":\"v2\",\"reason\":\"because\",\"breaking\":true,\"shadow_s\":30,\"bake_s\":120}"));
    CU_ASSERT_PTR_NOT_NULL(strstr(canned_request(c, 3), "GET /admin/release "));
    CU_ASSERT_EQUAL(canned_count(c), 4);
    canned_close(c);
}

static void a_release_that_is_not_done_fails_the_command(void)
{
    static const struct {
        canned_answer end;
        const char *says;
    } rows[] = {
        {STEPS("refused", "{\"step\":\"check\",\"state\":\"failed\",\"ms\":1,\"detail\":\"no owner\"}"),
         FIRST "check     failed        1.0 ms  no owner\nbeeline: v2 was refused: check: no owner\nexit 1\n"},
        {STEPS("failed", CHECK), FIRST "check     ok            1.5 ms  owner search\n"
                                       "beeline: v2 failed: the ledger says more\nexit 1\n"},
        {STEPS("rolled_back", "{\"step\":\"bake\",\"state\":\"failed\",\"ms\":20000,\"detail\":\"p99 900 ms\"}"),
         FIRST "bake      failed        20.0 s  p99 900 ms\nbeeline: v2 was rolled back: bake: p99 900 ms\nexit 1\n"},
        {{.text = OK_200 "{\"number\":4,\"state\":\"running\",\"steps\":[]}"},
         FIRST "beeline: another release has begun since; the ledger says how 3 ended\nexit 1\n"},
        {{.text = "HTTP/1.1 503 No\r\n\r\n{\"error\":\"the server is stopping\"}"},
         FIRST "beeline: release 3 goes on where it is, and beeline status tells how: the server is stopping "
               "(503)\nexit 1\n"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const canned_answer answers[] = {TAKEN, rows[i].end};
        canned *c = serve(answers, 2);
        says(rows[i].says);
        canned_close(c);
    }
}

static void an_order_may_be_refused(void)
{
    static const canned_answer busy = {.text = "HTTP/1.1 409 No\r\n\r\n{\"error\":\"release 2 is under way\"}"};
    canned *c = serve(&busy, 1);
    says("beeline: release 2 is under way (409)\nexit 1\n");
    CU_ASSERT_EQUAL(canned_count(c), 1);
    given.reason = "";
    says("beeline: --reason is missing: why, for the ledger\nexit 2\n");
    command = rollback_command;
    says("beeline: --reason is missing: why, for the ledger\nexit 2\n");
    command = release_command;
    given.reason = "because";
    given.shadow_ms = 250;
    says("beeline: --shadow is 250 ms, wanted whole seconds\nexit 2\n");
    given.shadow_ms = 0;
    given.bake_ms = 1500;
    says("beeline: --bake is 1500 ms, wanted whole seconds\nexit 2\n");
    CU_ASSERT_EQUAL(canned_count(c), 1);
    canned_close(c);
}

static void who_interrupts_leaves_it_going_on(void)
{
    static const canned_answer answers[] = {TAKEN, LOADS};
    canned *c = serve(answers, 2);
    interrupted = true;
    says(FIRST "check     ok            1.5 ms  owner search\n"
               "beeline: release 3 goes on where it is, and beeline status tells how: interrupted\nexit 1\n");
    CU_ASSERT_EQUAL(canned_count(c), 2);
    canned_close(c);
}

static void on_a_terminal_one_line_is_written_over(void)
{
    static const canned_answer answers[] = {TAKEN, LOADS, STEPS("done", CHECK)};
    char seen[4096];
    const int master = posix_openpt(O_RDWR | O_NOCTTY);
    CU_ASSERT_FATAL(master >= 0 && !grantpt(master) && !unlockpt(master));
    canned *c = serve(answers, 3);
    terminal = open(ptsname(master), O_RDWR | O_NOCTTY);
    CU_ASSERT_FATAL(terminal >= 0);
    says("exit 0\n");
    close(terminal); /* the last of them: what was written comes, then an end */
    size_t n = 0;
    for (ssize_t got; n + 1 < sizeof seen && (got = read(master, seen + n, sizeof seen - 1 - n)) > 0;) n += (size_t)got;
    seen[n] = 0;
    CU_ASSERT_STRING_EQUAL(seen, "release 3 of v2, which goes on when this ends\r\n"
                                 "\r\033[Kcheck     ok            1.5 ms  owner search\r\n"
                                 "[##########          ] 1 of 2  load      7.0 ms"
                                 "\r\033[Kv2 answers\r\n");
    close(master);
    canned_close(c);
}

static void a_rollback_says_what_answers(void)
{
    static const canned_answer answers[] = {{.text = OK_200 "{\"version\":\"1\",\"previous\":\"2\",\"ms\":0.0423}"},
                                            {.text = "HTTP/1.1 404 No\r\n\r\n{\"error\":\"no previous version\"}"}};
    canned *c = serve(answers, 2);
    command = rollback_command;
    given.reason = "worse \"than\" before";
    says("1 answers again, switched in 0.042 ms; before it 2 did\nexit 0\n");
    CU_ASSERT_PTR_NOT_NULL(strstr(canned_request(c, 0), "POST /admin/rollback "));
    CU_ASSERT_PTR_NOT_NULL(strstr(canned_request(c, 0), "\r\n\r\n{\"reason\":\"worse \\\"than\\\" before\"}"));
    says("beeline: no previous version (404)\nexit 1\n");
    canned_close(c);
}

static void a_drain_is_asked_for(void)
{
    static const canned_answer answers[] = {{.text = "HTTP/1.1 202 Accepted\r\n\r\n{\"state\":\"draining\"}"},
                                            {.text = "HTTP/1.1 403 No\r\n\r\n{\"error\":\"who?\"}"}};
    canned *c = serve(answers, 2);
    command = drain_command;
    says("draining: what has come is answered, then the server ends\nexit 0\n");
    CU_ASSERT_PTR_NOT_NULL(strstr(canned_request(c, 0), "POST /admin/drain "));
    says("beeline: who? (403)\nexit 1\n");
    canned_close(c);
}

void release_command_suite(CU_pSuite s)
{
    CU_ADD_TEST(s, a_release_is_followed_to_its_end);
    CU_ADD_TEST(s, a_release_that_is_not_done_fails_the_command);
    CU_ADD_TEST(s, an_order_may_be_refused);
    CU_ADD_TEST(s, who_interrupts_leaves_it_going_on);
    CU_ADD_TEST(s, on_a_terminal_one_line_is_written_over);
    CU_ADD_TEST(s, a_rollback_says_what_answers);
    CU_ADD_TEST(s, a_drain_is_asked_for);
}
