/* batcher.h - turns requests that arrive one by one into batches worth running.
 *
 *   any thread --submit--> [ bounded queue, counted in tokens ] --take--> the device's executor --finish--> done()
 *                                         `------------ abandon ------------'                 any thread --> done()
 *
 * There is no timer: an idle device starts at once, and while it is busy the next batch fills by itself.  A request of
 * many sequences may be spread over several batches, and several batches may be taken before the first is finished.
 * Threads: submit(), close() and abandon() from any; take(), try_take() and finish() from the one executor; the lock is
 * never held while a callback or the device runs. */
#ifndef RUNTIME_SERVE_BATCHER_H
#define RUNTIME_SERVE_BATCHER_H
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include "policy.h"
#include "runtime/base/status.h"

/* One request on its way: n sequences end to end.  The caller owns it until submit() returns OK; then the batcher
 * does until done() is called, exactly once, on the executor's thread or on abandon()'s.  The caller may set `gone` at
 * any time: what was not yet cut is then never computed, and done() comes with CANCELLED. */
typedef struct job {
    int            n;         /* sequences, >= 1 */
    const int32_t *ids;       /* [starts[n]] */
    const int32_t *starts;    /* [n+1] */
    bool           normalize;
    float         *rows;      /* [n,dimensions], written before done() */
    void (*done)(struct job *j, status result, const error *err);
    void          *owner;
    atomic_bool    gone;      /* relaxed: a late look costs one computed row, no more */
    int64_t submitted_ns, cut_ns,
        computed_ns; /* first two: when queued, when its first batch was cut; last: when its last batch came back */
    /* the batcher's from here */
    TAILQ_ENTRY(job) entry;
    int         taken, finished;
    status      result;
    error       why;
} job;

typedef struct { job *j; int first, count; } batch_part; /* sequences [first, first+count) of j */
typedef struct batcher batcher;
typedef struct {
    int64_t submitted, refused, answered, cancelled, failed;    /* requests */
    int64_t sequences, tokens, batches;                         /* computed */
    int64_t saved_sequences;                                    /* never computed because the client had left */
    int64_t queued_tokens;
} batcher_counts;

status batcher_open(batcher **out, policy_limits limits, error *err);
/* OVERLOADED when the bound is reached, with *retry_after_s set; UNAVAILABLE once closed.  Nothing is kept then. */
status batcher_submit(batcher *b, job *j, int *retry_after_s, error *err);
/* Waits for work and cuts the next batch into parts [cap]; returns how many, 0 once closed and drained or abandoned,
 * BATCHER_LATE when clock_ns() has passed until_ns first (INT64_MAX: never). */
enum { BATCHER_LATE = -1 };
int  batcher_take(batcher *b, batch_part *parts, int cap, int64_t until_ns);
/* What is there now, 0 when nothing is.  With nothing there it takes no lock, so that it may be asked in a loop. */
int  batcher_try_take(batcher *b, batch_part *parts, int cap);
/* Every batch taken is finished once, whole or in pieces, with its outcome: calls done() of the requests that are
 * complete.  After abandon() it must not be called: the requests are no more. */
void batcher_finish(batcher *b, const batch_part *parts, int n, status result, const error *err);
/* The device is lost: calls done() with `why` for everything queued and everything taken, on this thread, and answers
 * later submits the same.  Once. */
void batcher_abandon(batcher *b, status why, const error *err);
void batcher_close(batcher *b); /* no more submits; take() drains, then returns 0 */
void batcher_free(batcher *b);  /* after the executor has ended */
batcher_counts batcher_count(batcher *b);
#endif
