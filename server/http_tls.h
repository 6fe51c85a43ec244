/* http_tls.h - certificates, and connections that are encrypted with them: behind it alone is libssl.
 *
 * TLS 1.2 and 1.3, no renegotiation, no compression; a connection keeps the certificate that it began with.  A peer
 * that ends without saying so is no error here: framing shows whether a message is whole. */
#ifndef SERVER_HTTP_TLS_H
#define SERVER_HTTP_TLS_H
#include "runtime/base/status.h"

typedef struct http_tls http_tls;
struct bufferevent;
struct event_base;

/* PEM files.  BAD_INPUT says which file, and why: it cannot be read, the key is under a password, or it is not the
 * certificate's. */
status http_tls_open(http_tls **out, const char *certificate, const char *private_key, error *err);
void   http_tls_close(http_tls *t); /* NULL is fine */
/* The same files again, for connections from now on; when they are refused nothing changes.  Any thread. */
status http_tls_reload(http_tls *t, error *err);
/* Takes over fd, an accepted socket; NULL: no memory, and fd is still the caller's.  A loop's thread. */
struct bufferevent *http_tls_stream(http_tls *t, struct event_base *base, int fd);
/* Says that nothing more is sent: once all is with the kernel. */
void   http_tls_finish(struct bufferevent *stream);
#endif
