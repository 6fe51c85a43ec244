/* norm_avx512.c - norm_loops.h in the registers of lanes_avx512.h. */
#include "lanes_avx512.h"
#include "norm_loops.h"
