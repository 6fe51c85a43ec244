/* test_manifest.c - beeline.json is read strictly, written the same, and compared with what was read. */
#include <CUnit/CUnit.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "runtime/model/manifest.h"
#include "tests/support/tiny_model.h"

static char *folder;

static directory *open_folder(void)
{
    directory *d;
    error err;
    file_bytes f;
    CU_ASSERT_EQUAL_FATAL(directory_open(&d, folder, &err), OK);
    CU_ASSERT_EQUAL_FATAL(directory_read(d, "a", 100, &f, &err), OK);
    file_free(&f);
    return d;
}

/* Of a folder with the one file "a". */
static void begin(void)
{
    static float row[2] = {0.1f, -1e-9f};
    static manifest_case one = {(char *)"hello \"you\"", row};
    error err;
    char *text;
    size_t n;
    folder = tiny_folder_make();
    tiny_file_text(folder, "a", "abc");
    directory *d = open_folder();
    const directory_file a = directory_file_at(d, 0);
    manifest_file file = {.name = (char *)"a", .size = 3};
    manifest m = {.name = "tiny",
                  .version = "1.0",
                  .precision = "float16",
                  .n_files = 1,
                  .files = &file,
                  .p99_ms = 100,
                  .availability = 0.999,
                  .team = "t",
                  .contact = "c",
                  .runbook = "https://x",
                  .golden_cosine = 0.999,
                  .n_cases = 1,
                  .columns = 2,
                  .cases = &one};
    memcpy(file.sha256, a.sha256, 65);
    m.contract = (contract){.max_tokens = 8, .dimensions = 2, .pooling = "mean", .default_prompt = -1};
    snprintf(m.contract.activation, sizeof m.contract.activation, "none");
    CU_ASSERT_EQUAL(directory_digest(d, m.digest, &err), OK);
    CU_ASSERT_EQUAL_FATAL(manifest_text(&text, &n, &m, &err), OK);
    tiny_file_write(folder, MANIFEST_FILE, text, n);
    free(text);
    directory_close(d);
}

static void there_and_back(void)
{
    manifest *m;
    error err;
    char *text;
    size_t n, was;
    begin();
    directory *d = open_folder();
    CU_ASSERT_EQUAL_FATAL(manifest_read(&m, d, &err), OK);
    CU_ASSERT_EQUAL(directory_files(d), 1);
    CU_ASSERT_EQUAL(manifest_verify(m, d, &err), OK);
    CU_ASSERT(m->cases[0].row[0] == 0.1f && m->cases[0].row[1] == -1e-9f);
    CU_ASSERT_EQUAL(manifest_text(&text, &n, m, &err), OK);
    char *old = tiny_file_read(folder, MANIFEST_FILE, &was);
    CU_ASSERT(n == was && !memcmp(text, old, n));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "\"row\": [0.1, -1e-09]"));
    free(text);
    free(old);
    manifest_free(m);
    tiny_file_text(folder, "b", "more");
    file_bytes f;
    CU_ASSERT_EQUAL_FATAL(manifest_read(&m, d, &err), OK);
    CU_ASSERT_EQUAL(directory_read(d, "b", 100, &f, &err), OK);
    CU_ASSERT_EQUAL(manifest_verify(m, d, &err), BAD_INPUT);
    CU_ASSERT_STRING_EQUAL(err.text, "b: is part of the version, and not in beeline.json");
    file_free(&f);
    manifest_free(m);
    directory_close(d);
    tiny_file_remove(folder, MANIFEST_FILE);
    d = open_folder();
    CU_ASSERT_EQUAL(manifest_read(&m, d, &err), NOT_FOUND);
    directory_close(d);
    tiny_folder_remove(folder);
}

static void refused(const char *from, const char *to, const char *part)
{
    manifest *m;
    error err = {""};
    begin();
    tiny_file_patch(folder, MANIFEST_FILE, from, to);
    directory *d = open_folder();
    status rc = manifest_read(&m, d, &err);
    if (rc == OK) rc = manifest_verify(m, d, &err);
    CU_ASSERT_EQUAL(rc, BAD_INPUT);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, part));
    if (!strstr(err.text, part)) printf("\n    \"%s\", wanted \"%s\"", err.text, part);
    manifest_free(m);
    directory_close(d);
    tiny_folder_remove(folder);
}

static void what_is_wrong_is_named(void)
{
    refused("\"version\": \"1.0\"", "\"version\": \"../1\"", "beeline.json: \"version\" is \"../1\"");
    refused("\"task\": \"embed\"", "\"task\": \"embody\"", "\"task\" is \"embody\"");
    refused("\"precision\": \"float16\"", "\"precision\": \"float8\"", "\"precision\" is \"float8\"");
    refused("\"team\": \"t\"", "\"team\": \"\"", "\"owner\": \"team\" of 0 bytes");
    refused("\"contact\": \"c\",", "", "\"owner\": \"contact\" is missing");
    refused("https://x", "page me", "\"runbook\" is \"page me\"");
    refused("\"p99_ms\"", "\"p98_ms\"", "\"slo\": \"p99_ms\" is missing");
    refused("\"max_tokens\"", "\"max_tokenz\"", "\"contract\": \"max_tokens\" is missing");
    refused("[0.1, ", "[", "golden case 1: a row of 1 numbers, wanted 2");
    refused("\"size\": 3", "\"size\": 4", "a: 3 bytes, beeline.json says 4");
    refused("\"sha256\": \"b", "\"sha256\": \"c", "a: sha256 ba7816bf");
    refused("\"name\": \"a\"", "\"name\": \"A\"", "A: in beeline.json, and no part of the version");
}

void manifest_suite(CU_pSuite s)
{
    CU_add_test(s, "a manifest is read as it was written; a file that it does not know is named", there_and_back);
    CU_add_test(s, "what is missing, unknown or wrong in it is named", what_is_wrong_is_named);
}
