/* cost.h - the least that each operation must do: floating-point operations, and bytes read or written once.
 *
 * What bench/ divides by.  A multiply-add is two flops; exponentials and divisions count as one, which flatters no
 * one: products are 19 of 20 parts.  T tokens, H hidden, n tokens of one sequence. */
#ifndef KERNELS_COST_H
#define KERNELS_COST_H

typedef struct { double flops, bytes; } cost;

static inline cost cost_gemm(double M, double K, double N)
{
    return (cost){2 * M * K * N, 4 * (M * K + K * N + M * N)};
}

static inline cost cost_attention(double n, double H) /* every head of one sequence */
{
    return (cost){4 * n * n * H, 4 * 4 * n * H};
}

static inline cost cost_layer_norm(double T, double H)
{
    return (cost){8 * T * H, 4 * 2 * T * H};
}

static inline cost cost_embed(double T, double H)
{
    return (cost){10 * T * H, 4 * 4 * T * H};
}

static inline cost cost_pool(double T, double H)
{
    return (cost){T * H, 4 * T * H};
}

/* The products and the attention of a whole encoder, as papers count: 24 H^2 + 4 n H a layer and token for I = 4 H. */
static inline double cost_model_flops(int layers, double H, double inner, const int *lengths, int sequences)
{
    double flops = 0;
    for (int s = 0; s < sequences; s++)
        flops += cost_gemm(lengths[s], H, 4 * H).flops + 2 * cost_gemm(lengths[s], H, inner).flops +
                 cost_attention(lengths[s], H).flops;
    return layers * flops;
}
#endif
