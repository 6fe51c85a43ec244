/* quantize_loops.h - rows of bytes, compiled once for each instruction set (see lanes_low.h).
 *
 * Two passes over a row, the second from L1: the largest magnitude, then the bytes, four registers at a time.  Padding
 * comes out of the same loop: a lane beyond K is read as 0 and written as 128. */
#include <math.h>
#include <string.h>
#include "gemm_int8.h"
#include "quantize.h"

/* At most LANES of them: those from k on. */
static inline lanes elements(const quantize *q, size_t row, int k)
{
    const int left = q->K - k;
    if (left <= 0) return lanes_set(0);
    const size_t at = row * q->x_stride + (size_t)k;
    const lanes x = q->x ? lanes_load_n(q->x + at, left) : lanes_load_bf16_n(q->x16 + at, left);
    return q->inverse ? lanes_mul(x, lanes_load_n(q->inverse + k, left)) : x;
}

void LANES_SET(quantize)(const quantize *q, int row0, int row1)
{
    const int depth = gemm_int8_depth(q->K);
    for (size_t row = (size_t)row0; row < (size_t)row1; row++) {
        lanes most[4] = {lanes_set(0), lanes_set(0), lanes_set(0), lanes_set(0)};
        for (int k = 0; k < q->K; k += 4 * LANES)
            for (int i = 0; i < 4; i++) most[i] = lanes_larger(most[i], elements(q, row, k + i * LANES));
        most[0] = lanes_larger(lanes_larger(most[0], most[1]), lanes_larger(most[2], most[3]));
        const int32_t bits = lanes_largest_bits(most[0]);
        float largest;
        memcpy(&largest, &bits, sizeof largest);

        const float scale = !isfinite(largest) ? NAN : largest < 1e-36f ? 0 : largest / 127;
        uint8_t *out = q->out + row * q->out_stride;
        q->scale[row] = scale;
        if (!(scale > 0)) {
            memset(out, 128, (size_t)depth);
            continue;
        }
        const lanes inverse = lanes_set(127 / largest);
        for (int k = 0; k < depth; k += 4 * LANES) {
            lanes x[4];
            for (int i = 0; i < 4; i++) x[i] = lanes_mul(elements(q, row, k + i * LANES), inverse);
            lanes_store_bytes(out + k, x);
        }
    }
}
