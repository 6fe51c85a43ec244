/* narrow_avx2.c - narrow_loops.h for the registers of lanes_avx2.h. */
#include "lanes_avx2.h"
#include "narrow_loops.h"
