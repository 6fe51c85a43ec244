/* test_weights.c - tiny models loaded whole, then damaged tensor by tensor. */
#include <CUnit/CUnit.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "runtime/model/weights.h"
#include "tests/support/tiny_model.h"

static status open_folder(model **m, const char *folder, int vocab_size, error *err)
{
    directory *d;
    *err = (error){""};
    *m = (model *)m; /* so that a failure that forgets it is seen */
    CU_ASSERT_EQUAL_FATAL(directory_open(&d, folder, err), OK);
    status rc = model_open(m, d, 512, vocab_size, err);
    CU_ASSERT_EQUAL(rc == OK, *m != NULL);
    directory_close(d);
    return rc;
}

/* The tensors of the folder's file as a list that can be changed and written again. */
typedef struct { tensor_set *set; tiny_tensor t[128]; int n; } list;

static list list_read(const char *folder)
{
    list l = {0};
    directory *d;
    error err;
    CU_ASSERT_EQUAL_FATAL(directory_open(&d, folder, &err), OK);
    CU_ASSERT_EQUAL_FATAL(tensor_set_open(&l.set, d, &err), OK);
    directory_close(d);
    for (; l.n < tensor_set_count(l.set); l.n++) {
        const tensor *t = tensor_set_at(l.set, l.n);
        l.t[l.n] = (tiny_tensor){t->name, "F32", t->rank, {t->shape[0], t->shape[1]}, t->data, 4 * t->elements};
    }
    return l;
}

static tiny_tensor *list_find(list *l, const char *name)
{
    for (int i = 0; i < l->n; i++)
        if (!strcmp(l->t[i].name, name)) return &l->t[i];
    CU_FAIL_FATAL("no such tensor");
    return NULL;
}

static void list_write(const char *folder, list *l)
{
    size_t size;
    uint8_t *file = tiny_safetensors(l->t, l->n, &size);
    tiny_file_write(folder, "model.safetensors", file, size);
    free(file);
}

typedef void change(list *l);

/* What opening a tiny model changed by `edit` comes to. */
static status open_changed(tiny_model as, change *edit, error *err)
{
    char *folder = tiny_folder_make();
    model *m;
    tiny_model_write(folder, as);
    list l = list_read(folder);
    edit(&l);
    list_write(folder, &l);
    tensor_set_close(l.set);
    status rc = open_folder(&m, folder, 100, err);
    CU_ASSERT_EQUAL(rc == OK, m != NULL);
    model_close(m);
    tiny_folder_remove(folder);
    return rc;
}

/* For a reason that says `part`. */
static void refused(tiny_model as, change *edit, const char *part)
{
    error err = {""};
    CU_ASSERT_EQUAL(open_changed(as, edit, &err), BAD_INPUT);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, part));
    if (!strstr(err.text, part)) printf("\n    %s, wanted %s", err.text, part);
}

static void accepted(tiny_model as, change *edit)
{
    error err = {""};
    CU_ASSERT_EQUAL(open_changed(as, edit, &err), OK);
    if (*err.text) printf("\n    %s", err.text);
}

static const tiny_model plain = {0}, labelled = {.labels = 3};

static void every_field_is_bound_to_its_tensor(void)
{
    static const char *const dtypes[] = {"F32", "F16", "BF16"};
    for (size_t k = 0; k < 6; k++) {
        char *folder = tiny_folder_make();
        const char *prefix = k % 2 ? "bert." : "";
        char name[96];
        model *m;
        error err;
        tiny_model_write(folder, (tiny_model){.dtype = dtypes[k / 2], .prefix = prefix, .layers = 3, .pooler = 1});
        CU_ASSERT_EQUAL_FATAL(open_folder(&m, folder, 100, &err), OK);
        for (int i = 0; i < 3; i++) {
            snprintf(name, sizeof name, "%sencoder.layer.%d.output.dense.weight", prefix, i);
            CU_ASSERT_STRING_EQUAL(m->layer[i].outer_w->name, name);
            CU_ASSERT(m->layer[i].outer_w->shape[0] == 32 && m->layer[i].outer_w->shape[1] == 64);
            snprintf(name, sizeof name, "%sencoder.layer.%d.attention.output.LayerNorm.bias", prefix, i);
            CU_ASSERT_STRING_EQUAL(m->layer[i].norm1_beta->name, name);
            for (size_t f = 0; f < sizeof *m->layer / sizeof(tensor *); f++)
                CU_ASSERT_PTR_NOT_NULL(((const tensor **)&m->layer[i])[f]);
        }
        snprintf(name, sizeof name, "%sembeddings.token_type_embeddings.weight", prefix);
        CU_ASSERT_STRING_EQUAL(m->embedding.type->name, name);
        CU_ASSERT(!m->head.pooler_w && !m->head.classifier_w); /* an embedding has no use for them */
        model_close(m);
        tiny_folder_remove(folder);
    }
}

static void a_classifier_has_its_head(void)
{
    char *folder = tiny_folder_make();
    model *m;
    error err;
    tiny_model_write(folder, (tiny_model){.labels = 3, .prefix = "bert."});
    CU_ASSERT_EQUAL_FATAL(open_folder(&m, folder, 100, &err), OK);
    CU_ASSERT_EQUAL(m->description.task, TASK_CLASSIFY);
    CU_ASSERT_STRING_EQUAL(m->head.pooler_w->name, "bert.pooler.dense.weight");
    CU_ASSERT_EQUAL(m->head.classifier_w->shape[0], 3);
    CU_ASSERT_EQUAL(m->head.classifier_b->elements, 3);
    model_close(m);
    tiny_folder_remove(folder);
}

static void use_old_names(list *l)
{
    list_find(l, "embeddings.LayerNorm.weight")->name = "embeddings.LayerNorm.gamma";
    list_find(l, "embeddings.LayerNorm.bias")->name = "embeddings.LayerNorm.beta";
    list_find(l, "encoder.layer.1.output.LayerNorm.weight")->name = "encoder.layer.1.output.LayerNorm.gamma";
}

static void use_old_names_elsewhere(list *l)
{
    list_find(l, "encoder.layer.1.output.dense.bias")->name = "encoder.layer.1.output.dense.beta";
}

static void add_unused(list *l)
{
    l->t[l->n++] = (tiny_tensor){"embeddings.position_ids", "I64", 2, {1, 64}, NULL, 512};
    l->t[l->n++] = (tiny_tensor){"cls.predictions.bias", "F32", 1, {100}, NULL, 400};
    l->t[l->n++] = (tiny_tensor){"cls.seq_relationship.weight", "F32", 2, {2, 32}, NULL, 256};
}

static void names_of_old_files(void)
{
    accepted(plain, use_old_names);
    accepted(plain, add_unused);
    accepted(labelled, add_unused);
    refused(plain, use_old_names_elsewhere, "\"encoder.layer.1.output.dense.beta\": not part of");
}

static void drop_last_norm(list *l)
{
    *list_find(l, "encoder.layer.1.output.LayerNorm.bias") = l->t[--l->n];
}

static void drop_words(list *l) { *list_find(l, "embeddings.word_embeddings.weight") = l->t[--l->n]; }
static void drop_classifier(list *l) { *list_find(l, "classifier.bias") = l->t[--l->n]; }
static void nothing_at_all(list *l) { l->n = 0; }
static void add_adapter(list *l) { l->t[l->n++] = (tiny_tensor){"adapter.weight", "F32", 1, {4}, NULL, 16}; }
static void add_layer(list *l)
{
    l->t[l->n++] = (tiny_tensor){"encoder.layer.2.output.dense.bias", "F32", 1, {32}, NULL, 128};
}
static void add_same_layer(list *l)
{
    l->t[l->n++] = (tiny_tensor){"encoder.layer.01.output.dense.bias", "F32", 1, {32}, NULL, 128};
}
static void add_huge_layer(list *l)
{
    l->t[l->n++] = (tiny_tensor){"encoder.layer.18446744073709551617.output.dense.bias", "F32", 1, {32}, NULL, 128};
}
static void add_by_old_name(list *l)
{
    l->t[l->n++] = (tiny_tensor){"embeddings.LayerNorm.gamma", "F32", 1, {32}, NULL, 128};
}
static void add_behind_prefix(list *l)
{
    l->t[l->n++] = (tiny_tensor){"bert.embeddings.LayerNorm.weight", "F32", 1, {32}, NULL, 128};
}
static void prefix_classifier(list *l) { list_find(l, "classifier.bias")->name = "bert.classifier.bias"; }
static void add_classifier(list *l) { l->t[l->n++] = (tiny_tensor){"classifier.bias", "F32", 1, {3}, NULL, 12}; }

static void missing_and_surplus(void)
{
    refused(plain, drop_last_norm, "\"encoder.layer.1.output.LayerNorm.bias\" is missing");
    refused(plain, drop_words, "\"embeddings.word_embeddings.weight\" is missing");
    refused(plain, nothing_at_all, "is missing");
    refused(labelled, drop_classifier, "\"classifier.bias\" is missing");
    refused(plain, add_adapter, "\"adapter.weight\": not part of");
    refused(plain, add_classifier, "\"classifier.bias\": not part of");
    refused(plain, add_layer, "layer 2, config.json has \"num_hidden_layers\" 2");
    refused(plain, add_same_layer, "\"encoder.layer.01.output.dense.bias\": not part of");
    refused(plain, add_huge_layer, "not part of");
    refused(plain, add_by_old_name, "are the same weight");
    refused(plain, add_behind_prefix, "are the same weight");
    refused(labelled, prefix_classifier, "\"bert.classifier.bias\": not part of");
}

static void transpose(list *l)
{
    tiny_tensor *t = list_find(l, "encoder.layer.0.intermediate.dense.weight");
    t->shape[0] = 32;
    t->shape[1] = 64;
}
static void widen(list *l)
{
    tiny_tensor *t = list_find(l, "encoder.layer.0.intermediate.dense.weight");
    t->shape[1] = 33;
    t->data = NULL;
    t->bytes = 4 * 64 * 33;
}
static void flatten(list *l)
{
    tiny_tensor *t = list_find(l, "encoder.layer.0.attention.self.query.weight");
    t->rank = 1;
    t->shape[0] = 1024;
}
static void stretch(list *l)
{
    tiny_tensor *t = list_find(l, "encoder.layer.0.attention.self.key.bias");
    t->rank = 8;
    for (int i = 0; i < 7; i++) t->shape[i] = 1;
    t->shape[7] = 32;
}
static void make_integers(list *l) { list_find(l, "encoder.layer.0.attention.self.key.bias")->dtype = "I32"; }

static void shapes_and_types(void)
{
    refused(plain, transpose, "dense.weight\" has shape [32,64], config.json wants [64,32]");
    refused(plain, widen, "dense.weight\" has shape [64,33], config.json wants [64,32]");
    refused(plain, flatten, "has shape [1024], config.json wants [32,32]");
    refused(plain, stretch, "has shape [1,1,1,1,1,1,1,32], config.json wants [32]");
    refused(plain, make_integers, "must be F32, F16 or BF16");
}

/* One element set to what is not finite, in each type and at both ends of a tensor longer than a block of the check. */
static void values_that_are_not_finite(void)
{
    static const struct { const char *dtype; size_t width; uint8_t bytes[3][4]; } rows[] = {
        {"F32", 4, {{0, 0, 0x80, 0x7f}, {0, 0, 0xc0, 0xff}, {1, 0, 0x80, 0x7f}}},
        {"F16", 2, {{0, 0x7c}, {0, 0xfc}, {1, 0x7c}}},
        {"BF16", 2, {{0x80, 0x7f}, {0x80, 0xff}, {0xc1, 0x7f}}},
    };
    static const char name[] = "embeddings.word_embeddings.weight";
    static const size_t places[] = {0, 1023, 1024, 3199};
    char wanted[64];
    for (size_t i = 0; i < 3; i++) {
        char *folder = tiny_folder_make();
        model *m;
        error err;
        size_t size;
        tiny_model_write(folder, (tiny_model){.dtype = rows[i].dtype});
        char *file = tiny_file_read(folder, "model.safetensors", &size);
        uint64_t header;
        memcpy(&header, file, 8);
        for (size_t k = 0; k < 3 * 4; k++) {
            char *place = file + 8 + header + places[k % 4] * rows[i].width, kept[4]; /* the words are written first */
            memcpy(kept, place, sizeof kept);
            memcpy(place, rows[i].bytes[k / 4], rows[i].width);
            tiny_file_write(folder, "model.safetensors", file, size);
            memcpy(place, kept, sizeof kept);
            CU_ASSERT_EQUAL(open_folder(&m, folder, 100, &err), BAD_INPUT);
            snprintf(wanted, sizeof wanted, "element %zu is not finite", places[k % 4]);
            CU_ASSERT_PTR_NOT_NULL(strstr(err.text, name));
            CU_ASSERT_PTR_NOT_NULL(strstr(err.text, wanted));
        }
        free(file);
        tiny_folder_remove(folder);
    }
}

static void vocabularies_that_do_not_fit(void)
{
    char *folder = tiny_folder_make();
    model *m;
    error err;
    tiny_model_write(folder, plain);
    CU_ASSERT_EQUAL(open_folder(&m, folder, 99, &err), OK); /* rows without a token are never read */
    model_close(m);
    CU_ASSERT_EQUAL(open_folder(&m, folder, 101, &err), BAD_INPUT);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "ids up to 100, config.json has \"vocab_size\" 100"));
    tiny_file_patch(folder, "config.json", "\"vocab_size\": 100", "\"vocab_size\": 101");
    CU_ASSERT_EQUAL(open_folder(&m, folder, 100, &err), BAD_INPUT);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "word_embeddings.weight\" has shape [100,32], config.json wants [101,32]"));
    tiny_folder_remove(folder);
}

static void a_file_cut_while_in_use(void)
{
    char *folder = tiny_folder_make(), *path = tiny_path(folder, "model.safetensors");
    float sum = 0, words[100 * 32];
    model *m;
    error err;
    tiny_model_write(folder, plain);
    CU_ASSERT_EQUAL_FATAL(open_folder(&m, folder, 100, &err), OK);
    CU_ASSERT_EQUAL(truncate(path, 0), 0);
    tensor_to_f32(words, m->embedding.word);
    for (int i = 0; i < 100 * 32; i++) sum += words[i] * words[i];
    CU_ASSERT(isfinite(sum) && sum > 0);
    model_close(m);
    free(path);
    tiny_folder_remove(folder);
}

void weights_suite(CU_pSuite s)
{
    CU_add_test(s, "M56 missing and surplus tensors are refused by name", missing_and_surplus);
    CU_add_test(s, "M55 misshapen tensors and integers are refused by name and shape", shapes_and_types);
    CU_add_test(s, "M58 NaN and Inf are refused by tensor and element in every type", values_that_are_not_finite);
    CU_add_test(s, "M60 weights stay readable when their file is cut to nothing", a_file_cut_while_in_use);
    CU_add_test(s, "M61 vocab_size must be the embedding's rows and cover the tokenizer", vocabularies_that_do_not_fit);
    CU_add_test(s, "every field is bound, in each type, with and without prefix", every_field_is_bound_to_its_tensor);
    CU_add_test(s, "a classifier has pooler and labels", a_classifier_has_its_head);
    CU_add_test(s, "names of old files and tensors without use are known", names_of_old_files);
}
