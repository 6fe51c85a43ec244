/* lanes_portable.h - four floats side by side, for any machine that gcc or clang knows; see lanes.h. */
#ifndef KERNELS_CPU_LANES_PORTABLE_H
#define KERNELS_CPU_LANES_PORTABLE_H
#include <stdint.h>
#include <string.h>

#define LANES_SET(operation) operation##_portable
enum { LANES = 4, TILE_PANELS = 1, LANES_FLOOR = 0 };
#define TILE_ROWS 3 /* 12 of 16 registers hold sums */

typedef float   lanes __attribute__((vector_size(16)));
typedef int32_t lanes_bits __attribute__((vector_size(16)));

static inline lanes lanes_set(float x) { return (lanes){x, x, x, x}; }

static inline lanes lanes_load(const float *p)
{
    lanes x;
    memcpy(&x, p, sizeof x);
    return x;
}

static inline lanes lanes_load_n(const float *p, int n)
{
    float part[LANES] = {0};
    if (n >= LANES) return lanes_load(p);
    for (int i = 0; i < n; i++) part[i] = p[i];
    return lanes_load(part);
}

static inline void lanes_store(float *p, lanes x) { memcpy(p, &x, sizeof x); }

static inline void lanes_store_n(float *p, lanes x, int n)
{
    if (n >= LANES) lanes_store(p, x);
    for (int i = 0; i < n && n < LANES; i++) p[i] = x[i];
}

static inline lanes lanes_select(lanes_bits where, lanes yes, lanes no)
{
    return (lanes)((where & (lanes_bits)yes) | (~where & (lanes_bits)no));
}

static inline lanes lanes_add(lanes a, lanes b) { return a + b; }
static inline lanes lanes_sub(lanes a, lanes b) { return a - b; }
static inline lanes lanes_mul(lanes a, lanes b) { return a * b; }
static inline lanes lanes_div(lanes a, lanes b) { return a / b; }
static inline lanes lanes_fma(lanes a, lanes b, lanes c) { return a * b + c; }
static inline lanes lanes_min(lanes limit, lanes x) { return lanes_select(limit < x, limit, x); }
static inline lanes lanes_max(lanes limit, lanes x) { return lanes_select(limit > x, limit, x); }
static inline lanes lanes_zero_below(lanes y, lanes x, lanes limit) { return (lanes)((lanes_bits)y & ~(x < limit)); }

/* 1.5 * 2^23 leaves no bits for a fraction: the sum rounds to a whole number. */
static inline lanes lanes_round(lanes x) { return x + lanes_set(12582912.0f) - lanes_set(12582912.0f); }

static inline lanes lanes_scale(lanes x, lanes power)
{
    return (lanes)((lanes_bits)x + (__builtin_convertvector(power, lanes_bits) << 23));
}

/* The same sum's low bits are that number, here 127 more as an exponent is.  The power is multiplied by, not added to
 * the exponent: NaN stays NaN whatever its low bits. */
static inline lanes lanes_shifted(lanes x) { return x + lanes_set(12582912.0f + 127); }
static inline lanes lanes_rest(lanes x) { return x - (lanes_shifted(x) - lanes_set(12582912.0f + 127)); }
static inline lanes lanes_scale_whole(lanes y, lanes x) { return y * (lanes)((lanes_bits)lanes_shifted(x) << 23); }

static inline float lanes_sum(lanes x) { return (x[0] + x[2]) + (x[1] + x[3]); }

static inline float lanes_largest(lanes x)
{
    float most = x[0];
    for (int i = 1; i < LANES; i++)
        if (!(most >= x[i])) most = x[i];
    return most;
}

static inline void lanes_turn(lanes x[LANES])
{
    const lanes y[LANES] = {x[0], x[1], x[2], x[3]};
    for (int i = 0; i < LANES; i++) x[i] = (lanes){y[0][i], y[1][i], y[2][i], y[3][i]};
}
#endif
