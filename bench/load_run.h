/* load_run.h - one run of a plan, whatever then becomes of its figures: `load` says them, `sweep`, `knee` and `compare`
 * make many.  One thread; on a terminal it shows on stderr each second how it goes. */
#ifndef BENCH_LOAD_RUN_H
#define BENCH_LOAD_RUN_H
#include "load_batches.h"
#include "load_plan.h"
#include "load_tally.h"
#include "load_verdict.h"

typedef enum { LOAD_COLD, LOAD_STEADY, LOAD_UNSTEADY, LOAD_TOO_FEW } load_warmth;
typedef struct {
    load_tally *tally; /* the outcome's own */
    int due;           /* requests of the whole schedule; of a closed loop: those sent */
    double seconds;    /* of the schedule */
    load_verdict verdict;
    load_warmth warmth; /* COLD: without a warm-up; TOO_FEW: less than three windows could be had of it */
    double warmup_s;
    bool has_batches; /* the plan has an ops port, and it answered before and after */
    load_batches batches;
    error why_no_batches; /* "" where nobody asked */
} load_outcome;

/* BAD_INPUT: the plan asks for too much or too little, or its file is none; others: there was no run, because a
 * connection could not be opened, the ops port does not answer or there is no memory.  A server that fails during a run
 * is an outcome, not a failure. */
status load_run(load_outcome *out, const load_plan *p, error *err);
void load_outcome_close(load_outcome *o); /* a zero one is fine */
#endif
