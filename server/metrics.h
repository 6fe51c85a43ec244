/* metrics.h - all that Prometheus is told, as one table: name, type, help and who writes the samples.
 *
 * Every series of a set of labels that is bounded is there from the start, at 0.  What is not known has no sample: what
 * the model would tell before it is loaded, and gpu_* where the device is none. */
#ifndef SERVER_METRICS_H
#define SERVER_METRICS_H
#include "app.h"
#include "out.h"

/* The exposition.  Any thread; while the engine and the queue live.  Disturbs nobody: the queue's lock is held for one
 * copy of its counters. */
void metrics_write(out *o, const app *a);
#endif
