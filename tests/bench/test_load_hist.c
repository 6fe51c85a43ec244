/* test_load_hist.c - the .hgrm text against sorted samples. */
#include <CUnit/CUnit.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "bench/load_hist.h"

enum { N = 50000 };
static int64_t ns[N];
static load_latency l;
static char *text;

static int by_size(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static void sample(int n)
{
    uint64_t x = 3;
    l = (load_latency){0};
    for (int i = 0; i < n; i++) {
        x = x * 6364136223846793005u + 1442695040888963407u;
        ns[i] = (int64_t)(exp((double)(x >> 40) * 0x1p-24 * 6) * 1e6); /* 1 to 403 ms */
        load_latency_record(&l, ns[i]);
    }
    qsort(ns, (size_t)n, sizeof *ns, by_size);
}

static void print(void)
{
    size_t bytes;
    free(text);
    FILE *f = open_memstream(&text, &bytes);
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    load_hist_print(f, &l);
    fclose(f);
}

static int64_t at_most(double ms, int n)
{
    int64_t count = 0;
    while (count < n && (double)ns[count] * 1e-6 <= ms) count++;
    return count;
}

static void each_line_is_that_of_the_sorted_samples(void)
{
    static const char head[] = "       Value     Percentile TotalCount 1/(1-Percentile)\n\n";
    double before = -1, value, level, beyond;
    long long count;
    int lines = 0, taken;
    sample(N);
    print();
    CU_ASSERT_FATAL(!strncmp(text, head, sizeof head - 1));
    const char *p = text + sizeof head - 1;
    for (; sscanf(p, " %lf %lf %lld %lf\n%n", &value, &level, &count, &beyond, &taken) == 4; p += taken) {
        const int rank = (int)ceil(level * N);
        const double wanted = (double)ns[rank ? rank - 1 : 0] * 1e-6;
        CU_ASSERT_TRUE(level > before && value >= wanted - 0.001 && value <= wanted * (1 + 1 / 64.0) + 0.001);
        CU_ASSERT_DOUBLE_EQUAL(beyond, 1 / (1 - level), 0.01);
        CU_ASSERT_TRUE(count >= rank && llabs(count - at_most(value, N)) <= N / 5000); /* rounded to 1 us */
        before = level;
        lines++;
    }
    CU_ASSERT_TRUE(lines > 50 && lines < 80); /* up to the last bucket, which has one in 4,000 of these samples */
    CU_ASSERT_EQUAL(sscanf(p, " %lf %lf %lld\n%n", &value, &level, &count, &taken), 3);
    CU_ASSERT_TRUE(level == 1 && count == N);
    CU_ASSERT_DOUBLE_EQUAL(value, (double)ns[N - 1] * 1e-6, 0.001);
    CU_ASSERT_EQUAL(p[taken], '#');
}

/* As HdrHistogram has them with five ticks for a half: 0, 10 .. 50, 55 .. 75, 77.5 ... */
static void levels_are_those_of_hdrhistogram(void)
{
    static const double wanted[] = {0,   0.1,  0.2,   0.3, 0.4,   0.5,  0.55,  0.6,    0.65,
                                    0.7, 0.75, 0.775, 0.8, 0.825, 0.85, 0.875, 0.8875, 0.9};
    double level;
    sample(N);
    print();
    const char *p = strstr(text, "\n\n") + 2;
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++, p = strchr(p, '\n') + 1) {
        CU_ASSERT_EQUAL_FATAL(sscanf(p, " %*f %lf", &level), 1);
        CU_ASSERT_DOUBLE_EQUAL(level, wanted[i], 1e-9);
    }
}

static void the_foot_has_mean_deviation_and_longest(void)
{
    double sum = 0, squares = 0, mean, deviation, longest;
    long long count;
    int buckets, steps;
    sample(N);
    print();
    for (int i = 0; i < N; i++) sum += (double)ns[i] * 1e-6;
    for (int i = 0; i < N; i++) squares += pow((double)ns[i] * 1e-6 - sum / N, 2);
    const char *foot = strchr(text, '#');
    CU_ASSERT_EQUAL_FATAL(sscanf(foot,
                                 "#[Mean    = %lf, StdDeviation   = %lf]\n#[Max     = %lf, Total count    = %lld]\n"
                                 "#[Buckets = %d, SubBuckets     = %d]\n",
                                 &mean, &deviation, &longest, &count, &buckets, &steps),
                          6);
    CU_ASSERT_DOUBLE_EQUAL(mean, sum / N, sum / N / 64);
    CU_ASSERT_DOUBLE_EQUAL(deviation, sqrt(squares / N), sqrt(squares / N) / 32);
    CU_ASSERT_DOUBLE_EQUAL(longest, (double)ns[N - 1] * 1e-6, 0.001);
    CU_ASSERT_TRUE(count == N && buckets == HISTOGRAM_POWERS && steps == HISTOGRAM_STEPS);
}

/* Word for word: programs read it by its columns. */
static void one_and_none_are_printed_too(void)
{
    l = (load_latency){0};
    load_latency_record(&l, 5000000);
    print();
    CU_ASSERT_STRING_EQUAL(text, "       Value     Percentile TotalCount 1/(1-Percentile)\n\n"
                                 "       5.000 0.000000000000          1           1.00\n"
                                 "       5.000 1.000000000000          1\n"
                                 "#[Mean    =        4.990, StdDeviation   =        0.000]\n"
                                 "#[Max     =        5.000, Total count    =            1]\n"
                                 "#[Buckets =           26, SubBuckets     =           64]\n");
    l = (load_latency){0};
    print();
    CU_ASSERT_STRING_EQUAL(text, "       Value     Percentile TotalCount 1/(1-Percentile)\n\n"
                                 "#[Mean    =        0.000, StdDeviation   =        0.000]\n"
                                 "#[Max     =        0.000, Total count    =            0]\n"
                                 "#[Buckets =           26, SubBuckets     =           64]\n");
    free(text);
    text = NULL;
}

static void a_file_has_the_same_text(void)
{
    char file[] = "/tmp/load_hist_XXXXXX", read[4096];
    error err = {""};
    const int fd = mkstemp(file);
    CU_ASSERT_TRUE_FATAL(fd >= 0);
    sample(100);
    print();
    CU_ASSERT_EQUAL(load_hist_write(&l, file, &err), OK);
    const ssize_t n = pread(fd, read, sizeof read, 0);
    CU_ASSERT_TRUE(n == (ssize_t)strlen(text) && !memcmp(read, text, (size_t)n));
    close(fd);
    unlink(file);
    free(text);
    text = NULL;
    CU_ASSERT_EQUAL(load_hist_write(&l, "/nowhere/at/all", &err), IO_FAILED);
    CU_ASSERT_STRING_EQUAL(err.text, "/nowhere/at/all: cannot be written");
}

void load_hist_suite(CU_pSuite s)
{
    CU_add_test(s, "each line is that of the sorted samples, the last is the longest",
                each_line_is_that_of_the_sorted_samples);
    CU_add_test(s, "its levels are those of HdrHistogram", levels_are_those_of_hdrhistogram);
    CU_add_test(s, "the foot has mean, deviation, the longest and the count", the_foot_has_mean_deviation_and_longest);
    CU_add_test(s, "one sample and none are printed too", one_and_none_are_printed_too);
    CU_add_test(s, "the file has the same text", a_file_has_the_same_text);
}
