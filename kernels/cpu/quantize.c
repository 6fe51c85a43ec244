#include "quantize.h"
#include <math.h>
#include <string.h>
#include "gemm_int8.h"

static float element(const quantize *q, int m, int k)
{
    const size_t at = (size_t)m * q->x_stride + (size_t)k;
    if (q->x) return q->x[at];
    const uint32_t bits = (uint32_t)q->x16[at] << 16;
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

void quantize_plain(const quantize *q)
{
    for (int m = 0; m < q->M; m++) {
        uint8_t *out = q->out + (size_t)m * q->out_stride;
        float most = 0;
        memset(out, 128, (size_t)gemm_int8_depth(q->K));
        for (int k = 0; k < q->K; k++) {
            const float x = fabsf(element(q, m, k));
            if (!(x <= most)) most = isfinite(x) && isfinite(most) ? x : NAN;
        }
        q->scale[m] = most < 1e-36f ? 0 : most / 127;
        if (!(q->scale[m] > 0)) continue;
        for (int k = 0; k < q->K; k++) out[k] = (uint8_t)(128 + lrintf(element(q, m, k) * (127 / most)));
    }
}
