/* The file of timed choices: what is kept, what is refused, and that neither ever fails a start. */
#include <CUnit/CUnit.h>
#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "runtime/backend/cuda_choices.h"
#include "tests/support/tiny_model.h"

static const char identity[] = "cublasLt 130100, runtime 13000, driver 13000, sm_90, NVIDIA H200, float16, workspace 1";

static char notes[4][512];
static int  n_notes;

static void note(const char *line)
{
    if (n_notes < 4) snprintf(notes[n_notes], sizeof notes[0], "%s", line);
    n_notes++;
}

static cuda_choice choice_of(int M, cuda_gemm_then then, cuda_choice_scope scope, float us)
{
    cuda_choice c = {{M, 1152, 384, then}, scope, us, {{0}}};
    for (int i = 0; i < 8; i++) c.algorithm.data[i] = 0x9e3779b97f4a7c15u * (uint64_t)(M + i);
    return c;
}

static cuda_choices *open_choices(const char *folder, const char *who)
{
    cuda_choices *c = NULL;
    error         err = {""};
    n_notes = 0;
    CU_ASSERT_EQUAL_FATAL(cuda_choices_open(&c, folder, who, note, &err), OK);
    return c;
}

static void put(cuda_choices *c, cuda_choice choice)
{
    error err = {""};
    CU_ASSERT_EQUAL(cuda_choices_put(c, &choice, &err), OK);
}

static bool has(const cuda_choices *c, cuda_choice wanted)
{
    const cuda_choice *row = cuda_choices_find(c, wanted.shape, wanted.scope);
    return row && row->us == wanted.us && !memcmp(&row->algorithm, &wanted.algorithm, sizeof wanted.algorithm);
}

static int files_in(const char *folder)
{
    DIR *d = opendir(folder);
    int  n = -2; /* . and .. */
    while (d && readdir(d)) n++;
    if (d) closedir(d);
    return n;
}

static cuda_choice many[10];

/* The path of a file with ten rows; the caller's to free. */
static char *write_ten(const char *folder)
{
    cuda_choices *c = open_choices(folder, identity);
    for (int i = 0; i < 10; i++) {
        many[i] = choice_of(16 << i / 2, (cuda_gemm_then)(i % 5), i & 1 ? CHOICE_WITH_NORM : CHOICE_ALONE,
                            3.25f + (float)i);
        put(c, many[i]);
    }
    cuda_choices_save(c);
    CU_ASSERT_EQUAL(n_notes, 0);
    char *path = strdup(cuda_choices_path(c));
    cuda_choices_close(c);
    return path;
}

static void what_is_put_is_there_at_the_next_start(void)
{
    char *folder = tiny_folder_make(), *inner = tiny_path(folder, "cache"); /* made when it is needed */
    char *path = write_ten(inner);
    cuda_choices *c = open_choices(inner, identity);
    CU_ASSERT_EQUAL(n_notes, 0);
    for (int i = 0; i < 10; i++) CU_ASSERT(has(c, many[i]));
    CU_ASSERT_PTR_NULL(cuda_choices_find(c, (cuda_gemm_shape){16, 1152, 384, CUDA_GEMM_BIAS}, CHOICE_ALONE));
    many[3].us = 1.5f;
    many[3].algorithm.data[7] = 5;
    put(c, many[3]); /* in place of the older */
    put(c, choice_of(4096, CUDA_GEMM_BIAS, CHOICE_ALONE, 9));
    cuda_choices_save(c);
    cuda_choices_close(c);
    c = open_choices(inner, identity);
    for (int i = 0; i < 10; i++) CU_ASSERT(has(c, many[i]));
    CU_ASSERT(has(c, choice_of(4096, CUDA_GEMM_BIAS, CHOICE_ALONE, 9)));
    CU_ASSERT_EQUAL(files_in(inner), 1); /* and no temporary one */
    cuda_choices_close(c);
    free(path);
    free(inner);
    tiny_folder_remove(folder);
}

static void nothing_new_is_not_written(void)
{
    char *folder = tiny_folder_make(), *path = write_ten(folder);
    unlink(path);
    cuda_choices *c = open_choices(folder, identity);
    cuda_choices_save(c);
    CU_ASSERT(access(path, F_OK) < 0 && n_notes == 0);
    cuda_choices_close(c);
    c = open_choices("", identity);
    put(c, many[0]);
    cuda_choices_save(c);
    CU_ASSERT(has(c, many[0]) && n_notes == 0 && !*cuda_choices_path(c));
    cuda_choices_close(c);
    free(path);
    tiny_folder_remove(folder);
}

/* A start with this file has no choice and one line that says `word`; its own choices then replace the file. */
static void expect_fresh(const char *folder, const char *word)
{
    cuda_choices *c = open_choices(folder, identity);
    CU_ASSERT_EQUAL(n_notes, 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(notes[0], word));
    for (int i = 0; i < 10; i++) CU_ASSERT(!has(c, many[i]));
    put(c, many[0]);
    cuda_choices_save(c);
    cuda_choices_close(c);
    c = open_choices(folder, identity);
    CU_ASSERT(n_notes == 0 && has(c, many[0]));
    cuda_choices_close(c);
}

static void a_damaged_file_is_one_line_and_counts_as_empty(void)
{
    char  *folder = tiny_folder_make(), *path = write_ten(folder);
    size_t n;
    char  *name = strrchr(path, '/') + 1, *bytes = tiny_file_read(folder, name, &n);
    for (size_t cut = 0; cut < n; cut += 1 + n / 37) { /* torn anywhere */
        tiny_file_write(folder, name, bytes, cut);
        expect_fresh(folder, "corrupt");
    }
    for (size_t at = 0; at + 2 < n; at += 1 + n / 41) { /* one bit; the sum's own last digit may be any case */
        bytes[at] ^= 1;
        tiny_file_write(folder, name, bytes, n);
        expect_fresh(folder, "corrupt");
        bytes[at] ^= 1;
    }
    bytes[n / 2] = 0;
    tiny_file_write(folder, name, bytes, n);
    expect_fresh(folder, "corrupt");
    free(bytes);
    free(path);
    tiny_folder_remove(folder);
}

static void another_devices_file_is_one_line_and_counts_as_empty(void)
{
    static const char other[] =
        "cublasLt 130100, runtime 13000, driver 13000, sm_90, NVIDIA H100, float16, workspace 1"; /* as long */
    char *folder = tiny_folder_make(), *path = write_ten(folder), *theirs;
    cuda_choices *c = open_choices(folder, other); /* another name: a first start there */
    CU_ASSERT(n_notes == 0 && strcmp(path, cuda_choices_path(c)));
    theirs = strdup(cuda_choices_path(c));
    put(c, many[1]);
    cuda_choices_save(c);
    cuda_choices_close(c);
    CU_ASSERT_EQUAL(rename(theirs, path), 0); /* copied by somebody who knew better */
    expect_fresh(folder, "another device");
    free(theirs);
    free(path);
    tiny_folder_remove(folder);
}

static void a_row_that_no_start_wrote_is_refused(void)
{
    static const char *const rows[] = {
        "16 1152 384 bias alone 0.000 0 0 0 0 0 0 0 0", "16 1152 384 bias alone nan 0 0 0 0 0 0 0 0",
        "16 1152 384 tanh alone 1.000 0 0 0 0 0 0 0 0", "16 1152 384 bias both 1.000 0 0 0 0 0 0 0 0",
        "16 1152 384 bias alone 1.000 0 0 0 0 0 0 0",   "16 1152 384 bias alone 1.000 0 0 0 0 0 0 0 0 0",
    };
    char *folder = tiny_folder_make(), *path = write_ten(folder);
    char *name = strrchr(path, '/') + 1;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char     text[512];
        uint64_t sum = 0xcbf29ce484222325u;
        const int n = snprintf(text, sizeof text, "beeline gemm choices 1\n%s\n%s\n", identity, rows[i]);
        for (int k = 0; k < n; k++) sum = (sum ^ (unsigned char)text[k]) * 0x100000001b3u;
        snprintf(text + n, sizeof text - (size_t)n, "sum %016llx\n", (unsigned long long)sum);
        tiny_file_text(folder, name, text);
        expect_fresh(folder, "row");
    }
    free(path);
    tiny_folder_remove(folder);
}

static void what_cannot_be_read_or_written_is_a_line(void)
{
    char *folder = tiny_folder_make(), *path = write_ten(folder);
    unlink(path);
    CU_ASSERT_EQUAL(mkdir(path, 0700), 0); /* a folder where the file should be: unreadable, and never replaced */
    cuda_choices *c = open_choices(folder, identity);
    CU_ASSERT_EQUAL(n_notes, 1);
    put(c, many[0]);
    cuda_choices_save(c);
    CU_ASSERT_EQUAL(n_notes, 2);
    CU_ASSERT_PTR_NOT_NULL(strstr(notes[1], "not kept"));
    CU_ASSERT_EQUAL(files_in(folder), 1); /* the temporary one is gone */
    cuda_choices_close(c);
    rmdir(path);
    tiny_file_text(folder, "plain", "");
    char *no_folder = tiny_path(folder, "plain");
    c = open_choices(no_folder, identity);
    CU_ASSERT_EQUAL(n_notes, 1);
    put(c, many[0]);
    cuda_choices_save(c);
    CU_ASSERT_EQUAL(n_notes, 2);
    cuda_choices_close(c);
    free(no_folder);
    free(path);
    tiny_folder_remove(folder);
}

void cuda_choices_suite(CU_pSuite s)
{
    CU_add_test(s, "what is put is there at the next start, in one file that is replaced whole",
                what_is_put_is_there_at_the_next_start);
    CU_add_test(s, "nothing is written where nothing is new, or no folder is given", nothing_new_is_not_written);
    CU_add_test(s, "a torn or altered file is one line to the operator and counts as empty",
                a_damaged_file_is_one_line_and_counts_as_empty);
    CU_add_test(s, "a file of another device or library is one line and counts as empty",
                another_devices_file_is_one_line_and_counts_as_empty);
    CU_add_test(s, "a row that no start has written makes the file count as empty",
                a_row_that_no_start_wrote_is_refused);
    CU_add_test(s, "what cannot be read or written is a line, never a failure",
                what_cannot_be_read_or_written_is_a_line);
}
