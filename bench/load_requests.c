#include "load_requests.h"
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const words[] = {
    "time",   "year",    "people",  "way",     "day",      "man",     "thing",   "woman", "life", "child", "world",
    "school", "state",   "family",  "student", "group",    "country", "problem", "hand",  "part", "place", "case",
    "week",   "company", "system",  "program", "question", "work",    "night",   "point", "home", "water", "room",
    "mother", "area",    "money",   "story",   "fact",     "month",   "book",    "eye",   "job",  "word",  "side",
    "head",   "house",   "service", "friend",  "father",   "power",   "hour",    "game",  "line", "end",   "law",
    "car",    "city",    "name",    "team",    "minute",   "idea",    "body",    "back",  "face",
};
enum { WORDS = sizeof words / sizeof *words, WORD_BYTES = 9, HEAD_BYTES = 1280 };
static const size_t POOL_BYTES_MAX = 256u << 20;

/* p has room; returns the end. */
static char *put_text(char *p, int tokens, unsigned *turn)
{
    *p++ = '"';
    for (int i = 0; i < tokens - 2; i++) p += sprintf(p, i ? " %s" : "%s", words[ *turn = (*turn * 5 + 3) % WORDS]);
    *p++ = '"';
    return p;
}

static char *put_head(char *p, const load_plan *plan, size_t body_bytes)
{
    const bool bracket = strchr(plan->host, ':') != NULL;
    p += sprintf(p, "POST %s HTTP/1.1\r\nhost: %s%s%s:%s\r\ncontent-type: application/json\r\ncontent-length: %zu\r\n",
                 plan->path, bracket ? "[" : "", plan->host, bracket ? "]" : "", plan->port, body_bytes);
    if (plan->deadline_ms) p += sprintf(p, "x-deadline-ms: %d\r\n", plan->deadline_ms);
    if (plan->priority) p += sprintf(p, "x-priority: %s\r\n", plan->priority);
    return p + sprintf(p, "\r\n");
}

status load_requests_open(load_requests *out, const load_plan *p, error *err)
{
    const int n = p->n_lengths > LOAD_POOL ? p->n_lengths : LOAD_POOL;
    size_t most = 0, room = 0; /* bytes of the largest body, and of all */
    *out = (load_requests){0};
    for (int i = 0; i < n; i++) {
        size_t body = 16;
        for (int k = 0; k < p->inputs; k++)
            body += 3 + WORD_BYTES * (size_t)p->lengths[(i * p->inputs + k) % p->n_lengths];
        room += body + HEAD_BYTES;
        if (body > most) most = body;
    }
    if (room > POOL_BYTES_MAX)
        return fail(err, BAD_INPUT, "%d bodies of up to %zu bytes: wanted at most %zu together", n, most,
                    POOL_BYTES_MAX);
    char *body = malloc(most), *end = NULL;
    out->bytes = malloc(room);
    out->starts = calloc((size_t)n + 1, sizeof *out->starts);
    if (!body || !out->bytes || !out->starts) {
        free(body);
        load_requests_close(out);
        return fail(err, NO_MEMORY, "no memory for %zu bytes of requests", room);
    }
    unsigned turn = 0;
    for (int i = 0; i < n; i++) {
        end = body + sprintf(body, p->inputs > 1 ? "{\"inputs\":[" : "{\"inputs\":");
        for (int k = 0; k < p->inputs; k++) {
            if (k) *end++ = ',';
            end = put_text(end, p->lengths[(i * p->inputs + k) % p->n_lengths], &turn);
        }
        end += sprintf(end, p->inputs > 1 ? "]}" : "}");
        const size_t bytes = (size_t)(end - body);
        char *to = put_head(out->bytes + out->starts[i], p, bytes);
        memcpy(to, body, bytes);
        out->starts[i + 1] = (size_t)(to + bytes - out->bytes);
    }
    out->n = n;
    free(body);
    return OK;
}

/* The plan with the schedule's lengths, each once; index [tokens]: which of them. */
static status gather(load_plan *mine, int *index, const load_schedule *s, error *err)
{
    mine->n_lengths = 0;
    for (int i = 0; i < s->n; i++) {
        const int tokens = s->tokens[i];
        if (index[tokens]) continue;
        if (mine->n_lengths == LOAD_LENGTHS_MAX)
            return fail(err, BAD_INPUT, "%s: more than %d different numbers of tokens", mine->replay, LOAD_LENGTHS_MAX);
        mine->lengths[mine->n_lengths++] = tokens;
        index[tokens] = mine->n_lengths;
    }
    return OK;
}

status load_requests_replay(load_requests *out, const load_plan *p, const load_schedule *s, error *err)
{
    *out = (load_requests){0};
    if (p->inputs > 1)
        return fail(err, BAD_INPUT, "--inputs %d: wanted 1 where %s says the tokens of each request", p->inputs,
                    p->replay);
    load_plan *mine = malloc(sizeof *mine);
    int *index = calloc(LOAD_TOKENS_MAX + 1, sizeof *index), *body_of = malloc((size_t)s->n * sizeof *body_of);
    status rc = mine && index && body_of ? OK : fail(err, NO_MEMORY, "no memory for %d requests", s->n);
    if (rc == OK) {
        *mine = *p;
        rc = gather(mine, index, s, err);
    }
    if (rc == OK) rc = load_requests_open(out, mine, err);
    if (rc == OK) {
        for (int i = 0; i < s->n; i++) body_of[i] = index[s->tokens[i]] - 1;
        out->body_of = body_of;
        out->n_body_of = s->n;
        body_of = NULL;
    }
    free(mine);
    free(index);
    free(body_of);
    return rc;
}

int load_requests_body(const load_requests *r, uint64_t seed, int request)
{
    if (r->body_of) return r->body_of[request % r->n_body_of];
    return (int)(load_chance(seed, LOAD_BODY, request) * r->n);
}

void load_requests_close(load_requests *r)
{
    free(r->body_of);
    free(r->bytes);
    free(r->starts);
    *r = (load_requests){0};
}
