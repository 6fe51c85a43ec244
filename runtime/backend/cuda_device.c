/* cuda_device.c - the only file of runtime/ that calls CUDA. */
#include "cuda_device.h"
#include <cublasLt.h>
#include <cuda_runtime_api.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef enum { HELD_MEMORY, HELD_PINNED, HELD_STREAM, HELD_EVENT, HELD_GRAPH } held_kind;
typedef struct { held_kind kind; void *what; } held;

struct cuda_device {
    cuda_device_facts facts;
    held *held; /* [n_held], in the order in which they were taken */
    int   n_held, room;
    size_t taken; /* bytes of its memory, in all */
    bool  lost;
    error cause; /* once lost */
};

enum { LEAST_MAJOR = 8 /* mma.sync on bf16 and cp.async begin with sm_80 */ };

/* ---- outcomes ---- */

/* Errors that leave the context as it was.  What is not here is taken for sticky: to go on after an error that was
 * not understood gives wrong vectors with status 200, to end costs a restart. */
static const struct { int code; status class; } harmless[] = {
    {cudaErrorInvalidValue, GPU_FAILED},
    {cudaErrorMemoryAllocation, NO_MEMORY},
    {cudaErrorInvalidConfiguration, GPU_FAILED},
    {cudaErrorInvalidMemcpyDirection, GPU_FAILED},
    {cudaErrorInvalidDeviceFunction, GPU_FAILED},
    {cudaErrorInvalidResourceHandle, GPU_FAILED},
    {cudaErrorNotReady, PENDING},
    {cudaErrorLaunchOutOfResources, GPU_FAILED},
    {cudaErrorNotSupported, GPU_FAILED},
    {cudaErrorStreamCaptureUnsupported, GPU_FAILED},
    {cudaErrorStreamCaptureInvalidated, GPU_FAILED},
    {cudaErrorStreamCaptureMerge, GPU_FAILED},
    {cudaErrorStreamCaptureUnmatched, GPU_FAILED},
    {cudaErrorStreamCaptureUnjoined, GPU_FAILED},
    {cudaErrorStreamCaptureIsolation, GPU_FAILED},
    {cudaErrorStreamCaptureImplicit, GPU_FAILED},
    {cudaErrorCapturedEvent, GPU_FAILED},
    {cudaErrorStreamCaptureWrongThread, GPU_FAILED},
};

static status class_of(int code)
{
    for (size_t i = 0; i < sizeof harmless / sizeof *harmless; i++)
        if (harmless[i].code == code) return harmless[i].class;
    return code ? GPU_LOST : OK;
}

static status refused(const cuda_device *d, error *err)
{
    return fail(err, GPU_LOST, "%s", d->cause.text);
}

status cuda_device_condemn(cuda_device *d, const char *why, error *err)
{
    if (d->lost) return refused(d, err);
    d->lost = true;
    const status rc = fail(err, GPU_LOST, "%s", why);
    d->cause = *err;
    return rc;
}

static status outcome(cuda_device *d, const char *call, int code, error *err)
{
    const status class = class_of(code);
    if (class == PENDING) (void)cudaGetLastError(); /* "not ready" is kept too, and is no launch's outcome */
    if (class == OK || class == PENDING) return class;
    const status rc = fail(err, class, "%s: %d %s, %s", call, code, cudaGetErrorName((cudaError_t)code),
                           cudaGetErrorString((cudaError_t)code));
    if (class == GPU_LOST) {
        d->lost = true;
        d->cause = *err;
    } else {
        (void)cudaGetLastError(); /* else the next launch would report it again */
    }
    return rc;
}

/* Every call to CUDA after open passes here. */
#define CALL(d, err, function, ...) \
    ((d)->lost ? refused(d, err) : outcome(d, #function, (int)function(__VA_ARGS__), err))

status cuda_device_kernel(cuda_device *d, const char *name, int code, error *err)
{
    if (d->lost) return refused(d, err);
    if (code == KERNEL_BAD_SHAPE) return fail(err, GPU_FAILED, "%s: a shape that the kernel does not take", name);
    return outcome(d, name, code, err);
}

/* A product that could not run says little of why: what CUDA knows decides whether the device is lost. */
status cuda_device_product(cuda_device *d, const char *name, int code, error *err)
{
    if (d->lost) return refused(d, err);
    if (code == KERNEL_BAD_SHAPE) return fail(err, GPU_FAILED, "%s: a shape that is no multiple of 8", name);
    if (code == CUBLAS_STATUS_SUCCESS) return OK;
    const int why = (int)cudaGetLastError();
    if (why) return outcome(d, name, why, err);
    return fail(err, code == CUBLAS_STATUS_ALLOC_FAILED ? NO_MEMORY : GPU_FAILED, "%s: cuBLASLt status %d", name, code);
}

/* ---- open ---- */

static status look(cuda_device *d, error *err)
{
    cuda_device_facts *f = &d->facts;
    int count = 0;
    status rc = outcome(d, "cudaDriverGetVersion", (int)cudaDriverGetVersion(&f->driver), err);
    if (rc == OK) rc = outcome(d, "cudaRuntimeGetVersion", (int)cudaRuntimeGetVersion(&f->runtime), err);
    if (rc != OK) return rc;
    if (f->driver == 0) return fail(err, NOT_FOUND, "no CUDA driver is installed");
    const int code = (int)cudaGetDeviceCount(&count);
    if (code == cudaErrorNoDevice || (code == 0 && count == 0))
        return fail(err, NOT_FOUND, "a CUDA driver (%d.%d), but no GPU", f->driver / 1000, f->driver % 1000 / 10);
    if (code == cudaErrorInsufficientDriver)
        return fail(err, GPU_LOST, "the CUDA driver is for %d.%d, wanted %d.%d or later", f->driver / 1000,
                    f->driver % 1000 / 10, f->runtime / 1000, f->runtime % 1000 / 10);
    return outcome(d, "cudaGetDeviceCount", code, err);
}

static status examine(cuda_device *d, error *err)
{
    struct cudaDeviceProp properties;
    status rc = CALL(d, err, cudaSetDevice, 0);
    if (rc == OK) rc = CALL(d, err, cudaGetDeviceProperties, &properties, 0);
    if (rc != OK) return rc;
    snprintf(d->facts.name, sizeof d->facts.name, "%.127s", properties.name);
    d->facts.major = properties.major;
    d->facts.minor = properties.minor;
    if (properties.major < LEAST_MAJOR)
        return fail(err, BAD_INPUT, "%s has compute capability %d.%d, wanted %d.0 or later", d->facts.name,
                    properties.major, properties.minor, LEAST_MAJOR);
    return OK;
}

status cuda_device_open(cuda_device **out, error *err)
{
    cuda_device *d = calloc(1, sizeof *d);
    *out = NULL;
    if (!d) return fail(err, NO_MEMORY, "no memory for a CUDA device");
    status rc = look(d, err);
    if (rc == OK) rc = examine(d, err);
    if (rc != OK) cuda_device_close(d);
    else *out = d;
    return rc;
}

const cuda_device_facts *cuda_device_about(const cuda_device *d) { return &d->facts; }
bool cuda_device_lost(const cuda_device *d) { return d->lost; }

/* ---- what it holds ---- */

/* Room first: what was taken from CUDA can then always be remembered. */
static status make_room(cuda_device *d, error *err)
{
    if (d->n_held < d->room) return OK;
    const int room = d->room ? 2 * d->room : 64;
    held     *more = realloc(d->held, (size_t)room * sizeof *more);
    if (!more) return fail(err, NO_MEMORY, "no memory to hold %d CUDA objects", room);
    d->held = more;
    d->room = room;
    return OK;
}

static status keep(cuda_device *d, held_kind kind, void *what, status rc)
{
    if (rc == OK) d->held[d->n_held++] = (held){kind, what};
    return rc;
}

int cuda_device_mark(const cuda_device *d) { return d->n_held; }

static int give_back(held h)
{
    switch (h.kind) {
    case HELD_MEMORY: return (int)cudaFree(h.what);
    case HELD_PINNED: return (int)cudaFreeHost(h.what);
    case HELD_STREAM: return (int)cudaStreamDestroy(h.what);
    case HELD_EVENT: return (int)cudaEventDestroy(h.what);
    case HELD_GRAPH: return (int)cudaGraphExecDestroy(h.what);
    }
    return 0;
}

/* After a failure work may still be under way on what is given back. */
static void wait_for_streams(cuda_device *d)
{
    error ignored;
    for (int i = 0; i < d->n_held; i++)
        if (d->held[i].kind == HELD_STREAM) (void)CALL(d, &ignored, cudaStreamSynchronize, d->held[i].what);
}

void cuda_device_release(cuda_device *d, int mark)
{
    error ignored; /* nobody can do anything about it; a lost device stays lost */
    if (d->n_held > mark) wait_for_streams(d);
    while (d->n_held > mark) {
        const held h = d->held[--d->n_held];
        if (!d->lost) (void)outcome(d, "giving back", give_back(h), &ignored);
    }
}

void cuda_device_close(cuda_device *d)
{
    if (!d) return;
    cuda_device_release(d, 0);
    free(d->held);
    free(d);
}

static double mebibytes(size_t bytes) { return (double)bytes / (1 << 20); }

static status no_room(cuda_device *d, size_t bytes, const char *what, error *err)
{
    const error why = *err;
    size_t available = 0, all = 0;
    const status rc = CALL(d, err, cudaMemGetInfo, &available, &all);
    if (rc != OK) return rc;
    return fail(err, NO_MEMORY, "%.1f MiB for %s, %.1f MiB of %.1f MiB are free: %.100s", mebibytes(bytes), what,
                mebibytes(available), mebibytes(all), why.text);
}

status cuda_device_memory(cuda_device *d, void **out, size_t bytes, const char *what, error *err)
{
    *out = NULL;
    status rc = make_room(d, err);
    if (rc != OK) return rc;
    rc = CALL(d, err, cudaMalloc, out, bytes);
    if (rc == NO_MEMORY) rc = no_room(d, bytes, what, err);
    if (rc == OK) d->taken += bytes;
    return keep(d, HELD_MEMORY, *out, rc);
}

size_t cuda_device_taken(const cuda_device *d) { return d->taken; }

int64_t cuda_device_available(void)
{
    size_t available = 0, all = 0;
    if (cudaMemGetInfo(&available, &all) == cudaSuccess) return (int64_t)available;
    (void)cudaGetLastError(); /* of this thread, which launches nothing */
    return -1;
}

status cuda_device_pinned(cuda_device *d, void **out, size_t bytes, const char *what, error *err)
{
    *out = NULL;
    status rc = make_room(d, err);
    if (rc != OK) return rc;
    rc = CALL(d, err, cudaMallocHost, out, bytes);
    if (rc == NO_MEMORY) {
        const error why = *err;
        rc = fail(err, NO_MEMORY, "%.1f MiB of pinned memory of the host for %s: %.100s", mebibytes(bytes), what,
                  why.text);
    }
    return keep(d, HELD_PINNED, *out, rc);
}

status cuda_device_stream(cuda_device *d, kernel_stream *out, error *err)
{
    *out = NULL;
    status rc = make_room(d, err);
    if (rc == OK) rc = CALL(d, err, cudaStreamCreateWithFlags, out, cudaStreamNonBlocking);
    return keep(d, HELD_STREAM, *out, rc);
}

static status take_event(cuda_device *d, cuda_event *out, unsigned flags, error *err)
{
    *out = NULL;
    status rc = make_room(d, err);
    if (rc == OK) rc = CALL(d, err, cudaEventCreateWithFlags, out, flags);
    return keep(d, HELD_EVENT, *out, rc);
}

status cuda_device_event(cuda_device *d, cuda_event *out, error *err)
{
    return take_event(d, out, cudaEventDisableTiming, err); /* without a time stamp it costs the stream less */
}

status cuda_device_timer(cuda_device *d, cuda_event *out, error *err)
{
    return take_event(d, out, cudaEventDefault, err);
}

/* ---- what it is told ---- */

status cuda_device_copy_in(cuda_device *d, void *to, const void *from, size_t bytes, kernel_stream s, error *err)
{
    return CALL(d, err, cudaMemcpyAsync, to, from, bytes, cudaMemcpyHostToDevice, s);
}

status cuda_device_copy_out(cuda_device *d, void *to, const void *from, size_t bytes, kernel_stream s, error *err)
{
    return CALL(d, err, cudaMemcpyAsync, to, from, bytes, cudaMemcpyDeviceToHost, s);
}

status cuda_device_zero(cuda_device *d, void *at, size_t bytes, kernel_stream s, error *err)
{
    return CALL(d, err, cudaMemsetAsync, at, 0, bytes, s);
}

status cuda_device_record(cuda_device *d, cuda_event e, kernel_stream s, error *err)
{
    return CALL(d, err, cudaEventRecord, e, s);
}

status cuda_device_wait(cuda_device *d, kernel_stream s, cuda_event e, error *err)
{
    return CALL(d, err, cudaStreamWaitEvent, s, e, 0);
}

status cuda_device_done(cuda_device *d, cuda_event e, error *err)
{
    return CALL(d, err, cudaEventQuery, e);
}

status cuda_device_idle(cuda_device *d, kernel_stream s, error *err)
{
    return CALL(d, err, cudaStreamQuery, s);
}

status cuda_device_synchronize(cuda_device *d, kernel_stream s, error *err)
{
    return CALL(d, err, cudaStreamSynchronize, s);
}

status cuda_device_elapsed(cuda_device *d, cuda_event from, cuda_event to, float *us, error *err)
{
    float        ms = 0;
    const status rc = CALL(d, err, cudaEventElapsedTime, &ms, from, to);
    *us = ms * 1000;
    return rc;
}

/* ---- graphs ---- */

status cuda_device_capture(cuda_device *d, kernel_stream s, error *err)
{
    return CALL(d, err, cudaStreamBeginCapture, s, cudaStreamCaptureModeThreadLocal);
}

void cuda_device_abandon(cuda_device *d, kernel_stream s)
{
    cudaGraph_t graph = NULL;
    if (d->lost) return;
    (void)cudaStreamEndCapture(s, &graph);
    if (graph) (void)cudaGraphDestroy(graph);
    (void)cudaGetLastError();
}

status cuda_device_captured(cuda_device *d, kernel_stream s, cuda_graph *out, error *err)
{
    cudaGraph_t graph = NULL;
    error       ignored;
    *out = NULL;
    status rc = make_room(d, err);
    if (rc == OK) rc = CALL(d, err, cudaStreamEndCapture, s, &graph);
    if (rc != OK) {
        cuda_device_abandon(d, s);
        return rc;
    }
    rc = CALL(d, err, cudaGraphInstantiate, out, graph, 0);
    (void)CALL(d, &ignored, cudaGraphDestroy, graph);
    return keep(d, HELD_GRAPH, *out, rc);
}

status cuda_device_upload(cuda_device *d, cuda_graph g, kernel_stream s, error *err)
{
    return CALL(d, err, cudaGraphUpload, g, s);
}

status cuda_device_launch(cuda_device *d, cuda_graph g, kernel_stream s, error *err)
{
    return CALL(d, err, cudaGraphLaunch, g, s);
}
