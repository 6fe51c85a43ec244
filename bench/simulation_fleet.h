/* simulation_fleet.h - which replicas there are, who gets the next request, and how many there should be: values, no
 * clock.
 *
 * A replica is off, starting, ready, draining (it gets nothing more and is off once it is empty) or down (it failed,
 * and is being repaired before it starts).  The balancer knows at once who is ready.
 *
 * The autoscaler is the horizontal pod autoscaler's rule: wanted = ceil(ready * load / target) every
 * SIMULATION_SCALE_NS, nothing within a tolerance of a tenth; up to the least that was wanted during the up window, at
 * most twice as many or four more at once; down to the most that was wanted during the down window.  Load is the
 * server's own ratio: tokens offered to a ready replica over the capacity of one. */
#ifndef BENCH_SIMULATION_FLEET_H
#define BENCH_SIMULATION_FLEET_H
#include <stdint.h>

enum { SIMULATION_REPLICAS_MAX = 4096, SIMULATION_WISHES = 256 };
static const int64_t SIMULATION_SCALE_NS = 15000000000;

typedef enum { BALANCE_ROUND_ROBIN, BALANCE_LEAST_OUTSTANDING } simulation_balance;
typedef struct {
    double target;          /* load ratio; 0: no autoscaler */
    int least, most;        /* replicas */
    double tokens_per_s;    /* of a replica at load 1 */
    int64_t up_ns, down_ns; /* windows, at most SIMULATION_WISHES periods */
} simulation_scaler;

typedef struct {
    int replicas; /* at the start, all ready */
    simulation_balance balance;
    int64_t mtbf_ns, mttr_ns; /* of a replica, exponential; 0: none fails; to repair one */
    int64_t start_ns;         /* from the wish, or the repair, until it is ready */
    simulation_scaler scaler;
} simulation_fleet;

typedef enum { REPLICA_OFF, REPLICA_STARTING, REPLICA_READY, REPLICA_DRAINING, REPLICA_DOWN } simulation_replica_state;

/* The next of the ready ones from *turn on, or the one with the fewest outstanding, the first of them from there; -1:
 * none is ready.  *turn moves on. */
int simulation_balance_pick(simulation_balance how, const simulation_replica_state *state, const int32_t *outstanding,
                            int n, int *turn);

typedef struct {
    int wanted[SIMULATION_WISHES]; /* of the last periods, a ring */
    int64_t n;
} simulation_wishes; /* {0} */
/* How many there should be, with `present` (starting or ready) of which `ready` carry the load. */
int simulation_scale(simulation_wishes *w, const simulation_scaler *s, int present, int ready, double load);
#endif
