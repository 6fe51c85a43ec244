/* attention_bf16_portable.c - attention_bf16_loops.h in the registers of lanes_portable.h. */
#include "lanes_portable.h"
#include "attention_bf16_loops.h"
