/* safetensors.c - header by header: parse, check every entry, then sort twice.
 *
 * By offset, because only then holes and overlaps are visible; by name, because then equal names are neighbours and a
 * lookup is a binary search.  A hostile header costs no more than its bytes: the number of JSON values is bounded
 * before the tree is built, and nothing here is quadratic.
 * A set keeps the bytes of its files, so tensors may point into them; it is read-only after open: any thread. */
#include "safetensors.h"
#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include "runtime/base/json.h"

enum {
    HEADER_MAX = 100 * 1000 * 1000, /* the format's own */
    HEADER_VALUES = 1 << 20,        /* 8 to a matrix: 130,000 tensors; about 100 MB of tree at worst */
    HEADER_DEPTH = 8,               /* 3 are used */
    INDEX_MAX = 16 << 20,
    SHARDS_MAX = 1000,
};
#define FILE_NAME  "model.safetensors"
#define INDEX_NAME "model.safetensors.index.json"
static const size_t WEIGHTS_MAX = (size_t)4 << 30; /* of all files together: read into memory, so bounded */

/* Types of less than a byte are packed; the tensor as a whole still ends on a byte. */
static const struct { const char *name; unsigned bits; dtype type; } dtypes[] = {
    {"F32", 32, DTYPE_F32},      {"F16", 16, DTYPE_F16},          {"BF16", 16, DTYPE_BF16},
    {"I64", 64, DTYPE_OTHER},    {"U64", 64, DTYPE_OTHER},        {"F64", 64, DTYPE_OTHER},
    {"C64", 64, DTYPE_OTHER},    {"I32", 32, DTYPE_OTHER},        {"U32", 32, DTYPE_OTHER},
    {"I16", 16, DTYPE_OTHER},    {"U16", 16, DTYPE_OTHER},        {"I8", 8, DTYPE_OTHER},
    {"U8", 8, DTYPE_OTHER},      {"BOOL", 8, DTYPE_OTHER},        {"F8_E4M3", 8, DTYPE_OTHER},
    {"F8_E5M2", 8, DTYPE_OTHER}, {"F8_E4M3FNUZ", 8, DTYPE_OTHER}, {"F8_E5M2FNUZ", 8, DTYPE_OTHER},
    {"F8_E8M0", 8, DTYPE_OTHER}, {"F6_E2M3", 6, DTYPE_OTHER},     {"F6_E3M2", 6, DTYPE_OTHER},
    {"F4", 4, DTYPE_OTHER},
};
enum { DTYPES = sizeof dtypes / sizeof *dtypes };

typedef struct { const char *name; uint64_t begin, end; } span; /* of the data, relative to the end of the header */

/* A name in a message: foreign and perhaps a megabyte long. */
#define IN_TENSOR "%.60s: tensor \"%.80s\""

static status read_type(int *out, const cJSON *entry, const char *what, const char *name, error *err)
{
    const char *text = NULL;
    error why;
    status rc = json_string(&text, entry, "dtype", &why);
    if (rc != OK) return fail(err, rc, IN_TENSOR ": %.80s", what, name, why.text);
    if (!text) return fail(err, BAD_INPUT, IN_TENSOR ": no \"dtype\"", what, name);
    for (*out = 0; *out < DTYPES; ++*out)
        if (!strcmp(dtypes[*out].name, text)) return OK;
    *out = 0;
    return fail(err, BAD_INPUT, IN_TENSOR ": unknown dtype \"%.30s\"", what, name, text);
}

/* A whole number that a double holds exactly.  What is larger cannot lie within a file that was read. */
static bool whole(uint64_t *out, const cJSON *v)
{
    if (!cJSON_IsNumber(v) || !(v->valuedouble >= 0 && v->valuedouble <= 0x1p53)) return false;
    *out = (uint64_t)v->valuedouble;
    return (double)*out == v->valuedouble;
}

/* An array among the members of entry. */
static status read_array(cJSON **out, const cJSON *entry, const char *key, const char *what, const char *name,
                         error *err)
{
    error why;
    status rc = json_member(out, entry, key, &why);
    if (rc != OK) return fail(err, rc, IN_TENSOR ": %.80s", what, name, why.text);
    if (!cJSON_IsArray(*out)) return fail(err, BAD_INPUT, IN_TENSOR ": no array \"%s\"", what, name, key);
    return OK;
}

/* An extent of 0 is legal in the format and of no use to a weight: refusing it here keeps products and offsets
 * strictly increasing for everything below. */
static status read_shape(tensor *t, const cJSON *entry, const char *what, error *err)
{
    cJSON *shape, *v;
    status rc = read_array(&shape, entry, "shape", what, t->name, err);
    if (rc != OK) return rc;
    t->elements = 1;
    cJSON_ArrayForEach(v, shape)
    {
        uint64_t extent;
        if (t->rank == TENSOR_RANK_MAX)
            return fail(err, BAD_INPUT, IN_TENSOR ": rank above %d", what, t->name, TENSOR_RANK_MAX);
        if (!whole(&extent, v) || extent == 0)
            return fail(err, BAD_INPUT, IN_TENSOR ": extent %d of its shape is %.17g, wanted an integer of 1 or more",
                        what, t->name, t->rank, cJSON_IsNumber(v) ? v->valuedouble : -1.0);
        if (__builtin_mul_overflow(t->elements, extent, &t->elements))
            return fail(err, BAD_INPUT, IN_TENSOR ": the product of its shape overflows", what, t->name);
        t->shape[t->rank++] = (int64_t)extent;
    }
    return OK;
}

static status read_offsets(span *out, const cJSON *entry, const char *what, size_t data_bytes, error *err)
{
    cJSON *pair;
    status rc = read_array(&pair, entry, "data_offsets", what, out->name, err);
    if (rc != OK) return rc;
    const cJSON *begin = pair->child, *end = begin ? begin->next : NULL;
    if (!end || end->next || !whole(&out->begin, begin) || !whole(&out->end, end))
        return fail(err, BAD_INPUT, IN_TENSOR ": data_offsets are not two whole numbers", what, out->name);
    if (out->begin > out->end || out->end > data_bytes)
        return fail(err, BAD_INPUT, IN_TENSOR ": data_offsets [%llu,%llu) of %zu bytes of data", what, out->name,
                    (unsigned long long)out->begin, (unsigned long long)out->end, data_bytes);
    return OK;
}

static status read_entry(tensor *t, span *at, const cJSON *entry, const char *what, size_t data_bytes, error *err)
{
    int    type;
    size_t bits;
    if (!cJSON_IsObject(entry))
        return fail(err, BAD_INPUT, IN_TENSOR ": is of type %s, wanted an object", what, t->name,
                    json_type_name(entry));
    status rc = read_type(&type, entry, what, t->name, err);
    if (rc == OK) rc = read_shape(t, entry, what, err);
    if (rc == OK) rc = read_offsets(at, entry, what, data_bytes, err);
    if (rc != OK) return rc;
    t->type = dtypes[type].type;
    if (__builtin_mul_overflow(t->elements, (size_t)dtypes[type].bits, &bits) || bits % 8)
        return fail(err, BAD_INPUT, IN_TENSOR ": %zu elements of %u bits are no number of bytes", what, t->name,
                    t->elements, dtypes[type].bits);
    if (at->end - at->begin != bits / 8)
        return fail(err, BAD_INPUT, IN_TENSOR ": data_offsets hold %llu bytes, its shape in %s needs %zu", what,
                    t->name, (unsigned long long)(at->end - at->begin), dtypes[type].name, bits / 8);
    return OK;
}

static int by_begin(const void *a, const void *b)
{
    const span *x = a, *y = b;
    return (x->begin > y->begin) - (x->begin < y->begin);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const tensor *)a)->name, ((const tensor *)b)->name);
}

/* Sorted by offset, each must begin where the one before ended; no tensor is empty, so equal begins are overlaps. */
static status check_cover(span *spans, int n, const char *what, size_t data_bytes, error *err)
{
    uint64_t covered = 0;
    qsort(spans, (size_t)n, sizeof *spans, by_begin);
    for (int i = 0; i < n; i++) {
        if (spans[i].begin != covered)
            return fail(err, BAD_INPUT, IN_TENSOR ": begins at byte %llu of the data, %s %llu", what, spans[i].name,
                        (unsigned long long)spans[i].begin,
                        spans[i].begin > covered ? "a hole after byte" : "an overlap: the one before ends at",
                        (unsigned long long)covered);
        covered = spans[i].end;
    }
    if (covered != data_bytes)
        return fail(err, BAD_INPUT, "%.60s: %zu bytes of data, tensors cover %llu", what, data_bytes,
                    (unsigned long long)covered);
    return OK;
}

/* Sorts; names the tensor that occurs twice. */
static status check_names(tensor *t, int n, const char *what, error *err)
{
    if (n) qsort(t, (size_t)n, sizeof *t, by_name);
    for (int i = 1; i < n; i++)
        if (!by_name(&t[i - 1], &t[i])) return fail(err, BAD_INPUT, IN_TENSOR ": occurs twice", what, t[i].name);
    return OK;
}

/* Text to text, and nothing else: as the format says. */
static status check_metadata(const cJSON *metadata, const char *what, error *err)
{
    if (!metadata) return OK;
    if (!cJSON_IsObject(metadata))
        return fail(err, BAD_INPUT, "%.60s: \"__metadata__\" is of type %s, wanted an object", what,
                    json_type_name(metadata));
    for (const cJSON *v = metadata->child; v; v = v->next)
        if (!cJSON_IsString(v))
            return fail(err, BAD_INPUT, "%.60s: \"__metadata__\": \"%.60s\" is of type %s, wanted a string", what,
                        v->string, json_type_name(v));
    return OK;
}

static status read_header(cJSON **out, const char *what, const uint8_t *bytes, size_t size, size_t *header_bytes,
                          error *err)
{
    uint64_t n = 0;
    error why;
    if (size < 8) return fail(err, MALFORMED, "%.60s: %zu bytes, a safetensors file has at least 10", what, size);
    for (int i = 7; i >= 0; i--) n = n << 8 | bytes[i];
    if (n < 2 || n > HEADER_MAX || n > size - 8)
        return fail(err, MALFORMED, "%.60s: header of %llu bytes in a file of %zu, wanted 2 to %d and within the file",
                    what, (unsigned long long)n, size, HEADER_MAX);
    if (bytes[8] != '{') return fail(err, MALFORMED, "%.60s: header begins with 0x%02x, wanted '{'", what, bytes[8]);
    status rc = json_parse(out, (const char *)bytes + 8, (size_t)n, (json_limits){HEADER_DEPTH, HEADER_VALUES}, &why);
    if (rc != OK) return fail(err, rc, "%.60s: header: %.180s", what, why.text);
    *header_bytes = (size_t)n;
    return OK;
}

/* One block: the tensors, then their names.  Copies the names of header's entries, all but `skip`. */
static tensor *lay_out(const cJSON *header, const cJSON *skip, int *n)
{
    size_t count = 0, names = 0;
    for (const cJSON *e = header->child; e; e = e->next)
        if (e != skip) count++, names += strlen(e->string) + 1;
    tensor *t = calloc(1, count * sizeof *t + names + 1 /* never 0 bytes */);
    if (!t) return NULL;
    char *text = (char *)(t + count);
    *n = 0;
    for (const cJSON *e = header->child; e; e = e->next) {
        if (e == skip) continue;
        size_t length = strlen(e->string) + 1;
        t[(*n)++].name = memcpy(text, e->string, length);
        text += length;
    }
    return t;
}

status safetensors_parse(tensor **out, int *n, const char *what, const uint8_t *bytes, size_t size, error *err)
{
    cJSON  *header = NULL, *metadata = NULL;
    tensor *tensors = NULL;
    span   *spans = NULL;
    size_t  header_bytes = 0;
    int     count = 0;
    *out = NULL;
    *n = 0;
    status rc = read_header(&header, what, bytes, size, &header_bytes, err);
    if (rc == OK) rc = json_member(&metadata, header, "__metadata__", err);
    if (rc == OK) rc = check_metadata(metadata, what, err);
    if (rc != OK) goto done;
    const uint8_t *data = bytes + 8 + header_bytes;
    const size_t data_bytes = size - 8 - header_bytes;

    tensors = lay_out(header, metadata, &count);
    spans = calloc((size_t)count + 1, sizeof *spans);
    if (!tensors || !spans) {
        rc = fail(err, NO_MEMORY, "%.60s: no memory for %d tensors", what, count);
        goto done;
    }
    const cJSON *entry = header->child;
    for (int i = 0; i < count && rc == OK; entry = entry->next) {
        if (entry == metadata) continue;
        spans[i].name = tensors[i].name;
        rc = read_entry(&tensors[i], &spans[i], entry, what, data_bytes, err);
        tensors[i].data = data + spans[i].begin;
        i++;
    }
    if (rc == OK) rc = check_names(tensors, count, what, err); /* before the cover: two of a name often overlap too */
    if (rc == OK) rc = check_cover(spans, count, what, data_bytes, err);
done:
    cJSON_Delete(header);
    free(spans);
    if (rc != OK) free(tensors);
    else *out = tensors, *n = count;
    return rc;
}

typedef struct { file_bytes file; tensor *tensors; int n; } shard;

struct tensor_set {
    shard  *shard; /* [n_shards] */
    int     n_shards;
    tensor *all; /* [n], sorted by name; names belong to the shards */
    int     n;
};

static const tensor *find(const tensor *sorted, int n, const char *name)
{
    const tensor key = {.name = name};
    return bsearch(&key, sorted, (size_t)n, sizeof *sorted, by_name);
}

static status read_shard(shard *s, directory *d, const char *name, size_t *left, error *err)
{
    status rc = directory_read(d, name, *left, &s->file, err);
    if (rc != OK) return rc;
    *left -= s->file.size;
    return safetensors_parse(&s->tensors, &s->n, name, (const uint8_t *)s->file.bytes, s->file.size, err);
}

static status merge(tensor_set *s, error *err)
{
    size_t n = 0;
    for (int i = 0; i < s->n_shards; i++) n += (size_t)s->shard[i].n;
    s->all = calloc(n + 1, sizeof *s->all);
    if (!s->all) return fail(err, NO_MEMORY, "no memory for %zu tensors", n);
    for (int i = 0; i < s->n_shards; i++)
        for (int k = 0; k < s->shard[i].n; k++) s->all[s->n++] = s->shard[i].tensors[k];
    return check_names(s->all, s->n, INDEX_NAME, err);
}

static int by_text(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

/* The distinct file names of weight_map, sorted; they stay the tree's. */
static status list_shards(const char ***out, int *n, const cJSON *map, error *err)
{
    const int entries = cJSON_GetArraySize(map);
    const char **names = malloc(((size_t)entries + 1) * sizeof *names);
    int k = 0;
    if (!names) return fail(err, NO_MEMORY, "no memory for %d entries of weight_map", entries);
    for (const cJSON *v = map->child; v; v = v->next) {
        if (!cJSON_IsString(v) || strchr(v->valuestring, '/')) {
            free(names);
            return fail(err, BAD_INPUT, INDEX_NAME ": \"%.80s\" is not in a file of the same folder", v->string);
        }
        names[k++] = v->valuestring;
    }
    qsort(names, (size_t)k, sizeof *names, by_text);
    *n = 0;
    for (int i = 0; i < k; i++)
        if (i == 0 || strcmp(names[i - 1], names[i])) names[(*n)++] = names[i];
    *out = names;
    return OK;
}

/* What the index promises and what the shards hold must be the same: neither is then a surprise to the other. */
static status check_map(const tensor_set *s, const cJSON *map, const char *const *names, error *err)
{
    int mapped = 0;
    for (const cJSON *v = map->child; v; v = v->next, mapped++) {
        const char *const *name = bsearch(&v->valuestring, names, (size_t)s->n_shards, sizeof *names, by_text);
        const shard *home = &s->shard[name - names];
        if (!find(home->tensors, home->n, v->string))
            return fail(err, BAD_INPUT, "tensor \"%.80s\" is not in %.80s, where the index puts it", v->string, *name);
    }
    if (mapped != s->n)
        return fail(err, BAD_INPUT, "the shards hold %d tensors, " INDEX_NAME " names %d", s->n, mapped);
    return OK;
}

static status open_shards(tensor_set *s, directory *d, const file_bytes *index, size_t left, error *err)
{
    cJSON *root = NULL, *map = NULL;
    const char **names = NULL;
    int n = 0;
    error why;
    status rc = json_parse(&root, index->bytes, index->size, (json_limits){HEADER_DEPTH, HEADER_VALUES}, &why);
    if (rc == OK && cJSON_IsObject(root)) rc = json_member(&map, root, "weight_map", &why);
    if (rc != OK) rc = fail(err, rc, INDEX_NAME ": %.180s", why.text);
    else if (!cJSON_IsObject(map)) rc = fail(err, BAD_INPUT, INDEX_NAME ": no object \"weight_map\"");
    if (rc == OK) rc = list_shards(&names, &n, map, err);
    if (rc == OK && n > SHARDS_MAX)
        rc = fail(err, BAD_INPUT, INDEX_NAME ": %d files, at most %d are read", n, SHARDS_MAX);
    if (rc != OK) goto done;
    s->shard = calloc((size_t)n + 1, sizeof *s->shard);
    if (!s->shard) rc = fail(err, NO_MEMORY, "no memory for %d shards", n);
    for (int i = 0; i < n && rc == OK; i++) {
        s->n_shards++;
        rc = read_shard(&s->shard[i], d, names[i], &left, err);
        if (rc == NOT_FOUND) rc = fail(err, NOT_FOUND, "%.80s: no such file, named by " INDEX_NAME, names[i]);
    }
    if (rc == OK) rc = merge(s, err);
    if (rc == OK) rc = check_map(s, map, names, err);
done:
    free(names);
    cJSON_Delete(root);
    return rc;
}

/* Neither form of safetensors: say what is there instead, and what helps.  A pickle is never read: it is a program. */
static status refuse_without_weights(directory *d, error *err)
{
    file_bytes pickle;
    error ignored;
    if (directory_read(d, "pytorch_model.bin", 0, &pickle, &ignored) == NOT_FOUND)
        return fail(err, NOT_FOUND, "%.120s: neither " FILE_NAME " nor " INDEX_NAME, directory_path(d));
    file_free(&pickle);
    return fail(err, BAD_INPUT, "%.60s: only pytorch_model.bin, a pickle, which is a program and is not run; "
                "convert it with save_pretrained(folder, safe_serialization=True) of transformers", directory_path(d));
}

status tensor_set_open(tensor_set **out, directory *d, error *err)
{
    file_bytes index = {0};
    size_t left = WEIGHTS_MAX;
    *out = NULL;
    tensor_set *s = calloc(1, sizeof *s);
    if (s) s->shard = calloc(1, sizeof *s->shard);
    if (!s || !s->shard) {
        free(s);
        return fail(err, NO_MEMORY, "no memory for a set of tensors");
    }
    s->n_shards = 1;
    status rc = read_shard(s->shard, d, FILE_NAME, &left, err);
    if (rc == OK) {
        rc = merge(s, err);
    } else if (rc == NOT_FOUND) {
        free(s->shard);
        s->shard = NULL;
        s->n_shards = 0;
        rc = directory_read(d, INDEX_NAME, INDEX_MAX, &index, err);
        if (rc == OK) rc = open_shards(s, d, &index, left, err);
        else if (rc == NOT_FOUND) rc = refuse_without_weights(d, err);
    }
    file_free(&index);
    if (rc != OK) tensor_set_close(s);
    else *out = s;
    return rc;
}

void tensor_set_close(tensor_set *s)
{
    if (!s) return;
    for (int i = 0; i < s->n_shards; i++) {
        free(s->shard[i].tensors);
        file_free(&s->shard[i].file);
    }
    free(s->shard);
    free(s->all);
    free(s);
}

int tensor_set_count(const tensor_set *s) { return s->n; }
const tensor *tensor_set_at(const tensor_set *s, int i) { return &s->all[i]; }
const tensor *tensor_set_find(const tensor_set *s, const char *name) { return find(s->all, s->n, name); }

static float from_bits(uint32_t bits)
{
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

static float half_to_f32(uint16_t h)
{
    const uint32_t sign = (uint32_t)(h & 0x8000) << 16, exponent = h >> 10 & 31, fraction = h & 0x3ff;
    if (exponent == 31) return from_bits(sign | 0x7f800000 | fraction << 13);
    if (exponent) return from_bits(sign | (exponent + 127 - 15) << 23 | fraction << 13);
    const float subnormal = (float)fraction * 0x1p-24f; /* exact */
    return sign ? -subnormal : subnormal;
}

/* memcpy throughout: the format promises no alignment.  Both sides are little-endian. */
void tensor_to_f32(float *out, const tensor *t)
{
    assert(t->type != DTYPE_OTHER);
    if (t->type == DTYPE_F32) {
        memcpy(out, t->data, t->elements * sizeof *out);
        return;
    }
    for (size_t i = 0; i < t->elements; i++) {
        uint16_t h;
        memcpy(&h, t->data + 2 * i, sizeof h);
        out[i] = t->type == DTYPE_F16 ? half_to_f32(h) : from_bits((uint32_t)h << 16);
    }
}
