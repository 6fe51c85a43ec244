#include "http_answer.h"
#include <string.h>
#include "http_parse.h"

enum { INTERIM_MAX = 16, SHOWN = 40, LENGTH_DIGITS_MAX = 18 };

/* How much of it may be shown. */
static int shown(const char *p, size_t n)
{
    int k = 0;
    while (k < SHOWN && (size_t)k < n && p[k] >= ' ' && p[k] < 0x7f) k++;
    return k;
}

static bool is_digit(char ch) { return ch >= '0' && ch <= '9'; }

/* "HTTP/1.1 200 OK"; the reason may be missing, with its blank too. */
static status read_status_line(http_answer *a, http_slice line, bool *one_zero, error *why)
{
    const char *p = line.p;
    if (line.n < 12 || memcmp(p, "HTTP/1.", 7) || (p[7] != '0' && p[7] != '1') || p[8] != ' ' || p[9] < '1' ||
        p[9] > '5' || !is_digit(p[10]) || !is_digit(p[11]) || (line.n > 12 && p[12] != ' '))
        return fail(why, IO_FAILED, "\"%.*s\" is no status line of HTTP/1", shown(p, line.n), p);
    a->code = (p[9] - '0') * 100 + (p[10] - '0') * 10 + (p[11] - '0');
    *one_zero = p[7] == '0';
    return OK;
}

static status read_length(http_answer *a, http_slice v, error *why)
{
    bool digits = v.n > 0 && v.n <= LENGTH_DIGITS_MAX;
    uint64_t length = 0;
    for (size_t i = 0; digits && i < v.n; i++) {
        digits = is_digit(v.p[i]);
        length = length * 10 + (uint64_t)(v.p[i] - '0');
    }
    if (!digits) return fail(why, IO_FAILED, "Content-Length \"%.*s\" is no number", shown(v.p, v.n), v.p);
    if (length > HTTP_ANSWER_MAX)
        return fail(why, IO_FAILED, "a body of %llu bytes, the limit is %d", (unsigned long long)length,
                    HTTP_ANSWER_MAX);
    a->left = length;
    a->phase = ANSWER_LENGTH;
    return OK;
}

/* What a field says about where the body ends. */
static status read_field(http_answer *a, http_slice name, http_slice v, error *why)
{
    const bool length = http_is(name, "content-length"), coding = http_is(name, "transfer-encoding");
    if (!length && !coding) return OK;
    if (a->phase != ANSWER_REST)
        return fail(why, IO_FAILED, "the length of the body is said twice: %.*s: %.*s", (int)name.n, name.p,
                    shown(v.p, v.n), v.p);
    if (length) return read_length(a, v, why);
    if (!http_is(v, "chunked"))
        return fail(why, IO_FAILED, "Transfer-Encoding \"%.*s\", wanted chunked", shown(v.p, v.n), v.p);
    a->phase = ANSWER_CHUNKS;
    return OK;
}

static status read_head(http_answer *a, const char *p, size_t n, error *why)
{
    bool one_zero = false;
    a->phase = ANSWER_REST;
    for (bool first = true;; first = false) {
        const size_t line = (size_t)((const char *)memchr(p, '\n', n) - p) - 1; /* http_head_end() has seen CR LF */
        http_slice name, value;
        if (line == 0 && !first) break;
        status rc = OK;
        if (first) rc = read_status_line(a, (http_slice){p, line}, &one_zero, why);
        else if (!http_parse_field(p, line, &name, &value))
            rc = fail(why, IO_FAILED, "\"%.*s\" is no header field", shown(p, line), p);
        else rc = read_field(a, name, value, why);
        if (rc != OK) return rc;
        p += line + 2, n -= line + 2;
    }
    if (one_zero && a->phase == ANSWER_CHUNKS) return fail(why, IO_FAILED, "Transfer-Encoding in HTTP/1.0");
    return OK;
}

static status take_head(http_answer *a, const char *p, size_t n, size_t *used, error *why)
{
    static const char begin[] = "HTTP/";
    if (memcmp(p, begin, n < 5 ? n : 5)) return fail(why, IO_FAILED, "\"%.*s\" is no HTTP", shown(p, n), p);
    const long end = http_head_end(p, n, a->scanned);
    if (end < 0) return fail(why, IO_FAILED, "the head holds a control byte or a bare LF");
    if (end == 0 ? n >= HTTP_HEAD_MAX : end > HTTP_HEAD_MAX)
        return fail(why, IO_FAILED, "the head has more than %d bytes", HTTP_HEAD_MAX);
    a->scanned = end ? 0 : n;
    if (end == 0) return PENDING;
    const status rc = read_head(a, p, (size_t)end, why);
    if (rc != OK) return rc;
    *used = (size_t)end;
    if (a->code == 204 || a->code == 304) { /* these have none, whatever they say of it */
        a->phase = ANSWER_LENGTH;
        a->left = 0;
    }
    if (a->code >= 200) return OK;
    a->phase = ANSWER_HEAD;
    if (a->code == 101 || ++a->interim > INTERIM_MAX)
        return fail(why, IO_FAILED, "interim answer %d of status %d", a->interim, a->code);
    return OK;
}

static status take_chunks(http_answer *a, const char *p, size_t n, size_t *used, out *body, error *why)
{
    const char *malformed = "";
    switch (http_chunk_next(&a->chunks, p, n, used, &malformed)) {
    case CHUNK_NEEDS_MORE:
        return PENDING;
    case CHUNK_MALFORMED:
        return fail(why, IO_FAILED, "%s", malformed);
    case CHUNK_END:
        return OK;
    case CHUNK_PAYLOAD:
        out_bytes(body, p, *used);
        break;
    case CHUNK_FRAMING:
        break;
    }
    if (a->chunks.left + body->n <= HTTP_ANSWER_MAX) return PENDING;
    return fail(why, IO_FAILED, "a body of more than %d bytes", HTTP_ANSWER_MAX);
}

static status take_body(http_answer *a, const char *p, size_t n, size_t *used, out *body, error *why)
{
    if (a->phase == ANSWER_CHUNKS) return take_chunks(a, p, n, used, body, why);
    *used = a->phase == ANSWER_LENGTH && a->left < n ? (size_t)a->left : n;
    out_bytes(body, p, *used);
    if (a->phase == ANSWER_LENGTH) return (a->left -= *used) ? PENDING : OK;
    return body->n <= HTTP_ANSWER_MAX ? PENDING : fail(why, IO_FAILED, "a body of more than %d bytes", HTTP_ANSWER_MAX);
}

status http_answer_take(http_answer *a, const char *p, size_t n, size_t *used, out *body, error *why)
{
    *used = 0;
    for (;;) {
        const bool head = a->phase == ANSWER_HEAD;
        size_t step = 0;
        status rc = PENDING;
        if (!head) rc = take_body(a, p + *used, n - *used, &step, body, why);
        else if (n > *used) rc = take_head(a, p + *used, n - *used, &step, why);
        *used += step;
        if (body->failed) return fail(why, NO_MEMORY, "no memory for a body");
        if (head ? rc != OK : rc != PENDING || step == 0) return rc;
    }
}

status http_answer_end(const http_answer *a, error *why)
{
    if (a->phase == ANSWER_REST) return OK;
    if (a->phase == ANSWER_HEAD)
        return fail(why, IO_FAILED,
                    a->scanned ? "the connection ended amid a head" : "the connection ended without an answer");
    return fail(why, IO_FAILED, "half a body");
}
