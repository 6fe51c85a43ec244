/* state.h - what outlives the process: which version is good, and why processes ended.  One directory, one server.
 *
 *   current.json   {"current": {"directory", "version", "digest"}, "previous": {...} | null}   replaced whole
 *   exits.json     {"running": true, "last": {"clean": unix_s, "crash": unix_s, ...}}          replaced whole
 *   ledger.jsonl, incidents/ID.json                                                            ledger.h, incidents.h
 *   lock           held (flock) as long as the server lives
 *
 * Nothing of it may stop serving.  A directory that is missing is made; one that cannot be made, read or written, a file
 * that is torn, a lock that another holds: each is one log line, and where it fails to write a count for
 * beeline_write_errors_total{target="state"}; the server goes on with what it knows.  Without --state all is kept in
 * memory only.
 * Threads: reads from any; writes from one at a time, under a lock that no loop takes. */
#ifndef SERVER_STATE_H
#define SERVER_STATE_H
#include <stdbool.h>
#include <stdint.h>
#include "runtime/base/status.h"

typedef struct state state;
typedef struct { char directory[128], version[128], digest[65]; } state_version; /* directory "": none */
typedef enum { EXIT_REASON_GPU_FAULT, EXIT_REASON_GPU_HANG, EXIT_REASON_WRONG_OUTPUT, EXIT_REASON_GPU_LOST,
               EXIT_REASON_CRASH, EXIT_REASON_CLEAN, EXIT_REASONS } exit_reason;
extern const char *const exit_reason_names[EXIT_REASONS]; /* "gpu_fault", ... as in /metrics */

/* directory "": in memory only.  Always succeeds but for memory (NO_MEMORY).  Notes that a process runs from now on: if
 * the one before has not said how it ended, it crashed, at the time of its last sign of life. */
status state_open(state **out, const char *directory, error *err);
void   state_close(state *s); /* NULL is fine */
const char *state_directory(const state *s); /* "": nothing can be kept there */

/* The last good version and the one before it. */
void   state_versions(const state *s, state_version *current, state_version *previous);
/* Kept and on the disk, or IO_FAILED with the reason: then it is what is in force in memory all the same. */
status state_set_versions(state *s, const state_version *current, const state_version *previous, error *err);

/* Before the process ends, or as soon as it is known why it will. */
void    state_set_exit(state *s, exit_reason why);
int64_t state_last_exit(const state *s, exit_reason why); /* Unix time; 0: never */
bool    state_crashed(const state *s);                    /* the process before this one */
int64_t state_write_errors(const state *s);
/* Writes of others below the directory that failed: ledger.c. */
void    state_count_error(state *s);
#endif
