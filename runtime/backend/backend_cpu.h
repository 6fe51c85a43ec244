/* backend_cpu.h - what the CPU's backend can do beyond backend.h: it tells benchmarks where a forward's time goes. */
#ifndef RUNTIME_BACKEND_BACKEND_CPU_H
#define RUNTIME_BACKEND_BACKEND_CPU_H
#include "backend.h"
#include "cpu_flow.h"

int backend_cpu_threads(const backend *b);
/* From now on the steps of every batch are added to times [threads]; NULL: no more.  Not while a batch is computed. */
void backend_cpu_watch(backend *b, cpu_times *times);
#endif
