/* route_find.c - a path is compared raw, byte for byte: what is spelled otherwise (%2e, //, /..) is another path,
 * hence 404; nothing is decoded or resolved. */
#include "routes.h"
#include <stdio.h>
#include <string.h>

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

const route *route_find(const route *table, int n, http_slice method, http_slice path, int *status, char allow[64])
{
    int known = is_known_method(method);
    allow[0] = 0;
    for (int i = 0; known && i < n; i++) {
        if (!is(path, table[i].path)) continue;
        int is_get = !strcmp(table[i].method, "GET");
        if (is(method, table[i].method) || (is_get && is(method, "HEAD"))) {
            allow[0] = 0;
            *status = 0;
            return &table[i];
        }
        append_method(allow, table[i].method);
        if (is_get) append_method(allow, "HEAD");
    }
    *status = !known ? 501 : allow[0] ? 405 : 404;
    return NULL;
}
