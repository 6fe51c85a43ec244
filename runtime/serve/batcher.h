/* batcher.h - the queue, shared by threads: requests come from any, executors take batches, done() tells each its
 * outcome.
 *
 *   any thread --submit--> [ queue.h, under one lock ] --take--> an executor, one for each device --finish--> done()
 *                            `--- cancel, expire, abandon --> done()
 *
 * What to run and when is policy.h's; here are the lock, the clock and the waiting.  There is no timer: an idle device
 * starts at once, and while it is busy the next batch fills by itself.
 * Threads: submit(), cancel(), close() and abandon() from any; take(), try_take() and finish() from executors, each of
 * which has a number of its own and one thread; the lock is never held while a callback or a device runs.
 * done() is called exactly once for a request that was submitted: on an executor's thread, on cancel()'s or on
 * abandon()'s. */
#ifndef RUNTIME_SERVE_BATCHER_H
#define RUNTIME_SERVE_BATCHER_H
#include "queue.h"

typedef struct batcher batcher;

status batcher_open(batcher **out, policy_limits limits, const service_table *seed, error *err);
/* As queue_set_service(); `e` is the version that the times are of, and that learn() then learns of. */
status batcher_set_service(batcher *b, const struct engine *e, int longest, const service_model *service, error *err);
/* The times as learned so far, to be set again after a rollback; and a forecast of them for one batch alone. */
service_model batcher_service(batcher *b);
/* As queue_submit(); UNAVAILABLE once closed, or what abandon() said.  Nothing is kept then. */
status batcher_submit(batcher *b, job *j, int *retry_after_s, error *err);
/* Nobody waits for j any more: what was not cut is never computed, and done() comes with CANCELLED, at once or with
 * the part that is on a device.  j must be alive: the caller frees it after done() on the thread that cancels. */
void batcher_cancel(batcher *b, job *j);

/* The executor's device is idle.  Waits for work and cuts the next batch into parts [cap]; returns how many, 0 once
 * closed and drained or abandoned, BATCHER_LATE when clock_ns() has passed until_ns first (INT64_MAX: never). */
enum { BATCHER_LATE = -1 };
int batcher_take(batcher *b, int executor, batch_part *parts, int cap, int64_t until_ns, queue_batch *cut);
/* The device is predicted to be busy until busy_until_ns.  0 when nothing is queued or it is too early to cut.  Takes
 * no lock then, so that it may be asked in a loop. */
int batcher_try_take(batcher *b, int executor, batch_part *parts, int cap, int64_t busy_until_ns, queue_batch *cut);
/* Nothing is on the executor's device any more, whatever was predicted: who comes now does not wait for it.  Before the
 * last batch is finished, so that who is answered may ask again at once. */
void batcher_set_idle(batcher *b, int executor);
/* Every batch taken is finished once, whole or in pieces, with its outcome: as queue_finish().  After abandon() it must
 * not be called: the requests are no more. */
void batcher_finish(batcher *b, const batch_part *parts, int n, status result, const error *err, int64_t begun_ns,
                    int64_t computed_ns);
/* As queue_learn(), if e is what the times are of; else nothing.  Returns the time that the table alone says, for the
 * ratio that is exported; 0: e is another. */
int64_t batcher_learn(batcher *b, const struct engine *e, int tokens, int sequences, int64_t took_ns);

/* The device is lost: done() with `why` for everything queued and everything taken, on this thread, and later submits
 * are answered the same.  Once. */
void batcher_abandon(batcher *b, status why, const error *err);
void batcher_close(batcher *b); /* no more submits; take() drains, then returns 0 */
void batcher_free(batcher *b);  /* after the executors have ended; NULL is fine */
queue_counts batcher_count(batcher *b);
policy_plan batcher_plan(batcher *b);
#endif
