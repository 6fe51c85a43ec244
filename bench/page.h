/* page.h - results as one HTML page: no script, no other file, nothing from the network; light and dark, on a screen, a
 * phone or paper.
 *
 * Of one result: whether it is valid, the figures, the drawings that its tables allow, every table, where and how it
 * was made.  Of several, before that: their curves over each other, and a table with ratios to the first.  One thread.
 */
#ifndef BENCH_PAGE_H
#define BENCH_PAGE_H
#include "result.h"

enum { PAGE_RESULTS_MAX = 8 }; /* more curves could not be told apart */

/* 1 to PAGE_RESULTS_MAX.  On failure `file` is as it was.  A device, a pipe or a folder is refused: the page is written
 * beside its place and renamed. */
status page_write(const char *file, const result *results, int n, error *err);
#endif
