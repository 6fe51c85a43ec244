/* ops_client.h - what our commands ask a running server by its ops port. */
#ifndef SERVER_OPS_CLIENT_H
#define SERVER_OPS_CLIENT_H
#include "options.h"
#include "out.h"
#include "runtime/base/status.h"

/* To --ops (HOST:PORT or unix:PATH; with --ops-ca over TLS), with the first key of --ops-keys, as the user that runs
 * this, at this host.  body: JSON, or NULL.  *code and the answer's body; what is no 2xx is CONFLICT (409), NOT_FOUND (404),
 * UNAVAILABLE (503) or BAD_INPUT with the error that the server gave; and as http_ask(). */
status ops_ask(const options *o, const char *method, const char *target, const char *body, int *code, out *answer,
               error *err);
#endif
