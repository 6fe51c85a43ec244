/* policy.h - when to run what, whom to refuse: pure functions of (queue, device, now).  The server calls them, and so
 * will the simulator.
 *
 * Order.  Every sequence has a due time, and the earliest due goes first.  A request of one sequence is due when it
 * arrives: first come, first served.  A request of many is due piece by piece, at a POLICY_ARRAY_SHARE-th of the
 * device's speed, so that it interleaves with others and leaves them the rest; a bulk request is due
 * POLICY_BULK_PATIENCE_NS later than it came.  Due times never change, so whatever waits is served before all that
 * comes long enough after it: nothing starves, and nobody overtakes within his lane.
 *
 * Batch.  An idle device takes at once what there is.  What is due fills a batch up to the budget, the largest that the
 * device computes within half the SLO's objective.  What is not yet due fills it only up to the quantum, the smallest
 * that runs at POLICY_QUANTUM_SPEED of full speed, so that whoever comes next waits little; at POLICY_QUIET_SPEED when
 * no query, a request that is due when it comes, came for POLICY_QUIET_NS: then hardly anybody does.  While the device
 * is busy the next batch is cut late, when the running one is about to end, or when it is full.
 *
 * Admission.  A request's wait is the rest of what runs, and what is queued and due before its last sequence.  Above
 * the limit, or too long for its deadline, it is refused with 429; one that cannot make its deadline even alone, with
 * 504.  What a request brings itself is no wait: it is served by an idle server, however large. */
#ifndef RUNTIME_SERVE_POLICY_H
#define RUNTIME_SERVE_POLICY_H
#include <stdbool.h>
#include <stdint.h>
#include "service.h"

enum {
    POLICY_ARRAY_SHARE = 4,
    POLICY_BULK_PATIENCE_NS = 1000000000,
    POLICY_LEAD_NS = 20000,
    POLICY_QUIET_NS = 1000000000
};
/* With t = a + bT a batch of half speed takes 2a, twice as long as the smallest: so a query's p99 beside an array stays
 * within twice of what it is alone.  One of 0.9 takes 10a. */
static const double POLICY_QUANTUM_SPEED = 0.5, POLICY_QUIET_SPEED = 0.9;

typedef enum { LANE_INTERACTIVE, LANE_BULK, LANES } lane;

typedef struct {
    int64_t objective_ns;              /* of the SLO, for a whole request */
    int64_t max_wait_ns;               /* in the queue */
    int batch_tokens, batch_sequences; /* what the device has room for */
    int longest;                       /* tokens of the longest sequence, <= batch_tokens: the least budget */
    int executors;                     /* devices that pull from the one queue, >= 1 */
    int max_requests;                  /* in the queue at once */
} policy_limits;

/* What follows from the limits and the service times, worked out again after each batch. */
typedef struct {
    int budget_tokens, quantum_tokens, quiet_tokens;
    double ns_per_token; /* of one device, in batches of the budget */
} policy_plan;
policy_plan policy_plan_make(const policy_limits *l, const service_model *m);

/* When the sequence that has tokens_before of its own request before it is due. */
int64_t policy_due_ns(const policy_plan *p, lane of, int64_t arrived_ns, int64_t tokens_before);

typedef struct {
    int tokens, sequences;
    int64_t first_deadline_ns; /* INT64_MAX: none */
    int ahead_tokens;          /* see policy_ahead_tokens() */
} policy_batch;                /* open */
typedef enum {
    TRIGGER_IDLE,
    TRIGGER_FULL,
    TRIGGER_DEADLINE,
    TRIGGER_DRAIN,
    TRIGGERS
} policy_trigger; /* why a batch left */
extern const char *const policy_trigger_names[TRIGGERS];
/* How far a batch is filled with what is not yet due. */
int policy_ahead_tokens(const policy_plan *p, int64_t last_query_ns, int64_t now_ns);
typedef struct {
    int tokens;
    int64_t due_ns, deadline_ns;
} policy_sequence;
/* Does it join the open batch, which would begin at begin_ns?  The first always does.  Else *why: FULL, or DEADLINE:
 * one that is in could not make it. */
bool policy_joins(const policy_limits *l, const policy_plan *p, const service_model *m, const policy_batch *open,
                  const policy_sequence *s, int64_t begin_ns, policy_trigger *why);

/* When the next batch should be cut; now_ns or before: at once.  busy_until_ns: the predicted end of what is on this
 * executor's device, not after now_ns: idle; due_tokens: queued and due. */
int64_t policy_cut_ns(const policy_plan *p, int64_t due_tokens, int64_t busy_until_ns, int64_t now_ns);

typedef enum { POLICY_ADMIT, POLICY_OVERLOADED, POLICY_HOPELESS } policy_verdict;
/* wait_ns: predicted, before the device begins with it; own_ns: on the device, alone; deadline_ns: INT64_MAX: none. */
policy_verdict policy_admits(const policy_limits *l, lane of, int64_t wait_ns, int64_t own_ns, int64_t deadline_ns,
                             int64_t now_ns);
/* Would what begins at begin_ns and takes own_ns be late? */
bool policy_hopeless(int64_t own_ns, int64_t deadline_ns, int64_t begin_ns);
/* The longest wait with which a request is admitted: what bulk may wait longer is its patience. */
int64_t policy_wait_limit_ns(const policy_limits *l, lane of, int64_t own_ns, int64_t deadline_ns, int64_t now_ns);
/* Whole seconds after which the wait will have come down to the limit, 1 to 600. */
int policy_retry_after_s(int64_t wait_ns, int64_t limit_ns);
#endif
