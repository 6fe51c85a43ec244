/* amx.h - whether this process may use the tiles of AMX. */
#ifndef KERNELS_CPU_AMX_H
#define KERNELS_CPU_AMX_H

/* 1 where the CPU has amx_tile, amx_int8 and amx_bf16 and the system lets the process use them; asks it the first time.
 * From any thread, any number of times. */
int amx_permitted(void);
#endif
