/* random_model.h - an encoder of a known shape with random weights, in memory: what is timed where the real one is not
 * there.  Time does not depend on the weights, only on their being random and finite. */
#ifndef BENCH_RANDOM_MODEL_H
#define BENCH_RANDOM_MODEL_H
#include "runtime/model/weights.h"

typedef struct random_model random_model; /* owns the tensors */

/* "minilm" (all-MiniLM-L6-v2), "base" (bge-base), "large" (bge-large), "tiny" (of no use but to run); NULL: no such. */
const model_shape *random_model_shape(const char *name);
/* fp16 weights as BERT is initialised, N(0, 0.02); gamma 1, beta and biases near 0; mean pooling, GELU. */
status random_model_open(random_model **out, const char *name, error *err);
const model *random_model_get(const random_model *r);
void random_model_close(random_model *r); /* NULL is fine */
#endif
