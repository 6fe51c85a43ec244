/* shadow.h - a sample of what live requests ask, run on a candidate too, and how well the two agree.
 *
 *   loops --offer--> [ one sample, when one is wanted ] --> control thread --probe--> candidate
 *
 * Offering costs a loop one relaxed load while none is wanted, and a copy of one sequence when one is; nobody waits for
 * anybody.  The control thread sleeps so long after each sample that all of them together take SHADOW_SHARE of the
 * device's time.
 * Threads: offer() from any; the rest from the control thread. */
#ifndef RUNTIME_SERVE_SHADOW_H
#define RUNTIME_SERVE_SHADOW_H
#include <stdatomic.h>
#include "probe.h"

/* Of the device.  A live request that comes while a sample is on it waits for the rest of one sequence: half of those
 * beyond the p99 at most, so that the p99 is what one request in 200 saw before. */
static const double SHADOW_SHARE = 0.005;
enum { SHADOW_MOST = 1000 /* compared: more would say the same */ };
static const double SHADOW_COSINE =
    0.95; /* of the median; versions may well differ, one that is broken does much more */

typedef struct shadow shadow;
status shadow_open(shadow **out, error *err);
void shadow_close(shadow *s); /* NULL is fine */

/* A sequence that was answered.  `row` is as the backend gave it, [backend_columns()], before it is cut to fewer
 * dimensions; normalized or not is the same here, as only its direction is compared. */
typedef struct {
    const engine *of; /* that answered it; another than the live one of shadow_run() is not taken */
    const int32_t *ids;
    int tokens; /* within its max_tokens */
    const float *row;
} shadow_sample;
void shadow_offer(shadow *s, const shadow_sample *sample);

typedef struct {
    batcher *queue;
    const engine *live;
    engine *candidate;
    int limit_ms;
    const atomic_bool *stop;
} shadow_run_options;
typedef struct {
    bool comparable;                    /* no contract is broken, so rows should agree; else only times are compared */
    int64_t ran, failed, skipped;       /* failed: no row, or none that is finite; skipped: no room in the queue */
    double cosine_least, cosine_median; /* of those that ran; 1: none did, or they are not comparable */
    int64_t live_ns, candidate_ns;      /* sums over what ran: as forecast of the live one, as measured */
    error why;                          /* of the first that failed */
} shadow_report;
/* Compares for limit_ms, until *stop, or until SHADOW_MOST have run.  What the candidate does wrong is in the report;
 * a failure is the server's: GPU_LOST, UNAVAILABLE, NO_MEMORY. */
status shadow_run(shadow *s, const shadow_run_options *o, shadow_report *out, error *err);
/* OK, or BAD_INPUT with the numbers: some failed, or the median cosine is below SHADOW_COSINE.  None that ran is OK:
 * a version may be released while nobody asks. */
status shadow_judge(const shadow_report *r, error *err);
#endif
