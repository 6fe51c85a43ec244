/* load_batches.h - what batches a server made, from its /metrics before a run and after it. */
#ifndef BENCH_LOAD_BATCHES_H
#define BENCH_LOAD_BATCHES_H
#include "runtime/base/status.h"

enum { LOAD_BUCKETS = 32, LOAD_TRIGGERS = 8, LOAD_TRIGGER_NAME = 16 };
typedef struct {
    double batches, sequences, tokens;
    double busy_s; /* of the device; NAN: the server does not say */
    int n_triggers, n_buckets;
    struct {
        char name[LOAD_TRIGGER_NAME];
        double batches;
    } triggers[LOAD_TRIGGERS]; /* what made them leave, in the server's order */
    struct {
        double most, batches;
    } buckets[LOAD_BUCKETS]; /* by tokens: at most so many and more than the bucket before; the last: INFINITY */
} load_batches;

/* From Prometheus' text.  BAD_INPUT: no beeline's, a metric is missing. */
status load_batches_read(load_batches *out, const char *metrics, error *err);
/* What came after `before`.  BAD_INPUT: less than before, the server was started anew. */
status load_batches_since(load_batches *b, const load_batches *before, error *err);
#endif
