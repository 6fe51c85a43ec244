/* kernels.h - every operation of the encoder on a GPU but the products (gemm.h), as plain C.
 *
 * Includes no CUDA header, so callers need no nvcc.  Rules that hold for each operation and are not repeated below:
 *   - pointers are device memory that the caller owns, 16-byte aligned; a struct is copied by the call;
 *   - *_run() queues work on the stream and does not wait; it returns 0, the cudaError_t of the launch, or
 *     KERNEL_BAD_SHAPE, with which nothing was queued; it may be captured into a graph;
 *   - grids are made for the bucket ("tokens", "sequences", "work_items"); how much of it a batch fills is read on the
 *     device from input.header, and what lies beyond it is neither read nor written;
 *   - element is the type of every void pointer; sums, softmax, means and variances are fp32;
 *   - hidden (and inner) is a multiple of 8; hidden is at most KERNEL_HIDDEN_MAX.
 * Letters: T tokens, S sequences, H hidden, N heads, D head width, I inner, V words, P positions. */
#ifndef KERNELS_CUDA_KERNELS_H
#define KERNELS_CUDA_KERNELS_H
#include <stdint.h>
#include "kernels/half.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct CUstream_st *kernel_stream; /* the same pointer as cudaStream_t */

enum { KERNEL_BAD_SHAPE = -1, KERNEL_HIDDEN_MAX = 1024, ATTENTION_TILE = 64 };

typedef struct { int32_t T, S, work_items, zero; } cuda_input_header;

/* One block's share of attention, for one head: these queries against these keys, both token numbers of the packed
 * batch.  Either a tile of at most ATTENTION_TILE queries of one sequence with all its keys, or a run of whole
 * neighbouring sequences of together at most ATTENTION_TILE tokens; each query sees the keys of its own sequence. */
typedef struct { int32_t query0, key0; uint16_t queries, keys; } cuda_attention_work;

/* A batch on the device; the host writes all of it, in one block. */
typedef struct {
    const cuda_input_header   *header;
    const int32_t             *starts;    /* [S+1] */
    const int32_t             *ids;       /* [T] */
    const int32_t             *sequence;  /* [T] the sequence that token t belongs to */
    const uint8_t             *types;     /* [T] */
    const uint8_t             *normalize; /* [S] 1 when row s leaves with length 1 */
    const cuda_attention_work *work;      /* [work_items], most keys first */
} cuda_input;

/* out = LayerNorm(word[id] + position[t - start] + type[type]) */
typedef struct {
    cuda_input   input;
    const void  *word, *position, *type; /* [V,H], [P,H], [types,H] */
    const float *gamma, *beta;           /* [H] */
    void        *out;                    /* [tokens,H] */
    int          tokens, hidden;
    float        eps;
    element_type element;
} cuda_embed;
int cuda_embed_run(const cuda_embed *e, kernel_stream stream);

/* out = LayerNorm(in + residual) */
typedef struct {
    cuda_input   input;
    const void  *in;           /* [tokens,H] */
    const void  *residual;     /* [tokens,H], or NULL: nothing is added */
    const float *gamma, *beta; /* [H] */
    void        *out;          /* [tokens,H]; may be in or residual */
    int          tokens, hidden;
    float        eps;
    element_type element;
} cuda_norm;
int cuda_norm_run(const cuda_norm *n, kernel_stream stream);

/* out = softmax(q k^T / sqrt(D)) v, sequence by sequence, head by head */
typedef struct {
    cuda_input   input;
    const void  *qkv; /* [tokens,3H]: q of every head, then k, then v; biases are in it */
    void        *out; /* [tokens,H] */
    int          heads, width; /* width 32 or 64 */
    int          work_items;   /* rows of the grid: the most that a batch of this bucket has */
    element_type element;
} cuda_attention;
int cuda_attention_run(const cuda_attention *a, kernel_stream stream);

/* x = gelu(x + bias), the erf form, in place */
typedef struct {
    cuda_input   input;
    void        *x;    /* [tokens,I] */
    const void  *bias; /* [I] */
    int          tokens, inner;
    element_type element;
} cuda_gelu;
int cuda_gelu_run(const cuda_gelu *g, kernel_stream stream);

/* A sequence's tokens -> one fp32 row: as kernels/cpu/pool.h says, poolings side by side, then length 1 where
 * normalize asks for it; and whether every number of the row is finite. */
typedef struct {
    cuda_input   input;
    const void  *x;      /* [tokens,H] */
    float       *out;    /* [sequences, H x number of poolings] */
    uint8_t     *finite; /* [sequences] */
    int          sequences, hidden, poolings; /* POOLING_* bits of kernels/cpu/pool.h */
    element_type element;
} cuda_pool;
int cuda_pool_run(const cuda_pool *p, kernel_stream stream);

/* logits = classifier tanh(pooler x[first token] + pooler_bias) + classifier_bias, in fp32; and whether all are finite */
typedef struct {
    cuda_input   input;
    const void  *x;                             /* [tokens,H] */
    const void  *pooler, *pooler_bias;          /* [H,H] as [out,in]; [H] */
    const void  *classifier, *classifier_bias;  /* [labels,H]; [labels] */
    float       *out;                           /* [sequences,labels] */
    uint8_t     *finite;                        /* [sequences] */
    int          sequences, hidden, labels;
    element_type element;
} cuda_head;
int cuda_head_run(const cuda_head *h, kernel_stream stream);

#ifdef __cplusplus
}
#endif
#endif
