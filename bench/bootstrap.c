#include "bootstrap.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double TAIL = 0.025; /* on either side of the interval */

const char *const bootstrap_verdicts[] = {[BOOTSTRAP_SAME] = "SAME",
                                          [BOOTSTRAP_FASTER] = "FASTER",
                                          [BOOTSTRAP_SLOWER] = "SLOWER",
                                          [BOOTSTRAP_UNDECIDED] = "UNDECIDED"};

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* splitmix64: any seed will do, neighbours too. */
static uint64_t draw(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* Of an even number the mean of the middle two: the upper one alone would call equal sides slower. */
static double middle(const double *sorted, int n) { return (sorted[(n - 1) / 2] + sorted[n / 2]) / 2; }

/* Places in the sorted values are drawn and counted, so that no draw has to be sorted. */
static double drawn_median(const double *sorted, int n, uint64_t *state)
{
    int times[BOOTSTRAP_VALUES_MAX] = {0}, seen = 0, at = 0;
    double low;
    for (int i = 0; i < n; i++) times[draw(state) % (uint64_t)n]++;
    while (seen + times[at] <= (n - 1) / 2) seen += times[at++];
    low = sorted[at];
    while (seen + times[at] <= n / 2) seen += times[at++];
    return (low + sorted[at]) / 2;
}

bootstrap_interval bootstrap_median(const double *values, int n, uint64_t seed)
{
    double sorted[BOOTSTRAP_VALUES_MAX], medians[BOOTSTRAP_DRAWS];
    memcpy(sorted, values, (size_t)n * sizeof *sorted);
    qsort(sorted, (size_t)n, sizeof *sorted, by_value);
    for (int i = 0; i < BOOTSTRAP_DRAWS; i++) medians[i] = drawn_median(sorted, n, &seed);
    qsort(medians, BOOTSTRAP_DRAWS, sizeof *medians, by_value);
    const int beyond = (int)(TAIL * BOOTSTRAP_DRAWS);
    return (bootstrap_interval){middle(sorted, n), medians[beyond], medians[BOOTSTRAP_DRAWS - 1 - beyond]};
}

bootstrap_verdict bootstrap_judge(bootstrap_interval i, double margin, bootstrap_better better)
{
    const double least = 1 - margin, most = 1 + margin;
    if (i.low >= least && i.high <= most) return BOOTSTRAP_SAME;
    if (i.high < least) return better == BOOTSTRAP_LESS ? BOOTSTRAP_FASTER : BOOTSTRAP_SLOWER;
    if (i.low > most) return better == BOOTSTRAP_LESS ? BOOTSTRAP_SLOWER : BOOTSTRAP_FASTER;
    return BOOTSTRAP_UNDECIDED;
}

/* The enum's order is the order of gravity but for SLOWER, which nothing outweighs. */
bootstrap_verdict bootstrap_worst(bootstrap_verdict a, bootstrap_verdict b)
{
    if (a == BOOTSTRAP_SLOWER || b == BOOTSTRAP_SLOWER) return BOOTSTRAP_SLOWER;
    return a > b ? a : b;
}

int bootstrap_pairs(bootstrap_interval i, int n, double margin)
{
    const double edges[2] = {1 - margin, 1 + margin};
    double most = 1;
    for (int e = 0; e < 2; e++) {
        const double half = i.median > edges[e] ? i.median - i.low : i.high - i.median; /* on the edge's side */
        const double share = half / fabs(i.median - edges[e]);
        most = fmax(most, share * share);
    }
    const double pairs = ceil(most * n);
    return pairs <= BOOTSTRAP_PAIRS_MAX ? (int)pairs : 0;
}
