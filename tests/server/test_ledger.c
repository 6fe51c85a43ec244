/* test_ledger.c - the file as the next process reads it, and what is left when the disk says no. */
#include "server/ledger.h"
#include <CUnit/CUnit.h>
#include <cjson/cJSON.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static const state_version one = {"v1", "1.0", "aa"};
static char folder[32], path[64];
static state *kept;

static const char *in_folder(const char *name)
{
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void make_folder(void)
{
    strcpy(folder, "/tmp/ledger.XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
}

static void remove_folder(void)
{
    static const char *const names[] = {"lock", "exits.json", "ledger.jsonl"};
    for (int i = 0; i < 3; i++) unlink(in_folder(names[i]));
    CU_ASSERT_EQUAL(rmdir(folder), 0);
}

static ledger *opened(const char *directory)
{
    ledger *l;
    error err;
    CU_ASSERT_EQUAL_FATAL(state_open(&kept, directory, &err), OK);
    CU_ASSERT_EQUAL_FATAL(ledger_open(&l, kept, &err), OK);
    return l;
}

static void closed(ledger *l)
{
    ledger_close(l);
    state_close(kept);
}

static void put(const char *text)
{
    FILE *f = fopen(in_folder("ledger.jsonl"), "a");
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    fputs(text, f);
    fclose(f);
}

static char *file_text(void)
{
    char *text = calloc(1, 1 << 16);
    FILE *f = fopen(in_folder("ledger.jsonl"), "r");
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    CU_ASSERT(fread(text, 1, (1 << 16) - 1, f) < (1 << 16) - 1);
    fclose(f);
    return text;
}

static cJSON *written(ledger *l, int n)
{
    out o = {0};
    ledger_write(&o, l, n);
    cJSON *tree = cJSON_ParseWithLength(o.p, o.n);
    CU_ASSERT_FATAL(cJSON_IsArray(tree));
    out_free(&o);
    return tree;
}

static int lines_of(ledger *l)
{
    cJSON *tree = written(l, LEDGER_KEPT);
    const int n = cJSON_GetArraySize(tree);
    cJSON_Delete(tree);
    return n;
}

static const char *text_of(const cJSON *line, const char *name)
{
    const char *s = cJSON_GetStringValue(cJSON_GetObjectItem(line, name));
    return s ? s : "(none)";
}

static void step(ledger *l, int64_t release, const char *name, ledger_outcome outcome)
{
    ledger_append(
        l,
        &(ledger_line){
            .action = LEDGER_RELEASE, .outcome = outcome, .release = release, .step = name, .version = &one, .ms = 1});
}

static void a_line_says_all_that_it_was_given(void)
{
    make_folder();
    ledger *l = opened(folder);
    ledger_append(
        l, &(ledger_line){LEDGER_RELEASE, LEDGER_OK, 12, "load", &one, "0.9", "ada@host", "a \"why\"\n", "d", 412.13});
    ledger_append(l, &(ledger_line){.action = LEDGER_STOP, .outcome = LEDGER_OK, .ms = -1});
    char *text = file_text();
    CU_ASSERT_PTR_NOT_NULL(
        strstr(text, "Z\",\"release\":12,\"action\":\"release\",\"step\":\"load\",\"outcome\":\"ok\","
                     "\"version\":\"1.0\",\"directory\":\"v1\",\"digest\":\"aa\",\"previous\":\"0.9\","
                     "\"who\":\"ada@host\",\"why\":\"a \\\"why\\\"\\n\",\"ms\":412.1,\"detail\":\"d\"}\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "Z\",\"action\":\"stop\",\"outcome\":\"ok\"}\n"));
    free(text);
    closed(l);
    remove_folder();
}

static void numbers_go_on_where_the_file_ends(void)
{
    make_folder();
    ledger *l = opened(folder);
    CU_ASSERT_EQUAL(ledger_next_release(l), 1);
    step(l, 1, "done", LEDGER_OK);
    CU_ASSERT_EQUAL(ledger_next_release(l), 2);
    ledger_append(l, &(ledger_line){.action = LEDGER_ROLLBACK, .outcome = LEDGER_OK, .release = 2, .ms = 0.1});
    closed(l);
    l = opened(folder);
    CU_ASSERT_EQUAL(lines_of(l), 2);
    CU_ASSERT_EQUAL(ledger_next_release(l), 3);
    closed(l);
    remove_folder();
}

static void garbage_stays_and_is_skipped(void)
{
    make_folder();
    put("garbage\n\n[1]\n\xff\xfe\n{\"release\":7,\"action\":\"rollback\",\"outcome\":\"ok\"}\n{\"release\":9,\"act");
    ledger *l = opened(folder);
    CU_ASSERT_EQUAL(lines_of(l), 1);
    CU_ASSERT_EQUAL(ledger_next_release(l), 8);
    step(l, 8, "done", LEDGER_OK);
    step(l, 9, "done", LEDGER_OK);
    char *text = file_text();
    CU_ASSERT_EQUAL(strncmp(text, "garbage\n\n[1]\n\xff\xfe\n{\"release\":7", 27), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "{\"release\":9,\"act\n{\"at\""));
    CU_ASSERT_PTR_NULL(strstr(strstr(text, "act\n"), "\n\n"));
    free(text);
    closed(l);
    l = opened(folder);
    CU_ASSERT_EQUAL(lines_of(l), 3);
    closed(l);
    remove_folder();
}

static void a_line_longer_than_any_of_ours_is_skipped_whole(void)
{
    make_folder();
    char *line = malloc(100001);
    memset(line, ' ', 100000);
    line[100000] = 0;
    put(line);
    put("{}\n{\"release\":3}\n");
    put(line);
    ledger *l = opened(folder);
    CU_ASSERT_EQUAL(lines_of(l), 1);
    step(l, 4, "done", LEDGER_OK);
    closed(l);
    l = opened(folder);
    CU_ASSERT_EQUAL(lines_of(l), 2);
    free(line);
    closed(l);
    remove_folder();
}

static void the_longest_line_is_read_back(void)
{
    char endless[5000], controls[5000];
    make_folder();
    memset(endless, '\xff', sizeof endless - 1); /* no UTF-8 at all */
    memset(controls, 1, sizeof controls - 1);    /* six bytes each */
    endless[sizeof endless - 1] = controls[sizeof controls - 1] = 0;
    ledger *l = opened(folder);
    ledger_append(
        l, &(ledger_line){LEDGER_RELEASE, LEDGER_FAILED, 1, controls, &one, endless, controls, controls, controls, 1});
    closed(l);
    l = opened(folder);
    CU_ASSERT_EQUAL(lines_of(l), 1);
    closed(l);
    remove_folder();
}

static void the_last_lines_come_oldest_first(void)
{
    make_folder();
    ledger *l = opened("");
    for (int i = 1; i <= LEDGER_KEPT + 10; i++) step(l, i, "done", LEDGER_OK);
    CU_ASSERT_EQUAL(lines_of(l), LEDGER_KEPT);
    cJSON *tree = written(l, 3);
    CU_ASSERT_EQUAL(cJSON_GetArraySize(tree), 3);
    for (int i = 0; i < 3; i++)
        CU_ASSERT_EQUAL(cJSON_GetNumberValue(cJSON_GetObjectItem(cJSON_GetArrayItem(tree, i), "release")),
                        LEDGER_KEPT + 8 + i);
    cJSON_Delete(tree);
    closed(l);
    remove_folder();
}

static void a_release_without_an_end_is_interrupted_once(void)
{
    state_version v;
    char at[16];
    make_folder();
    ledger *l = opened(folder);
    step(l, 1, "done", LEDGER_OK);
    step(l, 2, "check", LEDGER_BEGUN);
    step(l, 2, "load", LEDGER_OK);
    CU_ASSERT(!ledger_interrupted(l, &v, at));
    closed(l);
    l = opened(folder);
    CU_ASSERT(ledger_interrupted(l, &v, at));
    CU_ASSERT_STRING_EQUAL(v.directory, "v1");
    CU_ASSERT_STRING_EQUAL(at, "load");
    cJSON *tree = written(l, 1);
    CU_ASSERT_STRING_EQUAL(text_of(tree->child, "outcome"), "interrupted");
    CU_ASSERT_STRING_EQUAL(text_of(tree->child, "digest"), "aa");
    cJSON_Delete(tree);
    closed(l);
    l = opened(folder);
    CU_ASSERT(!ledger_interrupted(l, &v, at));
    CU_ASSERT_EQUAL(lines_of(l), 4);
    closed(l);
    remove_folder();
}

static void every_end_counts_once(void)
{
    int64_t n[2][3];
    ledger *l = opened("");
    step(l, 1, "check", LEDGER_BEGUN);
    step(l, 1, "load", LEDGER_OK);
    step(l, 1, "done", LEDGER_OK);
    step(l, 2, "contract", LEDGER_REFUSED);
    step(l, 3, "golden", LEDGER_FAILED);
    step(l, 4, "bake", LEDGER_ROLLED_BACK);
    ledger_append(l, &(ledger_line){.action = LEDGER_ROLLBACK, .outcome = LEDGER_REFUSED, .release = 5, .ms = -1});
    ledger_append(l, &(ledger_line){.action = LEDGER_START, .outcome = LEDGER_OK, .ms = -1});
    ledger_count(l, n);
    CU_ASSERT(n[0][0] == 1 && n[0][1] == 1 && n[0][2] == 2);
    CU_ASSERT(n[1][0] == 1 && n[1][1] == 1 && n[1][2] == 0);
    closed(l);
}

static void a_full_disk_costs_lines_of_the_file_and_none_in_memory(void)
{
    struct rlimit whole, little;
    make_folder();
    ledger *l = opened(folder);
    step(l, 1, "done", LEDGER_OK);
    CU_ASSERT_EQUAL_FATAL(getrlimit(RLIMIT_FSIZE, &whole), 0);
    little = whole;
    little.rlim_cur = 200; /* within the second line */
    void (*old)(int) = signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &little);
    step(l, 2, "done", LEDGER_OK);
    step(l, 3, "done", LEDGER_OK);
    setrlimit(RLIMIT_FSIZE, &whole);
    signal(SIGXFSZ, old);
    CU_ASSERT_EQUAL(state_write_errors(kept), 2);
    CU_ASSERT_EQUAL(lines_of(l), 3);
    step(l, 4, "done", LEDGER_OK);
    CU_ASSERT_EQUAL(state_write_errors(kept), 2);
    closed(l);
    l = opened(folder);
    CU_ASSERT_EQUAL(lines_of(l), 2); /* 1 and 4 */
    closed(l);
    remove_folder();
}

static void a_link_is_refused_and_memory_serves(void)
{
    make_folder();
    CU_ASSERT_EQUAL(symlink("/dev/full", in_folder("ledger.jsonl")), 0);
    ledger *l = opened(folder);
    CU_ASSERT_EQUAL(state_write_errors(kept), 1);
    step(l, 1, "done", LEDGER_OK);
    CU_ASSERT_EQUAL(state_write_errors(kept), 2);
    CU_ASSERT_EQUAL(lines_of(l), 1);
    closed(l);
    remove_folder();
}

enum { WRITERS = 3, EACH = 50 };

static void *write_lines(void *l)
{
    for (int i = 0; i < EACH; i++)
        ledger_append(l, &(ledger_line){.action = LEDGER_ROLLBACK, .outcome = LEDGER_OK, .version = &one, .ms = 1});
    return NULL;
}

static void lines_of_threads_do_not_mix(void)
{
    pthread_t writers[WRITERS];
    out all = {0};
    make_folder();
    ledger *l = opened(folder);
    for (int i = 0; i < WRITERS; i++) CU_ASSERT_EQUAL_FATAL(pthread_create(&writers[i], NULL, write_lines, l), 0);
    for (int i = 0; i < WRITERS; i++) pthread_join(writers[i], NULL);
    closed(l);
    l = opened(folder);
    ledger_write(&all, l, LEDGER_KEPT);
    out_bytes(&all, "", 1);
    cJSON *lines = cJSON_Parse(all.p);
    CU_ASSERT_EQUAL(cJSON_GetArraySize(lines), WRITERS * EACH);
    cJSON_Delete(lines);
    out_free(&all);
    closed(l);
    remove_folder();
}

void ledger_suite(CU_pSuite s)
{
    CU_add_test(s, "lines of several threads do not mix", lines_of_threads_do_not_mix);
    CU_add_test(s, "a line says all that it was given", a_line_says_all_that_it_was_given);
    CU_add_test(s, "numbers go on where the file ends", numbers_go_on_where_the_file_ends);
    CU_add_test(s, "R105 garbage stays and is skipped", garbage_stays_and_is_skipped);
    CU_add_test(s, "a line longer than any of ours is skipped whole", a_line_longer_than_any_of_ours_is_skipped_whole);
    CU_add_test(s, "the longest line is read back", the_longest_line_is_read_back);
    CU_add_test(s, "the last lines come oldest first", the_last_lines_come_oldest_first);
    CU_add_test(s, "a release without an end is interrupted once", a_release_without_an_end_is_interrupted_once);
    CU_add_test(s, "every end counts once", every_end_counts_once);
    CU_add_test(s, "R104 a full disk costs lines of the file and none in memory",
                a_full_disk_costs_lines_of_the_file_and_none_in_memory);
    CU_add_test(s, "a link is refused and memory serves", a_link_is_refused_and_memory_serves);
}
