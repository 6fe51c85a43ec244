/* cuda_input.h - a batch as one block of bytes, which the host writes and every kernel reads.
 *
 *   header | starts | ids | sequence | types | normalize | work          each part begins on 16 bytes
 *
 * A batch runs in the smallest bucket that holds its tokens.  A bucket's block has one layout whatever the batch, so a
 * graph captured once finds its input at the same addresses for ever.  Pure arithmetic: no CUDA call, no allocation;
 * any thread. */
#ifndef RUNTIME_BACKEND_CUDA_INPUT_H
#define RUNTIME_BACKEND_CUDA_INPUT_H
#include <stddef.h>
#include "batch.h"
#include "kernels/cuda/kernels.h"

/* Buckets for batches of up to max_tokens, ascending: 16, 32, 48, 64, 96, 128, 192, 256, 384, 512, then every 256 up to
 * 4096, then every 512; the last is max_tokens, up to a multiple of 16.  Finer where a batch is short and latency
 * counts; the mean waste is below 5 % of the tokens.  Returns how many there are; tokens [most] may be NULL. */
int cuda_input_buckets(int max_tokens, int *tokens, int most);

/* The most pieces of attention work that any batch within these bounds has; exact. */
int cuda_input_worst_work(int tokens, int sequences);

typedef struct {
    int    tokens, sequences, work_items;                             /* the most of each */
    size_t starts, ids, sequence, types, normalize, work, bytes;      /* offsets; the header's is 0 */
} cuda_input_layout;

cuda_input_layout cuda_input_layout_of(int tokens, int sequences);
cuda_input        cuda_input_at(const cuda_input_layout *l, const void *block);

/* Writes the batch, which fits and was checked (batch_check), into a block on the host. */
void cuda_input_fill(const cuda_input_layout *l, void *block, const batch *in);
#endif
