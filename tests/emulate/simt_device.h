/* simt_device.h - what a kernel sees when g++ compiles it: CUDA's words, on the emulator behind simt.h.
 *
 * Only what our kernels use.  Shared memory is dynamic, by SHARED() of launch.cuh: a __shared__ variable does not
 * compile here, because nothing could poison it or see where it ends.  Each operation that lanes or threads do together
 * takes its place in the source as default arguments, so that a breach is reported by file and line, and so that
 * threads at two different barriers are told from threads at one.  Kernels are compiled with the sanitizer of the
 * build, the emulator without. */
#ifndef TESTS_EMULATE_SIMT_DEVICE_H
#define TESTS_EMULATE_SIMT_DEVICE_H
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include "kernels/half.h"
#include "simt_vector.h"

#define __global__
#define __device__
#define __host__
#define __shared__ shared_memory_is_dynamic_say_SHARED
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
#define __align__(bytes) __attribute__((aligned(bytes)))

/* A CUDA thread's place; the one that runs on this OS thread.  __thread and not thread_local, whose every use from
 * another object would call a function to ask for a constructor. */
struct simt_place {
    uint3 thread_index, block_index;
    dim3  block_size, grid_size;
};
extern __thread simt_place *simt_here __attribute__((tls_model("initial-exec")));
#define threadIdx (static_cast<const simt_place *>(simt_here)->thread_index)
#define blockIdx (static_cast<const simt_place *>(simt_here)->block_index)
#define blockDim (static_cast<const simt_place *>(simt_here)->block_size)
#define gridDim (static_cast<const simt_place *>(simt_here)->grid_size)
enum { warpSize = 32 };

/* Where an operation stands in the source. */
#define SIMT_SITE const char *file = __builtin_FILE(), int line = __builtin_LINE()

enum simt_operation {
    SIMT_SYNCWARP, SIMT_SHFL, SIMT_SHFL_XOR, SIMT_SHFL_DOWN, SIMT_SHFL_UP, SIMT_BALLOT, SIMT_ANY, SIMT_ALL,
    SIMT_MMA_F16, SIMT_MMA_BF16, SIMT_LDMATRIX, SIMT_LDMATRIX_TRANS, SIMT_OPERATIONS
};
struct simt_shuffle { uint64_t value; unsigned source; }; /* source: a lane */
struct simt_mma { float c[4]; uint32_t a[4], b[2]; };

/* Runs when the last living lane of the mask has come; then each lane's `out` is written.  Orders no memory, but for
 * SIMT_SYNCWARP.  in, out: what the operation takes and gives (simt_warp.cc), in the calling lane's own memory. */
void simt_warp(unsigned mask, simt_operation what, const void *in, void *out, const char *file, int line);
void simt_barrier(const char *file, int line);
void *simt_shared_memory(); /* of the block, NaN at its start; ends where the launch asked it to end */
unsigned simt_lane();

static inline void __syncthreads(SIMT_SITE) { simt_barrier(file, line); }
static inline void __syncwarp(unsigned mask = ~0u, SIMT_SITE)
{
    simt_warp(mask, SIMT_SYNCWARP, nullptr, nullptr, file, line);
}

template <class T>
static inline T simt_shuffled(unsigned mask, simt_operation what, T x, unsigned source, const char *file, int line)
{
    static_assert(sizeof(T) == 4 || sizeof(T) == 8, "a register, or two");
    simt_shuffle in = {0, source};
    memcpy(&in.value, &x, sizeof x);
    uint64_t out;
    simt_warp(mask, what, &in, &out, file, line);
    memcpy(&x, &out, sizeof x);
    return x;
}

/* As the CUDA programming guide has it: a source outside the lane's own part of `width` lanes is the lane itself. */
template <class T> static inline T __shfl_sync(unsigned mask, T x, int source, int width = 32, SIMT_SITE)
{
    const unsigned lane = simt_lane(), inside = static_cast<unsigned>(width) - 1;
    return simt_shuffled(mask, SIMT_SHFL, x, (lane & ~inside) | (static_cast<unsigned>(source) & inside), file, line);
}
template <class T> static inline T __shfl_xor_sync(unsigned mask, T x, int bits, int width = 32, SIMT_SITE)
{
    const unsigned lane = simt_lane(), inside = static_cast<unsigned>(width) - 1;
    const unsigned source = lane ^ static_cast<unsigned>(bits);
    return simt_shuffled(mask, SIMT_SHFL_XOR, x, source > (lane | inside) ? lane : source, file, line);
}
template <class T> static inline T __shfl_down_sync(unsigned mask, T x, unsigned by, int width = 32, SIMT_SITE)
{
    const unsigned lane = simt_lane(), inside = static_cast<unsigned>(width) - 1;
    return simt_shuffled(mask, SIMT_SHFL_DOWN, x, lane + by > (lane | inside) ? lane : lane + by, file, line);
}
template <class T> static inline T __shfl_up_sync(unsigned mask, T x, unsigned by, int width = 32, SIMT_SITE)
{
    const unsigned lane = simt_lane(), inside = static_cast<unsigned>(width) - 1;
    return simt_shuffled(mask, SIMT_SHFL_UP, x, (lane & inside) < by ? lane : lane - by, file, line);
}

static inline unsigned simt_vote(unsigned mask, simt_operation what, int predicate, const char *file, int line)
{
    unsigned out;
    simt_warp(mask, what, &predicate, &out, file, line);
    return out;
}
static inline unsigned __ballot_sync(unsigned mask, int p, SIMT_SITE)
{
    return simt_vote(mask, SIMT_BALLOT, p, file, line);
}
static inline int __any_sync(unsigned mask, int p, SIMT_SITE) { return simt_vote(mask, SIMT_ANY, p, file, line) != 0; }
static inline int __all_sync(unsigned mask, int p, SIMT_SITE) { return simt_vote(mask, SIMT_ALL, p, file, line) != 0; }

template <class T> static inline T __ldg(const T *p) { return *p; }
template <class T> static inline T min(T a, T b) { return b < a ? b : a; }
template <class T> static inline T max(T a, T b) { return a < b ? b : a; }

/* Macros, because C libraries declare functions of these names in <math.h>, and do not all have them. */
#define __expf(x) expf(x)
#define rsqrtf(x) (1.0f / sqrtf(x))

static inline int atomicAdd(int *p, int x) { return __atomic_fetch_add(p, x, __ATOMIC_RELAXED); }
static inline unsigned atomicAdd(unsigned *p, unsigned x) { return __atomic_fetch_add(p, x, __ATOMIC_RELAXED); }
static inline float atomicAdd(float *p, float x)
{
    float was, is;
    __atomic_load(p, &was, __ATOMIC_RELAXED);
    do is = was + x;
    while (!__atomic_compare_exchange(p, &was, &is, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
    return was;
}

/* The twins of the PTX in kernels/cuda/ptx.cuh. */

/* c += a b: m16n8k16, a by rows, b by columns, fp32 sums; every lane of the warp takes part. */
static inline void simt_mma_16816(element_type type, float c[4], const uint32_t a[4], const uint32_t b[2], SIMT_SITE)
{
    simt_mma in;
    memcpy(in.c, c, sizeof in.c);
    memcpy(in.a, a, sizeof in.a);
    memcpy(in.b, b, sizeof in.b);
    simt_warp(~0u, type == ELEMENT_F16 ? SIMT_MMA_F16 : SIMT_MMA_BF16, &in, c, file, line);
}

/* Four 8x8 matrices of 16-bit numbers; lane l gives the address of row l % 8 of matrix l / 8, on 16 bytes, in shared
 * memory. */
void simt_ldmatrix(uint32_t r[4], const void *row, bool transposed, const char *file, int line);
static inline void simt_ldmatrix_x4(uint32_t r[4], const void *row, SIMT_SITE)
{
    simt_ldmatrix(r, row, false, file, line);
}
static inline void simt_ldmatrix_x4_trans(uint32_t r[4], const void *row, SIMT_SITE)
{
    simt_ldmatrix(r, row, true, file, line);
}

/* Queues 16 bytes, both addresses on 16; copy false: 16 zero bytes, and global is not read.  Where copies are late the
 * destination is NaN until the wait that must see it. */
void simt_copy_async_16(void *shared, const void *global, bool copy, SIMT_SITE);
void simt_copy_commit();         /* what this thread queued since the last commit becomes a group */
void simt_copy_wait(int left);   /* at most `left` committed groups may still be under way */

static inline float simt_exp2(float x) { return exp2f(x); } /* ex2.approx.ftz.f32 */
#endif
