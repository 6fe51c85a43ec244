/* incident_bundle.h - what is needed to understand an incident, taken when it opens: one JSON object.
 *
 *   {"build": {...}, "process": {...}, "options": ["listen=127.0.0.1:8080 (default)", ...],
 *    "versions": {"active": {"version", "directory", "digest", "model", "since_unix_s"} | null, "previous": ...},
 *    "slo": {"objective_ms", "objective_ratio", "burn": {"5m", "1h", "6h"}}, "p99_ms": {"10s", "1m", "5m"},
 *    "queue": {...} | null, "device": {...} | null,
 *    "edges_ms": [...], "stages": [{"stage", "count", "sum_ms", "p50_ms", "p99_ms", "counts": [...]}, ...],
 *    "slowest": [{"request_id", "route", "status", "ago_ms", "total_ms", "stages_ms": {...}, "sequences", "tokens"}],
 *    "flight": {...}}
 *
 * Stages are of all requests since the start; their quantiles are the edge above, as the counts have it.  slowest: the
 * slowest of each second of the last minute, of these the INCIDENT_SLOWEST that took longest, longest first.  flight:
 * as in flight_dump.h, the last INCIDENT_EVENTS of each thread.  Never a text of a client, nor the address that is told
 * of incidents, whose path is often a secret. */
#ifndef SERVER_INCIDENT_BUNDLE_H
#define SERVER_INCIDENT_BUNDLE_H
#include "incident_file.h"

enum { INCIDENT_EVENTS = 128, INCIDENT_SLOWEST = 8 };
/* Version and owner of what answers, if anything does, and the bundle; without memory it stays NULL.  Any thread; in
 * every phase, while what the app points to lives. */
void incident_bundle_take(incident *n, const app *a, int64_t now_ns);
#endif
