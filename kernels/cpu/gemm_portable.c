/* gemm_portable.c - gemm_loops.h in the registers of lanes_portable.h. */
#include "lanes_portable.h"
#include "gemm_loops.h"
