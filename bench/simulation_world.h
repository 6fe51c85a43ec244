/* simulation_world.h - what a run of the simulation is made of: the fleet, what is still to happen, requests on their
 * way, and the sums that do not depend on what happens.  simulation.c alone makes things happen. */
#ifndef BENCH_SIMULATION_WORLD_H
#define BENCH_SIMULATION_WORLD_H
#include "simulation_events.h"
#include "simulation_replica.h"

static const int64_t SIMULATION_START_NS = 1000000000; /* of the clock, as the queue takes 0 for never */

typedef struct simulation_request {
    job j; /* first: a job is its request */
    int64_t due_ns, turn;
    int replica;
    struct simulation_request *next; /* free */
} simulation_request;

/* The replicas' fields that the balancer reads lie side by side. */
typedef struct {
    const simulation_input *in;
    simulation_figures *out;
    int n, there; /* room for replicas; those that are not off */
    simulation_replica *replica;
    simulation_replica_state *state;
    int32_t *outstanding;
    int64_t *turn, *look_ns;
    int balance_turn;
    simulation_wishes wishes;
    simulation_events events;
    simulation_request *free;
    struct simulation_chunk *chunks; /* of all of them */
    int next;                        /* arrival */
    int64_t now_ns, end_ns;
    int64_t in_hand;
    int64_t accounted_ns;      /* until then the next two are summed up */
    double there_ns, paid_ns;  /* of all that are not off: in the whole run; until the schedule's end */
    int64_t came, came_tokens; /* since the last sample; since the last look at the scale */
    uint64_t random;
    status rc; /* the first failure: the loop ends */
    error *err;
} simulation_world;

/* Every replica is off.  BAD_INPUT, NO_MEMORY: also of any later call, in w->rc. */
status simulation_world_open(simulation_world *w, simulation_figures *out, const simulation_input *in, error *err);
void simulation_world_close(simulation_world *w);
void simulation_world_sum_up(simulation_world *w); /* into *out, of the replicas */

void simulation_world_advance(simulation_world *w, int64_t now_ns);
void simulation_world_set(simulation_world *w, int replica, simulation_replica_state state);
int simulation_world_count(const simulation_world *w, simulation_replica_state state);
double simulation_world_exponential(simulation_world *w); /* of mean 1 */
/* Something is to happen: to a request, whose turn it is then of, or to a replica, or (-1) to neither. */
void simulation_world_tell(simulation_world *w, simulation_event_kind kind, int64_t at_ns, int replica,
                           simulation_request *r);
/* NULL: there is no memory, and w->rc says so. */
simulation_request *simulation_world_request(simulation_world *w);
void simulation_world_release(simulation_world *w, simulation_request *r);
#endif
