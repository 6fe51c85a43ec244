/* http_listener.h - the one listening socket that all loops accept from, so that closing it can lose nobody: with a
 * socket for each loop the kernel resets whoever waits in the queue of the one that closes. */
#ifndef SERVER_HTTP_LISTENER_H
#define SERVER_HTTP_LISTENER_H
#include "runtime/base/status.h"

enum { LISTENER_EMPTY = -1, LISTENER_STARVED = -2, LISTENER_LOST = -3 };

/* host: a name or an address; *port: 0 asks for a free one, and says which. */
status http_listener_open(int *fd, const char *host, int *port, error *err);
/* At a path: mode 0600.  A socket there at which nobody listens any more is replaced; IO_FAILED: somebody does, or it
 * is something else, or the path is longer than 107 bytes. */
status http_listener_open_unix(int *fd, const char *path, error *err);
/* A connection's socket, non-blocking; or LISTENER_EMPTY: nobody waits; LISTENER_STARVED: no descriptor or memory for
 * whoever does, so the listener stays readable; LISTENER_LOST: that one has left again, ask for the next. */
int    http_listener_accept(int fd);
/* Who begins to connect from now on is not heard, and tries again a second later.  Those who wait, and those amid
 * their handshake, can still be accepted: leave them a moment before close(). */
void   http_listener_deafen(int fd);
#endif
