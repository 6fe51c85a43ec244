/* http_client.h - one request to another server, and its whole answer: for our commands and for notify.c.  Blocks.
 *
 * Where: "http://host:port", "https://host:port" (certificate and name are checked) or "unix:/path"; without a port it
 * is the scheme's.  One connection a request, closed after it.  The answer's body ends at 16 MiB.  The deadline covers
 * all but the resolver. */
#ifndef SERVER_HTTP_CLIENT_H
#define SERVER_HTTP_CLIENT_H
#include "out.h"
#include "runtime/base/status.h"

typedef struct {
    const char *where;       /* scheme and authority, see above */
    const char *method, *target; /* "POST", "/admin/release" */
    const char *headers;     /* whole lines "name: value\r\n", or ""; none of framing, Host and Connection */
    const char *body;        /* JSON, or NULL */
    size_t body_bytes;
    const char *ca_file;     /* of https: NULL or "": the system's */
    int limit_ms;            /* for all of it */
} http_question;
/* The answer's status into *code and its body into `answer`, which was {0}.  IO_FAILED: nobody listens, it broke, it is
 * no HTTP; EXPIRED; BAD_INPUT: `where` is none of these, or a header or the target holds what a request cannot. */
status http_ask(const http_question *q, int *code, out *answer, error *err);
/* "https://host:port/path?x" into where "https://host:port" (room [256]) and target; BAD_INPUT. */
status http_split_url(const char *url, char where[256], const char **target, error *err);
#endif
