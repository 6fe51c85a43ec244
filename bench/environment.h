/* environment.h - what a figure is worth nothing without: machine, build, command, as facts of the report. */
#ifndef BENCH_ENVIRONMENT_H
#define BENCH_ENVIRONMENT_H
#include "report.h"

/* What this machine does not tell is "unknown". */
void environment_say(report *r, int argc, char **argv);
#endif
