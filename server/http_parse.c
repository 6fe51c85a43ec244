/* http_parse.c - RFC 9112's grammar, read strictly; what is lenient there is refused here.
 *
 * Refused are bare CR or LF, control bytes, folded lines, names that are no tokens, white space before a colon, a
 * second Host, Content-Length or Transfer-Encoding, both of the last two together, any coding but "chunked", any
 * coding in 1.0, a length that is not digits, a missing or malformed Host in 1.1. */
#include "http_parse.h"
#include <string.h>
#include <strings.h>

enum { METHOD_MAX = 24, LENGTH_DIGITS_MAX = 18, CHUNK_DIGITS_MAX = 15 }; /* so many digits fit into 64 bits */

static int refuse(const char **why, int code, const char *text)
{
    *why = text;
    return code;
}

static bool is_digit(char ch) { return ch >= '0' && ch <= '9'; }

static bool is_letter_or_digit(char ch)
{
    int lower = (unsigned char)ch | 0x20;
    return is_digit(ch) || (lower >= 'a' && lower <= 'z');
}

static bool is_token(char ch) { return is_letter_or_digit(ch) || (ch && strchr("!#$%&'*+-.^_`|~", ch)); }

static bool is_host(char ch) { return is_letter_or_digit(ch) || (ch && strchr("-._~%!$&'()*+,;=", ch)); }

static bool is_blank(char ch) { return ch == ' ' || ch == '\t'; }

static bool is_control(char ch) { return ((unsigned char)ch < 0x20 && ch != '\t') || ch == 0x7f; }

static bool is_target(char ch) { return ch > 0x20 && ch < 0x7f && ch != '#'; }

static bool is_exactly(http_slice s, const char *text) { return s.n == strlen(text) && !memcmp(s.p, text, s.n); }

bool http_is(http_slice s, const char *text) { return s.n == strlen(text) && !strncasecmp(s.p, text, s.n); }

static http_slice trim(const char *p, size_t n)
{
    while (n && is_blank(*p)) p++, n--;
    while (n && is_blank(p[n - 1])) n--;
    return (http_slice){p, n};
}

/* The next item of a comma-separated list, without its blanks; false at the end. */
static bool next_item(http_slice *list, http_slice *item)
{
    if (!list->p) return false;
    const char *comma = list->n ? memchr(list->p, ',', list->n) : NULL;
    size_t n = comma ? (size_t)(comma - list->p) : list->n;
    *item = trim(list->p, n);
    *list = comma ? (http_slice){comma + 1, list->n - n - 1} : (http_slice){NULL, 0};
    return true;
}

long http_head_end(const char *p, size_t n, size_t from)
{
    for (size_t i = from; i < n; i++) {
        if (p[i] == '\r' || !is_control(p[i])) continue;
        if (p[i] != '\n' || i == 0 || p[i - 1] != '\r') return -1;
        if (i >= 3 && p[i - 2] == '\n') return (long)i + 1;
    }
    return 0;
}

bool http_parse_field(const char *p, size_t n, http_slice *name, http_slice *value)
{
    size_t i = 0;
    while (i < n && is_token(p[i])) i++;
    if (i == 0 || i == n || p[i] != ':') return false;
    for (size_t k = i + 1; k < n; k++)
        if (is_control(p[k])) return false;
    *name = (http_slice){p, i};
    *value = trim(p + i + 1, n - i - 1);
    return true;
}

http_slice http_field(const http_request *r, const char *name)
{
    http_slice found = {NULL, 0};
    for (int i = 0; i < r->fields; i++) {
        if (!http_is(r->name[i], name)) continue;
        if (found.p) return (http_slice){NULL, 0};
        found = r->value[i];
    }
    return found;
}

/* host [":" port], or an address in brackets.  Empty is what a client sends whose URI has no authority. */
static bool is_authority(const char *p, size_t n)
{
    size_t i = 0;
    if (n && p[0] == '[') {
        for (i = 1; i < n && (is_letter_or_digit(p[i]) || p[i] == ':' || p[i] == '.');) i++;
        if (i < 3 || i == n || p[i++] != ']') return false;
    } else {
        while (i < n && is_host(p[i])) i++;
    }
    if (i == n) return true;
    if (p[i++] != ':' || n - i > 5) return false;
    while (i < n && is_digit(p[i])) i++;
    return i == n;
}

/* The path of an origin-form or absolute-form target; false when it is neither. */
static bool find_path(http_slice target, http_slice *path)
{
    const char *p = target.p, *end = target.p + target.n;
    if (*p != '/') {
        size_t scheme = target.n > 7 && !strncasecmp(p, "http://", 7)    ? 7
                        : target.n > 8 && !strncasecmp(p, "https://", 8) ? 8
                                                                         : 0;
        if (!scheme) return false;
        const char *authority = p += scheme;
        while (p < end && *p != '/' && *p != '?') p++;
        if (p == authority || !is_authority(authority, (size_t)(p - authority))) return false;
    }
    const char *query = memchr(p, '?', (size_t)(end - p));
    *path = (http_slice){p, (size_t)((query ? query : end) - p)};
    if (path->n == 0) *path = (http_slice){"/", 1};
    return true;
}

static int parse_request_line(const char *p, size_t n, http_request *r, const char **why)
{
    size_t method = 0, target = 0;
    while (method < n && is_token(p[method])) method++;
    if (method == 0 || method > METHOD_MAX || method == n || p[method] != ' ')
        return refuse(why, 400, "the request line does not begin with a method and one space");
    r->method = (http_slice){p, method};
    p += method + 1, n -= method + 1;

    while (target < n && is_target(p[target])) target++;
    if (target > HTTP_TARGET_MAX) return refuse(why, 414, "the target is longer than 8 KiB");
    if (target == 0 || target == n || p[target] != ' ')
        return refuse(why, 400, "the target is empty, or holds a byte that must be percent-encoded");
    r->target = (http_slice){p, target};
    if (is_exactly(r->target, "*") && is_exactly(r->method, "OPTIONS")) r->path = r->target;
    else if (!find_path(r->target, &r->path))
        return refuse(why, 400, "the target is neither a path that begins with '/' nor an http URI");
    p += target + 1, n -= target + 1;

    if (n != 8 || memcmp(p, "HTTP/", 5) || !is_digit(p[5]) || p[6] != '.' || !is_digit(p[7]))
        return refuse(why, 400, "the request line does not end with HTTP/digit.digit");
    if (p[5] != '1' || p[7] > '1') return refuse(why, 505, "the version is neither HTTP/1.1 nor HTTP/1.0");
    r->minor = p[7] - '0';
    return 0;
}

static int parse_length(http_slice v, http_request *r, const char **why)
{
    if (r->has_length) return refuse(why, 400, "Content-Length is given twice");
    if (v.n == 0 || v.n > LENGTH_DIGITS_MAX) return refuse(why, 400, "Content-Length is not 1 to 18 digits");
    for (size_t i = 0; i < v.n; i++) {
        if (!is_digit(v.p[i])) return refuse(why, 400, "Content-Length is not 1 to 18 digits");
        r->length = r->length * 10 + (uint64_t)(v.p[i] - '0');
    }
    r->has_length = true;
    return 0;
}

/* Only where "chunked" is last, once, can the end be known (RFC 9112, 6.3); before it only what we do not decode. */
static int parse_coding(http_slice v, http_request *r, const char **why)
{
    http_slice item = {NULL, 0};
    int chunked = 0, items = 0;
    if (r->minor == 0) return refuse(why, 400, "Transfer-Encoding in HTTP/1.0");
    if (r->chunked) return refuse(why, 400, "Transfer-Encoding is given twice");
    for (http_slice list = v; next_item(&list, &item); items++) chunked += http_is(item, "chunked");
    if (chunked != 1 || !http_is(item, "chunked"))
        return refuse(why, 400, "Transfer-Encoding does not end with the one coding \"chunked\"");
    if (items > 1) return refuse(why, 501, "a Transfer-Encoding other than \"chunked\"");
    r->chunked = true;
    return 0;
}

/* What the fields say about the message: its framing, and whether the connection lives on. */
static int interpret(http_request *r, const char **why)
{
    bool host = false, closes = false, keeps = false;
    for (int i = 0, code = 0; i < r->fields; i++) {
        http_slice name = r->name[i], v = r->value[i], item;
        if (http_is(name, "host")) {
            if (host) return refuse(why, 400, "Host is given twice");
            if (!is_authority(v.p, v.n)) return refuse(why, 400, "Host is no name or address with an optional port");
            host = true;
        } else if (http_is(name, "content-length")) {
            code = parse_length(v, r, why);
        } else if (http_is(name, "transfer-encoding")) {
            code = parse_coding(v, r, why);
        } else if (http_is(name, "connection")) {
            for (http_slice list = v; next_item(&list, &item);) { /* close wins, wherever it stands */
                closes |= http_is(item, "close");
                keeps |= http_is(item, "keep-alive");
            }
        } else if (http_is(name, "expect") && r->minor == 1) { /* 1.0 knows no Expect: ignored, RFC 9110, 10.1.1 */
            if (!http_is(v, "100-continue")) return refuse(why, 417, "Expect is not 100-continue");
            r->expects_continue = true;
        }
        if (code) return code;
    }
    if (r->minor == 1 && !host) return refuse(why, 400, "no Host");
    if (r->chunked && r->has_length) return refuse(why, 400, "both Content-Length and Transfer-Encoding");
    r->keep_alive = !closes && (r->minor == 1 || keeps);
    return 0;
}

int http_parse_head(const char *p, size_t n, http_request *r, const char **why)
{
    memset(r, 0, sizeof *r);
    if (n > HTTP_HEAD_MAX) return refuse(why, 431, "the head is longer than 16 KiB");
    for (bool first = true; n; first = false) {
        const char *lf = memchr(p, '\n', n);
        if (!lf || lf == p || lf[-1] != '\r') return refuse(why, 400, "a line does not end with CR LF");
        size_t line = (size_t)(lf - p) - 1;
        int code = 0;
        if (first) code = parse_request_line(p, line, r, why);
        else if (line == 0) return n == 2 ? interpret(r, why) : refuse(why, 400, "bytes after the blank line");
        else if (r->fields == HTTP_FIELDS_MAX) return refuse(why, 431, "more than 64 header fields");
        else if (!http_parse_field(p, line, &r->name[r->fields], &r->value[r->fields]))
            return refuse(why, 400, "a header field is not \"name: value\", or is folded, or holds a control byte");
        else r->fields++;
        if (code) return code;
        p += line + 2, n -= line + 2;
    }
    return refuse(why, 400, "the head has no blank line");
}

bool http_parse_chunk_size(const char *p, size_t n, uint64_t *size)
{
    uint64_t v = 0;
    size_t i = 0;
    for (; i < n; i++) {
        int lower = (unsigned char)p[i] | 0x20, digit;
        if (is_digit(p[i])) digit = p[i] - '0';
        else if (lower >= 'a' && lower <= 'f') digit = lower - 'a' + 10;
        else break;
        if (i == CHUNK_DIGITS_MAX) return false;
        v = v * 16 + (uint64_t)digit;
    }
    if (i == 0) return false;
    if (i < n) { /* an extension: skipped, not understood */
        while (i < n && is_blank(p[i])) i++;
        if (i == n || p[i] != ';') return false;
        for (; i < n; i++)
            if (is_control(p[i])) return false;
    }
    *size = v;
    return true;
}
