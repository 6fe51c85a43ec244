/* test_pack.c - packing a tiny model, and what checking says of it once something was changed. */
#include <CUnit/CUnit.h>
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "server/commands.h"
#include "tests/support/tiny_model.h"

static char *folder;

static options words(void)
{
    return (options){.backend = "cpu",
                     .kernel = "auto",
                     .cache_dir = "",
                     .threads = 1,
                     .batch_tokens = 256,
                     .batch_sequences = 4,
                     .precision = "auto",
                     .slo = "p99=100ms",
                     .objective_ms = 100,
                     .objective_ratio = 0.99,
                     .pack_name = "tiny",
                     .pack_version = "1.0",
                     .owner = "search",
                     .contact = "search@example.org",
                     .runbook = "https://example.org/run",
                     .availability = "0.999",
                     .golden = "",
                     .against = ""};
}

/* What a command says, on both streams, and its exit status. */
static int said(int (*command)(const options *, const char *), options o, const char *dir, char text[8192])
{
    FILE *f = tmpfile();
    fflush(NULL);
    const int out = dup(1), err = dup(2);
    dup2(fileno(f), 1);
    dup2(fileno(f), 2);
    const int rc = command(&o, dir);
    fflush(NULL);
    dup2(out, 1);
    dup2(err, 2);
    close(out);
    close(err);
    rewind(f);
    text[fread(text, 1, 8191, f)] = 0;
    fclose(f);
    return rc;
}

static void says(int (*command)(const options *, const char *), options o, int wanted, const char *part)
{
    char text[8192];
    const int rc = said(command, o, folder, text);
    CU_ASSERT_EQUAL(rc, wanted);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, part));
    if (rc != wanted || !strstr(text, part)) printf("\n    %d \"%s\", wanted %d \"%s\"", rc, text, wanted, part);
}

static void begin(void)
{
    folder = tiny_folder_make();
    tiny_model_write(folder, (tiny_model){.pooling = "mean_tokens", .normalize = 1});
}

/* The rows are float32's; what is declared is tried before it is written, and stands in the manifest. */
static void a_precision_is_declared_and_tried(void)
{
    begin();
    options o = words();
    o.precision = "int8";
    says(pack_command, o, EXIT_OK, "precision    int8");
    says(check_command, words(), EXIT_OK, ", int8\n");
    o.precision = "float32";
    says(check_command, o, EXIT_REFUSED, "precision: float32 was asked for, beeline.json declares int8");
    tiny_folder_remove(folder);
}

static void packed_is_checked(void)
{
    begin();
    says(check_command, words(), EXIT_OK, "digest ");
    says(pack_command, words(), EXIT_OK, "packed       tiny 1.0");
    says(check_command, words(), EXIT_OK, "version      tiny 1.0");
    options o = words();
    o.json = true;
    says(check_command, o, EXIT_OK,
         "{\"ok\":true,\"failures\":[],\"model\":\"tiny\",\"version\":\"1.0\",\"digest\":\"");
    tiny_folder_remove(folder);
}

static void the_same_bytes(void)
{
    size_t n, again;
    begin();
    says(pack_command, words(), EXIT_OK, "packed");
    char *first = tiny_file_read(folder, "beeline.json", &n);
    tiny_file_text(folder, "beeline.json", "{ is ignored");
    says(pack_command, words(), EXIT_OK, "packed");
    char *second = tiny_file_read(folder, "beeline.json", &again);
    CU_ASSERT(n == again && !memcmp(first, second, n));
    free(first);
    free(second);
    tiny_folder_remove(folder);
}

static void what_it_does_not_vouch_for(void)
{
    options o;
    begin();
    o = words(), o.owner = "";
    says(pack_command, o, EXIT_USAGE, "--owner is missing");
    o = words(), o.contact = NULL;
    says(pack_command, o, EXIT_USAGE, "--contact is missing");
    o = words(), o.runbook = "page me";
    says(pack_command, o, EXIT_USAGE, "--runbook page me: wanted an http");
    o = words(), o.pack_version = "../1";
    says(pack_command, o, EXIT_USAGE, "\"../1\": wanted letters");
    o = words(), o.objective_ratio = 0.95;
    says(pack_command, o, EXIT_USAGE, "wanted p99");
    o = words(), o.availability = "1.5";
    says(pack_command, o, EXIT_USAGE, "--availability 1.5");
    tiny_file_patch(folder, "config.json", "\"hidden_size\"", "\"hidden_sizf\"");
    says(pack_command, words(), EXIT_REFUSED, "config.json");
    char *path = tiny_path(folder, "beeline.json");
    CU_ASSERT_EQUAL(access(path, F_OK), -1);
    free(path);
    tiny_folder_remove(folder);
}

static void golden_rows_that_are_brought(void)
{
    char line[4096];
    int n = snprintf(line, sizeof line, "{\"text\":\"hello\",\"row\":[");
    begin();
    for (int i = 0; i < 32; i++) n += snprintf(line + n, sizeof line - (size_t)n, "%s%d", i ? "," : "", i % 3 - 1);
    snprintf(line + n, sizeof line - (size_t)n, "]}\n");
    tiny_file_text(folder, "golden.jsonl", line);
    char *path = tiny_path(folder, "golden.jsonl");
    options o = words();
    o.golden = path;
    says(pack_command, o, EXIT_REFUSED, "golden case 1: cosine ");
    tiny_file_text(folder, "golden.jsonl", "{\"text\":\"hello\",\"row\":[1]}\n");
    says(pack_command, o, EXIT_REFUSED, "line 1: a row of 1 numbers, this model's have 32");
    free(path);
    tiny_folder_remove(folder);
}

static void golden_rows_that_agree(void)
{
    size_t n;
    begin();
    says(pack_command, words(), EXIT_OK, "golden       12 cases");
    char *manifest = tiny_file_read(folder, "beeline.json", &n);
    cJSON *tree = cJSON_Parse(manifest);
    const cJSON *cases = cJSON_GetObjectItem(cJSON_GetObjectItem(tree, "golden"), "cases");
    char *line = cJSON_PrintUnformatted(cJSON_GetArrayItem(cases, 3));
    tiny_file_text(folder, "golden.jsonl", line);
    char *path = tiny_path(folder, "golden.jsonl");
    options o = words();
    o.golden = path;
    says(pack_command, o, EXIT_OK, "golden       1 cases, cosine at least 0.999, seen 1.0");
    says(check_command, words(), EXIT_OK, "golden       1 cases");
    free(path);
    cJSON_free(line);
    cJSON_Delete(tree);
    free(manifest);
    tiny_folder_remove(folder);
}

static void what_was_changed_is_named(void)
{
    begin();
    says(pack_command, words(), EXIT_OK, "packed");
    tiny_file_patch(folder, "config.json", "{", "{ ");
    says(check_command, words(), EXIT_REFUSED, "config.json: ");
    says(pack_command, words(), EXIT_OK, "packed");
    tiny_file_patch(folder, "beeline.json", "\"max_tokens\": 64", "\"max_tokens\": 63");
    says(check_command, words(), EXIT_REFUSED, "contract: max_tokens is 64, beeline.json says 63");
    says(pack_command, words(), EXIT_OK, "packed");
    tiny_file_patch(folder, "beeline.json", "\"text\": \"hello\"", "\"text\": \"many other words\"");
    says(check_command, words(), EXIT_REFUSED, "golden case 1: cosine ");
    tiny_folder_remove(folder);
}

static void every_break_is_a_line(void)
{
    char *live = tiny_folder_make();
    tiny_model_write(live, (tiny_model){.pooling = "cls_token", .positions = 128});
    begin();
    options o = words();
    o.against = live;
    says(check_command, o, EXIT_REFUSED, "contract: max_tokens 128 -> 64\n");
    says(check_command, o, EXIT_REFUSED, "contract: pooling cls -> mean\n");
    o.json = true;
    says(check_command, o, EXIT_REFUSED, "{\"ok\":false,\"failures\":[\"contract: max_tokens 128 -> 64\",");
    o.against = folder;
    says(check_command, o, EXIT_OK, "{\"ok\":true");
    tiny_folder_remove(live);
    tiny_folder_remove(folder);
}

void pack_suite(CU_pSuite s)
{
    CU_add_test(s, "a directory that was packed is checked", packed_is_checked);
    CU_add_test(s, "a precision is tried before it is declared, and asked for in vain where another is declared",
                a_precision_is_declared_and_tried);
    CU_add_test(s, "packing twice gives the same bytes; an old manifest is not looked at", the_same_bytes);
    CU_add_test(s, "what is not said or not right is refused by name", what_it_does_not_vouch_for);
    CU_add_test(s, "golden rows that are brought must be this model's", golden_rows_that_are_brought);
    CU_add_test(s, "golden rows that are brought and agree are the manifest's", golden_rows_that_agree);
    CU_add_test(s, "a file, a contract, a golden row that was changed is named", what_was_changed_is_named);
    CU_add_test(s, "every break of the contract is a line", every_break_is_a_line);
}
