#include "load_replay.h"
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "load_plan.h"

static const double SECONDS_MAX = 3600;
static const int64_t LEAST_NS = 100000000;

typedef struct {
    double seconds;
    int tokens; /* 0: not said */
} replay_line;

/* false: it is none. */
static bool read_line(replay_line *out, const char *text)
{
    char *end;
    *out = (replay_line){.seconds = strtod(text, &end)};
    if (end == text || !(out->seconds >= 0) || out->seconds > SECONDS_MAX) return false;
    end += strspn(end, " ,\t");
    if (*end && *end != '\n' && *end != '\r') {
        const char *second = end;
        const long tokens = strtol(second, &end, 10);
        if (end == second || tokens < 3 || tokens > LOAD_TOKENS_MAX) return false;
        out->tokens = (int)tokens;
    }
    return end > text && !end[strspn(end, "\r\n")];
}

static status grow(load_schedule *s, int *room, error *err)
{
    const int more = *room ? *room * 2 : 1024;
    int64_t *at_ns = realloc(s->at_ns, (size_t)more * sizeof *at_ns);
    if (at_ns) s->at_ns = at_ns;
    int *tokens = realloc(s->tokens, (size_t)more * sizeof *tokens);
    if (tokens) s->tokens = tokens;
    if (!at_ns || !tokens) return fail(err, NO_MEMORY, "no memory for a schedule of %d requests", more);
    *room = more;
    return OK;
}

static status take_line(load_schedule *s, int *room, const char *text, const char *file, error *err)
{
    const int number = s->n + 1;
    replay_line line;
    status rc = OK;
    if (!read_line(&line, text))
        return fail(err, BAD_INPUT,
                    "--arrivals file:%.80s, line %d: \"%.*s\", wanted seconds of 0 to %g, and 3 to %d tokens if any",
                    file, number, (int)strcspn(text, "\r\n"), text, SECONDS_MAX, LOAD_TOKENS_MAX);
    const int64_t at_ns = (int64_t)(line.seconds * 1e9 + 0.5);
    if (s->n && at_ns < s->at_ns[s->n - 1])
        return fail(err, BAD_INPUT, "--arrivals file:%.80s, line %d: %g s, wanted at least the %g s before it", file,
                    number, line.seconds, (double)s->at_ns[s->n - 1] * 1e-9);
    if (s->n && (line.tokens == 0) != (s->tokens[0] == 0))
        return fail(err, BAD_INPUT, "--arrivals file:%.80s, line %d: %s, wanted as in line 1", file, number,
                    line.tokens ? "with tokens" : "without tokens");
    if (s->n == LOAD_REQUESTS_MAX)
        return fail(err, BAD_INPUT, "--arrivals file:%.80s: wanted at most %d lines", file, LOAD_REQUESTS_MAX);
    if (s->n == *room) rc = grow(s, room, err);
    if (rc != OK) return rc;
    s->at_ns[s->n] = at_ns;
    s->tokens[s->n++] = line.tokens;
    return OK;
}

status load_replay_open(load_schedule *out, const char *file, int64_t *duration_ns, error *err)
{
    char text[128];
    int room = 0;
    status rc = OK;
    FILE *f = fopen(file, "r");
    *out = (load_schedule){0};
    if (!f) return fail(err, IO_FAILED, "--arrivals file:%.120s: cannot be read", file);
    while (rc == OK && fgets(text, sizeof text, f)) rc = take_line(out, &room, text, file, err);
    fclose(f);
    if (rc == OK && *duration_ns)
        while (out->n && out->at_ns[out->n - 1] >= *duration_ns) out->n--;
    if (rc == OK && !out->n) rc = fail(err, BAD_INPUT, "--arrivals file:%.120s: no request in it is due", file);
    if (rc == OK && !*duration_ns) {
        const int64_t last_ns = out->at_ns[out->n - 1], gap_ns = out->n > 1 ? last_ns / (out->n - 1) : 0;
        *duration_ns = last_ns + gap_ns < LEAST_NS ? LEAST_NS : last_ns + gap_ns + 1;
    }
    if (rc == OK && !out->tokens[0]) {
        free(out->tokens);
        out->tokens = NULL;
    }
    if (rc != OK) load_schedule_close(out);
    return rc;
}
