/* gemm_avx512.c - gemm_loops.h in the registers of lanes_avx512.h. */
#include "lanes_avx512.h"
#include "gemm_loops.h"
