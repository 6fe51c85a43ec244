/* cuda_weights.h - a model's weights on the device: one block of memory, in the element type, as the kernels want them.
 *
 * Query, key and value of a layer become one [3H,H]; what LayerNorm multiplies by and adds stays fp32.  The block
 * belongs to the device it was taken from; the struct to the caller. */
#ifndef RUNTIME_BACKEND_CUDA_WEIGHTS_H
#define RUNTIME_BACKEND_CUDA_WEIGHTS_H
#include "cuda_device.h"
#include "runtime/model/weights.h"

typedef struct {
    void  *qkv, *attention_out, *inner, *outer;                 /* [3H,H], [H,H], [I,H], [H,I] */
    void  *qkv_b, *attention_out_b, *inner_b, *outer_b;         /* [3H], [H], [I], [H] */
    float *norm1_gamma, *norm1_beta, *norm2_gamma, *norm2_beta; /* [H] */
} cuda_layer;

typedef struct {
    element_type element;                                         /* of all that is void below */
    void       *word, *position, *type;                           /* [V,H], [P,H], [types,H] */
    float      *embed_gamma, *embed_beta;                         /* [H] */
    void       *pooler, *pooler_b, *classifier, *classifier_b;    /* [H,H], [H], [labels,H], [labels]; or NULL */
    cuda_layer *layers;                                           /* [layers] */
    size_t      bytes;                                            /* on the device */
} cuda_weights;

/* Blocks until everything is there.  BAD_INPUT: a weight that float16 cannot hold, by tensor and value. */
status cuda_weights_open(cuda_weights **out, cuda_device *d, const model *m, element_type element, error *err);
void   cuda_weights_close(cuda_weights *w); /* NULL is fine */
#endif
