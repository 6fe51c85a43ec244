/* device.cc - the fake device as a whole; see device.h. */
#include "device.h"
#include "memory.h"
#include "schedule.h"
#include "capture.h"
#include "fake_cuda.h"
#include <pthread.h>
#include <unistd.h>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>

enum call_when { FREE, ALWAYS, LOADING, UNSAFE, BLOCKING };
static const struct { const char *name; call_when when; bool blas; } call_table[CALLS] = {
#define CUDA_ROW(result, name, arguments, when) {#name, when, false},
#define BLAS_ROW(result, name, arguments, when) {#name, when, true},
    CALLS_cuda(CUDA_ROW) CALLS_cublasLt(BLAS_ROW) {"cudaLaunchKernel", ALWAYS, false}, {"work", ALWAYS, false}};

static device_state   &state_at_load()
{
    device_state &d = *new device_state();
    d.current = {CALL_NONE, 0};
    return d;
}
device_state          &the_device = state_at_load();
static pthread_mutex_t device_lock = PTHREAD_MUTEX_INITIALIZER;
static held           &ledger_head = *new held("", 0);
static thread_local struct { cudaError_t code; unsigned generation; } last_error;

const char *call_name(call_id id) { return id < CALLS ? call_table[id].name : "fake_cuda"; }

call_id call_of(const char *name)
{
    for (int i = 0; i < CALLS; i++)
        if (!strcmp(name, call_table[i].name)) return static_cast<call_id>(i);
    return CALL_NONE;
}

/* The codes after which NVIDIA's documentation says that the process must end, or of which nothing better is known. */
bool error_is_sticky(int code)
{
    static const int codes[] = {46, 100, 214, 220, 700, 702, 709, 710, 714, 715, 716, 717, 718, 719, 999};
    for (int c : codes)
        if (c == code) return true;
    return false;
}

uint64_t device_random(uint64_t below) /* splitmix64 */
{
    if (the_device.settings.seed == 0 || below == 0) return 0;
    uint64_t z = the_device.random += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return (z ^ z >> 31) % below;
}

double device_now_us()
{
    if (the_device.settings.counted_clock) return the_device.clock_us;
    timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return static_cast<double>(t.tv_sec) * 1e6 + static_cast<double>(t.tv_nsec) / 1e3;
}

static void say(const char *format, va_list arguments)
{
    char         text[600];
    const origin o = the_device.current;
    vsnprintf(text, sizeof text, format, arguments);
    if (o.call == CALL_NONE)
        fprintf(stderr, "fake_cuda: %s\n", text);
    else
        fprintf(stderr, "fake_cuda: %s%s (number %ld): %s\n", the_device.working ? "work of " : "", call_name(o.call),
                o.number, text);
}

void breach(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    say(format, arguments);
    va_end(arguments);
    abort();
}

void complain(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    say(format, arguments);
    va_end(arguments);
}

void device_hang()
{
    memory_close();
    pthread_mutex_unlock(&device_lock);
    for (;;) pause();
}

std::vector<injection> device_injected(call_id id)
{
    std::vector<injection> now, &all = the_device.injections;
    the_device.counts[id]++;
    for (size_t i = 0; i < all.size(); i++) {
        if (all[i].call != id || --all[i].left) continue;
        now.push_back(all[i]);
        all.erase(all.begin() + static_cast<long>(i--));
    }
    return now;
}

cudaError_t device_take_failure()
{
    const cudaError_t failure = the_device.sticky ? the_device.sticky : the_device.unreported;
    the_device.unreported = cudaSuccess;
    return failure;
}

static void start_again()
{
    const unsigned generation = the_device.generation + 1;
    the_device = device_state();
    the_device.generation = generation;
    the_device.settings.memory = size_t(8) << 30;
    the_device.current = {CALL_NONE, 0};
    settings_apply(getenv("FAKE_CUDA"));
}

static void lock()
{
    pthread_mutex_lock(&device_lock);
    if (the_device.generation == 0) start_again();
}

static void unlock()
{
    memory_close();
    the_device.current = {CALL_NONE, 0};
    pthread_mutex_unlock(&device_lock);
}

static cudaError_t presence_error()
{
    switch (the_device.settings.presence) {
    case DEVICE_NO_DRIVER:
    case DEVICE_OLD_DRIVER: return cudaErrorInsufficientDriver;
    case DEVICE_ABSENT: return cudaErrorNoDevice;
    case DEVICE_BROKEN: return cudaErrorUnknown;
    case DEVICE_THERE: break;
    }
    return the_device.sticky;
}

call::call(call_id id)
{
    lock();
    device_state   &d = the_device;
    const call_when when = call_table[id].when;
    const bool      blas = call_table[id].blas;
    d.current = {id, d.counts[id] + 1};
    int failure = 0;
    for (const injection &now : device_injected(id)) {
        switch (now.kind) {
        case INJECT_FAIL: failure = now.code; break;
        case INJECT_LATE: late = static_cast<cudaError_t>(now.code); break;
        case INJECT_HANG: device_hang();
        }
    }
    if (when == FREE && failure == 0) { /* asks the device nothing; a broken driver says so all the same */
        if (d.settings.presence == DEVICE_BROKEN && id == CALL_cudaDriverGetVersion) refused = cudaErrorUnknown;
        return;
    }
    if (failure && !blas && error_is_sticky(failure)) d.sticky = static_cast<cudaError_t>(failure);
    const cudaError_t fatal = presence_error();
    dead = fatal != cudaSuccess;
    if (dead && !blas) {
        refused = fatal;
    } else if (dead && id == CALL_cublasLtCreate) {
        refused = CUBLAS_STATUS_NOT_INITIALIZED;
    } else if (dead && id == CALL_cublasLtMatmul) {
        refused = CUBLAS_STATUS_EXECUTION_FAILED;
    } else if (failure) {
        refused = failure;
    }
    if (refused) return;
    if (d.serving && (when == LOADING || when == BLOCKING))
        breach("not while serving: it allocates, frees, captures, instantiates or waits for the whole device");
    if ((when == UNSAFE || when == BLOCKING) && capture_forbids()) {
        complain("not while this thread captures: CUDA programming guide, Stream Capture, Prohibited Operations");
        refused = blas ? static_cast<int>(CUBLAS_STATUS_EXECUTION_FAILED)
                       : static_cast<int>(cudaErrorStreamCaptureUnsupported);
    }
}

call::~call() { unlock(); }

cudaError_t call::answer(cudaError_t rc)
{
    if (rc) last_error = {rc, the_device.generation};
    return rc;
}

cudaError_t device_last_error(bool forget)
{
    const cudaError_t code = last_error.generation == the_device.generation ? last_error.code : cudaSuccess;
    if (forget) last_error = {cudaSuccess, the_device.generation};
    return the_device.sticky ? the_device.sticky : code;
}

/* --- the ledger: a ring through every object that the program holds --- */

held::held(const char *kind_, size_t bytes_) : kind(kind_), bytes(bytes_), made(the_device.current)
{
    before = after = this;
    if (made.call == CALL_NONE) return; /* the ring's own head */
    before = ledger_head.before;
    after = &ledger_head;
    before->after = after->before = this;
}

held::~held()
{
    before->after = after;
    after->before = before;
}

int ledger_count()
{
    int n = 0;
    for (const held *h = ledger_head.after; h != &ledger_head; h = h->after) n++;
    return n;
}

void ledger_print()
{
    for (const held *h = ledger_head.after; h != &ledger_head; h = h->after) {
        fprintf(stderr, "fake_cuda: held: a %s", h->kind);
        if (h->bytes) fprintf(stderr, " of %zu bytes", h->bytes);
        fprintf(stderr, ", made by %s (number %ld)\n", call_name(h->made.call), h->made.number);
    }
}

__attribute__((destructor)) static void at_exit()
{
    if (pthread_mutex_trylock(&device_lock)) return; /* a thread is in a call: exit is not the time to wait for it */
    if (ledger_count()) {
        ledger_print();
        if (the_device.settings.leaks_are_fatal) {
            fflush(nullptr);
            _exit(99);
        }
    }
    pthread_mutex_unlock(&device_lock);
}

/* --- the control interface: fake_cuda.h --- */

void fake_cuda_reset(void)
{
    lock();
    if (ledger_count()) {
        ledger_print();
        breach("reset while the program holds something");
    }
    schedule_forget();
    memory_forget();
    start_again();
    unlock();
}

void fake_cuda_configure(const char *settings)
{
    lock();
    settings_apply(settings);
    unlock();
}

long fake_cuda_calls(const char *name)
{
    lock();
    const call_id id = call_of(name);
    if (id == CALL_NONE) breach("fake_cuda_calls: there is no call %s", name);
    const long n = the_device.counts[id];
    unlock();
    return n;
}

void fake_cuda_serving(bool serving)
{
    lock();
    the_device.serving = serving;
    unlock();
}

int fake_cuda_held(void)
{
    lock();
    const int n = ledger_count();
    unlock();
    return n;
}

void fake_cuda_print_held(void)
{
    lock();
    ledger_print();
    unlock();
}

int fake_cuda_overlap(void)
{
    lock();
    const int n = the_device.overlap;
    unlock();
    return n;
}
