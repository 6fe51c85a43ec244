/* load_report.h - what is said of a load run: before it, what shall be done and to whom; after it, the tables and the
 * verdict.  The tables' names and columns are what `compare`, `report` and the pages read. */
#ifndef BENCH_LOAD_REPORT_H
#define BENCH_LOAD_REPORT_H
#include "load_run.h"
#include "report.h"

/* Facts.  Asks the server for /info, where it has one. */
void load_report_plan(report *r, const load_plan *p);
void load_report_outcome(report *r, const load_plan *p, const load_outcome *o);
#endif
