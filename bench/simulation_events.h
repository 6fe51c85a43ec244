/* simulation_events.h - what is still to happen, soonest first; of two at one time the one that was told first.
 *
 * A binary heap that grows.  Time never goes back: nothing is told that is due before what was taken last. */
#ifndef BENCH_SIMULATION_EVENTS_H
#define BENCH_SIMULATION_EVENTS_H
#include <stdbool.h>
#include "runtime/base/status.h"
#include <stdint.h>

typedef enum {
    EVENT_SUBMIT, /* a request leaves the host's stage for the queue */
    EVENT_LOOK,   /* a replica's device is done, or its next batch is to be cut */
    EVENT_REPLY,  /* a request is answered */
    EVENT_FAIL,   /* a replica does */
    EVENT_READY,  /* a replica has started */
    EVENT_TICK,   /* of the clock that samples the fleet */
    EVENT_SCALE   /* of the autoscaler */
} simulation_event_kind;

typedef struct {
    int64_t at_ns;
    uint64_t order; /* events_add() sets it */
    simulation_event_kind kind;
    int replica;
    int64_t turn;  /* of the replica: an event of an earlier one is stale */
    void *request; /* SUBMIT, REPLY */
} simulation_event;

typedef struct {
    simulation_event *at;
    int n, room;
    uint64_t told;
} simulation_events; /* {0} is empty */

status simulation_events_add(simulation_events *e, simulation_event event, error *err);
simulation_event simulation_events_take(simulation_events *e); /* of at least one */
static inline int64_t simulation_events_next_ns(const simulation_events *e)
{
    return e->n ? e->at[0].at_ns : INT64_MAX;
}
void simulation_events_close(simulation_events *e);
#endif
