/* cost.h - the least that each operation must do: floating-point operations, and bytes read or written once.
 *
 * What bench/ divides by.  A multiply-add is two flops; exponentials and divisions count as one, which flatters no
 * one: products are 19 of 20 parts.  T tokens, H hidden, n tokens of one sequence; `element` is the bytes of one number
 * of an activation or weight: 4 on the CPU, 2 on a GPU.  Biases, gamma and beta are left out: a thousandth. */
#ifndef KERNELS_COST_H
#define KERNELS_COST_H

typedef struct { double flops, bytes; } cost;

static inline cost cost_gemm(double M, double K, double N, double element)
{
    return (cost){2 * M * K * N, element * (M * K + K * N + M * N)};
}

static inline cost cost_attention(double n, double H, double element) /* every head of one sequence */
{
    return (cost){4 * n * n * H, element * 4 * n * H};
}

static inline cost cost_layer_norm(double T, double H, double element)
{
    return (cost){8 * T * H, element * 2 * T * H};
}

static inline cost cost_residual_norm(double T, double H, double element) /* reads two rows, writes one */
{
    return (cost){9 * T * H, element * 3 * T * H};
}

static inline cost cost_embed(double T, double H, double element)
{
    return (cost){10 * T * H, element * 4 * T * H};
}

static inline cost cost_gelu(double T, double I, double element) /* in place, with its bias */
{
    return (cost){10 * T * I, element * 2 * T * I};
}

static inline cost cost_pool(double T, double H, double element)
{
    return (cost){T * H, element * T * H};
}

static inline cost cost_head(double S, double H, double labels, double element) /* pooler and classifier */
{
    return (cost){2 * S * H * (H + labels), element * (H * (H + labels) + S * H) + 4 * S * labels};
}

/* The products and the attention of a whole encoder, as papers count: 24 H^2 + 4 n H a layer and token for I = 4 H. */
static inline double cost_model_flops(int layers, double H, double inner, const int *lengths, int sequences)
{
    double flops = 0;
    for (int s = 0; s < sequences; s++)
        flops += cost_gemm(lengths[s], H, 4 * H, 1).flops + 2 * cost_gemm(lengths[s], H, inner, 1).flops +
                 cost_attention(lengths[s], H, 1).flops;
    return layers * flops;
}
#endif
