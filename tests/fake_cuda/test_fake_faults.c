/* test_fake_faults.c - what a test may make the fake device do: fail, late or at once, hang, be absent, count time. */
#include <CUnit/CUnit.h>
#include <cublasLt.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include "fake_cuda.h"
#include "tests/fake_cuda/planted/planted_kernels.h"
#include "tests/support/child.h"

enum { N = 64, BYTES = N * (int)sizeof(float), HANG_MS = 200 };
#define GOOD(call) CU_ASSERT_EQUAL_FATAL((int)(call), cudaSuccess)

static char         said[1 << 16];
static cudaStream_t stream;
static cudaEvent_t  event;
static float       *device;

static void begin(const char *settings)
{
    fake_cuda_reset();
    GOOD(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
    GOOD(cudaEventCreate(&event));
    GOOD(cudaMalloc((void **)&device, BYTES));
    fake_cuda_configure(settings);
}

/* Gives everything back; on a dead device each call says so, and takes it back all the same. */
static void end(cudaError_t wanted)
{
    CU_ASSERT_EQUAL(cudaFree(device), wanted);
    CU_ASSERT_EQUAL(cudaEventDestroy(event), wanted);
    CU_ASSERT_EQUAL(cudaStreamDestroy(stream), wanted);
    CU_ASSERT_EQUAL(fake_cuda_held(), 0);
    fake_cuda_reset();
}

static void a_call_fails_by_its_count_once(void)
{
    begin("fail=cudaMalloc:2:2;fail=cudaEventRecord:1:400;fail=cudaFree:1:1");
    CU_ASSERT_EQUAL(cudaFree(device), cudaErrorInvalidValue); /* and it is still there */
    float *p, *q;
    GOOD(cudaMalloc((void **)&p, 4));
    CU_ASSERT_EQUAL(cudaMalloc((void **)&q, 4), cudaErrorMemoryAllocation);
    CU_ASSERT_EQUAL(cudaPeekAtLastError(), cudaErrorMemoryAllocation);
    CU_ASSERT_EQUAL(cudaGetLastError(), cudaErrorMemoryAllocation);
    GOOD(cudaGetLastError());
    CU_ASSERT_EQUAL(cudaEventRecord(event, stream), cudaErrorInvalidResourceHandle);
    GOOD(cudaMalloc((void **)&q, 4));
    CU_ASSERT_EQUAL(fake_cuda_calls("cudaMalloc"), 4);
    GOOD(cudaFree(p));
    GOOD(cudaFree(q));
    end(cudaSuccess);
}

static void a_sticky_error_stays_in_every_call(void)
{
    static const int codes[] = {46, 100, 214, 220, 700, 702, 709, 710, 714, 715, 716, 717, 718, 719, 999};
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        char text[60];
        snprintf(text, sizeof text, "fail=cudaMemsetAsync:1:%d", codes[i]);
        begin(text);
        const int code = codes[i];
        int       count;
        cublasLtHandle_t library;
        CU_ASSERT_EQUAL(cudaMemsetAsync(device, 0, 4, stream), code);
        CU_ASSERT_EQUAL(cudaStreamQuery(stream), code);
        CU_ASSERT_EQUAL(cudaGetDeviceCount(&count), code);
        CU_ASSERT_EQUAL(planted_add(device, 1, N, stream), code);
        CU_ASSERT_EQUAL(cudaGetLastError(), code);
        CU_ASSERT_EQUAL(cudaGetLastError(), code);
        CU_ASSERT_EQUAL(cublasLtCreate(&library), CUBLAS_STATUS_NOT_INITIALIZED);
        GOOD(cudaRuntimeGetVersion(&count)); /* asks the device nothing */
        end((cudaError_t)code);
    }
}

static void work_fails_late(void)
{
    begin("late=cudaLaunchKernel:2:700");
    GOOD(planted_add(device, 1, N, stream));
    GOOD(cudaEventRecord(event, stream));
    GOOD(planted_add(device, 1, N, stream));
    GOOD(cudaMemsetAsync(device, 0, BYTES, stream));
    GOOD(cudaEventSynchronize(event)); /* what came before is well */
    CU_ASSERT_EQUAL(cudaStreamSynchronize(stream), cudaErrorIllegalAddress);
    CU_ASSERT_EQUAL(cudaEventQuery(event), cudaErrorIllegalAddress);
    end(cudaErrorIllegalAddress);

    begin("late=cudaLaunchKernel:1:9"); /* of the kind that leaves the device usable: said once */
    GOOD(planted_add(device, 1, N, stream));
    CU_ASSERT_EQUAL(cudaStreamQuery(stream), cudaErrorInvalidConfiguration);
    GOOD(cudaStreamQuery(stream));
    end(cudaSuccess);
}

static void late_work_of_a_graph(void)
{
    cudaGraph_t     graph;
    cudaGraphExec_t exec;
    begin("late=cudaGraphLaunch:2:719");
    GOOD(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal));
    GOOD(planted_add(device, 1, N, stream));
    GOOD(cudaStreamEndCapture(stream, &graph));
    GOOD(cudaGraphInstantiate(&exec, graph, 0));
    GOOD(cudaGraphDestroy(graph));
    GOOD(cudaGraphLaunch(exec, stream));
    GOOD(cudaStreamSynchronize(stream));
    GOOD(cudaGraphLaunch(exec, stream));
    CU_ASSERT_EQUAL(cudaStreamSynchronize(stream), cudaErrorLaunchFailure);
    CU_ASSERT_EQUAL(cudaGraphExecDestroy(exec), cudaErrorLaunchFailure);
    end(cudaErrorLaunchFailure);
}

/* "Not ready" is an answer that a later cudaGetLastError(), and so a launch, still says: as the runtime does. */
static void not_ready_is_remembered_as_the_last_error(void)
{
    begin("seed=2");
    GOOD(planted_add(device, 1, N, stream));
    GOOD(planted_add(device, 1, N, stream));
    GOOD(planted_add(device, 1, N, stream));
    GOOD(planted_add(device, 1, N, stream));
    int rc = cudaSuccess;
    for (int seed = 2; rc == cudaSuccess && seed < 100; seed++) {
        GOOD(planted_add(device, 1, N, stream));
        rc = cudaStreamQuery(stream);
    }
    CU_ASSERT_EQUAL(rc, cudaErrorNotReady);
    CU_ASSERT_EQUAL(planted_add(device, 1, N, stream), cudaErrorNotReady);
    GOOD(planted_add(device, 1, N, stream));
    GOOD(cudaStreamSynchronize(stream));
    end(cudaSuccess);
}

static void hangs_in_a_call(void)
{
    begin("hang=cudaEventRecord:1");
    (void)cudaEventRecord(event, stream);
}
static void hangs_in_a_wait(void)
{
    begin("hang=work:2");
    GOOD(planted_add(device, 1, N, stream));
    GOOD(cudaStreamSynchronize(stream));
    GOOD(planted_add(device, 1, N, stream));
    (void)cudaStreamSynchronize(stream);
}
static void hangs_in_free(void)
{
    begin("hang=work:1");
    GOOD(planted_add(device, 1, N, stream));
    (void)cudaFree(device);
}
static void asks_a_hung_device(void)
{
    begin("seed=3;hang=work:2");
    GOOD(planted_add(device, 1, N, stream));
    GOOD(cudaEventRecord(event, stream));
    GOOD(planted_add(device, 1, N, stream));
    for (int i = 0; i < 1000; i++)
        if (cudaStreamQuery(stream) != cudaErrorNotReady) abort();
    if (cudaEventQuery(event) != cudaSuccess) abort(); /* what came before is done */
}

static void a_call_or_the_work_hangs(void)
{
    fake_cuda_reset();
    CU_ASSERT_EQUAL(child_run(hangs_in_a_call, HANG_MS, said, sizeof said), -SIGALRM);
    CU_ASSERT_EQUAL(child_run(hangs_in_a_wait, HANG_MS, said, sizeof said), -SIGALRM);
    CU_ASSERT_EQUAL(child_run(hangs_in_free, HANG_MS, said, sizeof said), -SIGALRM);
    CU_ASSERT_EQUAL(child_run(asks_a_hung_device, 0, said, sizeof said), 0);
}

static void a_device_may_be_missing(void)
{
    static const struct { const char *setting; int error, driver_error, driver; } rows[] = {
        {"device=none", cudaErrorInsufficientDriver, 0, 0},
        {"device=old", cudaErrorInsufficientDriver, 0, 12020},
        {"device=absent", cudaErrorNoDevice, 0, 13000},
        {"device=broken", cudaErrorUnknown, cudaErrorUnknown, -1},
        {"device=there", 0, 0, 13000},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        fake_cuda_reset();
        fake_cuda_configure(rows[i].setting);
        int   count = -1, driver = -1;
        void *p = NULL;
        CU_ASSERT_EQUAL(cudaGetDeviceCount(&count), rows[i].error);
        CU_ASSERT_EQUAL(count, rows[i].error == 0);
        CU_ASSERT_EQUAL(cudaSetDevice(0), rows[i].error);
        CU_ASSERT_EQUAL(cudaMalloc(&p, 4), rows[i].error);
        CU_ASSERT_EQUAL(cudaDriverGetVersion(&driver), rows[i].driver_error);
        CU_ASSERT_EQUAL(driver, rows[i].driver);
        if (rows[i].error == 0) GOOD(cudaFree(p));
    }
    struct cudaDeviceProp properties;
    GOOD(cudaGetDeviceProperties(&properties, 0));
    CU_ASSERT_STRING_EQUAL(properties.name, "fake device");
    CU_ASSERT_EQUAL(properties.totalGlobalMem, 8ull << 30);
    CU_ASSERT_EQUAL(cudaSetDevice(1), cudaErrorInvalidDevice);
}

static void time_is_counted_by_pieces_of_work(void)
{
    cudaEvent_t silent, after;
    float       ms = -1;
    begin("clock=1");
    GOOD(cudaEventCreate(&after));
    GOOD(cudaEventCreateWithFlags(&silent, cudaEventDisableTiming));
    CU_ASSERT_EQUAL(cudaEventElapsedTime(&ms, event, after), cudaErrorInvalidResourceHandle);
    (void)cudaGetLastError();
    GOOD(cudaEventRecord(event, stream));
    for (int i = 0; i < 5; i++) GOOD(planted_add(device, 1, N, stream));
    GOOD(cudaEventRecord(after, stream));
    GOOD(cudaEventRecord(silent, stream));
    CU_ASSERT_EQUAL(cudaEventElapsedTime(&ms, event, after), cudaErrorNotReady);
    GOOD(cudaEventSynchronize(after));
    GOOD(cudaEventElapsedTime(&ms, event, after));
    CU_ASSERT_DOUBLE_EQUAL(ms, 0.005, 1e-6);
    CU_ASSERT_EQUAL(cudaEventElapsedTime(&ms, event, silent), cudaErrorInvalidResourceHandle);
    GOOD(cudaEventDestroy(after));
    GOOD(cudaEventDestroy(silent));
    end(cudaSuccess);
}

static void configures_nonsense(void) { fake_cuda_configure("fail=cudaMaloc:1:2"); }
static void configures_no_setting(void) { fake_cuda_configure("seeds=1"); }
static void configures_no_number(void) { fake_cuda_configure("memory=8G"); }

static void a_setting_that_means_nothing_is_refused(void)
{
    void (*const all[])(void) = {configures_nonsense, configures_no_setting, configures_no_number};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        CU_ASSERT_EQUAL(child_run(all[i], 0, said, sizeof said), -SIGABRT);
    CU_ASSERT_PTR_NOT_NULL(strstr(said, "'8G' is no number"));
}

void fake_faults_suite(CU_pSuite s)
{
    CU_ADD_TEST(s, a_call_fails_by_its_count_once);
    CU_ADD_TEST(s, a_sticky_error_stays_in_every_call);
    CU_ADD_TEST(s, work_fails_late);
    CU_ADD_TEST(s, late_work_of_a_graph);
    CU_ADD_TEST(s, not_ready_is_remembered_as_the_last_error);
    CU_ADD_TEST(s, a_call_or_the_work_hangs);
    CU_ADD_TEST(s, a_device_may_be_missing);
    CU_ADD_TEST(s, time_is_counted_by_pieces_of_work);
    CU_ADD_TEST(s, a_setting_that_means_nothing_is_refused);
}
