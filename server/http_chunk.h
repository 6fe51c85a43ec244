/* http_chunk.h - takes the chunked coding off a body, in whatever pieces it arrives: pure, no allocation, no I/O.
 *
 * The caller keeps the bytes: what was not used is shown again, with more behind it.  Chunk extensions and trailers
 * are checked and thrown away; all framing of one message is bounded (http_parse.h). */
#ifndef SERVER_HTTP_CHUNK_H
#define SERVER_HTTP_CHUNK_H
#include "http_parse.h"

typedef struct {
    enum { CHUNK_SIZE, CHUNK_DATA, CHUNK_CRLF, CHUNK_TRAILER } phase;
    uint64_t left;                  /* of this chunk's data: known, and to be judged, before any of it is read */
    size_t   scanned;               /* bytes of an unfinished line that hold no LF */
    size_t   overhead, trailers;
} http_chunks; /* {0} is the beginning */

typedef enum {
    CHUNK_NEEDS_MORE, /* used nothing: come again with more bytes */
    CHUNK_FRAMING,    /* used bytes that carry no data */
    CHUNK_PAYLOAD,    /* used bytes that are data */
    CHUNK_END,        /* used the last bytes of the message */
    CHUNK_MALFORMED,  /* 400, close: *why says what was wrong */
} http_chunk_found;

http_chunk_found http_chunk_next(http_chunks *c, const char *p, size_t n, size_t *used, const char **why);
#endif
