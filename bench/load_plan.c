#include "load_plan.h"
#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "quantity.h"

static const int mixed[] = {
#include "lengths.inc"
};
enum { MIXED = sizeof mixed / sizeof *mixed };
static const int64_t TIMEOUT_NS = 30000000000, GRACE_NS = 10000000000;

enum { RATE, DURATION, WARMUP, CONNECTIONS, CONCURRENCY, TOKENS, INPUTS, SEED, DEADLINE, LEAVE, NUMBERS };
static const struct {
    const char *name, *wanted;
    size_t field;
    const quantity_unit *units;
    double least, most, usual;
} numbers[NUMBERS] = {
    [RATE] = {"--rate", "requests/s, as 0.5, 500 or 5k", offsetof(bench_options, rate), quantity_rates, 1e-3, 1e6, 100},
    [DURATION] = {"--duration", "100ms to 60m", offsetof(bench_options, duration), quantity_times, 1e8, 3.6e12, 10e9},
    [WARMUP] = {"--warmup", "0s to 10m", offsetof(bench_options, warmup), quantity_spans, 0, 6e11, 10e9},
    [CONNECTIONS] = {"--connections", "1 to 8192", offsetof(bench_options, connections), quantity_counts, 1,
                     LOAD_CONNECTIONS_MAX, 64},
    [CONCURRENCY] = {"--concurrency", "1 to 8192", offsetof(bench_options, concurrency), quantity_counts, 1,
                     LOAD_CONNECTIONS_MAX, 0},
    [TOKENS] = {"--tokens", "3 to 65536", offsetof(bench_options, tokens), quantity_counts, 3, LOAD_TOKENS_MAX, 0},
    [INPUTS] = {"--inputs", "1 to 4096", offsetof(bench_options, inputs), quantity_counts, 1, LOAD_INPUTS_MAX, 1},
    [SEED] = {"--seed", "a whole number below 10^15", offsetof(bench_options, seed), quantity_counts, 0, 1e15, 1},
    [DEADLINE] = {"--deadline-ms", "1 to 3600000", offsetof(bench_options, deadline_ms), quantity_counts, 1, 3.6e6, 0},
    [LEAVE] = {"--leave", "a share, as 0.05 or 5%", offsetof(bench_options, leave), quantity_shares, 0, 1, 0},
};

static status read_numbers(double *out, const bench_options *o, error *err)
{
    for (int i = 0; i < NUMBERS; i++) {
        const char *text = *(const char *const *)((const char *)o + numbers[i].field);
        out[i] = numbers[i].usual;
        if (!text) continue;
        out[i] = quantity_read(text, numbers[i].units);
        const bool whole = numbers[i].units != quantity_counts || out[i] == floor(out[i]);
        if (!whole || !(out[i] >= numbers[i].least) || out[i] > numbers[i].most)
            return fail(err, BAD_INPUT, "%s %.60s: wanted %s", numbers[i].name, text, numbers[i].wanted);
    }
    return OK;
}

/* `n` characters of `from`, all of them printable and none of `forbidden`, into out [room]. */
static bool take(char *out, size_t room, const char *from, size_t n, const char *forbidden)
{
    if (!n || n >= room) return false;
    for (size_t i = 0; i < n; i++)
        if (from[i] <= ' ' || from[i] > '~' || strchr(forbidden, from[i])) return false;
    memcpy(out, from, n);
    out[n] = 0;
    return true;
}

/* http://HOST[:PORT], and what follows. */
static bool read_authority(char host_out[256], char port_out[6], const char **path_out, const char *url)
{
    static const char scheme[] = "http://";
    const char *host = url + sizeof scheme - 1, *close = NULL;
    bool good = !strncmp(url, scheme, sizeof scheme - 1);
    size_t authority = good ? strcspn(host, "/") : 0;
    const char *path = host + authority;
    if (good && *host == '[') close = memchr(host, ']', authority);
    const char *name = close ? host + 1 : host;
    const char *end = close ? close : good ? memchr(host, ':', authority) : NULL;
    if (!end) end = path;
    const char *port = close ? close + 1 : end;
    strcpy(port_out, "80");
    good = good && take(host_out, 256, name, (size_t)(end - name), close ? "[]@%?#" : "[]@%?#:");
    if (good && port < path) {
        const size_t digits = (size_t)(path - port) - 1;
        good = *port == ':' && take(port_out, 6, port + 1, digits, "");
        good = good && strspn(port_out, "0123456789") == digits && atoi(port_out) >= 1 && atoi(port_out) <= 65535;
    }
    *path_out = path;
    return good;
}

static status read_url(load_plan *p, const char *url, error *err)
{
    const char *path;
    bool good = read_authority(p->host, p->port, &path, url);
    good = good && take(p->path, sizeof p->path, path, strlen(path), "#");
    return good ? OK : fail(err, BAD_INPUT, "%.120s: wanted http://HOST:PORT/PATH", url);
}

static status read_lengths(load_plan *p, const char *file, error *err)
{
    status rc = OK;
    char line[64];
    FILE *f = fopen(file, "r");
    if (!f) return fail(err, IO_FAILED, "--lengths %.120s: cannot be read", file);
    while (rc == OK && fgets(line, sizeof line, f)) {
        char *end;
        const long n = strtol(line, &end, 10);
        if (end == line || (*end && *end != '\n') || n < 3 || n > LOAD_TOKENS_MAX)
            rc = fail(err, BAD_INPUT, "--lengths %.120s, line %d: wanted one number, 3 to %d", file, p->n_lengths + 1,
                      LOAD_TOKENS_MAX);
        else if (p->n_lengths == LOAD_LENGTHS_MAX)
            rc = fail(err, BAD_INPUT, "--lengths %.120s: more than %d lines", file, LOAD_LENGTHS_MAX);
        else p->lengths[p->n_lengths++] = (int)n;
    }
    fclose(f);
    if (rc == OK && !p->n_lengths) rc = fail(err, EMPTY, "--lengths %.120s: no line in it", file);
    return rc;
}

static status read_ops(load_plan *p, const char *url, error *err)
{
    const char *path = "";
    const bool good = read_authority(p->ops_host, p->ops_port, &path, url) && (!*path || !strcmp(path, "/"));
    return good ? OK : fail(err, BAD_INPUT, "--ops %.120s: wanted http://HOST:PORT of the ops port", url);
}

/* "burst:3x50ms" */
static bool read_burst(load_burst *out, const char *text)
{
    const char *end;
    out->ratio = quantity_at(text, quantity_counts, &end);
    const double each_ns = *end == 'x' ? quantity_read(end + 1, quantity_times) : NAN;
    out->each_ns = each_ns >= 1e6 && each_ns <= 60e9 ? (int64_t)each_ns : 0;
    return out->ratio > 1 && out->ratio <= 1000 && out->each_ns;
}

static status read_arrivals(load_plan *p, const bench_options *o, error *err)
{
    static const char burst[] = "burst:", file[] = "file:";
    const char *how = o->arrivals ? o->arrivals : "poisson";
    if (o->concurrency && (o->arrivals || o->rate || o->connections))
        return fail(err, BAD_INPUT, "--concurrency and %s: wanted one of them, a closed loop has no schedule",
                    o->arrivals ? "--arrivals"
                    : o->rate   ? "--rate"
                                : "--connections");
    if (o->concurrency) p->arrivals = LOAD_CLOSED;
    else if (!strcmp(how, "poisson")) p->arrivals = LOAD_POISSON;
    else if (!strcmp(how, "fixed")) p->arrivals = LOAD_FIXED;
    else if (!strncmp(how, burst, sizeof burst - 1) && read_burst(&p->burst, how + sizeof burst - 1))
        p->arrivals = LOAD_BURST;
    else if (!strncmp(how, file, sizeof file - 1) && how[sizeof file - 1]) p->arrivals = LOAD_REPLAY;
    else return fail(err, BAD_INPUT, "--arrivals %.60s: wanted poisson, fixed, burst:3x50ms or file:FILE", how);
    if (p->arrivals != LOAD_REPLAY) return OK;
    if (o->rate) return fail(err, BAD_INPUT, "--rate and --arrivals file: wanted one of them");
    p->replay = how + sizeof file - 1;
    return OK;
}

static status read_words(load_plan *p, const bench_options *o, error *err)
{
    if (o->priority && strcmp(o->priority, "bulk") && strcmp(o->priority, "interactive"))
        return fail(err, BAD_INPUT, "--priority %.60s: wanted interactive or bulk", o->priority);
    if (o->tokens && o->lengths) return fail(err, BAD_INPUT, "--tokens and --lengths: wanted one of them");
    p->priority = o->priority;
    return OK;
}

status load_plan_read(load_plan *out, const bench_options *o, error *err)
{
    double v[NUMBERS];
    *out = (load_plan){.timeout_ns = TIMEOUT_NS, .grace_ns = GRACE_NS};
    status rc = o->target ? read_url(out, o->target, err) : fail(err, EMPTY, "load: wanted http://HOST:PORT/PATH");
    if (rc == OK) rc = read_words(out, o, err);
    if (rc == OK) rc = read_arrivals(out, o, err);
    if (rc == OK && o->ops) rc = read_ops(out, o->ops, err);
    if (rc == OK) rc = read_numbers(v, o, err);
    if (rc == OK && o->lengths) rc = read_lengths(out, o->lengths, err);
    if (rc != OK) {
        *out = (load_plan){0};
        return rc;
    }
    const bool scheduled = out->arrivals != LOAD_CLOSED && out->arrivals != LOAD_REPLAY;
    out->rate = scheduled ? v[RATE] : 0;
    out->leave = v[LEAVE];
    out->duration_ns = out->arrivals == LOAD_REPLAY && !o->duration ? 0 : (int64_t)v[DURATION];
    out->warmup_ns = (int64_t)v[WARMUP];
    out->connections = (int)v[out->arrivals == LOAD_CLOSED ? CONCURRENCY : CONNECTIONS];
    out->inputs = (int)v[INPUTS];
    out->deadline_ms = (int)v[DEADLINE];
    out->seed = (uint64_t)v[SEED];
    if (o->tokens) {
        out->lengths[out->n_lengths++] = (int)v[TOKENS];
    } else if (!o->lengths) {
        memcpy(out->lengths, mixed, sizeof mixed);
        out->n_lengths = MIXED;
    }
    return OK;
}
