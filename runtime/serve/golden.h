/* golden.h - a few fixed sequences and the rows that the fp32 CPU backend gives for them.
 *
 * A device that goes wrong without an error is found by nothing else.  Made once at load, while the model's weights are
 * in memory; then read-only, for any thread. */
#ifndef RUNTIME_SERVE_GOLDEN_H
#define RUNTIME_SERVE_GOLDEN_H
#include "runtime/backend/backend.h"

typedef struct golden golden;

/* Opens backend_cpu on `m`, runs the sequences and closes it.  reserve: what the device takes, its threads and its
 * kernel; vocab: ids are below it; precision: what the device computes in, which sets the limit. */
status golden_open(golden **out, const model *m, backend_reserve reserve, int vocab, const char *precision, error *err);
void   golden_close(golden *g); /* NULL is fine */

const batch *golden_batch(const golden *g); /* fits the reserve */
/* rows [S,backend_columns()] of a device for golden_batch().  GPU_FAILED says the cosine seen and the limit. */
status golden_check(const golden *g, const float *rows, error *err);
/* Of all pairs among n rows whose cosines to a third row differ by at least GOLDEN_RANK_MARGIN in `want`, the share that
 * stands in the same order in `rows`: what a search engine sees of a precision.  1 where there is no such pair. */
static const double GOLDEN_RANK_MARGIN = 0.02;
double golden_rank_agreement(const float *rows, const float *want, int n, int columns);
double golden_cosine(const float *x, const float *y, int n); /* NaN where one of them is none, or zero */
#endif
