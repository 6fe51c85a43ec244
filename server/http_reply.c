#include "http_reply.h"
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *reason_of(int code)
{
    static const struct { int code; const char *reason; } reasons[] = {
        {200, "OK"}, {202, "Accepted"}, {400, "Bad Request"}, {401, "Unauthorized"}, {403, "Forbidden"},
        {404, "Not Found"}, {405, "Method Not Allowed"}, {408, "Request Timeout"}, {409, "Conflict"},
        {413, "Content Too Large"}, {414, "URI Too Long"}, {415, "Unsupported Media Type"}, {417, "Expectation Failed"},
        {421, "Misdirected Request"}, {422, "Unprocessable Content"}, {424, "Failed Dependency"},
        {429, "Too Many Requests"}, {431, "Request Header Fields Too Large"}, {500, "Internal Server Error"},
        {501, "Not Implemented"}, {503, "Service Unavailable"}, {504, "Gateway Timeout"},
        {505, "HTTP Version Not Supported"},
    };
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
        if (reasons[i].code == code) return reasons[i].reason;
    return ""; /* RFC 9112, 4: may be empty, the blank before it not */
}

static const char *date_now(http_date *date)
{
    time_t now = time(NULL);
    struct tm utc;
    if (now != date->second) {
        date->second = now;
        gmtime_r(&now, &utc);
        strftime(date->text, sizeof date->text, "%a, %d %b %Y %H:%M:%S GMT", &utc);
    }
    return date->text;
}

typedef struct {
    char  *p; /* [HTTP_REPLY_LINES_MAX], which all lines with the largest numbers do not fill */
    size_t n;
} text_lines;

__attribute__((format(printf, 2, 3))) static void append(text_lines *o, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    o->n += (size_t)vsnprintf(o->p + o->n, HTTP_REPLY_LINES_MAX - o->n, fmt, args);
    va_end(args);
}

static int64_t rounded(int64_t ns, int64_t unit) { return ns / unit + (ns % unit >= unit / 2); }

/* A stage in ms with three digits: integers, since this is written for every reply. */
static void append_ms(text_lines *o, const char *name, int64_t ns)
{
    int64_t us = rounded(ns, 1000);
    append(o, "%s;dur=%" PRId64 ".%03d", name, us / 1000, (int)(us % 1000));
}

static int64_t whole_ms(int64_t ns) { return rounded(ns, 1000000); }

static void append_times(text_lines *o, const call_record *r)
{
    stage_times t = r->times;
    t.at[STAGES] = t.at[STAGE_WRITE];
    stage_settle(&t);
    int64_t total_ns = t.at[STAGES] - t.at[STAGE_READ];
    append(o, "server-timing: ");
    for (int s = 0; s < STAGE_WRITE; s++) {
        if (!r->times.at[s]) continue;
        append_ms(o, stage_names[s], stage_ns(&t, s));
        append(o, ", ");
    }
    append_ms(o, "total", total_ns);
    append(o, "\r\n");
    if (r->compute_type)
        append(o,
               "x-compute-type: %s\r\nx-compute-time: %" PRId64 "\r\nx-compute-characters: %" PRId64
               "\r\nx-compute-tokens: %" PRId64 "\r\n",
               r->compute_type, whole_ms(total_ns), r->characters, r->tokens);
    append(o,
           "x-total-time: %" PRId64 "\r\nx-tokenization-time: %" PRId64 "\r\nx-queue-time: %" PRId64
           "\r\nx-inference-time: %" PRId64 "\r\n",
           whole_ms(total_ns), whole_ms(stage_ns(&t, STAGE_TOKENIZE)), whole_ms(stage_ns(&t, STAGE_QUEUE)),
           whole_ms(stage_ns(&t, STAGE_H2D) + stage_ns(&t, STAGE_COMPUTE)));
}

size_t http_reply_lines(char lines[HTTP_REPLY_LINES_MAX], http_date *date, const http_reply_facts *facts)
{
    const call_record *r = facts->record;
    text_lines o = {lines, 0};
    append(&o, "HTTP/1.1 %d %s\r\ndate: %s\r\ncontent-length: %zu\r\nconnection: %s\r\nx-request-id: %s\r\n", r->status,
           reason_of(r->status), date_now(date), facts->body_bytes, facts->keep_alive ? "keep-alive" : "close",
           r->request_id);
    if (r->times.at[STAGE_READ]) append_times(&o, r);
    return o.n;
}

static bool is_plain(char ch)
{
    int lower = (unsigned char)ch | 0x20;
    return (ch >= '0' && ch <= '9') || (lower >= 'a' && lower <= 'z') || (ch && strchr("-_.:", ch));
}

void http_choose_id(char id[CALL_ID_MAX], http_slice given, uint64_t *state)
{
    size_t n = 0;
    while (n < given.n && n < CALL_ID_MAX - 1 && is_plain(given.p[n])) n++;
    if (n > 0 && n == given.n) {
        memcpy(id, given.p, n);
        id[n] = 0;
        return;
    }
    uint64_t z = *state += 0x9e3779b97f4a7c15u; /* splitmix64: a bijection of a counter, so no id comes twice */
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    snprintf(id, CALL_ID_MAX, "%016" PRIx64, z ^ z >> 31);
}
