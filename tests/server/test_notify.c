/* test_notify.c - a server that takes documents, one that does not yet, one that never will, and one that is silent.
 *
 * Times are asserted from below alone: a slow machine makes a pause longer, none shorter. */
#include "server/notify.h"
#include <CUnit/CUnit.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "runtime/base/clock.h"
#include "runtime/base/log.h"
#include "tests/support/canned.h"

enum { WAIT_MS = 30000, GRACE_MS = 30000 };
static const int64_t S = 1000000000;
static const canned_answer taken = {.text = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"};

static canned *serve(const canned_answer *answers, int n)
{
    return canned_open((canned_options){.answers = answers, .n = n});
}

static notify *opened(const canned *c)
{
    char url[80];
    notify *n;
    error err;
    snprintf(url, sizeof url, "http://127.0.0.1:%d/hook/secret?x=1", canned_port(c));
    CU_ASSERT_EQUAL_FATAL(notify_open(&n, url, &err), OK);
    return n;
}

static void post(notify *n, int i)
{
    char text[32];
    notify_post(n, text, (size_t)snprintf(text, sizeof text, "{\"number\":%d}", i));
}

static void pause_ms(void) { nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL); }

/* Until nothing waits: taken or dropped. */
static void settle(notify *n)
{
    for (int ms = 0; ms < WAIT_MS && notify_count(n).waiting; ms++) pause_ms();
    CU_ASSERT_EQUAL(notify_count(n).waiting, 0);
}

static void wait_requests(canned *c, int n)
{
    for (int ms = 0; ms < WAIT_MS && canned_count(c) < n; ms++) pause_ms();
    CU_ASSERT_EQUAL(canned_count(c), n);
}

static void asked(canned *c, int request, int i)
{
    char text[32];
    snprintf(text, sizeof text, "\r\n\r\n{\"number\":%d}", i);
    CU_ASSERT_PTR_NOT_NULL(strstr(canned_request(c, request), text));
}

static void counts(const notify *n, int64_t sent, int64_t tries, int64_t dropped)
{
    const notify_counts seen = notify_count(n);
    CU_ASSERT_EQUAL(seen.sent, sent);
    CU_ASSERT_EQUAL(seen.tries, tries);
    CU_ASSERT_EQUAL(seen.dropped, dropped);
}

static void documents_are_posted_in_their_order(void)
{
    canned *c = serve(&taken, 1);
    notify *n = opened(c);
    for (int i = 0; i < 5; i++) post(n, i);
    settle(n);
    counts(n, 5, 5, 0);
    for (int i = 0; i < 5; i++) asked(c, i, i);
    CU_ASSERT_EQUAL(strncmp(canned_request(c, 0), "POST /hook/secret?x=1 HTTP/1.1\r\n", 32), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(canned_request(c, 0), "\r\ncontent-type: application/json\r\n"));
    notify_close(n, GRACE_MS);
    canned_close(c);
}

static void every_2xx_takes_it(void)
{
    static const canned_answer answers[] = {{.text = "HTTP/1.1 204 Yes\r\n\r\n"},
                                            {.text = "HTTP/1.1 299 Yes\r\ncontent-length: 0\r\n\r\n"}};
    canned *c = serve(answers, 2);
    notify *n = opened(c);
    post(n, 0);
    post(n, 1);
    settle(n);
    counts(n, 2, 2, 0);
    notify_close(n, GRACE_MS);
    canned_close(c);
}

/* Side by side, so that their pauses are one. */
static void what_may_pass_is_tried_again(void)
{
    static const canned_answer rows[][2] = {
        {{.text = "HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n"}, taken},
        {{.text = "HTTP/1.1 408 No\r\ncontent-length: 0\r\n\r\n"}, taken},
        {{.text = "HTTP/1.1 429 No\r\ncontent-length: 0\r\n\r\n"}, taken},
        {{.text = "HTTP/1.1 301 Elsewhere\r\nlocation: /\r\ncontent-length: 0\r\n\r\n"}, taken},
        {{.text = "nonsense"}, taken},
        {{.text = NULL, .then = CANNED_RESETS}, taken},
    };
    static const canned_answer twice[] = {{.text = "HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n"},
                                          {.text = "HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n"},
                                          taken};
    enum { ROWS = sizeof rows / sizeof *rows };
    canned *c[ROWS], *slow = serve(twice, 3);
    notify *n[ROWS], *patient = opened(slow);
    const int64_t begin_ns = clock_ns();
    post(patient, 7);
    for (int i = 0; i < ROWS; i++) {
        c[i] = serve(rows[i], 2);
        n[i] = opened(c[i]);
        post(n[i], 7);
        post(n[i], 8);
    }
    for (int i = 0; i < ROWS; i++) {
        settle(n[i]);
        counts(n[i], 2, 3, 0);
        asked(c[i], 0, 7);
        asked(c[i], 1, 7); /* the second waits for the first */
        asked(c[i], 2, 8);
        notify_close(n[i], GRACE_MS);
        canned_close(c[i]);
    }
    settle(patient);
    counts(patient, 1, 3, 0);
    CU_ASSERT(clock_ns() - begin_ns >= (1 + 2) * S);
    notify_close(patient, GRACE_MS);
    canned_close(slow);
}

static void what_is_refused_is_given_up(void)
{
    static const canned_answer answers[] = {{.text = "HTTP/1.1 404 No\r\ncontent-length: 0\r\n\r\n"},
                                            {.text = "HTTP/1.1 410 No\r\ncontent-length: 0\r\n\r\n"},
                                            taken};
    canned *c = serve(answers, 3);
    notify *n = opened(c);
    for (int i = 0; i < 3; i++) post(n, i);
    settle(n);
    counts(n, 1, 3, 2);
    for (int i = 0; i < 3; i++) asked(c, i, i);
    notify_close(n, GRACE_MS);
    canned_close(c);
}

static void the_path_of_a_hook_is_not_logged(void)
{
    static const canned_answer answers[] = {{.text = "HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n"},
                                            {.text = "HTTP/1.1 403 No\r\ncontent-length: 0\r\n\r\n"}};
    char log[4096], host[32];
    FILE *f = tmpfile();
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    const int saved = dup(STDERR_FILENO);
    dup2(fileno(f), STDERR_FILENO);
    canned *c = serve(answers, 2);
    notify *n = opened(c);
    post(n, 1);
    settle(n);
    notify_close(n, GRACE_MS);
    dup2(saved, STDERR_FILENO);
    close(saved);
    rewind(f);
    log[fread(log, 1, sizeof log - 1, f)] = 0;
    fclose(f);
    snprintf(host, sizeof host, "http://127.0.0.1:%d", canned_port(c));
    CU_ASSERT(strstr(log, host) && strstr(log, "it answers 503") && strstr(log, "it answers 403"));
    CU_ASSERT_PTR_NULL(strstr(log, "secret"));
    canned_close(c);
}

static void the_oldest_gives_way_but_not_the_one_on_its_way(void)
{
    static const canned_answer answers[] = {{.text = "HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n", .gated = true},
                                            taken};
    canned *c = serve(answers, 2);
    notify *n = opened(c);
    post(n, 0);
    wait_requests(c, 1);
    for (int i = 1; i <= 40; i++) post(n, i);
    CU_ASSERT_EQUAL(notify_count(n).waiting, NOTIFY_ROOM);
    counts(n, 0, 1, 9);
    canned_open_gate(c);
    settle(n);
    counts(n, NOTIFY_ROOM, NOTIFY_ROOM + 1, 9);
    asked(c, 0, 0);
    asked(c, 1, 0);
    for (int i = 1; i < NOTIFY_ROOM; i++) asked(c, i + 1, 9 + i);
    notify_close(n, GRACE_MS);
    canned_close(c);
}

static void a_full_queue_hastens_nothing(void)
{
    static const canned_answer busy = {.text = "HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n"};
    canned *c = serve(&busy, 1);
    const int64_t begin_ns = clock_ns();
    notify *n = opened(c);
    for (int i = 0; i < 2 * NOTIFY_ROOM; i++) {
        post(n, i);
        pause_ms();
    }
    const notify_counts seen = notify_count(n);
    CU_ASSERT(seen.tries <= 1 + (clock_ns() - begin_ns) / S); /* none follows another within a second */
    CU_ASSERT_EQUAL(seen.dropped, NOTIFY_ROOM);
    notify_close(n, 0);
    canned_close(c);
}

static void closing_gives_what_waits_its_grace(void)
{
    canned *c = serve(&taken, 1);
    notify *n = opened(c);
    for (int i = 0; i < 8; i++) post(n, i);
    notify_close(n, GRACE_MS);
    CU_ASSERT_EQUAL(canned_count(c), 8);
    canned_close(c);
}

static void closing_waits_for_no_silent_server(void)
{
    static const canned_answer silent = {.text = NULL, .then = CANNED_HOLDS};
    canned *c = serve(&silent, 1);
    notify *n = opened(c);
    post(n, 1);
    post(n, 2);
    wait_requests(c, 1);
    const long said = log_said(LOG_WARN);
    notify_close(n, 20);
    CU_ASSERT_EQUAL(log_said(LOG_WARN), said + 1); /* two are left untold */
    for (int i = 0; i < 50; i++) pause_ms();       /* the server would see its client go */
    CU_ASSERT(canned_busy(c));                     /* its try goes on, and nobody waits for it */
    canned_close(c);
}

static void closing_ends_amid_a_pause(void)
{
    static const canned_answer busy = {.text = "HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n"};
    canned *c = serve(&busy, 1);
    notify *n = opened(c);
    post(n, 1);
    wait_requests(c, 1);
    notify_close(n, 0);
    CU_ASSERT_EQUAL(canned_count(c), 1);
    canned_close(c);
    notify_close(NULL, 0);
}

static void only_a_url_is_told(void)
{
    static const char *const rows[] = {"", "hooks.example/x", "unix:/tmp/x", "ftp://h/x", "http:///x", "http://h/a b"};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        notify *n = (notify *)rows;
        error err;
        CU_ASSERT_EQUAL(notify_open(&n, rows[i], &err), BAD_INPUT);
        CU_ASSERT_PTR_NULL(n);
    }
}

void notify_suite(CU_pSuite s)
{
    CU_ADD_TEST(s, documents_are_posted_in_their_order);
    CU_ADD_TEST(s, every_2xx_takes_it);
    CU_ADD_TEST(s, what_may_pass_is_tried_again);
    CU_ADD_TEST(s, what_is_refused_is_given_up);
    CU_ADD_TEST(s, the_path_of_a_hook_is_not_logged);
    CU_ADD_TEST(s, the_oldest_gives_way_but_not_the_one_on_its_way);
    CU_ADD_TEST(s, a_full_queue_hastens_nothing);
    CU_ADD_TEST(s, closing_gives_what_waits_its_grace);
    CU_ADD_TEST(s, closing_waits_for_no_silent_server);
    CU_ADD_TEST(s, closing_ends_amid_a_pause);
    CU_ADD_TEST(s, only_a_url_is_told);
}
