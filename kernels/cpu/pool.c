#include "pool.h"
#include <math.h>

static void normalize_row(float *row, int n)
{
    double squares = 0;
    for (int i = 0; i < n; i++) squares += (double)row[i] * (double)row[i];
    double length = sqrt(squares);
    if (length < 1e-12) length = 1e-12;
    for (int i = 0; i < n; i++) row[i] = (float)((double)row[i] / length);
}

/* Token t of n counts `weight_of(...)` in the sum that is then divided by the weights' total. */
static double weight_of(int pooling, int t)
{
    return pooling == POOLING_WEIGHTED_MEAN ? t + 1 : 1;
}

static double divisor_of(int pooling, int n)
{
    if (pooling == POOLING_WEIGHTED_MEAN) return (double)n * (n + 1) / 2;
    return pooling == POOLING_MEAN ? n : sqrt(n);
}

void pool_plain(const pool *p, int sequence0, int sequence1)
{
    const size_t dimensions = (size_t)__builtin_popcount((unsigned)p->poolings) * (size_t)p->hidden;
    for (int s = sequence0; s < sequence1; s++) {
        const int    n = p->starts[s + 1] - p->starts[s];
        const float *in = p->in + (size_t)p->starts[s] * p->in_stride;
        float       *out = p->out + (size_t)s * dimensions;
        for (int pooling = POOLING_CLS; pooling < POOLING_ALL; pooling <<= 1) {
            if (!(p->poolings & pooling)) continue;
            for (int h = 0; h < p->hidden; h++, out++) {
                double most = -INFINITY, sum = 0;
                for (int t = 0; t < n; t++) {
                    double x = (double)in[(size_t)t * p->in_stride + (size_t)h];
                    most = x > most || isnan(x) ? x : most;
                    sum += x * weight_of(pooling, t);
                }
                if (pooling == POOLING_CLS) *out = in[h];
                else if (pooling == POOLING_LAST) *out = in[(size_t)(n - 1) * p->in_stride + (size_t)h];
                else if (pooling == POOLING_MAX) *out = (float)most;
                else *out = (float)(sum / divisor_of(pooling, n));
            }
        }
        if (p->normalize[s]) normalize_row(p->out + (size_t)s * dimensions, (int)dimensions);
    }
}

enum { COLUMNS = 64 }; /* sums alive at once: 512 bytes, and whole lines of every token's row */

static void largest_of(const float *in, size_t stride, int n, int columns, float *out)
{
    for (int h = 0; h < columns; h++) out[h] = in[h];
    for (int t = 1; t < n; t++) {
        in += stride;
        for (int h = 0; h < columns; h++) out[h] = in[h] > out[h] || in[h] != in[h] ? in[h] : out[h];
    }
}

static void sum_of(const float *in, size_t stride, int n, int columns, int pooling, float *out)
{
    double sums[COLUMNS] = {0};
    for (int t = 0; t < n; t++, in += stride) {
        const double weight = weight_of(pooling, t);
        for (int h = 0; h < columns; h++) sums[h] += (double)in[h] * weight;
    }
    const double divisor = divisor_of(pooling, n);
    for (int h = 0; h < columns; h++) out[h] = (float)(sums[h] / divisor);
}

void pool_portable(const pool *p, int sequence0, int sequence1)
{
    const size_t dimensions = (size_t)__builtin_popcount((unsigned)p->poolings) * (size_t)p->hidden;
    for (int s = sequence0; s < sequence1; s++) {
        const int    n = p->starts[s + 1] - p->starts[s];
        const float *first = p->in + (size_t)p->starts[s] * p->in_stride;
        float       *out = p->out + (size_t)s * dimensions;
        for (int pooling = POOLING_CLS; pooling < POOLING_ALL; pooling <<= 1) {
            if (!(p->poolings & pooling)) continue;
            for (int h = 0; h < p->hidden; h += COLUMNS) {
                const int    columns = p->hidden - h < COLUMNS ? p->hidden - h : COLUMNS;
                const float *in = first + h;
                if (pooling == POOLING_CLS) largest_of(in, p->in_stride, 1, columns, out + h);
                else if (pooling == POOLING_LAST)
                    largest_of(in + (size_t)(n - 1) * p->in_stride, p->in_stride, 1, columns, out + h);
                else if (pooling == POOLING_MAX) largest_of(in, p->in_stride, n, columns, out + h);
                else sum_of(in, p->in_stride, n, columns, pooling, out + h);
            }
            out += p->hidden;
        }
        if (p->normalize[s]) normalize_row(p->out + (size_t)s * dimensions, (int)dimensions);
    }
}
