/* shadow.c - one slot, which the control thread and the loops hand to each other by its state.
 *
 *     OFF --want--> WANTED --a loop--> TAKING --> FULL --control thread--> OFF
 *
 * Whoever moves it owns what is in it until he moves it on, so there is no lock and nothing to wait for. */
#include "shadow.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "runtime/base/clock.h"

enum { NAP_NS = 1000000 };
typedef enum { OFF, WANTED, TAKING, FULL } slot_state;

struct shadow {
    atomic_int state;
    /* written while OFF, read by whoever is TAKING */
    const engine *of;
    /* the slot's owner's */
    int32_t *ids; /* [of's max_tokens] */
    float *row;   /* [of's columns] */
    int tokens;
};

status shadow_open(shadow **out, error *err)
{
    *out = calloc(1, sizeof **out);
    return *out ? OK : fail(err, NO_MEMORY, "no memory for a shadow");
}

void shadow_close(shadow *s) { free(s); }

void shadow_offer(shadow *s, const shadow_sample *sample)
{
    int wanted = WANTED;
    /* Relaxed: to see it late is to leave the sample to a later request. */
    if (atomic_load_explicit(&s->state, memory_order_relaxed) != WANTED) return;
    /* Acquire: `of` and the room were made before it was wanted. */
    if (!atomic_compare_exchange_strong_explicit(&s->state, &wanted, TAKING, memory_order_acquire,
                                                 memory_order_relaxed))
        return;
    const bool fits = sample->of == s->of;
    if (fits) {
        s->tokens = sample->tokens;
        memcpy(s->ids, sample->ids, (size_t)sample->tokens * sizeof *s->ids);
        memcpy(s->row, sample->row, (size_t)backend_columns(&s->of->description) * sizeof *s->row);
    }
    atomic_store_explicit(&s->state, fits ? FULL : WANTED, memory_order_release); /* with what was copied */
}

/* ---- the control thread ---- */

typedef struct {
    shadow *slot;
    const shadow_run_options *o;
    shadow_report *told;
    int64_t end_ns;
    float *row;      /* [the candidate's columns] */
    double *cosines; /* [SHADOW_MOST], of those that ran */
} running;

static bool goes_on(const running *r)
{
    return r->told->ran + r->told->failed < SHADOW_MOST && clock_ns() < r->end_ns && !atomic_load(r->o->stop);
}

static void nap(void) { nanosleep(&(struct timespec){.tv_nsec = NAP_NS}, NULL); }

static void rest(const running *r, int64_t until_ns)
{
    while (clock_ns() < until_ns && goes_on(r)) nap();
}

/* true: the slot has a sample.  It is OFF at the end in any case. */
static bool take(const running *r)
{
    atomic_int *state = &r->slot->state;
    int wanted = WANTED;
    atomic_store_explicit(state, WANTED, memory_order_release);
    while (atomic_load_explicit(state, memory_order_acquire) != FULL && goes_on(r)) nap();
    while (!atomic_compare_exchange_strong(state, &wanted, OFF)) {
        if (wanted == FULL) {
            atomic_store(state, OFF);
            return true;
        }
        wanted = WANTED; /* a loop is amid its copy */
        nap();
    }
    return false;
}

/* Where contracts differ the ids may mean nothing to the candidate, or be none of its own; what a sequence takes
 * depends on its length alone. */
static void fit(const running *r)
{
    const model_description *d = &r->o->candidate->description;
    if (r->told->comparable) return;
    if (r->slot->tokens > d->max_tokens) r->slot->tokens = d->max_tokens;
    for (int i = 0; i < r->slot->tokens; i++) r->slot->ids[i] %= d->shape.vocab;
}

static void compare(running *r, int64_t took_ns)
{
    shadow_report *t = r->told;
    const int columns = backend_columns(&r->o->live->description);
    const service_model live = batcher_service(r->o->queue);
    const double cosine = t->comparable ? golden_cosine(r->slot->row, r->row, columns) : 1;
    if (isnan(cosine)) { /* a row of zeros */
        if (!t->failed++) (void)!fail(&t->why, BAD_INPUT, "the candidate's row has no direction");
        return;
    }
    r->cosines[t->ran++] = cosine;
    if (cosine < t->cosine_least) t->cosine_least = cosine;
    t->candidate_ns += took_ns;
    t->live_ns += service_predict_ns(&live, r->slot->tokens, 1);
}

static bool ends_it(status rc) { return rc == GPU_LOST || rc == UNAVAILABLE; }

static status run_one(running *r, error *err)
{
    const int left_ms = (int)((r->end_ns - clock_ns()) / 1000000) + 1;
    int64_t took_ns = 0;
    error why;
    fit(r);
    const int32_t starts[] = {0, r->slot->tokens};
    const status rc = probe_run(r->o->queue, r->o->candidate, r->slot->ids, starts, 1, r->row, &took_ns, left_ms, &why);
    if (ends_it(rc)) {
        *err = why;
        return rc;
    }
    if (rc == OK) compare(r, took_ns);
    else if (rc == EXPIRED) r->told->skipped++;
    else if (!r->told->failed++) r->told->why = why;
    rest(r, clock_ns() + (int64_t)((double)took_ns * (1 / SHADOW_SHARE - 1)));
    return OK;
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

status shadow_run(shadow *s, const shadow_run_options *o, shadow_report *out, error *err)
{
    const model_description *live = &o->live->description;
    running r = {.slot = s, .o = o, .told = out, .end_ns = clock_ns() + (int64_t)o->limit_ms * 1000000};
    *out = (shadow_report){.comparable = contract_breaks(&o->live->contract, &o->candidate->contract, NULL, 0) == 0,
                           .cosine_least = 1,
                           .cosine_median = 1};
    r.row = malloc((size_t)backend_columns(&o->candidate->description) * sizeof *r.row);
    r.cosines = malloc(SHADOW_MOST * sizeof *r.cosines);
    s->of = o->live;
    s->ids = malloc((size_t)live->max_tokens * sizeof *s->ids);
    s->row = malloc((size_t)backend_columns(live) * sizeof *s->row);
    status rc =
        r.row && r.cosines && s->ids && s->row ? OK : fail(err, NO_MEMORY, "no memory for the shadow's samples");
    while (rc == OK && goes_on(&r))
        if (take(&r)) rc = run_one(&r, err);
    if (rc == OK && out->ran) {
        qsort(r.cosines, (size_t)out->ran, sizeof *r.cosines, by_value);
        out->cosine_median = r.cosines[(out->ran - 1) / 2]; /* of two in the middle the worse */
    }
    free(r.row);
    free(r.cosines);
    free(s->ids);
    free(s->row);
    return rc;
}

status shadow_judge(const shadow_report *r, error *err)
{
    if (r->failed)
        return fail(err, BAD_INPUT, "%lld of %lld live inputs failed on the candidate: %.150s", (long long)r->failed,
                    (long long)(r->ran + r->failed), r->why.text);
    if (r->cosine_median < SHADOW_COSINE)
        return fail(err, BAD_INPUT,
                    "the candidate's rows are others: median cosine %.4f over %lld live inputs, least %.4f; wanted at "
                    "least %g",
                    r->cosine_median, (long long)r->ran, r->cosine_least, SHADOW_COSINE);
    return OK;
}
