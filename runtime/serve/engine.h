/* engine.h - one loaded version: its tokenizer, its description, its backend, its digest. */
#ifndef RUNTIME_SERVE_ENGINE_H
#define RUNTIME_SERVE_ENGINE_H
#include "golden.h"
#include "runtime/backend/backend.h"
#include "runtime/model/description.h"
#include "runtime/text/tokenizer.h"
#include "service.h"

typedef enum { ENGINE_AUTO, ENGINE_CPU, ENGINE_CUDA } engine_backend;

typedef struct {
    int            batch_tokens;    /* budget of a batch; raised to the model's max_tokens when below it */
    int            batch_sequences;
    int            threads;         /* 0: all cores */
    const char    *kernel;          /* NULL: best */
    engine_backend backend;
    const char    *cache_dir;       /* as in backend_reserve */
    const backend_ops *cuda;        /* NULL: what libbeeline_cuda.so exports; tests bring their own */
} engine_options;

typedef struct engine {
    tokenizer          *tokens;
    model_description   description;
    const backend_ops  *ops;
    backend            *device;
    golden             *golden;  /* NULL where the device is the CPU */
    engine_options      options; /* as they are in force */
    char                digest[65];
    service_table       seed;    /* passes service_check(): what batches took at the end of the start */
    int64_t             load_ns, warm_ns;
} engine;

/* Loads, then runs some batches: the first request pays for nothing, and what they took is the seed.  A device other
 * than the CPU has before given the golden rows.
 * ENGINE_AUTO: the GPU; the CPU, with one log line that says why, where no GPU, no driver or no library is, or the GPU
 * cannot run this model.  A GPU that is there and fails is never replaced by the slow CPU: GPU_LOST.
 * ENGINE_CUDA: GPU_LOST where there is no GPU, too.
 * GPU_FAILED: the golden rows are wrong.  Other failures are the directory's. */
status engine_open(engine **out, const char *dir, engine_options options, error *err);
void   engine_close(engine *e); /* NULL is fine */
#endif
