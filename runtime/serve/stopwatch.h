/* stopwatch.h - how long a device takes for batches of one shape, measured by running them alone.
 *
 * Used where nobody else submits: at the end of a start, and by calibration. */
#ifndef RUNTIME_SERVE_STOPWATCH_H
#define RUNTIME_SERVE_STOPWATCH_H
#include "service.h"

struct engine;
enum { STOPWATCH_RUNS_MAX = 64 };

typedef struct {
    const struct engine *e;
    int32_t *ids, *starts;
    uint8_t *normalize;
    float *rows; /* [batch_sequences, columns]: of the last run */
} stopwatch;

/* NO_MEMORY.  The engine must have its device; it outlives w. */
status stopwatch_open(stopwatch *w, const struct engine *e, error *err);
void stopwatch_close(stopwatch *w); /* {0} is fine */

/* Runs `sequences` of even lengths that sum to `tokens`, within the engine's limits: at least once, then until there
 * are `runs` (at most STOPWATCH_RUNS_MAX) or limit_ns has passed.  A row that is not finite took its time like any
 * other; else the device's failure. */
status stopwatch_row(stopwatch *w, service_row *out, int runs, int64_t limit_ns,
                     error *err); /* tokens, sequences: set */
/* Sorts them; with two runs the median is the shorter: the first one may have paid for cold memory. */
void stopwatch_settle(int64_t *took_ns, int n, int64_t *median_ns, int64_t *spread_ns);
/* Leaves out the rows of smaller batches that a larger one undercuts, until service_check() agrees.  What stays was
 * measured; a device that takes the same time for both is told from its larger batch. */
void stopwatch_keep_rising(service_table *t);
#endif
