/* cuda_batch.h - a batch of sequences of given lengths, as kernels read it: on the host and on the device. */
#ifndef TESTS_SUPPORT_CUDA_BATCH_H
#define TESTS_SUPPORT_CUDA_BATCH_H
#include "device_array.h"
#include "runtime/backend/cuda_input.h"

enum { CUDA_BATCH_WORDS = 50, CUDA_BATCH_TYPES = 2 }; /* ids and types are below these */

typedef struct {
    int          T, S;                          /* in the batch */
    int          tokens, sequences, work_items; /* of the bucket: the grids' bounds */
    cuda_input   host, device;                  /* the same numbers */
    device_array block;
} cuda_batch;

/* The bucket holds `spare` tokens and sequences more than the batch.  Every second row is normalised. */
cuda_batch cuda_batch_open(const int *lengths, int sequences, int spare);
void       cuda_batch_close(cuda_batch *b);
#endif
