/* planted_kernels.h - small kernels for the fake device's own tests, some with one bug planted.
 *
 * Each returns the cudaError_t of its launch. */
#ifndef TESTS_FAKE_CUDA_PLANTED_KERNELS_H
#define TESTS_FAKE_CUDA_PLANTED_KERNELS_H
#include <cuda_runtime_api.h>

#ifdef __cplusplus
extern "C" {
#endif

int planted_add(float *x, float y, int n, cudaStream_t stream);      /* x [n] += y */
int planted_write(float *x, float y, int at, cudaStream_t stream);   /* x [at] = y, wherever that is */
int planted_shape(unsigned blocks, unsigned threads, size_t shared_bytes, cudaStream_t stream); /* does nothing */
int planted_shared_limit(int bytes);                                 /* of the kernel of planted_shape() */

#ifdef __cplusplus
}
#endif
#endif
