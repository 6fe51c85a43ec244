/* queue.h - requests that wait, in the order of the policy: no clock, no lock, no callback, so that the batcher runs it
 * on real time and the simulator on its own.
 *
 *     submit -> [ by due time ] -- cut --> on a device -- finish --> complete
 *                   |   `-- expire -->  complete (EXPIRED)
 *                   `-- cancel -->  complete (CANCELLED), or with its last part
 *
 * Two heaps of requests: by the due time of their next sequence, and by deadline.  A request is in them while it has
 * something uncut.  It is complete when all its sequences were finished or dropped: each call that can complete
 * requests says which, and the caller then owns them again.  Every call takes now_ns, which never goes back.  The
 * holder's thread. */
#ifndef RUNTIME_SERVE_QUEUE_H
#define RUNTIME_SERVE_QUEUE_H
#include <stdbool.h>
#include <sys/queue.h>
#include "policy.h"

/* One request on its way: n sequences end to end.  The caller fills the first part and owns it until it is submitted,
 * and again once it is complete. */
typedef struct job {
    struct engine *engine; /* what computes it: a batch has sequences of one engine only; compared, never looked into */
    int n;                 /* sequences, >= 1 */
    const int32_t *ids;    /* [starts[n]]; the queue does not look at them */
    const int32_t *starts; /* [n+1], starts[0] == 0 */
    bool normalize;
    lane lane;
    int64_t deadline_ns; /* INT64_MAX: none */
    float *rows;         /* [n,dimensions], written before it is complete; the queue does not look at them */
    void (*done)(struct job *j, status result, const error *err); /* the batcher's: see there */
    void *owner;
    /* from here on read only, once it is complete */
    int64_t submitted_ns, cut_ns, begun_ns,
        computed_ns; /* cut and begun of its first batch, computed of its last; 0: never */
    int64_t device_ns; /* of all batches that it was in, without what ran between them */
    int64_t wait_ns; /* as predicted when it was admitted */
    status result;   /* OK, EXPIRED, CANCELLED, or what its batch came to */
    error why;       /* unless OK */
    /* the queue's */
    int taken, finished;               /* sequences */
    int due_at, deadline_at;           /* places in the heaps, -1: in none */
    int part;                          /* of the batch that is being cut */
    int64_t first_due_ns, last_due_ns; /* of its sequences; between them by the tokens before */
    TAILQ_ENTRY(job) entry;            /* of the list of those in hand, then of the caller's list of complete ones */
} job;
typedef TAILQ_HEAD(job_list, job) job_list;

typedef struct {
    job *j;
    int first, count;
} batch_part; /* sequences [first, first+count) of j */
typedef struct {
    int n; /* parts */
    struct engine *engine; /* of all of them */
    int tokens, sequences;
    int64_t predicted_ns; /* on the device */
    policy_trigger trigger;
} queue_batch;

typedef struct {
    int64_t submitted, answered, overloaded,
        hopeless;                       /* requests; the last two were refused, so they are not in submitted */
    int64_t expired, cancelled, failed; /* submitted == answered + expired + cancelled + failed + in_hand */
    int64_t sequences, tokens;          /* computed and handed over: of parts that ended OK */
    int64_t saved_sequences,
        saved_tokens; /* never computed, as the client had left, the time was over or another part failed */
    int64_t in_hand, queued_requests, queued_sequences, queued_tokens; /* now; queued: has something uncut, and that */
    int64_t oldest_ns; /* when the oldest that is queued was submitted; 0: nothing is */
    int64_t batches[TRIGGERS];
    /* Little's law: the first is the integral of in_hand over time, the second the sum of (complete - submitted) over
     * requests; they are equal whenever in_hand is 0. */
    int64_t in_hand_ns, sojourn_ns;
} queue_counts;

typedef struct queue queue;

status queue_open(queue **out, policy_limits limits, const service_table *seed, error *err);
void queue_free(queue *q); /* nothing may be in hand; NULL is fine */

/* From here on the forecasts are of a version with these times, whose longest input has so many tokens: the new
 * version's after a switch, the old one's after a rollback.  What waits for another version stays, and is cut in batches
 * of its own.  BAD_INPUT as queue_open(). */
status queue_set_service(queue *q, int longest, const service_model *service, error *err);

/* OK, or nothing is kept: BAD_INPUT (no sequence, or one longer than limits.batch_tokens), OVERLOADED with *retry_after_s >=
 * 1, EXPIRED. */
status queue_submit(queue *q, job *j, int64_t now_ns, int *retry_after_s, error *err);
/* Drops all that can no longer make its deadline; into `complete` go those with no part on a device, the others end
 * with their last part. */
void queue_expire(queue *q, int64_t now_ns, job_list *complete);
/* Drops what is uncut of j, which was submitted.  It may be complete already: then nothing. */
void queue_cancel(queue *q, job *j, int64_t now_ns, job_list *complete);
/* Cuts the next batch into parts [cap]; n 0: nothing is queued.  Each sequence is in one part of one batch; of one
 * request neighbours are in one part.  Sequences of a batch lie in order of their due time, but for that.  draining:
 * the trigger is DRAIN. */
queue_batch queue_cut(queue *q, batch_part *parts, int cap, bool draining, int64_t now_ns);
/* Of a batch that was cut: parts end with `result`, computed_ns is when the device was done with them; a request whose
 * deadline was before now_ns ends with EXPIRED. begun_ns: when the device began. */
void queue_finish(queue *q, const batch_part *parts, int n, status result, const error *err, int64_t begun_ns,
                  int64_t computed_ns, int64_t now_ns, job_list *complete);
/* A whole batch took so long on the device, from begun to computed: the service times learn. */
void queue_learn(queue *q, int tokens, int sequences, int64_t took_ns);
/* Everything in hand is complete with `why`, what is on a device too: it must not be finished any more. */
void queue_abandon(queue *q, status why, const error *err, int64_t now_ns, job_list *complete);

/* The executor's device is predicted to be busy until then; 0: idle. */
void queue_set_busy(queue *q, int executor, int64_t until_ns);
int64_t queue_due_tokens(const queue *q, int64_t now_ns);
/* The predicted wait of a request of one sequence that came now. */
int64_t queue_wait_ns(const queue *q, int64_t now_ns);
policy_plan queue_plan(const queue *q);
const service_model *queue_service(const queue *q);
queue_counts queue_count(const queue *q, int64_t now_ns);
#endif
