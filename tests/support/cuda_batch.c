#include "cuda_batch.h"
#include <stdlib.h>

cuda_batch cuda_batch_open(const int *lengths, int sequences, int spare)
{
    cuda_batch b = {.S = sequences};
    int32_t   *starts = calloc((size_t)sequences + 1, sizeof *starts);
    uint8_t   *normalize = malloc((size_t)sequences);
    for (int s = 0; s < sequences; s++) {
        starts[s + 1] = starts[s] + lengths[s];
        normalize[s] = s % 2 == 0;
    }
    b.T = starts[sequences];
    b.tokens = b.T + spare;
    b.sequences = b.S + spare;

    int32_t *ids = malloc((size_t)b.T * sizeof *ids);
    int8_t  *types = malloc((size_t)b.T);
    for (int t = 0; t < b.T; t++) {
        ids[t] = t * 7 % CUDA_BATCH_WORDS;
        types[t] = (int8_t)(t % 3 % CUDA_BATCH_TYPES);
    }
    const cuda_input_layout layout = cuda_input_layout_of(b.tokens, b.sequences);
    b.work_items = layout.work_items;
    b.block = device_array_filled(0xff, layout.bytes); /* what lies beyond the batch leads astray */
    cuda_input_fill(&layout, b.block.host,
                    &(batch){.S = b.S, .T = b.T, .ids = ids, .types = types, .starts = starts, .normalize = normalize});
    device_array_push(&b.block);
    b.host = cuda_input_at(&layout, b.block.host);
    b.device = cuda_input_at(&layout, b.block.device);
    free(starts), free(normalize), free(ids), free(types);
    return b;
}

void cuda_batch_close(cuda_batch *b) { device_array_free(&b->block, 1); }
