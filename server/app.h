/* app.h - what handlers share: the engine that answers, the queue before it, and whether we are ready. */
#ifndef SERVER_APP_H
#define SERVER_APP_H
#include <stdatomic.h>
#include "runtime/serve/batcher.h"
#include "runtime/serve/engine.h"

typedef enum { APP_LOADING, APP_READY, APP_DRAINING, APP_FAILED } app_phase;

typedef struct app {
    _Atomic int phase;          /* app_phase; release by main's thread, acquire by loops: the engine is set before READY */
    engine     *engine;         /* NULL while loading */
    batcher    *queue;
    int         max_inputs;     /* --max-inputs */
    bool        auto_truncate;  /* --auto-truncate */
    const char *model_name;
} app;
#endif
