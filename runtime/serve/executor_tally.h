/* executor_tally.h - the counters behind executor_counts.
 *
 * One thread writes, by a load and a store: nobody else does, so nothing is lost.  Any thread reads.  Relaxed: a reader
 * wants each number whole, and no order between them; nothing is read because of what a number says. */
#ifndef RUNTIME_SERVE_EXECUTOR_TALLY_H
#define RUNTIME_SERVE_EXECUTOR_TALLY_H
#include <stdatomic.h>
#include "executor.h"

typedef struct {
    _Atomic int64_t batches, batch_sequences[EXECUTOR_SEQUENCE_EDGES + 1], batch_tokens[EXECUTOR_TOKEN_EDGES + 1],
        service_ratio[EXECUTOR_RATIO_EDGES + 1], sequences, tokens, in_flight, golden_ok, golden_failed, device_errors,
        watchdog_trips, not_finite;
    _Atomic double ratio_sum, model_flops, busy_s;
} executor_tally;

static inline void tally_add(_Atomic int64_t *n, int64_t more)
{
    atomic_store_explicit(n, atomic_load_explicit(n, memory_order_relaxed) + more, memory_order_relaxed);
}

static inline void tally_sum(_Atomic double *n, double more)
{
    atomic_store_explicit(n, atomic_load_explicit(n, memory_order_relaxed) + more, memory_order_relaxed);
}

/* A batch that came back OK. */
void tally_batch(executor_tally *t, const model_shape *shape, const batch *in);
/* How long it took, measured over calibrated. */
void tally_ratio(executor_tally *t, double ratio);
executor_counts tally_read(const executor_tally *t);
#endif
