/* backend.h - what can run a model: open, then submit and collect batch by batch, close.
 *
 *   executor --submit--> [slot 0 | slot 1 | slot 2] --collect--> rows        a slot holds one batch between the two
 *
 * backend_cpu is linked in: the default, and the truth that tests compare with.  The CUDA one is a shared object of its
 * own, libbeeline_cuda.so, so that a host without a GPU needs no CUDA library; backend_load() is the one place that
 * calls dlopen.  A backend knows nothing of requests or HTTP.  submit() and collect() are called by one thread at a
 * time (the executor's), allocate nothing, and never block for ever: a backend whose device works on its own returns
 * PENDING from collect() and is asked again. */
#ifndef RUNTIME_BACKEND_BACKEND_H
#define RUNTIME_BACKEND_BACKEND_H
#include "batch.h"
#include "runtime/base/status.h"
#include "runtime/model/weights.h"

enum { BACKEND_ABI = 4, BACKEND_SLOTS_MAX = 3 }; /* ABI: raised whenever a struct that crosses this header changes */
typedef struct backend backend; /* owns weights, workspace and threads */

typedef struct {
    int         max_tokens;    /* T of the largest batch */
    int         max_sequences; /* S of the largest batch */
    int         threads;       /* cpu: 0: one for each core the process may use */
    const char *kernel;        /* cpu: NULL: the best this machine runs; else a name of kernels/cpu/kernels.h */
    const char *precision;     /* as the version declares it: see backend_ops.precision; NULL: it declares none */
    const char *cache_dir;     /* cuda: where measured choices are kept between starts; NULL or "": nowhere */
    void (*note)(const char *line); /* what an operator should know and no failure is; NULL: nobody listens */
} backend_reserve;

typedef struct {
    int         abi;   /* BACKEND_ABI of the header it was built with; first for ever */
    const char *name;  /* "cpu", "cuda": as on the command line and in /metrics */
    int         slots; /* batches that may be between submit() and collect() at once, at most BACKEND_SLOTS_MAX */
    /* Copies the weights; `m` may be closed afterwards.  Reserves workspace once, and has run every shape of batch once
     * before it returns.  NOT_FOUND: there is no such device here (no driver, no GPU); GPU_LOST: there is one, and it
     * does not work; NO_MEMORY, BAD_INPUT: this model does not fit or is refused.  Nothing is held then. */
    status (*open)(backend **out, const model *m, backend_reserve reserve, error *err);
    /* Queues a batch on a free slot.  `in` stays as it is until the slot was collected.  BAD_INPUT: refused, the slot
     * is free.  Other failures as collect()'s, the slot is free too. */
    status (*submit)(backend *b, int slot, const batch *in, error *err);
    /* OK: out [S,backend_columns()] has the rows, finite [S] says of each whether all its numbers are; the slot is free.
     * PENDING: not yet, ask again.  NO_MEMORY: a smaller batch may work.  GPU_FAILED: this batch is lost.  GPU_LOST: so
     * is every later one.  The slot is free after each but PENDING. */
    status (*collect)(backend *b, int slot, float *out, uint8_t *finite, error *err);
    void (*close)(backend *b);                   /* NULL is fine; nothing may be in a slot, unless GPU_LOST was said */
    const char *(*describe)(const backend *b);   /* "avx512, 2 threads", "NVIDIA H200": for /info and logs */
    /* What it computes in: "float32", "float16", "bfloat16", "int8".
     *
     *     declared     cpu         cuda
     *     none         float32     float16, or bfloat16 where config.json says so
     *     float32      float32     refused
     *     float16      float32     float16
     *     bfloat16     bfloat16    bfloat16
     *     int8         int8        refused
     *
     * Never the chip's choice: one version gives the same vectors, up to rounding, wherever it runs. */
    const char *(*precision)(const backend *b);
    /* What open() of such a model would take of the device's memory beside b, with b's reserve, and what of it is free:
     * estimates, in bytes; *available -1: not known.  Any thread. */
    void (*room)(const backend *b, const model_description *d, int64_t *wanted, int64_t *available);
} backend_ops;

extern const backend_ops backend_cpu;

/* Numbers of one row: TASK_EMBED pooled and, where asked, normalized (L2, eps 1e-12); else the logits of the head. */
static inline int backend_columns(const model_description *d) { return d->task == TASK_EMBED ? d->dimensions : d->n_labels; }

/* submit and collect on slot 0, which must be free, waiting; a row that is not finite is NOT_FINITE. */
status backend_forward(const backend_ops *ops, backend *b, const batch *in, float *out, error *err);

/* A backend in the shared object `file` exports its backend_ops as `beeline_backend`.  A bare name is looked for where
 * the loader looks: LD_LIBRARY_PATH, beside the program, the system's folders.  Never unloaded: the CUDA runtime leaves
 * threads and exit hooks behind.  NOT_FOUND: no such file, or a library that it needs is missing; BAD_INPUT: it is none
 * of ours, or of another ABI. */
status backend_load(const backend_ops **out, const char *file, error *err);
#endif
