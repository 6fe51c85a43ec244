/* fuzz_chunk.c - hostile bytes as a chunked body: whole, and in pieces whose sizes the first byte chooses, they give
 * the same payload, the same end and the same verdict; all framing stays within its bounds. */
#include <stdlib.h>
#include <string.h>
#include "server/http_chunk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct { http_chunk_found verdict; size_t used, payload; uint64_t sum; } outcome;

static void must(bool holds)
{
    if (!holds) abort();
}

static outcome feed(const char *p, size_t n, size_t step)
{
    http_chunks c = {0};
    outcome o = {0};
    for (size_t have = step < n ? step : n;;) {
        const char *why = NULL;
        size_t used, left = have - o.used;
        /* an exact-size copy, so that a read past what has arrived is seen */
        char *seen = malloc(left + (left == 0));
        if (!seen) abort();
        if (left) memcpy(seen, p + o.used, left);
        o.verdict = http_chunk_next(&c, seen, left, &used, &why);
        must(used <= left && (o.verdict == CHUNK_MALFORMED) == (why != NULL));
        must(c.overhead <= HTTP_OVERHEAD_MAX + HTTP_CHUNK_LINE_MAX + 2);
        if (o.verdict == CHUNK_PAYLOAD)
            for (size_t i = 0; i < used; i++) o.sum = o.sum * 31 + (unsigned char)seen[i];
        if (o.verdict == CHUNK_PAYLOAD) o.payload += used;
        free(seen);
        o.used += used;
        if (o.verdict == CHUNK_NEEDS_MORE) must(used == 0);
        else if (o.verdict != CHUNK_MALFORMED) must(used > 0);
        bool hungry = o.verdict == CHUNK_NEEDS_MORE;
        if (o.verdict == CHUNK_END || o.verdict == CHUNK_MALFORMED || (hungry && have == n)) return o;
        if (hungry) have = have + step < n ? have + step : n;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) return 0;
    const char *p = (const char *)data + 1;
    outcome whole = feed(p, size - 1, size - 1), pieces = feed(p, size - 1, 1u + data[0] % 64);
    must(whole.verdict == pieces.verdict && whole.payload == pieces.payload && whole.sum == pieces.sum);
    if (whole.verdict == CHUNK_END) must(whole.used == pieces.used);
    return 0;
}
