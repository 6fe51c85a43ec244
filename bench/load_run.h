/* load_run.h - one run of a plan, whatever then becomes of its figures: `load` says them, `sweep`, `knee` and `compare`
 * make many.  One thread; on a terminal it shows on stderr how far it is. */
#ifndef BENCH_LOAD_RUN_H
#define BENCH_LOAD_RUN_H
#include "load_plan.h"
#include "load_tally.h"
#include "load_verdict.h"

typedef struct {
    load_tally *tally; /* the outcome's own */
    int due;           /* requests of the whole schedule */
    load_verdict verdict;
} load_outcome;

/* BAD_INPUT: the plan asks for too much or too little; others: there was no run, because a connection could not be
 * opened or there is no memory.  A server that fails during a run is an outcome, not a failure. */
status load_run(load_outcome *out, const load_plan *p, error *err);
void load_outcome_close(load_outcome *o); /* a zero one is fine */
#endif
