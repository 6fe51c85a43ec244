/* gemm_bf16_portable.c - gemm_bf16_loops.h in the registers of lanes_portable.h. */
#include "lanes_int8_portable.h"
#include "gemm_bf16_loops.h"
