/* kernels.h - the sets of kernels, one for each instruction set, best first.
 *
 * Kernels are arithmetic and nothing else: no files, no threads, no allocation, no policy.  Each works on the part of
 * its output that the caller names, on memory that the caller owns, so any number of threads may share an operation.
 * Each has beside it a plain loop in float64, the truth (*_plain), and its least bytes and flops in ../cost.h. */
#ifndef KERNELS_CPU_KERNELS_H
#define KERNELS_CPU_KERNELS_H
#include <stdbool.h>
#include "attention.h"
#include "gemm.h"
#include "norm.h"
#include "pool.h"

typedef struct {
    const char      *name; /* "avx512", "avx2", "portable": as on the command line */
    gemm_part       *gemm;
    attention_run   *attention;
    layer_norm_rows *layer_norm;
    embed_rows      *embed;
    pool_sequences  *pool;
} kernels;

int            kernels_count(void);
const kernels *kernels_at(int i);                   /* best first; the last one runs anywhere */
bool           kernels_runs_here(const kernels *k); /* this machine has the instructions */
const kernels *kernels_best(void);
const kernels *kernels_find(const char *name);      /* NULL: no such set */
#endif
