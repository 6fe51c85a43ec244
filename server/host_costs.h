/* host_costs.h - what the host's side of a request costs: measured on the calling thread, with nothing else running. */
#ifndef SERVER_HOST_COSTS_H
#define SERVER_HOST_COSTS_H
#include "options.h"
#include "runtime/serve/capacity.h"
#include "runtime/serve/engine.h"

/* Fills parse_per_kib, tokenize_per_token and row_*: medians of `samples`, each some 50 us of work.
 * row [dimensions] is a vector of the model. */
status host_costs_measure(capacity *c, const options *o, engine *e, const float *row, int samples, error *err);
#endif
