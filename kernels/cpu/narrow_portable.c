/* narrow_portable.c - narrow_loops.h for the registers of lanes_portable.h. */
#include "lanes_portable.h"
#include "narrow_loops.h"
