/* steps.h - the values of a sweep, as a command has them: items between commas, each a value or a range.
 *
 *   100,200,400     these
 *   4..256          doubled: 4, 8, ... 256
 *   1k:20k:x1.5     1.5 times each: 1000, 1500, ... 20000
 *
 * A range's end is always its last step, also where no step would fall on it. */
#ifndef BENCH_STEPS_H
#define BENCH_STEPS_H
#include "runtime/base/status.h"

enum { STEPS_MAX = 64 };
typedef struct {
    double at[STEPS_MAX];
    int n;
} steps;

/* BAD_INPUT with the item: no number, not within least and most, more than STEPS_MAX.  option: for that line. */
status steps_read(steps *out, const char *option, const char *text, double least, double most, error *err);
#endif
