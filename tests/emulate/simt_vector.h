/* simt_vector.h - CUDA's small vector types, laid out and aligned as the toolkit's, for C and for C++.
 *
 * Alignment is part of the type, so that UBSan names a vector access that would be misaligned on a GPU. */
#ifndef TESTS_EMULATE_SIMT_VECTOR_H
#define TESTS_EMULATE_SIMT_VECTOR_H

#define SIMT_ALIGNED(bytes) __attribute__((aligned(bytes)))

typedef struct SIMT_ALIGNED(8) float2 { float x, y; } float2;
typedef struct SIMT_ALIGNED(16) float4 { float x, y, z, w; } float4;
typedef struct SIMT_ALIGNED(8) int2 { int x, y; } int2;
typedef struct SIMT_ALIGNED(16) int4 { int x, y, z, w; } int4;
typedef struct SIMT_ALIGNED(8) uint2 { unsigned x, y; } uint2;
typedef struct uint3 { unsigned x, y, z; } uint3;
typedef struct SIMT_ALIGNED(16) uint4 { unsigned x, y, z, w; } uint4;

typedef struct dim3 {
    unsigned x, y, z;
#ifdef __cplusplus
    constexpr dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {}
#endif
} dim3;

#define SIMT_MAKE_2(vector, number) \
    static inline vector make_##vector(number x, number y) { vector v = {x, y}; return v; }
#define SIMT_MAKE_4(vector, number) \
    static inline vector make_##vector(number x, number y, number z, number w) { vector v = {x, y, z, w}; return v; }
SIMT_MAKE_2(float2, float)
SIMT_MAKE_2(int2, int)
SIMT_MAKE_2(uint2, unsigned)
SIMT_MAKE_4(float4, float)
SIMT_MAKE_4(int4, int)
SIMT_MAKE_4(uint4, unsigned)
#undef SIMT_MAKE_2
#undef SIMT_MAKE_4
#endif
