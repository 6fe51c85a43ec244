/* reduce.cuh - sums over a warp and over a block, the same bits in every thread and every run. */
#pragma once
#include <cuda_runtime.h>

enum { LANES = 32 };

/* Every lane of the warp must call. */
template <class number> static __device__ __forceinline__ number warp_sum(number x)
{
#pragma unroll
    for (int step = LANES / 2; step > 0; step /= 2) x += __shfl_xor_sync(0xffffffffu, x, step);
    return x;
}

/* Every thread of a block of `threads` must call; warp_sums [threads / LANES] is shared memory that nobody else uses
 * until the next barrier.  Each thread adds the warps' sums up for itself: a second round of shuffles and a second
 * barrier cost more than 16 reads that all lanes share. */
template <int threads, class number> static __device__ __forceinline__ number block_sum(number x, number *warp_sums)
{
    x = warp_sum(x);
    if (threadIdx.x % LANES == 0) warp_sums[threadIdx.x / LANES] = x;
    __syncthreads();
    number sum = 0;
#pragma unroll
    for (int i = 0; i < threads / LANES; i++) sum += warp_sums[i];
    return sum;
}
