/* http_answer.h - reads an answer in whatever pieces it arrives: pure, no I/O, no allocation but the body's.
 *
 * As strict as http_parse.h: an answer that two readers could frame differently is refused.  Interim answers (1xx) are
 * skipped, a few of them.  The caller keeps the bytes: what was not used is shown again, with more behind it. */
#ifndef SERVER_HTTP_ANSWER_H
#define SERVER_HTTP_ANSWER_H
#include "http_chunk.h"
#include "out.h"
#include "runtime/base/status.h"

enum { HTTP_ANSWER_MAX = 16 << 20 /* bytes of a body */ };

typedef struct {
    enum { ANSWER_HEAD, ANSWER_LENGTH, ANSWER_CHUNKS, ANSWER_REST } phase;
    int code;         /* of the last head, 0: none yet */
    int interim;      /* how many were skipped */
    size_t scanned;   /* bytes of an unfinished head that hold no end */
    uint64_t left;    /* of a body whose length was said */
    http_chunks chunks;
} http_answer; /* {0} is the beginning */

/* Takes what it can of p[0..n), the body into `body`, which was {0}.  OK: the answer is whole; PENDING: come again with
 * more; IO_FAILED: `why` says what was seen; NO_MEMORY. */
status http_answer_take(http_answer *a, const char *p, size_t n, size_t *used, out *body, error *why);
/* The connection has ended before the answer was whole.  OK: this is how the answer ends; else IO_FAILED. */
status http_answer_end(const http_answer *a, error *why);
#endif
