/* executor.h - the one thread that owns a device: takes a batch, packs it, runs it, hands the rows back. */
#ifndef RUNTIME_SERVE_EXECUTOR_H
#define RUNTIME_SERVE_EXECUTOR_H
#include "batcher.h"
#include "engine.h"

typedef struct executor executor;
/* Starts the thread; the engine must outlive it.  Rows that are not finite end their request with NOT_FINITE. */
status executor_start(executor **out, engine *e, batcher *b, error *err);
void   executor_join(executor *x); /* NULL is fine; after batcher_close(); returns once all is answered */
#endif
