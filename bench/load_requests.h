/* load_requests.h - the bytes of the requests, whole and made before the run: POST /embed with JSON.
 *
 * A text of n tokens is n - 2 short English words, each one piece of BERT's vocabulary.  A file of lengths is used in
 * turn, so that the pool as a whole has exactly its mix; which body a request has is the seed's choice.  A replay with
 * tokens of its own has one body for each number of them. */
#ifndef BENCH_LOAD_REQUESTS_H
#define BENCH_LOAD_REQUESTS_H
#include <stddef.h>
#include "load_plan.h"
#include "load_schedule.h"

enum { LOAD_POOL = 256 }; /* or as many as there are lengths */
typedef struct {
    char *bytes;
    size_t *starts; /* [n + 1] into bytes */
    int n;
    int *body_of, n_body_of; /* of the schedule's requests; NULL: by chance */
} load_requests;

status load_requests_open(load_requests *out, const load_plan *p, error *err);
/* For a schedule with tokens.  BAD_INPUT: more than LOAD_LENGTHS_MAX different ones, or several inputs a request. */
status load_requests_replay(load_requests *out, const load_plan *p, const load_schedule *s, error *err);
int load_requests_body(const load_requests *r, uint64_t seed, int request);
void load_requests_close(load_requests *r);
#endif
