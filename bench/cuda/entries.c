#include "entries.h"
#include "bench/cuda_load.h"
#include "device.h"

__attribute__((visibility("default"))) extern const cuda_benches beeline_bench_cuda;
const cuda_benches beeline_bench_cuda = {.present = device_present, .kernels = cuda_kernels, .model = cuda_model};
