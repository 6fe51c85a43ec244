/* exposition.h - Prometheus' text format 0.0.4: families, and below each its samples, line by line into an out.
 *
 *     exposition_family(e, "x_seconds", "gauge", "What it is.");
 *     exposition_sample(e, "");  exposition_label(e, "window", "5m");  exposition_number(e, 0.25);
 *
 * gives   # HELP x_seconds What it is.   # TYPE x_seconds gauge   x_seconds{window="5m"} 0.25 */
#ifndef SERVER_EXPOSITION_H
#define SERVER_EXPOSITION_H
#include "out.h"

#define EXPOSITION_TYPE "text/plain; version=0.0.4; charset=utf-8"

typedef struct {
    out *o;
    const char *name; /* of the family */
    int labels;       /* of the sample so far */
} exposition;         /* open with the out alone */

void exposition_family(exposition *e, const char *name, const char *type, const char *help);
/* Begins a line; then its labels, then one number ends it. */
void exposition_sample(exposition *e, const char *suffix);
void exposition_label(exposition *e, const char *name, const char *value); /* any bytes; what is no UTF-8 is replaced */
void exposition_integer(exposition *e, int64_t v);
void exposition_number(exposition *e, double v); /* the shortest that reads back as v */

/* counts [n + 1]: of values up to edges[i] and above the one before; the last: more.  label NULL: none but le. */
void exposition_histogram(exposition *e, const char *label, const char *value, const double *edges,
                          const int64_t *counts, int n, double sum);
#endif
