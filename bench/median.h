/* median.h - the figure that is reported of many. */
#ifndef BENCH_MEDIAN_H
#define BENCH_MEDIAN_H
/* Sorts values [n], n >= 1. */
double median(double *values, int n);
#endif
