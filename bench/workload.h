/* workload.h - batches to measure with: so many sequences of so many tokens, or the mixed lengths of lengths.inc. */
#ifndef BENCH_WORKLOAD_H
#define BENCH_WORKLOAD_H
#include "runtime/backend/batch.h"
#include "runtime/model/description.h"

enum { WORKLOAD_SEQUENCES = 128, WORKLOAD_TOKENS = 4096, WORKLOAD_MIXED = 0 };

typedef struct {
    int     lengths[WORKLOAD_SEQUENCES];
    int32_t ids[WORKLOAD_TOKENS], starts[WORKLOAD_SEQUENCES + 1];
    uint8_t normalize[WORKLOAD_SEQUENCES];
    batch   in; /* of the arrays above: `packed` stays where it is */
} packed;

/* Lengths are cut at m's positions, and the batch at WORKLOAD_TOKENS.  Ids come from all over the vocabulary, so that
 * the embedding's rows come from memory as they do in life. */
void workload_fill(packed *p, const int *lengths, int n, const model_shape *m);
/* `sequences` of `tokens` each; WORKLOAD_MIXED: lengths.inc in order, as many as `most` tokens hold. */
void workload_make(packed *p, int sequences, int tokens, int most, const model_shape *m);
#endif
