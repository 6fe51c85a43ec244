/* tls_client.h - a client (client.h) that speaks TLS; it takes any certificate, and tells whose it was.
 *
 * client_close() ends without a close_notify, client_finish() closes the sending side of the socket alone. */
#ifndef TESTS_SUPPORT_TLS_CLIENT_H
#define TESTS_SUPPORT_TLS_CLIENT_H
#include "client.h"

/* Connects and shakes hands. */
bool tls_client_open(client *c, int port);
/* Of an open connection; version: the only one that it offers, TLS1_2_VERSION ..., 0: any.  0, or the reason why not as
 * ERR_GET_REASON() says it; -1: the peer said none. */
int tls_client_handshake(client *c, int version);
void tls_client_name(const client *c, char *name, size_t cap);      /* the common name of the server's certificate */
void tls_client_notify(client *c);                                  /* sends close_notify, still reads */
bool tls_client_notified(const client *c);                          /* the server has sent its close_notify */
client_reply tls_client_ask(client *c, int port, const char *text); /* as client_ask() */
#endif
