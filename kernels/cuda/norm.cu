/* norm.cu - add the residual, then normalise: twice per layer.
 *
 *   in [T,H] --------+
 *                    +--> x (fp32, never leaves registers) --> LayerNorm --> out [T,H]
 *   residual [T,H] --+
 *
 * Mapping: row.cuh, a warp a token; a lane reads and writes the same columns, so out may be in or residual.  Whether
 * there is a residual is a template argument: the product before it may have added it already, and then no load may
 * hang on a pointer's value.  Bound by memory: cost_layer_norm() in cost.h. */
#include "launch.cuh"
#include "row.cuh"

template <element_type element, int rounds, bool with_residual>
static __global__ void __launch_bounds__(ROW_THREADS) norm_rows(const cuda_norm n)
{
    const int token = blockIdx.x * ROWS_PER_BLOCK + threadIdx.x / LANES;
    if (token >= n.input.header->T) return; /* whole warps leave together: the shuffles stay full */

    const size_t at = static_cast<size_t>(token) * n.hidden;
    float        x[rounds][4] = {};
    row_add<element>(x, element_at(n.in, at), n.hidden);
    if constexpr (with_residual) row_add<element>(x, element_at(n.residual, at), n.hidden);
    row_normalize<element>(x, n.gamma, n.beta, n.eps, element_at(n.out, at), n.hidden);
}

template <element_type element, int rounds = 1> static int launch(const cuda_norm &n, kernel_stream stream)
{
    if constexpr (rounds * ROW_ROUND < KERNEL_HIDDEN_MAX)
        if (n.hidden > rounds * ROW_ROUND) return launch<element, rounds + 1>(n, stream);
    const dim3 grid((n.tokens + ROWS_PER_BLOCK - 1) / ROWS_PER_BLOCK), block(ROW_THREADS);
    return n.residual ? LAUNCH((norm_rows<element, rounds, true>), grid, block, 0, stream, n)
                      : LAUNCH((norm_rows<element, rounds, false>), grid, block, 0, stream, n);
}

int cuda_norm_run(const cuda_norm *n, kernel_stream stream)
{
    if (!row_shape_fits(n->tokens, n->hidden)) return KERNEL_BAD_SHAPE;
    return n->element == ELEMENT_F16 ? launch<ELEMENT_F16>(*n, stream) : launch<ELEMENT_BF16>(*n, stream);
}
