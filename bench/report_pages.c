/* report_pages.c - the command `report`: result files, each as --json wrote it, as one page. */
#include <stdio.h>
#include "bench.h"
#include "page.h"

enum { FAILED = 1, USAGE = 2 };

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
    if (rc == OK) rc = page_write(o->html, results, o->n_arguments, &err);
    if (rc != OK) fprintf(stderr, "%s\n", err.text);
    for (int i = 0; i < o->n_arguments; i++) result_close(&results[i]);
    return rc != OK ? FAILED : 0;
}
