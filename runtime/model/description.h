/* description.h - what a model directory says about itself, as numbers; what we do not run is refused by key.
 *
 * Reads config.json and sentence-transformers' modules.json, N_Pooling/config.json, sentence_bert_config.json and
 * config_sentence_transformers.json (../../README.md lists what is supported).  A value; prompts and labels are owned.
 */
#ifndef RUNTIME_MODEL_DESCRIPTION_H
#define RUNTIME_MODEL_DESCRIPTION_H
#include <stdbool.h>
#include "runtime/base/file.h"
#include "runtime/base/status.h"

/* S sequences, T tokens, H hidden, N heads, D head width (H / N), I inner */
typedef struct { int layers, hidden, heads, inner, vocab, positions, types; } model_shape;

typedef enum { ACTIVATION_GELU, ACTIVATION_GELU_TANH, ACTIVATION_RELU } activation;
typedef enum { TASK_EMBED, TASK_RERANK, TASK_CLASSIFY } model_task;
typedef enum { PRECISION_F16, PRECISION_BF16 } model_precision; /* of a GPU where the version declares none */

enum { /* in the order in which several are concatenated, as sentence-transformers does */
    POOL_CLS = 1, POOL_MAX = 2, POOL_MEAN = 4, POOL_MEAN_SQRT_LEN = 8, POOL_WEIGHTED_MEAN = 16, POOL_LAST = 32,
};

typedef struct { char *name, *text; } model_prompt;

typedef struct {
    char         name[128]; /* the directory's last component */
    model_shape  shape;
    model_task   task;
    float        layer_norm_eps;
    activation   act;
    model_precision precision;   /* BF16 where config.json's torch_dtype (or dtype) says bfloat16, else F16 */
    int          pooling;        /* POOL_* bits, for TASK_EMBED */
    bool         normalize;      /* the directory has a Normalize module */
    int          max_tokens;     /* limit of one input with its template tokens */
    int          dimensions;     /* of one embedding: hidden x number of poolings */
    int          n_labels;       /* 0 for TASK_EMBED */
    char       **labels;         /* [n_labels] */
    int          n_prompts;
    model_prompt *prompts;       /* [n_prompts] */
    int          default_prompt; /* index, or -1 */
} model_description;

/* tokenizer_limit: model_max_length of the tokenizer, 0 when it states none. */
status description_read(model_description *out, directory *d, int tokenizer_limit, error *err);
void   description_free(model_description *m); /* {0} is fine */
const char *pooling_name(int bits); /* "mean", "cls+mean"...: for /info */
#endif
