/* load_reply.h - a server's reply, read strictly as it comes: HTTP/1.1, a head of at most 16 KiB, then exactly
 * content-length bytes.  An interim reply (1xx) is read over.  What the head says of the server's work is kept, the
 * body is only counted. */
#ifndef BENCH_LOAD_REPLY_H
#define BENCH_LOAD_REPLY_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LOAD_REPLY_HEAD_MAX = 16384, LOAD_REPLY_BODY_MAX = 1 << 30, LOAD_STAGES = 16, LOAD_STAGE_NAME = 24 };
typedef enum { LOAD_REPLY_WANTS_MORE, LOAD_REPLY_DONE, LOAD_REPLY_MALFORMED } load_reply_state;

/* {0} waits for a reply's first byte; so does what load_reply_begin() has seen.  The fields hold once it is DONE. */
typedef struct {
    int code;
    bool closes;            /* the server will end the connection */
    int64_t retry_after_s;  /* -1: not said */
    int64_t compute_tokens; /* 0: not said */
    int n_stages;
    struct {
        char name[LOAD_STAGE_NAME];
        int64_t ns;
    } stages[LOAD_STAGES]; /* of server-timing, in its order; what is beyond is dropped */

    /* its own */
    size_t head_bytes, body_left;
    bool in_body;
    char head[LOAD_REPLY_HEAD_MAX];
} load_reply;

void load_reply_begin(load_reply *r);
/* Bytes beyond the reply's end are MALFORMED too: nobody asked for them. */
load_reply_state load_reply_feed(load_reply *r, const char *bytes, size_t n);
bool load_is_refusal(int code); /* the server chose not to do it: 429, 503, 504 */
#endif
