#include "median.h"
#include <math.h>
#include <stdlib.h>

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double median(double *values, int n)
{
    qsort(values, (size_t)n, sizeof *values, by_value);
    return values[n / 2];
}

double median_distance(double *values, int n, double middle)
{
    for (int i = 0; i < n; i++) values[i] = fabs(values[i] - middle);
    return median(values, n);
}
