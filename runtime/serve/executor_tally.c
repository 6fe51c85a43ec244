#include "executor_tally.h"

const double executor_ratio_edges[EXECUTOR_RATIO_EDGES] = {0.25, 0.5, 0.7, 0.8, 0.9, 1, 1.1, 1.25, 1.5, 2, 4, 8};

/* The least i with n <= 2^i; `edges` when there is none. */
static int octave(int n, int edges)
{
    int i = 0;
    while (i < edges && n > 1 << i) i++;
    return i;
}

/* Products and attention, a multiplication and an addition each: 8 H^2 + 4 H I a token and layer, and 4 H for each pair
 * of a query and a key.  The rest (embedding, norms, pooling, a head) is below a percent. */
static double flops(const model_shape *m, const batch *in)
{
    const double h = m->hidden, inner = m->inner;
    double pairs = 0;
    for (int s = 0; s < in->S; s++) {
        const double n = in->starts[s + 1] - in->starts[s];
        pairs += n * n;
    }
    return m->layers * ((8 * h * h + 4 * h * inner) * in->T + 4 * h * pairs);
}

void tally_batch(executor_tally *t, const model_shape *shape, const batch *in)
{
    tally_add(&t->batches, 1);
    tally_add(&t->batch_sequences[octave(in->S, EXECUTOR_SEQUENCE_EDGES)], 1);
    tally_add(&t->batch_tokens[octave(in->T, EXECUTOR_TOKEN_EDGES)], 1);
    tally_add(&t->sequences, in->S);
    tally_add(&t->tokens, in->T);
    tally_sum(&t->model_flops, flops(shape, in));
}

void tally_ratio(executor_tally *t, double ratio)
{
    int i = 0;
    while (i < EXECUTOR_RATIO_EDGES && ratio > executor_ratio_edges[i]) i++;
    tally_add(&t->service_ratio[i], 1);
    tally_sum(&t->ratio_sum, ratio);
}

static int64_t look(const _Atomic int64_t *n) { return atomic_load_explicit(n, memory_order_relaxed); }

static void look_at_all(int64_t *out, const _Atomic int64_t *n, int count)
{
    for (int i = 0; i < count; i++) out[i] = look(&n[i]);
}

executor_counts tally_read(const executor_tally *t)
{
    executor_counts c = {
        .batches = look(&t->batches),
        .sequences = look(&t->sequences),
        .tokens = look(&t->tokens),
        .ratio_sum = atomic_load_explicit(&t->ratio_sum, memory_order_relaxed),
        .model_flops = atomic_load_explicit(&t->model_flops, memory_order_relaxed),
        .busy_s = atomic_load_explicit(&t->busy_s, memory_order_relaxed),
        .in_flight = look(&t->in_flight),
        .golden_ok = look(&t->golden_ok),
        .golden_failed = look(&t->golden_failed),
        .device_errors = look(&t->device_errors),
        .watchdog_trips = look(&t->watchdog_trips),
        .not_finite = look(&t->not_finite),
    };
    look_at_all(c.batch_sequences, t->batch_sequences, EXECUTOR_SEQUENCE_EDGES + 1);
    look_at_all(c.batch_tokens, t->batch_tokens, EXECUTOR_TOKEN_EDGES + 1);
    look_at_all(c.service_ratio, t->service_ratio, EXECUTOR_RATIO_EDGES + 1);
    return c;
}
