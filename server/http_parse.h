/* http_parse.h - a strict HTTP/1.x request parser: pure functions on memory, no allocation, no I/O, no state.
 *
 * It fails closed: a request that two implementations could frame differently is refused, never repaired (RFC 9112).
 * Slices point into the caller's bytes. */
#ifndef SERVER_HTTP_PARSE_H
#define SERVER_HTTP_PARSE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    HTTP_HEAD_MAX = 16 << 10, HTTP_FIELDS_MAX = 64, HTTP_TARGET_MAX = 8 << 10, HTTP_CHUNK_LINE_MAX = 4 << 10,
    HTTP_TRAILERS_MAX = 16 << 10, HTTP_OVERHEAD_MAX = 64 << 10, /* all chunk framing of one message */
};

typedef struct { const char *p; size_t n; } http_slice;

typedef struct {
    http_slice method, target, path; /* path: target without ?query, of the origin form */
    int        fields;
    http_slice name[HTTP_FIELDS_MAX], value[HTTP_FIELDS_MAX];
    int        minor;                /* HTTP/1.minor */
    bool       chunked, has_length, keep_alive, expects_continue;
    uint64_t   length;               /* when has_length */
} http_request;

/* Length of the head with its blank line, 0 when more bytes are needed, -1 at a bare LF.  `from`: bytes that the last
 * call saw, so that a head sent one byte at a time costs linear time. */
long http_head_end(const char *p, size_t n, size_t from);
/* p[0..n) is one head as measured above.  0, or the status to refuse with; then the connection must close, and *why
 * says what was wrong. */
int  http_parse_head(const char *p, size_t n, http_request *r, const char **why);
/* A chunk-size line, a trailer line, without CRLF. */
bool http_parse_chunk_size(const char *p, size_t n, uint64_t *size);
bool http_parse_field(const char *p, size_t n, http_slice *name, http_slice *value);
/* The value of a field, case-insensitive name; {NULL,0} when absent or (single) when given more than once. */
http_slice http_field(const http_request *r, const char *name);
bool http_is(http_slice s, const char *text); /* ignoring case */
#endif
