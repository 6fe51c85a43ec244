/* forward.h - the device time of a whole forward pass: the backend's own list of calls as a graph, between two events,
 * and of its products alone.
 *
 * The backend that serves has a graph for each bucket and slot behind its own streams; this is the same list for one
 * batch on the bench's stream, so that events can stand around it. */
#ifndef BENCH_CUDA_FORWARD_H
#define BENCH_CUDA_FORWARD_H
#include "device.h"
#include "runtime/backend/batch.h"
#include "runtime/model/weights.h"

typedef struct forward forward;

/* GELU is erf's, as a kernel, or tanh's, in the product: the backend decides at its start which of them it runs. */
typedef struct {
    double whole_us, tanh_us; /* one replay; tanh_us NAN for a model without erf GELU */
    double layer_us;          /* of one layer more, the same way: NAN for a model of one layer */
    double products_us;       /* of all layers: each product alone, at its best, with other weights each time */
} forward_times;

status forward_open(forward **out, device *d, const model *m, int max_tokens, int max_sequences, error *err);
void   forward_close(forward *f); /* NULL is fine */
status forward_measure(forward *f, const batch *in, forward_times *out, error *err);
#endif
