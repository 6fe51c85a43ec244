/* quantize_avx2.c - quantize_loops.h in the registers of lanes_int8_avx2.h. */
#include "lanes_int8_avx2.h"
#include "quantize_loops.h"
