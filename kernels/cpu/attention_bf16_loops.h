/* attention_bf16_loops.h - attention_head.h on rows of bfloat16: a head is widened, and its output rounded.
 *
 * For machines without products of bfloat16.  The loops are plain: the compiler has vectors for them. */
#include "attention_bf16.h"
#include "attention_head.h"
#include "kernels/half.h"

static void widen(float *to, size_t to_stride, const uint16_t *from, size_t from_stride, int rows, int width)
{
    for (int r = 0; r < rows; r++, to += to_stride, from += from_stride)
        for (int d = 0; d < width; d++) to[d] = bf16_to_f32(from[d]);
}

static void one_head(const attention_bf16 *a, const attention_bf16_part *part, int number, float *scratch)
{
    const int n = part->n, width = a->width;
    const size_t hidden = (size_t)a->heads * (size_t)width, stride = a->qkv_stride;
    const size_t padded = (size_t)(width + LANES - 1) / LANES * LANES;
    const uint16_t *q = a->qkv + (size_t)part->first * stride + (size_t)(number * width);
    uint16_t *to = a->out + (size_t)(part->first + part->query0) * a->out_stride + (size_t)(number * width);
    float *queries = scratch, *out = queries + ATTENTION_QUERIES * padded;
    float *k = out + ATTENTION_QUERIES * padded, *v = k + (size_t)n * padded, *rest = v + (size_t)n * padded;

    widen(k, padded, q + hidden, stride, n, width);
    widen(v, padded, q + 2 * hidden, stride, n, width);
    for (int query = part->query0, rows; query < part->query1; query += rows) {
        rows = part->query1 - query < ATTENTION_QUERIES ? part->query1 - query : ATTENTION_QUERIES;
        widen(queries, padded, q + (size_t)query * stride, stride, rows, width);
        attend(&(head){.q = queries,
                       .k = k,
                       .v = v,
                       .out = out,
                       .q_stride = padded,
                       .k_stride = padded,
                       .v_stride = padded,
                       .out_stride = padded,
                       .queries = rows,
                       .n = n,
                       .width = width},
               rest, HEAD_LOW);
        for (int r = 0; r < rows; r++, to += a->out_stride)
            for (int d = 0; d < width; d++) to[d] = bf16_from_f32(out[(size_t)r * padded + (size_t)d]);
    }
}

void LANES_SET(attention_bf16)(const attention_bf16 *a, attention_bf16_part part, void *scratch)
{
    for (int i = part.head0; i < part.head1; i++) one_head(a, &part, i, scratch);
}
