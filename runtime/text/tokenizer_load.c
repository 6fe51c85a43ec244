/* tokenizer_load.c - tokenizer.json, or vocab.txt with tokenizer_config.json, to the parts of a tokenizer.
 *
 * Follows sentence-transformers where files disagree: a BERT tokenizer class lets tokenizer_config.json override the
 * normalizer of tokenizer.json.  Truncation and padding stored in tokenizer.json are ignored, as everybody does. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "runtime/base/json.h"
#include "runtime/base/log.h"
#include "runtime/base/utf8.h"
#include "tokenizer_parts.h"

enum {
    VOCAB_MAX = 1000000, ADDED_MAX = 10000, FILE_MAX_BYTES = 128 << 20,
    PIECE_MAX_BYTES = 4096, /* bounds the trie's depth */
    BERT_WORD_CHARS = 100,
};
static const json_limits FILE_LIMITS = {.depth = 32, .values = 3 * VOCAB_MAX};

/* A tokenizer under way: pieces in the order of the file, later ones win. */
typedef struct {
    directory         *d;
    error             *err;
    tokenizer         *t;
    cJSON             *config;  /* tokenizer_config.json, or NULL */
    trie_piece        *piece;   /* [n] of the vocabulary, without what is only added; bytes owned by t->piece */
    int                n, capacity;
    normalizer_options normalizer;
    int                unk_id, word_chars;
} loading;

static status read_json(loading *l, const char *name, cJSON **out)
{
    file_bytes f;
    error why;
    *out = NULL;
    status rc = directory_read(l->d, name, FILE_MAX_BYTES, &f, l->err);
    if (rc != OK) return rc;
    rc = json_parse(out, f.bytes, f.size, FILE_LIMITS, &why);
    file_free(&f);
    if (rc != OK) return fail(l->err, rc == NO_MEMORY ? rc : BAD_INPUT, "%s: %.200s", name, why.text);
    if (cJSON_IsObject(*out)) return OK;
    rc = fail(l->err, BAD_INPUT, "%s: of type %s, wanted an object", name, json_type_name(*out));
    cJSON_Delete(*out);
    *out = NULL;
    return rc;
}

/* ---- pieces */

/* Makes place for `id`; new places are empty. */
static status reserve_id(loading *l, int64_t id)
{
    tokenizer *t = l->t;
    if (id < 0 || id >= VOCAB_MAX)
        return fail(l->err, BAD_INPUT, "tokenizer: token id %lld, wanted 0 to %d", (long long)id, VOCAB_MAX - 1);
    if (id < t->size) return OK;
    int size = (int)id + 1, old = l->capacity;
    if (size > l->capacity) {
        int capacity = old ? old : 32768;
        while (capacity < size) capacity *= 2;
        piece_text *text = realloc(t->piece, (size_t)capacity * sizeof *text);
        if (!text) return fail(l->err, NO_MEMORY, "tokenizer: no memory for %d tokens", capacity);
        t->piece = text;
        memset(text + old, 0, (size_t)(capacity - old) * sizeof *text);
        trie_piece *piece = realloc(l->piece, (size_t)capacity * sizeof *piece);
        if (!piece) return fail(l->err, NO_MEMORY, "tokenizer: no memory for %d tokens", capacity);
        l->piece = piece;
        l->capacity = capacity;
    }
    t->size = size;
    return OK;
}

static status set_text(loading *l, int64_t id, const char *p, size_t n)
{
    status rc = reserve_id(l, id);
    if (rc != OK) return rc;
    if (n > PIECE_MAX_BYTES)
        return fail(l->err, BAD_INPUT, "tokenizer: token %lld has %zu bytes, at most %d are taken", (long long)id, n,
                    PIECE_MAX_BYTES);
    for (size_t i = 0, step; i < n; i += step)
        if (!(step = utf8_step((const unsigned char *)p + i, n - i)))
            return fail(l->err, BAD_INPUT, "tokenizer: token %lld is not UTF-8", (long long)id);
    char *copy = malloc(n + 1);
    if (!copy) return fail(l->err, NO_MEMORY, "tokenizer: no memory for token %lld", (long long)id);
    memcpy(copy, p, n);
    copy[n] = 0;
    free(l->t->piece[id].p);
    l->t->piece[id] = (piece_text){.p = copy, .n = (int)n};
    return OK;
}

static void list_pieces(loading *l)
{
    l->n = 0;
    for (int id = 0; id < l->t->size; id++)
        if (l->t->piece[id].p) l->piece[l->n++] = (trie_piece){l->t->piece[id].p, l->t->piece[id].n, id};
    if (l->n) qsort(l->piece, (size_t)l->n, sizeof *l->piece, trie_piece_order);
}

/* The id of a piece after list_pieces(), or -1.  Of duplicates the later. */
static int id_of(const loading *l, const char *text)
{
    trie_piece key = {text, (int)strlen(text), VOCAB_MAX};
    int low = 0, high = l->n; /* the first that is greater than (text, VOCAB_MAX) */
    while (low < high) {
        int middle = (low + high) / 2;
        if (trie_piece_order(&l->piece[middle], &key) <= 0) low = middle + 1;
        else high = middle;
    }
    const trie_piece *found = low ? &l->piece[low - 1] : NULL;
    return found && found->n == key.n && !memcmp(found->p, text, (size_t)key.n) ? found->id : -1;
}

static status need_id(loading *l, const char *what, const char *text, int *id)
{
    *id = id_of(l, text);
    return *id >= 0 ? OK : fail(l->err, BAD_INPUT, "tokenizer: %s \"%.60s\" is not in the vocabulary", what, text);
}

/* ---- added tokens */

static status add_token(loading *l, const char *content, bool special, const cJSON *flags)
{
    added_tokens *a = &l->t->added;
    added_token   one = {.n = strlen(content), .special = special};
    status rc = OK;
    if (!one.n) return OK; /* the reference ignores it too */
    for (int i = 0; i < a->n; i++)
        if (a->token[i].n == one.n && !memcmp(a->token[i].p, content, one.n)) return OK;
    if (a->n == ADDED_MAX) return fail(l->err, BAD_INPUT, "tokenizer: more than %d added tokens", ADDED_MAX);
    if (flags) {
        rc = json_bool(&one.left_strip, flags, "lstrip", l->err);
        if (rc == OK) rc = json_bool(&one.right_strip, flags, "rstrip", l->err);
        if (rc == OK) rc = json_bool(&one.single_word, flags, "single_word", l->err);
        if (rc != OK) return rc;
    }
    int id = id_of(l, content);
    if (id < 0) { /* not a piece: numbered behind all that came before */
        id = l->t->size;
        rc = set_text(l, id, content, one.n);
        if (rc != OK) return rc;
    }
    added_token *grown = realloc(a->token, ((size_t)a->n + 1) * sizeof *grown);
    if (!grown) return fail(l->err, NO_MEMORY, "tokenizer: no memory for %d added tokens", a->n + 1);
    a->token = grown;
    one.id = id;
    one.p = l->t->piece[id].p;
    l->t->piece[id].special = special;
    a->token[a->n++] = one;
    return OK;
}

static status add_token_of(loading *l, const cJSON *v)
{
    const char *content = NULL;
    bool special = false, normalized = false;
    int  stated = -1;
    if (!cJSON_IsObject(v))
        return fail(l->err, BAD_INPUT, "tokenizer.json: an added token of type %s, wanted an object",
                    json_type_name(v));
    status rc = json_string(&content, v, "content", l->err);
    if (rc == OK) rc = json_bool(&special, v, "special", l->err);
    if (rc == OK) rc = json_bool(&normalized, v, "normalized", l->err);
    if (rc == OK) rc = json_int(&stated, v, "id", 0, VOCAB_MAX - 1, l->err);
    if (rc != OK) return rc;
    if (!content) return fail(l->err, BAD_INPUT, "tokenizer.json: an added token without \"content\"");
    if (normalized)
        return fail(l->err, BAD_INPUT,
                    "tokenizer.json: added token \"%.60s\" has \"normalized\": true, only tokens matched in raw text "
                    "are supported",
                    content);
    rc = add_token(l, content, special, v);
    if (rc != OK) return rc;
    const added_tokens *a = &l->t->added;
    for (int i = 0; i < a->n && stated >= 0; i++)
        if (!strcmp(a->token[i].p, content) && a->token[i].id != stated)
            log_line(LOG_WARN, "tokenizer", "added token \"%s\" has id %d, tokenizer.json says %d", content,
                     a->token[i].id, stated);
    return OK;
}

/* ---- tokenizer.json */

static status section(loading *l, const cJSON *root, const char *name, const char *wanted, cJSON **out)
{
    const char *type = NULL;
    status rc = json_member(out, root, name, l->err);
    if (rc != OK) return rc;
    if (!cJSON_IsObject(*out))
        return fail(l->err, BAD_INPUT, "tokenizer.json: \"%s\" is %s, wanted %s", name,
                    *out ? json_type_name(*out) : "absent", wanted);
    rc = json_string(&type, *out, "type", l->err);
    if (rc != OK) return rc;
    if (!type || strcmp(type, wanted))
        return fail(l->err, BAD_INPUT, "tokenizer.json: \"%s\" is of type %.60s, only %s is supported", name,
                    type ? type : "(none)", wanted);
    return OK;
}

static status read_vocabulary(loading *l, const cJSON *model)
{
    cJSON *vocab;
    status rc = json_member(&vocab, model, "vocab", l->err);
    if (rc != OK) return rc;
    if (!cJSON_IsObject(vocab))
        return fail(l->err, BAD_INPUT, "tokenizer.json: \"vocab\" is %s, wanted an object",
                    vocab ? json_type_name(vocab) : "absent");
    for (const cJSON *v = vocab->child; v; v = v->next) {
        double id = cJSON_IsNumber(v) ? v->valuedouble : -1;
        if (id < 0 || id >= VOCAB_MAX || id != (double)(int)id)
            return fail(l->err, BAD_INPUT, "tokenizer.json: the id of \"%.60s\" is not an integer of 0 to %d",
                        v->string, VOCAB_MAX - 1);
        rc = set_text(l, (int64_t)id, v->string, strlen(v->string));
        if (rc != OK) return rc;
    }
    list_pieces(l);
    return OK;
}

static status read_model(loading *l, const cJSON *root)
{
    cJSON *model;
    const char *prefix = "##", *unk = "[UNK]";
    status rc = section(l, root, "model", "WordPiece", &model);
    if (rc == OK) rc = json_string(&prefix, model, "continuing_subword_prefix", l->err);
    if (rc == OK) rc = json_string(&unk, model, "unk_token", l->err);
    if (rc == OK) rc = json_int(&l->word_chars, model, "max_input_chars_per_word", 1, WORD_CHARS_MAX, l->err);
    if (rc == OK) rc = read_vocabulary(l, model);
    if (rc == OK) rc = need_id(l, "unk_token", unk, &l->unk_id);
    if (rc != OK) return rc;
    l->t->prefix = strdup(prefix);
    return l->t->prefix ? OK : fail(l->err, NO_MEMORY, "tokenizer: no memory");
}

/* strip_accents null means "as lowercase". */
static status read_strip_accents(loading *l, const cJSON *from, normalizer_options *o)
{
    o->strip_accents = o->lowercase;
    return json_bool(&o->strip_accents, from, "strip_accents", l->err);
}

static status read_normalizer(loading *l, const cJSON *root)
{
    cJSON *n;
    normalizer_options o = {true, true, true, true};
    status rc = section(l, root, "normalizer", "BertNormalizer", &n);
    if (rc == OK) rc = json_bool(&o.clean_text, n, "clean_text", l->err);
    if (rc == OK) rc = json_bool(&o.isolate_cjk, n, "handle_chinese_chars", l->err);
    if (rc == OK) rc = json_bool(&o.lowercase, n, "lowercase", l->err);
    if (rc == OK) rc = read_strip_accents(l, n, &o);
    l->normalizer = o;
    return rc;
}

static status refuse_template(loading *l)
{
    return fail(l->err, BAD_INPUT,
                "tokenizer.json: the template is not [CLS] A [SEP], types 0, and [CLS] A [SEP] B:1 [SEP]:1");
}

/* One item of a template: {"Sequence": {id, type_id}} or {"SpecialToken": {id, type_id}}. */
static status read_template_item(loading *l, const cJSON *item, const char *kind, int type, const char **id)
{
    cJSON *body;
    int    seen = 0;
    status rc = json_member(&body, item, kind, l->err);
    if (rc == OK && cJSON_IsObject(body)) {
        rc = json_string(id, body, "id", l->err);
        if (rc == OK) rc = json_int(&seen, body, "type_id", 0, 127, l->err);
        if (rc == OK && *id && seen == type) return OK;
        if (rc != OK) return rc;
    }
    return refuse_template(l);
}

static status template_id(loading *l, const cJSON *tokens, const char *name, int32_t *id)
{
    cJSON *entry = NULL, *ids = NULL;
    status rc = cJSON_IsObject(tokens) ? json_member(&entry, tokens, name, l->err) : OK;
    if (rc == OK && cJSON_IsObject(entry)) rc = json_member(&ids, entry, "ids", l->err);
    if (rc != OK) return rc;
    const cJSON *first = cJSON_IsArray(ids) && cJSON_GetArraySize(ids) == 1 ? ids->child : NULL;
    if (!cJSON_IsNumber(first) || !tokenizer_piece(l->t, first->valueint))
        return fail(l->err, BAD_INPUT,
                    "tokenizer.json: special token \"%.60s\" of the template has not one id of the vocabulary", name);
    *id = first->valueint;
    return OK;
}

static status read_template(loading *l, const cJSON *processor)
{
    static const struct { const char *list, *kind; int type;
    } shape[] = {{"single", "SpecialToken", 0}, {"single", "Sequence", 0},  {"single", "SpecialToken", 0},
                 {"pair", "SpecialToken", 0},   {"pair", "Sequence", 0},    {"pair", "SpecialToken", 0},
                 {"pair", "Sequence", 1},       {"pair", "SpecialToken", 1}};
    enum { ITEMS = sizeof shape / sizeof *shape };
    const char *id[ITEMS];
    cJSON *tokens, *list = NULL, *item = NULL;
    status rc = json_member(&tokens, processor, "special_tokens", l->err);
    for (int i = 0; rc == OK && i < ITEMS; i++) {
        bool begins = i == 0 || strcmp(shape[i].list, shape[i - 1].list);
        if (begins) rc = json_member(&list, processor, shape[i].list, l->err);
        if (rc != OK) return rc;
        item = begins ? (cJSON_IsArray(list) ? list->child : NULL) : item ? item->next : NULL;
        bool ends = i + 1 == ITEMS || strcmp(shape[i].list, shape[i + 1].list);
        rc = item && (!ends || !item->next) ? read_template_item(l, item, shape[i].kind, shape[i].type, &id[i])
                                            : refuse_template(l);
    }
    if (rc == OK) rc = template_id(l, tokens, id[0], &l->t->cls_id);
    if (rc == OK) rc = template_id(l, tokens, id[2], &l->t->sep_id);
    if (rc != OK) return rc;
    if (strcmp(id[1], "A") || strcmp(id[4], "A") || strcmp(id[6], "B") || strcmp(id[0], id[3]) ||
        strcmp(id[2], id[5]) || strcmp(id[2], id[7]))
        return fail(l->err, BAD_INPUT, "tokenizer.json: single and pair templates do not use the same [CLS] and [SEP]");
    return OK;
}

/* {"type": "BertProcessing", "sep": ["[SEP]", 102], "cls": ["[CLS]", 101]}, the older form */
static status read_bert_processing(loading *l, const cJSON *processor)
{
    static const char *const names[] = {"cls", "sep"};
    int32_t *const ids[] = {&l->t->cls_id, &l->t->sep_id};
    for (int i = 0; i < 2; i++) {
        cJSON *pair;
        status rc = json_member(&pair, processor, names[i], l->err);
        if (rc != OK) return rc;
        const cJSON *id = cJSON_IsArray(pair) && cJSON_GetArraySize(pair) == 2 ? pair->child->next : NULL;
        if (!cJSON_IsNumber(id) || !tokenizer_piece(l->t, id->valueint))
            return fail(l->err, BAD_INPUT,
                        "tokenizer.json: \"%s\" of BertProcessing is not [token, id of the vocabulary]", names[i]);
        *ids[i] = id->valueint;
    }
    return OK;
}

static status read_processor(loading *l, const cJSON *root)
{
    cJSON *processor;
    const char *type = NULL;
    status rc = json_member(&processor, root, "post_processor", l->err);
    if (rc != OK) return rc;
    if (!cJSON_IsObject(processor))
        return fail(l->err, BAD_INPUT, "tokenizer.json: \"post_processor\" is %s, wanted TemplateProcessing",
                    processor ? json_type_name(processor) : "absent");
    rc = json_string(&type, processor, "type", l->err);
    if (rc != OK) return rc;
    if (type && !strcmp(type, "TemplateProcessing")) return read_template(l, processor);
    if (type && !strcmp(type, "BertProcessing")) return read_bert_processing(l, processor);
    return fail(
        l->err, BAD_INPUT,
        "tokenizer.json: \"post_processor\" is of type %.60s, only TemplateProcessing and BertProcessing are supported",
        type ? type : "(none)");
}

static status read_decoder(loading *l, const cJSON *root)
{
    cJSON *decoder;
    status rc = json_member(&decoder, root, "decoder", l->err);
    l->t->cleanup = true;
    if (rc != OK || !decoder || cJSON_IsNull(decoder)) return rc;
    rc = section(l, root, "decoder", "WordPiece", &decoder);
    return rc == OK ? json_bool(&l->t->cleanup, decoder, "cleanup", l->err) : rc;
}

/* As transformers' BertTokenizerFast does: what its configuration says, absent keys included, wins. */
static status override_normalizer(loading *l)
{
    normalizer_options o = l->normalizer;
    const char *class = NULL;
    if (!l->config) return OK;
    status rc = json_string(&class, l->config, "tokenizer_class", l->err);
    if (rc != OK || !class || (strcmp(class, "BertTokenizer") && strcmp(class, "BertTokenizerFast"))) return rc;
    o.lowercase = o.isolate_cjk = true;
    rc = json_bool(&o.lowercase, l->config, "do_lower_case", l->err);
    if (rc == OK) rc = json_bool(&o.isolate_cjk, l->config, "tokenize_chinese_chars", l->err);
    if (rc == OK) rc = read_strip_accents(l, l->config, &o);
    if (rc != OK) return rc;
    if (o.lowercase != l->normalizer.lowercase || o.isolate_cjk != l->normalizer.isolate_cjk ||
        o.strip_accents != l->normalizer.strip_accents)
        log_line(LOG_WARN, "tokenizer",
                 "tokenizer_config.json overrides tokenizer.json: lowercase %d, strip accents %d, isolate CJK %d",
                 o.lowercase, o.strip_accents, o.isolate_cjk);
    l->normalizer = o;
    return OK;
}

static status load_json(loading *l, const cJSON *root)
{
    cJSON *part;
    status rc = read_model(l, root);
    if (rc == OK) rc = read_normalizer(l, root);
    if (rc == OK) rc = section(l, root, "pre_tokenizer", "BertPreTokenizer", &part);
    if (rc == OK) rc = read_decoder(l, root);
    if (rc == OK) rc = json_member(&part, root, "added_tokens", l->err);
    if (rc != OK) return rc;
    for (const cJSON *v = cJSON_IsArray(part) ? part->child : NULL; v && rc == OK; v = v->next) rc = add_token_of(l, v);
    if (rc == OK) rc = read_processor(l, root);
    if (rc == OK) rc = override_normalizer(l);
    return rc;
}

/* ---- vocab.txt */

static status read_lines(loading *l)
{
    file_bytes f;
    status rc = directory_read(l->d, "vocab.txt", FILE_MAX_BYTES, &f, l->err);
    if (rc == NOT_FOUND)
        return fail(
            l->err, BAD_INPUT,
            "%.120s: has neither tokenizer.json nor vocab.txt; other tokenizers than WordPiece are not supported",
            directory_path(l->d));
    if (rc != OK) return rc;
    const char *p = f.bytes, *end = f.bytes + f.size;
    if (f.size >= 3 && !memcmp(p, "\xef\xbb\xbf", 3))
        rc = fail(l->err, BAD_INPUT, "vocab.txt: begins with a byte order mark, wanted a token");
    for (int64_t id = 0; rc == OK && p < end; id++) {
        const char *line_end = memchr(p, '\n', (size_t)(end - p)), *next = line_end ? line_end + 1 : end;
        size_t n = (size_t)((line_end ? line_end : end) - p);
        while (n && strchr(" \t\r\v\f", p[n - 1]) && p[n - 1]) n--;
        if (id == VOCAB_MAX) rc = fail(l->err, BAD_INPUT, "vocab.txt: more than %d lines", VOCAB_MAX);
        else if (memchr(p, 0, n)) rc = fail(l->err, BAD_INPUT, "vocab.txt: a NUL in line %lld", (long long)id + 1);
        else rc = set_text(l, id, p, n);
        p = next;
    }
    file_free(&f);
    if (rc == OK && !l->t->size) rc = fail(l->err, BAD_INPUT, "vocab.txt: is empty");
    if (rc == OK) list_pieces(l);
    return rc;
}

/* A special token of tokenizer_config.json: "[SEP]" or {"content": "[SEP]", ...}; absent: BERT's own name. */
static status special_name(loading *l, const char *key, const char *standard, const char **name, const cJSON **flags)
{
    cJSON *v = NULL;
    *name = standard;
    *flags = NULL;
    status rc = l->config ? json_member(&v, l->config, key, l->err) : OK;
    if (rc != OK || !v || cJSON_IsNull(v)) return rc;
    if (cJSON_IsString(v)) {
        *name = v->valuestring;
        return OK;
    }
    if (!cJSON_IsObject(v))
        return fail(l->err, BAD_INPUT, "tokenizer_config.json: \"%s\" is of type %s, wanted a string", key,
                    json_type_name(v));
    *flags = v;
    return json_string(name, v, "content", l->err);
}

static status load_vocab_txt(loading *l)
{
    static const struct { const char *key, *standard; bool required;
    } names[] = {{"unk_token", "[UNK]", true},
                 {"sep_token", "[SEP]", true},
                 {"pad_token", "[PAD]", false},
                 {"cls_token", "[CLS]", true},
                 {"mask_token", "[MASK]", false}};
    int32_t *const ids[] = {&l->unk_id, &l->t->sep_id, NULL, &l->t->cls_id, NULL};
    status rc = read_lines(l);
    for (size_t i = 0; rc == OK && i < sizeof names / sizeof *names; i++) {
        const char *name;
        const cJSON *flags;
        rc = special_name(l, names[i].key, names[i].standard, &name, &flags);
        if (rc == OK && names[i].required) rc = need_id(l, names[i].key, name, ids[i]);
        if (rc == OK && id_of(l, name) >= 0) rc = add_token(l, name, true, flags);
    }
    if (rc != OK) return rc;
    normalizer_options o = {true, true, true, true};
    if (l->config) {
        rc = json_bool(&o.lowercase, l->config, "do_lower_case", l->err);
        if (rc == OK) rc = json_bool(&o.isolate_cjk, l->config, "tokenize_chinese_chars", l->err);
        if (rc == OK) rc = read_strip_accents(l, l->config, &o);
    }
    l->normalizer = o;
    l->t->cleanup = true;
    l->t->prefix = strdup("##");
    if (rc == OK && !l->t->prefix) rc = fail(l->err, NO_MEMORY, "tokenizer: no memory");
    return rc;
}

/* ---- both */

/* Hugging Face writes 10^30 for "none". */
static status read_max_length(loading *l)
{
    cJSON *v = NULL;
    status rc = l->config ? json_member(&v, l->config, "model_max_length", l->err) : OK;
    if (rc != OK || !v || cJSON_IsNull(v)) return rc;
    if (!cJSON_IsNumber(v) || v->valuedouble < 1)
        return fail(l->err, BAD_INPUT, "tokenizer_config.json: \"model_max_length\" is not a number of at least 1");
    l->t->model_max_length = v->valuedouble > 1e9 ? 0 : (int)v->valuedouble;
    return OK;
}

status tokenizer_open(tokenizer **out, directory *d, error *err)
{
    cJSON  *root = NULL;
    loading l = {.d = d, .err = err, .t = calloc(1, sizeof *l.t), .word_chars = BERT_WORD_CHARS};
    *out = NULL;
    if (!l.t) return fail(err, NO_MEMORY, "tokenizer: no memory");
    status rc = read_json(&l, "tokenizer_config.json", &l.config);
    if (rc == NOT_FOUND) rc = OK;
    if (rc == OK) rc = read_json(&l, "tokenizer.json", &root);
    if (rc == OK) rc = load_json(&l, root);
    else if (rc == NOT_FOUND) rc = load_vocab_txt(&l);
    if (rc == OK) rc = read_max_length(&l);
    if (rc == OK) {
        l.t->prefix_bytes = strlen(l.t->prefix);
        rc = wordpiece_open(&l.t->words, l.piece, l.n, l.t->prefix, l.unk_id, l.word_chars, l.normalizer, err);
    }
    if (rc == OK) added_prepare(&l.t->added);
    cJSON_Delete(root);
    cJSON_Delete(l.config);
    free(l.piece);
    if (rc != OK) tokenizer_close(l.t);
    else *out = l.t;
    return rc;
}

void tokenizer_close(tokenizer *t)
{
    if (!t) return;
    for (int i = 0; i < t->size; i++) free(t->piece[i].p);
    free(t->piece);
    free(t->added.token);
    free(t->prefix);
    wordpiece_close(&t->words);
    free(t);
}
