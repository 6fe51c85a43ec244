/* backend.h - what can run a model: open, forward, close; one implementation now, the CUDA one beside it later.
 *
 * backend_cpu is linked in: the default, and the truth that tests compare with.  A backend knows nothing of requests
 * or HTTP.  forward() is called by one thread at a time (the executor's) and allocates nothing. */
#ifndef RUNTIME_BACKEND_BACKEND_H
#define RUNTIME_BACKEND_BACKEND_H
#include "batch.h"
#include "runtime/base/status.h"
#include "runtime/model/weights.h"

enum { BACKEND_ABI = 1 }; /* raised whenever a struct that crosses this header changes */
typedef struct backend backend; /* owns weights, workspace and threads */

typedef struct {
    int         max_tokens;    /* T of the largest batch */
    int         max_sequences; /* S of the largest batch */
    int         threads;       /* 0: one for each core the process may use */
    const char *kernel;        /* NULL: the best this machine runs; else "portable", "avx2", "avx512" */
} backend_reserve;

typedef struct {
    int         abi;  /* BACKEND_ABI of the header it was built with; first for ever */
    const char *name; /* "cpu", "cuda": as on the command line and in /metrics */
    /* Copies the weights; `m` may be closed afterwards.  Reserves workspace once. */
    status (*open)(backend **out, const model *m, backend_reserve reserve, error *err);
    /* TASK_EMBED: out [S,dimensions], pooled and, where asked, normalized (L2, eps 1e-12).
     * GPU_FAILED: this batch is lost; GPU_LOST: so is every later one. */
    status (*forward)(backend *b, const batch *in, float *out, error *err);
    void (*close)(backend *b);                  /* NULL is fine */
    const char *(*describe)(const backend *b);  /* "avx512, 2 threads": for /info and logs */
} backend_ops;

extern const backend_ops backend_cpu;
#endif
