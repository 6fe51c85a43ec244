#include "options.h"
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

typedef enum { KIND_TEXT, KIND_INT, KIND_BOOL } kind;
typedef struct {
    const char *name, *value; /* "--loops", "N" */
    kind        kind;
    size_t      field;
    const char *standard;
    int         low, high;    /* of KIND_INT */
    int         commands;
    const char *what;
} row;

enum { SERVE = COMMAND_SERVE, ENGINE = COMMAND_SERVE | COMMAND_EMBED | COMMAND_CHECK, HOUR_MS = 3600000 };
#define AT(field) offsetof(options, field)
#define CACHE_DIR "~/.cache/beeline"
static const row rows[] = {
    {"--listen", "HOST:PORT", KIND_TEXT, AT(listen), "127.0.0.1:8080", 0, 0, COMMAND_SERVE | COMMAND_HEALTHCHECK,
     "address; port 0: any free one"},
    {"--backend", "NAME", KIND_TEXT, AT(backend), "auto", 0, 0, ENGINE,
     "cuda, cpu, or auto: cuda where there is a GPU, else cpu"},
    {"--threads", "N", KIND_INT, AT(threads), "0", 0, 1024, ENGINE,
     "threads that compute on the CPU; 0: one for each core"},
    {"--kernel", "NAME", KIND_TEXT, AT(kernel), "auto", 0, 0, ENGINE, "of the CPU: auto, portable, avx2 or avx512"},
    {"--cache-dir", "DIR", KIND_TEXT, AT(cache_dir), CACHE_DIR, 0, 0, ENGINE,
     "what a GPU measured stays here; XDG_CACHE_HOME counts; \"\": nowhere"},
    {"--batch-tokens", "N", KIND_INT, AT(batch_tokens), "2048", 1, 1 << 20, ENGINE,
     "tokens of a batch, at most; at least the model's longest input"},
    {"--batch-sequences", "N", KIND_INT, AT(batch_sequences), "256", 1, 1 << 16, ENGINE,
     "sequences of a batch, at most"},
    {"--queue-tokens", "N", KIND_INT, AT(queue_tokens), "32768", 1, 1 << 30, SERVE,
     "tokens that may wait; beyond: 429 with Retry-After"},
    {"--max-inputs", "N", KIND_INT, AT(max_inputs), "256", 1, 1 << 16, SERVE, "inputs of one request"},
    {"--auto-truncate", "BOOL", KIND_BOOL, AT(auto_truncate), "true", 0, 0, SERVE,
     "cut too long inputs where a request does not say"},
    {"--model-name", "NAME", KIND_TEXT, AT(model_name), "", 0, 0, SERVE, "name in replies; default: the directory's"},
    {"--loops", "N", KIND_INT, AT(loops), "0", 0, 256, SERVE, "threads for connections; 0: one for every four cores"},
    {"--parse-threads", "N", KIND_INT, AT(parse_threads), "1", 1, 256, SERVE, "threads for bodies above 16 KiB"},
    {"--max-connections", "N", KIND_INT, AT(max_connections), "4096", 1, 1 << 20, SERVE,
     "connections at once; beyond: 503"},
    {"--max-body-kib", "N", KIND_INT, AT(max_body_kib), "2048", 1, 1 << 20, SERVE, "KiB of one body"},
    {"--max-parsing-mib", "N", KIND_INT, AT(max_parsing_mib), "256", 1, 1 << 16, SERVE,
     "MiB of all bodies in memory at once; beyond: 503"},
    {"--head-ms", "MS", KIND_INT, AT(head_ms), "5000", 1, HOUR_MS, SERVE, "time for a request's head"},
    {"--body-ms", "MS", KIND_INT, AT(body_ms), "10000", 1, HOUR_MS, SERVE, "time for a request's body"},
    {"--idle-ms", "MS", KIND_INT, AT(idle_ms), "60000", 1, HOUR_MS, SERVE, "an idle connection is closed after this"},
    {"--write-stall-ms", "MS", KIND_INT, AT(write_stall_ms), "10000", 1, HOUR_MS, SERVE,
     "a client that reads nothing is closed after this"},
    {"--drain-ms", "MS", KIND_INT, AT(drain_ms), "20000", 0, HOUR_MS, SERVE,
     "time to answer what is in flight after SIGTERM"},
    {"--batch-deadline-ms", "MS", KIND_INT, AT(batch_deadline_ms), "2000", 1, HOUR_MS, SERVE,
     "a GPU that takes longer for a batch hangs: the process ends"},
    {"--log-level", "LEVEL", KIND_TEXT, AT(log_level), "info", 0, 0, ENGINE, "debug, info, warn or error"},
};
enum { ROWS = sizeof rows / sizeof *rows };
static const char *source[ROWS]; /* where each value came from: written by options_read(), once, before threads */

static status set(options *o, const row *r, const char *text, error *err)
{
    char *field = (char *)o + r->field, *end;
    if (r->kind == KIND_TEXT) {
        memcpy(field, &text, sizeof text);
        return OK;
    }
    if (r->kind == KIND_BOOL) {
        bool yes = !strcmp(text, "true");
        if (!yes && strcmp(text, "false"))
            return fail(err, BAD_INPUT, "%s is \"%.40s\", wanted true or false", r->name, text);
        memcpy(field, &yes, sizeof yes);
        return OK;
    }
    errno = 0;
    long v = strtol(text, &end, 10);
    if (errno || end == text || *end || v < r->low || v > r->high)
        return fail(err, BAD_INPUT, "%s is \"%.40s\", wanted an integer of %d to %d", r->name, text, r->low, r->high);
    int whole = (int)v;
    memcpy(field, &whole, sizeof whole);
    return OK;
}

static const char *from_environment(const row *r)
{
    char name[64] = "BEELINE_";
    size_t n = strlen(name);
    for (const char *p = r->name + 2; *p && n + 1 < sizeof name; p++)
        name[n++] = *p == '-' ? '_' : (char)toupper((unsigned char)*p);
    name[n] = 0;
    return getenv(name);
}

/* "127.0.0.1:8080", "[::1]:8080", "name:0" */
static status split_listen(options *o, error *err)
{
    const char *colon = strrchr(o->listen, ':'), *host = o->listen;
    size_t n = colon ? (size_t)(colon - host) : 0;
    char  *end = NULL;
    long   port = colon && isdigit((unsigned char)colon[1]) ? strtol(colon + 1, &end, 10) : -1;
    if (n >= 2 && host[0] == '[' && host[n - 1] == ']') host++, n -= 2;
    if (!n || n >= sizeof o->host || port < 0 || port > 65535 || *end)
        return fail(err, BAD_INPUT, "--listen is \"%.80s\", wanted HOST:PORT such as 127.0.0.1:8080", o->listen);
    memcpy(o->host, host, n);
    o->host[n] = 0;
    o->port = (int)port;
    return OK;
}

/* The default is where the desktop's rules put it; without a home there is none. */
static void find_cache_dir(options *o)
{
    static char path[4096]; /* outlives every copy of the options; written once, before threads */
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    if (strcmp(o->cache_dir, CACHE_DIR)) return;
    int n = 0;
    if (cache && *cache == '/') n = snprintf(path, sizeof path, "%s/beeline", cache);
    else if (home && *home == '/') n = snprintf(path, sizeof path, "%s/.cache/beeline", home);
    o->cache_dir = n > 0 && n < (int)sizeof path ? path : "";
}

static status check_words(const options *o, error *err)
{
    static const char *const kernels[] = {"auto", "portable", "avx2", "avx512", NULL},
                             *const backends[] = {"auto", "cpu", "cuda", NULL},
                             *const levels[] = {"debug", "info", "warn", "error", NULL};
    const struct {
        const char *name, *value;
        const char *const *allowed;
    } words[] = {{"--backend", o->backend, backends},
                 {"--kernel", o->kernel, kernels},
                 {"--log-level", o->log_level, levels}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        const char *const *w = words[i].allowed;
        while (*w && strcmp(*w, words[i].value)) w++;
        if (!*w)
            return fail(err, BAD_INPUT, "%s is \"%.40s\", wanted one of those in --help", words[i].name,
                        words[i].value);
    }
    return OK;
}

/* The row of "--name" or "--name=value"; *value is what follows the '=' or NULL. */
static int find_row(const char *arg, command_bit command, const char **value)
{
    const char *equals = strchr(arg, '=');
    size_t n = equals ? (size_t)(equals - arg) : strlen(arg);
    *value = equals ? equals + 1 : NULL;
    for (int i = 0; i < ROWS; i++)
        if ((rows[i].commands & (int)command) && strlen(rows[i].name) == n && !memcmp(rows[i].name, arg, n)) return i;
    return -1;
}

status options_read(options *out, command_bit command, int argc, char **argv, const char **positional, error *err)
{
    memset(out, 0, sizeof *out);
    *positional = NULL;
    for (int i = 0; i < ROWS; i++) {
        const char *value = rows[i].commands & (int)command ? from_environment(&rows[i]) : NULL;
        source[i] = value ? "environment" : "default";
        status rc = set(out, &rows[i], value ? value : rows[i].standard, err);
        if (rc != OK) return rc;
    }
    for (int a = 0; a < argc; a++) {
        const char *value;
        if (strncmp(argv[a], "--", 2)) {
            if (*positional)
                return fail(err, BAD_INPUT, "\"%.60s\": one directory is wanted, \"%.60s\" is given too", argv[a],
                            *positional);
            *positional = argv[a];
            continue;
        }
        int i = find_row(argv[a], command, &value);
        if (i < 0) return fail(err, BAD_INPUT, "%.60s: no such option (see beeline --help)", argv[a]);
        if (!value && a + 1 == argc) return fail(err, BAD_INPUT, "%s: wants %s", rows[i].name, rows[i].value);
        status rc = set(out, &rows[i], value ? value : argv[++a], err);
        if (rc != OK) return rc;
        source[i] = "command line";
    }
    find_cache_dir(out);
    status rc = split_listen(out, err);
    return rc == OK ? check_words(out, err) : rc;
}

void options_help(FILE *f, command_bit command)
{
    for (int i = 0; i < ROWS; i++) {
        char left[40];
        if (!(rows[i].commands & (int)command)) continue;
        snprintf(left, sizeof left, "%s %s", rows[i].name, rows[i].value);
        fprintf(f, "  %-24s %s%s%s%s\n", left, rows[i].what, *rows[i].standard ? " [" : "", rows[i].standard,
                *rows[i].standard ? "]" : "");
    }
}

bool options_line(const options *o, command_bit command, int n, char line[160])
{
    for (int i = 0; i < ROWS; i++) {
        const row  *r = &rows[i];
        const char *field = (const char *)o + r->field, *text;
        char number[16];
        if (!(r->commands & (int)command) || n-- > 0) continue;
        if (r->kind == KIND_TEXT) {
            memcpy(&text, field, sizeof text);
        } else {
            int whole = 0;
            bool yes = false;
            if (r->kind == KIND_INT) memcpy(&whole, field, sizeof whole);
            else memcpy(&yes, field, sizeof yes);
            snprintf(number, sizeof number, "%d", whole);
            text = r->kind == KIND_INT ? number : yes ? "true" : "false";
        }
        snprintf(line, 160, "%s=%.80s (%s)", r->name + 2, text, source[i]);
        return true;
    }
    return false;
}
