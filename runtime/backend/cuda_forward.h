/* cuda_forward.h - the encoder as a list of kernel calls on one stream, for one bucket of tokens.
 *
 *   embed -> per layer: qkv product -> attention -> product -> norm -> product, activation -> product -> norm
 *         -> pool, or the head
 *
 * The list is queued as it is (to choose between two forms of it), or while the stream records it into a graph; what
 * depends on a batch is read on the device from its input block.  The workspace is one, because batches follow one
 * another on the one stream: x and sum [T,H], qkv [T,3H], context [T,H], inner [T,I].
 * One thread at a time; never while serving, when only graphs are launched. */
#ifndef RUNTIME_BACKEND_CUDA_FORWARD_H
#define RUNTIME_BACKEND_CUDA_FORWARD_H
#include "cuda_input.h"
#include "cuda_tune.h"
#include "cuda_weights.h"

typedef struct { cuda_gemm_shape shape; cuda_gemm_algorithm algorithm; } cuda_product;
typedef struct { cuda_product qkv, attention_out, inner, outer; } cuda_products; /* of a bucket, in every layer */

typedef struct {
    cuda_device        *device;
    cuda_gemm           gemm;
    kernel_stream       stream;
    const cuda_weights *weights;
    model_shape         shape;
    element_type        element;
    float               eps;
    int                 poolings; /* 0: the head */
    int                 labels;
    cuda_gemm_then      activation; /* of the inner product; PLAIN: the erf GELU follows as a kernel of its own */
    void               *x, *sum, *qkv, *context, *inner;
} cuda_forward;

/* Where a batch comes from and its rows go, on the device. */
typedef struct { const void *input; float *rows; uint8_t *finite; } cuda_forward_ends;

/* Takes the workspace, zeroed, from the device.  On failure *f is {0}; what was taken is the device's to give back. */
status cuda_forward_open(cuda_forward *f, cuda_device *d, kernel_stream s, const cuda_weights *w,
                         const model_description *m, int max_tokens, error *err);
void   cuda_forward_close(cuda_forward *f); /* before the device; {0} is fine */

/* Which algorithm each product of a bucket takes: the library's first guess, or the fastest.  The second also decides
 * where a residual is added, in the product or in the norm after it; `header`, on the device, says T = tokens. */
status cuda_forward_guess(cuda_forward *f, int tokens, cuda_products *out, error *err);
status cuda_forward_tune(cuda_forward *f, cuda_tune *t, int tokens, void *header, cuda_products *out, error *err);

status cuda_forward_queue(cuda_forward *f, const cuda_input_layout *l, const cuda_products *p, cuda_forward_ends ends,
                          error *err);
#endif
