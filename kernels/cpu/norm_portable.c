/* norm_portable.c - norm_loops.h in the registers of lanes_portable.h. */
#include "lanes_portable.h"
#include "norm_loops.h"
