/* simulation_plan.h - how many replicas an objective needs, how much those would carry, and what moves that:
 * simulations made again and again.
 *
 * An objective holds where the wanted share of all requests is answered within it, as `knee` and `beeline calibrate`
 * say it: who is refused is not answered, and at most a thousandth may be.
 *
 * Nothing is said of batches that nobody measured: a simulation in which one had more than SIMULATION_BEYOND times the
 * tokens of the largest calibrated one is BAD_INPUT, with both numbers. */
#ifndef BENCH_SIMULATION_PLAN_H
#define BENCH_SIMULATION_PLAN_H
#include "simulation.h"

static const double SIMULATION_BEYOND = 1.2, SIMULATION_REFUSED = 0.001;

typedef struct {
    simulation_input input; /* its traffic and from_ns are each run's own */
    simulation_mix mix;     /* its rate too */
    double ratio;           /* of all requests, within input.objective_ns */
    int least_requests;     /* of a run, which goes on for longer than mix.duration_ns for their sake, and does not
                               count its first twentieth; 0: all of the duration counts */
} simulation_question;

bool simulation_holds(const simulation_figures *f, double ratio);
status simulation_try(simulation_figures *out, const simulation_question *q, double rate, int replicas, error *err);

typedef struct {
    int replicas;
    bool holds;
    double p50_ms, p99_ms, objective_ms; /* the last: at the objective's share; NAN: too few, or not answered */
    double good, refused;                /* shares of all that came */
} simulation_trial;
simulation_trial simulation_trial_of(const simulation_figures *f, int replicas, double ratio);

enum { SIMULATION_TRIALS = 32 };
typedef struct {
    int least;                                 /* 0: not even `most` holds */
    simulation_trial trial[SIMULATION_TRIALS]; /* all that were tried, by replicas */
    int n;
} simulation_range;
/* The least number in [least, most] with which it holds at that rate, found by halving: more replicas are taken to be
 * no worse. */
status simulation_least(simulation_range *out, const simulation_question *q, double rate, int least, int most,
                        error *err);
/* The highest rate at which it holds, to a hundredth; 0: none worth the name. */
status simulation_highest(double *rate, const simulation_question *q, int replicas, error *err);

/* What the answer may be wrong about. */
typedef enum {
    SIMULATION_SERVICE_TIME,
    SIMULATION_HOST_COST,
    SIMULATION_RATE,
    SIMULATION_LENGTH,
    SIMULATION_INPUTS
} simulation_factor;
extern const char *const simulation_factor_names[SIMULATION_INPUTS];
/* The same question where that is `by` times as much; the rate is the caller's. */
simulation_question simulation_moved(const simulation_question *q, simulation_factor what, double by);

/* With the largest of `zones` lost, `survivors` are left: so many are needed.  zones 1: none can be lost. */
int simulation_with_zones(int survivors, int zones);

/* A reply's rows on the wire. */
typedef struct {
    const char *name;
    double float_bytes;
    size_t cost; /* capacity_cost, in a capacity */
} simulation_format;
enum { SIMULATION_FORMATS = 3 };
extern const simulation_format simulation_formats[SIMULATION_FORMATS];
typedef struct {
    double in_bits_per_s, out_bits_per_s, cores;
} simulation_wire;
simulation_wire simulation_wire_of(const simulation_format *f, const capacity *c, double rate, double tokens,
                                   double rows, int dimensions);
#endif
