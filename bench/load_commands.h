/* load_commands.h - the commands that make many load runs, with whatever makes them: load_run(), or what a test has in
 * its place.  Each returns the process's exit status, as bench.h says. */
#ifndef BENCH_LOAD_COMMANDS_H
#define BENCH_LOAD_COMMANDS_H
#include "bench.h"
#include "load_run.h"

/* As load_run(). */
typedef status load_runner(load_outcome *out, const load_plan *p, error *err);
int load_sweep_with(const bench_options *o, load_runner *run);
int load_knee_with(const bench_options *o, load_runner *run);
int load_compare_with(const bench_options *o, load_runner *run);
#endif
