/* quantize_portable.c - quantize_loops.h in the registers of lanes_int8_portable.h. */
#include "lanes_int8_portable.h"
#include "quantize_loops.h"
