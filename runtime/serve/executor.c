/* executor.c - all buffers are sized at start; a batch is copied in, run, checked row by row, copied out. */
#include "executor.h"
#include <math.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include "runtime/base/log.h"

struct executor {
    engine    *e;
    batcher   *queue;
    pthread_t  thread;
    int        dimensions, max_sequences;
    batch_part *parts;    /* [max_sequences] */
    int32_t   *ids;       /* [max_tokens] */
    int32_t   *starts;    /* [max_sequences + 1] */
    uint8_t   *normalize; /* [max_sequences] */
    float     *rows;      /* [max_sequences, dimensions] */
};

static batch pack(executor *x, int n_parts)
{
    batch b = {.ids = x->ids, .starts = x->starts, .normalize = x->normalize};
    for (int i = 0; i < n_parts; i++) {
        const job *j = x->parts[i].j;
        int first = x->parts[i].first, end = first + x->parts[i].count;
        memcpy(x->ids + b.T, j->ids + j->starts[first], (size_t)(j->starts[end] - j->starts[first]) * sizeof *x->ids);
        for (int s = first; s < end; s++) {
            int tokens = j->starts[s + 1] - j->starts[s];
            x->starts[b.S] = b.T;
            x->normalize[b.S++] = j->normalize;
            b.T += tokens;
            if (tokens > b.longest) b.longest = tokens;
        }
    }
    x->starts[b.S] = b.T;
    return b;
}

static bool finite_rows(const float *rows, size_t n)
{
    bool finite = true;
    for (size_t i = 0; i < n; i++) finite &= isfinite(rows[i]) != 0;
    return finite;
}

/* Rows that are not finite cost their own request only. */
static void hand_out(executor *x, int n_parts)
{
    int good = 0, row = 0;
    size_t width = (size_t)x->dimensions;
    error why;
    for (int i = 0; i < n_parts; i++) {
        batch_part p = x->parts[i];
        const float *rows = x->rows + (size_t)row * width;
        row += p.count;
        if (finite_rows(rows, (size_t)p.count * width)) {
            memcpy(p.j->rows + (size_t)p.first * width, rows, (size_t)p.count * width * sizeof *rows);
            x->parts[good++] = p;
            continue;
        }
        status rc = fail(&why, NOT_FINITE, "the model gave a vector that is not finite");
        log_line(LOG_ERROR, "not_finite", "sequences %d to %d of a request of %d", p.first, p.first + p.count - 1,
                 p.j->n);
        batcher_finish(x->queue, &p, 1, rc, &why);
    }
    if (good) batcher_finish(x->queue, x->parts, good, OK, &why);
}

static void *run(void *arg)
{
    executor *x = arg;
    for (int n; (n = batcher_take(x->queue, x->parts, x->max_sequences)) > 0;) {
        error why = {""};
        batch  b = pack(x, n);
        status rc = x->e->ops->forward(x->e->device, &b, x->rows, &why);
        if (rc == OK) {
            hand_out(x, n);
        } else {
            log_line(LOG_ERROR, "batch_failed", "%d sequences, %d tokens: %s", b.S, b.T, why.text);
            batcher_finish(x->queue, x->parts, n, rc, &why);
        }
    }
    return NULL;
}

static void release(executor *x)
{
    free(x->parts);
    free(x->ids);
    free(x->starts);
    free(x->normalize);
    free(x->rows);
    free(x);
}

status executor_start(executor **out, engine *e, batcher *b, error *err)
{
    executor *x = calloc(1, sizeof *x);
    *out = NULL;
    if (!x) return fail(err, NO_MEMORY, "no memory for the executor");
    x->e = e;
    x->queue = b;
    x->dimensions = e->description.dimensions;
    x->max_sequences = e->options.batch_sequences;
    size_t sequences = (size_t)x->max_sequences;
    x->parts = malloc(sequences * sizeof *x->parts);
    x->ids = malloc((size_t)e->options.batch_tokens * sizeof *x->ids);
    x->starts = malloc((sequences + 1) * sizeof *x->starts);
    x->normalize = malloc(sequences);
    x->rows = malloc(sequences * (size_t)x->dimensions * sizeof *x->rows);
    status rc = OK;
    if (!x->parts || !x->ids || !x->starts || !x->normalize || !x->rows)
        rc = fail(err, NO_MEMORY, "no memory for batches of %d tokens in %d sequences", e->options.batch_tokens,
                  x->max_sequences);
    else if (pthread_create(&x->thread, NULL, run, x))
        rc = fail(err, NO_MEMORY, "the executor's thread could not be started");
    if (rc != OK) release(x);
    else *out = x;
    return rc;
}

void executor_join(executor *x)
{
    if (!x) return;
    pthread_join(x->thread, NULL);
    release(x);
}
