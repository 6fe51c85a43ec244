/* cuda_tune.h - times the library's best guesses for each product on this device and keeps the fastest.
 *
 * A candidate is timed as it will run: several products in one graph, each with another layer's weights, because a host
 * that queues them one by one is slower than the small ones, and weights that stay in the cache would flatter.
 * A product whose LayerNorm follows is timed with it, so that "residual in the product" and "residual in the norm" are
 * compared as a whole.  Measured once for each library and device (cuda_choices.h); the time that a start may spend is
 * bounded: what is left over then takes the library's first guess, and is timed at the next start.
 * One thread at a time; everything taken from the device is given back before a call returns. */
#ifndef RUNTIME_BACKEND_CUDA_TUNE_H
#define RUNTIME_BACKEND_CUDA_TUNE_H
#include "cuda_choices.h"
#include "cuda_device.h"

typedef struct {
    cuda_device  *device;
    cuda_gemm    *gemm;
    kernel_stream stream;
    cuda_choices *choices;
    int64_t       budget_ns; /* for all calls together */
} cuda_tune_setup;

typedef struct cuda_tune cuda_tune;

/* Queues on the setup's stream what is timed: the product `shape` by this algorithm and, in scope, what follows.
 * repeat counts 0, 1, ...: another layer's weights each time. */
typedef status cuda_tune_queue(void *context, cuda_gemm_shape shape, cuda_choice_scope scope,
                               const cuda_gemm_algorithm *a, int repeat, error *err);

status cuda_tune_open(cuda_tune **out, cuda_tune_setup setup, error *err);
void   cuda_tune_close(cuda_tune *t); /* NULL is fine */

/* The fastest, from the choices or timed now and put there; out->us is 0 where there was no time to measure any.  A
 * candidate that does not run is passed over.  GPU_FAILED when none does; as cuda_device.h. */
status cuda_tune_best(cuda_tune *t, cuda_gemm_shape shape, cuda_choice_scope scope, cuda_tune_queue *queue,
                      void *context, cuda_choice *out, error *err);

/* The library's own first guess, untimed. */
status cuda_tune_first(cuda_device *d, cuda_gemm *g, cuda_gemm_shape shape, cuda_gemm_algorithm *out, error *err);

typedef struct { int found, timed, guessed; int64_t spent_ns; } cuda_tune_counts; /* of the products asked for */
cuda_tune_counts cuda_tune_counted(const cuda_tune *t);
#endif
