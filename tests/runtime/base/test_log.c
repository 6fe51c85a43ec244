/* test_log.c - stderr is replaced by a pipe, a terminal or nothing while a line is written. */
#include <CUnit/CUnit.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "runtime/base/json.h"
#include "runtime/base/log.h"

typedef struct { int saved, reader; } capture;

/* stderr becomes `fd`, which is ours from here. */
static int replace_stderr(int fd)
{
    int saved = dup(STDERR_FILENO);
    dup2(fd, STDERR_FILENO);
    close(fd);
    return saved;
}

static void restore_stderr(int saved)
{
    dup2(saved, STDERR_FILENO);
    close(saved);
}

static capture capture_pipe(void)
{
    int ends[2];
    CU_ASSERT_EQUAL_FATAL(pipe2(ends, O_CLOEXEC), 0);
    return (capture){replace_stderr(ends[1]), ends[0]};
}

/* All that was written, as a text; stderr is restored. */
static size_t captured(capture c, char *out, size_t cap)
{
    size_t n = 0;
    ssize_t got;
    restore_stderr(c.saved); /* closes the pipe's only writer, so read() ends */
    while (n + 1 < cap && (got = read(c.reader, out + n, cap - 1 - n)) > 0) n += (size_t)got;
    close(c.reader);
    out[n] = 0;
    return n;
}

static cJSON *parsed(const char *line)
{
    cJSON *tree;
    error err;
    CU_ASSERT_EQUAL_FATAL(json_parse(&tree, line, strlen(line), (json_limits){2, 10}, &err), OK);
    return tree;
}

static const char *member(const cJSON *tree, const char *name)
{
    const char *text = "";
    error err;
    CU_ASSERT_EQUAL(json_string(&text, tree, name, &err), OK);
    return text;
}

static void a_line_is_a_json_object(void)
{
    char text[PIPE_BUF + 1];
    capture c = capture_pipe();
    log_line(LOG_WARN, "ready", "listening on %s:%d", "127.0.0.1", 8080);
    size_t n = captured(c, text, sizeof text);
    CU_ASSERT_EQUAL(strchr(text, '\n'), text + n - 1);
    cJSON *tree = parsed(text);
    CU_ASSERT_EQUAL(cJSON_GetArraySize(tree), 4);
    CU_ASSERT_STRING_EQUAL(member(tree, "level"), "warn");
    CU_ASSERT_STRING_EQUAL(member(tree, "event"), "ready");
    CU_ASSERT_STRING_EQUAL(member(tree, "message"), "listening on 127.0.0.1:8080");
    CU_ASSERT_EQUAL(strlen(member(tree, "time")), strlen("2024-01-01T00:00:00.000Z"));
    cJSON_Delete(tree);
}

static void foreign_text_forges_nothing(void)
{
    char text[PIPE_BUF + 1];
    capture c = capture_pipe();
    log_line(LOG_INFO, "x\"y", "%s",
             "a\"b\\c\n{\"level\":\"error\"}\r\x1b[2J\x7f\xff\xc3 \xc3\xa9 \xc2\x9b"
             "2J\xc2\xa0");
    size_t n = captured(c, text, sizeof text);
    CU_ASSERT_EQUAL(strchr(text, '\n'), text + n - 1);
    for (size_t i = 0; i + 1 < n; i++) CU_ASSERT((unsigned char)text[i] >= 0x20 && text[i] != 0x7f);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "\\u009b2J"));
    cJSON *tree = parsed(text);
    CU_ASSERT_STRING_EQUAL(member(tree, "event"), "x\"y");
    CU_ASSERT_STRING_EQUAL(member(tree, "message"),
                           "a\"b\\c\n{\"level\":\"error\"}\r\x1b[2J\x7f\ufffd\ufffd \u00e9 \xc2\x9b" "2J\u00a0");
    cJSON_Delete(tree);
}

/* Whatever the message expands to, one line fits one atomic write, and is cut between characters. */
static void long_messages_are_cut(void)
{
    static const char *const units[] = {"x", "\n", "\xff", "\xf0\x9f\x98\x80", "\"", "\xc3\xa9"};
    char message[9000], text[2 * PIPE_BUF];
    for (size_t u = 0; u < sizeof units / sizeof *units; u++) {
        const size_t step = strlen(units[u]);
        for (size_t shift = 0; shift < 4; shift++) {
            memset(message, 'a', shift);
            for (size_t i = shift; i + step < sizeof message; i += step) memcpy(message + i, units[u], step + 1);
            capture c = capture_pipe();
            log_line(LOG_INFO, message, "%s", message);
            size_t n = captured(c, text, sizeof text);
            CU_ASSERT(n > 1000 && n <= PIPE_BUF);
            CU_ASSERT_EQUAL(strchr(text, '\n'), text + n - 1);
            cJSON *tree = parsed(text);
            const char *cut = member(tree, "message");
            CU_ASSERT_STRING_EQUAL(cut + strlen(cut) - 3, "...");
            if (strcmp(units[u], "\xff")) CU_ASSERT_PTR_NULL(strstr(cut, "\xef\xbf\xbd")); /* no half of a character */
            cJSON_Delete(tree);
        }
    }
}

static void lower_levels_are_silent(void)
{
    char text[PIPE_BUF + 1];
    capture c = capture_pipe();
    long before[LOG_LEVELS];
    for (int i = 0; i < LOG_LEVELS; i++) before[i] = log_said((log_level)i);
    log_line(LOG_DEBUG, "x", "not by default");
    log_set_level(LOG_ERROR);
    log_line(LOG_WARN, "x", "below");
    log_line(LOG_ERROR, "x", "said");
    log_set_level(LOG_INFO);
    captured(c, text, sizeof text);
    for (int i = 0; i < LOG_LEVELS; i++) CU_ASSERT_EQUAL(log_said((log_level)i) - before[i], i == LOG_ERROR);
    cJSON *tree = parsed(text);
    CU_ASSERT_STRING_EQUAL(member(tree, "message"), "said");
    cJSON_Delete(tree);
}

static volatile sig_atomic_t pipes_broken;
static void count_pipe(int signal) { pipes_broken += signal == SIGPIPE; }

static void nobody_reads(void)
{
    void (*before_us)(int) = signal(SIGPIPE, count_pipe);
    char page[PIPE_BUF] = {0};
    capture c = capture_pipe();
    const long before = log_dropped(), said = log_said(LOG_INFO);
    int flags = fcntl(STDERR_FILENO, F_GETFL);
    fcntl(STDERR_FILENO, F_SETFL, flags | O_NONBLOCK);
    while (write(STDERR_FILENO, page, sizeof page) > 0) {}
    fcntl(STDERR_FILENO, F_SETFL, flags); /* blocking again: a write would now wait for ever */
    for (int i = 0; i < 10; i++) log_line(LOG_INFO, "x", "line %d", i);
    CU_ASSERT_EQUAL(log_dropped() - before, 10);
    CU_ASSERT_EQUAL(read(c.reader, page, sizeof page), (ssize_t)sizeof page);
    log_line(LOG_INFO, "x", "there is room again");
    CU_ASSERT_EQUAL(log_dropped() - before, 10);
    close(c.reader);
    log_line(LOG_INFO, "x", "the reader has gone");
    CU_ASSERT_EQUAL(log_dropped() - before, 11);
    close(STDERR_FILENO);
    log_line(LOG_INFO, "x", "no stderr at all");
    CU_ASSERT_EQUAL(log_dropped() - before, 12);
    CU_ASSERT_EQUAL(log_said(LOG_INFO) - said, 13); /* one of them was read */
    restore_stderr(c.saved);
    signal(SIGPIPE, before_us);
    CU_ASSERT_EQUAL(pipes_broken, 0); /* looked before it wrote: a program that keeps the default signal lives on */
}

static void a_terminal_gets_plain_text(void)
{
    char text[PIPE_BUF + 1] = "";
    int master = posix_openpt(O_RDWR | O_NOCTTY);
    if (master < 0 || grantpt(master) || unlockpt(master)) {
        if (master >= 0) close(master);
        CU_PASS("no terminals on this machine");
        return;
    }
    int saved = replace_stderr(open(ptsname(master), O_RDWR | O_NOCTTY));
    log_line(LOG_ERROR, "stop", "say \"no\" to \x1b[2J and \xc2\x9b" "2J \xff");
    restore_stderr(saved);
    ssize_t n = read(master, text, sizeof text - 1);
    close(master);
    CU_ASSERT(n > 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, " error stop: say \"no\" to \\u001b[2J and \\u009b2J \ufffd\r\n"));
}

enum { THREADS = 4, LINES = 200 };

static void *write_lines(void *who)
{
    char filler[200];
    memset(filler, 'a' + *(int *)who, sizeof filler - 1);
    filler[sizeof filler - 1] = 0;
    for (int i = 0; i < LINES; i++) log_line(LOG_INFO, "thread", "%d %d %s", *(int *)who, i, filler);
    return NULL;
}

typedef struct { int fd; char *text; size_t n; } drain;

static void *read_all(void *arg)
{
    drain *d = arg;
    ssize_t got;
    while ((got = read(d->fd, d->text + d->n, 4096)) > 0) d->n += (size_t)got;
    return NULL;
}

/* Lines may be dropped while the reader is slow, but those that arrive are whole and in each thread's order. */
static void lines_of_threads_do_not_mix(void)
{
    pthread_t writer[THREADS], reader;
    int who[THREADS], last[THREADS];
    long wrong = 0, arrived = 0;
    capture c = capture_pipe();
    const long before = log_dropped();
    drain d = {c.reader, malloc((size_t)THREADS * LINES * 512 + 4097), 0};
    pthread_create(&reader, NULL, read_all, &d);
    for (int i = 0; i < THREADS; i++) {
        who[i] = i;
        last[i] = -1;
        pthread_create(&writer[i], NULL, write_lines, &who[i]);
    }
    for (int i = 0; i < THREADS; i++) pthread_join(writer[i], NULL);
    restore_stderr(c.saved);
    pthread_join(reader, NULL);
    close(c.reader);
    d.text[d.n] = 0;
    for (char *rest, *l = strtok_r(d.text, "\n", &rest); l; l = strtok_r(NULL, "\n", &rest), arrived++) {
        cJSON *tree = parsed(l);
        int thread = -1, number = -1;
        char filler[256];
        bool whole = sscanf(member(tree, "message"), "%d %d %255s", &thread, &number, filler) == 3 && thread >= 0 &&
                     thread < THREADS;
        wrong += !whole || number <= last[thread] || strlen(filler) != 199 ||
                 strspn(filler, (char[]){(char)('a' + thread), 0}) != 199;
        if (whole) last[thread] = number;
        cJSON_Delete(tree);
    }
    CU_ASSERT_EQUAL(wrong, 0);
    CU_ASSERT_EQUAL(arrived + log_dropped() - before, THREADS * LINES);
    free(d.text);
}

static void warnings_name_the_owner(void)
{
    char lines[4096], *second;
    static char most[400];
    memset(most, '"', sizeof most - 1);
    log_set_owner("search \"team\"", "#search\n", "https://example.org/run");
    capture c = capture_pipe();
    log_line(LOG_WARN, "slow", "it is");
    log_line(LOG_INFO, "ready", "it is");
    captured(c, lines, sizeof lines);
    CU_ASSERT_PTR_NOT_NULL_FATAL(second = strchr(lines, '\n'));
    *second++ = 0;
    cJSON *warning = parsed(lines), *info = parsed(second);
    CU_ASSERT_STRING_EQUAL(member(warning, "owner"), "search \"team\"");
    CU_ASSERT_STRING_EQUAL(member(warning, "contact"), "#search\n");
    CU_ASSERT_STRING_EQUAL(member(warning, "runbook"), "https://example.org/run");
    CU_ASSERT_STRING_EQUAL(member(warning, "message"), "it is");
    CU_ASSERT_STRING_EQUAL(member(info, "owner"), "");
    cJSON_Delete(warning);
    cJSON_Delete(info);
    log_set_owner(most, most, most); /* cut, and beside the longest message the line is one write */
    c = capture_pipe();
    log_line(LOG_ERROR, "long", "%02000d", 1);
    CU_ASSERT(captured(c, lines, sizeof lines) <= PIPE_BUF);
    cJSON_Delete(parsed(lines));
    log_set_owner("", "", "");
    c = capture_pipe();
    log_line(LOG_ERROR, "broken", "it is");
    captured(c, lines, sizeof lines);
    CU_ASSERT_PTR_NULL(strstr(lines, "owner"));
}

void log_suite(CU_pSuite s)
{
    CU_add_test(s, "a line is one JSON object with time, level, event and message", a_line_is_a_json_object);
    CU_add_test(s, "warnings and errors say whose it is, once that is known", warnings_name_the_owner);
    CU_add_test(s, "foreign text can neither forge a line nor move a cursor", foreign_text_forges_nothing);
    CU_add_test(s, "a long message is cut between characters and fits one write", long_messages_are_cut);
    CU_add_test(s, "lines below the level are not written, and each line is counted by its level",
                lower_levels_are_silent);
    CU_add_test(s, "a full, broken or closed stderr drops the line, counts it, and never waits", nobody_reads);
    CU_add_test(s, "a terminal gets plain text without control characters", a_terminal_gets_plain_text);
    CU_add_test(s, "lines of several threads arrive whole", lines_of_threads_do_not_mix);
}
