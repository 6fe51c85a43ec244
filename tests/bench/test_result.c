/* test_result.c - files of results, and what is none. */
#include <CUnit/CUnit.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "bench/result.h"

static char folder[64], file[96];

static void make_folder(void)
{
    snprintf(folder, sizeof folder, "/tmp/beeline-result.XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
    snprintf(file, sizeof file, "%s/a.json", folder);
}

static void drop_folder(void)
{
    unlink(file);
    rmdir(folder);
}

static void put(const char *text)
{
    FILE *f = fopen(file, "w");
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    fputs(text, f);
    fclose(f);
}

/* The error names the file, and says this. */
static void refused(const char *text, status why, const char *wanted)
{
    result r;
    error err = {""};
    put(text);
    CU_ASSERT_EQUAL(result_read(&r, file, &err), why);
    CU_ASSERT_PTR_NULL(r.own);
    CU_ASSERT_PTR_NULL(r.rows);
    if (!strstr(err.text, wanted) || strncmp(err.text, file, strlen(file))) CU_FAIL(err.text);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, wanted));
}

static const char TWO_TABLES[] =
    "{\"environment\": {\"command\": \"x load\", \"cores\": 2}, \"notes\": [\"VALID\"], \"rows\": ["
    "{\"table\": \"t\", \"name\": \"a\", \"v\": 1.5, \"none\": null},"
    "{\"table\": \"u\", \"name\": \"a\", \"v\": 2},"
    "{\"table\": \"t\", \"name\": \"b\", \"v\": \"text\"}]}";

static void rows_are_found_by_table_and_name(void)
{
    result r;
    error err = {""};
    make_folder();
    put(TWO_TABLES);
    CU_ASSERT_EQUAL_FATAL(result_read(&r, file, &err), OK);
    CU_ASSERT_STRING_EQUAL(r.name, file);
    CU_ASSERT_EQUAL(result_rows(&r, "t"), 2);
    CU_ASSERT_EQUAL(result_number(result_row(&r, "u", "a"), "v"), 2);
    const cJSON *row = result_next(&r, "t", NULL);
    CU_ASSERT_EQUAL(result_number(row, "v"), 1.5);
    row = result_next(&r, "t", row);
    CU_ASSERT_STRING_EQUAL(result_text(row, "name"), "b");
    CU_ASSERT_PTR_NULL(result_next(&r, "t", row));
    CU_ASSERT_PTR_NULL(result_row(&r, "t", "c"));
    CU_ASSERT_PTR_NULL(result_next(&r, "T", NULL));
    result_close(&r);
    drop_folder();
}

static void what_was_not_measured_is_no_number(void)
{
    result r;
    error err = {""};
    make_folder();
    put(TWO_TABLES);
    CU_ASSERT_EQUAL_FATAL(result_read(&r, file, &err), OK);
    CU_ASSERT_TRUE(isnan(result_number(result_row(&r, "t", "a"), "none")));
    CU_ASSERT_TRUE(isnan(result_number(result_row(&r, "t", "a"), "absent")));
    CU_ASSERT_TRUE(isnan(result_number(result_row(&r, "t", "b"), "v")));
    CU_ASSERT_TRUE(isnan(result_number(NULL, "v")));
    CU_ASSERT_STRING_EQUAL(result_fact(&r, "command"), "x load");
    CU_ASSERT_PTR_NULL(result_fact(&r, "cores"));
    result_close(&r);
    drop_folder();
}

static void broken_files_are_refused_by_name(void)
{
    make_folder();
    refused("", MALFORMED, "ends at byte 0");
    refused("{\"environment\": {}, \"notes\": [], \"rows\": [", MALFORMED, "ends at byte");
    refused("{\"environment\": {}, \"notes\": [], \"rows\": []} x", MALFORMED, "'x' at byte");
    refused("{\"notes\": [\"\\ud800\"]}", MALFORMED, "lone high surrogate");
    refused("[[[[[[[[[]]]]]]]]]", MALFORMED, "8");
    refused("[1, 2]", BAD_INPUT, "array, wanted an object");
    refused("{\"notes\": [], \"rows\": []}", BAD_INPUT, "\"environment\" is missing, wanted an object");
    refused("{\"environment\": [], \"notes\": [], \"rows\": []}", BAD_INPUT, "\"environment\" is array");
    refused("{\"environment\": {}, \"rows\": []}", BAD_INPUT, "\"notes\" is missing, wanted an array");
    refused("{\"environment\": {}, \"notes\": [], \"rows\": {}}", BAD_INPUT, "\"rows\" is object");
    refused("{\"environment\": {}, \"notes\": [\"a\", 1], \"rows\": []}", BAD_INPUT, "notes[1] is number");
    refused("{\"environment\": {}, \"notes\": [], \"rows\": [1]}", BAD_INPUT, "rows[0] is number");
    refused("{\"environment\": {}, \"notes\": [], \"rows\": [{\"table\": \"t\", \"name\": \"a\"}, {\"table\": \"t\"}]}",
            BAD_INPUT, "rows[1] has no \"name\"");
    refused("{\"environment\": {}, \"notes\": [], \"rows\": [{\"table\": 1, \"name\": \"a\"}]}", BAD_INPUT,
            "rows[0] has no \"table\"");
    drop_folder();
}

static void files_are_bounded(void)
{
    result r;
    error err = {""};
    make_folder();
    put("{");
    CU_ASSERT_EQUAL_FATAL(truncate(file, RESULT_BYTES_MAX + 1), 0);
    CU_ASSERT_EQUAL(result_read(&r, file, &err), BAD_INPUT);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "16777217 bytes, a result has at most 16777216"));
    FILE *f = fopen(file, "w");
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    fputs("[0", f);
    for (int i = 0; i < RESULT_VALUES_MAX; i++) fputs(",0", f);
    fputs("]", f);
    fclose(f);
    CU_ASSERT_EQUAL(result_read(&r, file, &err), MALFORMED);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "400000"));
    drop_folder();
}

/* A FIFO without a writer would hold the reader for ever. */
static void only_regular_files_are_read(void)
{
    result r;
    error err = {""};
    make_folder();
    CU_ASSERT_EQUAL(result_read(&r, file, &err), IO_FAILED);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "No such file"));
    CU_ASSERT_EQUAL(result_read(&r, folder, &err), IO_FAILED);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "no regular file"));
    CU_ASSERT_EQUAL_FATAL(mkfifo(file, 0600), 0);
    CU_ASSERT_EQUAL(result_read(&r, file, &err), IO_FAILED);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "no regular file"));
    drop_folder();
}

void result_suite(CU_pSuite s)
{
    CU_add_test(s, "rows are found by table and name", rows_are_found_by_table_and_name);
    CU_add_test(s, "what was not measured is no number", what_was_not_measured_is_no_number);
    CU_add_test(s, "broken files are refused by name, with the reason", broken_files_are_refused_by_name);
    CU_add_test(s, "a file has bounds, in bytes and values", files_are_bounded);
    CU_add_test(s, "only regular files are read", only_regular_files_are_read);
}
