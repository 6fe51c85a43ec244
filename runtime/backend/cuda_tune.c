/* cuda_tune.c - candidates, a graph for each, its median time. */
#include "cuda_tune.h"
#include <stdlib.h>
#include "runtime/base/clock.h"

enum {
    CANDIDATES = 16, /* of the library's guesses, best first: twice as many cost a start twice the time */
    REPEATS = 8,     /* products in a graph: 20 us and more, far above an event's half microsecond */
    LAUNCHES = 3,    /* the median of so many, after one that warms up */
};

struct cuda_tune {
    cuda_tune_setup  setup;
    cuda_event       from, to;
    int              mark; /* of the device, before the two */
    cuda_tune_counts counts;
};

status cuda_tune_open(cuda_tune **out, cuda_tune_setup setup, error *err)
{
    cuda_tune *t = calloc(1, sizeof *t);
    *out = NULL;
    if (!t) return fail(err, NO_MEMORY, "no memory to time products");
    t->setup = setup;
    t->mark = cuda_device_mark(setup.device);
    status rc = cuda_device_timer(setup.device, &t->from, err);
    if (rc == OK) rc = cuda_device_timer(setup.device, &t->to, err);
    if (rc != OK) cuda_tune_close(t);
    else *out = t;
    return rc;
}

void cuda_tune_close(cuda_tune *t)
{
    if (!t) return;
    cuda_device_release(t->setup.device, t->mark);
    free(t);
}

cuda_tune_counts cuda_tune_counted(const cuda_tune *t)
{
    return t->counts;
}

static status candidates(cuda_device *d, cuda_gemm *g, cuda_gemm_shape s, cuda_gemm_algorithm *out, int most, int *n,
                         error *err)
{
    const status rc = cuda_device_product(d, "cublasLtMatmulAlgoGetHeuristic",
                                          cuda_gemm_candidates(g, s, out, most, n), err);
    if (rc != OK || *n > 0) return rc;
    return fail(err, GPU_FAILED, "cuBLASLt has no algorithm for a product M %d, N %d, K %d", s.M, s.N, s.K);
}

status cuda_tune_first(cuda_device *d, cuda_gemm *g, cuda_gemm_shape shape, cuda_gemm_algorithm *out, error *err)
{
    int n;
    return candidates(d, g, shape, out, 1, &n, err);
}

/* ---- one candidate ---- */

typedef struct {
    cuda_gemm_shape   shape;
    cuda_choice_scope scope;
    cuda_tune_queue  *queue;
    void             *context;
} question;

static status make_graph(cuda_tune *t, const question *q, const cuda_gemm_algorithm *a, cuda_graph *out, error *err)
{
    const cuda_tune_setup *s = &t->setup;
    /* Once as it is: what the driver loads at a first launch, it need not load within a capture. */
    status rc = q->queue(q->context, q->shape, q->scope, a, 0, err);
    if (rc == OK) rc = cuda_device_capture(s->device, s->stream, err);
    if (rc != OK) return rc;
    for (int i = 0; rc == OK && i < REPEATS; i++) rc = q->queue(q->context, q->shape, q->scope, a, i, err);
    if (rc == OK) return cuda_device_captured(s->device, s->stream, out, err);
    cuda_device_abandon(s->device, s->stream);
    return rc;
}

static status time_once(cuda_tune *t, cuda_graph graph, float *us, error *err)
{
    const cuda_tune_setup *s = &t->setup;
    status rc = cuda_device_record(s->device, t->from, s->stream, err);
    if (rc == OK) rc = cuda_device_launch(s->device, graph, s->stream, err);
    if (rc == OK) rc = cuda_device_record(s->device, t->to, s->stream, err);
    if (rc == OK) rc = cuda_device_synchronize(s->device, s->stream, err);
    if (rc == OK) rc = cuda_device_elapsed(s->device, t->from, t->to, us, err);
    *us /= REPEATS;
    return rc;
}

static int by_time(const void *a, const void *b)
{
    const float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* `best`: one that takes half as long again at its first launch is not launched again; 0: there is none yet. */
static status time_candidate(cuda_tune *t, const question *q, const cuda_gemm_algorithm *a, float best, float *us,
                             error *err)
{
    const int  mark = cuda_device_mark(t->setup.device);
    float      seen[LAUNCHES];
    int        n = 0;
    cuda_graph graph;
    status     rc = make_graph(t, q, a, &graph, err);
    if (rc == OK) rc = time_once(t, graph, &seen[0], err);
    while (rc == OK && n < LAUNCHES && !(n && best > 0 && seen[0] > 1.5f * best))
        rc = time_once(t, graph, &seen[n++], err);
    if (rc == OK) {
        qsort(seen, (size_t)n, sizeof *seen, by_time);
        *us = seen[n / 2];
    }
    cuda_device_release(t->setup.device, mark);
    return rc;
}

/* ---- the best of them ---- */

/* *all: each candidate had its turn. */
static status time_all(cuda_tune *t, const question *q, int64_t end_ns, cuda_choice *out, bool *all, error *err)
{
    cuda_gemm_algorithm list[CANDIDATES];
    int    n = 0;
    status rc = candidates(t->setup.device, t->setup.gemm, q->shape, list, CANDIDATES, &n, err);
    if (rc != OK) return rc;
    *out = (cuda_choice){q->shape, q->scope, 0, list[0]};
    status last = OK;
    int    i = 0;
    for (; i < n && clock_ns() < end_ns; i++) {
        float us = 0;
        rc = time_candidate(t, q, &list[i], out->us, &us, err);
        if (rc != OK && rc != GPU_FAILED) return rc;
        if (rc != OK) {
            last = rc;
        } else if (out->us <= 0 || us < out->us) {
            out->us = us;
            out->algorithm = list[i];
        }
    }
    *all = i == n;
    return out->us > 0 ? OK : last; /* no time at all: the first guess */
}

status cuda_tune_best(cuda_tune *t, cuda_gemm_shape shape, cuda_choice_scope scope, cuda_tune_queue *queue,
                      void *context, cuda_choice *out, error *err)
{
    const int64_t      begun_ns = clock_ns();
    const cuda_choice *known = cuda_choices_find(t->setup.choices, shape, scope);
    const question     q = {shape, scope, queue, context};
    if (known && cuda_gemm_usable(t->setup.gemm, shape, &known->algorithm)) {
        *out = *known;
        t->counts.found++;
        return OK;
    }
    bool   all = false;
    status rc = time_all(t, &q, begun_ns + t->setup.budget_ns - t->counts.spent_ns, out, &all, err);
    t->counts.spent_ns += clock_ns() - begun_ns;
    if (rc != OK) return rc;
    t->counts.timed += all;
    t->counts.guessed += !all;
    return all ? cuda_choices_put(t->setup.choices, out, err) : OK; /* half a search is no choice to keep */
}
