/* cudnn_attention.h - the same packed attention by cuDNN's fused kernel (SDPA over ragged tensors): an independent
 * check of ours, and a row beside it.  cudnn_attention.c where cuDNN was there at build, else cudnn_absent.c. */
#ifndef BENCH_CUDA_CUDNN_ATTENTION_H
#define BENCH_CUDA_CUDNN_ATTENTION_H
#include "kernels/cuda/kernels.h"
#include "runtime/base/status.h"

typedef struct {
    const void    *qkv;       /* [T,3H] on the device, as cuda_attention's */
    void          *out;       /* [T,H] */
    const int32_t *lengths;   /* [S] on the device, */
    const int32_t *qkv_rows;  /* [S+1] where each sequence begins in qkv, in numbers: starts x 3H */
    const int32_t *out_rows;  /* [S+1] and in out: starts x H */
    int            sequences, longest, heads, width;
    element_type   element;
} cudnn_attention_operands;

typedef struct cudnn_attention cudnn_attention;

/* Plans it; nothing runs.  UNAVAILABLE with cuDNN's own words when it does not support the shape, or is not there. */
status cudnn_attention_open(cudnn_attention **out, const cudnn_attention_operands *o, error *err);
void   cudnn_attention_close(cudnn_attention *a); /* NULL is fine */
int    cudnn_attention_run(void *attention, kernel_stream stream); /* a device_work: 0 or a cudnnStatus_t */
#endif
