/* release.h - the one way by which another version comes to answer, and back.
 *
 *   check -> contract -> memory -> load -> golden -> warm -> shadow -> switch -> bake -> done
 *
 * A control thread does it, one at a time.  Until the switch nothing of the live version is touched: whatever fails, the
 * candidate is closed and the live one has served on.  After it the bake's rules (bake.h) decide; what they refuse is
 * taken back by a pointer, and an incident says why.  Each step is a line in the ledger before the next begins.  A version
 * counts as the last good one, to be started on after a crash, once its bake has passed.
 * Loading runs at the lowest priority; everything that runs on the device runs through the queue, behind live requests. */
#ifndef SERVER_RELEASE_H
#define SERVER_RELEASE_H
#include "app.h"
#include "out.h"

typedef enum { STEP_CHECK, STEP_CONTRACT, STEP_MEMORY, STEP_LOAD, STEP_GOLDEN, STEP_WARM, STEP_SHADOW, STEP_SWITCH,
               STEP_BAKE, STEP_DONE, STEPS } release_step;
extern const char *const release_steps[STEPS]; /* "check", ... */

typedef struct {
    char version[65];   /* the directory's name beneath --versions */
    char reason[257], who[80];
    bool breaking;
    int shadow_ms, bake_ms; /* 0: none */
} release_order;

typedef struct release release;
status release_open(release **out, app *a, error *err);
void   release_close(release *r); /* ends what is under way as an abort does; NULL is fine */

/* Begins it and returns its number.  CONFLICT: one is under way (its number, version and step); UNAVAILABLE: not ready, or
 * draining; BAD_INPUT: no such name.  The rest is told by release_write(). */
status release_start(release *r, const release_order *o, int64_t *number, error *err);
/* The previous version answers when this returns: a release that is under way is ended first, one that bakes by going
 * back.  NOT_FOUND: no previous version is resident. */
status release_rollback(release *r, const char *reason, const char *who, error *err);

/* The release under way, else the last one: {"number", "version", "state": "running" | "done" | "refused" | "failed" |
 * "rolled_back" | "idle", "who", "reason", "steps": [{"step", "state": "waiting" | "running" | "ok" | "skipped" |
 * "failed", "ms", "of_ms", "detail"}]}; of_ms: what it will take at most, where that is known. */
void   release_write(out *o, release *r);
/* {"active": {...}, "previous": {...} | null, "available": [names beneath the root with a manifest]} */
void   release_write_versions(out *o, release *r);
#endif
