/* amx.h - whether this process may use AMX: the kernel gives its large state only to those who ask. */
#ifndef KERNELS_CPU_AMX_H
#define KERNELS_CPU_AMX_H

/* 1: the machine has tiles for int8 and bfloat16, and the kernel lets every thread use them.  Asks each time, from any
 * thread; asking again does no harm. */
int amx_permitted(void);
#endif
