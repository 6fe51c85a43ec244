#include "options.h"
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

typedef enum {
    KIND_TEXT,
    KIND_INT,
    KIND_BOOL,
    KIND_TIME
} kind; /* TIME: an int of milliseconds; "250ms", "2s", "3m" or "250" */
typedef struct {
    const char *name, *value; /* "--loops", "N" */
    kind kind;
    size_t field;
    const char *standard;
    int low, high; /* of KIND_INT and KIND_TIME */
    int commands;
    const char *what;
} row;

enum {
    SERVE = COMMAND_SERVE,
    CAPACITY = COMMAND_SERVE | COMMAND_CALIBRATE,
    ENGINE = COMMAND_SERVE | COMMAND_EMBED | COMMAND_CHECK | COMMAND_CALIBRATE,
    PACK = COMMAND_PACK,
    CLIENT = COMMAND_RELEASE | COMMAND_ROLLBACK | COMMAND_STATUS | COMMAND_INCIDENTS | COMMAND_REPORT | COMMAND_DRAIN,
    HOUR_MS = 3600000,
};
#define AT(field) offsetof(options, field)
#define CACHE_DIR "~/.cache/beeline"
static const row rows[] = {
    {"--listen", "HOST:PORT", KIND_TEXT, AT(listen), "127.0.0.1:8080", 0, 0, COMMAND_SERVE | COMMAND_HEALTHCHECK,
     "address; port 0: any free one"},
    {"--ops", "HOST:PORT", KIND_TEXT, AT(ops), "127.0.0.1:9090", 0, 0, SERVE | CLIENT,
     "of /metrics and /admin; unix:PATH: a socket for our own user; port 0: any free one"},
    {"--ops-keys", "FILE", KIND_TEXT, AT(ops_keys), "", 0, 0, SERVE | CLIENT,
     "keys that --ops wants, one a line, for its owner's eyes; a command uses the first"},
    {"--ops-certificate", "FILE", KIND_TEXT, AT(ops_certificate), "", 0, 0, SERVE, "TLS on --ops: certificates, PEM"},
    {"--ops-private-key", "FILE", KIND_TEXT, AT(ops_private_key), "", 0, 0, SERVE, "and their key, PEM"},
    {"--ops-ca", "FILE", KIND_TEXT, AT(ops_ca), "", 0, 0, CLIENT, "talk TLS to --ops, and trust these, PEM"},
    {"--insecure-ops", "BOOL", KIND_BOOL, AT(insecure_ops), "false", 0, 0, SERVE,
     "let --ops be an address that others reach, without keys and TLS"},
    {"--state", "DIR", KIND_TEXT, AT(state_dir), "", 0, 0, SERVE | COMMAND_REPORT,
     "what outlives the process: ledger, last good version, incidents; \"\": nothing does"},
    {"--versions", "DIR", KIND_TEXT, AT(versions_dir), "", 0, 0, SERVE,
     "where the directories of versions are; default: beside the one that is served"},
    {"--keep", "N", KIND_INT, AT(keep), "1", 0, 1, SERVE, "previous versions that stay loaded: 1 makes a rollback instant"},
    {"--incident-url", "URL", KIND_TEXT, AT(incident_url), "", 0, 0, SERVE, "incidents are posted there as JSON"},
    {"--backend", "NAME", KIND_TEXT, AT(backend), "auto", 0, 0, ENGINE,
     "cuda, cpu, or auto: cuda where there is a GPU, else cpu"},
    {"--threads", "N", KIND_INT, AT(threads), "0", 0, 1024, ENGINE,
     "threads that compute on the CPU; 0: one for each core"},
    {"--kernel", "NAME", KIND_TEXT, AT(kernel), "auto", 0, 0, ENGINE, "of the CPU: auto, portable, avx2, avx512, avx512vnni, avx512bf16 or amx"},
    {"--precision", "NAME", KIND_TEXT, AT(precision), "auto", 0, 0, ENGINE | PACK,
     "float32, float16, bfloat16 or int8; auto: what beeline.json declares, else float32 (a GPU: float16)"},
    {"--cache-dir", "DIR", KIND_TEXT, AT(cache_dir), CACHE_DIR, 0, 0, ENGINE,
     "what a GPU measured stays here; XDG_CACHE_HOME counts; \"\": nowhere"},
    {"--batch-tokens", "N", KIND_INT, AT(batch_tokens), "2048", 1, 1 << 20, ENGINE,
     "tokens of a batch, at most; at least the model's longest input"},
    {"--batch-sequences", "N", KIND_INT, AT(batch_sequences), "256", 1, 1 << 16, ENGINE,
     "sequences of a batch, at most"},
    {"--slo", "pNN=TIME", KIND_TEXT, AT(slo), "p99=100ms", 0, 0, CAPACITY | PACK,
     "the objective: so many of all requests within TIME; bounds a batch's time"},
    {"--max-wait", "TIME", KIND_TIME, AT(max_wait_ms), "1s", 1, HOUR_MS, CAPACITY,
     "who would wait longer in the queue is refused: 429 with Retry-After"},
    {"--capacity", "FILE", KIND_TEXT, AT(capacity), "", 0, 0, CAPACITY,
     "what calibrate measured; default: in --cache-dir, by model and device"},
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
    {"--dump-dir", "DIR", KIND_TEXT, AT(dump_dir), "/tmp", 0, 0, SERVE, "where SIGUSR1 writes the flight recorder"},
    {"--name", "NAME", KIND_TEXT, AT(pack_name), "", 0, 0, PACK, "the model's name: letters, digits, '.', '_', '-'"},
    {"--version", "NAME", KIND_TEXT, AT(pack_version), "", 0, 0, PACK, "this version's, likewise"},
    {"--owner", "TEAM", KIND_TEXT, AT(owner), "", 0, 0, PACK, "who answers for it"},
    {"--contact", "TEXT", KIND_TEXT, AT(contact), "", 0, 0, PACK, "how to reach them"},
    {"--runbook", "URL", KIND_TEXT, AT(runbook), "", 0, 0, PACK, "what to do when something breaks"},
    {"--availability", "SHARE", KIND_TEXT, AT(availability), "0.999", 0, 0, PACK, "share of requests that must not fail"},
    {"--golden", "FILE", KIND_TEXT, AT(golden), "", 0, 0, PACK,
     "texts and rows of the reference, {\"text\", \"row\"} a line; default: ours, of texts of our own"},
    {"--against", "DIR", KIND_TEXT, AT(against), "", 0, 0, COMMAND_CHECK, "also: would it break the clients of this version?"},
    {"--reason", "TEXT", KIND_TEXT, AT(reason), "", 0, 0, COMMAND_RELEASE | COMMAND_ROLLBACK, "why, for the ledger"},
    {"--breaking", "BOOL", KIND_BOOL, AT(breaking), "false", 0, 0, COMMAND_RELEASE,
     "although it breaks the contract of the version that answers"},
    {"--shadow", "TIME", KIND_TIME, AT(shadow_ms), "0s", 0, HOUR_MS, COMMAND_RELEASE,
     "before the switch, run a sample of live texts on both for so long"},
    {"--bake", "TIME", KIND_TIME, AT(bake_ms), "2m", 0, HOUR_MS, COMMAND_RELEASE,
     "after the switch, watch for so long, and go back by itself if it is worse"},
    {"--note", "TEXT", KIND_TEXT, AT(note), "", 0, 0, COMMAND_INCIDENTS, "what it was, for resolve"},
    {"--watch", "BOOL", KIND_BOOL, AT(watch), "false", 0, 0, COMMAND_STATUS, "again every second"},
    {"--json", "BOOL", KIND_BOOL, AT(json), "false", 0, 0,
     COMMAND_CHECK | COMMAND_STATUS | COMMAND_INCIDENTS | COMMAND_REPORT, "for programs"},
    {"--log-level", "LEVEL", KIND_TEXT, AT(log_level), "info", 0, 0, ENGINE | PACK, "debug, info, warn or error"},
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
    const bool time = r->kind == KIND_TIME, ms = time && !strcmp(end, "ms");
    const int unit = time && !strcmp(end, "s") ? 1000 : time && !strcmp(end, "m") ? 60000 : 0;
    if (unit && v <= r->high) v *= unit;
    if (errno || end == text || (*end && !unit && !ms) || v < r->low || v > r->high) {
        if (r->kind == KIND_TIME)
            return fail(err, BAD_INPUT, "%s is \"%.40s\", wanted a time of %dms to %ds, such as 250ms", r->name, text,
                        r->low, r->high / 1000);
        return fail(err, BAD_INPUT, "%s is \"%.40s\", wanted an integer of %d to %d", r->name, text, r->low, r->high);
    }
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
static status split_address(const char *name, const char *given, char split[256], int *to, error *err)
{
    const char *colon = strrchr(given, ':'), *host = given;
    size_t n = colon ? (size_t)(colon - host) : 0;
    char *end = NULL;
    long port = colon && isdigit((unsigned char)colon[1]) ? strtol(colon + 1, &end, 10) : -1;
    if (n >= 2 && host[0] == '[' && host[n - 1] == ']') host++, n -= 2;
    if (!n || n >= 256 || port < 0 || port > 65535 || *end)
        return fail(err, BAD_INPUT, "%s is \"%.80s\", wanted HOST:PORT such as 127.0.0.1:8080", name, given);
    memcpy(split, host, n);
    split[n] = 0;
    *to = (int)port;
    return OK;
}

enum { UNIX_PATH_MAX = 107 }; /* sun_path, with its NUL */

static status split_ops(options *o, error *err)
{
    if (strncmp(o->ops, "unix:", 5)) return split_address("--ops", o->ops, o->ops_host, &o->ops_port, err);
    o->ops_unix = o->ops + 5;
    const size_t n = strlen(o->ops_unix);
    if (n >= 1 && n <= UNIX_PATH_MAX) return OK;
    return fail(err, BAD_INPUT, "--ops is a socket's path of %zu bytes, wanted 1 to %d", n, UNIX_PATH_MAX);
}

/* Whoever reaches the ops port may read what the server does, and release versions onto it. */
static status check_ops(const options *o, error *err)
{
    unsigned char address[sizeof(struct in6_addr)];
    const bool loopback = o->ops_unix || (inet_pton(AF_INET, o->ops_host, address) == 1 && address[0] == 127) ||
                          !strcmp(o->ops_host, "::1") || !strcmp(o->ops_host, "localhost");
    if (!*o->ops_certificate != !*o->ops_private_key)
        return fail(err, BAD_INPUT, "--ops-certificate is \"%.60s\" and --ops-private-key \"%.60s\", wanted both or none",
                    o->ops_certificate, o->ops_private_key);
    if (o->insecure_ops || loopback || (*o->ops_keys && *o->ops_certificate)) return OK;
    return fail(err, BAD_INPUT,
                "--ops is \"%.80s\", which others reach; wanted a loopback address or unix:PATH, --ops-keys with "
                "--ops-certificate and --ops-private-key, or --insecure-ops",
                o->ops);
}

/* "p99=100ms", "p99.9=2s" */
static status split_slo(options *o, error *err)
{
    char *end = NULL;
    double share = o->slo[0] == 'p' && isdigit((unsigned char)o->slo[1]) ? strtod(o->slo + 1, &end) : 0;
    long time = end && *end == '=' && isdigit((unsigned char)end[1]) ? strtol(end + 1, &end, 10) : 0;
    const bool seconds = end && !strcmp(end, "s");
    if (seconds && time <= HOUR_MS) time *= 1000;
    if (!(share >= 50 && share < 100) || time < 1 || time > HOUR_MS || (!seconds && strcmp(end, "ms")))
        return fail(err, BAD_INPUT, "--slo is \"%.40s\", wanted p50 to p99.99 and 1ms to 3600s, such as p99=100ms",
                    o->slo);
    o->objective_ms = (int)time;
    o->objective_ratio = share / 100;
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
    static const char *const kernels[] = {"auto",       "portable",   "avx2", "avx512",
                                          "avx512vnni", "avx512bf16", "amx",  NULL},
                             *const precisions[] = {"auto", "float32", "float16", "bfloat16", "int8", NULL},
                             *const backends[] = {"auto", "cpu", "cuda", NULL},
                             *const levels[] = {"debug", "info", "warn", "error", NULL};
    const struct {
        const char *name, *value;
        const char *const *allowed;
    } words[] = {
        {"--backend", o->backend, backends}, {"--kernel", o->kernel, kernels},
        {"--precision", o->precision, precisions}, {"--log-level", o->log_level, levels}};
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

static bool is_bool(const char *word) { return !strcmp(word, "true") || !strcmp(word, "false"); }

status options_read(options *out, command_bit command, int argc, char **argv, error *err)
{
    memset(out, 0, sizeof *out);
    for (int i = 0; i < ROWS; i++) {
        const char *value = rows[i].commands & (int)command ? from_environment(&rows[i]) : NULL;
        source[i] = value ? "environment" : "default";
        status rc = set(out, &rows[i], value ? value : rows[i].standard, err);
        if (rc != OK) return rc;
    }
    for (int a = 0; a < argc; a++) {
        const char *value;
        if (strncmp(argv[a], "--", 2)) {
            if (out->n_words == OPTIONS_WORDS)
                return fail(err, BAD_INPUT, "\"%.60s\": more words than any command takes", argv[a]);
            out->word[out->n_words++] = argv[a];
            continue;
        }
        int i = find_row(argv[a], command, &value);
        if (i < 0) return fail(err, BAD_INPUT, "%.60s: no such option (see beeline --help)", argv[a]);
        const bool bare = !value && rows[i].kind == KIND_BOOL && (a + 1 == argc || !is_bool(argv[a + 1]));
        if (!value && !bare && a + 1 == argc) return fail(err, BAD_INPUT, "%s: wants %s", rows[i].name, rows[i].value);
        status rc = set(out, &rows[i], bare ? "true" : value ? value : argv[++a], err);
        if (rc != OK) return rc;
        source[i] = "command line";
    }
    find_cache_dir(out);
    status rc = split_address("--listen", out->listen, out->host, &out->port, err);
    if (rc == OK && (command & (SERVE | CLIENT))) rc = split_ops(out, err);
    if (rc == OK && (command & SERVE)) rc = check_ops(out, err);
    if (rc == OK && (command & (CAPACITY | PACK))) rc = split_slo(out, err);
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

/* The path of an URL may be a secret, as a webhook's is. */
static int shown(const char *text)
{
    const char *host = strncmp(text, "http", 4) ? NULL : strstr(text, "://");
    const size_t n = host ? (size_t)(host + 3 - text) + strcspn(host + 3, "/?") : strlen(text);
    return n < 80 ? (int)n : 80;
}

bool options_line(const options *o, command_bit command, int n, char line[160])
{
    for (int i = 0; i < ROWS; i++) {
        const row *r = &rows[i];
        const char *field = (const char *)o + r->field, *text;
        char number[16];
        if (!(r->commands & (int)command) || n-- > 0) continue;
        if (r->kind == KIND_TEXT) {
            memcpy(&text, field, sizeof text);
            if (!text) text = ""; /* not read from a command line */
        } else {
            int whole = 0;
            bool yes = false;
            if (r->kind != KIND_BOOL) memcpy(&whole, field, sizeof whole);
            else memcpy(&yes, field, sizeof yes);
            snprintf(number, sizeof number, r->kind == KIND_TIME ? "%dms" : "%d", whole);
            text = r->kind != KIND_BOOL ? number : yes ? "true" : "false";
        }
        snprintf(line, 160, "%s=%.*s (%s)", r->name + 2, shown(text), text, source[i]);
        return true;
    }
    return false;
}
