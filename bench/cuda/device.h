/* device.h - the GPU under measurement: one stream, one room of memory with its mirror on the host, and time by the
 * device's own events.
 *
 * What is placed in the room has the same offset on both sides, so that one description of an operation serves the
 * kernel (base room.device) and the plain loop (base room.host).  One thread.  A failed call is UNAVAILABLE with the
 * call's name and the device's words. */
#ifndef BENCH_CUDA_DEVICE_H
#define BENCH_CUDA_DEVICE_H
#include <stdbool.h>
#include <stddef.h>
#include "bench/report.h"
#include "kernels/cuda/kernels.h"
#include "runtime/base/status.h"

typedef struct { unsigned char *device, *host; size_t bytes, used; } device_room;

typedef struct device device;

status device_present(error *err); /* NOT_FOUND: no driver, no device; GPU_LOST: one that does not work */
/* quick: small room, few samples. */
status device_open(device **out, int quick, error *err);
void   device_close(device *d); /* NULL is fine */
void   device_describe(const device *d, report *r); /* name, memory, L2, driver, CUDA into the environment */
int    device_quick(const device *d);
kernel_stream device_stream(const device *d);

/* ---- the room ---- */

unsigned char *device_base(const device *d);
unsigned char *device_mirror(const device *d);
void   device_clear(device *d); /* everything placed is forgotten */
/* Offset of so many bytes, aligned to 256; NO_MEMORY when the room is full. */
status device_place(device *d, size_t bytes, size_t *offset, error *err);
/* Places n numbers, uniform in [-scale, scale], different at each call, on both sides. */
status device_random(device *d, element_type element, size_t n, float scale, size_t *offset, error *err);
status device_random_f32(device *d, size_t n, float scale, size_t *offset, error *err);
status device_upload(device *d, size_t offset, size_t bytes, error *err);        /* mirror -> device, waits */
status device_download(device *d, size_t offset, size_t bytes, void *to, error *err); /* device -> to, waits */
status device_poison(device *d, size_t offset, size_t bytes, error *err);        /* all bits 1: NaN in every type */

/* ---- time ---- */

typedef int device_work(void *context, kernel_stream stream); /* queues; 0 or a code, as kernels.h and gemm.h say */
typedef enum {
    DEVICE_WARM, /* many in a row, as one graph: what it needs lies in L2 if it fits there */
    DEVICE_ONCE, /* the same, one to a graph: with what starting a graph costs */
    DEVICE_COLD, /* after a write of twice the L2; with about 1 us of the event's own */
} device_cache;
typedef struct { double us, spread; int samples; } device_time; /* median; median distance from it, as a share */

/* Until the median is known to 0.5 %, or 256 samples or 0.3 s are spent. */
status device_measure(device *d, device_work *work, void *context, device_cache cache, device_time *out, error *err);
/* Once, and waits: for checks. */
status device_run(device *d, device_work *work, void *context, error *err);

/* cudaMemcpyAsync within the room, as device_work would: 0 or its cudaError_t. */
int device_copy(void *to, const void *from, size_t bytes, kernel_stream stream);
#endif
