/* test_fake_capture.c - captures and graphs on the fake device: what CUDA allows works, what it forbids is refused. */
#include <CUnit/CUnit.h>
#include <cuda_runtime_api.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include "fake_cuda.h"
#include "tests/fake_cuda/planted/planted_kernels.h"
#include "tests/support/child.h"

enum { N = 100, BYTES = N * (int)sizeof(float), SEEDS = 50 };
#define GOOD(call) CU_ASSERT_EQUAL_FATAL((int)(call), cudaSuccess)

static cudaStream_t a, b;
static cudaEvent_t  fork_event, join_event;
static float       *in, *out, *device, *other;
static cudaGraph_t  graph;

static void begin(unsigned seed)
{
    char text[40];
    snprintf(text, sizeof text, "seed=%u", seed);
    fake_cuda_reset();
    fake_cuda_configure(text);
    GOOD(cudaStreamCreateWithFlags(&a, cudaStreamNonBlocking));
    GOOD(cudaStreamCreateWithFlags(&b, cudaStreamNonBlocking));
    GOOD(cudaEventCreate(&fork_event));
    GOOD(cudaEventCreate(&join_event));
    GOOD(cudaMallocHost((void **)&in, BYTES));
    GOOD(cudaMallocHost((void **)&out, BYTES));
    GOOD(cudaMalloc((void **)&device, BYTES));
    GOOD(cudaMalloc((void **)&other, BYTES));
    for (int i = 0; i < N; i++) in[i] = (float)i;
}

static void end(void)
{
    GOOD(cudaFree(device));
    GOOD(cudaFree(other));
    GOOD(cudaFreeHost(in));
    GOOD(cudaFreeHost(out));
    GOOD(cudaEventDestroy(fork_event));
    GOOD(cudaEventDestroy(join_event));
    GOOD(cudaStreamDestroy(a));
    GOOD(cudaStreamDestroy(b));
    CU_ASSERT_EQUAL(fake_cuda_held(), 0);
}

static void capture(enum cudaStreamCaptureMode mode) { GOOD(cudaStreamBeginCapture(a, mode)); }

/* The capture ends with this error and no graph; the error before it is forgotten. */
static void ends_with(cudaError_t wanted)
{
    CU_ASSERT_EQUAL(cudaStreamEndCapture(a, &graph), wanted);
    CU_ASSERT_PTR_NULL(graph);
    CU_ASSERT_EQUAL(cudaGetLastError(), wanted);
}

static void work(cudaStream_t s)
{
    GOOD(cudaMemcpyAsync(device, in, BYTES, cudaMemcpyHostToDevice, s));
    GOOD(planted_add(device, 1, N, s));
    GOOD(cudaMemcpyAsync(out, device, BYTES, cudaMemcpyDeviceToHost, s));
}

static void a_graph_replays_frozen_arguments_on_what_its_source_holds_then(void)
{
    for (unsigned seed = 0; seed < SEEDS; seed++) {
        begin(seed);
        size_t          n;
        cudaGraphExec_t exec;
        capture(cudaStreamCaptureModeGlobal);
        work(a);
        GOOD(cudaStreamEndCapture(a, &graph));
        GOOD(cudaGraphGetNodes(graph, NULL, &n));
        CU_ASSERT_EQUAL(n, 3);
        GOOD(cudaGraphInstantiate(&exec, graph, 0));
        GOOD(cudaGraphDestroy(graph));
        GOOD(cudaGraphUpload(exec, a));
        fake_cuda_serving(true);
        for (int k = 0; k < 3; k++) {
            in[N - 1] = (float)(10 * k);
            GOOD(cudaGraphLaunch(exec, a));
            CU_ASSERT(out[0] != out[0]);
            GOOD(cudaStreamSynchronize(a));
            CU_ASSERT_EQUAL(out[N - 1], 10 * k + 1);
        }
        fake_cuda_serving(false);
        GOOD(cudaGraphExecDestroy(exec));
        end();
    }
}

static void launches_of_one_graph_follow_each_other(void)
{
    for (unsigned seed = 1; seed < SEEDS; seed++) {
        begin(seed);
        cudaGraphExec_t exec;
        capture(cudaStreamCaptureModeThreadLocal);
        GOOD(cudaMemsetAsync(device, 0, BYTES, a));
        GOOD(planted_add(device, 1, N, a));
        GOOD(planted_add(device, 1, N, a));
        GOOD(cudaStreamEndCapture(a, &graph));
        GOOD(cudaGraphInstantiate(&exec, graph, 0));
        GOOD(cudaGraphLaunch(exec, a));
        GOOD(cudaGraphLaunch(exec, b));
        GOOD(cudaDeviceSynchronize());
        GOOD(cudaMemcpy(out, device, BYTES, cudaMemcpyDeviceToHost));
        CU_ASSERT_EQUAL(out[0], 2);
        GOOD(cudaGraphExecDestroy(exec));
        GOOD(cudaGraphDestroy(graph));
        end();
    }
}

/* device = in + 1 on one stream, other = 2 on another, joined, then device copied back */
static bool forks_right(unsigned seed, bool joined)
{
    cudaGraphExec_t exec;
    bool            right = false;
    begin(seed);
    capture(cudaStreamCaptureModeGlobal);
    GOOD(cudaMemcpyAsync(device, in, BYTES, cudaMemcpyHostToDevice, a));
    GOOD(cudaEventRecord(fork_event, a));
    GOOD(cudaStreamWaitEvent(b, fork_event, 0));
    GOOD(planted_add(device, 1, N, b));
    GOOD(cudaEventRecord(join_event, b));
    if (joined) GOOD(cudaStreamWaitEvent(a, join_event, 0));
    GOOD(cudaMemcpyAsync(out, device, BYTES, cudaMemcpyDeviceToHost, a));
    if (joined) {
        enum cudaStreamCaptureStatus status;
        GOOD(cudaStreamIsCapturing(b, &status));
        CU_ASSERT_EQUAL(status, cudaStreamCaptureStatusActive);
        GOOD(cudaStreamEndCapture(a, &graph));
        GOOD(cudaStreamIsCapturing(b, &status));
        CU_ASSERT_EQUAL(status, cudaStreamCaptureStatusNone);
        GOOD(cudaGraphInstantiate(&exec, graph, 0));
        GOOD(cudaGraphLaunch(exec, a));
        GOOD(cudaStreamSynchronize(a));
        right = out[N - 1] == N;
        GOOD(cudaGraphExecDestroy(exec));
        GOOD(cudaGraphDestroy(graph));
    } else {
        ends_with(cudaErrorStreamCaptureUnjoined);
    }
    end();
    return right;
}

static void a_capture_forks_and_must_join(void)
{
    for (unsigned seed = 0; seed < SEEDS; seed++) CU_ASSERT(forks_right(seed, true));
    (void)forks_right(1, false);
}

static void waiting_looking_and_allocating_end_a_capture(void)
{
    begin(0);
    float *p;
    float  x;
    for (int i = 0; i < 9; i++) {
        int rc = -1;
        capture(i % 2 ? cudaStreamCaptureModeGlobal : cudaStreamCaptureModeThreadLocal);
        work(a);
        switch (i) {
        case 0: rc = cudaStreamSynchronize(a); break;
        case 1: rc = cudaDeviceSynchronize(); break;
        case 2: rc = cudaStreamQuery(a); break;
        case 3: rc = cudaEventQuery(fork_event); break;
        case 4: rc = cudaEventSynchronize(fork_event); break;
        case 5: rc = cudaMalloc((void **)&p, 4); break;
        case 6: rc = cudaFree(device); break;
        case 7: rc = cudaMallocHost((void **)&p, 4); break;
        case 8: rc = cudaMemcpy(&x, device, 4, cudaMemcpyDeviceToHost); break;
        }
        CU_ASSERT_EQUAL(rc, cudaErrorStreamCaptureUnsupported);
        CU_ASSERT_EQUAL(planted_add(device, 1, N, a), cudaErrorStreamCaptureInvalidated);
        ends_with(cudaErrorStreamCaptureInvalidated);
    }
    capture(cudaStreamCaptureModeRelaxed); /* allows what does not concern the capture */
    GOOD(cudaStreamSynchronize(b));
    GOOD(cudaEventQuery(fork_event));
    CU_ASSERT_EQUAL(cudaStreamSynchronize(a), cudaErrorStreamCaptureUnsupported);
    ends_with(cudaErrorStreamCaptureInvalidated);
    end();
}

static void a_capture_depends_on_nothing_outside(void)
{
    begin(0);
    GOOD(cudaEventRecord(fork_event, b));
    capture(cudaStreamCaptureModeGlobal);
    CU_ASSERT_EQUAL(cudaStreamWaitEvent(a, fork_event, 0), cudaErrorStreamCaptureIsolation);
    ends_with(cudaErrorStreamCaptureInvalidated);

    capture(cudaStreamCaptureModeRelaxed); /* an event of the capture, asked for */
    GOOD(cudaEventRecord(fork_event, a));
    CU_ASSERT_EQUAL(cudaEventQuery(fork_event), cudaErrorCapturedEvent);
    ends_with(cudaErrorStreamCaptureInvalidated);
    CU_ASSERT_EQUAL(cudaStreamWaitEvent(b, fork_event, 0), cudaErrorCapturedEvent); /* and after it */

    capture(cudaStreamCaptureModeRelaxed); /* two captures that would be one */
    GOOD(cudaStreamBeginCapture(b, cudaStreamCaptureModeRelaxed));
    GOOD(cudaEventRecord(fork_event, b));
    CU_ASSERT_EQUAL(cudaStreamWaitEvent(a, fork_event, 0), cudaErrorStreamCaptureMerge);
    CU_ASSERT_EQUAL(cudaStreamEndCapture(b, &graph), cudaErrorStreamCaptureInvalidated);
    ends_with(cudaErrorStreamCaptureInvalidated);

    CU_ASSERT_EQUAL(cudaStreamBeginCapture(NULL, cudaStreamCaptureModeGlobal), cudaErrorStreamCaptureUnsupported);
    cudaStream_t blocking;
    GOOD(cudaStreamCreateWithFlags(&blocking, cudaStreamDefault));
    GOOD(cudaStreamBeginCapture(blocking, cudaStreamCaptureModeRelaxed));
    CU_ASSERT_EQUAL(planted_add(device, 1, N, NULL), cudaErrorStreamCaptureImplicit);
    CU_ASSERT_EQUAL(cudaStreamEndCapture(blocking, &graph), cudaErrorStreamCaptureInvalidated);
    GOOD(cudaStreamDestroy(blocking));
    GOOD(cudaDeviceSynchronize());
    end();
}

static void *ends_elsewhere(void *unused)
{
    CU_ASSERT_EQUAL(cudaStreamEndCapture(a, &graph), cudaErrorStreamCaptureWrongThread);
    return unused;
}

static void *allocates_elsewhere(void *wanted)
{
    float    *p = NULL;
    const int rc = cudaMalloc((void **)&p, 4);
    CU_ASSERT_EQUAL(rc, *(int *)wanted);
    if (rc == 0) GOOD(cudaFree(p));
    return NULL;
}

static void in_a_thread(void *(*f)(void *), void *argument)
{
    pthread_t thread;
    CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, f, argument), 0);
    pthread_join(thread, NULL);
}

static void a_mode_says_which_threads_a_capture_binds(void)
{
    begin(0);
    int good = cudaSuccess, bad = cudaErrorStreamCaptureUnsupported;
    capture(cudaStreamCaptureModeThreadLocal);
    in_a_thread(allocates_elsewhere, &good);
    work(a);
    GOOD(cudaStreamEndCapture(a, &graph));
    GOOD(cudaGraphDestroy(graph));
    capture(cudaStreamCaptureModeGlobal);
    in_a_thread(allocates_elsewhere, &bad);
    ends_with(cudaErrorStreamCaptureInvalidated);
    capture(cudaStreamCaptureModeGlobal);
    in_a_thread(ends_elsewhere, NULL);
    ends_with(cudaErrorStreamCaptureInvalidated);
    CU_ASSERT_EQUAL(cudaStreamEndCapture(a, &graph), cudaErrorIllegalState);
    end();
}

static cudaGraphExec_t captured(void)
{
    cudaGraphExec_t exec;
    begin(0);
    capture(cudaStreamCaptureModeGlobal);
    work(a);
    GOOD(cudaStreamEndCapture(a, &graph));
    GOOD(cudaGraphInstantiate(&exec, graph, 0));
    return exec;
}
static void destroys_in_flight(void)
{
    const cudaGraphExec_t exec = captured();
    GOOD(cudaGraphLaunch(exec, a));
    (void)cudaGraphExecDestroy(exec);
}
static void first_launch_while_serving(void)
{
    const cudaGraphExec_t exec = captured();
    fake_cuda_serving(true);
    (void)cudaGraphLaunch(exec, a);
}
static void launches_over_freed_memory(void)
{
    const cudaGraphExec_t exec = captured();
    GOOD(cudaFree(device));
    GOOD(cudaGraphLaunch(exec, a));
    GOOD(cudaStreamSynchronize(a));
}
static void changes_a_graphs_source(void)
{
    const cudaGraphExec_t exec = captured();
    GOOD(cudaGraphLaunch(exec, a));
    in[0] = 5;
    GOOD(cudaStreamSynchronize(a));
}

static void a_graph_is_used_as_one_may(void)
{
    static const struct { void (*f)(void); const char *rule; } rows[] = {
        {destroys_in_flight, "a launch of this graph has not finished"},
        {first_launch_while_serving, "a graph's first launch while serving"},
        {launches_over_freed_memory, "given back by cudaFree"},
        {changes_a_graphs_source, "the host changed the pinned source"},
    };
    static char said[1 << 16];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        CU_ASSERT_EQUAL(child_run(rows[i].f, 0, said, sizeof said), -SIGABRT);
        CU_ASSERT_PTR_NOT_NULL(strstr(said, rows[i].rule));
    }
}

void fake_capture_suite(CU_pSuite s)
{
    CU_ADD_TEST(s, a_graph_replays_frozen_arguments_on_what_its_source_holds_then);
    CU_ADD_TEST(s, launches_of_one_graph_follow_each_other);
    CU_ADD_TEST(s, a_capture_forks_and_must_join);
    CU_ADD_TEST(s, waiting_looking_and_allocating_end_a_capture);
    CU_ADD_TEST(s, a_capture_depends_on_nothing_outside);
    CU_ADD_TEST(s, a_mode_says_which_threads_a_capture_binds);
    CU_ADD_TEST(s, a_graph_is_used_as_one_may);
}
