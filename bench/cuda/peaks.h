/* peaks.h - what this GPU can do at most, measured in the same run as what is divided by it. */
#ifndef BENCH_CUDA_PEAKS_H
#define BENCH_CUDA_PEAKS_H
#include "device.h"

typedef struct {
    double gb_s;   /* a device-to-device copy of half a GiB, bytes read plus bytes written */
    double tflops; /* the best matrix product of 8192 x 8192 x 8192 on random 16-bit numbers */
} peaks;

/* Clears the room.  Says both in the environment. */
status peaks_measure(device *d, element_type element, peaks *out, report *r, error *err);
/* The least microseconds that so much work can take. */
double peaks_roof_us(const peaks *p, double flops, double bytes);
#endif
