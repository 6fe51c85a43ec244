/* test_state.c - what the next process knows, after every kind of end and with every kind of broken folder. */
#include "server/state.h"
#include <CUnit/CUnit.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "runtime/base/log.h"

static const state_version none, one = {"v1", "1.0", "aa"}, two = {"v2", "2.0 \"b\"", "bb"};
static char folder[32], path[64];

static const char *in_folder(const char *name)
{
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void make_folder(void)
{
    strcpy(folder, "/tmp/state.XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
}

static void remove_folder(void)
{
    static const char *const names[] = {"lock", "current.json", "exits.json", "ledger.jsonl", "target"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) unlink(in_folder(names[i]));
    CU_ASSERT_EQUAL(rmdir(folder), 0); /* nothing else was left there */
}

static void put(const char *name, const char *text)
{
    FILE *f = fopen(in_folder(name), "w");
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    fputs(text, f);
    fclose(f);
}

static state *opened(const char *directory)
{
    state *s;
    error err;
    CU_ASSERT_EQUAL_FATAL(state_open(&s, directory, &err), OK);
    return s;
}

static bool same(const state_version *a, const state_version *b)
{
    return !strcmp(a->directory, b->directory) && !strcmp(a->version, b->version) && !strcmp(a->digest, b->digest);
}

static void knows(const state *s, const state_version *current, const state_version *previous)
{
    state_version c, p;
    state_versions(s, &c, &p);
    CU_ASSERT(same(&c, current));
    CU_ASSERT(same(&p, previous));
}

static void the_next_process_knows_both_versions(void)
{
    error err;
    make_folder();
    state *s = opened(folder);
    knows(s, &none, &none);
    CU_ASSERT_EQUAL(state_set_versions(s, &one, &none, &err), OK);
    CU_ASSERT_EQUAL(state_set_versions(s, &two, &one, &err), OK);
    CU_ASSERT_STRING_EQUAL(state_directory(s), folder);
    state_close(s);
    s = opened(folder);
    knows(s, &two, &one);
    CU_ASSERT_EQUAL(state_write_errors(s), 0);
    state_close(s);
    remove_folder();
}

static void a_missing_folder_is_made_for_its_owner_alone(void)
{
    struct stat st;
    error err;
    make_folder();
    rmdir(folder);
    const mode_t mask = umask(0);
    state *s = opened(folder);
    CU_ASSERT_EQUAL(state_set_versions(s, &one, &none, &err), OK);
    umask(mask);
    CU_ASSERT_EQUAL(stat(folder, &st), 0);
    CU_ASSERT_EQUAL(st.st_mode & 07777, 0700);
    static const char *const names[] = {"lock", "current.json", "exits.json"};
    for (int i = 0; i < 3; i++) {
        CU_ASSERT_EQUAL(stat(in_folder(names[i]), &st), 0);
        CU_ASSERT_EQUAL(st.st_mode & 07777, 0600);
    }
    state_close(s);
    remove_folder();
}

static void a_torn_document_is_said_and_leaves_no_version(void)
{
    static const char *const torn[] = {"",
                                       "{\"current\":{\"directory\":\"v1\",",
                                       "garbage",
                                       "[]",
                                       "{\"current\":null}",
                                       "{\"current\":{\"directory\":\"v1\",\"version\":\"1\"},\"previous\":null}",
                                       "{\"current\":{\"directory\":\"v1\",\"version\":\"1\",\"digest\":\"a\"}}"};
    error err;
    for (size_t i = 0; i < sizeof torn / sizeof *torn; i++) {
        make_folder();
        put("current.json", torn[i]);
        const long said = log_said(LOG_ERROR);
        state *s = opened(folder);
        CU_ASSERT_EQUAL(log_said(LOG_ERROR), said + 1);
        knows(s, &none, &none);
        CU_ASSERT_EQUAL(state_set_versions(s, &one, &none, &err), OK);
        state_close(s);
        s = opened(folder);
        knows(s, &one, &none);
        state_close(s);
        remove_folder();
    }
}

static void a_name_too_long_for_its_field_is_not_cut(void)
{
    char text[400];
    make_folder();
    snprintf(text, sizeof text,
             "{\"current\":{\"directory\":\"%0128d\",\"version\":\"1\",\"digest\":\"a\"},\"previous\":null}", 7);
    put("current.json", text);
    state *s = opened(folder);
    knows(s, &none, &none);
    state_close(s);
    remove_folder();
}

static void who_has_not_said_how_it_ended_has_crashed(void)
{
    make_folder();
    state *s = opened(folder);
    CU_ASSERT(!state_crashed(s)); /* the first process of all */
    CU_ASSERT_EQUAL(state_last_exit(s, EXIT_REASON_CRASH), 0);
    state_close(s);
    const struct timespec long_ago[2] = {{.tv_sec = 1000000}, {.tv_sec = 1000000}};
    CU_ASSERT_EQUAL(utimensat(AT_FDCWD, in_folder("exits.json"), long_ago, 0), 0);
    s = opened(folder);
    CU_ASSERT(state_crashed(s));
    CU_ASSERT_EQUAL(state_last_exit(s, EXIT_REASON_CRASH), 1000000);
    const int64_t before = time(NULL);
    state_set_exit(s, EXIT_REASON_GPU_LOST);
    CU_ASSERT(state_last_exit(s, EXIT_REASON_GPU_LOST) >= before);
    state_close(s);
    s = opened(folder);
    CU_ASSERT(!state_crashed(s)); /* it was known why */
    CU_ASSERT_EQUAL(state_last_exit(s, EXIT_REASON_CRASH), 1000000);
    CU_ASSERT(state_last_exit(s, EXIT_REASON_GPU_LOST) >= before);
    CU_ASSERT_EQUAL(state_last_exit(s, EXIT_REASON_CLEAN), 0);
    state_close(s);
    remove_folder();
}

static void a_second_server_reads_and_does_not_write(void)
{
    error err = {""};
    make_folder();
    state *first = opened(folder);
    CU_ASSERT_EQUAL(state_set_versions(first, &one, &none, &err), OK);
    state *second = opened(folder);
    CU_ASSERT_STRING_EQUAL(state_directory(second), "");
    CU_ASSERT(!state_crashed(second));
    knows(second, &one, &none);
    CU_ASSERT_EQUAL(state_set_versions(second, &two, &one, &err), IO_FAILED);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "not ours"));
    knows(second, &two, &one); /* in force in memory all the same */
    CU_ASSERT_EQUAL(state_write_errors(second), 2);
    state_close(second);
    state_close(first);
    first = opened(folder);
    knows(first, &one, &none);
    state_close(first);
    remove_folder();
}

static void links_are_not_followed(void)
{
    error err = {""};
    make_folder();
    char target[64];
    strcpy(target, in_folder("target"));
    CU_ASSERT_EQUAL(symlink(target, in_folder("lock")), 0);
    state *s = opened(folder);
    CU_ASSERT_STRING_EQUAL(state_directory(s), "");
    CU_ASSERT_EQUAL(access(target, F_OK), -1);
    state_close(s);
    unlink(in_folder("lock"));
    put("target", "{\"current\":{\"directory\":\"v1\",\"version\":\"1\",\"digest\":\"a\"},\"previous\":null}");
    CU_ASSERT_EQUAL(symlink(target, in_folder("current.json")), 0);
    s = opened(folder);
    knows(s, &none, &none);
    CU_ASSERT_EQUAL(state_set_versions(s, &two, &none, &err), OK); /* takes the link's place */
    state_close(s);
    struct stat st;
    CU_ASSERT(!lstat(in_folder("current.json"), &st) && S_ISREG(st.st_mode));
    remove_folder();
}

static void a_fifo_keeps_nobody_waiting(void)
{
    make_folder();
    CU_ASSERT_EQUAL(mkfifo(in_folder("current.json"), 0600), 0);
    state *s = opened(folder);
    knows(s, &none, &none);
    state_close(s);
    remove_folder();
}

static void a_folder_that_cannot_be_is_counted_and_memory_serves(void)
{
    static const char *const bad[] = {"/dev/null/state", "/dev/null", "/nonexistent/a/b"};
    error err = {""};
    for (int i = 0; i < 3; i++) {
        state *s = opened(bad[i]);
        CU_ASSERT_STRING_EQUAL(state_directory(s), "");
        CU_ASSERT_EQUAL(state_write_errors(s), 1);
        CU_ASSERT_EQUAL(state_set_versions(s, &one, &none, &err), IO_FAILED);
        CU_ASSERT_EQUAL(state_write_errors(s), 2);
        knows(s, &one, &none);
        state_set_exit(s, EXIT_REASON_CLEAN);
        CU_ASSERT(state_last_exit(s, EXIT_REASON_CLEAN) > 0);
        state_close(s);
    }
}

static void without_a_folder_memory_is_all_that_is_asked_for(void)
{
    error err;
    state *s = opened("");
    CU_ASSERT_EQUAL(state_set_versions(s, &one, &none, &err), OK);
    knows(s, &one, &none);
    state_set_exit(s, EXIT_REASON_CLEAN);
    CU_ASSERT_EQUAL(state_write_errors(s), 0);
    state_close(s);
    state_close(NULL);
}

void state_suite(CU_pSuite s)
{
    CU_add_test(s, "the next process knows both versions", the_next_process_knows_both_versions);
    CU_add_test(s, "a missing folder is made for its owner alone", a_missing_folder_is_made_for_its_owner_alone);
    CU_add_test(s, "R105 a torn document is said and leaves no version", a_torn_document_is_said_and_leaves_no_version);
    CU_add_test(s, "a name too long for its field is not cut", a_name_too_long_for_its_field_is_not_cut);
    CU_add_test(s, "who has not said how it ended has crashed", who_has_not_said_how_it_ended_has_crashed);
    CU_add_test(s, "a second server reads and does not write", a_second_server_reads_and_does_not_write);
    CU_add_test(s, "links are not followed", links_are_not_followed);
    CU_add_test(s, "a fifo keeps nobody waiting", a_fifo_keeps_nobody_waiting);
    CU_add_test(s, "R106 a folder that cannot be is counted and memory serves",
                a_folder_that_cannot_be_is_counted_and_memory_serves);
    CU_add_test(s, "without a folder memory is all that is asked for",
                without_a_folder_memory_is_all_that_is_asked_for);
}
