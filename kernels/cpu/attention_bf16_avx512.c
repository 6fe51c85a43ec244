/* attention_bf16_avx512.c - attention_bf16_loops.h in the registers of lanes_avx512.h. */
#include "lanes_avx512.h"
#include "attention_bf16_loops.h"
