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
    char *argv[10];
    for (int i = 0; i < n; i++) argv[i] = (char *)(uintptr_t)args[i];
    const status rc = options_read(o, command, n, argv, err);
    *dir = o->n_words ? o->word[0] : NULL;
    return rc;
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
    CU_ASSERT_TRUE(options_line(&o, COMMAND_SERVE, 15, line));
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
    static const struct {
        const char *a, *b, *part;
    } rows[] = {{"--listen", "8080", "HOST:PORT"},
                {"--listen", "x:65536", "HOST:PORT"},
                {"--listen", "x:8080y", "HOST:PORT"},
                {"--listen", ":1", "HOST:PORT"},
                {"--listen", "x:+1", "HOST:PORT"},
                {"--threads", "two", "\"two\", wanted an integer of 0 to 1024"},
                {"--threads", "-1", "\"-1\""},
                {"--threads", "99999999999999999999", "integer"},
                {"--threads", "", "integer"},
                {"--kernel", "sse", "sse"},
                {"--log-level", "loud", "loud"},
                {"--backend", "gpu", "\"gpu\""},
                {"--batch-deadline-ms", "0", "1 to"},
                {"--auto-truncate=yes", "x", "true or false"},
                {"--nope", "1", "no such option"},
                {"--insecure-ops=maybe", "x", "true or false"},
                {"--max-wait", "soon", "\"soon\", wanted a time of 1ms to 3600s"},
                {"--max-wait", "0", "a time of"},
                {"--max-wait", "3601s", "a time of"},
                {"--max-wait", "61m", "a time of"},
                {"--max-wait", "99999999999999999999s", "a time of"},
                {"--slo", "10ms", "such as p99=100ms"},
                {"--slo", "p99", "such as"},
                {"--slo", "p99=10", "such as"},
                {"--slo", "p100=10ms", "such as"},
                {"--slo", "p49=10ms", "such as"},
                {"--slo", "p99=0ms", "such as"},
                {"--slo", "p99=3601s", "such as"},
                {"--slo", "", "such as"},
                {"--ops", "9090", "--ops is \"9090\", wanted HOST:PORT"},
                {"--ops", "0.0.0.0:9090", "which others reach"},
                {"--ops", "unix:", "0 bytes, wanted 1 to 107"},
                {"--ops-certificate", "c.pem", "wanted both or none"},
                {"--keep", "2", "0 to 1"}};
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

static void times_and_the_objective(void)
{
    static const struct {
        const char *wait, *slo;
        int wait_ms, objective_ms;
        double ratio;
    } rows[] = {
        {"250", "p99=10ms", 250, 10, 0.99}, {"250ms", "p99.9=2s", 250, 2000, 0.999}, {"2s", "p50=1ms", 2000, 1, 0.5}};
    options o;
    const char *dir;
    error err;
    char line[160];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        CU_ASSERT_EQUAL(READ(&o, &dir, &err, COMMAND_SERVE, "--max-wait", rows[i].wait, "--slo", rows[i].slo), OK);
        CU_ASSERT_EQUAL(o.max_wait_ms, rows[i].wait_ms);
        CU_ASSERT_EQUAL(o.objective_ms, rows[i].objective_ms);
        CU_ASSERT_DOUBLE_EQUAL(o.objective_ratio, rows[i].ratio, 1e-12);
    }
    for (int i = 0; options_line(&o, COMMAND_SERVE, i, line) && strncmp(line, "max-wait", 8); i++) {
    }
    CU_ASSERT_STRING_EQUAL(line, "max-wait=2000ms (command line)");
}

static void the_ops_port_is_this_machine_s_alone(void)
{
    options o;
    const char *dir;
    error err;
    CU_ASSERT_EQUAL(READ(&o, &dir, &err, COMMAND_SERVE, "--ops", "[::1]:1"), OK);
    CU_ASSERT(!strcmp(o.ops_host, "::1") && o.ops_port == 1);
    CU_ASSERT_EQUAL(READ(&o, &dir, &err, COMMAND_SERVE, "--ops", "127.0.0.2:0"), OK);
    CU_ASSERT_EQUAL(READ(&o, &dir, &err, COMMAND_SERVE, "--ops", "10.0.0.1:1"), BAD_INPUT);
    CU_ASSERT_EQUAL(READ(&o, &dir, &err, COMMAND_SERVE, "--ops", "10.0.0.1:1", "--insecure-ops", "true"), OK);
    CU_ASSERT_EQUAL(READ(&o, &dir, &err, COMMAND_SERVE, "--ops", "10.0.0.1:1", "--insecure-ops"), OK);
    CU_ASSERT_EQUAL(READ(&o, &dir, &err, COMMAND_SERVE, "--ops", "10.0.0.1:1", "--insecure-ops", "false"), BAD_INPUT);
    CU_ASSERT_EQUAL(READ(&o, &dir, &err, COMMAND_SERVE, "--ops", "10.0.0.1:1", "--ops-keys", "k"), BAD_INPUT);
    CU_ASSERT_EQUAL(READ(&o, &dir, &err, COMMAND_SERVE, "--ops", "10.0.0.1:1", "--ops-keys", "k", "--ops-certificate",
                         "c", "--ops-private-key", "p"),
                    OK);
    CU_ASSERT_EQUAL(READ(&o, &dir, &err, COMMAND_SERVE, "--ops", "unix:/run/x"), OK);
    CU_ASSERT_STRING_EQUAL(o.ops_unix, "/run/x");
    CU_ASSERT_EQUAL(READ(&o, &dir, &err, COMMAND_SERVE, "--ops", "127.evil.example:1"), BAD_INPUT);
}

static void words_and_bare_options(void)
{
    options o;
    const char *dir;
    error err;
    CU_ASSERT_EQUAL(READ(&o, &dir, &err, COMMAND_RELEASE, "--breaking", "v2", "--bake", "2m", "--shadow", "30s"), OK);
    CU_ASSERT(o.breaking && o.n_words == 1 && o.bake_ms == 120000 && o.shadow_ms == 30000);
    CU_ASSERT_STRING_EQUAL(dir, "v2");
    CU_ASSERT_EQUAL(READ(&o, &dir, &err, COMMAND_STATUS, "--watch"), OK);
    CU_ASSERT(o.watch && !o.json && !o.n_words);
    CU_ASSERT_EQUAL(READ(&o, &dir, &err, COMMAND_INCIDENTS, "resolve", "id", "--note", "because"), OK);
    CU_ASSERT(o.n_words == 2 && !strcmp(o.word[1], "id") && !strcmp(o.note, "because"));
    CU_ASSERT_EQUAL(READ(&o, &dir, &err, COMMAND_INCIDENTS, "a", "b", "c", "d"), BAD_INPUT);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "\"d\""));
}

void options_suite(CU_pSuite s)
{
    CU_add_test(s, "words are kept in order, and a yes-or-no option needs none", words_and_bare_options);
    CU_add_test(s, "the command line wins over the environment, that over the default, and the lines say so",
                precedence);
    CU_add_test(s, "what is cached lies where XDG_CACHE_HOME or HOME say, else where it is told",
                the_cache_is_where_the_desktop_says);
    CU_add_test(s, "addresses of both families are read", addresses);
    CU_add_test(s, "times are read with their unit, the objective with its share", times_and_the_objective);
    CU_add_test(s, "the ops port is on loopback unless one insists", the_ops_port_is_this_machine_s_alone);
    CU_add_test(s, "what cannot be is refused with the value seen", refusals);
}
