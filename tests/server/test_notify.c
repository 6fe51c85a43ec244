/* test_notify.c - against a server that answers with bytes of this test.
 *
 * A pause is asserted from below alone: a slow machine makes it longer, none shorter. */
#include "server/notify.h"
#include <CUnit/CUnit.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "runtime/base/clock.h"
#include "runtime/base/log.h"
#include "tests/support/scripted_server.h"

enum { PATIENCE_MS = 30000 };
#define ANSWER(code) "HTTP/1.1 " code " x\r\ncontent-length: 0\r\n\r\n"

static const long long S = 1000000000;
static error why;

static void nap(int ms) { nanosleep(&(struct timespec){.tv_nsec = ms * 1000000L}, NULL); }

#define EVENTUALLY(condition)                                                                                          \
    do {                                                                                                               \
        for (int naps = 0; !(condition) && naps < PATIENCE_MS; naps++) nap(1);                                         \
        CU_ASSERT(condition);                                                                                          \
    } while (0)

static notify *opened(const scripted_server *s)
{
    notify *n;
    char url[100];
    snprintf(url, sizeof url, "http://127.0.0.1:%d/hook/s3cret?a=b", scripted_port(s));
    CU_ASSERT_EQUAL_FATAL(notify_open(&n, url, &why), OK);
    return n;
}

/* {"i":I}; what is posted was copied. */
static void post(notify *n, int i)
{
    char json[20];
    const int bytes = snprintf(json, sizeof json, "{\"i\":%d}", i);
    notify_post(n, json, (size_t)bytes);
    memset(json, 'x', sizeof json);
}

/* The i of the at-th request. */
static int told(scripted_server *s, int at)
{
    const char *request = scripted_request(s, at), *json = strstr(request, "\r\n\r\n{\"i\":");
    CU_ASSERT(!strncmp(request, "POST /hook/s3cret?a=b HTTP/1.1\r\n", 32));
    CU_ASSERT_PTR_NOT_NULL_FATAL(json);
    CU_ASSERT_EQUAL(json[strlen(json) - 1], '}');
    return atoi(json + 9);
}

static bool counts(const notify *n, int64_t sent, int64_t tries, int64_t dropped, int64_t waiting)
{
    const notify_counts c = notify_count(n);
    if (c.sent == sent && c.tries == tries && c.dropped == dropped && c.waiting == waiting) return true;
    printf("\n    sent %d, tries %d, dropped %d, waiting %d", (int)c.sent, (int)c.tries, (int)c.dropped,
           (int)c.waiting);
    return false;
}

static void every_2xx_takes_it(void)
{
    static const char *const answers[] = {ANSWER("200"), ANSWER("204"), ANSWER("299"), NULL};
    scripted_server *s = scripted_open((script){.answers = answers});
    notify *n = opened(s);
    for (int i = 0; i < 3; i++) post(n, i);
    EVENTUALLY(notify_count(n).waiting == 0);
    CU_ASSERT(counts(n, 3, 3, 0, 0));
    notify_close(n, PATIENCE_MS);
    for (int i = 0; i < 3; i++) CU_ASSERT_EQUAL(told(s, i), i);
    CU_ASSERT_EQUAL(scripted_asked(s), 3);
    scripted_close(s);
}

static void what_fails_is_tried_again_after_longer_pauses(void)
{
    enum { CASES = 2 };
    static const char *const answers[CASES][4] = {{ANSWER("500"), ANSWER("429"), ANSWER("200"), NULL},
                                                  {"", ANSWER("408"), ANSWER("200"), NULL}};
    scripted_server *s[CASES];
    notify *n[CASES];
    for (int i = 0; i < CASES; i++) {
        s[i] = scripted_open((script){.answers = answers[i]});
        n[i] = opened(s[i]);
        post(n[i], 1);
        post(n[i], 2);
    }
    for (int i = 0; i < CASES; i++) {
        CU_ASSERT_EQUAL(told(s[i], 3), 2);
        for (int at = 0; at < 3; at++) CU_ASSERT_EQUAL(told(s[i], at), 1);
        CU_ASSERT(scripted_asked_ns(s[i], 1) - scripted_asked_ns(s[i], 0) >= 1 * S);
        CU_ASSERT(scripted_asked_ns(s[i], 2) - scripted_asked_ns(s[i], 1) >= 2 * S);
        EVENTUALLY(notify_count(n[i]).waiting == 0);
        CU_ASSERT(counts(n[i], 2, 4, 0, 0));
        notify_close(n[i], PATIENCE_MS);
        scripted_close(s[i]);
    }
}

/* What is logged until stderr is put back. */
static FILE *catch_stderr(int *saved)
{
    FILE *f = tmpfile();
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    *saved = dup(STDERR_FILENO);
    dup2(fileno(f), STDERR_FILENO);
    return f;
}

static void put_back(FILE *f, int saved, char *text, size_t cap)
{
    dup2(saved, STDERR_FILENO);
    close(saved);
    rewind(f);
    text[fread(text, 1, cap - 1, f)] = 0;
    fclose(f);
}

static void what_is_refused_is_given_up(void)
{
    static const char *const answers[] = {ANSWER("404"), ANSWER("410"), ANSWER("200"), NULL};
    char log[2000], place[40];
    int saved;
    scripted_server *s = scripted_open((script){.answers = answers});
    FILE *f = catch_stderr(&saved);
    notify *n = opened(s);
    for (int i = 0; i < 3; i++) post(n, i);
    EVENTUALLY(notify_count(n).waiting == 0);
    CU_ASSERT(counts(n, 1, 3, 2, 0));
    notify_close(n, PATIENCE_MS);
    put_back(f, saved, log, sizeof log);
    for (int i = 0; i < 3; i++) CU_ASSERT_EQUAL(told(s, i), i);
    snprintf(place, sizeof place, "127.0.0.1:%d is not told", scripted_port(s));
    CU_ASSERT_PTR_NOT_NULL(strstr(log, place));
    CU_ASSERT_PTR_NOT_NULL(strstr(log, "it answers 404"));
    CU_ASSERT_PTR_NULL(strstr(log, "s3cret"));
    scripted_close(s);
}

static void the_oldest_gives_way_but_not_the_one_under_way(void)
{
    static const char *const answers[] = {ANSWER("503"), ANSWER("200"), NULL};
    enum { MORE = 2 };
    scripted_server *s = scripted_open((script){.answers = answers, .silent = true});
    notify *n = opened(s);
    post(n, 0);
    CU_ASSERT_EQUAL(told(s, 0), 0);
    for (int i = 1; i < NOTIFY_ROOM; i++) post(n, i);
    CU_ASSERT(counts(n, 0, 1, 0, NOTIFY_ROOM));
    for (int i = 0; i < MORE; i++) post(n, NOTIFY_ROOM + i);
    CU_ASSERT(counts(n, 0, 1, MORE, NOTIFY_ROOM));
    scripted_speak(s);
    EVENTUALLY(notify_count(n).waiting == 0);
    CU_ASSERT(counts(n, NOTIFY_ROOM, 1 + NOTIFY_ROOM, MORE, 0));
    CU_ASSERT_EQUAL(told(s, 1), 0);
    for (int at = 2; at <= NOTIFY_ROOM; at++) CU_ASSERT_EQUAL(told(s, at), at + MORE - 1);
    notify_close(n, PATIENCE_MS);
    scripted_close(s);
}

static void a_full_queue_hastens_nothing(void)
{
    static const char *const answers[] = {ANSWER("503"), NULL};
    scripted_server *s = scripted_open((script){.answers = answers});
    notify *n = opened(s);
    const long said = log_said(LOG_WARN);
    post(n, 0);
    EVENTUALLY(log_said(LOG_WARN) > said); /* it has failed once */
    for (int i = 1; i < 2 * NOTIFY_ROOM; i++) {
        post(n, i);
        nap(1);
    }
    const notify_counts c = notify_count(n);
    CU_ASSERT(c.tries <= 1 + (clock_ns() - scripted_asked_ns(s, 0)) / S);
    CU_ASSERT_EQUAL(c.dropped, NOTIFY_ROOM);
    notify_close(n, 10);
    scripted_close(s);
}

static void closing_tells_what_waits(void)
{
    static const char *const answers[] = {ANSWER("200"), NULL};
    scripted_server *s = scripted_open((script){.answers = answers, .silent = true});
    notify *n = opened(s);
    for (int i = 0; i < 3; i++) post(n, i);
    scripted_request(s, 0);
    scripted_speak(s);
    notify_close(n, PATIENCE_MS);
    CU_ASSERT_EQUAL(scripted_asked(s), 3);
    scripted_close(s);
}

static void closing_waits_for_no_silent_server(void)
{
    static const char *const answers[] = {ANSWER("200"), NULL};
    scripted_server *s = scripted_open((script){.answers = answers, .silent = true});
    notify *n = opened(s);
    post(n, 0);
    post(n, 1);
    scripted_request(s, 0);
    const long said = log_said(LOG_WARN);
    notify_close(n, 100);
    CU_ASSERT_EQUAL(log_said(LOG_WARN), said + 1); /* two are left untold */
    nap(100);
    CU_ASSERT_EQUAL(scripted_left(s), 0); /* the try is still under way */
    CU_ASSERT_EQUAL(scripted_asked(s), 1);
    scripted_close(s);
}

static void only_a_url_of_the_web_is_told(void)
{
    static const char *const bad[] = {"",        "/hook",        "unix:/hook",     "ftp://a/",
                                      "http://", "http://a/b c", "https://a/\r\nb"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        notify *n;
        CU_ASSERT_EQUAL(notify_open(&n, bad[i], &why), BAD_INPUT);
        CU_ASSERT_PTR_NULL(n);
    }
    notify_close(NULL, PATIENCE_MS);
}

void notify_suite(CU_pSuite s)
{
    CU_add_test(s, "every 2xx takes a document, each is told once and in order", every_2xx_takes_it);
    CU_add_test(s, "what fails is tried again, after longer pauses", what_fails_is_tried_again_after_longer_pauses);
    CU_add_test(s, "what is refused is given up, and a hook's path is not logged", what_is_refused_is_given_up);
    CU_add_test(s, "beyond 32 the oldest gives way, but not the one under way",
                the_oldest_gives_way_but_not_the_one_under_way);
    CU_add_test(s, "a full queue hastens nothing", a_full_queue_hastens_nothing);
    CU_add_test(s, "closing tells what waits", closing_tells_what_waits);
    CU_add_test(s, "closing waits for no silent server beyond its grace", closing_waits_for_no_silent_server);
    CU_add_test(s, "only a URL of the web is told", only_a_url_of_the_web_is_told);
}
