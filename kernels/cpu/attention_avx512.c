/* attention_avx512.c - attention_loops.h in the registers of lanes_avx512.h. */
#include "lanes_avx512.h"
#include "attention_loops.h"
