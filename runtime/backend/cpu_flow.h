/* cpu_flow.h - rows on their way through the encoder: a list of steps.
 *
 *     embed -> per layer: qkv product -> attention -> product + residual -> norm
 *                         -> product, activation -> product + residual -> norm
 *           -> pool; or, of a reranker and a classifier: first tokens -> product, tanh -> product
 *
 * x, the sum that runs through all layers, is float32 whatever the precision; what a product multiplies is not:
 *
 *     float32     x, context and inner themselves
 *     bfloat16    x rounded after each norm; qkv, context and inner are written as bfloat16
 *     int8        x, context and inner as bytes, each row with its scale; qkv, context and inner are bfloat16 before
 *
 * A flow is shared, each step cut into tasks for the pool; or of one worker, whose rows then stay in that core's L2.
 * Every kernel computes a row from that row (attention: from its sequence) in a fixed order, so a text's vector has the
 * same bits in any company and either way. */
#ifndef RUNTIME_BACKEND_CPU_FLOW_H
#define RUNTIME_BACKEND_CPU_FLOW_H
#include "batch.h"
#include "cpu_weights.h"
#include "kernels/cpu/kernels.h"
#include "workers.h"

/* Room for the rows of a batch; strides in elements. */
typedef struct {
    float         *x;                     /* [T,H] */
    void          *qkv, *context, *inner; /* [T,3H], [T,H], [T,I]: float, or bfloat16 where the precision is lower */
    uint16_t      *x16;                   /* [T,H] of CPU_BFLOAT16 */
    uint8_t       *bytes;                 /* [T,depth] of CPU_INT8: whatever is multiplied next */
    float         *scales;                /* [T], of those */
    float         *first, *pooled;        /* [S,H] of a head */
    size_t         x_stride, qkv_stride, inner_stride, bytes_stride;
    unsigned char *scratch; /* [threads, scratch_bytes] */
    size_t         scratch_bytes;
} cpu_room;

/* Everything that a flow reads and does not change; the backend's. */
typedef struct {
    const kernels     *k;
    workers           *pool;
    const cpu_weights *weights;
    cpu_room           room;
    gemm_activation    activation;
    float              eps;
    int                poolings;
} cpu_model;

int  cpu_columns(const cpu_model *m); /* numbers of one row */
/* The memory must be zeros before the first flow. */
void cpu_room_place(cpu_room *r, const cpu_model *m, int max_tokens, int max_sequences, cpu_arena *a);

enum { CPU_SHARED = -1 };
typedef struct {
    int            worker;                   /* whose rows they are; CPU_SHARED: every thread's */
    size_t         row;                      /* of the room, the first of T; a shared flow has row 0 */
    int            T, S;
    const int32_t *ids, *positions, *starts; /* [T], [T], [S+1] from 0 on */
    const int8_t  *types;                    /* [T], or NULL */
    const uint8_t *normalize;                /* [S] */
    int32_t       *blocks;                   /* [S+1], written */
    float         *out;                      /* [S,columns] */
    uint8_t       *finite;                   /* [S] */
} cpu_rows;

/* All steps, on the caller's thread and, of a shared flow, the pool's. */
void cpu_flow_run(const cpu_model *m, const cpu_rows *rows);
#endif
