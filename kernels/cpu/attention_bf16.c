#include "attention_bf16.h"
#include <math.h>
#include "kernels/half.h"

static size_t rounded_up(int n, int to) { return (size_t)((n + to - 1) / to * to); }

/* Keys and values in float32 or packed, the scores of a block of queries, and its queries and output. */
size_t attention_bf16_scratch_bytes(int n, int width)
{
    const size_t padded = rounded_up(width, 32), keys = rounded_up(n, 32);
    return sizeof(float) * (2 * keys * padded + ATTENTION_QUERIES * (keys + 4 * padded));
}

/* The scores are computed again for every so many columns rather than kept: the truth needs no memory of its own. */
enum { COLUMNS = 64 };

static double score(const attention_bf16 *a, const uint16_t *q, const uint16_t *k)
{
    double sum = 0;
    for (int d = 0; d < a->width; d++) sum += (double)bf16_to_f32(q[d]) * (double)bf16_to_f32(k[d]);
    return sum / sqrt(a->width);
}

void attention_bf16_plain(const attention_bf16 *a, int first, int n)
{
    const size_t hidden = (size_t)a->heads * (size_t)a->width;
    for (int head = 0; head < a->heads; head++) {
        const uint16_t *rows = a->qkv + (size_t)first * a->qkv_stride + (size_t)(head * a->width);
        const uint16_t *keys = rows + hidden, *values = rows + 2 * hidden;
        for (int i = 0; i < n; i++) {
            const uint16_t *q = rows + (size_t)i * a->qkv_stride;
            uint16_t *out = a->out + (size_t)(first + i) * a->out_stride + (size_t)(head * a->width);
            double largest = -INFINITY, sum = 0;
            for (int j = 0; j < n; j++) largest = fmax(largest, score(a, q, keys + (size_t)j * a->qkv_stride));
            for (int j = 0; j < n; j++) sum += exp(score(a, q, keys + (size_t)j * a->qkv_stride) - largest);
            for (int d = 0; d < a->width; d += COLUMNS) {
                const int columns = a->width - d < COLUMNS ? a->width - d : COLUMNS;
                double x[COLUMNS] = {0};
                for (int j = 0; j < n; j++) {
                    const double weight = exp(score(a, q, keys + (size_t)j * a->qkv_stride) - largest) / sum;
                    for (int e = 0; e < columns; e++)
                        x[e] += weight * (double)bf16_to_f32(values[(size_t)j * a->qkv_stride + (size_t)(d + e)]);
                }
                for (int e = 0; e < columns; e++) out[d + e] = bf16_from_f32((float)x[e]);
            }
        }
    }
}
