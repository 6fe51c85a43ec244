/* ptx.cuh - the instructions that CUDA C++ has no name for; the only inline PTX.
 *
 * On the host each is a function of the emulator, which says in simt_device.h what the PTX manual says of the
 * instruction.  All are of sm_80: wgmma and TMA would need sm_90 and a second attention kernel, for lengths (512 and
 * more) at which attention is a tenth of the work. */
#pragma once
#include <cuda_runtime.h>
#include "kernels/half.h"

#ifdef __CUDACC__
static __device__ __forceinline__ uint32_t ptx_shared_address(const void *at)
{
    return static_cast<uint32_t>(__cvta_generic_to_shared(at));
}

/* c [16,8] += a [16,16] b [8,16]^T, spread over the warp's registers; c is fp32. */
template <element_type element>
static __device__ __forceinline__ void ptx_mma_16816(float (&c)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1)
{
    if constexpr (element == ELEMENT_F16)
        asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
                     "{%0,%1,%2,%3};"
                     : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
                     : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
    else
        asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
                     "{%0,%1,%2,%3};"
                     : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
                     : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

/* Four 8x8 matrices; `row` is the lane's row of 16 bytes: lanes 0-7 have those of the first matrix, and so on. */
static __device__ __forceinline__ void ptx_ldmatrix_x4(uint32_t (&to)[4], const void *row)
{
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
                 : "r"(ptx_shared_address(row))
                 : "memory");
}

/* The same, each matrix transposed. */
static __device__ __forceinline__ void ptx_ldmatrix_x4_trans(uint32_t (&to)[4], const void *row)
{
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
                 : "r"(ptx_shared_address(row))
                 : "memory");
}

/* 16 bytes on their way to shared memory; with `copy` false zeros, and global memory is not read. */
static __device__ __forceinline__ void ptx_copy_async_16(void *shared, const void *global, bool copy)
{
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;"
                 :
                 : "r"(ptx_shared_address(shared)), "l"(global), "r"(copy ? 16 : 0)
                 : "memory");
}

/* What the thread has copied since the last commit is a group... */
static __device__ __forceinline__ void ptx_copy_commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }

/* ...and all groups but the last `left` have arrived, for this thread; for the others after a barrier. */
template <int left> static __device__ __forceinline__ void ptx_copy_wait()
{
    asm volatile("cp.async.wait_group %0;" ::"n"(left) : "memory");
}

/* 2^x within 2 units of the last place; 2^-infinity is 0. */
static __device__ __forceinline__ float ptx_exp2(float x)
{
    float y;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}
#else
template <element_type element>
static inline void ptx_mma_16816(float (&c)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1)
{
    const uint32_t b[2] = {b0, b1};
    simt_mma_16816(element, c, a, b);
}
static inline void ptx_ldmatrix_x4(uint32_t (&to)[4], const void *row) { simt_ldmatrix_x4(to, row); }
static inline void ptx_ldmatrix_x4_trans(uint32_t (&to)[4], const void *row) { simt_ldmatrix_x4_trans(to, row); }
static inline void ptx_copy_async_16(void *shared, const void *global, bool copy)
{
    simt_copy_async_16(shared, global, copy);
}
static inline void ptx_copy_commit() { simt_copy_commit(); }
template <int left> static inline void ptx_copy_wait() { simt_copy_wait(left); }
static inline float ptx_exp2(float x) { return simt_exp2(x); }
#endif
