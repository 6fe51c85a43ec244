/* kernels.h - the sets of kernels, one for each instruction set, best first.
 *
 * Kernels are arithmetic and nothing else: no files, no threads, no allocation, no policy.  Each works on the part of
 * its output that the caller names, on memory that the caller owns, so any number of threads may share an operation.
 * Each has beside it a plain loop in float64, the truth (*_plain), and its least bytes and flops in ../cost.h. */
#ifndef KERNELS_CPU_KERNELS_H
#define KERNELS_CPU_KERNELS_H
#include <stdbool.h>
#include "attention.h"
#include "attention_bf16.h"
#include "gemm.h"
#include "gemm_bf16.h"
#include "gemm_int8.h"
#include "narrow.h"
#include "norm.h"
#include "pool.h"
#include "quantize.h"

/* In which a product's columns are dealt to threads: the widest tile of any set. */
enum { KERNELS_UNIT_PANELS = 3, KERNELS_LOW_UNIT_PANELS = 2 };

typedef struct {
    const char      *name; /* "avx512": as on the command line */
    gemm_part       *gemm;
    attention_run   *attention;
    layer_norm_rows *layer_norm;
    embed_rows      *embed;
    pool_sequences  *pool;
    /* of lower precisions */
    gemm_bf16_part     *gemm_bf16;
    gemm_int8_part     *gemm_int8;
    attention_bf16_run *attention_bf16;
    narrow_rows        *narrow;
    quantize_rows      *quantize;
} kernels;

int            kernels_count(void);
const kernels *kernels_at(int i);                   /* best first; the last one runs anywhere */
bool           kernels_runs_here(const kernels *k); /* this machine has the instructions */
const kernels *kernels_best(void);                  /* for float32: those that are better at lower precisions only are no better */
const kernels *kernels_best_low(void);
const kernels *kernels_find(const char *name);      /* NULL: no such set */
/* "amx, avx512, ... or portable" into text [n], and returns it. */
const char    *kernels_names(char *text, size_t n);
#endif
