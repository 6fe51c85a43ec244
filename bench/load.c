/* load.c - a load on a server, open loop unless it is told otherwise: requests are sent when they are due, whatever
 * became of those before them.
 *
 * Read "intended" for what a caller saw; "service" beside it shows what waiting for a connection of this client added.
 * goodput counts the 200s seen before the schedule's end, over the schedule's length.  Windows are by the time of the
 * reply. */
#include <stdio.h>
#include "bench.h"
#include "load_hist.h"
#include "load_report.h"

enum { FAILED = 1, USAGE = 2, INVALID = 3 };

static status write_hist(const load_outcome *run, const char *file, error *err)
{
    static load_latency intended, service; /* 13 KiB each */
    load_served(&intended, &service, run->tally);
    return load_hist_write(&intended, file, err);
}

int bench_load(const bench_options *o)
{
    static load_plan p;
    load_outcome run = {0};
    error err = {""};
    if (load_plan_read(&p, o, &err) != OK) {
        fprintf(stderr, "%s\n", err.text);
        return USAGE;
    }
    load_report_plan(o->report, &p);
    status rc = load_run(&run, &p, &err);
    const bool invalid = run.verdict.n > 0, usage = rc == BAD_INPUT;
    if (rc == OK) load_report_outcome(o->report, &p, &run);
    if (rc == OK && o->hist) rc = write_hist(&run, o->hist, &err);
    if (rc != OK) fprintf(stderr, "%s\n", err.text);
    load_outcome_close(&run);
    return usage ? USAGE : rc != OK ? FAILED : invalid ? INVALID : 0;
}
