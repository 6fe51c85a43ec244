#include "gemm_bf16.h"
#include <math.h>
#include <string.h>

uint16_t bfloat16_of(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    if (x != x) return (uint16_t)(bits >> 16 | 0x40);
    return (uint16_t)((bits + 0x7fffu + (bits >> 16 & 1)) >> 16);
}

float bfloat16_float(uint16_t x)
{
    const uint32_t bits = (uint32_t)x << 16;
    float          f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

size_t gemm_bf16_packed_halves(int K, int N)
{
    return (size_t)gemm_panels(N) * GEMM_PANEL * (size_t)gemm_bf16_depth(K);
}

static size_t place_of(int K, int k, int column)
{
    const size_t panel = (size_t)(column / GEMM_PANEL) * GEMM_PANEL * (size_t)gemm_bf16_depth(K);
    return panel + (size_t)(k / 2) * 2 * GEMM_PANEL + (size_t)(column % GEMM_PANEL * 2 + k % 2);
}

void gemm_bf16_pack(uint16_t *packed, const float *weight, int K, int N, int first)
{
    for (int n = 0; n < N; n++)
        for (int k = 0; k < K; k++)
            packed[place_of(K, k, first + n)] = bfloat16_of(weight[(size_t)n * (size_t)K + (size_t)k]);
}

static double activate(double x, gemm_activation activation)
{
    switch (activation) {
    case GEMM_GELU: return x * 0.5 * erfc(-x * M_SQRT1_2);
    case GEMM_GELU_TANH: return x * 0.5 * (1 + tanh(M_2_SQRTPI * M_SQRT1_2 * (x + 0.044715 * x * x * x)));
    case GEMM_RELU: return x > 0 ? x : 0;
    case GEMM_LINEAR: break;
    }
    return x;
}

void gemm_bf16_plain(const gemm_bf16 *g)
{
    for (int m = 0; m < g->M; m++) {
        const uint16_t *a = g->a + (size_t)m * g->a_stride;
        for (int n = 0; n < g->N; n++) {
            double sum = g->bias ? (double)g->bias[n] : 0;
            for (int k = 0; k < g->K; k++)
                sum += (double)bfloat16_float(a[k]) * (double)bfloat16_float(g->b[place_of(g->K, k, n)]);
            if (g->residual) sum += (double)g->residual[(size_t)m * g->residual_stride + (size_t)n];
            const float  x = (float)activate(sum, g->activation);
            const size_t at = (size_t)m * g->c_stride + (size_t)n;
            if (g->c) g->c[at] = x;
            else g->c16[at] = bfloat16_of(x);
        }
    }
}
