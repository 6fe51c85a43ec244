/* description.c - config.json; sentence.c reads what sentence-transformers wrote beside it.
 *
 * Only what is understood is accepted: a key whose value changes the arithmetic is run as it says or refused by name,
 * because a model that loads and answers slightly wrong vectors is worse than one that does not load.  Keys that do
 * not matter for inference (dropout, initializer_range...) are not looked at. */
#include "description.h"
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "config.h"
#include "sentence.h"

enum {
    LAYERS_MAX = 1024, HIDDEN_MAX = 1 << 16, INNER_MAX = 1 << 20, VOCAB_MAX = 1 << 26, TYPES_MAX = 1024,
    POSITIONS_MAX = 1 << 20, LABELS_MAX = 10000,
};

static const struct { const char *name; activation act; } activations[] = {
    {"gelu", ACTIVATION_GELU},
    {"gelu_new", ACTIVATION_GELU_TANH},
    {"gelu_pytorch_tanh", ACTIVATION_GELU_TANH},
    {"relu", ACTIVATION_RELU},
};

/* Keys that make another model of one that calls itself "bert"; absent, null, false and empty are fine. */
static const char *const foreign_keys[] = {
    "auto_map", "is_decoder", "is_encoder_decoder", "add_cross_attention", "rope_theta", "rope_scaling",
    "rope_parameters", "rotary_emb_base", "rotary_emb_fraction", "pruned_heads", "quantization_config",
};

static status read_int(int *out, const cJSON *root, const char *key, int low, int high, error *err)
{
    error why;
    *out = INT_MIN; /* is no value that any key may have */
    status rc = json_int(out, root, key, low, high, &why);
    if (rc == OK && *out == INT_MIN) rc = fail(&why, BAD_INPUT, "\"%s\" is missing", key);
    return config_in_file("config.json", rc, &why, err);
}

static bool says_something(const cJSON *v)
{
    if (!v || cJSON_IsNull(v) || cJSON_IsFalse(v)) return false;
    return !(cJSON_IsObject(v) || cJSON_IsArray(v)) || v->child;
}

static status refuse_foreign(const cJSON *root, error *err)
{
    static const char file[] = "config.json";
    const char *type = NULL, *positions = NULL;
    error why;
    status rc = json_string(&type, root, "model_type", &why);
    if (rc == OK) rc = json_string(&positions, root, "position_embedding_type", &why);
    if (rc != OK) return config_in_file(file, rc, &why, err);
    if (!type) return fail(err, BAD_INPUT, "%s: \"model_type\" is missing, \"bert\" is what runs here", file);
    if (strcmp(type, "bert"))
        return fail(err, BAD_INPUT, "%s: \"model_type\" is \"%.60s\", only \"bert\" runs here", file, type);
    if (positions && strcmp(positions, "absolute"))
        return fail(err, BAD_INPUT, "%s: \"position_embedding_type\" is \"%.60s\", only \"absolute\" runs here", file,
                    positions);
    for (size_t i = 0; i < sizeof foreign_keys / sizeof *foreign_keys; i++) {
        cJSON *v;
        rc = json_member(&v, root, foreign_keys[i], &why);
        if (rc != OK) return config_in_file(file, rc, &why, err);
        if (says_something(v))
            return fail(err, BAD_INPUT, "%s: \"%s\" is given: not the plain BERT encoder that runs here", file,
                        foreign_keys[i]);
    }
    return OK;
}

static status read_shape(model_shape *s, const cJSON *root, error *err)
{
    const struct { const char *key; int *field, low, high; } rows[] = {
        {"num_hidden_layers", &s->layers, 1, LAYERS_MAX},
        {"hidden_size", &s->hidden, 1, HIDDEN_MAX},
        {"num_attention_heads", &s->heads, 1, HIDDEN_MAX},
        {"intermediate_size", &s->inner, 1, INNER_MAX},
        {"vocab_size", &s->vocab, 1, VOCAB_MAX},
        {"max_position_embeddings", &s->positions, SENTENCE_TOKENS_MIN, POSITIONS_MAX},
        {"type_vocab_size", &s->types, 1, TYPES_MAX},
    };
    error why;
    int pad = 0;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        status rc = read_int(rows[i].field, root, rows[i].key, rows[i].low, rows[i].high, err);
        if (rc != OK) return rc;
    }
    if (s->hidden % s->heads)
        return fail(err, BAD_INPUT, "config.json: \"num_attention_heads\" %d does not divide \"hidden_size\" %d",
                    s->heads, s->hidden);
    return config_in_file("config.json", json_int(&pad, root, "pad_token_id", 0, s->vocab - 1, &why), &why, err);
}

static status read_arithmetic(model_description *m, const cJSON *root, error *err)
{
    cJSON *eps;
    const char *act = NULL;
    error why;
    status rc = json_member(&eps, root, "layer_norm_eps", &why);
    if (rc == OK) rc = json_string(&act, root, "hidden_act", &why);
    if (rc != OK) return config_in_file("config.json", rc, &why, err);
    if (!cJSON_IsNumber(eps))
        return fail(err, BAD_INPUT, "config.json: \"layer_norm_eps\" is %s, wanted a number",
                    eps ? json_type_name(eps) : "missing");
    m->layer_norm_eps = (float)eps->valuedouble;
    if (!(m->layer_norm_eps >= 0x1p-126f && m->layer_norm_eps < 1))
        return fail(err, BAD_INPUT, "config.json: \"layer_norm_eps\" is %g, wanted above 0 and below 1",
                    eps->valuedouble);
    if (!act) return fail(err, BAD_INPUT, "config.json: \"hidden_act\" is missing");
    for (size_t i = 0; i < sizeof activations / sizeof *activations; i++)
        if (!strcmp(activations[i].name, act)) {
            m->act = activations[i].act;
            return OK;
        }
    return fail(err, BAD_INPUT,
                "config.json: \"hidden_act\" is \"%.60s\"; gelu, gelu_new, gelu_pytorch_tanh, relu run here", act);
}

/* What the weights were trained in is what a GPU runs them in, where it has a choice: numbers that need bfloat16's range
 * would overflow in float16.  Newer files say "dtype". */
static status read_precision(model_description *m, const cJSON *root, error *err)
{
    const char *type = NULL;
    error why;
    status rc = json_string(&type, root, "dtype", &why);
    if (rc == OK && !type) rc = json_string(&type, root, "torch_dtype", &why);
    m->precision = type && !strcmp(type, "bfloat16") ? PRECISION_BF16 : PRECISION_F16;
    return config_in_file("config.json", rc, &why, err);
}

static bool ends_with(const char *s, const char *end)
{
    size_t n = strlen(s), m = strlen(end);
    return n >= m && !strcmp(s + n - m, end);
}

/* Sets *classifies; the kinds of classifier that are no single row of logits are refused. */
static status read_architectures(bool *classifies, const cJSON *root, error *err)
{
    cJSON *list;
    error why;
    status rc = json_member(&list, root, "architectures", &why);
    if (rc != OK) return config_in_file("config.json", rc, &why, err);
    if (!list || cJSON_IsNull(list)) return OK;
    if (!cJSON_IsArray(list))
        return fail(err, BAD_INPUT, "config.json: \"architectures\" is of type %s, wanted an array",
                    json_type_name(list));
    for (const cJSON *v = list->child; v; v = v->next) {
        if (!cJSON_IsString(v))
            return fail(err, BAD_INPUT, "config.json: \"architectures\" holds a value of type %s", json_type_name(v));
        if (strncmp(v->valuestring, "Bert", 4) ||
            (ends_with(v->valuestring, "Classification") && !ends_with(v->valuestring, "SequenceClassification")))
            return fail(err, BAD_INPUT, "config.json: \"architectures\" has \"%.80s\", which does not run here",
                        v->valuestring);
        *classifies = *classifies || ends_with(v->valuestring, "SequenceClassification");
    }
    return OK;
}

/* A label's number: decimal without signs or leading zeros, below n; -1 if it is none. */
static int label_index(const char *key, int n)
{
    int value = 0;
    if (!*key || (*key == '0' && key[1])) return -1;
    for (; *key; key++) {
        if (*key < '0' || *key > '9') return -1;
        value = value * 10 + (*key - '0');
        if (value >= n) return -1;
    }
    return value;
}

static status copy_labels(model_description *m, const cJSON *map, error *err)
{
    for (const cJSON *v = map->child; v; v = v->next) {
        int i = label_index(v->string, m->n_labels);
        if (i < 0 || m->labels[i] || !cJSON_IsString(v))
            return fail(err, BAD_INPUT,
                        "config.json: \"id2label\" has \"%.40s\", wanted 0 to %d once each, with strings", v->string,
                        m->n_labels - 1);
        if (!(m->labels[i] = strdup(v->valuestring))) return fail(err, NO_MEMORY, "no memory for labels");
    }
    return OK;
}

/* id2label, else num_labels, else the two that transformers assumes. */
static status read_labels(model_description *m, const cJSON *root, error *err)
{
    cJSON *map;
    int n = 0;
    const char *problem = NULL;
    error why;
    status rc = json_member(&map, root, "id2label", &why);
    if (rc == OK) rc = json_int(&n, root, "num_labels", 1, LABELS_MAX, &why);
    if (rc == OK) rc = json_string(&problem, root, "problem_type", &why);
    if (rc != OK) return config_in_file("config.json", rc, &why, err);
    if (problem && !strcmp(problem, "multi_label_classification"))
        return fail(err, BAD_INPUT, "config.json: \"problem_type\" is \"%s\", which does not run here", problem);
    if (cJSON_IsNull(map)) map = NULL;
    if (map && !cJSON_IsObject(map))
        return fail(err, BAD_INPUT, "config.json: \"id2label\" is of type %s, wanted an object", json_type_name(map));
    m->n_labels = map ? cJSON_GetArraySize(map) : n ? n : 2;
    if (m->n_labels < 1 || m->n_labels > LABELS_MAX || (n && n != m->n_labels)) {
        rc = fail(err, BAD_INPUT,
                  "config.json: \"id2label\" has %d labels, \"num_labels\" is %d, wanted the same of 1 to %d",
                  m->n_labels, n, LABELS_MAX);
        m->n_labels = 0;
        return rc;
    }
    m->labels = calloc((size_t)m->n_labels, sizeof *m->labels);
    if (!m->labels) {
        m->n_labels = 0;
        return fail(err, NO_MEMORY, "no memory for labels");
    }
    if (map) return copy_labels(m, map, err);
    for (int i = 0; i < m->n_labels; i++)
        if (asprintf(&m->labels[i], "LABEL_%d", i) < 0) {
            m->labels[i] = NULL;
            return fail(err, NO_MEMORY, "no memory for labels");
        }
    return OK;
}

static status read_config(model_description *m, directory *d, error *err)
{
    cJSON *root;
    bool classifies = false;
    status rc = config_read(&root, d, "config.json", cJSON_IsObject, err);
    if (rc != OK) return rc;
    rc = refuse_foreign(root, err);
    if (rc == OK) rc = read_architectures(&classifies, root, err);
    if (rc == OK) rc = read_shape(&m->shape, root, err);
    if (rc == OK) rc = read_arithmetic(m, root, err);
    if (rc == OK) rc = read_precision(m, root, err);
    if (rc == OK && classifies) rc = read_labels(m, root, err);
    if (rc == OK && classifies) m->task = m->n_labels == 1 ? TASK_RERANK : TASK_CLASSIFY;
    cJSON_Delete(root);
    return rc;
}

/* modules.json beside a classifier: nobody can tell which of the two the directory is meant to be. */
static status refuse_modules(directory *d, error *err)
{
    cJSON *list;
    status rc = config_read(&list, d, "modules.json", cJSON_IsArray, err);
    if (rc == NOT_FOUND) return OK;
    cJSON_Delete(list);
    if (rc != OK) return rc;
    return fail(err, BAD_INPUT,
                "config.json: \"architectures\" is a classifier, and modules.json describes an embedding");
}

static void set_name(model_description *m, const char *path)
{
    size_t end = strlen(path), start;
    while (end > 1 && path[end - 1] == '/') end--;
    for (start = end; start > 0 && path[start - 1] != '/'; start--) {}
    snprintf(m->name, sizeof m->name, "%.*s", (int)(end - start), path + start);
}

status description_read(model_description *out, directory *d, int tokenizer_limit, error *err)
{
    model_description m = {.default_prompt = -1};
    *out = (model_description){0};
    set_name(&m, directory_path(d));
    status rc = read_config(&m, d, err);
    int limit = tokenizer_limit > 0 ? tokenizer_limit : INT_MAX;
    if (rc == OK) rc = m.task == TASK_EMBED ? sentence_read(&m, &limit, d, err) : refuse_modules(d, err);
    if (rc == OK && limit < SENTENCE_TOKENS_MIN)
        rc = fail(err, BAD_INPUT, "tokenizer_config.json: \"model_max_length\" is %d, wanted at least %d", limit,
                  SENTENCE_TOKENS_MIN);
    m.max_tokens = limit < m.shape.positions ? limit : m.shape.positions;
    if (rc != OK) description_free(&m);
    else *out = m;
    return rc;
}

void description_free(model_description *m)
{
    for (int i = 0; m->labels && i < m->n_labels; i++) free(m->labels[i]);
    for (int i = 0; i < m->n_prompts; i++) {
        free(m->prompts[i].name);
        free(m->prompts[i].text);
    }
    free(m->labels);
    free(m->prompts);
    *m = (model_description){0};
}
