/* app.h - what handlers share: the versions that answer, the queue before them, what is known of both, and whether we
 * are ready. */
#ifndef SERVER_APP_H
#define SERVER_APP_H
#include <stdatomic.h>
#include <stdint.h>
#include "options.h"
#include "runtime/serve/batcher.h"
#include "runtime/serve/capacity.h"
#include "runtime/serve/executor.h"

typedef struct http_server http_server; /* http.h */
typedef struct monitor     monitor;     /* monitor.h */
typedef struct state       state;       /* state.h */
typedef struct ledger      ledger;      /* ledger.h */
typedef struct release     release;     /* release.h */
typedef struct door        door;        /* door.h */
typedef struct incidents   incidents;   /* incidents.h */
typedef struct shadow      shadow;      /* runtime/serve/shadow.h */

/* DRAINING still answers what has reached us; only readiness says no.  LOST: the device is, and the process ends. */
typedef enum { APP_LOADING, APP_READY, APP_DRAINING, APP_LOST } app_phase;

typedef struct app {
    _Atomic int    phase;      /* app_phase; release by main's thread, acquire by loops: the rest is set before READY */
    versions      *versions;   /* without an active one while loading */
    batcher       *queue;      /* NULL while loading */
    executor      *executor;   /* likewise */
    release       *release;    /* likewise */
    shadow        *shadow;     /* likewise */
    state         *state;      /* these two are there before the ports are */
    ledger        *ledger;
    door          *door;       /* there before the ports are */
    const options *options;
    incidents     *incidents;  /* there before the ports are */
    monitor       *monitor;    /* of the public port's requests; there before the ports are */
    http_server   *http, *ops; /* the public port and the operator's; ops NULL: there is none */
    const char    *versions_root; /* the directory of the versions' directories */
    int64_t        ready_unix_s;
    error          lost;         /* why, in phase LOST */
} app;
#endif
