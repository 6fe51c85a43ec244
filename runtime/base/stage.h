/* stage.h - where a request's time goes: nine stages that follow each other without a gap, so that they add up to the
 * whole.
 *
 *   read       first byte of the request's head seen .. last byte of its body seen
 *   parse      .. JSON checked and understood (with the wait for a parse thread, of a large body)
 *   tokenize   .. ids in the queue
 *   queue      .. the batch with its first sequence was cut
 *   h2d        .. the device began that batch: packed, copied, and the rest of the batch before it
 *   compute    .. the device was done with its last batch
 *   d2h        .. its rows were handed over
 *   serialize  .. the reply's bytes are made (with the wait for the connection's loop)
 *   write      .. the kernel has the last of them
 *
 * A stage that a request did not pass (GET, a refusal) took no time. */
#ifndef RUNTIME_BASE_STAGE_H
#define RUNTIME_BASE_STAGE_H
#include <stdint.h>

typedef enum {
    STAGE_READ,
    STAGE_PARSE,
    STAGE_TOKENIZE,
    STAGE_QUEUE,
    STAGE_H2D,
    STAGE_COMPUTE,
    STAGE_D2H,
    STAGE_SERIALIZE,
    STAGE_WRITE,
    STAGES
} stage;

/* at[s]: when stage s began, clock_ns(); at[STAGES]: when the last ended.  0: not passed. */
typedef struct {
    int64_t at[STAGES + 1];
} stage_times;

extern const char *const stage_names[STAGES];
/* What was not passed begins when what follows it begins, or at the end: then s took at[s + 1] - at[s] >= 0, and the
 * sum is at[STAGES] - at[STAGE_READ].  at[STAGE_READ] must be there; what lies before its predecessor is moved up to
 * it. */
void stage_settle(stage_times *t);
static inline int64_t stage_ns(const stage_times *t, int s) { return t->at[s + 1] - t->at[s]; }
#endif
