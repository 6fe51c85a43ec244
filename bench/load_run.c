/* load_run.c - from a plan to what came of it: schedule, requests, the run itself, the verdict. */
#include "load_run.h"
#include <stdio.h>
#include <unistd.h>
#include "load_connections.h"

static void show_progress(const load_tally *t, double seconds, int waiting)
{
    int64_t replies[2] = {0}; /* 200, all */
    for (int i = 1; i < t->n_rows; i++) {
        replies[1] += t->rows[i].n;
        if (t->rows[i].code == 200) replies[0] += t->rows[i].n;
    }
    fprintf(stderr, "\r%4.0f s  sent %lld  200 %lld  others %lld  waiting %d   ", seconds, (long long)t->sent,
            (long long)replies[0], (long long)(replies[1] - replies[0]), waiting);
}

void load_outcome_close(load_outcome *o)
{
    load_tally_close(o->tally);
    *o = (load_outcome){0};
}

status load_run(load_outcome *out, const load_plan *p, error *err)
{
    load_schedule s = {0};
    load_requests pool = {0};
    *out = (load_outcome){0};
    status rc = load_tally_open(&out->tally, err);
    if (rc == OK) rc = load_schedule_open(&s, p->arrivals, p->rate, p->duration_ns, p->seed, err);
    if (rc == OK) rc = load_requests_open(&pool, p, err);
    const load_job job = {p, &s, &pool, isatty(STDERR_FILENO) ? show_progress : NULL};
    if (rc == OK) rc = load_connections_run(out->tally, &job, err);
    if (rc == OK && job.progress) fprintf(stderr, "\r%78s\r", "");
    out->due = s.n;
    if (rc == OK) out->verdict = load_judge(out->tally, s.n);
    else load_outcome_close(out);
    load_requests_close(&pool);
    load_schedule_close(&s);
    return rc;
}
