/* quantity.h - a number and its unit, as a command has them: 5k/s, 10ms, 0.1%. */
#ifndef BENCH_QUANTITY_H
#define BENCH_QUANTITY_H

typedef struct {
    const char *name; /* NULL ends a table */
    double factor;
} quantity_unit;
extern const quantity_unit quantity_rates[];  /* /s, k/s, M/s, k, M or none: to requests/s */
extern const quantity_unit quantity_times[];  /* us, ms, s, m, h, d: to nanoseconds */
extern const quantity_unit quantity_spans[];  /* likewise, and none: seconds */
extern const quantity_unit quantity_shares[]; /* % or none: to a share of 1 */
extern const quantity_unit quantity_counts[]; /* none */

/* The whole text; NAN: no number with one of these units. */
double quantity_read(const char *text, const quantity_unit *units);
/* The begin of a text, with as long a unit as is there; *end: behind it, or text. */
double quantity_at(const char *text, const quantity_unit *units, const char **end);
#endif
