/* The one layer to CUDA on the fake device: classes of errors, the latch, what is held and given back. */
#include <CUnit/CUnit.h>
#include <cuda_runtime_api.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "runtime/backend/cuda_device.h"
#include "tests/fake_cuda/fake_cuda.h"

static cuda_device  *d;
static kernel_stream s;
static cuda_event    e;
static error         err;

static void open_device(const char *settings)
{
    fake_cuda_reset();
    fake_cuda_configure(settings);
    CU_ASSERT_EQUAL_FATAL(cuda_device_open(&d, &err), OK);
    CU_ASSERT_EQUAL_FATAL(cuda_device_stream(d, &s, &err), OK);
    CU_ASSERT_EQUAL_FATAL(cuda_device_event(d, &e, &err), OK);
}

static void close_device(void)
{
    cuda_device_close(d);
    CU_ASSERT_EQUAL(fake_cuda_held(), 0);
}

/* ---- classes ---- */

static void plant(int code)
{
    char setting[64];
    snprintf(setting, sizeof setting, "fail=cudaEventRecord:1:%d", code);
    fake_cuda_configure(setting);
}

static void harmless_errors_are_classified_and_cleared(void)
{
    static const struct { int code; status class; } some[] = {{1, GPU_FAILED}, {2, NO_MEMORY}, {9, GPU_FAILED},
                                                              {400, GPU_FAILED}, {701, GPU_FAILED}, {801, GPU_FAILED},
                                                              {901, GPU_FAILED}};
    open_device("");
    for (size_t i = 0; i < sizeof some / sizeof *some; i++) {
        char words[32];
        plant(some[i].code);
        CU_ASSERT_EQUAL(cuda_device_record(d, e, s, &err), some[i].class);
        snprintf(words, sizeof words, "cudaEventRecord: %d cuda", some[i].code);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.text, words));
        CU_ASSERT_EQUAL(cudaGetLastError(), cudaSuccess); /* else the next kernel would be blamed for it */
        CU_ASSERT(!cuda_device_lost(d));
        CU_ASSERT_EQUAL(cuda_device_record(d, e, s, &err), OK);
    }
    close_device();
}

/* Calls that a lost device must be spared, so far. */
static long touched(void)
{
    static const char *const calls[] = {"cudaEventRecord", "cudaStreamSynchronize", "cudaFree", "cudaMalloc",
                                        "cudaStreamDestroy", "cudaEventDestroy", "cudaGetLastError"};
    long n = 0;
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) n += fake_cuda_calls(calls[i]);
    return n;
}

/* In a child, which keeps the lost device. */
static bool loses(int code)
{
    error     first;
    const int n = cuda_device_mark(d);
    long      before;
    plant(code);
    if (cuda_device_record(d, e, s, &first) != GPU_LOST || !cuda_device_lost(d)) return false;
    before = touched();
    void *memory;
    bool  refused = cuda_device_memory(d, &memory, 16, "nothing", &err) == GPU_LOST && !strcmp(err.text, first.text);
    refused &= cuda_device_record(d, e, s, &err) == GPU_LOST && !strcmp(err.text, first.text);
    refused &= cuda_device_kernel(d, "norm", 0, &err) == GPU_LOST && cuda_device_product(d, "x", 0, &err) == GPU_LOST;
    refused &= cuda_device_condemn(d, "late", &err) == GPU_LOST && !strcmp(err.text, first.text) && !memory;
    cuda_device_release(d, n - 1);
    cuda_device_close(d);
    return refused && before == touched();
}

static void fatal_and_unknown_errors_latch(void)
{
    static const int fatal[] = {46,  100, 214, 220, 700, 702, 709, 710, 714, 715,
                                716, 717, 718, 719, 999, 226, 3,   209, 401};
    open_device("");
    for (size_t i = 0; i < sizeof fatal / sizeof *fatal; i++) {
        int how = 1;
        fflush(NULL);
        const pid_t child = fork();
        if (child == 0) _exit(loses(fatal[i]) ? 0 : 1);
        CU_ASSERT(child > 0 && waitpid(child, &how, 0) == child && how == 0);
        if (how) fprintf(stderr, "code %d\n", fatal[i]);
    }
    close_device();
}

static void not_ready_is_pending_and_no_launchs_outcome(void)
{
    void *memory;
    open_device("");
    CU_ASSERT_EQUAL(cuda_device_memory(d, &memory, 4096, "bytes", &err), OK);
    for (int i = 0; i < 20; i++) CU_ASSERT_EQUAL(cuda_device_zero(d, memory, 4096, s, &err), OK);
    CU_ASSERT_EQUAL(cuda_device_record(d, e, s, &err), OK);
    fake_cuda_configure("fail=cudaEventQuery:1:600;fail=cudaStreamQuery:1:600");
    CU_ASSERT_EQUAL(cuda_device_done(d, e, &err), PENDING);
    CU_ASSERT_EQUAL(cudaGetLastError(), cudaSuccess);
    CU_ASSERT_EQUAL(cuda_device_idle(d, s, &err), PENDING);
    CU_ASSERT_EQUAL(cudaGetLastError(), cudaSuccess);
    status rc = PENDING;
    for (int i = 0; i < 10000 && rc == PENDING; i++) rc = cuda_device_done(d, e, &err);
    CU_ASSERT_EQUAL(rc, OK);
    for (int i = 0; i < 10000 && (rc = cuda_device_idle(d, s, &err)) == PENDING; i++) continue;
    CU_ASSERT_EQUAL(rc, OK);
    close_device();
}

static void launchers_and_products_are_classified(void)
{
    open_device("");
    CU_ASSERT_EQUAL(cuda_device_kernel(d, "norm", 0, &err), OK);
    CU_ASSERT_EQUAL(cuda_device_kernel(d, "norm", KERNEL_BAD_SHAPE, &err), GPU_FAILED);
    CU_ASSERT_EQUAL(cuda_device_kernel(d, "norm", 2, &err), NO_MEMORY);
    CU_ASSERT_EQUAL(cuda_device_product(d, "product", 0, &err), OK);
    CU_ASSERT_EQUAL(cuda_device_product(d, "product", KERNEL_BAD_SHAPE, &err), GPU_FAILED);
    CU_ASSERT_EQUAL(cuda_device_product(d, "product", 3, &err), NO_MEMORY);
    CU_ASSERT_EQUAL(cuda_device_product(d, "product", 15, &err), GPU_FAILED);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "product: cuBLASLt status 15"));
    CU_ASSERT(!cuda_device_lost(d));
    CU_ASSERT_EQUAL(cuda_device_condemn(d, "it does not move", &err), GPU_LOST);
    CU_ASSERT(cuda_device_lost(d));
    CU_ASSERT_STRING_EQUAL(err.text, "it does not move");
    CU_ASSERT_EQUAL(cuda_device_record(d, e, s, &err), GPU_LOST);
    CU_ASSERT_STRING_EQUAL(err.text, "it does not move");
    cuda_device_close(d);
    (void)cudaEventDestroy(e); /* a condemned device was left alone */
    (void)cudaStreamDestroy(s);
    CU_ASSERT_EQUAL(fake_cuda_held(), 0);
}

/* ---- what is held ---- */

static void what_was_taken_since_a_mark_is_given_back(void)
{
    void      *memory[200], *pinned;
    cuda_event timer;
    cuda_graph graph;
    open_device("");
    const int held = fake_cuda_held(), mark = cuda_device_mark(d);
    for (int i = 0; i < 200; i++) { /* more than the list has room for at first */
        CU_ASSERT_EQUAL_FATAL(cuda_device_memory(d, &memory[i], 100, "bytes", &err), OK);
        CU_ASSERT_EQUAL((uintptr_t)memory[i] % 256, 0);
    }
    CU_ASSERT_EQUAL(cuda_device_pinned(d, &pinned, 100, "bytes", &err), OK);
    CU_ASSERT_EQUAL(cuda_device_timer(d, &timer, &err), OK);
    CU_ASSERT_EQUAL(cuda_device_capture(d, s, &err), OK);
    CU_ASSERT_EQUAL(cuda_device_zero(d, memory[0], 100, s, &err), OK);
    CU_ASSERT_EQUAL(cuda_device_captured(d, s, &graph, &err), OK);
    CU_ASSERT_EQUAL(cuda_device_upload(d, graph, s, &err), OK);
    CU_ASSERT_EQUAL(cuda_device_launch(d, graph, s, &err), OK); /* still under way when it is given back */
    CU_ASSERT_EQUAL(fake_cuda_held(), held + 203);
    cuda_device_release(d, mark);
    CU_ASSERT_EQUAL(fake_cuda_held(), held);
    CU_ASSERT_EQUAL(cuda_device_memory(d, &memory[0], 100, "bytes", &err), OK);
    close_device();
    cuda_device_close(NULL);
}

static void a_failed_capture_leaves_a_stream_that_works(void)
{
    void      *memory;
    cuda_graph graph = (cuda_graph)1;
    open_device("");
    CU_ASSERT_EQUAL(cuda_device_memory(d, &memory, 100, "bytes", &err), OK);
    const int held = fake_cuda_held();
    CU_ASSERT_EQUAL(cuda_device_capture(d, s, &err), OK);
    CU_ASSERT_EQUAL(cuda_device_zero(d, memory, 100, s, &err), OK);
    cuda_device_abandon(d, s);
    CU_ASSERT_EQUAL(cuda_device_capture(d, s, &err), OK);
    fake_cuda_configure("fail=cudaStreamEndCapture:1:901");
    CU_ASSERT_EQUAL(cuda_device_captured(d, s, &graph, &err), GPU_FAILED);
    CU_ASSERT_PTR_NULL(graph);
    CU_ASSERT_EQUAL(cuda_device_capture(d, s, &err), OK);
    CU_ASSERT_EQUAL(cuda_device_zero(d, memory, 100, s, &err), OK);
    fake_cuda_configure("fail=cudaGraphInstantiate:1:2");
    CU_ASSERT_EQUAL(cuda_device_captured(d, s, &graph, &err), NO_MEMORY);
    CU_ASSERT_EQUAL(fake_cuda_held(), held);
    CU_ASSERT_EQUAL(cuda_device_zero(d, memory, 100, s, &err), OK);
    CU_ASSERT_EQUAL(cuda_device_synchronize(d, s, &err), OK);
    close_device();
}

static void elapsed_time_is_in_microseconds(void)
{
    void      *memory;
    cuda_event from, to;
    float      us = 0;
    open_device("clock=1");
    CU_ASSERT_EQUAL(cuda_device_memory(d, &memory, 100, "bytes", &err), OK);
    CU_ASSERT(cuda_device_timer(d, &from, &err) == OK && cuda_device_timer(d, &to, &err) == OK);
    CU_ASSERT_EQUAL(cuda_device_record(d, from, s, &err), OK);
    for (int i = 0; i < 7; i++) CU_ASSERT_EQUAL(cuda_device_zero(d, memory, 100, s, &err), OK);
    CU_ASSERT_EQUAL(cuda_device_record(d, to, s, &err), OK);
    CU_ASSERT_EQUAL(cuda_device_synchronize(d, s, &err), OK);
    CU_ASSERT_EQUAL(cuda_device_elapsed(d, from, to, &us, &err), OK);
    CU_ASSERT(us > 6.9f && us < 7.1f);
    close_device();
}

static void memory_that_is_not_there_is_named(void)
{
    void *memory = &memory;
    open_device("memory=1048576");
    CU_ASSERT_EQUAL(cuda_device_memory(d, &memory, 3 << 20, "tests", &err), NO_MEMORY);
    CU_ASSERT_PTR_NULL(memory);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "3.0 MiB for tests, 1.0 MiB of 1.0 MiB are free"));
    close_device();
}

void cuda_device_suite(CU_pSuite suite)
{
    CU_add_test(suite, "G83 G85 harmless errors cost one call: classified, named, cleared",
                harmless_errors_are_classified_and_cleared);
    CU_add_test(suite, "G84 G87 G89 fatal and unknown errors latch: one cause, and CUDA is not touched again",
                fatal_and_unknown_errors_latch);
    CU_add_test(suite, "not ready is pending, and no launch's outcome", not_ready_is_pending_and_no_launchs_outcome);
    CU_add_test(suite, "what launchers and products return is classified; a condemned device is lost",
                launchers_and_products_are_classified);
    CU_add_test(suite, "what was taken since a mark is given back, after the work on it",
                what_was_taken_since_a_mark_is_given_back);
    CU_add_test(suite, "a failed capture leaves a stream that works, and nothing held",
                a_failed_capture_leaves_a_stream_that_works);
    CU_add_test(suite, "elapsed time is in microseconds", elapsed_time_is_in_microseconds);
    CU_add_test(suite, "G82 memory that is not there is named, with what is free", memory_that_is_not_there_is_named);
}
