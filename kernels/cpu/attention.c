#include "attention.h"
#include <math.h>

size_t attention_scratch_floats(int n, int width)
{
    size_t padded = (size_t)(width + 15) / 16 * 16;
    return ATTENTION_QUERIES * (padded + (size_t)n) + 2 * padded * (size_t)n;
}

/* The scores are computed twice rather than kept: the truth needs no memory of its own. */
static double score(const attention *a, const float *q, const float *k)
{
    double sum = 0;
    for (int d = 0; d < a->width; d++) sum += (double)q[d] * (double)k[d];
    return sum / sqrt(a->width);
}

void attention_plain(const attention *a, int first, int n)
{
    const size_t hidden = (size_t)a->heads * (size_t)a->width;
    for (int head = 0; head < a->heads; head++) {
        const float *rows = a->qkv + (size_t)first * a->qkv_stride + (size_t)(head * a->width);
        const float *keys = rows + hidden, *values = rows + 2 * hidden;
        for (int i = 0; i < n; i++) {
            const float *q = rows + (size_t)i * a->qkv_stride;
            double       largest = -INFINITY, sum = 0;
            for (int j = 0; j < n; j++) largest = fmax(largest, score(a, q, keys + (size_t)j * a->qkv_stride));
            for (int j = 0; j < n; j++) sum += exp(score(a, q, keys + (size_t)j * a->qkv_stride) - largest);
            for (int d = 0; d < a->width; d++) {
                double out = 0;
                for (int j = 0; j < n; j++)
                    out += exp(score(a, q, keys + (size_t)j * a->qkv_stride) - largest) / sum *
                           (double)values[(size_t)j * a->qkv_stride + (size_t)d];
                a->out[(size_t)(first + i) * a->out_stride + (size_t)(head * a->width + d)] = (float)out;
            }
        }
    }
}
