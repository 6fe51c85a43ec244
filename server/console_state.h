/* console_state.h - how the server is, as one JSON document: for the console and for `beeline status`. */
#ifndef SERVER_CONSOLE_STATE_H
#define SERVER_CONSOLE_STATE_H
#include "app.h"
#include "out.h"

/* {"state": "loading" | "ready" | "draining" | "lost", "build", "now", "uptime_s",
 *  "objective": {"ms", "ratio"}, "latency_ms": {"10s": {"0.5": ...}, ...}, "burn": {"5m", "1h", "6h"},
 *  "requests": {"good", "bad"}, "resident_bytes",
 *  and once a version is loaded
 *  "load": {"offered_tokens_per_s", "capacity_tokens_per_s", "ratio"}, "queue": {"requests", "tokens", "oldest_ms"},
 *  "device": {"backend", "name", "precision"}, "versions": as release_write_versions(), "release": as release_write(),
 *  "incidents": as incidents_write()}.  Any thread. */
void console_state_write(out *o, const app *a);
#endif
