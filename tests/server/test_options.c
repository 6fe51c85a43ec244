/* Options: precedence, refusals with the value seen, the lines at start. */
#include <CUnit/CUnit.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "server/options.h"

static status read_args(options *o, const char **dir, error *err, command_bit command, int n, const char *const *args)
{
    char *argv[8];
    for (int i = 0; i < n; i++) argv[i] = (char *)(uintptr_t)args[i];
    return options_read(o, command, n, argv, dir, err);
}
#define READ(o, dir, err, command, ...)                                                                                \
    read_args(o, dir, err, command, (int)(sizeof(const char *[]){__VA_ARGS__} / sizeof(char *)),                       \
              (const char *[]){__VA_ARGS__})

static void precedence(void)
{
    options o;
    const char *dir;
    error err;
    setenv("BEELINE_BATCH_TOKENS", "77", 1);
    setenv("BEELINE_MAX_INPUTS", "9", 1);
    CU_ASSERT_EQUAL(READ(&o, &dir, &err, COMMAND_SERVE, "some/dir", "--max-inputs", "10", "--auto-truncate=false"), OK);
    unsetenv("BEELINE_BATCH_TOKENS");
    unsetenv("BEELINE_MAX_INPUTS");
    CU_ASSERT_STRING_EQUAL(dir, "some/dir");
    CU_ASSERT_TRUE(o.batch_tokens == 77 && o.max_inputs == 10 && !o.auto_truncate && o.head_ms == 5000);
    CU_ASSERT_STRING_EQUAL(o.host, "127.0.0.1");
    CU_ASSERT_EQUAL(o.port, 8080);
    char line[160];
    CU_ASSERT_TRUE(options_line(&o, COMMAND_SERVE, 0, line));
    CU_ASSERT_STRING_EQUAL(line, "listen=127.0.0.1:8080 (default)");
    CU_ASSERT_TRUE(options_line(&o, COMMAND_SERVE, 5, line));
    CU_ASSERT_STRING_EQUAL(line, "batch-tokens=77 (environment)");
    CU_ASSERT_FALSE(options_line(&o, COMMAND_SERVE, 99, line));
}

/* With these two variables alone, either of them NULL. */
static const char *cache_dir(const char *first, const char *second, const char *given)
{
    static options o;
    const char *dir;
    char **saved = environ, *own[] = {(char *)(uintptr_t)first, (char *)(uintptr_t)second, NULL};
    error err;
    environ = first ? own : own + 2;
    status rc = given ? READ(&o, &dir, &err, COMMAND_SERVE, "--cache-dir", given)
                      : READ(&o, &dir, &err, COMMAND_SERVE, "--backend", "cpu");
    environ = saved;
    CU_ASSERT_EQUAL(rc, OK);
    return o.cache_dir;
}

static void the_cache_is_where_the_desktop_says(void)
{
    CU_ASSERT_STRING_EQUAL(cache_dir("HOME=/h", NULL, NULL), "/h/.cache/beeline");
    CU_ASSERT_STRING_EQUAL(cache_dir("HOME=/h", "XDG_CACHE_HOME=/c", NULL), "/c/beeline");
    CU_ASSERT_STRING_EQUAL(cache_dir("HOME=/h", "XDG_CACHE_HOME=relative", NULL), "/h/.cache/beeline");
    CU_ASSERT_STRING_EQUAL(cache_dir("HOME=/h", "BEELINE_CACHE_DIR=/b", NULL), "/b");
    CU_ASSERT_STRING_EQUAL(cache_dir(NULL, NULL, NULL), "");
    CU_ASSERT_STRING_EQUAL(cache_dir("HOME=/h", "XDG_CACHE_HOME=/c", "/given"), "/given");
    CU_ASSERT_STRING_EQUAL(cache_dir("HOME=/h", "XDG_CACHE_HOME=/c", ""), "");
}

static void addresses(void)
{
    static const struct {
        const char *listen, *host;
        int port;
    } rows[] = {{"[::1]:0", "::1", 0}, {"0.0.0.0:65535", "0.0.0.0", 65535}, {"localhost:80", "localhost", 80}};
    options o;
    const char *dir;
    error err;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        CU_ASSERT_EQUAL(READ(&o, &dir, &err, COMMAND_HEALTHCHECK, "--listen", rows[i].listen), OK);
        CU_ASSERT_STRING_EQUAL(o.host, rows[i].host);
        CU_ASSERT_EQUAL(o.port, rows[i].port);
    }
}

static void refusals(void)
{
    static const struct { const char *a, *b, *part;
    } rows[] = {{"--listen", "8080", "HOST:PORT"},    {"--listen", "x:65536", "HOST:PORT"},
                {"--listen", "x:8080y", "HOST:PORT"}, {"--listen", ":1", "HOST:PORT"},
                {"--listen", "x:+1", "HOST:PORT"},    {"--threads", "two", "\"two\", wanted an integer of 0 to 1024"},
                {"--threads", "-1", "\"-1\""},        {"--threads", "99999999999999999999", "integer"},
                {"--threads", "", "integer"},         {"--kernel", "sse", "sse"},
                {"--log-level", "loud", "loud"},      {"--backend", "gpu", "\"gpu\""},
                {"--batch-deadline-ms", "0", "1 to"},      {"--auto-truncate", "yes", "true or false"},
                {"--nope", "1", "no such option"},    {"dir1", "dir2", "one directory"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        options o;
        const char *dir;
        error err = {""};
        CU_ASSERT_EQUAL(READ(&o, &dir, &err, COMMAND_SERVE, rows[i].a, rows[i].b), BAD_INPUT);
        if (!strstr(err.text, rows[i].part)) fprintf(stderr, "%s %s: %s\n", rows[i].a, rows[i].b, err.text);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.text, rows[i].part));
    }
    options o;
    const char *dir;
    error err = {""};
    CU_ASSERT_EQUAL(READ(&o, &dir, &err, COMMAND_SERVE, "--threads"), BAD_INPUT);
    CU_ASSERT_EQUAL(READ(&o, &dir, &err, COMMAND_HEALTHCHECK, "--threads", "1"),
                    BAD_INPUT); /* not an option of this command */
}

void options_suite(CU_pSuite s)
{
    CU_add_test(s, "the command line wins over the environment, that over the default, and the lines say so",
                precedence);
    CU_add_test(s, "what is cached lies where XDG_CACHE_HOME or HOME say, else where it is told",
                the_cache_is_where_the_desktop_says);
    CU_add_test(s, "addresses of both families are read", addresses);
    CU_add_test(s, "what cannot be is refused with the value seen", refusals);
}
