/* histogram.h - how long things took: log-linear counters that one thread writes and any thread reads.
 *
 * 64 steps to each power of two from 1,024 ns (about 1 us) to 2^36 ns (69 s): a value read back is off by at most
 * half a step: 0.8 %, and 0.52 us in the first, which begins at 0.  What is longer counts as the longest.  Counters
 * are atomics written by a load and a store, not by an exchange: there is one writer.  The store is a release and the
 * reader's load an acquire, for window.c's sake; on x86-64 both are plain moves.  Merging adds, so a histogram of many
 * threads or seconds is exact. */
#ifndef RUNTIME_BASE_HISTOGRAM_H
#define RUNTIME_BASE_HISTOGRAM_H
#include <stdatomic.h>
#include <stdint.h>

enum {
    HISTOGRAM_LEAST_BITS = 10,
    HISTOGRAM_POWERS = 26,
    HISTOGRAM_STEPS = 64,
    HISTOGRAM_COUNTERS = HISTOGRAM_POWERS * HISTOGRAM_STEPS
};

typedef struct {
    _Atomic uint32_t n[HISTOGRAM_COUNTERS];
} histogram; /* {0} is empty; 6.5 KiB */
typedef struct {
    uint64_t total, n[HISTOGRAM_COUNTERS];
} histogram_sum; /* {0} is empty; its holder's alone */

void histogram_record(histogram *h, int64_t ns);             /* the owner's thread; <= 0 is the least */
void histogram_clear(histogram *h);                          /* the owner's thread */
void histogram_add(histogram_sum *into, const histogram *h); /* any thread */
void histogram_sum_record(histogram_sum *into, int64_t ns);
/* The value that q of all (0 < q <= 1) do not exceed: the ceil(q * total)-th smallest, as the middle of its step. 0:
 * empty. */
int64_t histogram_quantile(const histogram_sum *s, double q);
int histogram_index(int64_t ns);
int64_t histogram_low(int index),
    histogram_high(int index); /* ns: low <= value < high; high of the last is INT64_MAX */
#endif
