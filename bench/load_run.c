/* load_run.c - from a plan to what came of it: schedule, requests, warm-up, the run itself, the verdict. */
#include "load_run.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "load_connections.h"
#include "load_get.h"
#include "load_replay.h"

enum { LINE = 96 };

/* "-" where there are too few for it. */
static void put_ms(char text[16], const load_latency *l, double q)
{
    const double ms = load_quantile_ms(l, q);
    snprintf(text, 16, isnan(ms) ? "-" : "%.2f", ms);
}

static void show_progress(const load_progress *p)
{
    char line[LINE + 1], p50[16], p99[16];
    const load_window *w = p->window;
    put_ms(p50, &w->intended, 0.5);
    put_ms(p99, &w->intended, 0.99);
    snprintf(line, sizeof line, "%s %3.0f s  %.0f/s  p50 %s p99 %s ms  refused %lld  errors %lld  waiting %d", p->phase,
             p->seconds, (double)w->intended.sum.total / p->lately_s, p50, p99, (long long)w->refused,
             (long long)w->errors, p->waiting);
    fprintf(stderr, "\r%-*s", LINE, line);
}

void load_outcome_close(load_outcome *o)
{
    load_tally_close(o->tally);
    *o = (load_outcome){0};
}

/* ---- the server's batches -----------------------------------------------------------------------------------------
 */

typedef struct {
    const load_plan *plan;
    load_batches at[2]; /* before the first request that counts, after the last reply */
    int marks;
    error why; /* the second could not be had: the run is worth as much without it */
} batch_marks;

static status read_batches(load_batches *out, const load_plan *p, error *err)
{
    char *text;
    status rc = load_get(&text, p->ops_host, p->ops_port, "/metrics", err);
    if (rc != OK) return rc;
    rc = load_batches_read(out, text, err);
    free(text);
    return rc;
}

static status mark_batches(void *context, error *err)
{
    batch_marks *m = context;
    const int at = m->marks++;
    const status rc = read_batches(&m->at[at], m->plan, at ? &m->why : err);
    return at ? OK : rc;
}

static void take_batches(load_outcome *out, batch_marks *m)
{
    out->why_no_batches = m->why;
    if (m->why.text[0]) return;
    out->batches = m->at[1];
    out->has_batches = load_batches_since(&out->batches, &m->at[0], &out->why_no_batches) == OK;
}

/* ---- schedules ----------------------------------------------------------------------------------------------------
 */

static status make_schedule(load_schedule *out, load_plan *p, error *err)
{
    if (p->arrivals == LOAD_CLOSED) return OK;
    if (p->arrivals == LOAD_REPLAY) return load_replay_open(out, p->replay, &p->duration_ns, err);
    if (p->arrivals == LOAD_BURST) return load_schedule_bursts(out, p->burst, p->rate, p->duration_ns, p->seed, err);
    return load_schedule_open(out, p->arrivals, p->rate, p->duration_ns, p->seed, err);
}

/* At the run's mean rate, with another seed, so that it is not the run's own beginning. */
static status make_warmup(load_schedule *out, const load_plan *p, int due, error *err)
{
    const double rate = p->rate > 0 ? p->rate : due / ((double)p->duration_ns * 1e-9);
    if (p->arrivals == LOAD_CLOSED || rate * (double)p->warmup_ns * 1e-9 < 1) return OK;
    if (p->arrivals == LOAD_BURST) return load_schedule_bursts(out, p->burst, rate, p->warmup_ns, p->seed + 1, err);
    return load_schedule_open(out, p->arrivals == LOAD_FIXED ? LOAD_FIXED : LOAD_POISSON, rate, p->warmup_ns,
                              p->seed + 1, err);
}

static load_warmth warmth_of(const load_warmup *w)
{
    if (!w->took_s) return LOAD_COLD;
    return w->steady ? LOAD_STEADY : w->taken < LOAD_LAST ? LOAD_TOO_FEW : LOAD_UNSTEADY;
}

status load_run(load_outcome *out, const load_plan *plan, error *err)
{
    load_schedule run = {0}, warmup = {0};
    load_requests pool = {0};
    load_plan *p = malloc(sizeof *p); /* a replay gives it its duration */
    load_warmup *warm = calloc(1, sizeof *warm);
    batch_marks marks = {.plan = p};
    *out = (load_outcome){0};
    status rc = p && warm ? OK : fail(err, NO_MEMORY, "no memory for a run");
    if (rc == OK) *p = *plan;
    if (rc == OK) rc = load_tally_open(&out->tally, err);
    if (rc == OK) rc = make_schedule(&run, p, err);
    if (rc == OK && p->warmup_ns) rc = make_warmup(&warmup, p, run.n, err);
    if (rc == OK) rc = run.tokens ? load_requests_replay(&pool, p, &run, err) : load_requests_open(&pool, p, err);
    const bool asks = rc == OK && *p->ops_host;
    if (asks) rc = read_batches(&marks.at[0], p, err); /* a wrong port is said at once */
    const load_job job = {.plan = p,
                          .schedule = &run,
                          .warmup = &warmup,
                          .requests = &pool,
                          .warm = rc == OK && p->warmup_ns ? warm : NULL,
                          .progress = isatty(STDERR_FILENO) ? show_progress : NULL,
                          .mark = asks ? mark_batches : NULL,
                          .context = &marks};
    if (rc == OK) rc = load_connections_run(out->tally, &job, err);
    if (rc == OK && job.progress) fprintf(stderr, "\r%*s\r", LINE, "");
    if (rc == OK) {
        out->due = p->arrivals == LOAD_CLOSED ? (int)out->tally->sent : run.n;
        out->seconds = (double)p->duration_ns * 1e-9;
        out->warmth = warmth_of(warm);
        out->warmup_s = warm->took_s;
        out->verdict = load_judge(out->tally, out->due);
        if (asks) take_batches(out, &marks);
    } else {
        load_outcome_close(out);
    }
    load_requests_close(&pool);
    load_schedule_close(&run);
    load_schedule_close(&warmup);
    free(warm);
    free(p);
    return rc;
}
