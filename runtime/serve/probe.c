#include "probe.h"
#include <math.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "runtime/base/clock.h"
#include "stopwatch.h"

enum { NAP_MS = 50, LEAST_TOKENS = 16, SHORT_TOKENS = 64 };

typedef struct {
    pthread_mutex_t lock; /* of the three below */
    pthread_cond_t back;
    bool done;
    status result;
    error why;
} waiting;

static void done(job *j, status result, const error *err)
{
    waiting *w = j->owner;
    pthread_mutex_lock(&w->lock);
    w->done = true;
    w->result = result;
    if (result != OK) w->why = *err;
    pthread_cond_signal(&w->back);
    pthread_mutex_unlock(&w->lock);
}

/* The queue is full for a moment, which is live requests' good right. */
static status submit(batcher *b, job *j, int64_t until_ns, error *err)
{
    for (;;) {
        int retry_after_s;
        const status rc = batcher_submit(b, j, &retry_after_s, err);
        if (rc != OVERLOADED) return rc;
        if (clock_ns() > until_ns) return fail(err, EXPIRED, "no room in the queue until the time was over");
        nanosleep(&(struct timespec){.tv_nsec = NAP_MS * 1000000L}, NULL);
    }
}

status probe_run(batcher *b, engine *e, const int32_t *ids, const int32_t *starts, int n, float *rows, int64_t *took_ns,
                 int limit_ms, error *err)
{
    waiting w = {.done = false};
    job j = {.engine = e,
             .n = n,
             .ids = ids,
             .starts = starts,
             .normalize = e->description.normalize,
             .lane = LANE_BULK,
             .deadline_ns = INT64_MAX,
             .rows = rows,
             .done = done,
             .owner = &w};
    pthread_mutex_init(&w.lock, NULL);
    pthread_cond_init(&w.back, NULL);
    status rc = submit(b, &j, clock_ns() + (int64_t)limit_ms * 1000000, err);
    if (rc == OK) {
        pthread_mutex_lock(&w.lock);
        while (!w.done) pthread_cond_wait(&w.back, &w.lock); /* once it is in, the batcher answers it */
        pthread_mutex_unlock(&w.lock);
        rc = w.result;
        if (rc != OK) *err = w.why;
        if (took_ns) *took_ns = j.device_ns;
    }
    pthread_cond_destroy(&w.back);
    pthread_mutex_destroy(&w.lock);
    return rc;
}

/* ---- what batches take ---- */

typedef struct {
    int32_t *ids, *starts; /* [the largest shape's tokens], [its sequences + 1] */
    float *rows;
} room;

static int least(int x, int y) { return x < y ? x : y; }

static status time_shape(batcher *b, engine *e, const room *m, service_row *r, int runs, error *err)
{
    int64_t took_ns[STOPWATCH_RUNS_MAX];
    status rc = OK;
    for (int i = 0; i <= r->sequences; i++) m->starts[i] = (int32_t)((int64_t)r->tokens * i / r->sequences);
    for (int i = 0; i < runs && rc == OK; i++)
        rc = probe_run(b, e, m->ids, m->starts, r->sequences, m->rows, &took_ns[i], 60000, err);
    if (rc == NOT_FINITE) rc = fail(err, BAD_INPUT, "the version gave a vector that is not finite");
    if (rc == OK) stopwatch_settle(took_ns, runs, &r->median_ns, &r->spread_ns);
    return rc;
}

/* More than the quantum would be cut in pieces, as nobody is in a hurry for it. */
static service_row many_short(batcher *b, const engine *e)
{
    const int each = least(SHORT_TOKENS, e->description.max_tokens);
    const int many = least(batcher_plan(b).quantum_tokens / each, e->options.batch_sequences);
    return (service_row){.tokens = many * each, .sequences = many};
}

status probe_times(batcher *b, engine *e, int runs, service_table *out, error *err)
{
    const int longest = e->description.max_tokens, vocab = tokenizer_vocab_size(e->tokens);
    service_row shapes[] = {
        {.tokens = least(LEAST_TOKENS, longest), .sequences = 1}, {.tokens = longest, .sequences = 1}, many_short(b, e)};
    const int many = shapes[2].tokens, most = many > longest ? many : longest;
    room m = {malloc((size_t)most * sizeof *m.ids), malloc(((size_t)e->options.batch_sequences + 1) * sizeof *m.starts),
              malloc((size_t)e->options.batch_sequences * (size_t)backend_columns(&e->description) * sizeof *m.rows)};
    status rc = m.ids && m.starts && m.rows ? OK : fail(err, NO_MEMORY, "no memory to warm up with %d tokens", most);
    *out = (service_table){0};
    for (int i = 0; rc == OK && i < most; i++) m.ids[i] = (int32_t)((int64_t)i * 7919 % vocab);
    for (size_t i = 0; rc == OK && i < sizeof shapes / sizeof *shapes; i++) {
        const service_row *last = out->n ? &out->row[out->n - 1] : &(service_row){0};
        if (shapes[i].tokens < last->tokens ||
            (shapes[i].tokens == last->tokens && shapes[i].sequences == last->sequences))
            continue;
        rc = time_shape(b, e, &m, &shapes[i], runs, err);
        if (rc == OK) out->row[out->n++] = shapes[i];
    }
    if (rc == OK) stopwatch_keep_rising(out);
    else *out = (service_table){0};
    free(m.ids);
    free(m.starts);
    free(m.rows);
    return rc;
}

/* ---- whether it is right ---- */

static status golden_device(batcher *b, engine *e, int limit_ms, error *err)
{
    const batch *in = golden_batch(e->golden);
    float *rows = malloc((size_t)in->S * (size_t)backend_columns(&e->description) * sizeof *rows);
    status rc = rows ? OK : fail(err, NO_MEMORY, "no memory for the golden rows");
    if (rc == OK) rc = probe_run(b, e, in->ids, in->starts, in->S, rows, NULL, limit_ms, err);
    if (rc == NOT_FINITE) rc = fail(err, GPU_FAILED, "a golden sequence has a row that is not finite");
    if (rc == OK) rc = golden_check(e->golden, rows, err);
    free(rows);
    return rc;
}

static status golden_manifest(batcher *b, engine *e, double *least_cosine, int limit_ms, error *err)
{
    int32_t *ids = NULL, *starts = NULL;
    const size_t n = (size_t)e->manifest->n_cases, columns = (size_t)backend_columns(&e->description);
    float *rows = malloc(n * columns * sizeof *rows);
    status rc = rows ? engine_golden_ids(e, &ids, &starts, err)
                     : fail(err, NO_MEMORY, "no memory for %zu golden rows", n);
    if (rc == OK) rc = probe_run(b, e, ids, starts, (int)n, rows, NULL, limit_ms, err);
    if (rc == NOT_FINITE) {
        *least_cosine = NAN;
        rc = fail(err, BAD_INPUT, "a golden case has a row that is not finite");
    }
    if (rc == OK) rc = engine_golden_compare(e, rows, least_cosine, err);
    free(ids);
    free(starts);
    free(rows);
    return rc;
}

status probe_golden(batcher *b, engine *e, double *least_cosine, int limit_ms, error *err)
{
    status rc = OK;
    *least_cosine = 1;
    if (e->golden) rc = golden_device(b, e, limit_ms, err);
    if (rc == OK && e->manifest) rc = golden_manifest(b, e, least_cosine, limit_ms, err);
    return rc;
}
