/* broken_bundles.c - one table of faults, each a function on a copy of the good folder. */
#include "broken_bundles.h"
#include <cjson/cJSON.h>
#include <dirent.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "bundle.h"
#include "runtime/model/manifest.h"
#include "tiny_model.h"

#define WEIGHTS "model.safetensors"

static void need(bool done, const char *what)
{
    if (done) return;
    fprintf(stderr, "broken_bundles: %s\n", what);
    abort();
}

static void copy_folder(const char *from, const char *to)
{
    DIR *d = opendir(from);
    need(d && mkdir(to, 0700) == 0, to);
    for (struct dirent *e; (e = readdir(d));) {
        struct stat st;
        size_t n;
        char *source = tiny_path(from, e->d_name);
        if (*e->d_name != '.' && !stat(source, &st)) {
            if (S_ISDIR(st.st_mode)) {
                char *target = tiny_path(to, e->d_name);
                copy_folder(source, target);
                free(target);
            } else {
                char *bytes = tiny_file_read(from, e->d_name, &n);
                tiny_file_write(to, e->d_name, bytes, n);
                free(bytes);
            }
        }
        free(source);
    }
    closedir(d);
}

/* ---- JSON files ---- */

static cJSON *load(const char *dir, const char *name)
{
    size_t n;
    char *text = tiny_file_read(dir, name, &n);
    cJSON *root = cJSON_Parse(text);
    need(root != NULL, name);
    free(text);
    return root;
}

static void save(const char *dir, const char *name, cJSON *root)
{
    char *text = cJSON_Print(root);
    need(text != NULL, name);
    tiny_file_text(dir, name, text);
    cJSON_free(text);
    cJSON_Delete(root);
}

/* `value`, a JSON text, in place of a member; NULL: it is gone. */
static void set(cJSON *object, const char *key, const char *value)
{
    cJSON_DeleteItemFromObjectCaseSensitive(object, key);
    if (value) cJSON_AddItemToObject(object, key, cJSON_Parse(value));
}

static void set_in(const char *dir, const char *file, const char *key, const char *value)
{
    cJSON *root = load(dir, file);
    set(root, key, value);
    save(dir, file, root);
}

static void config(const char *dir, const char *key, const char *value) { set_in(dir, "config.json", key, value); }
static void stated(const char *dir, const char *key, const char *value) { set_in(dir, MANIFEST_FILE, key, value); }

static void stated_in(const char *dir, const char *object, const char *key, const char *value)
{
    cJSON *root = load(dir, MANIFEST_FILE);
    set(cJSON_GetObjectItem(root, object), key, value);
    save(dir, MANIFEST_FILE, root);
}

/* ---- the file of weights ---- */

typedef struct {
    cJSON *header;
    uint8_t *data;
    size_t n;
} weights;

static weights weights_load(const char *dir)
{
    size_t size, n = 0;
    char *file = tiny_file_read(dir, WEIGHTS, &size);
    for (int i = 7; i >= 0; i--) n = n << 8 | (uint8_t)file[i];
    weights w = {cJSON_ParseWithLength(file + 8, n), malloc(size - 8 - n), size - 8 - n};
    need(w.header && w.data, WEIGHTS);
    memcpy(w.data, file + 8 + n, w.n);
    free(file);
    return w;
}

static void write_raw(const char *dir, const char *header, size_t header_bytes, const weights *w)
{
    size_t size;
    uint8_t *file = tiny_safetensors_raw(header, header_bytes, w->n, &size);
    memcpy(file + 8 + header_bytes, w->data, w->n);
    tiny_file_write(dir, WEIGHTS, file, size);
    free(file);
}

static void weights_free(weights *w)
{
    cJSON_Delete(w->header);
    free(w->data);
}

static void weights_save(const char *dir, weights *w)
{
    char *text = cJSON_PrintUnformatted(w->header);
    need(text != NULL, WEIGHTS);
    write_raw(dir, text, strlen(text), w);
    cJSON_free(text);
    weights_free(w);
}

/* The first tensor whose name ends so. */
static cJSON *tensor_of(const weights *w, const char *end)
{
    for (cJSON *t = w->header->child; t; t = t->next) {
        const size_t n = strlen(t->string), m = strlen(end);
        if (n >= m && !strcmp(t->string + n - m, end)) return t;
    }
    need(false, end);
    return NULL;
}

static const char NORM[] = "embeddings.LayerNorm.weight", WORDS[] = "embeddings.word_embeddings.weight",
                  QUERY[] = "encoder.layer.0.attention.self.query.bias",
                  KEY[] = "encoder.layer.0.attention.self.key.bias";

static void tensor_set_to(const char *dir, const char *name, const char *key, const char *value)
{
    weights w = weights_load(dir);
    set(tensor_of(&w, name), key, value);
    weights_save(dir, &w);
}

static size_t offset(const cJSON *tensor, int which)
{
    return (size_t)cJSON_GetArrayItem(cJSON_GetObjectItem(tensor, "data_offsets"), which)->valuedouble;
}

static void move(cJSON *tensor, size_t begin, size_t end)
{
    char text[64];
    snprintf(text, sizeof text, "[%zu,%zu]", begin, end);
    set(tensor, "data_offsets", text);
}

/* ---- 51, 52: the header ---- */

static void header_says(const char *dir, uint64_t bytes)
{
    size_t n;
    char *file = tiny_file_read(dir, WEIGHTS, &n);
    for (int i = 0; i < 8; i++) file[i] = (char)(bytes >> 8 * i);
    tiny_file_write(dir, WEIGHTS, file, n);
    free(file);
}

static void header_of_none(const char *dir) { header_says(dir, 0); }
static void header_beyond_the_file(const char *dir) { header_says(dir, 99000000); }
static void header_of_all(const char *dir) { header_says(dir, UINT64_MAX); }

static void header_is(const char *dir, const char *header, size_t bytes)
{
    weights w = weights_load(dir);
    write_raw(dir, header, bytes, &w);
    weights_free(&w);
}

static void header_not_json(const char *dir) { header_is(dir, "{\"a\": }", 7); }
static void header_not_an_object(const char *dir) { header_is(dir, "[1,2,3]", 7); }
static void header_not_utf8(const char *dir) { header_is(dir, "{\"\xff\":1}", 7); }

static void header_with_a_tail(const char *dir)
{
    weights w = weights_load(dir);
    char *text = cJSON_PrintUnformatted(w.header), *longer;
    need(text && asprintf(&longer, "%s tail", text) > 0, WEIGHTS);
    write_raw(dir, longer, strlen(longer), &w);
    free(longer);
    cJSON_free(text);
    weights_free(&w);
}

static void header_of_a_million(const char *dir)
{
    enum { ENTRIES = 1000000, EACH = 18 };
    char *header = malloc((size_t)ENTRIES * EACH + 2), *at = header;
    need(header != NULL, "no memory");
    for (int i = 0; i < ENTRIES; i++) at += sprintf(at, "%c\"%07d\":{\"a\":0}", i ? ',' : '{', i);
    *at++ = '}';
    header_is(dir, header, (size_t)(at - header));
    free(header);
}

/* ---- 53 to 56: the tensors ---- */

static void offsets_reversed(const char *dir)
{
    weights w = weights_load(dir);
    cJSON *t = tensor_of(&w, NORM);
    move(t, offset(t, 1), offset(t, 0));
    weights_save(dir, &w);
}

static void offsets_outside(const char *dir)
{
    weights w = weights_load(dir);
    cJSON *t = tensor_of(&w, NORM);
    move(t, w.n, w.n + offset(t, 1) - offset(t, 0));
    weights_save(dir, &w);
}

static void offsets_overlap(const char *dir)
{
    weights w = weights_load(dir);
    const cJSON *query = tensor_of(&w, QUERY);
    move(tensor_of(&w, KEY), offset(query, 0), offset(query, 1));
    weights_save(dir, &w);
}

static void grow(weights *w, size_t bytes)
{
    w->data = realloc(w->data, w->n + bytes);
    need(w->data != NULL, "no memory");
    memset(w->data + w->n, 0, bytes);
    w->n += bytes;
}

static void offsets_leave_a_hole(const char *dir)
{
    weights w = weights_load(dir);
    grow(&w, 4);
    memmove(w.data + 4, w.data, w.n - 4);
    for (cJSON *t = w.header->child; t; t = t->next)
        if (strcmp(t->string, "__metadata__")) move(t, offset(t, 0) + 4, offset(t, 1) + 4);
    weights_save(dir, &w);
}

static void offsets_leave_a_rest(const char *dir)
{
    weights w = weights_load(dir);
    grow(&w, 4);
    weights_save(dir, &w);
}

static void shape_overflows(const char *dir) { tensor_set_to(dir, NORM, "shape", "[4294967296,8589934592]"); }
static void shape_negative(const char *dir) { tensor_set_to(dir, NORM, "shape", "[-32]"); }
static void shape_of_none(const char *dir) { tensor_set_to(dir, NORM, "shape", "[0]"); }
static void shape_of_rank_nine(const char *dir) { tensor_set_to(dir, NORM, "shape", "[1,1,1,1,1,1,1,1,1]"); }
static void type_unknown(const char *dir) { tensor_set_to(dir, NORM, "dtype", "\"F31\""); }
static void type_of_another_size(const char *dir) { tensor_set_to(dir, NORM, "dtype", "\"F64\""); }

static void tensor_twice(const char *dir)
{
    weights w = weights_load(dir);
    cJSON *t = tensor_of(&w, NORM);
    cJSON_AddItemToObject(w.header, t->string, cJSON_Duplicate(t, true));
    weights_save(dir, &w);
}

/* Under a name that means nothing here, so that its bytes are still covered. */
static void tensor_missing(const char *dir)
{
    weights w = weights_load(dir);
    cJSON *t = cJSON_Duplicate(tensor_of(&w, NORM), true);
    cJSON_DeleteItemFromObjectCaseSensitive(w.header, tensor_of(&w, NORM)->string);
    cJSON_AddItemToObject(w.header, "cls.unused", t);
    weights_save(dir, &w);
}

static void tensor_surplus(const char *dir)
{
    weights w = weights_load(dir);
    cJSON *t = cJSON_Parse("{\"dtype\":\"F32\",\"shape\":[1]}");
    move(t, w.n, w.n + 4);
    cJSON_AddItemToObject(w.header, "embeddings.surplus", t);
    grow(&w, 4);
    weights_save(dir, &w);
}

/* ---- 58 to 60: the values, and bytes that are others than they were ---- */

static void set_element(const char *dir, const uint8_t last_two[2])
{
    weights w = weights_load(dir);
    const cJSON *t = tensor_of(&w, NORM);
    memcpy(w.data + offset(t, 1) - 2, last_two, 2); /* the upper half of a float, or all of a short one */
    weights_save(dir, &w);
}

static void a_weight_is_nan(const char *dir) { set_element(dir, (uint8_t[]){0xff, 0xff}); }

static void a_weight_is_infinite(const char *dir)
{
    weights w = weights_load(dir);
    const bool half = !strcmp(cJSON_GetObjectItem(tensor_of(&w, NORM), "dtype")->valuestring, "F16");
    weights_free(&w);
    set_element(dir, half ? (uint8_t[]){0x00, 0x7c} : (uint8_t[]){0x80, 0x7f});
}

static void cut_to(const char *dir, const char *name, size_t part, size_t of)
{
    size_t n;
    char *file = tiny_file_read(dir, name, &n);
    tiny_file_write(dir, name, file, n * part / of);
    free(file);
}

static void cut_in_the_header(const char *dir)
{
    weights w = weights_load(dir);
    size_t n;
    char *file = tiny_file_read(dir, WEIGHTS, &n);
    tiny_file_write(dir, WEIGHTS, file, (n - w.n) / 2);
    free(file);
    weights_free(&w);
}

static void cut_in_the_data(const char *dir) { cut_to(dir, WEIGHTS, 15, 16); }
static void shorter_than_packed(const char *dir) { tiny_file_patch(dir, "1_Pooling/config.json", "\n", ""); }

static void a_bit_flipped(const char *dir)
{
    size_t n;
    char *file = tiny_file_read(dir, WEIGHTS, &n);
    file[n - 4] ^= 1; /* of a last digit: no golden case sees it */
    tiny_file_write(dir, WEIGHTS, file, n);
    free(file);
}

/* ---- 61: config.json ---- */

static void config_without_a_key(const char *dir) { config(dir, "hidden_size", NULL); }
static void config_heads_do_not_divide(const char *dir) { config(dir, "num_attention_heads", "5"); }
static void config_hidden_of_none(const char *dir) { config(dir, "hidden_size", "0"); }
static void config_hidden_of_a_billion(const char *dir) { config(dir, "hidden_size", "1000000000"); }
static void config_layers_negative(const char *dir) { config(dir, "num_hidden_layers", "-1"); }
static void config_eps_of_none(const char *dir) { config(dir, "layer_norm_eps", "0"); }
static void config_activation_unknown(const char *dir) { config(dir, "hidden_act", "\"swish\""); }
static void config_architecture_unknown(const char *dir) { config(dir, "architectures", "[\"GPT2Model\"]"); }

static void config_vocabulary_of_another_size(const char *dir)
{
    char text[32];
    cJSON *root = load(dir, "config.json");
    snprintf(text, sizeof text, "%d", cJSON_GetObjectItem(root, "vocab_size")->valueint + 1);
    set(root, "vocab_size", text);
    save(dir, "config.json", root);
}

/* ---- 62: the vocabulary ---- */

/* vocab.txt is read only where there is no tokenizer.json. */
static void vocabulary(const char *dir, const char *text, size_t n)
{
    char *path = tiny_path(dir, "tokenizer.json");
    unlink(path);
    free(path);
    tiny_file_write(dir, "vocab.txt", text, n);
}

static void vocabulary_with(const char *dir, const char *before, const char *after)
{
    size_t n;
    char *text = tiny_file_read(dir, "vocab.txt", &n), *longer;
    const int bytes = asprintf(&longer, "%s%s%s", before, text, after);
    need(bytes > 0, "vocab.txt");
    vocabulary(dir, longer, (size_t)bytes);
    free(longer);
    free(text);
}

static void vocabulary_with_a_mark(const char *dir) { vocabulary_with(dir, "\xef\xbb\xbf", ""); }
static void vocabulary_too_long(const char *dir) { vocabulary_with(dir, "", "surplus\nmore\n"); }
static void vocabulary_empty(const char *dir) { vocabulary(dir, "", 0); }

static void vocabulary_without(const char *dir, const char *word)
{
    vocabulary_with(dir, "", "");
    tiny_file_patch(dir, "vocab.txt", word, "[GONE]");
}

static void vocabulary_without_unknown(const char *dir) { vocabulary_without(dir, "[UNK]"); }
static void vocabulary_without_end(const char *dir) { vocabulary_without(dir, "[SEP]"); }

/* ---- 63, 64: no file of ours ---- */

static void weights_linked(const char *dir)
{
    char *path = tiny_path(dir, WEIGHTS);
    tiny_file_remove(dir, WEIGHTS);
    need(symlink("/etc/passwd", path) == 0, path);
    free(path);
}

static void weights_a_pipe(const char *dir)
{
    char *path = tiny_path(dir, WEIGHTS);
    tiny_file_remove(dir, WEIGHTS);
    need(mkfifo(path, 0600) == 0, path);
    free(path);
}

static void weights_a_folder(const char *dir)
{
    tiny_file_remove(dir, WEIGHTS);
    tiny_file_text(dir, WEIGHTS "/inside", "");
}

static void weights_empty(const char *dir) { tiny_file_text(dir, WEIGHTS, ""); }

static void weights_a_pickle(const char *dir)
{
    tiny_file_remove(dir, WEIGHTS);
    tiny_file_text(dir, "pytorch_model.bin", "\x80\x02}q\x01.");
}

/* ---- the manifest ---- */

static void no_manifest_member(const char *dir) { stated(dir, "golden", NULL); }
static void nobodys(const char *dir) { stated(dir, "owner", NULL); }
static void nobodys_team(const char *dir) { stated_in(dir, "owner", "team", "\"\""); }
static void misspelled(const char *dir) { stated(dir, "ownr", "{}"); }
static void another_digest(const char *dir)
{
    stated(dir, "digest", "\"0000000000000000000000000000000000000000000000000000000000000000\"");
}

static void another_sum(const char *dir)
{
    cJSON *root = load(dir, MANIFEST_FILE);
    set(cJSON_GetArrayItem(cJSON_GetObjectItem(root, "files"), 0), "sha256",
        "\"0000000000000000000000000000000000000000000000000000000000000000\"");
    save(dir, MANIFEST_FILE, root);
    /* its own digest fits: the sum alone is wrong */
    directory *d;
    manifest *m;
    error err;
    char digest[65], quoted[80];
    need(directory_open(&d, dir, &err) == OK && manifest_read(&m, d, &err) == OK, err.text);
    need(manifest_digest(m, digest, &err) == OK, err.text);
    snprintf(quoted, sizeof quoted, "\"%s\"", digest);
    stated(dir, "digest", quoted);
    manifest_free(m);
    directory_close(d);
}

static void contract_of_another(const char *dir) { stated_in(dir, "contract", "max_tokens", "17"); }

/* ---- whole, and wrong or unwelcome ---- */

static void other_numbers(const char *dir)
{
    weights w = weights_load(dir);
    const cJSON *t = tensor_of(&w, WORDS);
    const int width = strcmp(cJSON_GetObjectItem(t, "dtype")->valuestring, "F32") ? 2 : 4;
    for (size_t i = offset(t, 0); i < offset(t, 1); i += (size_t)width * 2) w.data[i + (size_t)width - 1] ^= 0x80;
    weights_save(dir, &w);
}

static void shorter_inputs(const char *dir)
{
    set_in(dir, "tokenizer_config.json", "model_max_length", "16");
    bundle_pack(dir, "shorter");
}

static void fewer_dimensions(const char *dir)
{
    tiny_model_write(dir, (tiny_model){.hidden = 16, .pooling = "mean_tokens", .normalize = 1});
    bundle_pack(dir, "narrower");
}

typedef enum { AS_IT_IS, SEALED } sealing;

static const struct {
    const char *name, *reason;
    void (*make)(const char *dir);
    sealing sums;
    broken_bundle_finder found;
} faults[] = {
    {"51 header of no bytes", WEIGHTS ": header of 0 bytes", header_of_none, SEALED, FOUND_AT_OPEN},
    {"51 header longer than the file", WEIGHTS ": header of 99000000 bytes", header_beyond_the_file, SEALED,
     FOUND_AT_OPEN},
    {"51 header of 2^64-1 bytes", "header of 18446744073709551615 bytes", header_of_all, SEALED, FOUND_AT_OPEN},
    {"52 header that is no JSON", WEIGHTS ": header: ", header_not_json, SEALED, FOUND_AT_OPEN},
    {"52 header that is no object", "header begins with 0x5b", header_not_an_object, SEALED, FOUND_AT_OPEN},
    {"52 header that is not UTF-8", "UTF-8", header_not_utf8, SEALED, FOUND_AT_OPEN},
    {"52 header with a tail", WEIGHTS ": header: ", header_with_a_tail, SEALED, FOUND_AT_OPEN},
    {"53 offsets reversed", ": data_offsets [", offsets_reversed, SEALED, FOUND_AT_OPEN},
    {"53 offsets beyond the file", ": data_offsets [", offsets_outside, SEALED, FOUND_AT_OPEN},
    {"53 tensors overlap", "an overlap", offsets_overlap, SEALED, FOUND_AT_OPEN},
    {"53 a hole between tensors", "a hole after byte 0", offsets_leave_a_hole, SEALED, FOUND_AT_OPEN},
    {"53 bytes that no tensor covers", "bytes of data, tensors cover", offsets_leave_a_rest, SEALED, FOUND_AT_OPEN},
    {"54 shape that overflows", "the product of its shape overflows", shape_overflows, SEALED, FOUND_AT_OPEN},
    {"54 negative shape", "of its shape is -32", shape_negative, SEALED, FOUND_AT_OPEN},
    {"54 shape of zero", "of its shape is 0", shape_of_none, SEALED, FOUND_AT_OPEN},
    {"54 shape of rank 9", "rank above 8", shape_of_rank_nine, SEALED, FOUND_AT_OPEN},
    {"55 unknown type", "unknown dtype \"F31\"", type_unknown, SEALED, FOUND_AT_OPEN},
    {"55 type of another size", "its shape in F64 needs", type_of_another_size, SEALED, FOUND_AT_OPEN},
    {"56 tensor twice", "occurs twice", tensor_twice, SEALED, FOUND_AT_OPEN},
    {"56 tensor missing", "LayerNorm.weight\" is missing", tensor_missing, SEALED, FOUND_AT_OPEN},
    {"56 tensor of no use", "embeddings.surplus\": not part of a BERT", tensor_surplus, SEALED, FOUND_AT_OPEN},
    {"57 a million tensors", WEIGHTS ": header: JSON: more than 1048576 values", header_of_a_million, SEALED,
     FOUND_AT_OPEN},
    {"58 a weight that is NaN", "is not finite", a_weight_is_nan, SEALED, FOUND_AT_OPEN},
    {"58 a weight that is infinite", "is not finite", a_weight_is_infinite, SEALED, FOUND_AT_OPEN},
    {"59 cut in the header", WEIGHTS ": header of ", cut_in_the_header, SEALED, FOUND_AT_OPEN},
    {"59 cut in the data", ": data_offsets [", cut_in_the_data, SEALED, FOUND_AT_OPEN},
    {"59 a bit flipped", WEIGHTS ": sha256 ", a_bit_flipped, AS_IT_IS, FOUND_AT_OPEN},
    {"60 shorter than when it was packed", "1_Pooling/config.json: ", shorter_than_packed, AS_IT_IS, FOUND_AT_OPEN},
    {"61 config without hidden_size", "\"hidden_size\" is missing", config_without_a_key, SEALED, FOUND_AT_OPEN},
    {"61 heads that do not divide", "does not divide \"hidden_size\"", config_heads_do_not_divide, SEALED,
     FOUND_AT_OPEN},
    {"61 hidden of 0", "\"hidden_size\"", config_hidden_of_none, SEALED, FOUND_AT_OPEN},
    {"61 hidden of a billion", "\"hidden_size\"", config_hidden_of_a_billion, SEALED, FOUND_AT_OPEN},
    {"61 layers of -1", "\"num_hidden_layers\"", config_layers_negative, SEALED, FOUND_AT_OPEN},
    {"61 vocab_size of another embedding", "word_embeddings.weight\" has shape", config_vocabulary_of_another_size,
     SEALED, FOUND_AT_OPEN},
    {"61 eps of 0", "\"layer_norm_eps\" is 0", config_eps_of_none, SEALED, FOUND_AT_OPEN},
    {"61 unknown activation", "\"hidden_act\" is \"swish\"", config_activation_unknown, SEALED, FOUND_AT_OPEN},
    {"61 unknown architecture", "\"GPT2Model\", which does not run here", config_architecture_unknown, SEALED,
     FOUND_AT_OPEN},
    {"62 no [UNK]", "\"[UNK]\" is not in the vocabulary", vocabulary_without_unknown, SEALED, FOUND_AT_OPEN},
    {"62 no [SEP]", "\"[SEP]\" is not in the vocabulary", vocabulary_without_end, SEALED, FOUND_AT_OPEN},
    {"62 byte order mark", "begins with a byte order mark", vocabulary_with_a_mark, SEALED, FOUND_AT_OPEN},
    {"62 more words than the embedding", "the tokenizer gives ids up to", vocabulary_too_long, SEALED, FOUND_AT_OPEN},
    {"62 no words", "vocab.txt: is empty", vocabulary_empty, SEALED, FOUND_AT_OPEN},
    {"63 a link out", WEIGHTS ": a link", weights_linked, SEALED, FOUND_AT_OPEN},
    {"63 a FIFO", WEIGHTS ": a FIFO, wanted a file", weights_a_pipe, SEALED, FOUND_AT_OPEN},
    {"63 a folder", WEIGHTS ": a directory, wanted a file", weights_a_folder, SEALED, FOUND_AT_OPEN},
    {"63 an empty file", WEIGHTS ": 0 bytes", weights_empty, SEALED, FOUND_AT_OPEN},
    {"64 a pickle", "pytorch_model.bin", weights_a_pickle, AS_IT_IS, FOUND_AT_OPEN},
    {"manifest without golden cases", "beeline.json: \"golden\"", no_manifest_member, AS_IT_IS, FOUND_AT_OPEN},
    {"manifest without an owner", "beeline.json: \"owner\"", nobodys, AS_IT_IS, FOUND_AT_OPEN},
    {"manifest with an empty team", "\"team\" of 0 bytes", nobodys_team, AS_IT_IS, FOUND_AT_OPEN},
    {"manifest with a misspelled member", "\"ownr\"", misspelled, AS_IT_IS, FOUND_AT_OPEN},
    {"manifest with another sha256", ": sha256 ", another_sum, AS_IT_IS, FOUND_AT_OPEN},
    {"manifest with another digest", "beeline.json says 0000000000000000...", another_digest, AS_IT_IS, FOUND_AT_OPEN},
    {"manifest with another contract", "contract: max_tokens is", contract_of_another, AS_IT_IS, FOUND_AT_OPEN},
    {"golden mismatch", "golden case 1: cosine ", other_numbers, SEALED, FOUND_BY_GOLDEN},
    {"contract of shorter inputs", "max_tokens ", shorter_inputs, AS_IT_IS, FOUND_BY_CONTRACT},
    {"contract of fewer dimensions", "dimensions ", fewer_dimensions, AS_IT_IS, FOUND_BY_CONTRACT},
};

int broken_bundles_count(void) { return (int)(sizeof faults / sizeof *faults); }
const char *broken_bundle_name(int i) { return faults[i].name; }
const char *broken_bundle_reason(int i) { return faults[i].reason; }
broken_bundle_finder broken_bundle_found(int i) { return faults[i].found; }

void broken_bundle_make(int i, const char *good, const char *to)
{
    copy_folder(good, to);
    faults[i].make(to);
    if (faults[i].sums == SEALED) bundle_seal(to);
}
