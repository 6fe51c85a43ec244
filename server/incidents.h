/* incidents.h - what went wrong, with what is needed to understand it, whose it is, and until when it was open.
 *
 * One incident is open for each cause: what happens again is counted in it.  Opening one takes the bundle at once: the
 * flight recorder, the nine stages' histograms, the slowest requests (never their text), versions, options, process.
 * Each is a file state/incidents/ID.json, replaced whole at every change; all of them are read at the start.  Without a
 * state directory they live in memory.  Of closed ones INCIDENTS_KEPT are kept, the oldest files go first.
 *
 *   {"id": "20261125-090000-slo_burn", "cause": "slo_burn", "state": "open" | "acknowledged" | "resolved",
 *    "opened_at", "last_at", "count": 3, "summary": "...", "rule": "", "version", "digest", "model",
 *    "owner": {"team", "contact", "runbook"}, "acknowledged_by", "acknowledged_at", "resolved_by", "resolved_at", "note",
 *    "bundle": {...}}
 *
 * Threads: any; a lock, held while a file is written, that no loop of the public port ever takes: what a loop sees (a
 * spike of contract violations) is found by the thread that ticks. */
#ifndef SERVER_INCIDENTS_H
#define SERVER_INCIDENTS_H
#include "app.h"
#include "out.h"

enum { INCIDENTS_KEPT = 200 };
typedef enum { CAUSE_SLO_BURN, CAUSE_GPU_FAULT, CAUSE_STALLED, CAUSE_GOLDEN, CAUSE_ROLLBACK, CAUSE_CONTRACT, CAUSES } cause;
extern const char *const cause_names[CAUSES]; /* "slo_burn", "gpu_fault", "stalled_executor", "golden", "rollback",
                                                 "contract_violations" */
typedef struct incidents incidents;

/* url "": nobody is told.  Unreadable files are one log line each and stay where they are. */
status incidents_open(incidents **out, app *a, const char *state_directory, const char *url, error *err);
void   incidents_close(incidents *i); /* what waits to be posted gets two seconds; NULL is fine */

/* Opens one, or counts in the one that is open; in the log as a warning with owner and runbook.  rule: of bake.h, or "".
 * Returns true when it was opened. */
bool   incidents_report(incidents *i, cause why, const char *rule, const char *summary);
/* NOT_FOUND; CONFLICT: it is resolved already.  A note must not be empty to resolve: BAD_INPUT. */
status incidents_acknowledge(incidents *i, const char *id, const char *who, error *err);
status incidents_resolve(incidents *i, const char *id, const char *who, const char *note, error *err);

/* All, newest first, as a JSON array without bundles; one with its bundle: NOT_FOUND. */
void   incidents_write(out *o, incidents *i);
status incident_write(out *o, incidents *i, const char *id, error *err);
int    incidents_open_count(incidents *i);
int64_t incidents_write_errors(const incidents *i);
/* Every second or so by the thread that ticks: reports SLO burn (5 m and 1 h above 14.4, or 30 m... as far as this process
 * has lived) and spikes of contract violations (400 and 422: more than half of at least 100 requests in a minute). */
void   incidents_tick(incidents *i, int64_t now_ns);
#endif
