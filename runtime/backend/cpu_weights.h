/* cpu_weights.h - a model's weights in memory as the CPU's kernels want them, packed once at load.
 *
 * What multiplies is in the precision of the version; biases, LayerNorm, the embedding and a head's two small products
 * stay float32, whatever it is: they cost nothing, and a label's logit deserves it.  All of it lies in memory that the
 * caller carves from one block; read-only after cpu_weights_load(), for any thread. */
#ifndef RUNTIME_BACKEND_CPU_WEIGHTS_H
#define RUNTIME_BACKEND_CPU_WEIGHTS_H
#include "kernels/cpu/gemm_bf16.h"
#include "kernels/cpu/gemm_int8.h"
#include "runtime/model/weights.h"

typedef enum { CPU_FLOAT32, CPU_BFLOAT16, CPU_INT8 } cpu_precision;

/* Memory being dealt out.  With no base it only counts, so that one function both measures and places. */
typedef struct { unsigned char *base; size_t used; } cpu_arena;
void *cpu_arena_take(cpu_arena *a, size_t bytes); /* lines of 64 bytes */

typedef struct {
    int K, N;
    union {
        float           *f32; /* gemm.h's packing */
        uint16_t        *bf16; /* gemm_bf16.h's */
        gemm_int8_weight int8;
    } w;
    float *bias; /* [N] */
    /* [K] of CPU_INT8 where a LayerNorm comes before, else NULL.  Some columns of its output are many times larger than
     * others, and would leave them few steps of a byte: a column is divided by the root of its size over that of its
     * weights, which are multiplied by it instead.  Its size is what gamma and beta say: |beta| + 3 |gamma|.
     * (Xiao et al., SmoothQuant, arXiv 2211.10438, without its calibration.) */
    float *inverse;
} cpu_dense;

typedef struct {
    cpu_dense qkv, attention_out, inner, outer;                 /* [3H,H], [H,H], [I,H], [H,I] in the file */
    float    *norm1_gamma, *norm1_beta, *norm2_gamma, *norm2_beta; /* [H] */
} cpu_layer;

typedef struct {
    cpu_precision precision;
    model_shape   shape;
    int           labels; /* of the head; 0 without one */
    cpu_layer    *layers; /* the caller's */
    float        *word, *position, *type, *embed_gamma, *embed_beta;
    cpu_dense     pooler, classifier; /* float32 */
} cpu_weights;

/* precision, shape, labels and layers are set. */
void cpu_weights_place(cpu_weights *w, cpu_arena *a);
/* Into memory of zeros: panels end in them. */
status cpu_weights_load(cpu_weights *w, const model *m, error *err);
#endif
