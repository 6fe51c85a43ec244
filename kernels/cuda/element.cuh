/* element.cuh - the 16-bit element of weights and activations, two at a time, to fp32 and back.
 *
 * The type is a template argument of every kernel, so that one source serves f16 and bf16 and the choice costs nothing
 * on the device.  Pairs, because memory, ldmatrix and mma.sync all hold them as one 32-bit register.  Rounding is to
 * nearest, ties to even; kernels compute in fp32 and use no arithmetic of the 16-bit types, which the host lacks. */
#pragma once
#include <cuda_runtime.h>
#include "kernels/half.h"
#ifdef __CUDACC__
#include <cuda_bf16.h>
#include <cuda_fp16.h>

template <element_type element> static __device__ __forceinline__ float2 element_unpack(uint32_t pair)
{
    if constexpr (element == ELEMENT_F16) {
        __half2 of;
        memcpy(&of, &pair, sizeof of);
        return __half22float2(of);
    } else { /* the upper half of a float: one shift and one mask */
        return make_float2(__uint_as_float(pair << 16), __uint_as_float(pair & 0xffff0000u));
    }
}

template <element_type element> static __device__ __forceinline__ uint32_t element_pack(float x, float y)
{
    uint32_t pair;
    if constexpr (element == ELEMENT_F16) {
        const __half2 of = __floats2half2_rn(x, y);
        memcpy(&pair, &of, sizeof pair);
    } else {
        const __nv_bfloat162 of = __floats2bfloat162_rn(x, y);
        memcpy(&pair, &of, sizeof pair);
    }
    return pair;
}
#else
template <element_type element> static inline float2 element_unpack(uint32_t pair)
{
    return make_float2(element_to_f32(element, static_cast<uint16_t>(pair)),
                       element_to_f32(element, static_cast<uint16_t>(pair >> 16)));
}

template <element_type element> static inline uint32_t element_pack(float x, float y)
{
    return element_from_f32(element, x) | static_cast<uint32_t>(element_from_f32(element, y)) << 16;
}
#endif

/* 16 bytes: 8 neighbouring elements. */
template <element_type element> static __device__ __forceinline__ void element_unpack8(float (&x)[8], uint4 from)
{
    const uint32_t pairs[4] = {from.x, from.y, from.z, from.w};
#pragma unroll
    for (int i = 0; i < 4; i++) {
        const float2 two = element_unpack<element>(pairs[i]);
        x[2 * i] = two.x;
        x[2 * i + 1] = two.y;
    }
}

template <element_type element>
static __device__ __forceinline__ void element_load8(float (&x)[8], const uint16_t *from)
{
    element_unpack8<element>(x, *reinterpret_cast<const uint4 *>(from));
}

template <element_type element> static __device__ __forceinline__ uint4 element_pack8(const float (&x)[8])
{
    return make_uint4(element_pack<element>(x[0], x[1]), element_pack<element>(x[2], x[3]),
                      element_pack<element>(x[4], x[5]), element_pack<element>(x[6], x[7]));
}

/* Element number `at` of an array of 16-bit elements that came as void *. */
static __device__ __forceinline__ const uint16_t *element_at(const void *array, size_t at)
{
    return static_cast<const uint16_t *>(array) + at;
}

static __device__ __forceinline__ uint16_t *element_at(void *array, size_t at)
{
    return static_cast<uint16_t *>(array) + at;
}
