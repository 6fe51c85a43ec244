/* sentence.c - modules.json decides how tokens become one vector; three more files add limits and prompts.
 *
 * Two generations of files are read: booleans pooling_mode_*_tokens with word_embedding_dimension, and the newer
 * "pooling_mode": "mean" with embedding_dimension. */
#include "sentence.h"
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "config.h"

enum { PROMPTS_MAX = 1000, PATH_BYTES = 512 };

static const struct {
    int         bit;
    const char *name; /* in newer files, and in /info */
    const char *key;  /* in older ones */
    bool        by_default; /* where an older file does not have the key */
} poolings[] = {
    {POOL_CLS, "cls", "pooling_mode_cls_token", false},
    {POOL_MAX, "max", "pooling_mode_max_tokens", false},
    {POOL_MEAN, "mean", "pooling_mode_mean_tokens", true},
    {POOL_MEAN_SQRT_LEN, "mean_sqrt_len_tokens", "pooling_mode_mean_sqrt_len_tokens", false},
    {POOL_WEIGHTED_MEAN, "weightedmean", "pooling_mode_weightedmean_tokens", false},
    {POOL_LAST, "lasttoken", "pooling_mode_lasttoken", false},
};
enum { POOLINGS = sizeof poolings / sizeof *poolings };

/* One name or a list of them (newer files). */
static status read_pooling_names(int *bits, const cJSON *mode, const char *file, error *err)
{
    const cJSON *v = cJSON_IsArray(mode) ? mode->child : mode;
    for (; v; v = cJSON_IsArray(mode) ? v->next : NULL) {
        int i = 0;
        if (!cJSON_IsString(v))
            return fail(err, BAD_INPUT, "%.80s: \"pooling_mode\" has type %s, wanted a string", file,
                        json_type_name(v));
        while (i < POOLINGS && strcmp(poolings[i].name, v->valuestring)) i++;
        if (i == POOLINGS)
            return fail(err, BAD_INPUT, "%.80s: \"pooling_mode\" is \"%.40s\", which does not run here", file,
                        v->valuestring);
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
    if (rc != OK) return config_in_file(file, rc, &why, err);
    if (mode && !cJSON_IsNull(mode)) return read_pooling_names(bits, mode, file, err);
    for (int i = 0; i < POOLINGS; i++) {
        bool on = poolings[i].by_default;
        rc = json_bool(&on, root, poolings[i].key, &why);
        if (rc != OK) return config_in_file(file, rc, &why, err);
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
    status rc = config_read(&root, d, file, cJSON_IsObject, err);
    if (rc == NOT_FOUND) rc = fail(err, NOT_FOUND, "%.80s: no such file, modules.json names its folder", file);
    if (rc != OK) return rc;
    rc = config_in_file(file, json_bool(include_prompt, root, "include_prompt", &why), &why, err);
    if (rc == OK) rc = read_pooling_modes(&m->pooling, root, file, err);
    if (rc == OK && !m->pooling) rc = fail(err, BAD_INPUT, "%.80s: no pooling mode is true", file);
    for (int i = 0; i < 2 && rc == OK; i++, any |= dimension) {
        dimension = 0;
        rc = config_in_file(file, json_int(&dimension, root, dimension_keys[i], 1, INT_MAX, &why), &why, err);
        if (rc == OK && dimension && dimension != m->shape.hidden)
            rc = fail(err, BAD_INPUT, "%.80s: \"%s\" is %d, \"hidden_size\" of config.json is %d", file,
                      dimension_keys[i], dimension, m->shape.hidden);
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
    if (!cJSON_IsObject(v))
        return fail(err, BAD_INPUT, "modules.json: module %d is of type %s", position, json_type_name(v));
    status rc = json_string(&type, v, "type", &why);
    if (rc == OK) rc = json_string(&path, v, "path", &why);
    if (rc == OK) rc = json_int(&idx, v, "idx", position, position, &why); /* order of the list and idx must agree */
    if (rc != OK) return config_in_file("modules.json", rc, &why, err);
    if (!type || !path)
        return fail(err, BAD_INPUT, "modules.json: module %d has no \"%s\"", position, type ? "path" : "type");
    if (strlen(path) >= PATH_BYTES)
        return fail(err, BAD_INPUT, "modules.json: module %d has a path of %zu bytes", position, strlen(path));
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
            return fail(err, BAD_INPUT,
                        "modules.json: module %d is %.60s, wanted Transformer, Pooling, perhaps Normalize", n,
                        row.type);
        if (n == 0 && *row.path)
            return fail(err, BAD_INPUT, "modules.json: Transformer lies in \"%.60s\", wanted in the folder itself",
                        row.path);
        if (n == 1) rc = read_pooling(m, include_prompt, d, row.path, err);
        if (rc != OK) return rc;
        m->normalize = n == 2;
    }
    return n >= 2 ? OK : fail(err, BAD_INPUT, "modules.json: %d modules, wanted Transformer and Pooling", n);
}

/* Without the file sentence-transformers takes the mean and does not normalize. */
static status read_modules(model_description *m, bool *include_prompt, directory *d, error *err)
{
    cJSON *list;
    m->pooling = POOL_MEAN;
    status rc = config_read(&list, d, "modules.json", cJSON_IsArray, err);
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
    status rc = config_read(&root, d, "tokenizer_config.json", cJSON_IsObject, err);
    if (rc == NOT_FOUND) return OK;
    if (rc != OK) return rc;
    rc = config_in_file("tokenizer_config.json", json_bool(&lower, root, "do_lower_case", &why), &why, err);
    if (rc == OK && !lower)
        rc = fail(err, BAD_INPUT,
                  "sentence_bert_config.json: \"do_lower_case\" is true, in tokenizer_config.json it is false");
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
    status rc = config_read(&root, d, file, cJSON_IsObject, err);
    if (rc == NOT_FOUND) return OK;
    if (rc != OK) return rc;
    rc = json_int(limit, root, "max_seq_length", SENTENCE_TOKENS_MIN, INT_MAX, &why);
    if (rc == OK) rc = json_bool(&lower, root, "do_lower_case", &why);
    cJSON_Delete(root);
    rc = config_in_file(file, rc, &why, err);
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
            return fail(err, BAD_INPUT, "%s: prompt \"%.60s\" is of type %s, wanted a string", file, v->string,
                        json_type_name(v));
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
    if (rc != OK) return config_in_file(file, rc, &why, err);
    if (type && strcmp(type, "SentenceTransformer"))
        return fail(err, BAD_INPUT, "%s: \"model_type\" is \"%.60s\", which does not run here", file, type);
    if (cut < m->dimensions)
        return fail(err, BAD_INPUT,
                    "%s: \"truncate_dim\" is %d of %d dimensions: remove it, and ask for \"dimensions\" by request",
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
    status rc = config_read(&root, d, file, cJSON_IsObject, err);
    if (rc == NOT_FOUND) return OK;
    if (rc == OK) rc = read_prompts(m, root, file, err);
    for (int i = 0; i < m->n_prompts && rc == OK; i++)
        if (!include_prompt && *m->prompts[i].text)
            rc = fail(err, BAD_INPUT,
                      "Pooling: \"include_prompt\" is false and prompt \"%.60s\" is not empty: does not run here",
                      m->prompts[i].name);
    cJSON_Delete(root);
    return rc;
}

status sentence_read(model_description *m, int *limit, directory *d, error *err)
{
    bool include_prompt = true;
    status rc = read_modules(m, &include_prompt, d, err);
    if (rc != OK) return rc;
    m->dimensions = m->shape.hidden * __builtin_popcount((unsigned)m->pooling);
    rc = read_sentence_config(limit, d, err);
    return rc == OK ? read_sentence_transformers(m, include_prompt, d, err) : rc;
}

enum { NAME_BYTES = 80 }; /* all six and their '+' are 56 */
static char pooling_names[1 << POOLINGS][NAME_BYTES];

static void fill_pooling_names(void)
{
    for (int bits = 0; bits < 1 << POOLINGS; bits++) {
        int n = 0;
        for (int i = 0; i < POOLINGS; i++)
            if (bits & poolings[i].bit)
                n +=
                    snprintf(pooling_names[bits] + n, (size_t)(NAME_BYTES - n), "%s%s", n ? "+" : "", poolings[i].name);
    }
}

const char *pooling_name(int bits)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, fill_pooling_names);
    return pooling_names[bits & ((1 << POOLINGS) - 1)];
}
