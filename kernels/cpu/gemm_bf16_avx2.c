/* gemm_bf16_avx2.c - gemm_bf16_loops.h in the registers of lanes_avx2.h. */
#include "lanes_int8_avx2.h"
#include "gemm_bf16_loops.h"
