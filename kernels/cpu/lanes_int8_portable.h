/* lanes_int8_portable.h - whole numbers and bfloat16 in and out of the registers of lanes_portable.h; see lanes_low.h.
 */
#ifndef KERNELS_CPU_LANES_INT8_PORTABLE_H
#define KERNELS_CPU_LANES_INT8_PORTABLE_H
#include "lanes_portable.h"

static inline lanes lanes_of_ints(const int32_t *p)
{
    lanes_bits whole;
    memcpy(&whole, p, sizeof whole);
    return __builtin_convertvector(whole, lanes);
}

static inline lanes lanes_load_bf16_n(const uint16_t *p, int n)
{
    lanes_bits bits = {0};
    for (int i = 0; i < n && i < LANES; i++) bits[i] = (int32_t)((uint32_t)p[i] << 16);
    return (lanes)bits;
}

static inline void lanes_store_bf16_n(uint16_t *p, lanes x, int n)
{
    for (int i = 0; i < n && i < LANES; i++) {
        uint32_t bits;
        memcpy(&bits, (const char *)&x + 4 * i, sizeof bits);
        p[i] = x[i] != x[i] ? 0x7fc0 : (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
    }
}

static inline lanes lanes_larger(lanes most, lanes x)
{
    lanes_bits bits = (lanes_bits)x & 0x7fffffff;
    return lanes_select(bits > (lanes_bits)most, (lanes)bits, most);
}

static inline int32_t lanes_largest_bits(lanes most)
{
    lanes_bits bits = (lanes_bits)most;
    int32_t largest = bits[0];
    for (int i = 1; i < LANES; i++) largest = bits[i] > largest ? bits[i] : largest;
    return largest;
}

static inline void lanes_store_bytes(uint8_t *p, const lanes *x)
{
    for (int i = 0; i < 4; i++) {
        lanes_bits whole = __builtin_convertvector(lanes_round(x[i]), lanes_bits) + 128;
        for (int j = 0; j < LANES; j++) p[i * LANES + j] = (uint8_t)whole[j];
    }
}
#endif
