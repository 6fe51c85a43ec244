/* engine.h - one loaded version: its tokenizer, its description, its backend, its digest. */
#ifndef RUNTIME_SERVE_ENGINE_H
#define RUNTIME_SERVE_ENGINE_H
#include "runtime/backend/backend.h"
#include "runtime/model/description.h"
#include "runtime/text/tokenizer.h"

typedef struct {
    int         batch_tokens;    /* budget of a batch; raised to the model's max_tokens when below it */
    int         batch_sequences;
    int         threads;         /* 0: all cores */
    const char *kernel;          /* NULL: best */
} engine_options;

typedef struct engine {
    tokenizer          *tokens;
    model_description   description;
    const backend_ops  *ops;
    backend            *device;
    engine_options      options; /* as they are in force */
    char                digest[65];
    int64_t             load_ns, warm_ns;
} engine;

/* Loads, then runs one warm-up sequence of the model's max_tokens. */
status engine_open(engine **out, const char *dir, engine_options options, error *err);
void   engine_close(engine *e); /* NULL is fine */
#endif
