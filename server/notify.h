/* notify.h - tells a URL of incidents: POST of a JSON document, again and again until it is taken, in order.
 *
 * A thread of its own; a queue of NOTIFY_ROOM documents, of which the oldest gives way (counted, logged).  2xx takes
 * it; anything else is tried again after 1, 2, 4 ... 60 s, whichever gives way meanwhile; 4xx but 408 and 429 is given
 * up at once.  10 s for each try. */
#ifndef SERVER_NOTIFY_H
#define SERVER_NOTIFY_H
#include <stddef.h>
#include <stdint.h>
#include "runtime/base/status.h"

enum { NOTIFY_ROOM = 32 };
typedef struct notify notify;
typedef struct { int64_t sent, tries, dropped, waiting; } notify_counts;

/* BAD_INPUT: no http:// or https:// URL. */
status notify_open(notify **out, const char *url, error *err);
void   notify_close(notify *n, int grace_ms);                 /* NULL is fine */
void   notify_post(notify *n, const char *json, size_t bytes); /* copies; never waits; any thread */
notify_counts notify_count(const notify *n);
#endif
