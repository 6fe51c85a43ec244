/* launch.cuh - the seam between one kernel source and what runs it: nvcc and a GPU, or g++ and the emulator of
 * tests/emulate, which brings its own <cuda_runtime.h>.  Besides this file and ptx.cuh no kernel knows the difference. */
#pragma once
#include <cuda_runtime.h>
#include "kernels.h"

#ifdef __CUDACC__
/* Dynamic shared memory as an array of `type`. */
#define SHARED(type, name)                                               \
    extern __shared__ __align__(128) unsigned char shared_memory_bytes[]; \
    type *name = reinterpret_cast<type *>(shared_memory_bytes)
/* An expression: 0 or the cudaError_t of the launch. */
#define LAUNCH(kernel, grid, block, shared_bytes, stream, ...) \
    ((kernel)<<<(grid), (block), (shared_bytes), (stream)>>>(__VA_ARGS__), static_cast<int>(cudaGetLastError()))
#else
#define SHARED(type, name) type *name = reinterpret_cast<type *>(simt_shared_memory())
#define LAUNCH(kernel, grid, block, shared_bytes, stream, ...) \
    static_cast<int>(simt_launch(reinterpret_cast<const void *>(kernel), (grid), (block), (shared_bytes), (stream), \
                                 [=] { (kernel)(__VA_ARGS__); }))
#endif
