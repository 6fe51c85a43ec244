/* test_fake_cuda.c - the fake device's memory, streams and kernels: good use passes, each breach is named.
 *
 * Captures and graphs: test_fake_capture.c; faults on demand: test_fake_faults.c; products: test_fake_cublaslt.c. */
#include <CUnit/CUnit.h>
#include <cuda_runtime_api.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "fake_cuda.h"
#include "tests/fake_cuda/planted/planted_kernels.h"
#include "tests/support/child.h"

enum { N = 200, BYTES = N * (int)sizeof(float), SEEDS = 50 };
#define GOOD(call) CU_ASSERT_EQUAL_FATAL((int)(call), cudaSuccess)

static char said[1 << 16];

static void breaks(void (*f)(void), const char *rule)
{
    const int rc = child_run(f, 0, said, sizeof said);
    CU_ASSERT_EQUAL(rc, -SIGABRT);
    if (strstr(said, rule)) return;
    CU_FAIL("the rule is not named");
    fprintf(stderr, "wanted '%s', got (%d): %s\n", rule, rc, said);
}

static void begin(unsigned seed)
{
    char text[40];
    snprintf(text, sizeof text, "seed=%u", seed);
    fake_cuda_reset();
    fake_cuda_configure(text);
}

typedef struct { cudaStream_t a, b; cudaEvent_t done; float *pinned, *back, *device; } things;

static things make(void)
{
    things t;
    GOOD(cudaStreamCreateWithFlags(&t.a, cudaStreamNonBlocking));
    GOOD(cudaStreamCreateWithFlags(&t.b, cudaStreamNonBlocking));
    GOOD(cudaEventCreateWithFlags(&t.done, cudaEventDisableTiming));
    GOOD(cudaMallocHost((void **)&t.pinned, BYTES));
    GOOD(cudaMallocHost((void **)&t.back, BYTES));
    GOOD(cudaMalloc((void **)&t.device, BYTES));
    for (int i = 0; i < N; i++) t.pinned[i] = (float)i;
    return t;
}

static void unmake(things t)
{
    GOOD(cudaFree(t.device));
    GOOD(cudaFreeHost(t.pinned));
    GOOD(cudaFreeHost(t.back));
    GOOD(cudaEventDestroy(t.done));
    GOOD(cudaStreamDestroy(t.a));
    GOOD(cudaStreamDestroy(t.b));
    CU_ASSERT_EQUAL(fake_cuda_held(), 0);
}

/* Copy in on one stream, add on another, copy back on the first; the waits between them may be left out. */
static bool adds_right(unsigned seed, bool first_wait, bool second_wait)
{
    begin(seed);
    const things t = make();
    GOOD(cudaMemcpyAsync(t.device, t.pinned, BYTES, cudaMemcpyHostToDevice, t.a));
    GOOD(cudaEventRecord(t.done, t.a));
    if (first_wait) GOOD(cudaStreamWaitEvent(t.b, t.done, 0));
    GOOD(planted_add(t.device, 1, N, t.b));
    GOOD(cudaEventRecord(t.done, t.b));
    if (second_wait) GOOD(cudaStreamWaitEvent(t.a, t.done, 0));
    GOOD(cudaMemcpyAsync(t.back, t.device, BYTES, cudaMemcpyDeviceToHost, t.a));
    GOOD(cudaStreamSynchronize(t.a));
    bool right = true;
    for (int i = 0; i < N; i++) right = right && t.back[i] == (float)i + 1;
    unmake(t);
    return right;
}

static void every_seed_is_right_with_the_waits_and_some_seed_is_wrong_without_one(void)
{
    int without_first = 0, without_second = 0;
    for (unsigned seed = 0; seed < SEEDS; seed++) {
        CU_ASSERT(adds_right(seed, true, true));
        without_first += !adds_right(seed, false, true);
        without_second += !adds_right(seed, true, false);
    }
    CU_ASSERT(without_first > 0);
    CU_ASSERT(without_second > 0);
}

static void nothing_runs_when_it_is_queued_and_a_result_is_poison_until_it_is_there(void)
{
    int early = 0, late = 0;
    for (unsigned seed = 0; seed < SEEDS; seed++) {
        begin(seed);
        const things t = make();
        t.back[0] = 7;
        GOOD(cudaMemcpyAsync(t.device, t.pinned, BYTES, cudaMemcpyHostToDevice, t.a));
        GOOD(cudaMemcpyAsync(t.back, t.device, BYTES, cudaMemcpyDeviceToHost, t.a));
        GOOD(cudaEventRecord(t.done, t.a));
        CU_ASSERT(t.back[0] != t.back[0]);
        int polls = 0, rc;
        while ((rc = cudaEventQuery(t.done)) == cudaErrorNotReady && polls < 100) polls++;
        GOOD(rc);
        CU_ASSERT_EQUAL(t.back[N - 1], N - 1);
        early += polls == 0;
        late += polls > 3;
        unmake(t);
    }
    CU_ASSERT(early > 0);
    CU_ASSERT(late > 0);
}

static void source_changed_too_early(void)
{
    begin(0);
    const things t = make();
    GOOD(cudaMemcpyAsync(t.device, t.pinned, BYTES, cudaMemcpyHostToDevice, t.a));
    t.pinned[3] = 9;
    GOOD(cudaStreamSynchronize(t.a));
}

static void a_slot_used_again_too_early_is_a_breach_on_every_seed(void)
{
    breaks(source_changed_too_early, "work of cudaMemcpyAsync (number 1): the host changed the pinned source");
}

static void a_recording_is_waited_for_even_if_the_event_is_recorded_again(void)
{
    for (unsigned seed = 0; seed < SEEDS; seed++) {
        begin(seed);
        const things t = make();
        GOOD(cudaEventQuery(t.done)); /* never recorded: complete */
        GOOD(cudaMemcpyAsync(t.device, t.pinned, BYTES, cudaMemcpyHostToDevice, t.a));
        GOOD(cudaEventRecord(t.done, t.a));
        GOOD(cudaStreamWaitEvent(t.b, t.done, 0));
        GOOD(cudaEventRecord(t.done, t.b));
        GOOD(planted_add(t.device, 1, N, t.b));
        GOOD(cudaMemcpyAsync(t.back, t.device, BYTES, cudaMemcpyDeviceToHost, t.b));
        GOOD(cudaStreamSynchronize(t.b));
        CU_ASSERT_EQUAL(t.back[N - 1], N);
        unmake(t);
    }
}

/* --- memory --- */

static volatile float sink;
static void host_reads(void) { begin(0); sink = make().device[2]; }
static void host_reads_what_a_kernel_wrote(void)
{
    begin(0);
    const things t = make();
    GOOD(planted_add(t.device, 1, N, t.a));
    GOOD(cudaStreamSynchronize(t.a));
    sink = t.device[2];
}
static void host_writes_past_pinned(void)
{
    begin(0);
    const things t = make();
    float *volatile past = t.pinned;
    past[N + 2] = 0;
    GOOD(planted_add(t.device, 1, N, t.a));
    GOOD(cudaStreamSynchronize(t.a));
}
static void copies_past_the_end(void)
{
    begin(0);
    const things t = make();
    (void)cudaMemcpyAsync(t.device + 1, t.pinned, BYTES, cudaMemcpyHostToDevice, t.a);
}
static void kernel_writes(int at)
{
    begin(0);
    const things t = make();
    GOOD(planted_write(t.device, 1, at, t.a));
    GOOD(cudaStreamSynchronize(t.a));
}
static void kernel_writes_slack(void) { kernel_writes(N + 1); }
static void kernel_writes_guard(void) { kernel_writes(N + 64); }
static void kernel_writes_before(void) { kernel_writes(-1); }
static void kernel_uses_freed(void)
{
    begin(0);
    const things t = make();
    float       *other;
    GOOD(cudaMalloc((void **)&other, BYTES));
    GOOD(cudaFree(other));
    GOOD(planted_write(other, 1, 0, t.a));
    GOOD(cudaStreamSynchronize(t.a));
}
static void copies_freed(void)
{
    begin(0);
    const things t = make();
    GOOD(cudaFree(t.device));
    (void)cudaMemcpyAsync(t.device, t.pinned, BYTES, cudaMemcpyHostToDevice, t.a);
}
static void frees_twice(void)
{
    begin(0);
    const things t = make();
    GOOD(cudaFree(t.device));
    GOOD(cudaFree(t.device));
}
static void frees_pinned_in_use(void)
{
    begin(0);
    const things t = make();
    GOOD(cudaMemcpyAsync(t.device, t.pinned, BYTES, cudaMemcpyHostToDevice, t.a));
    GOOD(cudaFreeHost(t.pinned));
}
static void copies_pageable(void)
{
    begin(0);
    const things t = make();
    float        pageable[N] = {0};
    (void)cudaMemcpyAsync(t.device, pageable, BYTES, cudaMemcpyHostToDevice, t.a);
}

static void memory_is_the_devices_own(void)
{
    breaks(host_reads, "the host touched the device memory block of 800 bytes made by cudaMalloc (number 1)");
    breaks(host_reads_what_a_kernel_wrote, "the host touched the device memory block of 800 bytes");
    breaks(kernel_uses_freed,
           "work of cudaLaunchKernel (number 1): touched the device memory block of 800 bytes made by "
           "cudaMalloc (number 2) and given back by cudaFree (number 1)");
    breaks(copies_freed, "given back by cudaFree");
    breaks(frees_twice, "is no begin of a device memory block");
    breaks(frees_pinned_in_use, "a copy that has not run uses this memory");
    breaks(copies_pageable, "pageable memory");
}

static void what_goes_over_an_edge_is_named(void)
{
    breaks(copies_past_the_end, "ends 4 bytes past the end of the device memory block of 800 bytes");
    breaks(kernel_writes_slack, "something wrote 4 bytes past the end of the device memory block of 800 bytes");
    breaks(kernel_writes_guard, "touched 256 bytes past the end of the device memory block");
    breaks(kernel_writes_before, "something wrote 4 bytes before the device memory block");
    breaks(host_writes_past_pinned, "something wrote 8 bytes past the end of the pinned memory block");
}

static void fresh_memory_is_nan_and_a_device_can_be_full(void)
{
    begin(0);
    fake_cuda_configure("memory=4096");
    float *a, *b, host[4];
    size_t free_bytes, total_bytes;
    GOOD(cudaMalloc((void **)&a, 3000));
    CU_ASSERT_EQUAL(cudaMalloc((void **)&b, 2000), cudaErrorMemoryAllocation);
    CU_ASSERT_PTR_NULL(b);
    CU_ASSERT_EQUAL(cudaGetLastError(), cudaErrorMemoryAllocation);
    GOOD(cudaGetLastError());
    GOOD(cudaMemGetInfo(&free_bytes, &total_bytes));
    CU_ASSERT_EQUAL(total_bytes, 4096);
    CU_ASSERT_EQUAL(free_bytes, 1024);
    GOOD(cudaMemcpy(host, a, sizeof host, cudaMemcpyDeviceToHost));
    CU_ASSERT(host[0] != host[0] && host[3] != host[3]);
    CU_ASSERT_EQUAL((uintptr_t)a % 256, 0);
    GOOD(cudaFree(a));
    GOOD(cudaFree(NULL));
    CU_ASSERT_EQUAL(cudaMemcpy(host, host, 4, cudaMemcpyHostToDevice), cudaErrorInvalidValue);
}

/* --- the legacy stream --- */

/* A synchronous copy from pageable memory has only been staged when it returns; a non-blocking stream does not wait. */
static void a_non_blocking_stream_does_not_wait_for_the_legacy_one_and_a_blocking_one_does(void)
{
    int wrong = 0;
    for (unsigned seed = 1; seed < SEEDS; seed++)
        for (unsigned flags = cudaStreamDefault; flags <= cudaStreamNonBlocking; flags++) {
            begin(seed);
            const things t = make();
            cudaStream_t s;
            GOOD(cudaStreamCreateWithFlags(&s, flags));
            float host[N] = {5};
            GOOD(cudaMemcpy(t.device, host, BYTES, cudaMemcpyHostToDevice));
            host[0] = 6;
            GOOD(planted_add(t.device, 1, N, s));
            GOOD(cudaMemcpyAsync(t.back, t.device, BYTES, cudaMemcpyDeviceToHost, s));
            GOOD(cudaStreamSynchronize(s));
            if (flags == cudaStreamDefault) CU_ASSERT_EQUAL(t.back[0], 6);
            wrong += t.back[0] != 6;
            GOOD(cudaMemset(t.device, 0, BYTES));
            GOOD(cudaMemcpy(host, t.device, BYTES, cudaMemcpyDeviceToHost));
            CU_ASSERT_EQUAL(host[N - 1], 0);
            GOOD(cudaStreamDestroy(s));
            unmake(t);
        }
    CU_ASSERT(wrong > 0);
}

/* --- launches --- */

static void a_launch_has_cudas_limits(void)
{
    begin(0);
    const things t = make();
    GOOD(planted_shape(1, 1024, 48 << 10, t.a));
    CU_ASSERT_EQUAL(planted_shape(0, 32, 0, t.a), cudaErrorInvalidConfiguration);
    CU_ASSERT_EQUAL(planted_shape(1, 1025, 0, t.a), cudaErrorInvalidConfiguration);
    CU_ASSERT_EQUAL(planted_shape(1, 32, (48 << 10) + 1, t.a), cudaErrorInvalidValue);
    CU_ASSERT_EQUAL(planted_shared_limit((227 << 10) + 1), cudaErrorInvalidValue);
    CU_ASSERT_EQUAL(cudaGetLastError(), cudaErrorInvalidValue);
    GOOD(planted_shared_limit(100 << 10));
    GOOD(planted_shape(1, 32, 100 << 10, t.a));
    CU_ASSERT_EQUAL(planted_shape(1, 32, (100 << 10) + 1, t.a), cudaErrorInvalidValue);
    GOOD(cudaStreamSynchronize(t.a));
    CU_ASSERT_EQUAL(fake_cuda_calls("cudaLaunchKernel"), 6);
    unmake(t);
}

static void what_a_timeline_would_show_is_counted(void)
{
    begin(0);
    const things t = make();
    GOOD(cudaMemcpyAsync(t.device, t.pinned, BYTES, cudaMemcpyHostToDevice, t.a));
    GOOD(cudaEventRecord(t.done, t.a));
    GOOD(cudaStreamWaitEvent(t.b, t.done, 0));
    GOOD(planted_add(t.device, 1, N, t.b));
    GOOD(cudaStreamSynchronize(t.b));
    CU_ASSERT_EQUAL(fake_cuda_overlap(), 0); /* one waits for the other */
    GOOD(planted_add(t.device, 1, N, t.b));
    GOOD(cudaMemcpyAsync(t.back, t.pinned, BYTES, cudaMemcpyHostToHost, t.a));
    CU_ASSERT_EQUAL(fake_cuda_overlap(), 2);
    GOOD(cudaDeviceSynchronize());
    unmake(t);
}

/* --- what is held --- */

static void leaks(void)
{
    begin(0);
    float *p;
    GOOD(cudaMalloc((void **)&p, 16));
    GOOD(cudaFree(p));
    GOOD(cudaMalloc((void **)&p, 48));
    exit(0);
}
static void leaks_fatally(void)
{
    fake_cuda_configure("leaks=fatal");
    float *p;
    GOOD(cudaMalloc((void **)&p, 48));
    exit(0);
}
static void resets_too_early(void)
{
    float *p;
    GOOD(cudaMalloc((void **)&p, 48));
    fake_cuda_reset();
}
static void uses_a_destroyed_event(void)
{
    begin(0);
    const things t = make();
    GOOD(cudaEventDestroy(t.done));
    (void)cudaEventRecord(t.done, t.a);
}

static void what_is_not_given_back_is_named_at_exit(void)
{
    fake_cuda_reset();
    CU_ASSERT_EQUAL(child_run(leaks, 0, said, sizeof said), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(said, "held: a device memory block of 48 bytes, made by cudaMalloc (number 2)"));
    CU_ASSERT_PTR_NULL(strstr(said, "of 16 bytes"));
    CU_ASSERT_EQUAL(child_run(leaks_fatally, 0, said, sizeof said), 99);
    breaks(resets_too_early, "reset while the program holds something");
    breaks(uses_a_destroyed_event, "is no event, or no longer one");
}

/* --- serving --- */

static things at_serving(void)
{
    begin(0);
    const things t = make();
    fake_cuda_serving(true);
    return t;
}
static void serving_allocates(void) { float *p; at_serving(); (void)cudaMalloc((void **)&p, 4); }
static void serving_frees(void) { (void)cudaFree(at_serving().device); }
static void serving_allocates_pinned(void) { float *p; at_serving(); (void)cudaMallocHost((void **)&p, 4); }
static void serving_makes_a_stream(void) { cudaStream_t s; at_serving(); (void)cudaStreamCreateWithFlags(&s, 0); }
static void serving_makes_an_event(void) { cudaEvent_t e; at_serving(); (void)cudaEventCreate(&e); }
static void serving_captures(void) { (void)cudaStreamBeginCapture(at_serving().a, cudaStreamCaptureModeRelaxed); }
static void serving_waits_for_all(void) { at_serving(); (void)cudaDeviceSynchronize(); }
static void serving_copies_at_once(void)
{
    float x;
    const things t = at_serving();
    (void)cudaMemcpy(&x, t.device, 4, cudaMemcpyDefault);
}
static void serving_on_the_legacy_stream(void) { (void)planted_add(at_serving().device, 1, N, NULL); }

static void serving_is_queueing_and_asking_only(void)
{
    const things t = at_serving();
    GOOD(cudaMemcpyAsync(t.device, t.pinned, BYTES, cudaMemcpyHostToDevice, t.a));
    GOOD(planted_add(t.device, 1, N, t.a));
    GOOD(cudaEventRecord(t.done, t.a));
    GOOD(cudaStreamWaitEvent(t.b, t.done, 0));
    GOOD(cudaEventSynchronize(t.done));
    GOOD(cudaStreamQuery(t.a));
    fake_cuda_serving(false);
    unmake(t);
    void (*const all[])(void) = {serving_allocates,      serving_frees,          serving_allocates_pinned,
                                 serving_makes_a_stream, serving_makes_an_event, serving_captures,
                                 serving_waits_for_all,  serving_copies_at_once};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) breaks(all[i], "not while serving");
    breaks(serving_on_the_legacy_stream, "the legacy stream while serving");
}

void fake_cuda_suite(CU_pSuite s)
{
    CU_ADD_TEST(s, every_seed_is_right_with_the_waits_and_some_seed_is_wrong_without_one);
    CU_ADD_TEST(s, nothing_runs_when_it_is_queued_and_a_result_is_poison_until_it_is_there);
    CU_ADD_TEST(s, a_slot_used_again_too_early_is_a_breach_on_every_seed);
    CU_ADD_TEST(s, a_recording_is_waited_for_even_if_the_event_is_recorded_again);
    CU_ADD_TEST(s, memory_is_the_devices_own);
    CU_ADD_TEST(s, what_goes_over_an_edge_is_named);
    CU_ADD_TEST(s, fresh_memory_is_nan_and_a_device_can_be_full);
    CU_ADD_TEST(s, a_non_blocking_stream_does_not_wait_for_the_legacy_one_and_a_blocking_one_does);
    CU_ADD_TEST(s, a_launch_has_cudas_limits);
    CU_ADD_TEST(s, what_a_timeline_would_show_is_counted);
    CU_ADD_TEST(s, what_is_not_given_back_is_named_at_exit);
    CU_ADD_TEST(s, serving_is_queueing_and_asking_only);
}
