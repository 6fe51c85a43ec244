/* load_get.h - one document of a server by HTTP/1.1, for what a run notes beside its own figures: /metrics, /info.
 *
 * Blocks, at most five seconds for each of connecting, sending and every part of the answer.  A new connection, and no
 * more of HTTP than that: the answer has a content-length of at most 8 MiB. */
#ifndef BENCH_LOAD_GET_H
#define BENCH_LOAD_GET_H
#include "runtime/base/status.h"

/* *body: NUL-terminated, the caller's to free().  NOT_FOUND: no such host; UNAVAILABLE: no answer, or none with 200;
 * MALFORMED: no HTTP. */
status load_get(char **body, const char *host, const char *port, const char *path, error *err);
#endif
