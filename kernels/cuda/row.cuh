/* row.cuh - a token's row [H] in the registers of one warp, and its LayerNorm: what embed.cu and norm.cu share.
 *
 * Mapping: one warp a row, so no shared memory and no block barrier.  A lane holds 4 neighbouring columns of every
 * ROW_ROUND: 8-byte loads, 256 bytes a warp and instruction, all of them in flight before the first is used.  16-byte
 * loads were rejected: H = 384 would leave half the lanes idle in the second of two rounds.  The number of rounds is a
 * template argument because an array indexed up to a runtime bound lives in local memory, not in registers.
 * Two passes over the registers, not E[x^2] - E[x]^2: that form loses the variance when |mean| is large beside it, and
 * the second pass costs no traffic. */
#pragma once
#include "element.cuh"
#include "reduce.cuh"

enum { ROW_ROUND = 4 * LANES, ROWS_PER_BLOCK = 4, ROW_THREADS = ROWS_PER_BLOCK * LANES };

/* Only in the last round may a lane stand beyond the row; then its numbers stay 0. */
template <int rounds> static __device__ __forceinline__ bool row_has(int round, int column, int hidden)
{
    return round < rounds - 1 || column < hidden;
}

/* x += from [H] */
template <element_type element, int rounds>
static __device__ __forceinline__ void row_add(float (&x)[rounds][4], const uint16_t *from, int hidden)
{
#pragma unroll
    for (int i = 0; i < rounds; i++) {
        const int column = i * ROW_ROUND + threadIdx.x % LANES * 4;
        if (!row_has<rounds>(i, column, hidden)) continue;
        const uint2  four = *reinterpret_cast<const uint2 *>(from + column);
        const float2 low = element_unpack<element>(four.x), high = element_unpack<element>(four.y);
        x[i][0] += low.x;
        x[i][1] += low.y;
        x[i][2] += high.x;
        x[i][3] += high.y;
    }
}

/* out [H] = (x - mean) / sqrt(variance + eps) * gamma + beta */
template <element_type element, int rounds>
static __device__ __forceinline__ void row_normalize(float (&x)[rounds][4], const float *gamma, const float *beta,
                                                     float eps, uint16_t *out, int hidden)
{
    float sum = 0;
#pragma unroll
    for (int i = 0; i < rounds; i++) sum += (x[i][0] + x[i][1]) + (x[i][2] + x[i][3]);
    const float mean = warp_sum(sum) / static_cast<float>(hidden);

    float squares = 0;
#pragma unroll
    for (int i = 0; i < rounds; i++) {
        if (!row_has<rounds>(i, i * ROW_ROUND + threadIdx.x % LANES * 4, hidden)) continue;
#pragma unroll
        for (int j = 0; j < 4; j++) {
            x[i][j] -= mean;
            squares += x[i][j] * x[i][j];
        }
    }
    const float scale = rsqrtf(warp_sum(squares) / static_cast<float>(hidden) + eps);

    /* Loads first, then stores: out may be what the row came from, so the compiler moves no load over a store. */
#pragma unroll
    for (int i = 0; i < rounds; i++) {
        const int column = i * ROW_ROUND + threadIdx.x % LANES * 4;
        if (!row_has<rounds>(i, column, hidden)) continue;
        const float4 g = *reinterpret_cast<const float4 *>(gamma + column);
        const float4 b = *reinterpret_cast<const float4 *>(beta + column);
        x[i][0] = x[i][0] * scale * g.x + b.x;
        x[i][1] = x[i][1] * scale * g.y + b.y;
        x[i][2] = x[i][2] * scale * g.z + b.z;
        x[i][3] = x[i][3] * scale * g.w + b.w;
    }
#pragma unroll
    for (int i = 0; i < rounds; i++) {
        const int column = i * ROW_ROUND + threadIdx.x % LANES * 4;
        if (!row_has<rounds>(i, column, hidden)) continue;
        *reinterpret_cast<uint2 *>(out + column) =
            make_uint2(element_pack<element>(x[i][0], x[i][1]), element_pack<element>(x[i][2], x[i][3]));
    }
}

/* A shape that the rows' kernels take: 16-byte rows, and no more than the registers hold. */
static inline bool row_shape_fits(int tokens, int hidden)
{
    return tokens >= 1 && hidden >= 8 && hidden <= KERNEL_HIDDEN_MAX && hidden % 8 == 0;
}
