#include "gemm.h"
#include <math.h>

size_t gemm_packed_floats(int K, int N)
{
    return (size_t)gemm_panels(N) * GEMM_PANEL * (size_t)K;
}

void gemm_pack(float *packed, const float *weight, int K, int N, int first)
{
    for (int n = 0; n < N; n++) {
        int    column = first + n;
        float *panel = packed + (size_t)(column / GEMM_PANEL) * GEMM_PANEL * (size_t)K;
        for (int k = 0; k < K; k++)
            panel[(size_t)k * GEMM_PANEL + (size_t)(column % GEMM_PANEL)] = weight[(size_t)n * (size_t)K + (size_t)k];
    }
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

void gemm_plain(const gemm *g, const float *weight)
{
    for (int m = 0; m < g->M; m++) {
        for (int n = 0; n < g->N; n++) {
            const float *a = g->a + (size_t)m * g->a_stride, *w = weight + (size_t)n * (size_t)g->K;
            double       sum = g->bias ? g->bias[n] : 0;
            for (int k = 0; k < g->K; k++) sum += (double)a[k] * (double)w[k];
            if (g->residual) sum += g->residual[(size_t)m * g->residual_stride + (size_t)n];
            g->c[(size_t)m * g->c_stride + (size_t)n] = (float)activate(sum, g->activation);
        }
    }
}
