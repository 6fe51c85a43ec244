#include "random_model.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "kernels/half.h"

static const struct { const char *name; model_shape shape; } known[] = {
    {"tiny", {.layers = 2, .hidden = 64, .heads = 2, .inner = 128, .vocab = 100, .positions = 64, .types = 2}},
    {"minilm", {.layers = 6, .hidden = 384, .heads = 12, .inner = 1536, .vocab = 30522, .positions = 512, .types = 2}},
    {"base", {.layers = 12, .hidden = 768, .heads = 12, .inner = 3072, .vocab = 30522, .positions = 512, .types = 2}},
    {"large", {.layers = 24, .hidden = 1024, .heads = 16, .inner = 4096, .vocab = 30522, .positions = 512, .types = 2}},
};
enum { KNOWN = sizeof known / sizeof *known };

/* Fields in the order of their structs (weights.h). */
typedef enum { NONE, HIDDEN, INNER, VOCAB, POSITIONS, TYPES } extent;
typedef enum { WEIGHT, ONES, SMALL } content;
typedef struct { extent rows, columns; content values; } row;
static const row embedding_rows[] = {
    {VOCAB, HIDDEN, WEIGHT}, {POSITIONS, HIDDEN, WEIGHT}, {TYPES, HIDDEN, WEIGHT},
    {HIDDEN, NONE, ONES},    {HIDDEN, NONE, SMALL},
};
static const row layer_rows[] = {
    {HIDDEN, HIDDEN, WEIGHT}, {HIDDEN, NONE, SMALL}, {HIDDEN, HIDDEN, WEIGHT}, {HIDDEN, NONE, SMALL},
    {HIDDEN, HIDDEN, WEIGHT}, {HIDDEN, NONE, SMALL}, {HIDDEN, HIDDEN, WEIGHT}, {HIDDEN, NONE, SMALL},
    {HIDDEN, NONE, ONES},     {HIDDEN, NONE, SMALL}, {INNER, HIDDEN, WEIGHT},  {INNER, NONE, SMALL},
    {HIDDEN, INNER, WEIGHT},  {HIDDEN, NONE, SMALL}, {HIDDEN, NONE, ONES},     {HIDDEN, NONE, SMALL},
};
enum {
    EMBEDDING_ROWS = sizeof embedding_rows / sizeof *embedding_rows,
    LAYER_ROWS = sizeof layer_rows / sizeof *layer_rows,
    VALUES = 4096,
};
_Static_assert(EMBEDDING_ROWS == sizeof(embedding_weights) / sizeof(void *), "a row for every field");
_Static_assert(LAYER_ROWS == sizeof(layer_weights) / sizeof(void *), "a row for every field");

struct random_model {
    model     model;
    tensor   *tensors;
    uint16_t *data;
};

static int64_t extent_of(extent e, const model_shape *m)
{
    switch (e) {
    case HIDDEN: return m->hidden;
    case INNER: return m->inner;
    case VOCAB: return m->vocab;
    case POSITIONS: return m->positions;
    case TYPES: return m->types;
    case NONE: break;
    }
    return 1;
}

static size_t elements_of(const row *rows, int n, const model_shape *m)
{
    size_t total = 0;
    for (int i = 0; i < n; i++) total += (size_t)(extent_of(rows[i].rows, m) * extent_of(rows[i].columns, m));
    return total;
}

static uint64_t next(uint64_t *state) { return (*state = *state * 6364136223846793005u + 1442695040888963407u) >> 32; }

/* A table of normal deviates, drawn from by number: 335 million of them take half a second. */
static void make_values(uint16_t values[VALUES], uint64_t *state)
{
    for (int i = 0; i < VALUES; i++) {
        const double u = ((double)next(state) + 1) / 4294967297.0, angle = (double)next(state) / 4294967296.0;
        values[i] = f16_from_f32((float)(0.02 * sqrt(-2 * log(u)) * cos(6.283185307179586 * angle)));
    }
}

typedef struct {
    const model_shape *shape;
    tensor            *tensor;
    uint16_t          *data;
    uint64_t           state;
    uint16_t           values[VALUES];
} making;

static void make(making *at, const row *rows, int n, const tensor **fields)
{
    for (int i = 0; i < n; i++) {
        tensor *t = at->tensor++;
        *t = (tensor){.name = "random", .data = (const uint8_t *)at->data, .type = DTYPE_F16,
                      .rank = rows[i].columns == NONE ? 1 : 2,
                      .shape = {extent_of(rows[i].rows, at->shape), extent_of(rows[i].columns, at->shape)}};
        t->elements = (size_t)(t->shape[0] * t->shape[1]);
        for (size_t e = 0; e < t->elements; e++)
            at->data[e] = rows[i].values == ONES ? 0x3c00 : at->values[next(&at->state) % VALUES];
        at->data += t->elements;
        fields[i] = t;
    }
}

const model_shape *random_model_shape(const char *name)
{
    for (int i = 0; i < KNOWN; i++)
        if (!strcmp(known[i].name, name)) return &known[i].shape;
    return NULL;
}

status random_model_open(random_model **out, const char *name, error *err)
{
    const model_shape *shape = random_model_shape(name);
    *out = NULL;
    if (!shape) return fail(err, BAD_INPUT, "\"%s\": wanted tiny, minilm, base or large", name);
    const size_t layers = (size_t)shape->layers;
    const size_t elements = elements_of(embedding_rows, EMBEDDING_ROWS, shape) +
                            layers * elements_of(layer_rows, LAYER_ROWS, shape);
    random_model *r = calloc(1, sizeof *r);
    making       *at = calloc(1, sizeof *at);
    if (r) {
        r->model.layer = calloc(layers, sizeof *r->model.layer);
        r->tensors = calloc(EMBEDDING_ROWS + layers * LAYER_ROWS, sizeof *r->tensors);
        r->data = malloc(elements * sizeof *r->data);
    }
    if (!r || !at || !r->model.layer || !r->tensors || !r->data) {
        free(at);
        random_model_close(r);
        return fail(err, NO_MEMORY, "%s: no memory for %zu random weights", name, elements);
    }
    model_description *d = &r->model.description;
    snprintf(d->name, sizeof d->name, "random-%s", name);
    d->shape = *shape;
    d->layer_norm_eps = 1e-12f;
    d->pooling = POOL_MEAN;
    d->normalize = true;
    d->max_tokens = shape->positions;
    d->dimensions = shape->hidden;
    d->default_prompt = -1;
    *at = (making){.shape = shape, .tensor = r->tensors, .data = r->data, .state = 1};
    make_values(at->values, &at->state);
    make(at, embedding_rows, EMBEDDING_ROWS, (const tensor **)&r->model.embedding);
    for (size_t i = 0; i < layers; i++) make(at, layer_rows, LAYER_ROWS, (const tensor **)&r->model.layer[i]);
    free(at);
    *out = r;
    return OK;
}

const model *random_model_get(const random_model *r) { return &r->model; }

void random_model_close(random_model *r)
{
    if (!r) return;
    free(r->model.layer);
    free(r->tensors);
    free(r->data);
    free(r);
}
