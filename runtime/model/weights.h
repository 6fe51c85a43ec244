/* weights.h - the tensors of a BERT encoder, by field instead of by string.
 *
 * One table (weights.c) gives each field its name in the file and its shape; binding and checking walk it.
 * A model owns its files' bytes; a backend copies what it needs, after which the model may be closed. */
#ifndef RUNTIME_MODEL_WEIGHTS_H
#define RUNTIME_MODEL_WEIGHTS_H
#include "description.h"
#include "safetensors.h"

typedef struct {
    const tensor *query_w, *query_b, *key_w, *key_b, *value_w, *value_b; /* [H,H] as [out,in]; [H] */
    const tensor *attention_out_w, *attention_out_b;                     /* [H,H]; [H] */
    const tensor *norm1_gamma, *norm1_beta;                              /* [H] */
    const tensor *inner_w, *inner_b;                                     /* [I,H]; [I] */
    const tensor *outer_w, *outer_b;                                     /* [H,I]; [H] */
    const tensor *norm2_gamma, *norm2_beta;                              /* [H] */
} layer_weights;

typedef struct {
    const tensor *word, *position, *type; /* [vocab,H], [positions,H], [types,H] */
    const tensor *norm_gamma, *norm_beta; /* [H] */
} embedding_weights;

typedef struct {
    const tensor *pooler_w, *pooler_b;         /* [H,H]; [H] */
    const tensor *classifier_w, *classifier_b; /* [labels,H]; [labels] */
} head_weights;

typedef struct model {
    model_description description;
    tensor_set       *tensors;
    embedding_weights embedding;
    layer_weights    *layer; /* [layers] */
    head_weights      head;  /* all NULL for TASK_EMBED */
} model;

/* tokenizer_limit, as in description_read(); vocab_size: one more than the highest id the tokenizer can give, checked
 * against the embedding's rows.  Refuses missing, misshapen, unknown and non-finite tensors by name. */
status model_open(model **out, directory *d, int tokenizer_limit, int vocab_size, error *err);
void   model_close(model *m); /* NULL is fine */
#endif
