/* release.h - the one way by which another version comes to answer, and back.
 *
 *   check -> contract -> memory -> load -> golden -> warm -> shadow -> switch -> bake -> done
 *     |________________________________________________________|         |        |
 *                     refused or failed: nothing has changed            ...    rolled back
 *
 * A control thread does it, one at a time.  Until the switch nothing of the live version is touched: whatever fails,
 * the candidate is closed and the live one has served on.  In the bake the previous version stays loaded, and answers
 * again as soon as a rule of bake.h fires; only a version that has passed its bake is the one that a restart begins
 * with. Each step is a line in the ledger.  Everything that runs on the device runs through the queue, behind live
 * requests. */
#ifndef SERVER_RELEASE_H
#define SERVER_RELEASE_H
#include "app.h"
#include "out.h"

typedef enum {
    STEP_CHECK,
    STEP_CONTRACT,
    STEP_MEMORY,
    STEP_LOAD,
    STEP_GOLDEN,
    STEP_WARM,
    STEP_SHADOW,
    STEP_SWITCH,
    STEP_BAKE,
    STEPS
} release_step;
extern const char *const release_steps[STEPS]; /* "check", ... */

typedef struct {
    char version[65]; /* the directory's name beneath --versions */
    char reason[257], who[80];
    bool breaking;
    int shadow_ms, bake_ms; /* 0: none of it */
} release_order;

/* The app's queue, executor and versions are there, with an active one: the queue's forecasts are its from now on. */
status release_open(release **opened, app *a, error *err);
/* What is under way is given up; in a bake the version before is the one that a restart begins with.  NULL is fine. */
void release_close(release *r);

/* Begins it and returns its number; the rest is told by release_write().  CONFLICT: one is under way. */
status release_start(release *r, const release_order *o, int64_t *number, error *err);
/* The previous version answers when this returns, also amid a bake, which ends then; took_ns: the switch.  NOT_FOUND:
 * no previous version is loaded; CONFLICT: a release is under way and has not switched. */
status release_rollback(release *r, const char *reason, const char *who, int64_t *took_ns, error *err);

/* The release under way, else the last one: {"number", "version", "state": "idle" | "running" | "done" | "refused" |
 * "failed" | "rolled_back", "who", "reason", "steps": [{"step", "state": "waiting" | "running" | "ok" | "failed" |
 * "skipped", "ms", "detail"}], "rules": ["p99_previous: ...", ...]: of the bake, once it has begun}. */
void release_write(out *o, release *r);
/* {"active": {...}, "previous": {...} | null}: version, directory, digest, model, since, owner */
void release_write_versions(out *o, release *r);
typedef struct {
    int64_t activate_ok, activate_refused, activate_failed, rollback_ok, rollback_failed;
} release_counts;
release_counts release_count(release *r); /* since the start */
#endif
