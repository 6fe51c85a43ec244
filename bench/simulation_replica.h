/* simulation_replica.h - one server on the simulation's clock: the real queue, a device that takes as long as it is
 * told, threads for connections.  What the executor and the batcher do with threads and a lock, turn() does at the
 * times when they would. */
#ifndef BENCH_SIMULATION_REPLICA_H
#define BENCH_SIMULATION_REPLICA_H
#include "runtime/serve/queue.h"
#include "simulation.h"

typedef struct {
    queue_batch b;
    batch_part *parts; /* [cap] */
} simulation_batch;

typedef struct {
    /* from the input */
    policy_limits limits;
    int slots, cap;
    service_model truth; /* as calibrated, whatever the queue has learned */
    uint64_t random;
    /* state */
    queue *q;
    simulation_batch batch[2]; /* one computes, one is staged */
    int oldest, n;
    int64_t begun_ns, done_ns; /* of the oldest */
    int64_t predicted_ns;      /* its end, as the queue was told */
    int64_t *thread_free_ns;   /* [threads] */
    int threads;
    int64_t last_ns; /* of the last call */
    bool starved;    /* since then: idle, and something is queued */
    int64_t last_single_ns[LANES];
    /* counted */
    int64_t device_ns, host_ns, idle_queued_ns, overtaken;
    int64_t batches, sequences, tokens, trigger[TRIGGERS], batch_octaves[SIMULATION_OCTAVES];
    int largest_tokens, largest_sequences, budget_tokens;
} simulation_replica;

status simulation_replica_open(simulation_replica *r, const simulation_input *in, int number, error *err);
void simulation_replica_close(simulation_replica *r); /* nothing may be in hand; {0} is fine */

/* A thread is taken by what costs so much: until when. */
int64_t simulation_replica_work(simulation_replica *r, int64_t now_ns, double cost_ns);
/* As queue_submit(): OVERLOADED, EXPIRED.  turn() must follow. */
status simulation_replica_submit(simulation_replica *r, job *j, int64_t now_ns);
/* All that happens now: a batch is done, the next is cut, what is too late is dropped.  Into `complete` go the requests
 * that have ended; returns when to look again, INT64_MAX: not before another submit. */
int64_t simulation_replica_turn(simulation_replica *r, int64_t now_ns, job_list *complete);
/* It fails: all in hand are complete with UNAVAILABLE; what it learned is gone. */
status simulation_replica_fail(simulation_replica *r, int64_t now_ns, job_list *complete, error *err);
#endif
