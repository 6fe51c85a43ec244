/* release.h - the one way by which another version comes to answer, and back.
 *
 *   check -> contract -> load -> golden -> warm -> switch -> done
 *
 * A control thread does it, one at a time.  Until the switch nothing of the live version is touched: whatever fails, the
 * candidate is closed and the live one has served on.  Each step is a line in the ledger.  Everything that runs on the
 * device runs through the queue, behind live requests. */
#ifndef SERVER_RELEASE_H
#define SERVER_RELEASE_H
#include "app.h"
#include "out.h"

typedef enum { STEP_CHECK, STEP_CONTRACT, STEP_LOAD, STEP_GOLDEN, STEP_WARM, STEP_SWITCH, STEPS } release_step;
extern const char *const release_steps[STEPS]; /* "check", ... */

typedef struct {
    char version[65]; /* the directory's name beneath --versions */
    char reason[257], who[80];
    bool breaking;
} release_order;

/* The app's queue, executor and versions are there, with an active one. */
status release_open(release **opened, app *a, error *err);
void   release_close(release *r); /* what is under way before its switch is given up; NULL is fine */

/* Begins it and returns its number; the rest is told by release_write().  CONFLICT: one is under way. */
status release_start(release *r, const release_order *o, int64_t *number, error *err);
/* The previous version answers when this returns; took_ns: the switch.  NOT_FOUND: no previous version is loaded;
 * CONFLICT: a release is under way. */
status release_rollback(release *r, const char *reason, const char *who, int64_t *took_ns, error *err);

/* The release under way, else the last one: {"number", "version", "state": "idle" | "running" | "done" | "refused" |
 * "failed", "who", "reason", "steps": [{"step", "state": "waiting" | "running" | "ok" | "failed", "ms", "detail"}]}. */
void   release_write(out *o, release *r);
/* {"active": {...}, "previous": {...} | null}: version, directory, digest, model, since, owner */
void   release_write_versions(out *o, release *r);
typedef struct { int64_t activate_ok, activate_refused, activate_failed, rollback_ok, rollback_failed; } release_counts;
release_counts release_count(release *r); /* since the start */
#endif
