/* canned.h - a server of one thread that answers each connection with given bytes, whatever was asked.
 *
 * Connections come one after the other, each is one request: it is read whole (head, and a body of Content-Length), kept,
 * and answered with the next of the answers; the last one is given again and again. */
#ifndef TESTS_SUPPORT_CANNED_H
#define TESTS_SUPPORT_CANNED_H
#include <stdbool.h>
#include <stddef.h>

typedef struct {
    const char *text; /* NULL: silence */
    size_t bytes;     /* 0: all of the text, to its NUL */
    size_t piece;     /* sent in pieces of so many bytes, with pauses; 0: at once */
    /* HOLDS: until the client closes, or canned_close() comes; LEAVES: says that it has no more, then resets; QUITS:
     * closes without the goodbye of TLS. */
    enum { CANNED_CLOSES, CANNED_HOLDS, CANNED_RESETS, CANNED_LEAVES, CANNED_QUITS } then;
    bool gated;  /* answers once canned_open_gate() has come */
    bool unread; /* answers, or resets, without having read the request */
} canned_answer;

typedef struct {
    const char *unix_path;                 /* not NULL: a socket there; else a port of 127.0.0.1 */
    const char *certificate, *private_key; /* PEM files: TLS; NULL: plain */
    const canned_answer *answers;          /* [n], they outlive the server */
    int n;
} canned_options;

typedef struct canned canned;
canned *canned_open(canned_options o); /* fails the test where it cannot be */
void    canned_close(canned *c);
int     canned_port(const canned *c);
void    canned_open_gate(canned *c);
bool    canned_busy(canned *c); /* a connection is open */
/* How many requests have come so far, and the text of one; it lives until canned_close(). */
int         canned_count(canned *c);
const char *canned_request(canned *c, int i);

/* A self-signed certificate for `name` ("DNS:localhost", "IP:127.0.0.1") and its key, as PEM files. */
void canned_certificate(const char *certificate, const char *private_key, const char *name);
#endif
