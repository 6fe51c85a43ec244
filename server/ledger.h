/* ledger.h - what was done to this server's versions: append-only, a JSON object a line, each on the disk before the step
 * that it tells of counts as done.
 *
 *   {"at": "2026-11-25T09:00:00.123Z", "release": 12, "action": "release", "step": "load", "outcome": "ok",
 *    "version": "1.2", "directory": "v1.2", "digest": "...", "previous": "1.1", "who": "ada@host", "why": "...",
 *    "ms": 412.1, "detail": "..."}
 *
 * action: start, release, rollback, stop.  step of a release: check, contract, memory, load, golden, warm, shadow,
 * switch, bake, done; of others "".  outcome: begun, ok, refused, failed, rolled_back, interrupted.
 * A torn last line, or one that is no JSON, is kept as it is and skipped by readers; the next line begins on a new one.
 * Without a state directory, and when the disk does not take a line, it is in memory alone: LEDGER_KEPT lines.
 * Threads: any.  append() waits for the disk, and for whoever else appends; readers wait for neither. */
#ifndef SERVER_LEDGER_H
#define SERVER_LEDGER_H
#include "out.h"
#include "state.h"

enum { LEDGER_KEPT = 4096 /* lines in memory, the last ones */ };
typedef enum { LEDGER_START, LEDGER_RELEASE, LEDGER_ROLLBACK, LEDGER_STOP, LEDGER_ACTIONS } ledger_action;
typedef enum { LEDGER_BEGUN, LEDGER_OK, LEDGER_REFUSED, LEDGER_FAILED, LEDGER_ROLLED_BACK, LEDGER_INTERRUPTED,
               LEDGER_OUTCOMES } ledger_outcome;
extern const char *const ledger_actions[LEDGER_ACTIONS], *const ledger_outcomes[LEDGER_OUTCOMES];

typedef struct {
    ledger_action action;
    ledger_outcome outcome;
    int64_t release;           /* number of the release or rollback that it belongs to; 0: none */
    const char *step;          /* NULL or "" likewise for all below: not written */
    const state_version *version;
    const char *previous, *who, *why, *detail;
    double ms;                 /* < 0: not written */
} ledger_line;

typedef struct ledger ledger;
/* Reads what is there.  A release that was begun and has no end gets a line "interrupted" now. */
status  ledger_open(ledger **out, state *s, error *err);
void    ledger_close(ledger *l); /* NULL is fine */
void    ledger_append(ledger *l, const ledger_line *line);
int64_t ledger_next_release(ledger *l); /* 1, 2, ...: goes on where the file ends */
/* The interrupted release that ledger_open() found: its version and step; false: there was none. */
bool    ledger_interrupted(const ledger *l, state_version *version, char step[16]);
/* The last n lines, oldest first, as a JSON array. */
void    ledger_write(out *o, ledger *l, int n);
/* Releases so far, for beeline_releases_total: [0] activate, [1] rollback, each ok, refused, failed; since the start. */
void    ledger_count(const ledger *l, int64_t counts[2][3]);
#endif
