/* products.h - a matrix product with the algorithm that measures best here, as the backend chooses it. */
#ifndef BENCH_CUDA_PRODUCTS_H
#define BENCH_CUDA_PRODUCTS_H
#include "device.h"
#include "kernels/cuda/gemm.h"

typedef struct {
    cuda_gemm          *library;
    cuda_gemm_shape     shape;
    cuda_gemm_algorithm algorithm;
    cuda_gemm_operands  operands;
} product;

/* The library with a workspace in the room, which must not be cleared while it is open. */
status products_open(cuda_gemm *out, device *d, element_type element, error *err);
/* Times the library's candidates with warm caches and keeps the best. */
status product_choose(device *d, product *p, device_time *out, error *err);
int    product_run(void *product, kernel_stream stream); /* a device_work */
#endif
