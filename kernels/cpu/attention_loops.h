/* attention_loops.h - attention_head.h on rows of float32. */
#include "attention_head.h"

void LANES_SET(attention)(const attention *a, attention_part part, float *scratch)
{
    const int n = part.n, width = a->width, padded = (width + LANES - 1) / LANES * LANES;
    const size_t hidden = (size_t)a->heads * (size_t)width;
    const float *q = a->qkv + (size_t)part.first * a->qkv_stride + (size_t)(part.head * width);
    head h = {.q = q + (size_t)part.query0 * a->qkv_stride,
              .k = q + hidden,
              .v = q + 2 * hidden,
              .q_stride = a->qkv_stride,
              .k_stride = a->qkv_stride,
              .v_stride = a->qkv_stride,
              .out = a->out + (size_t)(part.first + part.query0) * a->out_stride + (size_t)(part.head * width),
              .out_stride = a->out_stride,
              .queries = part.query1 - part.query0,
              .n = n,
              .width = width};
    /* The tile reads whole registers of values; and rows a page apart are slow where they are read again and again. */
    if (padded != width || h.queries > 2 * HEAD_QUERIES) {
        for (int j = 0; j < n; j++)
            for (int d = 0; d < width; d += LANES) {
                lanes_store(scratch + j * padded + d, lanes_load_n(h.v + (size_t)j * h.v_stride + d, width - d));
                lanes_store(scratch + (n + j) * padded + d, lanes_load_n(h.k + (size_t)j * h.k_stride + d, width - d));
            }
        h.v = scratch;
        h.k = scratch + n * padded;
        h.v_stride = h.k_stride = (size_t)padded;
        scratch += 2 * n * padded;
    }
    attend(&h, scratch, HEAD_FULL);
}
