/* attention_portable.c - attention_loops.h in the registers of lanes_portable.h. */
#include "lanes_portable.h"
#include "attention_loops.h"
