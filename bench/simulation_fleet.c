#include "simulation_fleet.h"
#include <math.h>

static const double TOLERANCE = 0.1;
enum { AT_ONCE = 4 };

int simulation_balance_pick(simulation_balance how, const simulation_replica_state *state, const int32_t *outstanding,
                            int n, int *turn)
{
    int best = -1;
    for (int k = 0; k < n; k++) {
        const int i = (*turn + k) % n;
        if (state[i] != REPLICA_READY) continue;
        if (best < 0 || outstanding[i] < outstanding[best]) best = i;
        if (how == BALANCE_ROUND_ROBIN || outstanding[best] == 0) break;
    }
    if (best >= 0) *turn = best + 1 < n ? best + 1 : 0;
    return best;
}

static int clamp(int n, int least, int most) { return n < least ? least : n > most ? most : n; }

/* The least or the most that was wanted in the last `window_ns`, what is wanted now among them. */
static int extreme(const simulation_wishes *w, int64_t window_ns, int sign)
{
    int found = w->wanted[(w->n - 1) % SIMULATION_WISHES];
    for (int64_t back = 1; back <= window_ns / SIMULATION_SCALE_NS && back < w->n && back < SIMULATION_WISHES; back++) {
        const int then = w->wanted[(w->n - 1 - back) % SIMULATION_WISHES];
        if ((then - found) * sign > 0) found = then;
    }
    return found;
}

int simulation_scale(simulation_wishes *w, const simulation_scaler *s, int present, int ready, double load)
{
    int wanted = present;
    if (fabs(load / s->target - 1) > TOLERANCE) wanted = (int)fmin(ceil(ready * load / s->target), s->most);
    w->wanted[w->n++ % SIMULATION_WISHES] = clamp(wanted, s->least, s->most);
    const int up = extreme(w, s->up_ns, -1), down = extreme(w, s->down_ns, 1);
    const int step = present > AT_ONCE ? 2 * present : present + AT_ONCE;
    if (up > present) return up < step ? up : step;
    return down < present ? down : present;
}
