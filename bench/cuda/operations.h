/* operations.h - one table of the encoder's operations besides products: how each runs, its plain loop, its cost. */
#ifndef BENCH_CUDA_OPERATIONS_H
#define BENCH_CUDA_OPERATIONS_H
#include "check.h"
#include "kernels/cost.h"
#include "scene.h"

typedef enum {
    OPERATION_BY_TOKEN,    /* writes [T,H] */
    OPERATION_WIDE,        /* changes [T,I] in place */
    OPERATION_BY_SEQUENCE, /* writes [S,H] in fp32 */
    OPERATION_LOGITS,      /* writes [S,labels] in fp32 */
} operation_result;

typedef struct {
    const char  *name;
    device_work *run;                              /* on a scene */
    void (*plain)(const scene *s, double *out);
    cost (*cost)(const scene *s);
    operation_result result;
} operation;

extern const operation operations[];
extern const int       operations_count;
extern const int       operation_attention; /* its place in the table */

/* Runs it once and compares: NOT_FINITE as check_compare(). */
status operation_check(scene *s, const operation *o, device_work *run, void *context, double *worst, error *err);
#endif
