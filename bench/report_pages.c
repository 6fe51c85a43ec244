/* report_pages.c - the command `report`: result files, each as --json wrote it, as one page. */
#include <stdio.h>
#include "bench.h"
#include "page.h"

enum { FAILED = 1, USAGE = 2 };

/* Bytes of the folder that all names share: without it they are as short as they can be told apart. */
static int shared_folder(const result *results, int n)
{
    int shared = 0;
    for (int at = 0; results[0].name[at]; at++) {
        for (int i = 1; i < n; i++)
            if (results[i].name[at] != results[0].name[at]) return shared;
        if (results[0].name[at] == '/') shared = at + 1;
    }
    return shared;
}

int bench_report(const bench_options *o)
{
    result results[PAGE_RESULTS_MAX] = {0};
    error err = {""};
    status rc = OK;
    if (!o->n_arguments || o->n_arguments > PAGE_RESULTS_MAX || !o->html) {
        fprintf(stderr, "report: %d results%s, wanted 1 to %d and -o FILE\n", o->n_arguments,
                o->html ? "" : " and no -o", PAGE_RESULTS_MAX);
        return USAGE;
    }
    for (int i = 0; i < o->n_arguments && rc == OK; i++) rc = result_read(&results[i], o->arguments[i], &err);
    const int shared = rc == OK ? shared_folder(results, o->n_arguments) : 0;
    for (int i = 0; i < o->n_arguments && shared; i++) results[i].name += shared;
    if (rc == OK) rc = page_write(o->html, results, o->n_arguments, &err);
    if (rc != OK) fprintf(stderr, "%s\n", err.text);
    for (int i = 0; i < o->n_arguments; i++) result_close(&results[i]);
    return rc != OK ? FAILED : 0;
}
