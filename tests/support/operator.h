/* operator.h - what an operator does to a server by its ops port, and versions to do it with. */
#ifndef TESTS_SUPPORT_OPERATOR_H
#define TESTS_SUPPORT_OPERATOR_H
#include "client.h"
#include "server.h"
#include "tiny_model.h"

/* A tiny model in root/name, packed by the program as version "1-NAME" of "tiny", owned by "search"; p99_ms is its
 * objective, 0: 100.  Versions of different seeds give different vectors. */
void operator_pack(const char *root, const char *name, tiny_model m, int p99_ms);

/* The reply lives until client_close(c). */
client_reply operator_post(client *c, const server_process *s, const char *path, const char *body);
client_reply operator_get(client *c, const server_process *s, const char *path);

enum { OPERATOR_TEXT = 1 << 16 };
/* Orders it with these members besides version and reason ("" or ",\"bake_s\":1") and waits for its end; the status of
 * the order, and what GET /admin/release says in the end into text [OPERATOR_TEXT]. */
int  operator_release(const server_process *s, const char *version, const char *members, char *text);
/* What it says when it ends, with the body of the reply; the status. */
int  operator_rollback(const server_process *s, char *text);
/* GET of a path into text [OPERATOR_TEXT]; the status. */
int  operator_look(const server_process *s, const char *path, char *text);
#endif
