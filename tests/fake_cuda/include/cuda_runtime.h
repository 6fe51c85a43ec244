/* cuda_runtime.h - cuda_runtime_api.h for C++: what kernels are written with, and how they are launched.
 *
 * The language of kernels (__global__, threadIdx, __syncthreads...) is the emulator's, tests/emulate/simt_device.h. */
#ifndef FAKE_CUDA_RUNTIME_H
#define FAKE_CUDA_RUNTIME_H
#include "cuda_runtime_api.h"
#include "tests/emulate/simt_device.h"
#include <functional>

/* What kernel<<<grid, block, shared_bytes, stream>>>(...), cudaGetLastError() is to nvcc: counted as
 * "cudaLaunchKernel", and its answer too is the last error of this thread, whichever call that came from. `kernel` says
 * whose limits hold (cudaFuncSetAttribute); `run` is the call with its arguments, copied now. */
cudaError_t simt_launch(const void *kernel, dim3 grid, dim3 block, size_t shared_bytes, cudaStream_t stream,
                        std::function<void()> run);

template <typename T> cudaError_t cudaFuncSetAttribute(T *kernel, cudaFuncAttribute attribute, int value)
{
    return cudaFuncSetAttribute(reinterpret_cast<const void *>(kernel), attribute, value);
}

template <typename T> cudaError_t cudaFuncGetAttributes(cudaFuncAttributes *out, T *kernel)
{
    return cudaFuncGetAttributes(out, reinterpret_cast<const void *>(kernel));
}
#endif
