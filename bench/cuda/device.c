#include "device.h"
#include <cuda_runtime_api.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "bench/median.h"
#include "runtime/base/clock.h"

enum {
    BATCH = 16,           /* samples queued before the host waits: the host stays ahead of the device */
    SAMPLES_MOST = 256,
    SAMPLES_LEAST = 32,
    SAMPLES_QUICK = 3,
    REPEATS_MOST = 64,    /* of a short kernel in one graph, so that the events' half microsecond is shared */
    GRAPH_US = 200,
    BUDGET_NS = 300000000,
    ROOM_ALIGN = 256,
    VALUES = 1 << 16,
};
static const size_t room_bytes = (size_t)1536 << 20, room_quick_bytes = (size_t)96 << 20, flush_quick_bytes = 1 << 16;

struct device {
    int           quick;
    device_room   room;
    void         *flush;
    size_t        flush_bytes;
    cudaStream_t  stream;
    cudaEvent_t   events[2 * BATCH];
    uint64_t      random;
    struct cudaDeviceProp properties;
};

static status bad(error *err, const char *call, cudaError_t code)
{
    return fail(err, UNAVAILABLE, "%s: %s", call, cudaGetErrorString(code));
}

/* Of an operation: a cudaError_t, a status of the matrix library, or a refused shape. */
static status bad_work(error *err, int code)
{
    if (code == KERNEL_BAD_SHAPE) return fail(err, UNAVAILABLE, "the operation refuses the shape");
    return fail(err, UNAVAILABLE, "the operation returned %d: \"%s\", or a status of the matrix library", code,
                cudaGetErrorString((cudaError_t)code));
}

#define TRY(call)                                                   \
    do {                                                            \
        const cudaError_t tried = (call);                           \
        if (tried != cudaSuccess) return bad(err, #call, tried);    \
    } while (0)

status device_present(error *err)
{
    int               n = 0;
    const cudaError_t code = cudaGetDeviceCount(&n);
    if (code == cudaSuccess && n > 0) return OK;
    if (code == cudaSuccess || code == cudaErrorNoDevice) return fail(err, NOT_FOUND, "there is no GPU here");
    if (code == cudaErrorInsufficientDriver)
        return fail(err, NOT_FOUND, "there is no NVIDIA driver here, or one older than this CUDA");
    return fail(err, GPU_LOST, "the GPU does not answer: %s", cudaGetErrorString(code));
}

static status acquire(device *d, error *err)
{
    TRY(cudaSetDevice(0));
    TRY(cudaGetDeviceProperties(&d->properties, 0));
    d->room.bytes = d->quick ? room_quick_bytes : room_bytes;
    d->flush_bytes = d->quick ? flush_quick_bytes : 2 * (size_t)d->properties.l2CacheSize;
    TRY(cudaStreamCreateWithFlags(&d->stream, cudaStreamNonBlocking));
    for (int i = 0; i < 2 * BATCH; i++) TRY(cudaEventCreateWithFlags(&d->events[i], cudaEventDefault));
    TRY(cudaMalloc((void **)&d->room.device, d->room.bytes));
    TRY(cudaMalloc(&d->flush, d->flush_bytes));
    d->room.host = aligned_alloc(ROOM_ALIGN, d->room.bytes);
    return d->room.host ? OK : fail(err, NO_MEMORY, "no memory for %zu MiB on the host", d->room.bytes >> 20);
}

status device_open(device **out, int quick, error *err)
{
    device *d = calloc(1, sizeof *d);
    *out = NULL;
    if (!d) return fail(err, NO_MEMORY, "no memory for a device");
    d->quick = quick;
    d->random = 1;
    status rc = device_present(err);
    if (rc == OK) rc = acquire(d, err);
    if (rc == OK) *out = d;
    else device_close(d);
    return rc;
}

void device_close(device *d)
{
    if (!d) return;
    for (int i = 0; i < 2 * BATCH; i++)
        if (d->events[i]) cudaEventDestroy(d->events[i]);
    if (d->stream) cudaStreamDestroy(d->stream);
    cudaFree(d->flush);
    cudaFree(d->room.device);
    free(d->room.host);
    free(d);
}

void device_describe(const device *d, report *r)
{
    int driver = 0, runtime = 0;
    if (cudaDriverGetVersion(&driver) != cudaSuccess) driver = 0;
    if (cudaRuntimeGetVersion(&runtime) != cudaSuccess) runtime = 0;
    report_fact(r, "gpu", "%s, compute %d.%d, %d multiprocessors, %zu MiB, L2 %d MiB", d->properties.name,
                d->properties.major, d->properties.minor, d->properties.multiProcessorCount,
                d->properties.totalGlobalMem >> 20, d->properties.l2CacheSize >> 20);
    report_fact(r, "cuda", "runtime %d.%d, driver for %d.%d", runtime / 1000, runtime % 1000 / 10, driver / 1000,
                driver % 1000 / 10);
}

int device_quick(const device *d) { return d->quick; }
kernel_stream device_stream(const device *d) { return d->stream; }
unsigned char *device_base(const device *d) { return d->room.device; }
unsigned char *device_mirror(const device *d) { return d->room.host; }
void device_clear(device *d) { d->room.used = 0; }

status device_place(device *d, size_t bytes, size_t *offset, error *err)
{
    const size_t rounded = (bytes + ROOM_ALIGN - 1) & ~(size_t)(ROOM_ALIGN - 1);
    if (rounded > d->room.bytes - d->room.used)
        return fail(err, NO_MEMORY, "%zu more bytes in a room of %zu MiB, %zu MiB used", bytes, d->room.bytes >> 20,
                    d->room.used >> 20);
    *offset = d->room.used;
    d->room.used += rounded;
    return OK;
}

static float next(device *d) /* uniform in [-1, 1) */
{
    d->random = d->random * 6364136223846793005u + 1442695040888963407u;
    return (float)(int32_t)(d->random >> 32) * 4.656612873077393e-10f;
}

status device_random(device *d, element_type element, size_t n, float scale, size_t *offset, error *err)
{
    static uint16_t values[VALUES]; /* drawn from by number: converting a hundred million takes a second */
    status          rc = device_place(d, n * sizeof(uint16_t), offset, err);
    if (rc != OK) return rc;
    const size_t drawn = n < VALUES ? n : VALUES;
    for (size_t i = 0; i < drawn; i++) values[i] = element_from_f32(element, scale * next(d));
    uint16_t *at = (uint16_t *)(d->room.host + *offset);
    for (size_t i = 0; i < n; i++) {
        d->random = d->random * 6364136223846793005u + 1442695040888963407u;
        at[i] = n < VALUES ? values[i] : values[d->random >> 48];
    }
    return device_upload(d, *offset, n * sizeof(uint16_t), err);
}

status device_random_f32(device *d, size_t n, float scale, size_t *offset, error *err)
{
    status rc = device_place(d, n * sizeof(float), offset, err);
    if (rc != OK) return rc;
    for (size_t i = 0; i < n; i++) ((float *)(d->room.host + *offset))[i] = scale * next(d);
    return device_upload(d, *offset, n * sizeof(float), err);
}

status device_upload(device *d, size_t offset, size_t bytes, error *err)
{
    TRY(cudaStreamSynchronize(d->stream)); /* the copy is on the default stream, which does not wait for ours */
    TRY(cudaMemcpy(d->room.device + offset, d->room.host + offset, bytes, cudaMemcpyHostToDevice));
    return OK;
}

status device_download(device *d, size_t offset, size_t bytes, void *to, error *err)
{
    TRY(cudaStreamSynchronize(d->stream));
    TRY(cudaMemcpy(to, d->room.device + offset, bytes, cudaMemcpyDeviceToHost));
    return OK;
}

status device_poison(device *d, size_t offset, size_t bytes, error *err)
{
    TRY(cudaMemsetAsync(d->room.device + offset, 0xff, bytes, d->stream));
    TRY(cudaStreamSynchronize(d->stream));
    return OK;
}

int device_copy(void *to, const void *from, size_t bytes, kernel_stream stream)
{
    return (int)cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, stream);
}

status device_run(device *d, device_work *work, void *context, error *err)
{
    const int code = work(context, d->stream);
    if (code) return bad_work(err, code);
    TRY(cudaStreamSynchronize(d->stream));
    return OK;
}

/* ---- time ---- */

typedef struct { device_work *work; void *context; cudaGraphExec_t graph; int repeats; device_cache cache; } subject;

static status capture(device *d, subject *s, error *err)
{
    cudaGraph_t graph = NULL;
    int         code = 0;
    TRY(cudaStreamBeginCapture(d->stream, cudaStreamCaptureModeThreadLocal));
    for (int i = 0; i < s->repeats && !code; i++) code = s->work(s->context, d->stream);
    const cudaError_t ended = cudaStreamEndCapture(d->stream, &graph);
    status            rc = OK;
    if (code) rc = bad_work(err, code);
    else if (ended != cudaSuccess) rc = bad(err, "cudaStreamEndCapture", ended);
    if (rc == OK) {
        const cudaError_t made = cudaGraphInstantiate(&s->graph, graph, 0);
        if (made != cudaSuccess) rc = bad(err, "cudaGraphInstantiate", made);
    }
    if (graph) cudaGraphDestroy(graph);
    return rc;
}

/* us [n], n <= BATCH: one sample each. */
static status take(device *d, const subject *s, double *us, int n, error *err)
{
    for (int i = 0; i < n; i++) {
        if (s->cache == DEVICE_COLD) TRY(cudaMemsetAsync(d->flush, i, d->flush_bytes, d->stream));
        TRY(cudaEventRecord(d->events[2 * i], d->stream));
        if (s->graph) {
            TRY(cudaGraphLaunch(s->graph, d->stream));
        } else {
            const int code = s->work(s->context, d->stream);
            if (code) return bad_work(err, code);
        }
        TRY(cudaEventRecord(d->events[2 * i + 1], d->stream));
    }
    TRY(cudaStreamSynchronize(d->stream));
    for (int i = 0; i < n; i++) {
        float ms = 0;
        TRY(cudaEventElapsedTime(&ms, d->events[2 * i], d->events[2 * i + 1]));
        us[i] = (double)ms * 1e3 / s->repeats;
    }
    return OK;
}

/* Is the median known to 0.5 %?  Its standard error is about that of the mean, and 1.48 median distances are one
 * standard deviation. */
static device_time summary(const double *us, int n)
{
    double            copy[SAMPLES_MOST];
    device_time       t = {.samples = n};
    memcpy(copy, us, (size_t)n * sizeof *us);
    t.us = median(copy, n);
    t.spread = t.us > 0 ? median_distance(copy, n, t.us) / t.us : 0;
    return t;
}

status device_measure(device *d, device_work *work, void *context, device_cache cache, device_time *out, error *err)
{
    const int     least = d->quick ? SAMPLES_QUICK : SAMPLES_LEAST, batch = d->quick ? SAMPLES_QUICK : BATCH;
    const int     most = d->quick ? SAMPLES_QUICK : SAMPLES_MOST;
    subject       s = {.work = work, .context = context, .repeats = 1, .cache = cache};
    double        us[SAMPLES_MOST], first = 0;
    const int64_t end_ns = clock_ns() + BUDGET_NS;
    *out = (device_time){.us = NAN, .spread = NAN};
    status rc = device_run(d, work, context, err); /* loads the code, and fails here if it does */
    if (rc == OK) rc = take(d, &s, &first, 1, err);
    if (rc == OK && cache != DEVICE_COLD) {
        const double fit = GRAPH_US / (first > 1 ? first : 1);
        if (cache == DEVICE_WARM) s.repeats = d->quick ? 2 : fit < 1 ? 1 : fit > REPEATS_MOST ? REPEATS_MOST : (int)fit;
        rc = capture(d, &s, err);
        if (rc == OK) rc = take(d, &s, &first, 1, err);
    }
    for (int n = 0; rc == OK && n + batch <= most;) {
        rc = take(d, &s, us + n, batch, err);
        n += batch;
        if (rc != OK) break;
        *out = summary(us, n);
        const bool known = 1.48 * out->spread / sqrt(n) <= 0.005;
        if (n >= least && (known || clock_ns() > end_ns)) break;
    }
    if (s.graph) cudaGraphExecDestroy(s.graph);
    return rc;
}
