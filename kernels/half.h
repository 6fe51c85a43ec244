/* half.h - the two 16-bit floating-point types of weights and activations, as bits, on the host.
 *
 * Rounding is to nearest, ties to even, as the GPU's own conversions do; NaN stays NaN, what is too large for f16
 * becomes infinite (the caller looks for it).  f16 is IEEE binary16, bf16 the upper half of a binary32. */
#ifndef KERNELS_HALF_H
#define KERNELS_HALF_H
#include <stdint.h>
#include <string.h>

typedef enum { ELEMENT_F16, ELEMENT_BF16 } element_type; /* how a version's weights and activations are stored */

static inline uint32_t half_bits_of(float x)
{
    uint32_t u;
    memcpy(&u, &x, sizeof u);
    return u;
}

static inline float half_float_of(uint32_t u)
{
    float x;
    memcpy(&x, &u, sizeof x);
    return x;
}

static inline uint16_t bf16_from_f32(float x)
{
    const uint32_t u = half_bits_of(x);
    if ((u & 0x7fffffffu) > 0x7f800000u) return 0x7fff;
    return (uint16_t)((u + 0x7fffu + (u >> 16 & 1u)) >> 16);
}

static inline float bf16_to_f32(uint16_t h) { return half_float_of((uint32_t)h << 16); }

static inline uint16_t f16_from_f32(float x)
{
    const uint32_t u = half_bits_of(x), sign = u >> 16 & 0x8000u, magnitude = u & 0x7fffffffu;
    if (magnitude > 0x7f800000u) return 0x7fff;
    if (magnitude >= 0x477ff000u) return (uint16_t)(sign | 0x7c00u); /* rounds to 65536 or more */
    if (magnitude < 0x38800000u) { /* below 2^-14: adding 0.5 rounds at f16's last place, 2^-24 */
        const uint32_t rounded = half_bits_of(half_float_of(magnitude) + 0.5f);
        return (uint16_t)(sign | (rounded - 0x3f000000u));
    }
    return (uint16_t)(sign | ((magnitude + 0xfffu + (magnitude >> 13 & 1u) - 0x38000000u) >> 13));
}

static inline float f16_to_f32(uint16_t h)
{
    const uint32_t sign = (uint32_t)(h & 0x8000u) << 16, magnitude = h & 0x7fffu;
    if (magnitude >= 0x7c00u) return half_float_of(sign | 0x7f800000u | (magnitude & 0x3ffu) << 13);
    if (magnitude < 0x400u) { /* a multiple of 2^-24 */
        const float x = (float)magnitude * 5.9604644775390625e-8f;
        return sign ? -x : x;
    }
    return half_float_of(sign | ((magnitude << 13) + 0x38000000u));
}

static inline uint16_t element_from_f32(element_type type, float x)
{
    return type == ELEMENT_F16 ? f16_from_f32(x) : bf16_from_f32(x);
}

static inline float element_to_f32(element_type type, uint16_t h)
{
    return type == ELEMENT_F16 ? f16_to_f32(h) : bf16_to_f32(h);
}
#endif
