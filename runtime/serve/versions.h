/* versions.h - which version answers, and how to change it without a gap.
 *
 *     activate(next):  older <- previous <- active <- next        a bake begins: three may be resident
 *     settle():        older is retired                           it has passed
 *     revert():        active is retired, active <- previous <- older     it has failed
 *     rollback():      active <-> previous                        later
 *
 * A request takes a reference to the active version and keeps it to its end, so a switch never changes a model under a
 * request; all that a reply says of the version comes from there.  A switch is a few pointers under the lock.  What is
 * retired is closed by reap(), seconds of work, never under the lock and never by a loop.
 * Threads: acquire() and release() from any; all else from one at a time (release.h). */
#ifndef RUNTIME_SERVE_VERSIONS_H
#define RUNTIME_SERVE_VERSIONS_H
#include <stdint.h>
#include "engine.h"

/* Read-only once it was handed over; the last two lines are versions.c's. */
typedef struct version {
    engine *engine;
    char    directory[128];   /* its directory's name */
    char    name[128];        /* the manifest's version, else the directory's name: fit for a header and a label */
    char    model_name[128];  /* as in replies */
    struct capacity *capacity; /* calibrated for it on this device; NULL: not; owned, freed with it */
    service_model service;    /* what its batches take, as of when it last answered */
    /* When it was activated last, and by the clock that never jumps.  A rollback sets them while others hold it; nobody
     * concludes anything else from them. */
    _Atomic int64_t since_unix_s, since_ns;
    int     refs;             /* the lock's; the slots that hold it count as one each */
    struct version *next;     /* retired, and not yet closed */
} version;
typedef struct versions versions;

status versions_open(versions **out, error *err);
void   versions_close(versions *vs); /* nothing may be acquired; closes every engine; NULL is fine */

version *versions_acquire(versions *vs);             /* NULL: none is loaded yet */
version *versions_acquire_previous(versions *vs);    /* NULL: there is none */
void     versions_release(versions *vs, version *v); /* NULL is fine */

/* Takes over `next`, from version_new(). */
void   versions_activate(versions *vs, version *next);
void   versions_settle(versions *vs);
status versions_revert(versions *vs, error *err);   /* NOT_FOUND: there is no previous one; nothing has changed then */
status versions_rollback(versions *vs, error *err); /* likewise */
void   versions_drop_previous(versions *vs);        /* --keep 0 */
/* Closes what was retired and nobody holds any more; returns how many are still held. */
int    versions_reap(versions *vs);

/* Takes over e and c (may be NULL, from malloc), also when it fails.  Of the path the last part is kept. */
status version_new(version **out, engine *e, const char *path, const char *model_name, struct capacity *c, error *err);
void   version_free(version *v); /* one that was never handed over; NULL is fine */
#endif
