/* scale.h - an axis of a chart: where a value stands on it, where its ticks are, and how a number is written.
 *
 * Linear begins at zero, so that no difference looks larger than it is.  Percentile is log 1/(1-p): as many pixels from
 * 99 % to 99.9 % as from 90 % to 99 %.  Pure; any thread. */
#ifndef BENCH_SCALE_H
#define BENCH_SCALE_H

typedef enum { SCALE_LINEAR, SCALE_LOG, SCALE_PERCENTILE } scale_kind;
/* Of the values: milliseconds, seconds, shares of 1, percent. */
typedef enum { UNIT_COUNT, UNIT_PER_S, UNIT_MS, UNIT_S, UNIT_SHARE, UNIT_PERCENT } scale_unit;

enum { SCALE_TICKS = 12, SCALE_NUMBER = 40 };
typedef struct {
    scale_kind kind;
    scale_unit unit;
    double low, high; /* its ends, as values */
    double ticks[SCALE_TICKS];
    int n_ticks;
} scale;

/* The scale that shows all from `low` to `high`.  Any two numbers give one: what a kind cannot show is left out. */
scale scale_of(scale_kind kind, scale_unit unit, double low, double high);

/* 0 at its low end, 1 at its high one; NAN for what is not on it. */
double scale_at(const scale *s, double value);

/* Three digits and the unit, "1.19 ms", "15.4k/s"; counts whole, "299,976"; NAN is "n/a". */
void scale_number(
    char out[SCALE_NUMBER], double value,
    scale_unit unit); /* The same for a tick, short, and on a linear scale with one unit for all: "0.5 s", "25M". */
void scale_tick(char out[SCALE_NUMBER], const scale *s, int tick);
#endif
