/* load_requests.h - the bytes of the requests, whole and made before the run: POST /embed with JSON.
 *
 * A text of n tokens is n - 2 short English words, each one piece of BERT's vocabulary.  A file of lengths is used in
 * turn, so that the pool as a whole has exactly its mix. */
#ifndef BENCH_LOAD_REQUESTS_H
#define BENCH_LOAD_REQUESTS_H
#include <stddef.h>
#include "load_plan.h"

enum { LOAD_POOL = 256 }; /* or as many as there are lengths */
typedef struct {
    char *bytes;
    size_t *starts; /* [n + 1] into bytes */
    int n;
} load_requests;

status load_requests_open(load_requests *out, const load_plan *p, error *err);
void load_requests_close(load_requests *r);
#endif
