/* small_model.h - a small random model in memory, batches of made-up texts for it, and what the CPU backend says. */
#ifndef TESTS_SUPPORT_SMALL_MODEL_H
#define TESTS_SUPPORT_SMALL_MODEL_H
#include "runtime/backend/backend.h"
#include "tiny_model.h"

enum { SMALL_WORDS = 200, SMALL_POSITIONS = 300, SMALL_TOKENS = 700, SMALL_SEQUENCES = 24, SMALL_COLUMNS = 6 * 128 };

/* shape, with words and positions as above; the caller ends it with model_close().  The description may be changed:
 * pooling, act, precision. */
model *small_model_open(tiny_model shape);
void   small_model_pool(model *m, int poolings); /* and the dimensions that go with it */
/* One number of a tensor of fp32, read and written where it lies in its file's bytes, on any address. */
float small_model_number(const tensor *t, size_t i);
void  small_model_set(const tensor *t, size_t i, float x);

typedef struct {
    int32_t ids[SMALL_TOKENS], starts[SMALL_SEQUENCES + 1];
    int8_t  types[SMALL_TOKENS];
    uint8_t normalize[SMALL_SEQUENCES];
    batch   in;
} small_batch;

/* Texts of these lengths; the same text for the same seed and place.  Every second row is normalised. */
void small_batch_make(small_batch *b, const int *lengths, int n, unsigned seed);

/* Rows [S, backend_columns] by the CPU backend. */
void small_model_truth(const model *m, const batch *in, float *out);
/* The least cosine of a row with its truth; NaN counts as -1. */
double small_model_cosine(const float *out, const float *truth, int rows, int columns);
#endif
