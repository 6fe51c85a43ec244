/* simulation_order.h - what `simulate` shall find out: the command's words, understood and checked, and the files they
 * name, read.  What is sent is said by the words of `load`; --workload FILE is --arrivals file:FILE where the file says
 * the tokens, too. */
#ifndef BENCH_SIMULATION_ORDER_H
#define BENCH_SIMULATION_ORDER_H
#include "load_plan.h"
#include "simulation_plan.h"

typedef struct {
    capacity machine;
    simulation_question question; /* its mix points into the order: it stays where it is */
    double rate;                  /* requests/s; of a replay its own */
    bool plans;                   /* --plan */
    int least, most;              /* replicas, not of a plan; the same: exactly so many */
    int zones, dimensions;
    double price; /* NAN: not said */
    load_plan load;
    load_schedule replay;
} simulation_order;

/* BAD_INPUT, IO_FAILED, EMPTY...: with the word, or the file and its line. */
status simulation_order_read(simulation_order *out, const bench_options *o, error *err);
void simulation_order_close(simulation_order *o); /* {0} is fine */
#endif
