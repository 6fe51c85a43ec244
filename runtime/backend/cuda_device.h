/* cuda_device.h - the one thin layer between the backend and CUDA: every call's outcome is classified here.
 *
 *   OK | PENDING            it worked; the device is still at it
 *   NO_MEMORY, GPU_FAILED   costs what was asked for: the error is cleared, the next call may work
 *   GPU_LOST                costs the process: the first cause is kept, and every later call is refused with it without
 *                           touching CUDA, whose calls may hang from then on
 *
 * A device owns what is taken through it (streams, events, memory, graphs) and gives it back in reverse order, so no
 * failure path of a caller can forget one.  Copies, launches and records queue and do not wait.  One thread at a time.
 * Messages name the CUDA call, its code and the sizes that were asked for. */
#ifndef RUNTIME_BACKEND_CUDA_DEVICE_H
#define RUNTIME_BACKEND_CUDA_DEVICE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "kernels/cuda/kernels.h"
#include "runtime/base/status.h"

typedef struct cuda_device cuda_device;
typedef struct CUevent_st     *cuda_event; /* the same pointers as CUDA's */
typedef struct CUgraphExec_st *cuda_graph;

typedef struct {
    char name[128];
    int  major, minor;    /* compute capability */
    int  driver, runtime; /* 13000: 13.0 */
} cuda_device_facts;

/* Device 0 of those that CUDA shows this process.  NOT_FOUND: no driver, no GPU; BAD_INPUT: a GPU below compute
 * capability 8.0; GPU_LOST: a GPU or driver that does not work; NO_MEMORY. */
status cuda_device_open(cuda_device **out, error *err);
/* Gives everything back; once the device is lost only memory of the host.  NULL is fine. */
void   cuda_device_close(cuda_device *d);
const cuda_device_facts *cuda_device_about(const cuda_device *d);
bool   cuda_device_lost(const cuda_device *d);
/* From now on it is: for a device that answers and does not get on.  Returns GPU_LOST. */
status cuda_device_condemn(cuda_device *d, const char *why, error *err);

/* What was taken since the mark is given back; nothing may be using it. */
int  cuda_device_mark(const cuda_device *d);
void cuda_device_release(cuda_device *d, int mark);

/* `what` stands in the message: "2.0 MiB for what: ...".  Begins on 256 bytes. */
status cuda_device_memory(cuda_device *d, void **out, size_t bytes, const char *what, error *err);
status cuda_device_pinned(cuda_device *d, void **out, size_t bytes, const char *what, error *err);
size_t cuda_device_taken(const cuda_device *d); /* bytes of the device's memory, in all; the device's thread */
/* Of the device, free now: -1 not known.  Any thread; an error is nobody's. */
int64_t cuda_device_available(void);
status cuda_device_stream(cuda_device *d, kernel_stream *out, error *err);
status cuda_device_event(cuda_device *d, cuda_event *out, error *err);
status cuda_device_timer(cuda_device *d, cuda_event *out, error *err); /* an event that knows when */

status cuda_device_copy_in(cuda_device *d, void *to, const void *from, size_t bytes, kernel_stream s, error *err);
status cuda_device_copy_out(cuda_device *d, void *to, const void *from, size_t bytes, kernel_stream s, error *err);
status cuda_device_zero(cuda_device *d, void *at, size_t bytes, kernel_stream s, error *err);
status cuda_device_record(cuda_device *d, cuda_event e, kernel_stream s, error *err);
status cuda_device_wait(cuda_device *d, kernel_stream s, cuda_event e, error *err); /* the stream waits, not the host */
status cuda_device_done(cuda_device *d, cuda_event e, error *err);                  /* PENDING: not yet */
status cuda_device_idle(cuda_device *d, kernel_stream s, error *err);               /* PENDING: not yet */
status cuda_device_synchronize(cuda_device *d, kernel_stream s, error *err);        /* blocks: never while serving */
status cuda_device_elapsed(cuda_device *d, cuda_event from, cuda_event to, float *us, error *err);

/* Between the two the stream records instead of running; the second makes a graph that can be launched.  After a
 * failure in between call cuda_device_abandon. */
status cuda_device_capture(cuda_device *d, kernel_stream s, error *err);
status cuda_device_captured(cuda_device *d, kernel_stream s, cuda_graph *out, error *err);
void   cuda_device_abandon(cuda_device *d, kernel_stream s);
status cuda_device_upload(cuda_device *d, cuda_graph g, kernel_stream s, error *err);
status cuda_device_launch(cuda_device *d, cuda_graph g, kernel_stream s, error *err);

/* What a kernel's launcher (kernels.h) or a product (gemm.h) has returned, as any other call. */
status cuda_device_kernel(cuda_device *d, const char *name, int code, error *err);
status cuda_device_product(cuda_device *d, const char *name, int code, error *err);
#endif
