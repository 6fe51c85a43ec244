/* copy.cc - copies, fills and allocations: the calls.
 *
 * What may return before it is done does: a synchronous copy from pageable memory to the device has then only been
 * staged, one within the device and a fill have only been queued (CUDA runtime, "API synchronization behavior"), and a
 * non-blocking stream does not wait for them. */
#include "capture.h"
#include "memory.h"
#include "stream.h"
#include <cstring>
#include <memory>

static const char *place_name(memory_place p)
{
    return p == MEMORY_DEVICE ? "device memory" : p == MEMORY_PINNED ? "pinned memory" : "pageable memory";
}

/* Whether the kind of copy is what the two addresses say. */
static cudaError_t check_kind(memory_place to, memory_place from, cudaMemcpyKind kind)
{
    const bool to_device = to == MEMORY_DEVICE, from_device = from == MEMORY_DEVICE;
    switch (kind) {
    case cudaMemcpyDefault: return cudaSuccess;
    case cudaMemcpyHostToHost:
        if (!to_device && !from_device) return cudaSuccess;
        break;
    case cudaMemcpyHostToDevice:
        if (to_device && !from_device) return cudaSuccess;
        break;
    case cudaMemcpyDeviceToHost:
        if (!to_device && from_device) return cudaSuccess;
        break;
    case cudaMemcpyDeviceToDevice:
        if (to_device && from_device) return cudaSuccess;
        break;
    default: complain("%d is no kind of copy", static_cast<int>(kind)); return cudaErrorInvalidMemcpyDirection;
    }
    complain("the kind of copy is not from %s to %s", place_name(from), place_name(to));
    return cudaErrorInvalidValue;
}

static work copying(void *to, const void *from, size_t bytes, cudaError_t late)
{
    work w = {WORK_COPY, nullptr, {}, {}, the_device.current, late};
    if (memory_place_of(from) == MEMORY_PINNED) w.reads = {from, bytes};
    if (memory_place_of(to) == MEMORY_PINNED) w.writes = {to, bytes};
    w.run = [=] {
        memory_require(from, bytes, "the source");
        memory_require(to, bytes, "the destination");
        memmove(to, from, bytes);
    };
    return w;
}

cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t bytes, cudaMemcpyKind kind, cudaStream_t stream)
{
    call c(CALL_cudaMemcpyAsync);
    if (c.refused) return c.no();
    const memory_place there = memory_place_of(to), here = memory_place_of(from);
    const cudaError_t  rc = check_kind(there, here, kind);
    if (rc || bytes == 0) return c.answer(rc);
    memory_require(from, bytes, "the source");
    memory_require(to, bytes, "the destination");
    if (there == MEMORY_PAGEABLE || here == MEMORY_PAGEABLE)
        breach("pageable memory: the copy would wait, or stage it; use pinned memory");
    return c.answer(stream_submit(stream, copying(to, from, bytes, c.late)));
}

cudaError_t cudaMemcpy(void *to, const void *from, size_t bytes, cudaMemcpyKind kind)
{
    call c(CALL_cudaMemcpy);
    if (c.refused) return c.no();
    const memory_place there = memory_place_of(to), here = memory_place_of(from);
    const cudaError_t  rc = check_kind(there, here, kind);
    if (rc || bytes == 0) return c.answer(rc);
    memory_require(from, bytes, "the source");
    memory_require(to, bytes, "the destination");
    work w = copying(to, from, bytes, c.late);
    if (there == MEMORY_DEVICE && here == MEMORY_PAGEABLE) {
        const std::shared_ptr<unsigned char> staged(new unsigned char[bytes], std::default_delete<unsigned char[]>());
        schedule_until(schedule_through(schedule_legacy()));
        memcpy(staged.get(), from, bytes);
        w.run = [=] {
            memory_require(to, bytes, "the destination");
            memcpy(to, staged.get(), bytes);
        };
    }
    const cudaError_t queued = stream_submit(nullptr, w);
    if (queued) return c.answer(queued);
    if (there != MEMORY_DEVICE || here == MEMORY_PINNED) schedule_until(schedule_through(schedule_legacy()));
    return c.answer(device_take_failure());
}

static cudaError_t fill(void *to, int value, size_t bytes, cudaStream_t stream, cudaError_t late)
{
    if (memory_place_of(to) != MEMORY_DEVICE) {
        complain("fills device memory only, not %s", place_name(memory_place_of(to)));
        return cudaErrorInvalidValue;
    }
    if (bytes == 0) return cudaSuccess;
    memory_require(to, bytes, "the destination");
    work w = {WORK_COMPUTE, nullptr, {}, {}, the_device.current, late};
    w.run = [=] {
        memory_require(to, bytes, "the destination");
        memset(to, value, bytes);
    };
    return stream_submit(stream, w);
}

cudaError_t cudaMemset(void *to, int value, size_t bytes)
{
    call c(CALL_cudaMemset);
    return c.refused ? c.no() : c.answer(fill(to, value, bytes, nullptr, c.late));
}

cudaError_t cudaMemsetAsync(void *to, int value, size_t bytes, cudaStream_t stream)
{
    call c(CALL_cudaMemsetAsync);
    return c.refused ? c.no() : c.answer(fill(to, value, bytes, stream, c.late));
}

/* --- allocations --- */

cudaError_t cudaMemGetInfo(size_t *free_bytes, size_t *total_bytes)
{
    call c(CALL_cudaMemGetInfo);
    if (c.refused) return c.no();
    *total_bytes = the_device.settings.memory;
    *free_bytes = the_device.settings.memory - memory_used();
    return c.answer(cudaSuccess);
}

cudaError_t cudaMalloc(void **out, size_t bytes)
{
    call c(CALL_cudaMalloc);
    return c.refused ? c.no() : c.answer(memory_allocate(out, MEMORY_DEVICE, bytes));
}

/* Waits for all work first, as the runtime does. */
cudaError_t cudaFree(void *pointer)
{
    call c(CALL_cudaFree);
    if (c.keeps()) return c.no();
    if (!c.refused && pointer) schedule_drain();
    memory_free(pointer, MEMORY_DEVICE);
    return c.refused ? c.no() : c.answer(device_take_failure());
}

cudaError_t cudaHostAlloc(void **out, size_t bytes, unsigned flags)
{
    call c(CALL_cudaHostAlloc);
    if (c.refused) return c.no();
    if (flags & ~7u) return c.answer(cudaErrorInvalidValue);
    return c.answer(memory_allocate(out, MEMORY_PINNED, bytes));
}

cudaError_t cudaMallocHost(void **out, size_t bytes)
{
    call c(CALL_cudaMallocHost);
    return c.refused ? c.no() : c.answer(memory_allocate(out, MEMORY_PINNED, bytes));
}

cudaError_t cudaFreeHost(void *pointer)
{
    call c(CALL_cudaFreeHost);
    if (c.keeps()) return c.no();
    if (!c.refused && pointer && schedule_uses(pointer, 1)) breach("a copy that has not run uses this memory");
    memory_free(pointer, MEMORY_PINNED);
    return c.refused ? c.no() : c.answer(cudaSuccess);
}
