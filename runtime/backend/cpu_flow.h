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
 * A flow is shared, each step cut into tasks for the pool; or of one worker, which has some of the rows from the first
 * step to the last, so that they stay in its core's L2.  Workers whose rows are of one sequence meet before its attention.
 * Every kernel computes a row from that row (attention: from its sequence) in a fixed order, so a text's vector has the
 * same bits in any company and either way.
 */
#ifndef RUNTIME_BACKEND_CPU_FLOW_H
#define RUNTIME_BACKEND_CPU_FLOW_H
#include <stdbool.h>
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
    float         *first, *pooled;        /* [S,H] of a head: a batch's, whoever computes them */
    size_t         x_stride, qkv_stride, inner_stride, bytes_stride;
    unsigned char *scratch; /* [threads, scratch_bytes] */
    size_t         scratch_bytes;
} cpu_room;

/* Where the time of a flow goes; conversions are those of the precisions below float32 that are steps of their own. */
typedef enum {
    CPU_EMBED, CPU_QKV, CPU_ATTENTION, CPU_ATTENTION_OUT, CPU_NORM, CPU_INNER, CPU_OUTER, CPU_CONVERT, CPU_END, CPU_WAIT,
    CPU_STEPS
} cpu_step;
typedef struct {
    _Alignas(64) int64_t ns[CPU_STEPS];
} cpu_times;

/* Everything that a flow reads and does not change; the backend's. */
typedef struct {
    const kernels     *k;
    workers           *pool;
    const cpu_weights *weights;
    cpu_room           room;
    gemm_activation    activation;
    float              eps;
    int                poolings;
    cpu_times         *times; /* [threads], added to; of shared parts the first. NULL: nobody asks */
} cpu_model;

int  cpu_columns(const cpu_model *m); /* numbers of one row */
/* The memory must be zeros before the first flow. */
void cpu_room_place(cpu_room *r, const cpu_model *m, int max_tokens, int max_sequences, cpu_arena *a);

/* Sequences that go through the encoder together. */
typedef struct {
    int             row, head; /* the first of the room's for T, and for S where there is a head */
    int             T, S;
    const int32_t  *ids, *positions, *starts; /* [T], [T], [S+1] from 0 on */
    const int8_t   *types;                    /* [T], or NULL */
    const uint64_t *order;                    /* [S] in the lower half: which of the batch's sequences each is */
    const uint8_t  *normalize;                /* [the batch's S] */
    float          *out;                      /* [the batch's S,columns] */
    uint8_t        *finite;                   /* [the batch's S] */
} cpu_rows;

enum { CPU_SHARED = -1 };
/* Who computes which of them. */
typedef struct {
    int      worker;     /* CPU_SHARED: every thread of the pool, all rows */
    bool     meets;      /* a sequence is several workers': this is one task of a run that has one for each of them */
    int      row0, row1; /* of T */
    int32_t *blocks;     /* written: [1 + sequences with a row of them] */
} cpu_part;

/* All steps, on the caller's thread and, of a shared part, the pool's. */
void cpu_flow_run(const cpu_model *m, const cpu_rows *rows, const cpu_part *part);
#endif
