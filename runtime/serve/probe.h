/* probe.h - runs a few sequences on a version as any request would: through the queue, behind everyone who is in a hurry.
 *
 * For golden rows, for warming up beside a version that serves, and for the shadow.  Jobs are of the bulk lane, so live
 * requests go first and wait for one batch at most.  The caller's thread waits; it is none of a loop or an executor. */
#ifndef RUNTIME_SERVE_PROBE_H
#define RUNTIME_SERVE_PROBE_H
#include "batcher.h"
#include "engine.h"

/* n sequences as one request; rows [n, backend_columns()].  took_ns, where not NULL: of the batches that it was in, on
 * the device; a probe of another version than the active one is alone in them.  OVERLOADED is waited out, up to limit_ms
 * in all, then it is EXPIRED. */
status probe_run(batcher *b, engine *e, const int32_t *ids, const int32_t *starts, int n, float *rows, int64_t *took_ns,
                 int limit_ms, error *err);
/* What batches of e take, from 16 tokens to the longest input and the largest batch that is cut for who is in no hurry
 * (policy.h), `runs` times each: a table that passes service_check(), also where another version serves meanwhile. */
status probe_times(batcher *b, engine *e, int runs, service_table *out, error *err);
/* The manifest's golden cases and, where there are some, the device's golden sequences.  *least_cosine: the smallest of
 * the first; 1 where there are none, NaN where a row is not finite.  BAD_INPUT, GPU_FAILED: wrong. */
status probe_golden(batcher *b, engine *e, double *least_cosine, int limit_ms, error *err);
#endif
