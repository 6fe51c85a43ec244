/* quantize_loops.h - rows of bytes, compiled once for each instruction set (see lanes_low.h).
 *
 * Two passes over a row, the second from L1: the largest magnitude, then the bytes, four registers at a time.  Padding
 * comes out of the same loop: a lane beyond K is read as 0 and written as 128. */
#include <math.h>
#include <string.h>
#include "gemm_int8.h"
#include "quantize.h"

/* LANES of them, those from k on; of the last ones at most `left`.  low, levelled: constants where it is inlined. */
static inline __attribute__((always_inline)) lanes elements(const quantize *q, size_t row, int k, int left, int low,
                                                            int levelled)
{
    if (left <= 0) return lanes_set(0);
    const size_t at = row * q->x_stride + (size_t)k;
    const lanes x = low ? lanes_load_bf16_n(q->x16 + at, left) : lanes_load_n(q->x + at, left);
    return levelled ? lanes_mul(x, lanes_load_n(q->inverse + k, left)) : x;
}

static inline __attribute__((always_inline)) void quantize_row(const quantize *q, size_t row, int low, int levelled)
{
    enum { FOUR = 4 * LANES };
    const int depth = gemm_int8_depth(q->K), whole = q->K / FOUR * FOUR;
    lanes most[4] = {lanes_set(0), lanes_set(0), lanes_set(0), lanes_set(0)};
    for (int k = 0; k < whole; k += FOUR)
        for (int i = 0; i < 4; i++)
            most[i] = lanes_larger(most[i], elements(q, row, k + i * LANES, LANES, low, levelled));
    for (int k = whole; k < q->K; k += LANES)
        most[0] = lanes_larger(most[0], elements(q, row, k, q->K - k, low, levelled));
    most[0] = lanes_larger(lanes_larger(most[0], most[1]), lanes_larger(most[2], most[3]));
    const int32_t bits = lanes_largest_bits(most[0]);
    float largest;
    memcpy(&largest, &bits, sizeof largest);

    const float scale = !isfinite(largest) ? NAN : largest < 1e-36f ? 0 : largest / 127;
    uint8_t *out = q->out + row * q->out_stride;
    q->scale[row] = scale;
    if (!(scale > 0)) {
        memset(out, 128, (size_t)depth);
        return;
    }
    const lanes inverse = lanes_set(127 / largest);
    lanes x[4];
    for (int k = 0; k < whole; k += FOUR) {
        for (int i = 0; i < 4; i++)
            x[i] = lanes_mul(elements(q, row, k + i * LANES, LANES, low, levelled), inverse);
        lanes_store_bytes(out + k, x);
    }
    for (int k = whole; k < depth; k += FOUR) {
        for (int i = 0; i < 4; i++) {
            const int at = k + i * LANES;
            x[i] = lanes_mul(elements(q, row, at, q->K - at, low, levelled), inverse);
        }
        lanes_store_bytes(out + k, x);
    }
}

void LANES_SET(quantize)(const quantize *q, int row0, int row1)
{
    for (size_t row = (size_t)row0; row < (size_t)row1; row++) {
        if (q->x16) quantize_row(q, row, 1, q->inverse != NULL);
        else if (q->inverse) quantize_row(q, row, 0, 1);
        else quantize_row(q, row, 0, 0);
    }
}
