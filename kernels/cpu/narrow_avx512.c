/* narrow_avx512.c - narrow_loops.h for the registers of lanes_avx512.h. */
#include "lanes_avx512.h"
#include "narrow_loops.h"
