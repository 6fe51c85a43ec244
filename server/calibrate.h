/* calibrate.h - how long each part of `beeline calibrate` takes, so that tests can be quicker than life. */
#ifndef SERVER_CALIBRATE_H
#define SERVER_CALIBRATE_H
#include "options.h"
#include "runtime/serve/knee.h"

typedef struct {
    int runs; /* of one point of the service table, at most STOPWATCH_RUNS_MAX; and of each of the host's costs */
    int64_t point_ns;
    knee_pace pace;
} calibrate_plan;
extern const calibrate_plan calibrate_standard;

/* Measures, prints to stdout and writes the capacity; returns the process's exit status. */
int calibrate_with(const calibrate_plan *plan, const options *o, const char *dir);
#endif
