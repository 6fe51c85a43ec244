/* test_capacity.c - what is written reads back the same, and what is not a capacity is refused by its member. */
#include <CUnit/CUnit.h>
#include <dirent.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "runtime/serve/capacity.h"
#include "tests/support/tiny_model.h"

static capacity sample(void)
{
    capacity c = {.build = "0.1.0 0123456789ab",
                  .made_at = "2026-11-25T03:00:00Z",
                  .model = "all-MiniLM-L6-v2",
                  .backend = "cpu",
                  .device = "avx512, 2 threads",
                  .precision = "float32",
                  .service = {.row = {{16, 1, 1234567, 89}, {512, 1, 40000000, 1}, {512, 32, 36000000, 0}}, .n = 3},
                  .parse_per_kib = {1500, 20},
                  .tokenize_per_token = {60, 2},
                  .row_json = {9000, 100},
                  .row_base64 = {700, 3},
                  .row_binary = {0, 0},
                  .load_ns = 812000000,
                  .warm_ns = 90000000,
                  .objective_ms = 100,
                  .objective_ratio = 0.99,
                  .knee_tokens_per_s = 9876.54321,
                  .knee_requests_per_s = 1.0 / 3,
                  .knee_p50_ms = 21.7,
                  .knee_p99_ms = 98.1,
                  .saturated_tokens_per_s = 12345};
    memset(c.digest, 'a', 64);
    return c;
}

/* All that it says is in its text, and one member of each kind is itself looked at. */
static bool same(const capacity *a, const capacity *b)
{
    char first[CAPACITY_BYTES_MAX], second[CAPACITY_BYTES_MAX];
    capacity_write(a, first);
    capacity_write(b, second);
    return !strcmp(first, second) && !strcmp(a->model, b->model) && !strcmp(a->digest, b->digest) &&
           a->load_ns == b->load_ns && a->knee_requests_per_s == b->knee_requests_per_s &&
           a->tokenize_per_token.median_ns == b->tokenize_per_token.median_ns &&
           a->row_json.spread_ns == b->row_json.spread_ns && a->service.n == b->service.n &&
           !memcmp(a->service.row, b->service.row, sizeof a->service.row);
}

static void round_trip(const capacity *c)
{
    char text[CAPACITY_BYTES_MAX];
    capacity again;
    error err = {""};
    const int n = capacity_write(c, text);
    CU_ASSERT_EQUAL((size_t)n, strlen(text));
    CU_ASSERT_EQUAL(capacity_parse(&again, text, (size_t)n, &err), OK);
    if (*err.text) printf("\n    %s", err.text);
    CU_ASSERT_TRUE(same(&again, c));
}

static void what_is_written_reads_back(void)
{
    capacity c = sample();
    round_trip(&c);
    snprintf(c.model, sizeof c.model, "a \"name\"\\with\n\x01 and \xc3\xa9");
    c.knee_tokens_per_s = c.knee_requests_per_s = c.knee_p50_ms = c.knee_p99_ms = 0;
    round_trip(&c);
}

static void the_largest_fits(void)
{
    capacity c = sample();
    memset(c.device, '"', sizeof c.device - 1);
    memset(c.model, '\\', sizeof c.model - 1);
    c.service.n = SERVICE_ROWS_MAX;
    for (int i = 0; i < SERVICE_ROWS_MAX; i++)
        c.service.row[i] = (service_row){(1 << 20) + i, 1 << 16, (int64_t)86399e9 + i, (int64_t)86400e9};
    c.knee_tokens_per_s = 1e12 / 3;
    round_trip(&c);
}

static void a_name_of_any_bytes_is_written(void)
{
    char text[CAPACITY_BYTES_MAX];
    capacity c = sample(), again;
    error err;
    snprintf(c.model, sizeof c.model, "x\xff\xc3");
    CU_ASSERT_EQUAL(capacity_parse(&again, text, (size_t)capacity_write(&c, text), &err), OK);
    CU_ASSERT_STRING_EQUAL(again.model, "x??");
}

/* The sample with one piece of its text replaced. */
static void refused_with(const char *from, const char *to, status wanted, const char *part)
{
    char text[CAPACITY_BYTES_MAX], changed[2 * CAPACITY_BYTES_MAX];
    capacity c = sample();
    error err = {""};
    capacity_write(&c, text);
    const char *at = strstr(text, from);
    if (!at) printf("\n    no %s", from);
    CU_ASSERT_PTR_NOT_NULL_FATAL(at);
    const int n = snprintf(changed, sizeof changed, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
    CU_ASSERT_EQUAL(capacity_parse(&c, changed, (size_t)n, &err), wanted);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, part));
    if (!strstr(err.text, part)) printf("\n    %s -> %s: \"%s\", wanted \"%s\"", from, to, err.text, part);
    CU_ASSERT_TRUE(same(&c, &(capacity){0}));
}

static void members_are_checked(void)
{
    static const struct {
        const char *from, *to;
        status why;
        const char *part;
    } rows[] = {
        {"beeline capacity 1", "beeline capacity 2", BAD_INPUT,
         "\"beeline capacity 2\", wanted \"beeline capacity 1\""},
        {"\"format\": \"beeline capacity 1\",", "", BAD_INPUT, "\"format\" is missing"},
        {"\"beeline capacity 1\"", "1", BAD_INPUT, "\"format\" is of type number"},
        {"\"load_ns\": 812000000", "\"load_ns\": -1", BAD_INPUT, "\"load_ns\" is -1, wanted 0 to"},
        {"\"load_ns\": 812000000", "\"load_ns\": 1.5", BAD_INPUT, "\"load_ns\" is 1.5, wanted whole"},
        {"\"load_ns\": 812000000", "\"load_ns\": 1e300", BAD_INPUT, "\"load_ns\" is 1"},
        {"\"load_ns\": 812000000", "\"load_ns\": 86400000000001", BAD_INPUT, "wanted 0 to 8.64e+13"},
        {"\"load_ns\": 812000000", "\"load_ns\": 1e999", MALFORMED, "number too large"},
        {"\"load_ns\": 812000000", "\"load_ns\": NaN", MALFORMED, "JSON"},
        {"\"load_ns\": 812000000", "\"load_ns\": null", BAD_INPUT, "\"load_ns\" is of type null, wanted a number"},
        {"\"load_ns\": 812000000", "\"load_ns\": \"1\"", BAD_INPUT, "\"load_ns\" is of type string, wanted a number"},
        {"\"load_ns\": 812000000,", "", BAD_INPUT, "\"load_ns\" is missing"},
        {"\"load_ns\": 812000000", "\"load_ns\": 1, \"load_ns\": 1", MALFORMED, "\"load_ns\" is given twice"},
        {"\"load_ns\": 812000000", "\"load_ns\": 1, \"other\": 1", BAD_INPUT, "the capacity has 24 members, wanted 23"},
        {"\"cpu\"", "7", BAD_INPUT, "\"backend\" is of type number, wanted a string"},
        {"\"cpu\"", "\"a backend of 21 bytes\"", BAD_INPUT, "\"backend\" has 21 bytes, at most 15 are taken"},
        {"\"knee_tokens_per_s\": 9876.54321", "\"knee_tokens_per_s\": 1e300", BAD_INPUT, "\"knee_tokens_per_s\" is 1"},
        {"\"knee_p99_ms\": 98.1", "\"knee_p99_ms\": -0.1", BAD_INPUT, "\"knee_p99_ms\" is -0.1"},
        {"\"objective_ratio\": 0.99", "\"objective_ratio\": 99", BAD_INPUT,
         "\"objective_ratio\" is 99, wanted 0.5 to 1"},
        {"\"objective_ms\": 100", "\"objective_ms\": 0", BAD_INPUT, "\"objective_ms\" is 0, wanted 1 to"},
        {"\"objective_ms\": 100", "\"objective_ms\": []", BAD_INPUT, "\"objective_ms\" is of type array"},
        {"{\"median_ns\": 1500, \"spread_ns\": 20}", "1500", BAD_INPUT, "\"parse_per_kib\" is of type number"},
        {"{\"median_ns\": 1500, \"spread_ns\": 20}", "{\"median_ns\": 1500}", BAD_INPUT, "\"spread_ns\" is missing"},
        {"{\"median_ns\": 1500, \"spread_ns\": 20}", "{\"median_ns\": -1, \"spread_ns\": 20}", BAD_INPUT,
         "\"median_ns\" is -1"},
        {"{\"median_ns\": 1500, \"spread_ns\": 20}", "{\"median_ns\": 1, \"spread_ns\": 20, \"x\": 0}", BAD_INPUT,
         "parse_per_kib has 3 members"},
        {"\"tokens\": 16,", "\"tokens\": 0,", BAD_INPUT, "\"tokens\" is 0, wanted an integer"},
        {"\"tokens\": 16,", "\"tokens\": 1e9,", BAD_INPUT, "\"tokens\" is 1000000000, wanted an integer"},
        {"\"tokens\": 16,", "\"tokens\": null,", BAD_INPUT, "service time 0: 0 tokens"},
        {"\"tokens\": 16,", "", BAD_INPUT, "\"tokens\" is missing"},
        {"\"tokens\": 16,", "\"tokens\": 16, \"x\": 1,", BAD_INPUT, "a service time has 5 members"},
        {"\"tokens\": 16,", "\"tokens\": 513,", BAD_INPUT, "service time 1"}, /* service_check()'s */
        {"{\"tokens\": 16,", "7, {\"tokens\": 16,", BAD_INPUT, "\"service\" is of type number"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        refused_with(rows[i].from, rows[i].to, rows[i].why, rows[i].part);
}

static void a_table_has_rows_and_not_too_many(void)
{
    char text[CAPACITY_BYTES_MAX * 2];
    capacity c = sample();
    error err;
    refused_with("\"service\": [", "\"service\": 5, \"x\": [", BAD_INPUT,
                 "\"service\" is of type number, wanted a list");
    capacity_write(&c, text);
    char *list = strstr(text, "\"service\": [") + strlen("\"service\": ["), rest[CAPACITY_BYTES_MAX];
    snprintf(rest, sizeof rest, "%s", strchr(list, ']'));
    char *at = list;
    for (int i = 0; i <= SERVICE_ROWS_MAX; i++)
        at += sprintf(at, "%s{\"tokens\":%d,\"sequences\":1,\"median_ns\":%d,\"spread_ns\":0}", i ? "," : "", i + 1,
                      i + 1);
    strcpy(at, rest);
    CU_ASSERT_EQUAL(capacity_parse(&c, text, strlen(text), &err), BAD_INPUT);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "\"service\" has 65 rows, at most 64 are taken"));
    strcpy(list, rest);
    CU_ASSERT_EQUAL(capacity_parse(&c, text, strlen(text), &err), BAD_INPUT);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "0 service times"));
}

/* A writer that was cut off anywhere leaves nothing that passes. */
static void every_torn_text_is_refused(void)
{
    char text[CAPACITY_BYTES_MAX];
    capacity c = sample(), out;
    error err;
    const int n = capacity_write(&c, text);
    for (int cut = 0; cut < n - 1; cut++) { /* the last byte is the newline */
        err = (error){""};
        char *copy = malloc((size_t)cut + 1); /* so that a sanitizer sees a read beyond */
        memcpy(copy, text, (size_t)cut);
        CU_ASSERT_NOT_EQUAL(capacity_parse(&out, copy, (size_t)cut, &err), OK);
        CU_ASSERT(*err.text != 0);
        free(copy);
    }
}

static int entries(const char *folder)
{
    int n = 0;
    DIR *d = opendir(folder);
    for (struct dirent *e; (e = readdir(d));) n += e->d_name[0] != '.';
    closedir(d);
    return n;
}

static void a_file_is_replaced_whole(void)
{
    char *folder = tiny_folder_make(), *file = tiny_path(folder, "capacity.json");
    capacity c = sample(), out;
    struct stat st;
    error err = {""};
    CU_ASSERT_EQUAL(capacity_read(&out, file, &err), NOT_FOUND);
    CU_ASSERT_EQUAL(capacity_save(&c, file, &err), OK);
    CU_ASSERT_EQUAL(capacity_read(&out, file, &err), OK);
    CU_ASSERT_TRUE(same(&out, &c));
    CU_ASSERT(stat(file, &st) == 0 && (st.st_mode & 0777) == 0644);
    c.knee_tokens_per_s = 7;
    CU_ASSERT_EQUAL(capacity_save(&c, file, &err), OK);
    CU_ASSERT_EQUAL(capacity_read(&out, file, &err), OK);
    CU_ASSERT_EQUAL(out.knee_tokens_per_s, 7);
    CU_ASSERT_EQUAL(entries(folder), 1); /* nothing is left beside it */

    /* What could not be read is not written, and the file stays. */
    capacity bad = c;
    bad.service.n = 0;
    CU_ASSERT_EQUAL(capacity_save(&bad, file, &err), BAD_INPUT);
    bad = c;
    bad.knee_p50_ms = NAN;
    CU_ASSERT_NOT_EQUAL(capacity_save(&bad, file, &err), OK);
    CU_ASSERT_EQUAL(capacity_read(&out, file, &err), OK);
    CU_ASSERT_EQUAL(entries(folder), 1);
    free(file);

    /* A folder in its place: the name cannot be taken, and nothing is left. */
    file = tiny_path(folder, "taken/x");
    tiny_file_text(folder, "taken/x/y", "");
    CU_ASSERT_EQUAL(capacity_save(&c, file, &err), IO_FAILED);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "taken/x: "));
    free(file);
    file = tiny_path(folder, "taken");
    CU_ASSERT_EQUAL(entries(file), 1);
    free(file);
    file = tiny_path(folder, "absent/capacity.json");
    CU_ASSERT_EQUAL(capacity_save(&c, file, &err), NOT_FOUND);
    free(file);
    tiny_folder_remove(folder);
}

static void what_is_no_file_is_refused(void)
{
    char *folder = tiny_folder_make(), *file = tiny_path(folder, "capacity.json"), *large;
    capacity c = sample(), out;
    char text[CAPACITY_BYTES_MAX];
    error err = {""};
    CU_ASSERT_EQUAL(capacity_read(&out, folder, &err), BAD_INPUT);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "no file"));
    CU_ASSERT_EQUAL(mkfifo(file, 0600), 0);
    CU_ASSERT_EQUAL(capacity_read(&out, file, &err), BAD_INPUT); /* and does not wait for a writer */
    unlink(file);
    tiny_file_text(folder, "capacity.json", "");
    CU_ASSERT_EQUAL(capacity_read(&out, file, &err), MALFORMED);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "capacity.json: JSON"));
    const int n = capacity_write(&c, text);
    large = malloc(CAPACITY_BYTES_MAX + 1);
    memset(large, ' ', CAPACITY_BYTES_MAX + 1);
    memcpy(large, text, (size_t)n);
    tiny_file_write(folder, "capacity.json", large, CAPACITY_BYTES_MAX);
    CU_ASSERT_EQUAL(capacity_read(&out, file, &err), OK);
    tiny_file_write(folder, "capacity.json", large, CAPACITY_BYTES_MAX + 1);
    CU_ASSERT_EQUAL(capacity_read(&out, file, &err), BAD_INPUT);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "more than the 16384 bytes"));
    free(large);
    free(file);
    tiny_folder_remove(folder);
}

static void it_matches_only_where_it_was_made(void)
{
    const capacity c = sample();
    error err;
    CU_ASSERT_EQUAL(capacity_matches(&c, c.digest, "cpu", "avx512, 2 threads", "float32", &err), OK);
    CU_ASSERT_EQUAL(capacity_matches(&c, "b", "cpu", "avx512, 2 threads", "float32", &err), BAD_INPUT);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "for digest \"aaa"));
    CU_ASSERT_EQUAL(capacity_matches(&c, c.digest, "cuda", "avx512, 2 threads", "float32", &err), BAD_INPUT);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "for backend \"cpu\", this is \"cuda\""));
    CU_ASSERT_EQUAL(capacity_matches(&c, c.digest, "cpu", "avx512, 4 threads", "float32", &err), BAD_INPUT);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "device \"avx512, 2 threads\", this is \"avx512, 4 threads\""));
    CU_ASSERT_EQUAL(capacity_matches(&c, c.digest, "cpu", "avx512, 2 threads", "float16", &err), BAD_INPUT);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "for precision \"float32\""));
}

void capacity_suite(CU_pSuite s)
{
    CU_add_test(s, "what is written reads back the same, to the last bit", what_is_written_reads_back);
    CU_add_test(s, "the largest capacity fits its text", the_largest_fits);
    CU_add_test(s, "a name of any bytes is written as UTF-8", a_name_of_any_bytes_is_written);
    CU_add_test(s, "each member is checked, with the value seen", members_are_checked);
    CU_add_test(s, "a service table has at least one row and at most its room", a_table_has_rows_and_not_too_many);
    CU_add_test(s, "a text that is cut anywhere is refused", every_torn_text_is_refused);
    CU_add_test(s, "a file is replaced whole, only by what can be read, and nothing is left beside it",
                a_file_is_replaced_whole);
    CU_add_test(s, "what is no file, empty or too large is refused", what_is_no_file_is_refused);
    CU_add_test(s, "a capacity is for one digest, backend, device and precision", it_matches_only_where_it_was_made);
}
