/* test_report_pages.c - the command `report`: its words, its files, its exit status. */
#include <CUnit/CUnit.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "bench/bench.h"
#include "bench/page.h"

static char folder[64], good[128], bad[128], page[128];

static void put(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    fputs(text, f);
    fclose(f);
}

static void make_folder(void)
{
    snprintf(folder, sizeof folder, "/tmp/beeline-report.XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
    snprintf(good, sizeof good, "%s/good.json", folder);
    snprintf(bad, sizeof bad, "%s/bad.json", folder);
    snprintf(page, sizeof page, "%s/page.html", folder);
    put(good, "{\"environment\": {}, \"notes\": [\"INVALID: late\"], \"rows\": []}");
    put(bad, "{\"environment\": {}, ");
}

static void drop_folder(void)
{
    unlink(good);
    unlink(bad);
    unlink(page);
    CU_ASSERT_EQUAL(rmdir(folder), 0);
}

static int report_of(const char *const *files, int n, const char *html)
{
    bench_options o = {.html = html, .n_arguments = n};
    for (int i = 0; i < n; i++) o.arguments[i] = files[i];
    return bench_report(&o);
}

static void results_become_a_page(void)
{
    make_folder();
    CU_ASSERT_EQUAL(report_of((const char *[]){good}, 1, page), 0); /* an INVALID run is a result like another */
    CU_ASSERT_EQUAL(access(page, R_OK), 0);
    CU_ASSERT_EQUAL(report_of((const char *[]){good, good}, 2, page), 0);
    drop_folder();
}

/* The page has each of these headings. */
static void names_are(const char *const *files, const char *const *wanted, int n)
{
    static char text[200000];
    CU_ASSERT_EQUAL(report_of(files, n, page), 0);
    FILE *f = fopen(page, "r");
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    text[fread(text, 1, sizeof text - 1, f)] = 0;
    fclose(f);
    for (int i = 0; i < n; i++) {
        char heading[160];
        snprintf(heading, sizeof heading, n > 1 ? "<h2>%s</h2>" : "<h1>%s</h1>", wanted[i]);
        CU_ASSERT_PTR_NOT_NULL(strstr(text, heading));
    }
}

static void names_lose_the_folder_that_all_share(void)
{
    char again[160];
    make_folder();
    snprintf(again, sizeof again, "%s/./good.json", folder);
    names_are((const char *[]){good}, (const char *[]){"good.json"}, 1);
    names_are((const char *[]){good, good}, (const char *[]){"good.json", "good.json"}, 2);
    names_are((const char *[]){good, again}, (const char *[]){"good.json", "./good.json"}, 2);
    drop_folder();
}

static void one_broken_file_is_a_failure_without_a_page(void)
{
    make_folder();
    CU_ASSERT_EQUAL(report_of((const char *[]){good, bad}, 2, page), 1);
    CU_ASSERT_EQUAL(report_of((const char *[]){page}, 1, page), 1);
    CU_ASSERT_NOT_EQUAL(access(page, F_OK), 0);
    CU_ASSERT_EQUAL(report_of((const char *[]){good}, 1, folder), 1);
    drop_folder();
}

static void what_is_missing_is_wrong_use(void)
{
    const char *many[PAGE_RESULTS_MAX + 1];
    make_folder();
    for (int i = 0; i <= PAGE_RESULTS_MAX; i++) many[i] = good;
    CU_ASSERT_EQUAL(report_of(many, 0, page), 2);
    CU_ASSERT_EQUAL(report_of(many, 1, NULL), 2);
    CU_ASSERT_EQUAL(report_of(many, PAGE_RESULTS_MAX + 1, page), 2);
    CU_ASSERT_NOT_EQUAL(access(page, F_OK), 0);
    CU_ASSERT_EQUAL(report_of(many, PAGE_RESULTS_MAX, page), 0);
    drop_folder();
}

void report_pages_suite(CU_pSuite s)
{
    CU_add_test(s, "results become a page", results_become_a_page);
    CU_add_test(s, "names lose the folder that all share", names_lose_the_folder_that_all_share);
    CU_add_test(s, "one broken file is a failure without a page", one_broken_file_is_a_failure_without_a_page);
    CU_add_test(s, "what is missing, or too much, is wrong use", what_is_missing_is_wrong_use);
}
