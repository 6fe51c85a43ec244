#include "gemm_int8.h"
#include <math.h>
#include <string.h>

size_t gemm_int8_packed_bytes(int K, int N) { return (size_t)gemm_int8_columns(N) * (size_t)gemm_int8_depth(K); }

static float largest_magnitude(const float *w, int K)
{
    float most = 0;
    for (int k = 0; k < K; k++) {
        if (!isfinite(w[k])) return NAN;
        most = fmaxf(most, fabsf(w[k]));
    }
    return most;
}

void gemm_int8_pack(gemm_int8_weight *packed, const float *weight, int K, int N, int first)
{
    const size_t depth = (size_t)gemm_int8_depth(K);
    for (int n = 0; n < N; n++) {
        const int column = first + n;
        const float *w = weight + (size_t)n * (size_t)K;
        const double most = (double)largest_magnitude(w, K);
        int8_t *quads =
            packed->panels + (size_t)(column / GEMM_PANEL) * GEMM_PANEL * depth + (size_t)(column % GEMM_PANEL) * 4;
        int32_t sum = 0;
        for (size_t k = 0; most > 0 && k < (size_t)K; k++) {
            const int8_t whole = (int8_t)lrint((double)w[k] * 127 / most);
            quads[k / 4 * GEMM_PANEL * 4 + k % 4] = whole;
            sum += whole;
        }
        packed->scale[column] = (float)(most / 127);
        packed->start[column] = -128 * sum;
    }
}

static double activate(double x, gemm_activation activation)
{
    switch (activation) {
    case GEMM_GELU:
        return x * 0.5 * erfc(-x * M_SQRT1_2);
    case GEMM_GELU_TANH:
        return x * 0.5 * (1 + tanh(M_2_SQRTPI * M_SQRT1_2 * (x + 0.044715 * x * x * x)));
    case GEMM_RELU:
        return x < 0 ? 0 : x;
    case GEMM_LINEAR:
        break;
    }
    return x;
}

static uint16_t to_bfloat16(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return isnan(x) ? 0x7fc0 : (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

static int64_t whole_sum(const gemm_int8 *g, int m, int n)
{
    const size_t depth = (size_t)gemm_int8_depth(g->K);
    const uint8_t *a = g->a + (size_t)m * g->a_stride;
    const int8_t *quads = g->b.panels + (size_t)(n / GEMM_PANEL) * GEMM_PANEL * depth + (size_t)(n % GEMM_PANEL) * 4;
    int64_t sum = 0;
    for (size_t k = 0; k < (size_t)g->K; k++) sum += (a[k] - 128) * quads[k / 4 * GEMM_PANEL * 4 + k % 4];
    return sum;
}

void gemm_int8_plain(const gemm_int8 *g)
{
    for (int m = 0; m < g->M; m++) {
        for (int n = 0; n < g->N; n++) {
            const size_t at = (size_t)m * g->c_stride + (size_t)n;
            double x = (double)whole_sum(g, m, n) * (double)g->a_scale[m] * (double)g->b.scale[n];
            if (g->bias) x += (double)g->bias[n];
            if (g->residual) x += (double)g->residual[(size_t)m * g->residual_stride + (size_t)n];
            x = activate(x, g->activation);
            if (g->c) g->c[at] = (float)x;
            else g->c16[at] = to_bfloat16((float)x);
        }
    }
}
