#include "http_reply.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char *reason_of(int code)
{
    static const struct { int code; const char *reason; } reasons[] = {
        {200, "OK"}, {400, "Bad Request"}, {401, "Unauthorized"}, {404, "Not Found"}, {405, "Method Not Allowed"},
        {408, "Request Timeout"}, {413, "Content Too Large"}, {414, "URI Too Long"}, {415, "Unsupported Media Type"},
        {417, "Expectation Failed"}, {422, "Unprocessable Content"}, {424, "Failed Dependency"},
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

size_t http_reply_lines(char lines[HTTP_REPLY_LINES_MAX], http_date *date, const http_reply_facts *facts)
{
    static const char form[] =
        "HTTP/1.1 %d %s\r\ndate: %s\r\ncontent-length: %zu\r\nconnection: %s\r\nx-request-id: %s\r\n";
    return (size_t)snprintf(lines, HTTP_REPLY_LINES_MAX, form, facts->code, reason_of(facts->code), date_now(date),
                            facts->body_bytes, facts->keep_alive ? "keep-alive" : "close", facts->request_id);
}

static bool is_plain(char ch)
{
    int lower = (unsigned char)ch | 0x20;
    return (ch >= '0' && ch <= '9') || (lower >= 'a' && lower <= 'z') || (ch && strchr("-_.:", ch));
}

void http_choose_id(char id[HTTP_ID_MAX], http_slice given, uint64_t *state)
{
    size_t n = 0;
    while (n < given.n && n < HTTP_ID_MAX - 1 && is_plain(given.p[n])) n++;
    if (n > 0 && n == given.n) {
        memcpy(id, given.p, n);
        id[n] = 0;
        return;
    }
    uint64_t z = *state += 0x9e3779b97f4a7c15u; /* splitmix64: a bijection of a counter, so no id comes twice */
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    snprintf(id, HTTP_ID_MAX, "%016" PRIx64, z ^ z >> 31);
}
