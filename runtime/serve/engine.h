/* engine.h - one loaded version: its tokenizer, its description, its backend, its digest. */
#ifndef RUNTIME_SERVE_ENGINE_H
#define RUNTIME_SERVE_ENGINE_H
#include "golden.h"
#include "runtime/backend/backend.h"
#include "runtime/model/manifest.h"
#include "runtime/text/tokenizer.h"
#include "service.h"

typedef enum { ENGINE_AUTO, ENGINE_CPU, ENGINE_CUDA } engine_backend;

typedef struct {
    int            batch_tokens;    /* budget of a batch; raised to the model's max_tokens when below it */
    int            batch_sequences;
    int            threads;         /* 0: all cores */
    const char    *kernel;          /* NULL: best */
    const char    *precision;       /* NULL: as the manifest declares, or none; see backend.h */
    engine_backend backend;
    const char    *cache_dir;       /* as in backend_reserve */
    const char    *root;            /* not NULL: dir is the name of a directory beneath it (directory_open_beneath) */
    bool           beside;          /* another engine serves on the device: nothing is run, see engine_open() */
    bool           plain;           /* a manifest is not looked at: it is about to be written */
    const backend_ops *cuda;        /* NULL: what libbeeline_cuda.so exports; tests bring their own */
} engine_options;

typedef struct engine {
    tokenizer          *tokens;
    model_description   description;
    const backend_ops  *ops;
    backend            *device;
    golden             *golden;  /* NULL where the device is the CPU and computes in float32 */
    manifest           *manifest; /* NULL: a plain directory */
    directory          *files;    /* what was read: its list is a manifest's */
    double              golden_least; /* the smallest cosine of the manifest's cases at open; 0: none were run */
    contract            contract; /* of the directory, and so the manifest's where there is one */
    float              *rows;    /* [batch_sequences, columns]: the executor's, of the batch being handed out */
    engine_options      options; /* as they are in force */
    char                digest[65];
    service_table       seed;    /* passes service_check(): what batches took at the end of the start */
    int64_t             load_ns, warm_ns;
} engine;

/* A directory with a manifest must be what it says: files, sums, contract, precision; else it is refused by name.  Its
 * golden cases are run (engine_golden_rows, engine_golden_compare), unless `beside`.
 * beside: weights and workspace are there at the end, the backend has done what it does at open, and this thread ran no
 * batch: golden rows and times are the caller's, through the batcher.  seed is empty then.
 *
 * Loads, then runs some batches: the first request pays for nothing, and what they took is the seed.  A device other
 * than the CPU has before given the golden rows.
 * ENGINE_AUTO: the GPU; the CPU, with one log line that says why, where no GPU, no driver or no library is, or the GPU
 * cannot run this model.  A GPU that is there and fails is never replaced by the slow CPU: GPU_LOST.
 * ENGINE_CUDA: GPU_LOST where there is no GPU, too.
 * GPU_FAILED: the golden rows are wrong.  Other failures are the directory's. */
status engine_open(engine **out, const char *dir, engine_options options, error *err);
/* The manifest's golden cases, tokenized: ids and starts are the caller's to free, starts [n_cases+1].  Each is cut to
 * max_tokens. */
status engine_golden_ids(const engine *e, int32_t **ids, int32_t **starts, error *err);
/* rows [n_cases, columns]: of this engine, which nobody else may be using.  A row that is not finite is a row. */
status engine_golden_rows(const engine *e, float *rows, error *err);
/* rows [n_cases, columns] for these; *least: the smallest cosine.  BAD_INPUT: one is below the manifest's limit. */
status engine_golden_compare(const engine *e, const float *rows, double *least, error *err);
void   engine_close(engine *e); /* NULL is fine */
#endif
