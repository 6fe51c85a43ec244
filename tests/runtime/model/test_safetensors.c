/* test_safetensors.c - hostile headers against safetensors_parse(), folders against tensor_set_open().
 *
 * Files in memory have exactly their size, so that AddressSanitizer sees a byte read too far. */
#include <CUnit/CUnit.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "runtime/base/json.h"
#include "runtime/model/safetensors.h"
#include "tests/support/tiny_model.h"

/* Parses and forgets; the reason is in err. */
static status parse(const uint8_t *bytes, size_t size, error *err)
{
    tensor *t = (tensor *)&t; /* so that a failure that forgets it is seen */
    int n = -1;
    uint8_t *exact = malloc(size ? size : 1);
    memcpy(exact, bytes, size);
    *err = (error){""};
    status rc = safetensors_parse(&t, &n, "a file", exact, size, err);
    CU_ASSERT_EQUAL(rc == OK, t != NULL);
    if (rc != OK) CU_ASSERT_EQUAL(n, 0);
    free(t);
    free(exact);
    return rc;
}

static void expect_bytes(const char *header, size_t header_bytes, size_t data, status wanted, const char *part)
{
    error err;
    size_t size;
    uint8_t *file = tiny_safetensors_raw(header, header_bytes, data, &size);
    status rc = parse(file, size, &err);
    free(file);
    CU_ASSERT_EQUAL(rc, wanted);
    if (wanted != OK) CU_ASSERT_PTR_NOT_NULL(strstr(err.text, part));
    if (rc != wanted || (wanted != OK && !strstr(err.text, part)))
        printf("\n    %.100s: %d \"%s\", wanted %d \"%s\"", header, rc, err.text, wanted, part);
}

static void expect(const char *header, size_t data, status wanted, const char *part)
{
    expect_bytes(header, strlen(header), data, wanted, part);
}

static void refuses_lengths(void)
{
    static const uint64_t lengths[] = {0, 1, 3, 11, 100000001, (uint64_t)1 << 63, UINT64_MAX, UINT64_MAX - 7};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        uint8_t file[10] = "........{}";
        error err;
        char number[32];
        for (int k = 0; k < 8; k++) file[k] = (uint8_t)(lengths[i] >> 8 * k);
        CU_ASSERT_EQUAL(parse(file, sizeof file, &err), MALFORMED);
        snprintf(number, sizeof number, "%llu", (unsigned long long)lengths[i]);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.text, number));
    }
    for (size_t size = 0; size < 10; size++) {
        error err;
        CU_ASSERT_EQUAL(parse((const uint8_t *)"\2\0\0\0\0\0\0\0{}", size, &err), MALFORMED);
    }
    expect("{}", 0, OK, "");
}

static void refuses_a_header_above_the_cap(void)
{
    const size_t header = 100000001;
    uint8_t *file = calloc(1, header + 8); /* the file is long enough: only the cap says no */
    error err;
    tensor *t;
    int n;
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    for (int k = 0; k < 8; k++) file[k] = (uint8_t)((uint64_t)header >> 8 * k);
    file[8] = '{';
    CU_ASSERT_EQUAL(safetensors_parse(&t, &n, "a file", file, header + 8, &err), MALFORMED);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "100000001"));
    free(file);
}

static void refuses_headers_that_are_no_object(void)
{
    expect("[]", 0, MALFORMED, "0x5b");
    expect("  {}", 0, MALFORMED, "0x20");
    expect("{\"a\":", 0, MALFORMED, "ends");
    expect("{} x", 0, MALFORMED, "wanted the end");
    expect("{}{}", 0, MALFORMED, "wanted the end");
    expect_bytes("{}\0", 3, 0, MALFORMED, "0x00");
    expect("{\"a\xff\":1}", 0, MALFORMED, "UTF-8");
    expect("{\"a\\u0000\":1}", 0, MALFORMED, "NUL");
    expect("{'a':1}", 0, MALFORMED, "double quotes");
    expect("{\"t\":1}", 0, BAD_INPUT, "wanted an object");
    expect("{}      ", 0, OK, "");
}

#define ENTRY(type, shape, offsets) "{\"dtype\":\"" type "\",\"shape\":" shape ",\"data_offsets\":" offsets "}"

static void refuses_offsets(void)
{
    expect("{\"t\":" ENTRY("F32", "[2]", "[8,0]") "}", 8, BAD_INPUT, "[8,0)");
    expect("{\"t\":" ENTRY("F32", "[2]", "[0,8]") "}", 7, BAD_INPUT, "7 bytes");
    expect("{\"t\":" ENTRY("F32", "[2]", "[8,16]") "}", 8, BAD_INPUT, "[8,16)");
    expect("{\"t\":" ENTRY("F32", "[2]", "[9007199254740992,9007199254741000]") "}", 8, BAD_INPUT, "data_offsets");
    expect("{\"t\":" ENTRY("F32", "[2]", "[0,1e300]") "}", 8, BAD_INPUT, "two whole numbers");
    expect("{\"t\":" ENTRY("F32", "[2]", "[-8,0]") "}", 8, BAD_INPUT, "two whole numbers");
    expect("{\"t\":" ENTRY("F32", "[2]", "[0.5,8.5]") "}", 16, BAD_INPUT, "two whole numbers");
    expect("{\"t\":" ENTRY("F32", "[2]", "[0]") "}", 8, BAD_INPUT, "two whole numbers");
    expect("{\"t\":" ENTRY("F32", "[2]", "[0,4,8]") "}", 8, BAD_INPUT, "two whole numbers");
    expect("{\"t\":" ENTRY("F32", "[2]", "[\"0\",8]") "}", 8, BAD_INPUT, "two whole numbers");
    expect("{\"t\":" ENTRY("F32", "[2]", "8") "}", 8, BAD_INPUT, "no array \"data_offsets\"");
    expect("{\"t\":{\"dtype\":\"F32\",\"shape\":[2]}}", 8, BAD_INPUT, "no array \"data_offsets\"");
}

static void refuses_holes_and_overlaps(void)
{
#define A(offsets) "{\"a\":" ENTRY("F32", "[2]", "[0,8]") ",\"b\":" ENTRY("F32", "[2]", offsets) "}"
    expect(A("[12,20]"), 20, BAD_INPUT, "\"b\": begins at byte 12 of the data, a hole after byte 8");
    expect(A("[4,12]"), 12, BAD_INPUT, "\"b\": begins at byte 4 of the data, an overlap: the one before ends at 8");
    expect(A("[0,8]"), 8, BAD_INPUT, "overlap");
    expect(A("[8,16]"), 17, BAD_INPUT, "17 bytes of data, tensors cover 16");
    expect(A("[8,16]"), 16, OK, "");
    expect("{\"a\":" ENTRY("F32", "[2]", "[4,12]") "}", 12, BAD_INPUT, "a hole after byte 0");
    expect("{}", 4, BAD_INPUT, "4 bytes of data, tensors cover 0");
#undef A
}

static void refuses_shapes(void)
{
    expect("{\"t\":" ENTRY("U8", "[4294967296,4294967296]", "[0,1]") "}", 1, BAD_INPUT, "overflows");
    expect("{\"t\":" ENTRY("F32", "[4294967296,1073741824]", "[0,1]") "}", 1, BAD_INPUT, "no number of bytes");
    expect("{\"t\":" ENTRY("F32", "[4294967296,2147483648,2]", "[0,8]") "}", 8, BAD_INPUT, "overflows");
    expect("{\"t\":" ENTRY("F32", "[-2]", "[0,8]") "}", 8, BAD_INPUT, "is -2");
    expect("{\"t\":" ENTRY("F32", "[-2,-1]", "[0,8]") "}", 8, BAD_INPUT, "is -2");
    expect("{\"t\":" ENTRY("F32", "[0]", "[0,0]") "}", 0, BAD_INPUT, "extent 0 of its shape is 0");
    expect("{\"t\":" ENTRY("F32", "[2,0]", "[0,0]") "}", 0, BAD_INPUT, "extent 1 of its shape is 0");
    expect("{\"t\":" ENTRY("F32", "[1.5]", "[0,6]") "}", 6, BAD_INPUT, "is 1.5");
    expect("{\"t\":" ENTRY("F32", "[true]", "[0,4]") "}", 4, BAD_INPUT, "extent 0");
    expect("{\"t\":" ENTRY("F32", "[1,1,1,1,1,1,1,1,1]", "[0,4]") "}", 4, BAD_INPUT, "rank above 8");
    expect("{\"t\":" ENTRY("F32", "[1,1,1,1,1,1,1,1]", "[0,4]") "}", 4, OK, "");
    expect("{\"t\":" ENTRY("F32", "[]", "[0,4]") "}", 4, OK, "");
    expect("{\"t\":" ENTRY("F32", "{}", "[0,4]") "}", 4, BAD_INPUT, "no array \"shape\"");
}

static void refuses_types_and_sizes(void)
{
    static const struct { const char *name; int bits; } known[] = {
        {"BOOL", 8}, {"U8", 8}, {"I8", 8}, {"F8_E5M2", 8}, {"F8_E4M3", 8}, {"F8_E8M0", 8}, {"I16", 16}, {"U16", 16},
        {"F16", 16}, {"BF16", 16}, {"I32", 32}, {"U32", 32}, {"F32", 32}, {"F64", 64}, {"I64", 64}, {"U64", 64},
        {"C64", 64}, {"F6_E2M3", 6}, {"F6_E3M2", 6}, {"F4", 4},
    };
    char header[256];
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        const size_t bytes = (size_t)known[i].bits; /* eight elements of so many bits */
        snprintf(header, sizeof header, "{\"t\":" ENTRY("%s", "[2,4]", "[0,%zu]") "}", known[i].name, bytes);
        expect(header, bytes, OK, known[i].name);
        snprintf(header, sizeof header, "{\"t\":" ENTRY("%s", "[2,4]", "[0,%zu]") "}", known[i].name, bytes + 1);
        expect(header, bytes + 1, BAD_INPUT, "needs");
    }
    expect("{\"t\":" ENTRY("F4", "[3]", "[0,2]") "}", 2, BAD_INPUT, "no number of bytes");
    expect("{\"t\":" ENTRY("F32", "[2]", "[0,4]") "}", 4, BAD_INPUT, "hold 4 bytes, its shape in F32 needs 8");
    expect("{\"t\":" ENTRY("f32", "[1]", "[0,4]") "}", 4, BAD_INPUT, "unknown dtype \"f32\"");
    expect("{\"t\":" ENTRY("Q4_0", "[1]", "[0,4]") "}", 4, BAD_INPUT, "unknown dtype \"Q4_0\"");
    expect("{\"t\":{\"dtype\":4,\"shape\":[1],\"data_offsets\":[0,4]}}", 4, BAD_INPUT, "wanted a string");
    expect("{\"t\":{\"shape\":[1],\"data_offsets\":[0,4]}}", 4, BAD_INPUT, "no \"dtype\"");
}

static void refuses_names_and_keys_twice(void)
{
    expect("{\"a\":" ENTRY("F32", "[1]", "[0,4]") ",\"b\":" ENTRY("F32", "[1]", "[4,8]") ",\"a\":"
           ENTRY("F32", "[1]", "[8,12]") "}", 12, BAD_INPUT, "tensor \"a\": occurs twice");
    expect("{\"a\":" ENTRY("F32", "[1]", "[0,4]") ",\"\\u0061\":" ENTRY("F32", "[1]", "[4,8]") "}", 8, BAD_INPUT,
           "twice");
    expect("{\"t\":{\"dtype\":\"F32\",\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, MALFORMED,
           "given twice");
    expect("{\"t\":{\"dtype\":\"F32\",\"shape\":[1],\"shape\":[2],\"data_offsets\":[0,4]}}", 4, MALFORMED,
           "given twice");
    expect("{\"__metadata__\":{},\"__metadata__\":{}}", 0, MALFORMED, "given twice");
    expect("{\"__metadata__\":{\"a\":1}}", 0, BAD_INPUT, "wanted a string");
    expect("{\"__metadata__\":[]}", 0, BAD_INPUT, "wanted an object");
    expect("{\"__metadata__\":{\"format\":\"pt\"}}", 0, OK, "");
}

static size_t tree_bytes; /* that cJSON asked for; one thread */

static void *count_malloc(size_t n)
{
    tree_bytes += n;
    return malloc(n);
}

static uint8_t *many_entries(int n, size_t *size)
{
    char  *header;
    size_t bytes;
    FILE  *f = open_memstream(&header, &bytes);
    for (int i = 0; i < n; i++)
        fprintf(f, "%c\"tensor.%d\":" ENTRY("U8", "[1]", "[%d,%d]"), i ? ',' : '{', i, i, i + 1);
    fprintf(f, "}");
    fclose(f);
    uint8_t *file = tiny_safetensors_raw(header, bytes, (size_t)n, size);
    free(header);
    return file;
}

static void a_million_entries_build_no_tree(void)
{
    size_t size;
    error err;
    tensor *t;
    int n;
    cJSON_Hooks hooks = {.malloc_fn = count_malloc, .free_fn = free};
    uint8_t *file = many_entries(1000000, &size);
    tree_bytes = 0;
    cJSON_InitHooks(&hooks);
    status rc = safetensors_parse(&t, &n, "a file", file, size, &err);
    cJSON_InitHooks(NULL);
    free(file);
    CU_ASSERT_EQUAL(rc, MALFORMED);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "more than 1048576 values"));
    CU_ASSERT_EQUAL(tree_bytes, 0);
}

static void as_many_as_allowed_are_found_by_name(void)
{
    enum { COUNT = 120000 };
    char *folder = tiny_folder_make(), name[32];
    size_t size;
    error err;
    directory *d;
    tensor_set *s;
    cJSON_Hooks hooks = {.malloc_fn = count_malloc, .free_fn = free};
    uint8_t *file = many_entries(COUNT, &size);
    for (int i = 0; i < COUNT; i++) file[size - COUNT + (size_t)i] = (uint8_t)(i % 251);
    tiny_file_write(folder, "model.safetensors", file, size);
    free(file);
    CU_ASSERT_EQUAL_FATAL(directory_open(&d, folder, &err), OK);
    tree_bytes = 0;
    cJSON_InitHooks(&hooks);
    status rc = tensor_set_open(&s, d, &err);
    cJSON_InitHooks(NULL);
    CU_ASSERT_EQUAL_FATAL(rc, OK);
    CU_ASSERT(tree_bytes < (size_t)128 << 20);
    CU_ASSERT_EQUAL(tensor_set_count(s), COUNT);
    int wrong = 0;
    for (int i = 0; i < COUNT; i++) {
        snprintf(name, sizeof name, "tensor.%d", i);
        const tensor *t = tensor_set_find(s, name);
        wrong += !t || strcmp(t->name, name) || t->elements != 1 || *t->data != i % 251;
    }
    CU_ASSERT_EQUAL(wrong, 0);
    CU_ASSERT_PTR_NULL(tensor_set_find(s, "tensor.120000"));
    CU_ASSERT_PTR_NULL(tensor_set_find(s, ""));
    tensor_set_close(s);
    directory_close(d);
    tiny_folder_remove(folder);
}

static status open_set(tensor_set **s, const char *folder, char digest[65], error *err)
{
    directory *d;
    *err = (error){""};
    CU_ASSERT_EQUAL_FATAL(directory_open(&d, folder, err), OK);
    status rc = tensor_set_open(s, d, err);
    CU_ASSERT_EQUAL(rc == OK, *s != NULL);
    if (rc == OK && digest) CU_ASSERT_EQUAL(directory_digest(d, digest, err), OK);
    directory_close(d);
    return rc;
}

static void cut_files_are_refused(void)
{
    char *folder = tiny_folder_make();
    size_t size;
    error err;
    tensor_set *s;
    tiny_model_write(folder, (tiny_model){0});
    char *file = tiny_file_read(folder, "model.safetensors", &size);
    for (size_t i = 0; i < 16; i++) {
        tiny_file_write(folder, "model.safetensors", file, size * i / 16);
        CU_ASSERT_NOT_EQUAL(open_set(&s, folder, NULL, &err), OK);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "model.safetensors"));
    }
    free(file);
    tiny_folder_remove(folder);
}

static void a_flipped_bit_changes_the_digest(void)
{
    char *folder = tiny_folder_make(), before[65], after[65];
    size_t size;
    error err;
    tensor_set *s;
    tiny_model_write(folder, (tiny_model){0});
    CU_ASSERT_EQUAL(open_set(&s, folder, before, &err), OK);
    tensor_set_close(s);
    char *file = tiny_file_read(folder, "model.safetensors", &size);
    file[size - 5] ^= 1; /* a weight's low bit: nothing else could notice */
    tiny_file_write(folder, "model.safetensors", file, size);
    CU_ASSERT_EQUAL(open_set(&s, folder, after, &err), OK);
    CU_ASSERT_STRING_NOT_EQUAL(before, after);
    tensor_set_close(s);
    free(file);
    tiny_folder_remove(folder);
}

static void write_shard(const char *folder, const char *name, const tiny_tensor *t, int n)
{
    size_t size;
    uint8_t *file = tiny_safetensors(t, n, &size);
    tiny_file_write(folder, name, file, size);
    free(file);
}

static const tiny_tensor first[] = {{"a", "F32", 1, {1}, "\0\0\200?", 4}, {"b", "F32", 1, {1}, NULL, 4}};
static const tiny_tensor second[] = {{"c", "F32", 1, {1}, "\0\0\0@", 4}};

static void shards_are_one_set(void)
{
    char *folder = tiny_folder_make();
    error err;
    tensor_set *s;
    float value;
    write_shard(folder, "model-1.safetensors", first, 2);
    write_shard(folder, "model-2.safetensors", second, 1);
    tiny_file_text(folder, "model.safetensors.index.json",
                   "{\"metadata\":{\"total_size\":12},\"weight_map\":{\"a\":\"model-1.safetensors\","
                   "\"b\":\"model-1.safetensors\",\"c\":\"model-2.safetensors\"}}");
    CU_ASSERT_EQUAL_FATAL(open_set(&s, folder, NULL, &err), OK);
    CU_ASSERT_EQUAL(tensor_set_count(s), 3);
    for (int i = 0; i < 3; i++) CU_ASSERT_PTR_EQUAL(tensor_set_find(s, tensor_set_at(s, i)->name), tensor_set_at(s, i));
    tensor_to_f32(&value, tensor_set_find(s, "a"));
    CU_ASSERT_EQUAL(value, 1);
    tensor_to_f32(&value, tensor_set_find(s, "c"));
    CU_ASSERT_EQUAL(value, 2);
    tensor_set_close(s);
    tiny_folder_remove(folder);
}

static void an_index_that_does_not_fit_its_shards_is_refused(void)
{
    static const struct { const char *index, *part; status why; } cases[] = {
        {"[]", "weight_map", BAD_INPUT},
        {"{\"weight_map\":[]}", "weight_map", BAD_INPUT},
        {"{\"weight_map\":{\"a\":1}}", "same folder", BAD_INPUT},
        {"{\"weight_map\":{\"a\":\"../m1\"}}", "same folder", BAD_INPUT},
        {"{\"weight_map\":{\"a\":\"..\"}}", "leaves the directory", BAD_INPUT},
        {"{\"weight_map\":{\"a\":\"\"}}", "file name", BAD_INPUT},
        {"{\"weight_map\":{\"a\":\"m3\"}}", "named by", NOT_FOUND},
        {"{\"weight_map\":{\"a\":\"m1\",\"b\":\"m1\",\"c\":\"m1\"}}", "\"c\" is not in m1", BAD_INPUT},
        {"{\"weight_map\":{\"a\":\"m1\",\"b\":\"m2\",\"c\":\"m2\"}}", "\"b\" is not in m2", BAD_INPUT},
        {"{\"weight_map\":{\"a\":\"m1\"}}", "hold 2 tensors", BAD_INPUT},
        {"{\"weight_map\":{\"a\":\"m1\",\"b\":\"m4\"}}", "\"a\": occurs twice", BAD_INPUT},
        {"{\"weight_map\":{\"a\":\"m1\"", "ends at", MALFORMED},
    };
    char *folder = tiny_folder_make();
    error err;
    tensor_set *s;
    write_shard(folder, "m1", first, 2);
    write_shard(folder, "m2", second, 1);
    write_shard(folder, "m4", first, 1);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tiny_file_text(folder, "model.safetensors.index.json", cases[i].index);
        CU_ASSERT_EQUAL(open_set(&s, folder, NULL, &err), cases[i].why);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.text, cases[i].part));
        if (!strstr(err.text, cases[i].part)) printf("\n    %s: %s", cases[i].index, err.text);
    }
    tiny_folder_remove(folder);
}

static void a_pickle_is_refused_with_what_to_do(void)
{
    char *folder = tiny_folder_make();
    error err;
    tensor_set *s;
    CU_ASSERT_EQUAL(open_set(&s, folder, NULL, &err), NOT_FOUND);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "neither model.safetensors nor"));
    tiny_file_text(folder, "pytorch_model.bin", "\x80\2}q\1.");
    CU_ASSERT_EQUAL(open_set(&s, folder, NULL, &err), BAD_INPUT);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "only pytorch_model.bin"));
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "save_pretrained"));
    tiny_file_text(folder, "pytorch_model.bin", "");
    CU_ASSERT_EQUAL(open_set(&s, folder, NULL, &err), BAD_INPUT);
    tiny_file_text(folder, "model.safetensors", "PK\3\4 a pickle by another name");
    CU_ASSERT_EQUAL(open_set(&s, folder, NULL, &err), MALFORMED);
    tiny_folder_remove(folder);
}

static void what_is_no_file_is_refused_by_name(void)
{
    char *folder = tiny_folder_make();
    error err;
    tensor_set *s;
    tiny_file_text(folder, "model.safetensors/inside", "");
    CU_ASSERT_EQUAL(open_set(&s, folder, NULL, &err), BAD_INPUT);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "model.safetensors: a directory"));
    tiny_folder_remove(folder);
    folder = tiny_folder_make();
    tiny_file_text(folder, "model.safetensors", "");
    CU_ASSERT_EQUAL(open_set(&s, folder, NULL, &err), MALFORMED);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "model.safetensors: 0 bytes"));
    tiny_folder_remove(folder);
}

/* Every half there is, against arithmetic in double; the data begin at an odd address. */
static void halves_convert_exactly(void)
{
    enum { ALL = 1 << 16 };
    uint8_t *data = malloc(2 * ALL + 1);
    float *out = malloc(ALL * sizeof *out);
    int wrong = 0;
    for (int i = 0; i < ALL; i++) data[2 * i + 1] = (uint8_t)i, data[2 * i + 2] = (uint8_t)(i >> 8);
    tensor t = {.data = data + 1, .type = DTYPE_F16, .elements = ALL};
    tensor_to_f32(out, &t);
    for (int i = 0; i < ALL; i++) {
        const int exponent = i >> 10 & 31, fraction = i & 1023;
        double want = exponent ? ldexp(1024 + fraction, exponent - 25) : ldexp(fraction, -24);
        if (exponent == 31) want = fraction ? NAN : INFINITY;
        if (i >> 15) want = -want;
        wrong += isnan(want) ? !isnan(out[i]) : out[i] != (float)want || !signbit(out[i]) != !signbit(want);
    }
    CU_ASSERT_EQUAL(wrong, 0);
    t.type = DTYPE_BF16;
    tensor_to_f32(out, &t);
    for (int i = 0; i < ALL; i++) {
        const uint32_t bits = (uint32_t)i << 16;
        wrong += memcmp(&out[i], &bits, sizeof bits) != 0;
    }
    CU_ASSERT_EQUAL(wrong, 0);
    t = (tensor){.data = data + 1, .type = DTYPE_F32, .elements = ALL / 2};
    tensor_to_f32(out, &t);
    CU_ASSERT_EQUAL(memcmp(out, data + 1, 2 * ALL), 0);
    free(data);
    free(out);
}

void safetensors_suite(CU_pSuite s)
{
    CU_add_test(s, "M51 header lengths of 0 to 2^64-1 that cannot be are refused with the number", refuses_lengths);
    CU_add_test(s, "M51 a header above 100 MB is refused though the file holds it", refuses_a_header_above_the_cap);
    CU_add_test(s, "M52 a header that is no strict JSON object is refused", refuses_headers_that_are_no_object);
    CU_add_test(s, "M53 offsets reversed, outside or no numbers are refused", refuses_offsets);
    CU_add_test(s, "M53 holes and overlaps are refused by tensor and number", refuses_holes_and_overlaps);
    CU_add_test(s, "M54 shapes that overflow, are negative, zero or above rank 8 are refused", refuses_shapes);
    CU_add_test(s, "M55 known types have their size, others are refused by name", refuses_types_and_sizes);
    CU_add_test(s, "M56 a tensor or a key that occurs twice is refused", refuses_names_and_keys_twice);
    CU_add_test(s, "M57 a million entries are refused before a tree is built", a_million_entries_build_no_tree);
    CU_add_test(s, "M57 120,000 tensors load within 128 MB of tree and are found",
                as_many_as_allowed_are_found_by_name);
    CU_add_test(s, "M59 a file cut at any sixteenth is refused by name", cut_files_are_refused);
    CU_add_test(s, "M59 one flipped bit of a weight changes the digest", a_flipped_bit_changes_the_digest);
    CU_add_test(s, "M63 a folder or an empty file in place of the weights is refused",
                what_is_no_file_is_refused_by_name);
    CU_add_test(s, "M64 a pickle is refused by type, with what to do", a_pickle_is_refused_with_what_to_do);
    CU_add_test(s, "shards named by an index are one set", shards_are_one_set);
    CU_add_test(s, "an index that does not fit its shards is refused",
                an_index_that_does_not_fit_its_shards_is_refused);
    CU_add_test(s, "every F16, BF16 and unaligned F32 converts exactly", halves_convert_exactly);
}
