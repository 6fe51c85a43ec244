/* incidents.h - what went wrong, with what is needed to understand it, whose it is, and until when it was open.
 *
 * One incident is open for each cause: what happens again is counted in it.  Opening one takes the bundle at once
 * (incident_bundle.h): the flight recorder, the nine stages' histograms, the slowest requests (never their text),
 * versions, options, process.  Each is a file state/incidents/ID.json, replaced whole at every change; all of them are
 * read at the start.  Without a state directory they live in memory; so does one that the disk does not take, which is
 * counted, logged once for each reason, and tried again every minute.  Of closed ones INCIDENTS_KEPT are kept, the
 * oldest files go first; in memory alone the bundles of the last INCIDENTS_BUNDLES.
 *
 *   {"id": "20261125-090000-slo_burn", "cause": "slo_burn", "state": "open" | "acknowledged" | "resolved",
 *    "opened_at", "last_at", "count": 3, "summary": "...", "rule": "", "version", "digest", "model",
 *    "owner": {"team", "contact", "runbook"}, "acknowledged_at": null, "resolved_at": null, "acknowledged_by": "",
 *    "resolved_by": "", "note": "", "bundle": {...}}
 *
 * Version and owner are of the version that answers when it opens.
 *
 * Threads: any.  Who changes something waits for the disk; who reads does not, but for the bundle of a closed one.  No
 * loop of the public port comes here: what a loop sees (a spike of contract violations) is found by the thread that
 * ticks. */
#ifndef SERVER_INCIDENTS_H
#define SERVER_INCIDENTS_H
#include "app.h"
#include "out.h"

enum { INCIDENTS_KEPT = 200, INCIDENTS_BUNDLES = 16 };
typedef enum { CAUSE_SLO_BURN, CAUSE_GPU_FAULT, CAUSE_STALLED, CAUSE_GOLDEN, CAUSE_ROLLBACK, CAUSE_CONTRACT, CAUSES } cause;
extern const char *const cause_names[CAUSES]; /* "slo_burn", "gpu_fault", "stalled_executor", "golden", "rollback",
                                                 "contract_violations" */
typedef struct incidents incidents;

/* url "": nobody is told; else notify.h tells it of each that opens and of each change of its state.  Unreadable files
 * are one log line each and stay where they are.  BAD_INPUT: the url; NO_MEMORY. */
status incidents_open(incidents **out, const app *a, const char *state_directory, const char *url, error *err);
void   incidents_close(incidents *i); /* what waits to be posted gets two seconds; NULL is fine */

/* Opens one, or counts in the one that is open; in the log as a warning with owner and runbook.  rule: of bake.h, or "".
 * Returns true when it was opened. */
bool   incidents_report(incidents *i, cause why, const char *rule, const char *summary);
/* NOT_FOUND; CONFLICT: it is resolved already.  Acknowledged again it is the other's.  A note must not be blank, nor
 * longer than 1024 bytes, to resolve: BAD_INPUT. */
status incidents_acknowledge(incidents *i, const char *id, const char *who, error *err);
status incidents_resolve(incidents *i, const char *id, const char *who, const char *note, error *err);

/* All, newest first, as a JSON array without bundles; one with its bundle: NOT_FOUND. */
void   incidents_write(out *o, incidents *i);
status incident_write(out *o, incidents *i, const char *id, error *err);
int    incidents_open_count(const incidents *i); /* acknowledged ones too */
int64_t incidents_write_errors(const incidents *i);

/* Every second or so by the thread that ticks, after monitor_tick().  Reports
 *   slo_burn             the budget burns more than 14.4 times too fast over 5 m and 1 h, as far back as this process has
 *                        lived, or after an hour 6 times over 1 h and 6 h; and 10 requests of the last 5 minutes were bad
 *   contract_violations  of at least 100 POST requests of the last minute more than half were answered 400 or 422
 * when it begins and, while it lasts, once a minute.  Resolved meanwhile, it is not opened again before it was over. */
void   incidents_tick(incidents *i, int64_t now_ns);
#endif
