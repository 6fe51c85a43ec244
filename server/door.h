/* door.h - who may come in by the operator's port.
 *
 *   - the socket: loopback, a unix socket of mode 0600 whose peers are our own user or root (SO_PEERCRED), or any address
 *     with keys and TLS, or with --insecure-ops
 *   - Host must be an address literal, localhost or the name in --ops, on a unix socket anything: a page in a browser
 *     that was rebound to us by DNS sends its own name
 *   - keys, where there are some, as `authorization: Bearer KEY`; health needs none
 *   - a POST needs x-operator: who asks, for the ledger; a page cannot send it without asking first
 *
 * Every refusal is a JSON error; 401 comes with WWW-Authenticate.  Keys are kept as SHA-256 and compared in constant time,
 * each with each, without an early end. */
#ifndef SERVER_DOOR_H
#define SERVER_DOOR_H
#include <stdbool.h>
#include "http.h"
#include "runtime/base/status.h"

typedef struct door door;
typedef struct {
    const char *host;     /* of --ops: its name is allowed; "" on a unix socket */
    const char *key_file; /* "": no keys */
} door_options;

/* Reads the keys: a key a line, 16 to 256 printable characters without blanks, lines that begin with # and empty ones
 * skipped; BAD_INPUT where there is none, or the file may be read by group or others. */
status door_open(door **out, door_options o, error *err);
void   door_close(door *d); /* NULL is fine */
/* SIGHUP: the file again; when it is refused the old keys stay. */
status door_reload(door *d, error *err);
/* As http_limits.admit: 0, or the status of the refusal that was written into `why`.  Any loop. */
int    door_admits(door *d, const http_request *head, error *why);
/* Who asks, for the ledger, in at most 79 characters: what x-operator says, but over a unix socket the name of the user
 * at its other end. */
void   door_operator(const call *c, char who[80]);
#endif
