/* flight_dump.h - what the flight recorder has, as one JSON document, for whoever asks and for a file.
 *
 *   {"taken_at": "2026-11-25T04:10:00.123Z", "rings": [{"thread": "loop 0", "events": [
 *     {"ago_us": 123.4, "event": "batch", "sequences": 4, "device_us": 2100, "tokens": 64}, ...]}, ...]}
 *
 * Oldest first in each ring; ago_us counts back from taken_at, below 0 is what came while the rings were read.  Any
 * thread: no other one waits for it, unless it attaches or detaches. */
#ifndef SERVER_FLIGHT_DUMP_H
#define SERVER_FLIGHT_DUMP_H
#include <limits.h>
#include "out.h"
#include "runtime/base/status.h"

struct call; /* http.h */

/* Of each thread at most so many, its last.  As every writer into an out: memory that is short is remembered there. */
void flight_dump(out *o, int most);
/* Into a new file `path`, directory/beeline-flight-PID-UNIXMS.json, for its owner's eyes; the whole of it, or the file
 * is removed again. */
status flight_dump_file(const char *directory, char path[PATH_MAX], error *err);
void flight_get(struct call *c); /* GET /admin/flight */
#endif
