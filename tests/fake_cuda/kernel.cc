/* kernel.cc - launches of kernels, checked as CUDA checks them and run by the emulator.
 *
 * CUDA programming guide, "Technical Specifications per Compute Capability"; a kernel has 48 KiB of dynamic shared
 * memory until cudaFuncSetAttribute() raises that for it, which lasts as long as the process. */
#include <cuda_runtime.h>
#include <unordered_map>
#include "info.h"
#include "memory.h"
#include "stream.h"
#include "tests/emulate/simt.h"

static auto &shared_limits = *new std::unordered_map<const void *, size_t>(); /* where raised */

static size_t shared_limit(const void *kernel)
{
    const auto found = shared_limits.find(kernel);
    return found == shared_limits.end() ? INFO_SHARED_BYTES : found->second;
}

static cudaError_t check(const void *kernel, dim3 grid, dim3 block, size_t shared_bytes)
{
    if (grid.x == 0 || grid.y == 0 || grid.z == 0 || grid.x > 0x7fffffff || grid.y > 65535 || grid.z > 65535) {
        complain("a grid of %u x %u x %u, the limits are 2147483647 x 65535 x 65535", grid.x, grid.y, grid.z);
        return cudaErrorInvalidConfiguration;
    }
    const uint64_t threads = uint64_t(block.x) * block.y * block.z;
    if (threads == 0 || block.x > 1024 || block.y > 1024 || block.z > 64 || threads > 1024) {
        complain("a block of %u x %u x %u, the limits are 1024 x 1024 x 64 and 1024 in all", block.x, block.y, block.z);
        return cudaErrorInvalidConfiguration;
    }
    if (shared_bytes > shared_limit(kernel)) {
        complain("%zu bytes of dynamic shared memory, the limit of this kernel is %zu", shared_bytes,
                 shared_limit(kernel));
        return cudaErrorInvalidValue;
    }
    return cudaSuccess;
}

static void run(dim3 grid, dim3 block, size_t shared_bytes, const std::function<void()> &body)
{
    const simt_options before = simt_get_options();
    simt_options       now = before;
    now.seed = static_cast<unsigned>(device_random(0xffffffffu)); /* 0 where the device's is */
    now.copies_late = true;
    static const bool watched = [] { /* the emulator installs its handler of faults when it runs first */
        simt_run({1, 1, 1}, {1, 1, 1}, 0, [] {});
        memory_watch();
        return true;
    }();
    static_cast<void>(watched);
    simt_set_options(now);
    simt_run({grid.x, grid.y, grid.z}, {block.x, block.y, block.z}, shared_bytes, body);
    simt_set_options(before);
}

cudaError_t simt_launch(const void *kernel, dim3 grid, dim3 block, size_t shared_bytes, cudaStream_t stream,
                        std::function<void()> body)
{
    call c(CALL_cudaLaunchKernel);
    if (c.refused) {
        c.no();
    } else {
        work w = {WORK_COMPUTE, nullptr, {}, {}, the_device.current, c.late};
        w.run = [=] { run(grid, block, shared_bytes, body); };
        const cudaError_t rc = check(kernel, grid, block, shared_bytes);
        c.answer(rc ? rc : stream_submit(stream, w));
    }
    return device_last_error(true);
}

cudaError_t cudaFuncSetAttribute(const void *kernel, cudaFuncAttribute attribute, int value)
{
    call c(CALL_cudaFuncSetAttribute);
    if (c.refused) return c.no();
    if (attribute == cudaFuncAttributePreferredSharedMemoryCarveout) return c.answer(cudaSuccess); /* a hint */
    if (attribute != cudaFuncAttributeMaxDynamicSharedMemorySize || value < 0 ||
        static_cast<size_t>(value) > INFO_SHARED_BYTES_OPTIN) {
        complain("%d bytes of shared memory, a block has at most %zu", value, INFO_SHARED_BYTES_OPTIN);
        return c.answer(cudaErrorInvalidValue);
    }
    shared_limits[kernel] = static_cast<size_t>(value);
    return c.answer(cudaSuccess);
}

cudaError_t cudaFuncGetAttributes(cudaFuncAttributes *out, const void *kernel)
{
    call c(CALL_cudaFuncGetAttributes);
    if (c.refused) return c.no();
    *out = {};
    out->maxThreadsPerBlock = 1024;
    out->maxDynamicSharedSizeBytes = static_cast<int>(shared_limit(kernel));
    return c.answer(cudaSuccess);
}
