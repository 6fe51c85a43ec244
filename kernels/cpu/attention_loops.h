/* attention_loops.h - one head's attention, compiled once for each instruction set (see lanes.h).
 *
 *     pack keys [n,D] -> panels of k' ; pack values [n,D] -> panels
 *     for every 24 queries:   scores [24,n] = q k'   ->   e^(scaled - largest), and its sum   ->   out = scores v / sum
 *
 * All n scores of a row are kept (at most 512 positions: 48 KiB for 24 rows), so no online softmax is needed. */
#include <math.h>
#include <string.h>
#include "attention.h"
#include "gemm.h"
#include "lanes.h"

static void pack_keys(float *packed, const float *k, size_t stride, int n, int width)
{
    for (int first = 0; first < n; first += GEMM_PANEL, packed += GEMM_PANEL * width) {
        for (int j = 0; j < GEMM_PANEL; j++) {
            const float *row = k + (size_t)(first + j) * stride;
            if (first + j < n)
                for (int d = 0; d < width; d++) packed[d * GEMM_PANEL + j] = row[d];
            else
                for (int d = 0; d < width; d++) packed[d * GEMM_PANEL + j] = 0;
        }
    }
}

static void pack_values(float *packed, const float *v, size_t stride, int n, int width)
{
    for (int first = 0; first < width; first += GEMM_PANEL) {
        const int left = width - first;
        for (int j = 0; j < n; j++, packed += GEMM_PANEL)
            for (int i = 0; i < GEMM_PANEL; i += LANES) {
                const float *row = v + (size_t)j * stride + first;
                lanes_store(packed + i, i < left ? lanes_load_n(row + i, left - i) : lanes_set(0));
            }
    }
}

/* Turns a row of scores into weights without their common divisor, which is returned inverted. */
static float softmax(float *row, int n, int columns, float scale)
{
    for (int j = n; j < columns; j++) row[j] = -INFINITY;
    lanes most = lanes_load(row);
    for (int j = LANES; j < columns; j += LANES) most = lanes_max(most, lanes_load(row + j));
    const lanes largest = lanes_set(lanes_largest(most)), scales = lanes_set(scale);
    lanes       sum = lanes_set(0);
    for (int j = 0; j < columns; j += LANES) {
        lanes x = lanes_exp(lanes_mul(lanes_sub(lanes_load(row + j), largest), scales));
        lanes_store(row + j, x);
        sum = lanes_add(sum, x);
    }
    return 1 / lanes_sum(sum);
}

void LANES_SET(attention)(const attention *a, attention_part part, float *scratch)
{
    const int    n = part.n, width = a->width, columns = gemm_panels(n) * GEMM_PANEL;
    const size_t hidden = (size_t)a->heads * (size_t)width;
    const float *q = a->qkv + (size_t)part.first * a->qkv_stride + (size_t)(part.head * width);
    float       *keys = scratch, *values = keys + (size_t)columns * (size_t)width;
    float       *scores = values + gemm_packed_floats(n, width);

    pack_keys(keys, q + hidden, a->qkv_stride, n, width);
    pack_values(values, q + 2 * hidden, a->qkv_stride, n, width);
    for (int query = part.query0; query < part.query1; query += ATTENTION_QUERIES) {
        const int rows = part.query1 - query < ATTENTION_QUERIES ? part.query1 - query : ATTENTION_QUERIES;
        float    *out = a->out + (size_t)(part.first + query) * a->out_stride + (size_t)(part.head * width);
        float     inverse[ATTENTION_QUERIES];
        gemm      product = {.M = rows, .K = width, .N = columns, .b = keys, .c = scores, .c_stride = (size_t)columns,
                             .a = q + (size_t)query * a->qkv_stride, .a_stride = a->qkv_stride};
        LANES_SET(gemm)(&product, 0, rows, 0, gemm_panels(columns));
        for (int r = 0; r < rows; r++)
            inverse[r] = softmax(scores + (size_t)r * (size_t)columns, n, columns, 1 / sqrtf((float)width));
        product = (gemm){.M = rows, .K = n, .N = width, .b = values, .c = out, .c_stride = a->out_stride,
                         .a = scores, .a_stride = (size_t)columns};
        LANES_SET(gemm)(&product, 0, rows, 0, gemm_panels(width));
        for (int r = 0; r < rows; r++) {
            float *row = out + (size_t)r * a->out_stride;
            for (int d = 0; d < width; d += LANES)
                lanes_store_n(row + d, lanes_mul(lanes_load_n(row + d, width - d), lanes_set(inverse[r])), width - d);
        }
    }
}
