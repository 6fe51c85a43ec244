/* gemm_bf16_avx512.c - gemm_bf16_loops.h in the registers of lanes_avx512.h. */
#include "lanes_int8_avx512.h"
#include "gemm_bf16_loops.h"
