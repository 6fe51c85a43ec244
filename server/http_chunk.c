/* http_chunk.c - one step a call: a line, the data that is there, or the CR LF after it. */
#include "http_chunk.h"
#include <string.h>

static http_chunk_found refuse(const char **why, const char *text)
{
    *why = text;
    return CHUNK_MALFORMED;
}

static http_chunk_found take_size(http_chunks *c, const char *line, size_t n, const char **why)
{
    if (!http_parse_chunk_size(line, n, &c->left)) return refuse(why, "a chunk size is not 1 to 15 hexadecimal digits");
    c->phase = c->left ? CHUNK_DATA : CHUNK_TRAILER;
    return CHUNK_FRAMING;
}

static http_chunk_found take_trailer(http_chunks *c, const char *line, size_t n, const char **why)
{
    http_slice name, value;
    if (n == 0) return CHUNK_END;
    c->trailers += n + 2;
    if (c->trailers > HTTP_TRAILERS_MAX) return refuse(why, "trailers of more than 16 KiB");
    if (!http_parse_field(line, n, &name, &value)) return refuse(why, "a trailer is not \"name: value\"");
    return CHUNK_FRAMING;
}

static http_chunk_found take_line(http_chunks *c, const char *p, size_t n, size_t *used, const char **why)
{
    const char *lf = memchr(p + c->scanned, '\n', n - c->scanned);
    if ((lf ? (size_t)(lf - p) : n) > HTTP_CHUNK_LINE_MAX) return refuse(why, "a chunk's line is longer than 4 KiB");
    if (!lf) {
        c->scanned = n;
        return CHUNK_NEEDS_MORE;
    }
    if (lf == p || lf[-1] != '\r') return refuse(why, "a chunk's line does not end with CR LF");
    *used = (size_t)(lf - p) + 1;
    c->scanned = 0;
    c->overhead += *used;
    if (c->overhead > HTTP_OVERHEAD_MAX) return refuse(why, "more than 64 KiB of chunk framing");
    return c->phase == CHUNK_SIZE ? take_size(c, p, *used - 2, why) : take_trailer(c, p, *used - 2, why);
}

http_chunk_found http_chunk_next(http_chunks *c, const char *p, size_t n, size_t *used, const char **why)
{
    *used = 0;
    if (n == 0) return CHUNK_NEEDS_MORE;
    if (c->phase == CHUNK_DATA) {
        *used = n < c->left ? n : (size_t)c->left;
        c->left -= *used;
        if (c->left == 0) c->phase = CHUNK_CRLF;
        return CHUNK_PAYLOAD;
    }
    if (c->phase != CHUNK_CRLF) return take_line(c, p, n, used, why);
    if (p[0] != '\r' || (n > 1 && p[1] != '\n')) return refuse(why, "no CR LF after a chunk's data");
    if (n == 1) return CHUNK_NEEDS_MORE;
    *used = 2;
    c->overhead += 2;
    c->phase = CHUNK_SIZE;
    return CHUNK_FRAMING;
}
