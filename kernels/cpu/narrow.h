/* narrow.h - rows of float32 as bfloat16, to nearest even: what gemm_bf16.h multiplies.
 *
 * NaN stays NaN; what is beyond the largest bfloat16 becomes infinite.  Pure functions on memory that the caller owns;
 * any number of threads may work on disjoint rows. */
#ifndef KERNELS_CPU_NARROW_H
#define KERNELS_CPU_NARROW_H
#include <stddef.h>
#include <stdint.h>

typedef struct {
    int          columns;
    const float *in;  /* [T,columns] */
    uint16_t    *out; /* [T,columns] */
    size_t       in_stride, out_stride; /* elements from row to row */
} narrow;

typedef void narrow_rows(const narrow *n, int row0, int row1);
narrow_rows narrow_portable, narrow_avx2, narrow_avx512;
#endif
