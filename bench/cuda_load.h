/* cuda_load.h - the benches of a GPU, from libbeeline_bench_cuda.so beside the program: beeline-bench links no CUDA. */
#ifndef BENCH_CUDA_LOAD_H
#define BENCH_CUDA_LOAD_H
#include "bench.h"
#include "runtime/model/weights.h"

/* What the shared object exports as `beeline_bench_cuda`. */
typedef struct {
    status (*present)(error *err); /* NOT_FOUND: no driver or no device; GPU_LOST: there is one, and it does not work */
    int (*kernels)(const bench_options *o);
    int (*model)(const bench_options *o, const model *m);
} cuda_benches;

/* NOT_FOUND: the library is not there, or no device is. */
status cuda_load(const cuda_benches **out, error *err);
#endif
