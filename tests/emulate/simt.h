/* simt.h - runs CUDA kernels on the host: one fiber for each CUDA thread, warps and barriers as the hardware has them.
 *
 * The same kernel source that nvcc builds is built with g++ against this header (through the fake <cuda_runtime.h> of
 * tests/fake_cuda/include).  It is stricter than a GPU: shared memory starts as NaN, a warp operation runs when the
 * last lane of its mask arrives, asynchronous copies land as late as they may, barriers that part of a block never
 * reaches abort by name, and the order of threads is a seed's.  Under TSan each CUDA thread is a thread of its own and
 * only barriers order memory; under ASan shared memory ends where it was asked to end.
 *
 * The part for kernels (threadIdx, __syncthreads, __shfl_*_sync, ...) is simt_device.h. */
#ifndef TESTS_EMULATE_SIMT_H
#define TESTS_EMULATE_SIMT_H
#include <cstddef>
#include <functional>

struct simt_dim { unsigned x, y, z; };

struct simt_options {
    unsigned seed;       /* 0: threads in order; even: mostly the one that was freed last; odd: any */
    bool     copies_late; /* cp.async data lands only at the wait that must see it */
    int      os_threads; /* blocks are shared out over so many threads */
};

/* For the calling thread's launches. */
void         simt_set_options(simt_options o);
simt_options simt_get_options();

/* Runs every block of the grid to its end before it returns. */
void simt_run(simt_dim grid, simt_dim block, size_t shared_bytes, const std::function<void()> &kernel);
#endif
