/* fuzz_head.c - hostile bytes as a request's head: the verdict is one of the documented ones, slices stay inside, and
 * neither the way of arrival nor asking again changes anything. */
#include <stdlib.h>
#include <string.h>
#include "server/http_parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds) abort();
}

static bool inside(http_slice s, const char *p, size_t n)
{
    return s.p >= p && s.n <= n && (size_t)(s.p - p) <= n - s.n;
}

static void check_accepted(const http_request *r, const char *p, size_t n)
{
    must(http_head_end(p, n, 0) == (long)n); /* one head, which ends where it was cut */
    must(!(r->chunked && (r->has_length || r->minor == 0)));
    must(r->length < 1000000000000000000u);
    must(inside(r->method, p, n) && r->method.n && inside(r->target, p, n) && r->target.n);
    must(r->path.n && (inside(r->path, p, n) || (r->path.n == 1 && *r->path.p == '/')));
    must(!memchr(r->path.p, '?', r->path.n) && r->fields <= HTTP_FIELDS_MAX && r->target.n <= HTTP_TARGET_MAX);
    for (int i = 0; i < r->fields; i++) {
        must(inside(r->name[i], p, n) && r->name[i].n && inside(r->value[i], p, n));
        for (size_t k = 0; k < r->value[i].n; k++) must(!strchr("\r\n", r->value[i].p[k])); /* nor a NUL */
    }
    if (r->minor) must(http_field(r, "host").p != NULL);
    must(!(r->has_length && !http_field(r, "content-length").p));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static http_request r, again;
    const char *p = (const char *)data, *why = NULL;
    long end = http_head_end(p, size, 0), piecewise = 0;
    must(end <= (long)size);
    for (size_t have = 1, seen = 0; have <= size && !piecewise; seen = have, have += 1 + have % 7)
        piecewise = http_head_end(p, have, seen);
    must(!piecewise || piecewise == end);

    int code = http_parse_head(p, size, &r, &why);
    must(code == 0 || code == 400 || code == 414 || code == 417 || code == 431 || code == 501 || code == 505);
    must((code == 0) == (why == NULL));
    must(http_parse_head(p, size, &again, &why) == code);
    if (code == 0) check_accepted(&r, p, size);
    return 0;
}
