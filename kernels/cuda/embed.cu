/* embed.cu - the first kernel of a batch: three rows gathered, added up, normalised.
 *
 *   word[id] -----+
 *   position[p] --+--> x (fp32, never leaves registers) --> LayerNorm --> out [T,H]
 *   type[type] ---+
 *
 * Mapping: row.cuh, a warp a token.  A token's position is its distance from its sequence's start, so no position
 * numbers travel to the device.  Three loads hang on one another (sequence, its start, the row of the position); the
 * word's row does not wait for them.  Bound by latency for one text and by L2 for many: cost_embed() in cost.h.
 * Rejected: the sum of type 0 and each position made once at load; it saves a row in three, and costs P x types rows of
 * memory and a second truth. */
#include "launch.cuh"
#include "row.cuh"

template <element_type element, int rounds>
static __global__ void __launch_bounds__(ROW_THREADS) embed_rows(const cuda_embed e)
{
    const int token = blockIdx.x * ROWS_PER_BLOCK + threadIdx.x / LANES;
    if (token >= e.input.header->T) return; /* whole warps leave together: the shuffles stay full */

    const size_t id = e.input.ids[token], type = e.input.types[token];
    const size_t position = token - e.input.starts[e.input.sequence[token]];
    float        x[rounds][4] = {};
    row_add<element>(x, element_at(e.word, id * e.hidden), e.hidden);
    row_add<element>(x, element_at(e.type, type * e.hidden), e.hidden);
    row_add<element>(x, element_at(e.position, position * e.hidden), e.hidden);
    uint16_t *out = element_at(e.out, static_cast<size_t>(token) * e.hidden);
    row_normalize<element>(x, e.gamma, e.beta, e.eps, out, e.hidden);
}

template <element_type element, int rounds = 1> static int launch(const cuda_embed &e, kernel_stream stream)
{
    if constexpr (rounds * ROW_ROUND < KERNEL_HIDDEN_MAX)
        if (e.hidden > rounds * ROW_ROUND) return launch<element, rounds + 1>(e, stream);
    const dim3 grid((e.tokens + ROWS_PER_BLOCK - 1) / ROWS_PER_BLOCK);
    return LAUNCH((embed_rows<element, rounds>), grid, dim3(ROW_THREADS), 0, stream, e);
}

int cuda_embed_run(const cuda_embed *e, kernel_stream stream)
{
    if (!row_shape_fits(e->tokens, e->hidden)) return KERNEL_BAD_SHAPE;
    return e->element == ELEMENT_F16 ? launch<ELEMENT_F16>(*e, stream) : launch<ELEMENT_BF16>(*e, stream);
}
