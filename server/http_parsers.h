/* http_parsers.h - threads that run the handlers of large bodies, so that a loop's other clients do not wait.
 *
 * An exchange comes back to its loop by exchange_post(EXCHANGE_RAN).  Whose client has left is not run at all. */
#ifndef SERVER_HTTP_PARSERS_H
#define SERVER_HTTP_PARSERS_H
#include "http_exchange.h"

typedef struct http_parsers http_parsers;

status http_parsers_open(http_parsers **opened, int threads, error *err);
void   http_parsers_submit(http_parsers *p, exchange *e); /* from any thread */
void   http_parsers_close(http_parsers *p); /* what waits is not run, nor posted; NULL is fine */
#endif
