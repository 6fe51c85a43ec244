/* simulation.h - a fleet of servers on a virtual clock: what becomes of its latencies before a machine is bought.
 *
 *   traffic -> balancer -> replica: host (parse, tokenize) -> queue -> device -> host (serialize) -> reply
 *                            `-- fails, starts again;  the autoscaler adds and takes away
 *
 * The queue, its policy and what it learns are the server's own, runtime/serve/queue.h and policy.h: no copy of them is
 * here.  A batch takes what the service table says, times a log-normal factor of the table's spread about its median;
 * the host's costs are as they were calibrated, without spread.  Not modelled: the network, HTTP itself, the batches'
 * failures, golden sequences.
 *
 * The same input gives the same figures.  No I/O, no clock; one thread; any number of them at once. */
#ifndef BENCH_SIMULATION_H
#define BENCH_SIMULATION_H
#include <stdbool.h>
#include "load_tally.h"
#include "runtime/serve/capacity.h"
#include "runtime/serve/policy.h"
#include "simulation_fleet.h"
#include "simulation_traffic.h"

/* What the threads for connections do for a request. */
typedef struct {
    double request_ns, per_token_ns, per_row_ns; /* parse and tokenize; serialize */
    int threads;                                 /* of a replica, >= 1 */
} simulation_host;

typedef struct {
    const simulation_traffic *traffic;
    int64_t from_ns; /* what was due before is served, but not counted */
    service_table service;
    simulation_host host;
    policy_limits limits; /* of a replica, which has one device: executors 1 */
    int slots;            /* of its backend: 1: a batch is cut when the device is free; more: one is staged behind it */
    int64_t objective_ns; /* latencies within it are good */
    int64_t deadline_ns;  /* after a request was due; 0: none */
    lane lane;
    simulation_fleet fleet;
    uint64_t seed;
} simulation_input;

/* JSON, as `load` sends it: an English word with its blank is a token; what is around the texts. */
enum { SIMULATION_TOKEN_BYTES = 6, SIMULATION_BODY_BYTES = 16 };
/* The costs, the service times and the slots of a calibrated machine; rows are of one of its three formats. */
void simulation_machine(simulation_input *in, const capacity *c, const capacity_cost *row);

typedef enum {
    SIMULATION_HOST,
    SIMULATION_QUEUE,
    SIMULATION_DEVICE,
    SIMULATION_REPLY,
    SIMULATION_STAGES
} simulation_stage;
extern const char *const simulation_stage_names[SIMULATION_STAGES];

enum { SIMULATION_OCTAVES = 16, SIMULATION_SAMPLES = 24 };
typedef struct {
    int64_t at_ns;
    int ready, starting;   /* starting: or failed */
    double requests_per_s; /* that came since the sample before */
} simulation_sample;

typedef struct {
    /* of the requests that count */
    int64_t due, answered, good;                /* good: within the objective */
    int64_t overloaded, late, failed, unserved; /* 429; 504; its replica failed; no replica was ready */
    int64_t answered_in_time;                   /* before the schedule's end */
    double counted_s;                           /* the schedule, from from_ns on */
    load_latency latency, stage[SIMULATION_STAGES];
    double latency_ns, stage_ns[SIMULATION_STAGES]; /* sums */
    /* of the whole run */
    int64_t batches, sequences, tokens, trigger[TRIGGERS];
    int64_t
        batch_octaves[SIMULATION_OCTAVES]; /* batches of 2^i and more sequences, below 2^(i+1); the last: and more */
    int largest_tokens, largest_sequences, budget_tokens; /* of a batch; budget: the largest there was */
    double device_busy, host_busy;                        /* shares of the time that replicas were there */
    double replica_hours;                                 /* all that was not off, to the schedule's end */
    int replicas_most, failures, scalings;
    simulation_sample sample[SIMULATION_SAMPLES];
    int n_samples;
    /* What must hold, counted beside the model: Little's law (the integral of the number in hand, and the sum of the
     * times in hand), device time that was idle while something was queued, requests of one lane that were overtaken.
     */
    double in_hand_ns, sojourn_ns;
    int64_t idle_queued_ns, overtaken;
} simulation_figures;

/* BAD_INPUT: limits or service times that no queue takes, a fleet without a replica; NO_MEMORY. */
status simulation_run(simulation_figures *out, const simulation_input *in, error *err);
#endif
