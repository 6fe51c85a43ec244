/* load_verdict.h - whether a run's figures may be believed.
 *
 * It is about the client, not about the server: a server that refuses is measured well.  INVALID are
 *   - lateness, from due and a free connection to sent: p99 above 200 us, or above a tenth of the intended p50;
 *   - a client that used more than 85 % of a core while requests were due;
 *   - less than 99 % of the requests sent before the schedule's end: they waited for connections, so that the server
 *     saw a lower rate than the one asked for;
 *   - more than 0.1 % of them ended in a fault or in a status that is neither 200 nor a refusal;
 *   - no 200 and no refusal at all.
 * Of a closed loop neither lateness nor the requests sent can be judged: it has no due times.
 *
 * And about both: a figure of a server that is on its way elsewhere is none.  INVALID are
 *   - medians or throughputs of the last three tenths of the run that lie more than 10 % apart, where each has 100
 * 200s;
 *   - a p99 of what was due in the second half above 1.2 times the first half's, where both have the 1,000 samples that
 *     a p99 needs: the queue grows.
 * Both beyond what chance explains: figures are apart when their bounds are.  Bounds come from the number of samples,
 * so that 100 replies a window show only what nearly doubles, and 10,000 show the 10 %; and from how much the run's own
 * tenths differ from one to the next, since in a busy queue thousands of replies may be one piece of luck.  Near the
 * knee a run needs minutes.  Neither is asked of a load that is not itself even: a replay, or bursts of which a tenth
 * of the run has no four. */
#ifndef BENCH_LOAD_VERDICT_H
#define BENCH_LOAD_VERDICT_H
#include "load_tally.h"

enum { LOAD_REASONS = 8 };
typedef struct {
    int n; /* 0: VALID */
    error reasons[LOAD_REASONS];
    bool late, busy; /* among them those that are the client's own: it sent late, it used too much of a core */
} load_verdict;

/* Of all that was not refused: the 200s and what got no reply. */
void load_served(load_latency *intended, load_latency *service, const load_tally *t);
int64_t load_errors(const load_tally *t);
/* due: requests of the whole schedule. */
load_verdict load_judge(const load_tally *t, int64_t due);
#endif
