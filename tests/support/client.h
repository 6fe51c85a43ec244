/* client.h - a raw HTTP client for tests: sends exactly the given bytes, reads one whole reply.
 *
 * Every wait ends after half a minute, so that a silent server is a failed test, not a hung one. */
#ifndef TESTS_SUPPORT_CLIENT_H
#define TESTS_SUPPORT_CLIENT_H
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* What lies between the bytes and the socket; as send() and recv(), errno EAGAIN after a wait in vain. */
typedef struct {
    ssize_t (*send)(void *session, const char *p, size_t n);
    ssize_t (*receive)(void *session, char *p, size_t n);
    void (*close)(void *session);
} client_layer;

typedef struct {
    int   fd;
    char *p; /* [n] read, not yet part of a reply */
    size_t n, cap;
    char *reply;
    const client_layer *layer; /* NULL: none */
    void *session;
} client;
typedef struct {
    int         status;             /* 0: there was no whole reply */
    const char *head;               /* NUL-terminated, with the status line */
    const char *body;               /* [body_bytes], NUL follows */
    size_t      body_bytes;
} client_reply;                     /* its pointers live until the next read */

bool client_open(client *c, int port);
bool client_open_unix(client *c, const char *path);
void client_close(client *c);
void client_reset(client *c);       /* closes with a reset */
bool client_send(client *c, const char *p, size_t n);
bool client_text(client *c, const char *text);
void client_finish(client *c);      /* sends no more, still reads: a half close */

/* The next reply, interim ones (100) too. */
client_reply client_read(client *c);
client_reply client_read_final(client *c);   /* skips interim replies */
client_reply client_read_head(client *c);    /* of an answer to HEAD: no body follows */
/* The connection ended (FIN or reset) and nothing came before. */
bool client_ended(client *c);
bool client_silent(client *c, int ms);       /* nothing comes for so long */
/* The value of a field of the reply's head into value; false when it is not there. */
bool client_field(const client_reply *r, const char *name, char *value, size_t cap);
bool client_has(const client_reply *r, const char *name, const char *value); /* exactly that value */
/* A connection of its own: sends the text, reads one final reply; the reply lives until client_close(c). */
client_reply client_ask(client *c, int port, const char *text);
#endif
