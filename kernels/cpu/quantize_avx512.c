/* quantize_avx512.c - quantize_loops.h in the registers of lanes_int8_avx512.h. */
#include "lanes_int8_avx512.h"
#include "quantize_loops.h"
