/* executor.h - the one thread that owns a device: takes batches, packs them, submits them, hands the rows back.
 *
 *   batcher --take--> pack --submit--> [on the device | staged behind it] --collect--> rows --finish--> batcher
 *
 * Each batch is of one version, its jobs' engine: all versions are on the same device and share the ring of slots.  Each
 * has a backend of its own, in whose slot of the same number the batch lies.  A slot's engine is touched only while one
 * of its jobs is not done: whoever submitted keeps it alive until then.
 *
 * A backend with several slots works on its own: one batch computes and one is staged, late or full, as policy.h says,
 * while the rows of a third are handed out.  One with a single slot computes within collect().
 *
 * What a batch's end means:
 *   OK           each request has its rows; those that are not finite end their own request with NOT_FINITE
 *   NO_MEMORY    the batch runs once more as two halves; what fails then ends with NO_MEMORY
 *   GPU_FAILED   its requests end with it, the next batch may work
 *   GPU_LOST     everything queued and on the way ends with it, at once, and so does every later submit: the device
 *                and with it the process are beyond repair
 * A device that falls silent is lost too: a batch, or a call that does not return, for longer than the deadline.  A
 * call is watched from outside, by executor_lost(); a thread that never comes back from one is left behind.  So is a
 * device that gives other rows than the CPU for the golden sequences, which run when there is nothing else to do. */
#ifndef RUNTIME_SERVE_EXECUTOR_H
#define RUNTIME_SERVE_EXECUTOR_H
#include "batcher.h"
#include "engine.h"
#include "versions.h"

enum { EXECUTOR_GOLDEN_MS = 60000 };

typedef struct {
    int batch_deadline_ms; /* of a batch on the device; the CPU has none: its time is its work */
    int golden_every_ms;   /* EXECUTOR_GOLDEN_MS; tests are more curious */
} executor_options;

/* What it has run, but for the golden sequences: batches that came back OK, each half as one.  Written by its thread
 * alone, read by any: each number is right, together they are of one moment but for a batch. */
enum {
    EXECUTOR_SEQUENCE_EDGES = 13 /* 1 .. 4096 */,
    EXECUTOR_TOKEN_EDGES = 16 /* 1 .. 32768 */,
    EXECUTOR_RATIO_EDGES = 12
};
extern const double executor_ratio_edges[EXECUTOR_RATIO_EDGES]; /* 0.25 .. 8 */
typedef struct {
    int64_t batches, batch_sequences[EXECUTOR_SEQUENCE_EDGES + 1],
        batch_tokens[EXECUTOR_TOKEN_EDGES + 1];      /* <= 2^i; the last: more */
    int64_t service_ratio[EXECUTOR_RATIO_EDGES + 1]; /* measured over calibrated time, of whole batches */
    int64_t sequences, tokens;                       /* their sums */
    double ratio_sum, model_flops, busy_s;           /* busy: a batch, whatever came of it, was on the device */
    int64_t in_flight;                               /* batches on the device now */
    int64_t golden_ok, golden_failed;                /* rows that were looked at */
    int64_t device_errors;                           /* batches that it said NO_MEMORY, GPU_FAILED or GPU_LOST of */
    int64_t watchdog_trips;                          /* times that it was given up, as it said nothing */
    int64_t not_finite;                              /* requests with a row that is not, in a batch */
} executor_counts;

typedef struct executor executor;
/* Starts the thread.  Every version that will ever answer has the device, the slots and the batch sizes of the active
 * one, which there must be; the golden sequences are those of the version that is active when they are due.  number: of
 * this executor at the batcher, from 0. */
status executor_start(executor **out, versions *vs, batcher *b, int number, executor_options options, error *err);
executor_counts executor_count(const executor *x); /* any thread */
/* From one other thread, again and again: is the device lost, and why?  Everything is answered then.  Within this call
 * a silent one is given up, so it must be asked at least as often as that should be noticed. */
bool executor_lost(executor *x, error *why);
/* After batcher_close(); returns once all is answered.  OK, or GPU_LOST: then neither x's thread nor the device may
 * ever return, both are left as they are, and the process should end without their leave.  NULL is fine. */
status executor_join(executor *x, error *why);
#endif
