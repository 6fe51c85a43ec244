/* attention_bf16_avx2.c - attention_bf16_loops.h in the registers of lanes_avx2.h. */
#include "lanes_avx2.h"
#include "attention_bf16_loops.h"
