/* gemm_int8_portable.c - gemm_int8_loops.h in floats: plain machines multiply them fastest, and a sum over a chunk of
 * 256 is a whole number below 255 * 127 * 256 < 2^24, which a float holds exactly. */
#include "lanes_int8_portable.h"

typedef float word;
typedef lanes wide;
enum { STEPS = 4 };

static inline void widen_row(word *words, const uint8_t *a, int quads)
{
    for (int k = 0; k < 4 * quads; k++) words[k] = (float)a[k];
}

/* Four columns at a time: the bytes of one k are moved to the top of their quads, and down again with their sign. */
static inline void widen_panel(wide *out, const int8_t *b, int quads)
{
    for (int q = 0; q < quads; q++, out += 16) {
        for (int four = 0; four < 4; four++, b += 16) {
            lanes_bits x;
            memcpy(&x, b, sizeof x);
            out[four] = __builtin_convertvector(x << 24 >> 24, lanes);
            out[4 + four] = __builtin_convertvector(x << 16 >> 24, lanes);
            out[8 + four] = __builtin_convertvector(x << 8 >> 24, lanes);
            out[12 + four] = __builtin_convertvector(x >> 24, lanes);
        }
    }
}

static inline wide wide_zero(void) { return lanes_set(0); }
static inline wide wide_load(const wide *b) { return *b; }
static inline wide wide_step(wide sum, word a, wide b) { return lanes_fma(lanes_set(a), b, sum); }

static inline void wide_add_to(int32_t *sums, wide sum)
{
    for (int i = 0; i < LANES; i++) sums[i] += (int32_t)sum[i];
}
#include "gemm_int8_loops.h"
