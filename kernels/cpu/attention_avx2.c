/* attention_avx2.c - attention_loops.h in the registers of lanes_avx2.h. */
#include "lanes_avx2.h"
#include "attention_loops.h"
