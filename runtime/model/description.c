/* description.c - config.json first, then what sentence-transformers wrote beside it.
 *
 * Only what is understood is accepted: a key whose value changes the arithmetic is run as it says or refused by name,
 * because a model that loads and answers slightly wrong vectors is worse than one that does not load.  Keys that do
 * not matter for inference (dropout, initializer_range, torch_dtype...) are not looked at.
 * modules.json decides how tokens become one vector; without it sentence-transformers takes the mean. */
#include "description.h"
#include <limits.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "runtime/base/json.h"

enum {
    CONFIG_MAX = 4 << 20, CONFIG_VALUES = 1 << 17, CONFIG_DEPTH = 32, /* of one JSON file */
    LAYERS_MAX = 1024, HIDDEN_MAX = 1 << 16, INNER_MAX = 1 << 20, VOCAB_MAX = 1 << 26, TYPES_MAX = 1024,
    POSITIONS_MIN = 4 /* what the template of a pair needs */, POSITIONS_MAX = 1 << 20,
    LABELS_MAX = 10000, PROMPTS_MAX = 1000, MODULES_MAX = 16, PATH_BYTES = 512,
};

/* The rows of every table here are [bit], name as sentence-transformers' newer files and /info say it, key of older files. */
static const struct { int bit; const char *name, *key; bool by_default; } poolings[] = {
    {POOL_CLS, "cls", "pooling_mode_cls_token", false},
    {POOL_MAX, "max", "pooling_mode_max_tokens", false},
    {POOL_MEAN, "mean", "pooling_mode_mean_tokens", true},
    {POOL_MEAN_SQRT_LEN, "mean_sqrt_len_tokens", "pooling_mode_mean_sqrt_len_tokens", false},
    {POOL_WEIGHTED_MEAN, "weightedmean", "pooling_mode_weightedmean_tokens", false},
    {POOL_LAST, "lasttoken", "pooling_mode_lasttoken", false},
};
enum { POOLINGS = sizeof poolings / sizeof *poolings };

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

/* NOT_FOUND when absent; else a tree whose top is an object or, where wanted, an array. */
static status read_tree(cJSON **out, directory *d, const char *name, cJSON_bool (*wanted)(const cJSON *), error *err)
{
    file_bytes file;
    error why;
    *out = NULL;
    status rc = directory_read(d, name, CONFIG_MAX, &file, err);
    if (rc != OK) return rc;
    rc = json_parse(out, file.bytes, file.size, (json_limits){CONFIG_DEPTH, CONFIG_VALUES}, &why);
    file_free(&file);
    if (rc != OK) return fail(err, rc, "%.80s: %.160s", name, why.text);
    if (wanted(*out)) return OK;
    rc = fail(err, BAD_INPUT, "%.80s: is of type %s", name, json_type_name(*out));
    cJSON_Delete(*out);
    *out = NULL;
    return rc;
}

/* Puts the file's name before what the JSON helpers said. */
static status in_file(const char *file, status rc, const error *why, error *err)
{
    return rc == OK ? OK : fail(err, rc, "%.80s: %.160s", file, why->text);
}

static status read_int(int *out, const cJSON *root, const char *file, const char *key, int low, int high, error *err)
{
    error why;
    *out = INT_MIN; /* is no value that any key may have */
    status rc = json_int(out, root, key, low, high, &why);
    if (rc == OK && *out == INT_MIN) rc = fail(&why, BAD_INPUT, "\"%s\" is missing", key);
    return in_file(file, rc, &why, err);
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
    if (rc != OK) return in_file(file, rc, &why, err);
    if (!type) return fail(err, BAD_INPUT, "%s: \"model_type\" is missing, \"bert\" is what runs here", file);
    if (strcmp(type, "bert"))
        return fail(err, BAD_INPUT, "%s: \"model_type\" is \"%.60s\", only \"bert\" runs here", file, type);
    if (positions && strcmp(positions, "absolute"))
        return fail(err, BAD_INPUT, "%s: \"position_embedding_type\" is \"%.60s\", only \"absolute\" runs here", file, positions);
    for (size_t i = 0; i < sizeof foreign_keys / sizeof *foreign_keys; i++) {
        cJSON *v;
        rc = json_member(&v, root, foreign_keys[i], &why);
        if (rc != OK) return in_file(file, rc, &why, err);
        if (says_something(v))
            return fail(err, BAD_INPUT, "%s: \"%s\" is given: not the plain BERT encoder that runs here", file, foreign_keys[i]);
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
        {"max_position_embeddings", &s->positions, POSITIONS_MIN, POSITIONS_MAX},
        {"type_vocab_size", &s->types, 1, TYPES_MAX},
    };
    error why;
    int pad = 0;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        status rc = read_int(rows[i].field, root, "config.json", rows[i].key, rows[i].low, rows[i].high, err);
        if (rc != OK) return rc;
    }
    if (s->hidden % s->heads)
        return fail(err, BAD_INPUT, "config.json: \"num_attention_heads\" %d does not divide \"hidden_size\" %d", s->heads, s->hidden);
    return in_file("config.json", json_int(&pad, root, "pad_token_id", 0, s->vocab - 1, &why), &why, err);
}

static status read_arithmetic(model_description *m, const cJSON *root, error *err)
{
    cJSON *eps;
    const char *act = NULL;
    error why;
    status rc = json_member(&eps, root, "layer_norm_eps", &why);
    if (rc == OK) rc = json_string(&act, root, "hidden_act", &why);
    if (rc != OK) return in_file("config.json", rc, &why, err);
    if (!cJSON_IsNumber(eps))
        return fail(err, BAD_INPUT, "config.json: \"layer_norm_eps\" is %s, wanted a number", eps ? json_type_name(eps) : "missing");
    m->layer_norm_eps = (float)eps->valuedouble;
    if (!(m->layer_norm_eps >= 0x1p-126f && m->layer_norm_eps < 1))
        return fail(err, BAD_INPUT, "config.json: \"layer_norm_eps\" is %g, wanted above 0 and below 1", eps->valuedouble);
    if (!act) return fail(err, BAD_INPUT, "config.json: \"hidden_act\" is missing");
    for (size_t i = 0; i < sizeof activations / sizeof *activations; i++)
        if (!strcmp(activations[i].name, act)) {
            m->act = activations[i].act;
            return OK;
        }
    return fail(err, BAD_INPUT, "config.json: \"hidden_act\" is \"%.60s\"; gelu, gelu_new, gelu_pytorch_tanh, relu run here", act);
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
    if (rc != OK) return in_file("config.json", rc, &why, err);
    if (!list || cJSON_IsNull(list)) return OK;
    if (!cJSON_IsArray(list))
        return fail(err, BAD_INPUT, "config.json: \"architectures\" is of type %s, wanted an array", json_type_name(list));
    for (const cJSON *v = list->child; v; v = v->next) {
        if (!cJSON_IsString(v))
            return fail(err, BAD_INPUT, "config.json: \"architectures\" holds a value of type %s", json_type_name(v));
        if (strncmp(v->valuestring, "Bert", 4) ||
            (ends_with(v->valuestring, "Classification") && !ends_with(v->valuestring, "SequenceClassification")))
            return fail(err, BAD_INPUT, "config.json: \"architectures\" has \"%.80s\", which does not run here", v->valuestring);
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
            return fail(err, BAD_INPUT, "config.json: \"id2label\" has \"%.40s\", wanted 0 to %d once each, with strings", v->string,
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
    if (rc != OK) return in_file("config.json", rc, &why, err);
    if (problem && !strcmp(problem, "multi_label_classification"))
        return fail(err, BAD_INPUT, "config.json: \"problem_type\" is \"%s\", which does not run here", problem);
    if (cJSON_IsNull(map)) map = NULL;
    if (map && !cJSON_IsObject(map))
        return fail(err, BAD_INPUT, "config.json: \"id2label\" is of type %s, wanted an object", json_type_name(map));
    m->n_labels = map ? cJSON_GetArraySize(map) : n ? n : 2;
    if (m->n_labels < 1 || m->n_labels > LABELS_MAX || (n && n != m->n_labels)) {
        rc = fail(err, BAD_INPUT, "config.json: \"id2label\" has %d labels, \"num_labels\" is %d, wanted the same of 1 to %d",
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
    status rc = read_tree(&root, d, "config.json", cJSON_IsObject, err);
    if (rc != OK) return rc;
    rc = refuse_foreign(root, err);
    if (rc == OK) rc = read_architectures(&classifies, root, err);
    if (rc == OK) rc = read_shape(&m->shape, root, err);
    if (rc == OK) rc = read_arithmetic(m, root, err);
    if (rc == OK && classifies) rc = read_labels(m, root, err);
    if (rc == OK && classifies) m->task = m->n_labels == 1 ? TASK_RERANK : TASK_CLASSIFY;
    cJSON_Delete(root);
    return rc;
}

/* One name or a list of them (newer files). */
static status read_pooling_names(int *bits, const cJSON *mode, const char *file, error *err)
{
    const cJSON *v = cJSON_IsArray(mode) ? mode->child : mode;
    for (; v; v = cJSON_IsArray(mode) ? v->next : NULL) {
        int i = 0;
        if (!cJSON_IsString(v))
            return fail(err, BAD_INPUT, "%.80s: \"pooling_mode\" has type %s, wanted a string", file, json_type_name(v));
        while (i < POOLINGS && strcmp(poolings[i].name, v->valuestring)) i++;
        if (i == POOLINGS)
            return fail(err, BAD_INPUT, "%.80s: \"pooling_mode\" is \"%.40s\", which does not run here", file, v->valuestring);
        *bits |= poolings[i].bit;
    }
    return OK;
}

static status read_pooling_modes(int *bits, const cJSON *root, const char *file, error *err)
{
    cJSON *mode;
    error why;
    *bits = 0;
    status rc = json_member(&mode, root, "pooling_mode", &why);
    if (rc != OK) return in_file(file, rc, &why, err);
    if (mode && !cJSON_IsNull(mode)) return read_pooling_names(bits, mode, file, err);
    for (int i = 0; i < POOLINGS; i++) {
        bool on = poolings[i].by_default;
        rc = json_bool(&on, root, poolings[i].key, &why);
        if (rc != OK) return in_file(file, rc, &why, err);
        if (on) *bits |= poolings[i].bit;
    }
    return OK;
}

static status read_pooling(model_description *m, bool *include_prompt, directory *d, const char *folder, error *err)
{
    static const char *const dimension_keys[] = {"word_embedding_dimension", "embedding_dimension"};
    char file[PATH_BYTES + 16];
    cJSON *root;
    error why;
    int dimension = 0, any = 0;
    snprintf(file, sizeof file, "%s/config.json", folder);
    status rc = read_tree(&root, d, file, cJSON_IsObject, err);
    if (rc == NOT_FOUND) rc = fail(err, NOT_FOUND, "%.80s: no such file, modules.json names its folder", file);
    if (rc != OK) return rc;
    rc = in_file(file, json_bool(include_prompt, root, "include_prompt", &why), &why, err);
    if (rc == OK) rc = read_pooling_modes(&m->pooling, root, file, err);
    if (rc == OK && !m->pooling) rc = fail(err, BAD_INPUT, "%.80s: no pooling mode is true", file);
    for (int i = 0; i < 2 && rc == OK; i++, any |= dimension) {
        dimension = 0;
        rc = in_file(file, json_int(&dimension, root, dimension_keys[i], 1, INT_MAX, &why), &why, err);
        if (rc == OK && dimension && dimension != m->shape.hidden)
            rc = fail(err, BAD_INPUT, "%.80s: \"%s\" is %d, \"hidden_size\" of config.json is %d", file, dimension_keys[i],
                      dimension, m->shape.hidden);
    }
    if (rc == OK && !any) rc = fail(err, BAD_INPUT, "%.80s: \"word_embedding_dimension\" is missing", file);
    cJSON_Delete(root);
    return rc;
}

typedef struct { const char *type, *path; } module_row; /* type: last component; both stay the tree's */

static status read_module(module_row *out, const cJSON *v, int position, error *err)
{
    const char *type = NULL, *path = NULL;
    int idx = position;
    error why;
    if (!cJSON_IsObject(v)) return fail(err, BAD_INPUT, "modules.json: module %d is of type %s", position, json_type_name(v));
    status rc = json_string(&type, v, "type", &why);
    if (rc == OK) rc = json_string(&path, v, "path", &why);
    if (rc == OK) rc = json_int(&idx, v, "idx", position, position, &why); /* order of the list and idx must agree */
    if (rc != OK) return in_file("modules.json", rc, &why, err);
    if (!type || !path) return fail(err, BAD_INPUT, "modules.json: module %d has no \"%s\"", position, type ? "path" : "type");
    if (strlen(path) >= PATH_BYTES) return fail(err, BAD_INPUT, "modules.json: module %d has a path of %zu bytes", position, strlen(path));
    const char *dot = strrchr(type, '.');
    *out = (module_row){dot ? dot + 1 : type, path};
    return OK;
}

/* Transformer, Pooling and perhaps Normalize: the one chain that runs here. */
static status read_chain(model_description *m, bool *include_prompt, directory *d, const cJSON *list, error *err)
{
    static const char *const chain[] = {"Transformer", "Pooling", "Normalize"};
    int n = 0;
    for (const cJSON *v = list->child; v; v = v->next, n++) {
        module_row row = {0};
        status rc = read_module(&row, v, n, err);
        if (rc != OK) return rc;
        if (n == 3 || strcmp(row.type, chain[n]))
            return fail(err, BAD_INPUT, "modules.json: module %d is %.60s, wanted Transformer, Pooling, perhaps Normalize", n, row.type);
        if (n == 0 && *row.path)
            return fail(err, BAD_INPUT, "modules.json: Transformer lies in \"%.60s\", wanted in the folder itself", row.path);
        if (n == 1) rc = read_pooling(m, include_prompt, d, row.path, err);
        if (rc != OK) return rc;
        m->normalize = n == 2;
    }
    return n >= 2 ? OK : fail(err, BAD_INPUT, "modules.json: %d modules, wanted Transformer and Pooling", n);
}

/* For a classifier this file may only be absent or describe no pooling: else nobody can tell which of the two it is. */
static status read_modules(model_description *m, bool *include_prompt, directory *d, error *err)
{
    cJSON *list;
    m->pooling = POOL_MEAN;
    status rc = read_tree(&list, d, "modules.json", cJSON_IsArray, err);
    if (rc == NOT_FOUND) return OK;
    if (rc == OK) rc = read_chain(m, include_prompt, d, list, err);
    cJSON_Delete(list);
    return rc;
}

/* The tokenizer lowercases unless it says otherwise; a model that wants lowercase from one that does not is refused. */
static status check_lowercase(directory *d, error *err)
{
    cJSON *root;
    bool lower = true;
    error why;
    status rc = read_tree(&root, d, "tokenizer_config.json", cJSON_IsObject, err);
    if (rc == NOT_FOUND) return OK;
    if (rc != OK) return rc;
    rc = in_file("tokenizer_config.json", json_bool(&lower, root, "do_lower_case", &why), &why, err);
    if (rc == OK && !lower)
        rc = fail(err, BAD_INPUT, "sentence_bert_config.json: \"do_lower_case\" is true, in tokenizer_config.json it is false");
    cJSON_Delete(root);
    return rc;
}

/* *limit stays as it is where the file states none. */
static status read_sentence_config(int *limit, directory *d, error *err)
{
    static const char file[] = "sentence_bert_config.json";
    cJSON *root;
    bool lower = false;
    error why;
    status rc = read_tree(&root, d, file, cJSON_IsObject, err);
    if (rc == NOT_FOUND) return OK;
    if (rc != OK) return rc;
    rc = json_int(limit, root, "max_seq_length", POSITIONS_MIN, INT_MAX, &why);
    if (rc == OK) rc = json_bool(&lower, root, "do_lower_case", &why);
    cJSON_Delete(root);
    rc = in_file(file, rc, &why, err);
    return rc == OK && lower ? check_lowercase(d, err) : rc;
}

static status copy_prompts(model_description *m, const cJSON *map, const char *file, error *err)
{
    const int n = cJSON_GetArraySize(map);
    if (n > PROMPTS_MAX) return fail(err, BAD_INPUT, "%s: %d prompts, at most %d are read", file, n, PROMPTS_MAX);
    m->prompts = calloc((size_t)n + 1, sizeof *m->prompts);
    if (!m->prompts) return fail(err, NO_MEMORY, "no memory for prompts");
    for (const cJSON *v = map->child; v; v = v->next) {
        if (!cJSON_IsString(v))
            return fail(err, BAD_INPUT, "%s: prompt \"%.60s\" is of type %s, wanted a string", file, v->string, json_type_name(v));
        for (int i = 0; i < m->n_prompts; i++)
            if (!strcmp(m->prompts[i].name, v->string))
                return fail(err, MALFORMED, "%s: prompt \"%.60s\" is given twice", file, v->string);
        model_prompt *p = &m->prompts[m->n_prompts++];
        p->name = strdup(v->string);
        p->text = strdup(v->valuestring);
        if (!p->name || !p->text) return fail(err, NO_MEMORY, "no memory for prompts");
    }
    return OK;
}

static status find_default_prompt(model_description *m, const char *name, const char *file, error *err)
{
    for (int i = 0; i < m->n_prompts; i++)
        if (!strcmp(m->prompts[i].name, name)) {
            m->default_prompt = i;
            return OK;
        }
    return fail(err, BAD_INPUT, "%s: \"default_prompt_name\" is \"%.60s\", which is not among its prompts", file, name);
}

static status read_prompts(model_description *m, const cJSON *root, const char *file, error *err)
{
    cJSON *map;
    const char *type = NULL, *preset = NULL;
    int cut = INT_MAX;
    error why;
    status rc = json_member(&map, root, "prompts", &why);
    if (rc == OK) rc = json_string(&type, root, "model_type", &why);
    if (rc == OK) rc = json_string(&preset, root, "default_prompt_name", &why);
    if (rc == OK) rc = json_int(&cut, root, "truncate_dim", 1, INT_MAX, &why);
    if (rc != OK) return in_file(file, rc, &why, err);
    if (type && strcmp(type, "SentenceTransformer"))
        return fail(err, BAD_INPUT, "%s: \"model_type\" is \"%.60s\", which does not run here", file, type);
    if (cut < m->dimensions)
        return fail(err, BAD_INPUT, "%s: \"truncate_dim\" is %d of %d dimensions: remove it, and ask for \"dimensions\" by request",
                    file, cut, m->dimensions);
    if (map && !cJSON_IsNull(map) && !cJSON_IsObject(map))
        return fail(err, BAD_INPUT, "%s: \"prompts\" is of type %s, wanted an object", file, json_type_name(map));
    if (cJSON_IsObject(map)) rc = copy_prompts(m, map, file, err);
    return rc == OK && preset ? find_default_prompt(m, preset, file, err) : rc;
}

/* include_prompt false would pool without the prompt's tokens, which forward() cannot tell from the text's. */
static status read_sentence_transformers(model_description *m, bool include_prompt, directory *d, error *err)
{
    static const char file[] = "config_sentence_transformers.json";
    cJSON *root;
    status rc = read_tree(&root, d, file, cJSON_IsObject, err);
    if (rc == NOT_FOUND) return OK;
    if (rc == OK) rc = read_prompts(m, root, file, err);
    for (int i = 0; i < m->n_prompts && rc == OK; i++)
        if (!include_prompt && *m->prompts[i].text)
            rc = fail(err, BAD_INPUT, "Pooling: \"include_prompt\" is false and prompt \"%.60s\" is not empty: does not run here",
                      m->prompts[i].name);
    cJSON_Delete(root);
    return rc;
}

static status read_embedder(model_description *m, int *limit, directory *d, error *err)
{
    bool include_prompt = true;
    status rc = read_modules(m, &include_prompt, d, err);
    if (rc != OK) return rc;
    m->dimensions = m->shape.hidden * __builtin_popcount((unsigned)m->pooling);
    rc = read_sentence_config(limit, d, err);
    return rc == OK ? read_sentence_transformers(m, include_prompt, d, err) : rc;
}

/* modules.json beside a classifier: nobody can tell which of the two the directory is meant to be. */
static status refuse_modules(directory *d, error *err)
{
    cJSON *list;
    status rc = read_tree(&list, d, "modules.json", cJSON_IsArray, err);
    if (rc == NOT_FOUND) return OK;
    cJSON_Delete(list);
    if (rc != OK) return rc;
    return fail(err, BAD_INPUT, "config.json: \"architectures\" is a classifier, and modules.json describes an embedding");
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
    if (rc == OK) rc = m.task == TASK_EMBED ? read_embedder(&m, &limit, d, err) : refuse_modules(d, err);
    if (rc == OK && limit < POSITIONS_MIN)
        rc = fail(err, BAD_INPUT, "tokenizer_config.json: \"model_max_length\" is %d, wanted at least %d", limit, POSITIONS_MIN);
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

enum { NAME_BYTES = 80 }; /* all six and their '+' are 56 */
static char pooling_names[1 << POOLINGS][NAME_BYTES];

static void fill_pooling_names(void)
{
    for (int bits = 0; bits < 1 << POOLINGS; bits++) {
        int n = 0;
        for (int i = 0; i < POOLINGS; i++)
            if (bits & poolings[i].bit)
                n += snprintf(pooling_names[bits] + n, (size_t)(NAME_BYTES - n), "%s%s", n ? "+" : "", poolings[i].name);
    }
}

const char *pooling_name(int bits)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, fill_pooling_names);
    return pooling_names[bits & ((1 << POOLINGS) - 1)];
}
