/* weights.c - one table: the name in the file, the field, the shape.
 *
 * Binding walks the tensors, not the table: each must resolve to exactly one free field or to something known to be of
 * no use here, so a surplus, a repeated (old and new name) and an unknown tensor are all found where they stand.
 * Then the table is walked for fields that are still empty. */
#include "weights.h"
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef enum { NONE, HIDDEN, INNER, VOCAB, POSITIONS, TYPES, LABELS } extent;
typedef struct { const char *name; size_t field; extent rows, columns; /* columns NONE: a vector */ } weight_row;

#define E(f) offsetof(embedding_weights, f)
#define L(f) offsetof(layer_weights, f)
#define D(f) offsetof(head_weights, f)
static const weight_row embedding_table[] = {
    {"embeddings.word_embeddings.weight", E(word), VOCAB, HIDDEN},
    {"embeddings.position_embeddings.weight", E(position), POSITIONS, HIDDEN},
    {"embeddings.token_type_embeddings.weight", E(type), TYPES, HIDDEN},
    {"embeddings.LayerNorm.weight", E(norm_gamma), HIDDEN, NONE},
    {"embeddings.LayerNorm.bias", E(norm_beta), HIDDEN, NONE},
};
static const weight_row layer_table[] = { /* after "encoder.layer.N." */
    {"attention.self.query.weight", L(query_w), HIDDEN, HIDDEN},
    {"attention.self.query.bias", L(query_b), HIDDEN, NONE},
    {"attention.self.key.weight", L(key_w), HIDDEN, HIDDEN},
    {"attention.self.key.bias", L(key_b), HIDDEN, NONE},
    {"attention.self.value.weight", L(value_w), HIDDEN, HIDDEN},
    {"attention.self.value.bias", L(value_b), HIDDEN, NONE},
    {"attention.output.dense.weight", L(attention_out_w), HIDDEN, HIDDEN},
    {"attention.output.dense.bias", L(attention_out_b), HIDDEN, NONE},
    {"attention.output.LayerNorm.weight", L(norm1_gamma), HIDDEN, NONE},
    {"attention.output.LayerNorm.bias", L(norm1_beta), HIDDEN, NONE},
    {"intermediate.dense.weight", L(inner_w), INNER, HIDDEN},
    {"intermediate.dense.bias", L(inner_b), INNER, NONE},
    {"output.dense.weight", L(outer_w), HIDDEN, INNER},
    {"output.dense.bias", L(outer_b), HIDDEN, NONE},
    {"output.LayerNorm.weight", L(norm2_gamma), HIDDEN, NONE},
    {"output.LayerNorm.bias", L(norm2_beta), HIDDEN, NONE},
};
static const weight_row head_table[] = {
    {"pooler.dense.weight", D(pooler_w), HIDDEN, HIDDEN},
    {"pooler.dense.bias", D(pooler_b), HIDDEN, NONE},
    {"classifier.weight", D(classifier_w), LABELS, HIDDEN}, /* never behind "bert." */
    {"classifier.bias", D(classifier_b), LABELS, NONE},
};
#undef E
#undef L
#undef D
#define ROWS(table) ((int)(sizeof(table) / sizeof *(table)))
_Static_assert(ROWS(embedding_table) == sizeof(embedding_weights) / sizeof(void *), "a row for every field");
_Static_assert(ROWS(layer_table) == sizeof(layer_weights) / sizeof(void *), "a row for every field");
_Static_assert(ROWS(head_table) == sizeof(head_weights) / sizeof(void *), "a row for every field");

static int extent_of(extent e, const model_description *m)
{
    switch (e) {
    case HIDDEN: return m->shape.hidden;
    case INNER: return m->shape.inner;
    case VOCAB: return m->shape.vocab;
    case POSITIONS: return m->shape.positions;
    case TYPES: return m->shape.types;
    case LABELS: return m->n_labels;
    case NONE: break;
    }
    return 1;
}

static const char *after(const char *s, const char *prefix)
{
    size_t n = strlen(prefix);
    return strncmp(s, prefix, n) ? NULL : s + n;
}

/* Does the row have this name?  Files from before 2019 say gamma and beta in LayerNorm. */
static bool is_named(const weight_row *row, const char *name)
{
    const char *dot = strrchr(row->name, '.');
    if (!strcmp(row->name, name)) return true;
    size_t stem = (size_t)(dot + 1 - row->name);
    if (!strstr(row->name, "LayerNorm.") || strncmp(row->name, name, stem)) return false;
    return !strcmp(name + stem, !strcmp(dot, ".weight") ? "gamma" : "beta");
}

static const weight_row *row_of(const weight_row *table, int rows, const char *name)
{
    for (int i = 0; i < rows; i++)
        if (is_named(&table[i], name)) return &table[i];
    return NULL;
}

/* "12.rest" -> rest, *layer 12; NULL where there is no such number.  Written one way only: no sign, no leading zero. */
static const char *layer_number(int *layer, const char *s)
{
    const char *digits = s;
    long value = 0;
    for (; *s >= '0' && *s <= '9' && s - digits < 6; s++) value = value * 10 + (*s - '0');
    if (s == digits || *s != '.' || (*digits == '0' && s - digits > 1)) return NULL;
    *layer = (int)value;
    return s + 1;
}

/* Known, and of no use to the arithmetic of this task: a constant, the heads of pre-training, an unused pooler. */
static bool ignored(const char *name, bool prefixed, model_task task)
{
    if (!strcmp(name, "embeddings.position_ids")) return true;
    if (!prefixed && after(name, "cls.")) return true;
    return task == TASK_EMBED && (!strcmp(name, "pooler.dense.weight") || !strcmp(name, "pooler.dense.bias"));
}

static const tensor **field(void *record, const weight_row *row)
{
    return (const tensor **)((char *)record + row->field);
}

/* Where the tensor belongs: *slot and its row.  *slot NULL: ignored. */
static status resolve(const tensor ***slot, const weight_row **row, model *m, const tensor *t, error *err)
{
    const model_task task = m->description.task;
    const char *bare = after(t->name, "bert."), *name = bare ? bare : t->name, *rest;
    int layer = 0;
    *slot = NULL;
    *row = NULL;
    if (ignored(name, bare != NULL, task)) return OK;
    if ((rest = after(name, "encoder.layer.")) && (rest = layer_number(&layer, rest))) {
        if (layer >= m->description.shape.layers)
            return fail(err, BAD_INPUT, "tensor \"%.100s\": layer %d, config.json has \"num_hidden_layers\" %d",
                        t->name, layer, m->description.shape.layers);
        *row = row_of(layer_table, ROWS(layer_table), rest);
        if (*row) *slot = field(&m->layer[layer], *row);
    } else if ((*row = row_of(embedding_table, ROWS(embedding_table), name))) {
        *slot = field(&m->embedding, *row);
    } else if (task != TASK_EMBED && (!bare || !after(name, "classifier."))) {
        *row = row_of(head_table, ROWS(head_table), name);
        if (*row) *slot = field(&m->head, *row);
    }
    return *slot ? OK : fail(err, BAD_INPUT, "tensor \"%.100s\": not part of a BERT that runs here", t->name);
}

static void write_shape(char out[64], const tensor *t)
{
    int n = snprintf(out, 64, "[");
    for (int i = 0; i < t->rank && n < 60; i++)
        n += snprintf(out + n, (size_t)(64 - n), "%s%lld", i ? "," : "", (long long)t->shape[i]);
    if (n < 63) snprintf(out + n, (size_t)(64 - n), "]");
}

static status check_shape(const tensor *t, const weight_row *row, const model_description *m, error *err)
{
    const int rows = extent_of(row->rows, m), columns = extent_of(row->columns, m), rank = row->columns == NONE ? 1 : 2;
    char seen[64], wanted[32];
    if (t->rank == rank && t->shape[0] == rows && (rank == 1 || t->shape[1] == columns)) return OK;
    write_shape(seen, t);
    if (rank == 1) snprintf(wanted, sizeof wanted, "[%d]", rows);
    else snprintf(wanted, sizeof wanted, "[%d,%d]", rows, columns);
    return fail(err, BAD_INPUT, "tensor \"%.80s\" has shape %s, config.json wants %s", t->name, seen, wanted);
}

/* The first element that is NaN or infinite (all bits of the exponent set), or `elements`.  By blocks without a
 * branch, so that the compiler uses vectors: 90 MB take some 10 ms. */
#define FIRST_NOT_FINITE(name, word, mask)                                  \
    static size_t name(const uint8_t *data, size_t elements)                \
    {                                                                       \
        enum { BLOCK = 1024 };                                              \
        for (size_t at = 0; at < elements; at += BLOCK) {                   \
            const size_t n = elements - at < BLOCK ? elements - at : BLOCK; \
            word         w[BLOCK];                                          \
            unsigned     bad = 0;                                           \
            memcpy(w, data + at * sizeof *w, n * sizeof *w);                \
            for (size_t i = 0; i < n; i++) bad |= (w[i] & (mask)) == (mask); \
            for (size_t i = 0; bad && i < n; i++)                           \
                if ((w[i] & (mask)) == (mask)) return at + i;               \
        }                                                                   \
        return elements;                                                    \
    }
FIRST_NOT_FINITE(not_finite_f32, uint32_t, 0x7f800000u)
FIRST_NOT_FINITE(not_finite_f16, uint16_t, 0x7c00u)
FIRST_NOT_FINITE(not_finite_bf16, uint16_t, 0x7f80u)
#undef FIRST_NOT_FINITE

static status check_values(const tensor *t, error *err)
{
    size_t at = t->elements;
    switch (t->type) {
    case DTYPE_F32: at = not_finite_f32(t->data, t->elements); break;
    case DTYPE_F16: at = not_finite_f16(t->data, t->elements); break;
    case DTYPE_BF16: at = not_finite_bf16(t->data, t->elements); break;
    case DTYPE_OTHER: return fail(err, BAD_INPUT, "tensor \"%.100s\": a weight must be F32, F16 or BF16", t->name);
    }
    if (at == t->elements) return OK;
    return fail(err, BAD_INPUT, "tensor \"%.100s\": element %zu is not finite", t->name, at);
}

static status check_all_bound(void *record, const weight_row *table, int rows, const char *prefix, error *err)
{
    for (int i = 0; i < rows; i++)
        if (!*field(record, &table[i]))
            return fail(err, BAD_INPUT, "tensor \"%s%s\" is missing", prefix, table[i].name);
    return OK;
}

static status check_missing(model *m, error *err)
{
    status rc = check_all_bound(&m->embedding, embedding_table, ROWS(embedding_table), "", err);
    for (int i = 0; i < m->description.shape.layers && rc == OK; i++) {
        char prefix[40];
        snprintf(prefix, sizeof prefix, "encoder.layer.%d.", i);
        rc = check_all_bound(&m->layer[i], layer_table, ROWS(layer_table), prefix, err);
    }
    if (rc == OK && m->description.task != TASK_EMBED)
        rc = check_all_bound(&m->head, head_table, ROWS(head_table), "", err);
    return rc;
}

static status bind(model *m, error *err)
{
    m->layer = calloc((size_t)m->description.shape.layers, sizeof *m->layer);
    if (!m->layer) return fail(err, NO_MEMORY, "no memory for %d layers", m->description.shape.layers);
    for (int i = 0; i < tensor_set_count(m->tensors); i++) {
        const tensor *t = tensor_set_at(m->tensors, i), **slot;
        const weight_row *row;
        status rc = resolve(&slot, &row, m, t, err);
        if (rc == OK && !slot) continue;
        if (rc == OK && *slot)
            rc = fail(err, BAD_INPUT, "tensors \"%.80s\" and \"%.80s\" are the same weight", (*slot)->name, t->name);
        if (rc == OK) rc = check_shape(t, row, &m->description, err);
        if (rc == OK) rc = check_values(t, err);
        if (rc != OK) return rc;
        *slot = t;
    }
    return check_missing(m, err);
}

status model_open(model **out, directory *d, int tokenizer_limit, int vocab_size, error *err)
{
    model *m = calloc(1, sizeof *m);
    *out = NULL;
    if (!m) return fail(err, NO_MEMORY, "no memory for a model");
    status rc = description_read(&m->description, d, tokenizer_limit, err);
    if (rc == OK && vocab_size > m->description.shape.vocab)
        rc = fail(err, BAD_INPUT, "the tokenizer gives ids up to %d, config.json has \"vocab_size\" %d", vocab_size - 1,
                  m->description.shape.vocab);
    if (rc == OK) rc = tensor_set_open(&m->tensors, d, err);
    if (rc == OK) rc = bind(m, err);
    if (rc != OK) model_close(m);
    else *out = m;
    return rc;
}

void model_close(model *m)
{
    if (!m) return;
    tensor_set_close(m->tensors);
    free(m->layer);
    description_free(&m->description);
    free(m);
}
