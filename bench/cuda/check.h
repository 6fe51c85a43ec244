/* check.h - is what a kernel wrote right?  The first rows are compared with the plain loop's, number by number; of all
 * rows it is asked that every number was written and is finite. */
#ifndef BENCH_CUDA_CHECK_H
#define BENCH_CUDA_CHECK_H
#include "device.h"

typedef struct {
    size_t       offset, columns;
    int          rows, compared; /* the first so many */
    bool         fp32;           /* else of `element` */
    element_type element;
} check_output;

size_t check_bytes(const check_output *o);
/* NOT_FINITE: it is wrong, and how.  want [compared, columns]; *worst is relative to the number, or to 1 where that
 * is smaller: a 16-bit result may be off by four units in its last place, its own rounding and what went before. */
status check_compare(device *d, const check_output *o, const double *want, double *worst, error *err);
#endif
