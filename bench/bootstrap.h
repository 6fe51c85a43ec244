/* bootstrap.h - what n paired ratios B/A say: their median, how sure it is, and what is to be made of it.
 *
 * The interval holds the median of all pairs that could have been measured, 19 times of 20: the ratios are drawn anew,
 * with replacement, and the middle 95 % of the medians of many such draws are it.  Nothing is assumed of their
 * distribution; that pairs do not depend on each other is.  Draws come from an own generator: the same ratios and seed
 * give the same interval on every machine.  Pure; any thread. */
#ifndef BENCH_BOOTSTRAP_H
#define BENCH_BOOTSTRAP_H
#include <stdint.h>

enum { BOOTSTRAP_VALUES_MAX = 1000, BOOTSTRAP_DRAWS = 2000, BOOTSTRAP_PAIRS_MAX = 10000 };
typedef struct {
    double median, low, high;
} bootstrap_interval;
typedef enum { BOOTSTRAP_LESS, BOOTSTRAP_MORE } bootstrap_better; /* which is the better: a time, a throughput */
typedef enum { BOOTSTRAP_SAME, BOOTSTRAP_FASTER, BOOTSTRAP_SLOWER, BOOTSTRAP_UNDECIDED } bootstrap_verdict;
extern const char *const bootstrap_verdicts[]; /* "SAME", ... */

/* Of values [n], 1 <= n <= BOOTSTRAP_VALUES_MAX, none of them NAN. */
bootstrap_interval bootstrap_median(const double *values, int n, uint64_t seed);
/* margin 0.02: FASTER and SLOWER are intervals wholly beyond 2 % from 1, SAME is one wholly within. */
bootstrap_verdict bootstrap_judge(bootstrap_interval i, double margin, bootstrap_better better);
/* Of several figures: SLOWER if one is, else UNDECIDED if one is, else FASTER if one is. */
bootstrap_verdict bootstrap_worst(bootstrap_verdict a, bootstrap_verdict b);
/* How many pairs in all would decide what n of them left open, if the median stays where it is: an interval shrinks
 * with the root of their number.  0: more than BOOTSTRAP_PAIRS_MAX, the median lies on the margin. */
int bootstrap_pairs(bootstrap_interval i, int n, double margin);
#endif
