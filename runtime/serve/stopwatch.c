#include "stopwatch.h"
#include <assert.h>
#include <stdlib.h>
#include "engine.h"
#include "runtime/base/clock.h"

status stopwatch_open(stopwatch *w, const engine *e, error *err)
{
    const size_t T = (size_t)e->options.batch_tokens, S = (size_t)e->options.batch_sequences;
    const int vocab = tokenizer_vocab_size(e->tokens);
    *w = (stopwatch){.e = e};
    w->ids = malloc(T * sizeof *w->ids);
    w->starts = malloc((S + 1) * sizeof *w->starts);
    w->normalize = malloc(S);
    w->rows = malloc(S * (size_t)backend_columns(&e->description) * sizeof *w->rows);
    if (!w->ids || !w->starts || !w->normalize || !w->rows) {
        stopwatch_close(w);
        return fail(err, NO_MEMORY, "no memory to time batches of %zu tokens in %zu sequences", T, S);
    }
    for (size_t i = 0; i < T; i++) w->ids[i] = (int32_t)((i * 7919) % (size_t)vocab); /* rows from all over the table */
    for (size_t i = 0; i < S; i++) w->normalize[i] = 1;
    return OK;
}

void stopwatch_close(stopwatch *w)
{
    free(w->ids);
    free(w->starts);
    free(w->normalize);
    free(w->rows);
    *w = (stopwatch){0};
}

static batch make_batch(const stopwatch *w, int tokens, int sequences)
{
    assert(sequences >= 1 && sequences <= tokens && tokens <= w->e->options.batch_tokens);
    assert(sequences <= w->e->options.batch_sequences);
    for (int s = 0; s <= sequences; s++) w->starts[s] = (int32_t)((int64_t)tokens * s / sequences);
    return (batch){.S = sequences,
                   .T = tokens,
                   .longest = (tokens + sequences - 1) / sequences,
                   .ids = w->ids,
                   .starts = w->starts,
                   .normalize = w->normalize};
}

status stopwatch_row(stopwatch *w, service_row *out, int runs, int64_t limit_ns, error *err)
{
    const batch in = make_batch(w, out->tokens, out->sequences);
    const int64_t since_ns = clock_ns();
    int64_t took_ns[STOPWATCH_RUNS_MAX];
    int n = 0;
    assert(runs <= STOPWATCH_RUNS_MAX);
    do {
        const int64_t begun_ns = clock_ns();
        status rc = backend_forward(w->e->ops, w->e->device, &in, w->rows, err);
        if (rc != OK && rc != NOT_FINITE) return rc;
        took_ns[n++] = clock_ns() - begun_ns;
    } while (n < runs && clock_ns() - since_ns < limit_ns);
    stopwatch_settle(took_ns, n, &out->median_ns, &out->spread_ns);
    return OK;
}

static int by_size(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

void stopwatch_settle(int64_t *took_ns, int n, int64_t *median_ns, int64_t *spread_ns)
{
    qsort(took_ns, (size_t)n, sizeof *took_ns, by_size);
    const int64_t median = took_ns[(n - 1) / 2];
    *median_ns = median > 0 ? median : 1; /* a clock may stand still for a moment */
    *spread_ns = took_ns[3 * (n - 1) / 4] - took_ns[(n - 1) / 4];
}

/* Where the rows of the count of tokens before row `at` begin. */
static int group_before(const service_table *t, int at)
{
    return at >= 2 && t->row[at - 2].tokens == t->row[at - 1].tokens ? at - 2 : at - 1;
}

void stopwatch_keep_rising(service_table *t)
{
    service_table kept = {.n = 0};
    error unused;
    for (int i = 0; i < t->n;) {
        int first = kept.n;
        do kept.row[kept.n++] = t->row[i++];
        while (i < t->n && t->row[i].tokens == t->row[i - 1].tokens);
        while (first > 0 && service_check(&kept, &unused) != OK) {
            const int before = group_before(&kept, first), size = kept.n - first;
            for (int j = 0; j < size; j++) kept.row[before + j] = kept.row[first + j];
            kept.n = before + size;
            first = before;
        }
    }
    *t = kept;
}
