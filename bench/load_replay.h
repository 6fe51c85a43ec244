/* load_replay.h - a schedule from a file: a line a request, its due time in seconds from the start, and where the file
 * says so the tokens of its text:
 *
 *     0.000 118
 *     0.013 72          a comma or a tab will do for the blank */
#ifndef BENCH_LOAD_REPLAY_H
#define BENCH_LOAD_REPLAY_H
#include "load_schedule.h"

/* What is due at *duration_ns and later is left out.  *duration_ns 0: all of it is taken, and *duration_ns becomes what
 * the last is due at and the mean gap after it.  Either every line has tokens, or none.  BAD_INPUT with the line,
 * IO_FAILED. */
status load_replay_open(load_schedule *out, const char *file, int64_t *duration_ns, error *err);
#endif
