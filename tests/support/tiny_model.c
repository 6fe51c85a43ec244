/* tiny_model.c - weights from a fixed generator, so that a seed names a model. */
#include "tiny_model.h"
#include <ftw.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void need(bool done, const char *what)
{
    if (done) return;
    perror(what);
    abort();
}

char *tiny_folder_make(void)
{
    char *folder = strdup("/tmp/beeline-test-XXXXXX");
    need(folder && mkdtemp(folder), "mkdtemp");
    return folder;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    (void)st, (void)kind, (void)at;
    return remove(path);
}

void tiny_folder_remove(char *folder)
{
    nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(folder);
}

char *tiny_path(const char *folder, const char *name)
{
    char *path;
    need(asprintf(&path, "%s/%s", folder, name) >= 0, "asprintf");
    return path;
}

void tiny_file_write(const char *folder, const char *name, const void *bytes, size_t n)
{
    char *path = tiny_path(folder, name);
    for (char *slash = path + strlen(folder) + 1; (slash = strchr(slash, '/')); *slash++ = '/') {
        *slash = 0;
        mkdir(path, 0700);
    }
    FILE *f = fopen(path, "wb");
    need(f && fwrite(bytes, 1, n, f) == n, path);
    need(fclose(f) == 0, path);
    free(path);
}

void tiny_file_text(const char *folder, const char *name, const char *text)
{
    tiny_file_write(folder, name, text, strlen(text));
}

char *tiny_file_read(const char *folder, const char *name, size_t *n)
{
    char *path = tiny_path(folder, name);
    FILE *f = fopen(path, "rb");
    need(f && fseek(f, 0, SEEK_END) == 0, path);
    *n = (size_t)ftell(f);
    rewind(f);
    char *bytes = malloc(*n + 1);
    need(bytes && fread(bytes, 1, *n, f) == *n, path);
    bytes[*n] = 0;
    fclose(f);
    free(path);
    return bytes;
}

void tiny_file_remove(const char *folder, const char *name)
{
    char *path = tiny_path(folder, name);
    need(unlink(path) == 0, path);
    free(path);
}

void tiny_file_patch(const char *folder, const char *name, const char *from, const char *to)
{
    size_t n;
    char *text = tiny_file_read(folder, name, &n), *at = memmem(text, n, from, strlen(from)), *patched;
    need(at != NULL, from);
    const size_t before = (size_t)(at - text), after = n - before - strlen(from);
    patched = malloc(before + strlen(to) + after + 1);
    need(patched != NULL, "malloc");
    memcpy(patched, text, before);
    memcpy(patched + before, to, strlen(to) + 1);
    memcpy(patched + before + strlen(to), at + strlen(from), after);
    tiny_file_write(folder, name, patched, before + strlen(to) + after);
    free(patched);
    free(text);
}

uint8_t *tiny_safetensors_raw(const char *header, size_t header_bytes, size_t data, size_t *size)
{
    *size = 8 + header_bytes + data;
    uint8_t *file = calloc(1, *size + 1);
    need(file != NULL, "calloc");
    for (int i = 0; i < 8; i++) file[i] = (uint8_t)((uint64_t)header_bytes >> 8 * i);
    memcpy(file + 8, header, header_bytes);
    return file;
}

uint8_t *tiny_safetensors(const tiny_tensor *t, int n, size_t *size)
{
    char  *header;
    size_t header_bytes, at = 0;
    FILE  *f = open_memstream(&header, &header_bytes);
    need(f != NULL, "open_memstream");
    fprintf(f, "{\"__metadata__\":{\"format\":\"pt\"}");
    for (int i = 0; i < n; i++) {
        fprintf(f, ",\"%s\":{\"dtype\":\"%s\",\"shape\":[", t[i].name, t[i].dtype);
        for (int k = 0; k < t[i].rank; k++) fprintf(f, "%s%lld", k ? "," : "", (long long)t[i].shape[k]);
        fprintf(f, "],\"data_offsets\":[%zu,%zu]}", at, at + t[i].bytes);
        at += t[i].bytes;
    }
    fprintf(f, "}");
    need(fclose(f) == 0, "open_memstream");
    uint8_t *file = tiny_safetensors_raw(header, header_bytes, at, size);
    uint8_t *data = file + 8 + header_bytes;
    free(header);
    for (int i = 0; i < n; i++) {
        if (t[i].data) memcpy(data, t[i].data, t[i].bytes);
        data += t[i].bytes;
    }
    return file;
}

enum { TENSORS_MAX = 1024 };
typedef struct {
    tiny_model  m;
    uint64_t    state;
    int         n;
    tiny_tensor tensor[TENSORS_MAX];
    char        name[TENSORS_MAX][96];
} writer;

static float random_unit(writer *w) /* (-1,1) */
{
    w->state = w->state * 6364136223846793005u + 1442695040888963407u;
    return (float)((double)(w->state >> 33) / (double)(1u << 30) - 1.0);
}

static uint16_t to_half(float f) /* rounds towards zero; for magnitudes of 2^-14 to 2, smaller ones become 0 */
{
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    const uint32_t sign = bits >> 16 & 0x8000, exponent = bits >> 23 & 255;
    return (uint16_t)(exponent < 113 ? sign : sign | (exponent - 112) << 10 | (bits >> 13 & 0x3ff));
}

/* columns 0: a vector; values are center + scale x (-1,1) */
static void add(writer *w, const char *prefix, const char *name, int rows, int columns, float center, float scale)
{
    need(w->n < TENSORS_MAX, "too many tensors");
    tiny_tensor *t = &w->tensor[w->n];
    const size_t elements = (size_t)rows * (size_t)(columns ? columns : 1);
    const size_t width = strcmp(w->m.dtype, "F32") ? 2 : 4;
    uint8_t *data = malloc(elements * width);
    need(data != NULL, "malloc");
    for (size_t i = 0; i < elements; i++) {
        float f = center + scale * random_unit(w);
        uint32_t bits;
        memcpy(&bits, &f, sizeof bits);
        uint16_t half = strcmp(w->m.dtype, "F16") ? (uint16_t)(bits >> 16) : to_half(f);
        memcpy(data + i * width, width == 4 ? (void *)&f : (void *)&half, width);
    }
    snprintf(w->name[w->n], sizeof w->name[w->n], "%s%s", prefix, name);
    *t = (tiny_tensor){.name = w->name[w->n], .dtype = w->m.dtype, .rank = columns ? 2 : 1, .shape = {rows, columns}};
    t->data = data;
    t->bytes = elements * width;
    w->n++;
}

static void add_linear(writer *w, const char *prefix, const char *name, int out, int in)
{
    char full[96];
    snprintf(full, sizeof full, "%s.weight", name);
    add(w, prefix, full, out, in, 0, 0.2f);
    snprintf(full, sizeof full, "%s.bias", name);
    add(w, prefix, full, out, 0, 0, 0.1f);
}

static void add_norm(writer *w, const char *prefix, const char *name)
{
    char full[96];
    snprintf(full, sizeof full, "%s.weight", name);
    add(w, prefix, full, w->m.hidden, 0, 1, 0.1f);
    snprintf(full, sizeof full, "%s.bias", name);
    add(w, prefix, full, w->m.hidden, 0, 0, 0.1f);
}

static void write_weights(const char *folder, const tiny_model *m)
{
    writer *w = calloc(1, sizeof *w);
    need(w != NULL, "calloc");
    w->m = *m;
    w->state = m->seed * 2654435761u + 1;
    add(w, m->prefix, "embeddings.word_embeddings.weight", m->words, m->hidden, 0, 0.5f);
    add(w, m->prefix, "embeddings.position_embeddings.weight", m->positions, m->hidden, 0, 0.2f);
    add(w, m->prefix, "embeddings.token_type_embeddings.weight", 2, m->hidden, 0, 0.2f);
    add_norm(w, m->prefix, "embeddings.LayerNorm");
    for (int i = 0; i < m->layers; i++) {
        char layer[64];
        snprintf(layer, sizeof layer, "%sencoder.layer.%d.", m->prefix, i);
        add_linear(w, layer, "attention.self.query", m->hidden, m->hidden);
        add_linear(w, layer, "attention.self.key", m->hidden, m->hidden);
        add_linear(w, layer, "attention.self.value", m->hidden, m->hidden);
        add_linear(w, layer, "attention.output.dense", m->hidden, m->hidden);
        add_norm(w, layer, "attention.output.LayerNorm");
        add_linear(w, layer, "intermediate.dense", m->inner, m->hidden);
        add_linear(w, layer, "output.dense", m->hidden, m->inner);
        add_norm(w, layer, "output.LayerNorm");
    }
    if (m->pooler || m->labels) add_linear(w, m->prefix, "pooler.dense", m->hidden, m->hidden);
    if (m->labels) add_linear(w, "", "classifier", m->labels, m->hidden);

    size_t size;
    uint8_t *file = tiny_safetensors(w->tensor, w->n, &size);
    tiny_file_write(folder, "model.safetensors", file, size);
    free(file);
    for (int i = 0; i < w->n; i++) free((void *)w->tensor[i].data);
    free(w);
}

static void write_vocabulary(const char *folder, int words)
{
    static const char *const first[] = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "."};
    char  *text;
    size_t n;
    int    line = 0;
    FILE  *f = open_memstream(&text, &n);
    need(f != NULL && words >= 58, "open_memstream");
    for (; line < 6; line++) fprintf(f, "%s\n", first[line]);
    for (int i = 0; i < 26; i++, line++) fprintf(f, "%c\n", 'a' + i);
    for (int i = 0; i < 26; i++, line++) fprintf(f, "##%c\n", 'a' + i);
    for (int i = 0; line < words; i++, line++)
        fprintf(f, "word%c%c%c\n", 'a' + i / 676 % 26, 'a' + i / 26 % 26, 'a' + i % 26);
    need(fclose(f) == 0, "open_memstream");
    tiny_file_write(folder, "vocab.txt", text, n);
    tiny_file_text(folder, "tokenizer_config.json", "{\"do_lower_case\": true, \"model_max_length\": 512}\n");
    free(text);
}

static void write_config(const char *folder, const tiny_model *m)
{
    char text[2048], labels[512] = "";
    int  n = 0;
    for (int i = 0; i < m->labels && i < 16; i++)
        n += snprintf(labels + n, sizeof labels - (size_t)n, "%s\"%d\": \"label %d\"",
                      i ? ", " : ",\n  \"id2label\": {", i, i);
    snprintf(text, sizeof text,
             "{\n  \"architectures\": [\"%s\"],\n  \"model_type\": \"bert\",\n  \"hidden_size\": %d,\n"
             "  \"num_hidden_layers\": %d,\n  \"num_attention_heads\": %d,\n  \"intermediate_size\": %d,\n"
             "  \"hidden_act\": \"gelu\",\n  \"layer_norm_eps\": 1e-12,\n  \"max_position_embeddings\": %d,\n"
             "  \"type_vocab_size\": 2,\n  \"vocab_size\": %d,\n  \"pad_token_id\": 0%s%s\n}\n",
             m->labels ? "BertForSequenceClassification" : "BertModel", m->hidden, m->layers, m->heads, m->inner,
             m->positions, m->words, labels, m->labels ? "}" : "");
    tiny_file_text(folder, "config.json", text);
}

static void write_modules(const char *folder, const tiny_model *m)
{
    char text[1024];
    snprintf(text, sizeof text,
             "[{\"idx\": 0, \"name\": \"0\", \"path\": \"\", \"type\": \"sentence_transformers.models.Transformer\"},\n"
             " {\"idx\": 1, \"name\": \"1\", \"path\": \"1_Pooling\", \"type\": "
             "\"sentence_transformers.models.Pooling\"}%s]\n",
             m->normalize ? ",\n {\"idx\": 2, \"name\": \"2\", \"path\": \"2_Normalize\", "
                            "\"type\": \"sentence_transformers.models.Normalize\"}"
                          : "");
    tiny_file_text(folder, "modules.json", text);
    snprintf(text, sizeof text, "{\"word_embedding_dimension\": %d, \"pooling_mode_mean_tokens\": false,\n"
             " \"pooling_mode_%s\": true}\n", m->hidden, m->pooling);
    if (!strcmp(m->pooling, "mean_tokens"))
        snprintf(text, sizeof text, "{\"word_embedding_dimension\": %d, \"pooling_mode_mean_tokens\": true}\n",
                 m->hidden);
    tiny_file_text(folder, "1_Pooling/config.json", text);
}

void tiny_model_write(const char *folder, tiny_model m)
{
    if (!m.layers) m.layers = 2;
    if (!m.hidden) m.hidden = 32;
    if (!m.heads) m.heads = 4;
    if (!m.inner) m.inner = 64;
    if (!m.words) m.words = 100;
    if (!m.positions) m.positions = 64;
    if (!m.dtype) m.dtype = "F32";
    if (!m.prefix) m.prefix = "";
    write_config(folder, &m);
    write_vocabulary(folder, m.words);
    write_weights(folder, &m);
    if (m.pooling) write_modules(folder, &m);
}
