/* page_parts.h - the sections of a page, each written where it stands.  Of a table that is not there, the part says so
 * in a line: a reader shall not take a gap for a zero. */
#ifndef BENCH_PAGE_PARTS_H
#define BENCH_PAGE_PARTS_H
#include <stdio.h>
#include "result.h"

/* Verdict and headline of one result; nothing where no load was measured. */
void page_verdict(FILE *f, const result *r);
void page_headline(FILE *f, const result *r);

/* Curves of all n results over each other: those of one are its own, with service beside intended. */
void page_curves(FILE *f, const result *results, int n);
/* What only one result can show: windows, stages, batches, shares of the peak. */
void page_figures(FILE *f, const result *r);

/* What differs between n results, and their figures as ratios to the first. */
void page_compare(FILE *f, const result *results, int n);

/* Notes, every table with every column, environment, command. */
void page_tables(FILE *f, const result *r);
#endif
