/* entries.h - what libbeeline_bench_cuda.so offers, one file each. */
#ifndef BENCH_CUDA_ENTRIES_H
#define BENCH_CUDA_ENTRIES_H
#include "bench/bench.h"
#include "runtime/model/weights.h"

int cuda_kernels(const bench_options *o);
int cuda_model(const bench_options *o, const model *m);
#endif
