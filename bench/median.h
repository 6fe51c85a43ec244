/* median.h - the figure that is reported of many, and how far the many lie from it. */
#ifndef BENCH_MEDIAN_H
#define BENCH_MEDIAN_H
/* Sorts values [n], n >= 1. */
double median(double *values, int n);
/* Median of the distances from `middle`: half of all values lie so near.  Overwrites values [n]. */
double median_distance(double *values, int n, double middle);
#endif
