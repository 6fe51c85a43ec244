/* route_find.c - a path is compared raw, byte for byte: what is spelled otherwise (%2e, //, /..) is another path,
 * hence 404; nothing is decoded or resolved.
 *
 * Paths without a '*' are looked at first and win as paths: a method that one of them does not take is 405, whatever a
 * '*' would match.  So a request for one of them costs what it did before there were others. */
#include "routes.h"
#include <assert.h>
#include <stdio.h>
#include <string.h>

enum { NAME_MAX_BYTES = 64 };

static int is(http_slice s, const char *text) { return s.n == strlen(text) && !memcmp(s.p, text, s.n); }

/* Of RFC 9110 and 5789: a path may refuse them with 405; what nobody has defined is 501. */
static int is_known_method(http_slice method)
{
    static const char *const known[] = {"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT"};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (is(method, known[i])) return 1;
    return 0;
}

static void append_method(char allow[64], const char *method)
{
    size_t n = strlen(allow);
    snprintf(allow + n, 64 - n, "%s%s", n ? ", " : "", method);
}

static int is_letter_or_digit(char ch)
{
    int lower = (unsigned char)ch | 0x20;
    return (ch >= '0' && ch <= '9') || (lower >= 'a' && lower <= 'z');
}

/* What a '*' stands for goes into names of files and into logs: no dot first, hence neither "." nor "..". */
static int is_name(http_slice s)
{
    if (s.n == 0 || s.n > NAME_MAX_BYTES || !is_letter_or_digit(s.p[0])) return 0;
    for (size_t i = 1; i < s.n; i++)
        if (!is_letter_or_digit(s.p[i]) && s.p[i] != '.' && s.p[i] != '_' && s.p[i] != '-') return 0;
    return 1;
}

bool route_matches(const route *r, http_slice path, http_slice wildcard[2])
{
    const char *p = path.p, *end = path.p + path.n;
    int n = 0;
    for (const char *wanted = r->path; *wanted; wanted++) {
        if (*wanted != '*') {
            if (p == end || *p++ != *wanted) return false;
            continue;
        }
        assert(n < 2);
        const char *slash = memchr(p, '/', (size_t)(end - p));
        wildcard[n] = (http_slice){p, (size_t)((slash ? slash : end) - p)};
        if (!is_name(wildcard[n])) return false;
        p += wildcard[n++].n;
    }
    return p == end;
}

static int answers(const route *r, http_slice path, int varies)
{
    http_slice unused[2];
    if (!varies) return is(path, r->path) && !strchr(r->path, '*');
    return strchr(r->path, '*') && route_matches(r, path, unused);
}

const route *route_find(const route *table, int n, http_slice method, http_slice path, int *status, char allow[64])
{
    int known = is_known_method(method);
    allow[0] = 0;
    for (int varies = 0; varies < 2 && !allow[0]; varies++) {
        for (int i = 0; known && i < n; i++) {
            if (!answers(&table[i], path, varies)) continue;
            int is_get = !strcmp(table[i].method, "GET");
            if (is(method, table[i].method) || (is_get && is(method, "HEAD"))) {
                allow[0] = 0;
                *status = 0;
                return &table[i];
            }
            append_method(allow, table[i].method);
            if (is_get) append_method(allow, "HEAD");
        }
    }
    *status = !known ? 501 : allow[0] ? 405 : 404;
    return NULL;
}
