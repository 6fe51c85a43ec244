/* release_steps.h - what is done in each step of a release, in the control thread.  The order, what is told and what is
 * written down are release.c's. */
#ifndef SERVER_RELEASE_STEPS_H
#define SERVER_RELEASE_STEPS_H
#include <pthread.h>
#include "monitor.h"
#include "release.h"
#include "runtime/serve/bake.h"
#include "state.h"

enum { RELEASE_GOLDEN_MS = 60000 /* for the golden cases, which wait for live requests */ };

typedef struct release_work {
    app *a;
    release_order order;
    atomic_bool *closing;                                  /* the server ends */
    void (*say)(struct release_work *w, const char *line); /* how the step goes, for whoever looks on */
    manifest *manifest;                                    /* of the candidate, as first read */
    model_description model;                               /* likewise */
    version *candidate;                                    /* NULL: none, or the versions' */
    state_version subject;
    double golden_limit, golden_least;
    bake_numbers before; /* of the version that answers, when the release began */
    monitor_sum at_look; /* the last that had enough requests; before it, the release's begin, the switch */
    int64_t looked_ns, switched_ns, not_finite_at_switch;
    int64_t requests, failed, p99_ns; /* of all looks in the bake; p99: of the last */
    char rules[BAKE_RULES][BAKE_LINE + 32]; /* "name: threshold", once it bakes; the lock's */
    pthread_mutex_t *lock; /* of the two below, and of every change of who answers once it is the candidate */
    bool baking, reverted; /* reverted: somebody has rolled back meanwhile, for `verdict` */
    error verdict;
} release_work;

typedef struct {
    const char *name;
    /* OK with a detail in err->text, or the failure.  EMPTY: there is nothing to do. */
    status (*run)(release_work *w, error *err);
    bool refuses; /* what fails here is the candidate's fault */
} release_row;
extern const release_row release_rows[STEPS];

/* The requests that a version is judged by: those of the SLO. */
static inline int64_t release_requests(const monitor_sum *s) { return s->good + s->bad; }
/* Before the first step: the numbers of the version that answers. */
void release_begin(release_work *w);
/* Until order.bake_ms are over since the switch.  CANCELLED: it was rolled back, by a rule, with an incident, or by
 * somebody; UNAVAILABLE: the server ends. */
status release_bake(release_work *w, error *err);
/* From here on the log names the owner of the version that answers, the forecasts are its, and only its batches teach
 * them; what they had learned of
 * `before` stays with it (NULL: that is lost). */
status release_follow(app *a, version *before, error *err);
/* The previous version answers again, with its own forecasts.  NOT_FOUND: there is none.  With w->lock held. */
status release_revert(release_work *w, error *err);
/* The two versions change places; without a release. */
status release_exchange(app *a, error *err);
/* What a crash starts on from now on is what answers now. */
void release_keep(app *a);
void release_subject(state_version *s, const version *v); /* v NULL: none */
#endif
