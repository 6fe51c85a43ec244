/* small_model.c - written, opened and removed again: a model owns its files' bytes. */
#include "small_model.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void need(status rc, const error *err)
{
    if (rc == OK) return;
    fprintf(stderr, "small_model: %s\n", err->text);
    abort();
}

model *small_model_open(tiny_model shape)
{
    char      *folder = tiny_folder_make();
    directory *d = NULL;
    model     *m = NULL;
    error      err = {""};
    shape.words = SMALL_WORDS;
    shape.positions = SMALL_POSITIONS;
    tiny_model_write(folder, shape);
    need(directory_open(&d, folder, &err), &err);
    need(model_open(&m, d, 0, SMALL_WORDS, &err), &err);
    directory_close(d);
    tiny_folder_remove(folder);
    return m;
}

void small_model_pool(model *m, int poolings)
{
    m->description.pooling = poolings;
    m->description.dimensions = m->description.shape.hidden * __builtin_popcount((unsigned)poolings);
}

float small_model_number(const tensor *t, size_t i)
{
    float x;
    memcpy(&x, (const char *)t->data + i * sizeof x, sizeof x);
    return x;
}

void small_model_set(const tensor *t, size_t i, float x)
{
    memcpy((char *)(uintptr_t)t->data + i * sizeof x, &x, sizeof x);
}

void small_batch_make(small_batch *b, const int *lengths, int n, unsigned seed)
{
    memset(b, 0, sizeof *b);
    b->in = (batch){.S = n, .ids = b->ids, .types = b->types, .starts = b->starts, .normalize = b->normalize};
    for (int s = 0; s < n; s++) {
        unsigned state = seed * 977u + (unsigned)s * 131071u + 1;
        for (int i = 0; i < lengths[s]; i++, b->in.T++) {
            state = state * 1664525u + 1013904223u;
            b->ids[b->in.T] = (int32_t)((state >> 8) % SMALL_WORDS);
            b->types[b->in.T] = (int8_t)(i > lengths[s] / 2);
        }
        b->normalize[s] = (uint8_t)(s % 2);
        b->starts[s + 1] = b->in.T;
        if (lengths[s] > b->in.longest) b->in.longest = lengths[s];
    }
}

void small_model_truth(const model *m, const batch *in, float *out)
{
    backend *b = NULL;
    error    err = {""};
    const backend_reserve reserve = {.max_tokens = in->T, .max_sequences = in->S, .threads = 1, .kernel = "portable"};
    need(backend_cpu.open(&b, m, reserve, &err), &err);
    need(backend_forward(&backend_cpu, b, in, out, &err), &err);
    backend_cpu.close(b);
}

double small_model_cosine(const float *out, const float *truth, int rows, int columns)
{
    double least = 1;
    for (int r = 0; r < rows; r++) {
        double ab = 0, aa = 0, bb = 0;
        for (int i = r * columns; i < (r + 1) * columns; i++) {
            ab += (double)out[i] * (double)truth[i];
            aa += (double)out[i] * (double)out[i];
            bb += (double)truth[i] * (double)truth[i];
        }
        const double cosine = ab / sqrt(aa * bb);
        if (isnan(cosine)) return -1;
        if (cosine < least) least = cosine;
    }
    return least;
}
