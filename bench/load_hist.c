#include "load_hist.h"
#include <math.h>

enum { STEPS_OF_A_HALF = 5 };

/* Milliseconds. */
static double highest_of(const load_latency *l, int bucket)
{
    const int64_t high = histogram_high(bucket) - 1;
    return (double)(high < l->longest_ns ? high : l->longest_ns) * 1e-6;
}

static void print_levels(FILE *f, const load_latency *l)
{
    double level = 0; /* percent */
    uint64_t up_to = 0;
    for (int i = 0; i < HISTOGRAM_COUNTERS && up_to < l->sum.total; i++) {
        up_to += l->sum.n[i];
        /* As many lines as levels that this bucket reaches, so that all curves have the same levels; of the last one.
         */
        while (l->sum.n[i] && 100.0 * (double)up_to / (double)l->sum.total >= level) {
            fprintf(f, "%12.3f %2.12f %10llu %14.2f\n", highest_of(l, i), level / 100, (unsigned long long)up_to,
                    1 / (1 - level / 100));
            level += 100 / (STEPS_OF_A_HALF * exp2(floor(log2(100 / (100 - level))) + 1));
            if (up_to == l->sum.total) break;
        }
    }
    if (l->sum.total)
        fprintf(f, "%12.3f %2.12f %10llu\n", (double)l->longest_ns * 1e-6, 1.0, (unsigned long long)l->sum.total);
}

void load_hist_print(FILE *f, const load_latency *l)
{
    const double n = l->sum.total ? (double)l->sum.total : 1;
    double sum = 0, squares = 0, mean;
    fprintf(f, "%12s %14s %10s %14s\n\n", "Value", "Percentile", "TotalCount", "1/(1-Percentile)");
    print_levels(f, l);
    for (int i = 0; i < HISTOGRAM_COUNTERS; i++)
        if (l->sum.n[i]) sum += (double)l->sum.n[i] * ((double)histogram_low(i) * 1e-6 + highest_of(l, i)) / 2;
    mean = sum / n;
    for (int i = 0; i < HISTOGRAM_COUNTERS; i++) {
        const double off = ((double)histogram_low(i) * 1e-6 + highest_of(l, i)) / 2 - mean;
        if (l->sum.n[i]) squares += (double)l->sum.n[i] * off * off;
    }
    fprintf(f, "#[Mean    = %12.3f, StdDeviation   = %12.3f]\n", mean, sqrt(squares / n));
    fprintf(f, "#[Max     = %12.3f, Total count    = %12llu]\n", (double)l->longest_ns * 1e-6,
            (unsigned long long)l->sum.total);
    fprintf(f, "#[Buckets = %12d, SubBuckets     = %12d]\n", HISTOGRAM_POWERS, HISTOGRAM_STEPS);
}

status load_hist_write(const load_latency *l, const char *file, error *err)
{
    FILE *f = fopen(file, "w");
    if (!f) return fail(err, IO_FAILED, "%s: cannot be written", file);
    load_hist_print(f, l);
    const int broken = ferror(f), unclosed = fclose(f);
    return broken || unclosed ? fail(err, IO_FAILED, "%s: cannot be written", file) : OK;
}
