/* gelu.cu - x = gelu(x + bias), where the product's epilogue cannot: cuBLASLt has the tanh form alone.
 *
 * Mapping: a thread holds 8 columns (16 bytes) of the bias and takes them through ROWS rows, whose loads are in flight
 * together.  Blocks count rows first, in x, which has room for any T; columns go in y, so no thread divides.
 * gelu = x (1 + erf(x / sqrt 2)) / 2 in fp32: 1 + erf loses digits below -2 and nothing beyond 2^-22, an eighth of the
 * smallest step between f16 numbers.  erfc would keep them and costs twice the instructions.
 * Bound by memory (L2 up to some thousand tokens): 4 T I bytes. */
#include "launch.cuh"
#include "element.cuh"

enum { THREADS = 128, COLUMNS = 8, ROWS = 2 };

template <element_type element> static __global__ void __launch_bounds__(THREADS) gelu_rows(const cuda_gelu g)
{
    const int column = (blockIdx.y * THREADS + threadIdx.x) * COLUMNS, row0 = blockIdx.x * ROWS;
    const int rows = g.input.header->T - row0;
    if (column >= g.inner || rows <= 0) return;

    float bias[COLUMNS];
    element_load8<element>(bias, element_at(g.bias, column));
    uint16_t *at = element_at(g.x, static_cast<size_t>(row0) * g.inner + column);
    uint4     chunks[ROWS] = {};
#pragma unroll
    for (int r = 0; r < ROWS; r++)
        if (r < rows) chunks[r] = *reinterpret_cast<const uint4 *>(at + static_cast<size_t>(r) * g.inner);
#pragma unroll
    for (int r = 0; r < ROWS; r++) {
        float x[COLUMNS];
        element_unpack8<element>(x, chunks[r]);
#pragma unroll
        for (int i = 0; i < COLUMNS; i++) {
            x[i] += bias[i];
            x[i] = 0.5f * x[i] * (1.0f + erff(x[i] * 0.70710678f));
        }
        if (r < rows) *reinterpret_cast<uint4 *>(at + static_cast<size_t>(r) * g.inner) = element_pack8<element>(x);
    }
}

template <element_type element> static int launch(const cuda_gelu &g, kernel_stream stream)
{
    const dim3 grid((g.tokens + ROWS - 1) / ROWS, (g.inner / COLUMNS + THREADS - 1) / THREADS);
    return LAUNCH((gelu_rows<element>), grid, dim3(THREADS), 0, stream, g);
}

int cuda_gelu_run(const cuda_gelu *g, kernel_stream stream)
{
    enum { INNER_MAX = 65535 * THREADS * COLUMNS }; /* a grid's y ends there */
    if (g->tokens < 1 || g->inner < COLUMNS || g->inner > INNER_MAX || g->inner % COLUMNS) return KERNEL_BAD_SHAPE;
    return g->element == ELEMENT_F16 ? launch<ELEMENT_F16>(*g, stream) : launch<ELEMENT_BF16>(*g, stream);
}
