/* norm_avx2.c - norm_loops.h in the registers of lanes_avx2.h. */
#include "lanes_avx2.h"
#include "norm_loops.h"
