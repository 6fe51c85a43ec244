/* gemm.h - every product of the encoder on a GPU, behind one small interface; cuBLASLt does the work.
 *
 *   out [M,N] = then( x [M,K] w [N,K]^T )
 *
 * Weights are [out,in], the file's own layout: nothing is transposed.  To cuBLASLt, which counts columns first, out is
 * an [N,M] matrix, w enters as op T and the bias runs along the rows of out.  x, w, bias, residual and out are of one
 * 16-bit element type, sums are fp32.  N and K are multiples of 8, so that every row begins on 16 bytes.
 *
 * Calls return 0, a cublasStatus_t, or KERNEL_BAD_SHAPE.  One thread at a time. */
#ifndef KERNELS_CUDA_GEMM_H
#define KERNELS_CUDA_GEMM_H
#include <stdbool.h>
#include <stddef.h>
#include "kernels.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum {
    CUDA_GEMM_PLAIN,         /* as it is */
    CUDA_GEMM_BIAS,          /* + bias [N] */
    CUDA_GEMM_BIAS_GELU,     /* gelu(+ bias), the tanh form: cuBLASLt has no erf */
    CUDA_GEMM_BIAS_RELU,
    CUDA_GEMM_BIAS_RESIDUAL, /* + bias + residual [M,N] */
} cuda_gemm_then;

typedef struct { int M, N, K; cuda_gemm_then then; } cuda_gemm_shape;

/* An algorithm of the library, as the bytes it may be stored as; good for one shape, library version and device. */
typedef struct { uint64_t data[8]; } cuda_gemm_algorithm;

typedef struct {
    const void *x, *w;
    const void *bias;     /* NULL for PLAIN */
    const void *residual; /* BIAS_RESIDUAL only, else NULL; may be out */
    void       *out;
} cuda_gemm_operands;

/* A value of the caller's; only the functions below look inside. */
typedef struct {
    void        *library;   /* its handle */
    element_type element;
    void        *workspace; /* device memory of the caller's, 256-byte aligned; products on one stream share it */
    size_t       workspace_bytes;
} cuda_gemm;

int  cuda_gemm_open(cuda_gemm *out, element_type element, void *workspace, size_t workspace_bytes);
void cuda_gemm_close(cuda_gemm *g); /* {0} is fine */
size_t cuda_gemm_version(void);     /* of the library: a stored algorithm belongs to it */
/* The library's best guesses for a shape, best first; *n of at most `most`. */
int  cuda_gemm_candidates(cuda_gemm *g, cuda_gemm_shape shape, cuda_gemm_algorithm *out, int most, int *n);
bool cuda_gemm_usable(cuda_gemm *g, cuda_gemm_shape shape, const cuda_gemm_algorithm *a); /* one from a file */
/* Queues; may be captured into a graph. */
int  cuda_gemm_run(cuda_gemm *g, cuda_gemm_shape shape, const cuda_gemm_algorithm *a, cuda_gemm_operands o,
                   kernel_stream stream);

#ifdef __cplusplus
}
#endif
#endif
