/* test_flight_dump.c - the document as a JSON parser sees it, and the file as the file system does. */
#include "server/flight_dump.h"
#include <CUnit/CUnit.h>
#include <cjson/cJSON.h>
#include <dirent.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "runtime/base/clock.h"
#include "runtime/base/flight.h"

static void attach(const char *name)
{
    error err;
    CU_ASSERT_EQUAL_FATAL(flight_attach(name, &err), OK);
}

static cJSON *parsed(const char *p, size_t n)
{
    const char *end = NULL;
    cJSON *tree = cJSON_ParseWithLengthOpts(p, n, &end, 0);
    CU_ASSERT_PTR_NOT_NULL_FATAL(tree);
    CU_ASSERT_EQUAL(end + 1, p + n); /* a line feed ends it */
    return tree;
}

static cJSON *dumped(void)
{
    out o = {0};
    flight_dump(&o, FLIGHT_EVENTS);
    CU_ASSERT_FATAL(!o.failed);
    cJSON *tree = parsed(o.p, o.n);
    out_free(&o);
    return tree;
}

static const cJSON *events_of(const cJSON *tree, const char *thread)
{
    const cJSON *ring = NULL;
    cJSON_ArrayForEach(ring, cJSON_GetObjectItem(tree, "rings"))
    {
        if (!strcmp(cJSON_GetStringValue(cJSON_GetObjectItem(ring, "thread")), thread))
            return cJSON_GetObjectItem(ring, "events");
    }
    return NULL;
}

static double number(const cJSON *event, const char *name)
{
    return cJSON_GetNumberValue(cJSON_GetObjectItem(event, name)); /* NaN where there is none */
}

static void every_event_comes_with_its_three_numbers_by_name(void)
{
    const int64_t now = clock_ns();
    attach("every \"kind\"");
    for (int k = 0; k < FLIGHT_KINDS; k++) flight_note(now - (FLIGHT_KINDS - k) * 1000000, (flight_kind)k, 10, 20, 30);
    cJSON *tree = dumped();
    const cJSON *events = events_of(tree, "every \"kind\"");
    CU_ASSERT_EQUAL_FATAL(cJSON_GetArraySize(events), FLIGHT_KINDS);
    double before = INFINITY;
    for (int k = 0; k < FLIGHT_KINDS; k++) {
        const cJSON *e = cJSON_GetArrayItem(events, k);
        const flight_row *row = &flight_rows[k];
        CU_ASSERT_STRING_EQUAL(cJSON_GetStringValue(cJSON_GetObjectItem(e, "event")), row->name);
        CU_ASSERT(number(e, "ago_us") >= (FLIGHT_KINDS - k) * 1000.0 && number(e, "ago_us") < before);
        before = number(e, "ago_us");
        CU_ASSERT_EQUAL(number(e, row->a), 10);
        if (row->b[0]) CU_ASSERT_EQUAL(number(e, row->b), 20);
        if (row->c[0]) CU_ASSERT_EQUAL(number(e, row->c), 30);
        CU_ASSERT_EQUAL(cJSON_GetArraySize(e), 3 + !!row->b[0] + !!row->c[0]);
    }
    cJSON_Delete(tree);
    flight_detach();
}

static void a_batch_looks_as_documented(void)
{
    out o = {0};
    attach("batch");
    flight_note(clock_ns() + 3600000000000, FLIGHT_BATCH, 4, 2100, 64);
    flight_dump(&o, FLIGHT_EVENTS);
    out_bytes(&o, "", 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(o.p, ",\"event\":\"batch\",\"sequences\":4,\"device_us\":2100,\"tokens\":64}"));
    CU_ASSERT_PTR_NOT_NULL(strstr(o.p, "{\"ago_us\":-3")); /* later than the document */
    out_free(&o);
    flight_detach();
}

static void taken_at_is_the_wall_clock(void)
{
    struct tm utc = {0};
    int ms = -1;
    const time_t before = time(NULL);
    cJSON *tree = dumped();
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItem(tree, "taken_at"));
    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &utc);
    CU_ASSERT_PTR_NOT_NULL_FATAL(rest);
    CU_ASSERT_EQUAL(sscanf(rest, ".%3dZ", &ms), 1);
    CU_ASSERT(strlen(rest) == 5 && rest[4] == 'Z' && ms >= 0);
    CU_ASSERT(timegm(&utc) >= before && timegm(&utc) <= time(NULL));
    cJSON_Delete(tree);
}

static void a_full_ring_comes_whole(void)
{
    attach("full");
    for (int i = 0; i < 2 * FLIGHT_EVENTS; i++) flight_note(clock_ns(), FLIGHT_REQUEST, 200, (uint64_t)i, UINT64_MAX);
    cJSON *tree = dumped();
    const cJSON *events = events_of(tree, "full");
    CU_ASSERT_EQUAL_FATAL(cJSON_GetArraySize(events), FLIGHT_EVENTS - 1);
    CU_ASSERT_EQUAL(number(events->child, "total_us"), FLIGHT_EVENTS + 1);
    CU_ASSERT_EQUAL(number(events->child->prev, "total_us"), 2 * FLIGHT_EVENTS - 1); /* cJSON's first knows the last */
    cJSON_Delete(tree);
    flight_detach();
}

static void fewer_are_the_last(void)
{
    out o = {0};
    attach("fewer");
    for (int i = 0; i < 10; i++) flight_note(clock_ns(), FLIGHT_REQUEST, 200, (uint64_t)i, 0);
    flight_dump(&o, 3);
    cJSON *tree = parsed(o.p, o.n);
    const cJSON *events = events_of(tree, "fewer");
    CU_ASSERT_EQUAL_FATAL(cJSON_GetArraySize(events), 3);
    CU_ASSERT_EQUAL(number(events->child, "total_us"), 7);
    CU_ASSERT_EQUAL(number(events->child->prev, "total_us"), 9);
    cJSON_Delete(tree);
    out_free(&o);
    flight_detach();
}

static void make_folder(char folder[32])
{
    strcpy(folder, "/tmp/flight_dump.XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
}

static int files_in(const char *folder)
{
    int n = 0;
    DIR *d = opendir(folder);
    for (const struct dirent *e; d && (e = readdir(d));) n += e->d_name[0] != '.';
    if (d) closedir(d);
    return n;
}

static void the_file_is_whole_and_for_its_owner_alone(void)
{
    char folder[32], path[PATH_MAX], want[PATH_MAX];
    struct stat st;
    error err;
    make_folder(folder);
    attach("file");
    flight_note(clock_ns(), FLIGHT_PHASE, 1, 0, 0);
    const long long before_ms = (long long)time(NULL) * 1000;
    const mode_t mask = umask(0);
    CU_ASSERT_EQUAL_FATAL(flight_dump_file(folder, path, &err), OK);
    umask(mask);
    const int n = snprintf(want, sizeof want, "%s/beeline-flight-%d-", folder, (int)getpid());
    CU_ASSERT_EQUAL(strncmp(path, want, (size_t)n), 0);
    char *end;
    CU_ASSERT(strtoll(path + n, &end, 10) >= before_ms);
    CU_ASSERT_STRING_EQUAL(end, ".json");
    CU_ASSERT_EQUAL_FATAL(stat(path, &st), 0);
    CU_ASSERT_EQUAL(st.st_mode & 07777, 0600);
    FILE *f = fopen(path, "r");
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    char *whole = malloc((size_t)st.st_size + 1);
    CU_ASSERT_EQUAL(fread(whole, 1, (size_t)st.st_size + 1, f), (size_t)st.st_size);
    fclose(f);
    cJSON *tree = parsed(whole, (size_t)st.st_size);
    CU_ASSERT_PTR_NOT_NULL(events_of(tree, "file"));
    cJSON_Delete(tree);
    free(whole);
    unlink(path);
    rmdir(folder);
    flight_detach();
}

static void a_file_that_cannot_be_whole_is_removed(void)
{
    char folder[32], path[PATH_MAX];
    struct rlimit whole, little;
    error err = {""};
    make_folder(folder);
    attach("too large");
    for (int i = 0; i < 100; i++) flight_note(clock_ns(), FLIGHT_REQUEST, 200, 1, 1);
    CU_ASSERT_EQUAL_FATAL(getrlimit(RLIMIT_FSIZE, &whole), 0);
    little = whole;
    little.rlim_cur = 100;
    void (*old)(int) = signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &little);
    const status rc = flight_dump_file(folder, path, &err);
    setrlimit(RLIMIT_FSIZE, &whole);
    signal(SIGXFSZ, old);
    CU_ASSERT_EQUAL(rc, IO_FAILED);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "File too large after 100 of "));
    CU_ASSERT_STRING_EQUAL(path, "");
    CU_ASSERT_EQUAL(files_in(folder), 0);
    rmdir(folder);
    flight_detach();
}

/* Links lie in wait under the names of the next half second. */
static void what_lies_in_its_place_stays(void)
{
    enum { NAMES = 500, PATIENCE = 100 };
    char folder[32], path[PATH_MAX], bait[NAMES][64], target[64];
    status rc = OK;
    error err = {""};
    make_folder(folder);
    snprintf(target, sizeof target, "%s/.target", folder);
    for (int tries = 0; rc == OK && tries < PATIENCE; tries++) {
        struct timespec wall;
        clock_gettime(CLOCK_REALTIME, &wall);
        for (int i = 0; i < NAMES; i++) {
            snprintf(bait[i], sizeof bait[i], "%s/beeline-flight-%d-%lld.json", folder, (int)getpid(),
                     (long long)wall.tv_sec * 1000 + wall.tv_nsec / 1000000 + i);
            CU_ASSERT_EQUAL(symlink(target, bait[i]), 0);
        }
        rc = flight_dump_file(folder, path, &err);
        if (rc == OK) unlink(path); /* the names were used up before: again */
        else CU_ASSERT_EQUAL(files_in(folder), NAMES);
        for (int i = 0; i < NAMES; i++) unlink(bait[i]);
    }
    CU_ASSERT_EQUAL(rc, IO_FAILED);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "File exists"));
    CU_ASSERT_EQUAL(access(target, F_OK), -1);
    unlink(target);
    rmdir(folder);
}

static void a_folder_that_is_not_there_is_named(void)
{
    char path[PATH_MAX], *endless = calloc(1, PATH_MAX + 1);
    error err = {""};
    CU_ASSERT_EQUAL(flight_dump_file("/nonexistent/folder", path, &err), IO_FAILED);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "/nonexistent/folder/beeline-flight-"));
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "No such file or directory"));
    CU_ASSERT_STRING_EQUAL(path, "");
    CU_ASSERT_EQUAL(flight_dump_file(memset(endless, '/', PATH_MAX), path, &err), BAD_INPUT);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "the limit is 4095"));
    CU_ASSERT_STRING_EQUAL(path, "");
    free(endless);
}

void flight_dump_suite(CU_pSuite s)
{
    CU_ADD_TEST(s, every_event_comes_with_its_three_numbers_by_name);
    CU_ADD_TEST(s, a_batch_looks_as_documented);
    CU_ADD_TEST(s, taken_at_is_the_wall_clock);
    CU_ADD_TEST(s, a_full_ring_comes_whole);
    CU_ADD_TEST(s, fewer_are_the_last);
    CU_ADD_TEST(s, the_file_is_whole_and_for_its_owner_alone);
    CU_ADD_TEST(s, a_file_that_cannot_be_whole_is_removed);
    CU_ADD_TEST(s, what_lies_in_its_place_stays);
    CU_ADD_TEST(s, a_folder_that_is_not_there_is_named);
}
