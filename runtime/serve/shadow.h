/* shadow.h - a sample of what live requests ask, run on a candidate too, and how well the two agree.
 *
 *   loops --offer--> [ a few samples ] --take--> control thread --probe--> candidate
 *
 * Offering costs a loop one relaxed load while no shadow is on, and a copy of one sequence when a sample is wanted: it
 * takes no lock that anybody holds for long, and what finds no room is dropped.  The control thread sleeps so long after
 * each sample that all of them together take SHADOW_SHARE of the device's time.
 * Threads: offer() from any; the rest from the control thread. */
#ifndef RUNTIME_SERVE_SHADOW_H
#define RUNTIME_SERVE_SHADOW_H
#include <stdbool.h>
#include "probe.h"

enum { SHADOW_ROOM = 16 /* samples that wait */ };
static const double SHADOW_SHARE = 0.02; /* of the device: a live request that comes meanwhile waits for one sequence */

typedef struct shadow shadow;
status shadow_open(shadow **out, error *err);
void   shadow_close(shadow *s); /* NULL is fine */

/* The first sequence of a request that was answered, and its row.  `of` is the live version's engine. */
void   shadow_offer(shadow *s, const engine *of, const int32_t *ids, int tokens, const float *row, bool normalized);

typedef struct {
    int64_t offered, compared, failed, dropped; /* failed: the candidate gave no row, or none that is finite */
    double  cosine_least, cosine_median;
    int64_t live_ns, candidate_ns; /* sums over what was compared: as forecast of the live one, as measured */
    error   why;                   /* of the first that failed */
} shadow_report;
/* Compares for `limit_ms`, or until *stop.  The rows of versions of different dimensions are not compared (--breaking):
 * then only times are. */
status shadow_run(shadow *s, batcher *b, const engine *live, engine *candidate, int limit_ms, const atomic_bool *stop,
                  shadow_report *out, error *err);
/* So that the report may be judged: OK, or BAD_INPUT with the numbers: none failed, and where outputs are comparable and
 * the contract is kept the median cosine is at least 0.95 -- a new version may well differ, one that is broken differs
 * much more. */
status shadow_judge(const shadow_report *r, bool comparable, error *err);
#endif
