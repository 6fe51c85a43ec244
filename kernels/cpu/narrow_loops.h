/* narrow_loops.h - plain C that the compiler vectorises, compiled once for each instruction set (see lanes.h). */
#include <string.h>
#include "narrow.h"

void LANES_SET(narrow)(const narrow *n, int row0, int row1)
{
    for (int row = row0; row < row1; row++) {
        const float *in = n->in + (size_t)row * n->in_stride;
        uint16_t    *out = n->out + (size_t)row * n->out_stride;
        for (int i = 0; i < n->columns; i++) {
            uint32_t bits;
            memcpy(&bits, in + i, sizeof bits);
            const uint32_t rounded = bits + 0x7fffu + (bits >> 16 & 1);
            const uint32_t nan = bits | 0x400000u; /* quiet: its own upper half may have no bit left */
            out[i] = (uint16_t)(((bits & 0x7fffffffu) > 0x7f800000u ? nan : rounded) >> 16);
        }
    }
}
