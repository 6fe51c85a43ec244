/* gemm_avx2.c - gemm_loops.h in the registers of lanes_avx2.h. */
#include "lanes_avx2.h"
#include "gemm_loops.h"
