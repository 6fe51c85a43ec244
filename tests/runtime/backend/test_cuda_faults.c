/* Faults of the GPU (rows G82-G94) as the CUDA backend sees them on the fake device: what costs a start, a batch, the
 * process; that nothing stays held; that no batch is answered with another's rows.
 *
 * A lost device stays lost for its process, so what loses it runs in a child. */
#include <CUnit/CUnit.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "tests/fake_cuda/fake_cuda.h"
#include "tests/fake_cuda/include/calls.inc"
#include "tests/support/small_model.h"

extern const backend_ops beeline_backend;

enum { SLOTS = 3, POLLS = 100000, H = 32, CHILD_S = 60 };

/* Every call that a fault can be planted in; those that only give back are not: their failure fails nothing. */
static const char *const calls[] = {
#define CALL_NAME(result, name, arguments, when) #name,
    CALLS_cuda(CALL_NAME) CALLS_cublasLt(CALL_NAME) "cudaLaunchKernel",
#undef CALL_NAME
};
enum { CALLS = sizeof calls / sizeof *calls };

static bool gives_back(const char *call)
{
    return strstr(call, "Destroy") || strstr(call, "Free") || strstr(call, "Error") || strstr(call, "cublasLtGet");
}

static bool is_cublas(const char *call) { return !strncmp(call, "cublas", 6); }

static model   *m;
static float    out[SMALL_SEQUENCES * H];
static uint8_t  is_finite[SMALL_SEQUENCES];
static const int lengths[] = {5, 1, 9};

static void open_model(void)
{
    m = small_model_open((tiny_model){.layers = 1, .hidden = H, .heads = 1, .inner = 32, .seed = 9});
    small_model_pool(m, POOL_MEAN);
    fake_cuda_reset();
}

static status open_cuda(backend **b, const char *cache, error *err)
{
    const backend_reserve reserve = {.max_tokens = 16, .max_sequences = 3, .cache_dir = cache};
    memset(err, 0, sizeof *err);
    const status rc = beeline_backend.open(b, m, reserve, err);
    if (rc == OK) fake_cuda_serving(true);
    return rc;
}

static void close_cuda(backend *b)
{
    fake_cuda_serving(false);
    beeline_backend.close(b);
    if (fake_cuda_held()) fake_cuda_print_held();
    CU_ASSERT_EQUAL(fake_cuda_held(), 0);
}

static status collect(backend *b, int slot, error *err)
{
    status rc = PENDING;
    for (int i = 0; i < POLLS && rc == PENDING; i++) rc = beeline_backend.collect(b, slot, out, is_finite, err);
    return rc;
}

static status run(backend *b, int slot, const batch *in, error *err)
{
    memset(err, 0, sizeof *err);
    const status rc = beeline_backend.submit(b, slot, in, err);
    return rc == OK ? collect(b, slot, err) : rc;
}

static void plant(const char *kind, const char *call, long n, int code)
{
    char setting[96];
    snprintf(setting, sizeof setting, "%s=%s:%ld:%d", kind, call, n, code);
    fake_cuda_configure(setting);
}

/* Runs the scenario in a child, which fails it by returning false, crashing or taking too long.  ThreadSanitizer does
 * not follow kernels into a child: it would call every two of them a race. */
static bool in_child(bool (*scenario)(const void *), const void *context)
{
    int how = 0;
    if (!strcmp(BEELINE_SANITIZED, "thread")) return true;
    fflush(NULL);
    const pid_t child = fork();
    if (child == 0) {
        alarm(CHILD_S);
        _exit(scenario(context) ? 0 : 1);
    }
    return child > 0 && waitpid(child, &how, 0) == child && WIFEXITED(how) && WEXITSTATUS(how) == 0;
}

static long calls_so_far(void)
{
    long n = 0;
    for (int i = 0; i < CALLS; i++) n += fake_cuda_calls(calls[i]);
    return n;
}

/* ---- a start ---- */

static void expect_start(const char *setting, status wanted, const char *words)
{
    backend *b = (backend *)1;
    error    err;
    fake_cuda_reset();
    fake_cuda_configure(setting);
    const status rc = open_cuda(&b, NULL, &err);
    if (rc != wanted || !strstr(err.text, words)) fprintf(stderr, "%s: %d \"%s\"\n", setting, (int)rc, err.text);
    CU_ASSERT_EQUAL(rc, wanted);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, words));
    CU_ASSERT_PTR_NULL(b);
    CU_ASSERT_EQUAL(fake_cuda_held(), 0);
    fake_cuda_reset();
}

static void no_device_is_not_found_a_broken_one_is_lost(void)
{
    open_model();
    expect_start("device=none", NOT_FOUND, "no CUDA driver");
    expect_start("device=absent", NOT_FOUND, "no GPU");
    expect_start("device=old", GPU_LOST, "wanted 13.0");
    expect_start("device=broken", GPU_LOST, "999");
    model_close(m);
}

static void too_little_memory_is_refused_with_both_sizes(void)
{
    open_model();
    expect_start("memory=4096", NO_MEMORY, "MiB for weights, 0.0 MiB of 0.0 MiB are free");
    expect_start("memory=20000000", NO_MEMORY, "32.0 MiB for products");
    expect_start("fail=cudaMallocHost:1:2", NO_MEMORY, "pinned memory of the host for weights on their way");
    expect_start("fail=cudaMallocHost:2:2", NO_MEMORY, "pinned memory of the host for a batch's input");
    expect_start("fail=cublasLtCreate:1:1", GPU_LOST, "cublasLtCreate");
    expect_start("fail=cublasLtCreate:1:3", NO_MEMORY, "cublasLtCreate");
    model_close(m);
}

/* Plants a fault in the Nth call, for N = 1, 2, ... as `step` goes on, until N was not reached. */
static void sweep(const char *call, const char *cache, bool dense)
{
    for (long n = 1;; n += dense || n < 6 ? 1 : n / 2) {
        backend *b = NULL;
        error    err;
        fake_cuda_reset();
        plant("fail", call, n, is_cublas(call) ? 3 : 2);
        const status rc = open_cuda(&b, cache, &err);
        const bool   reached = fake_cuda_calls(call) >= n;
        /* A stored algorithm that cannot be checked is timed again; nobody needs the wait before a giving back. */
        const bool   may_pass = is_cublas(call) || !strcmp(call, "cudaStreamSynchronize");
        if (rc != NO_MEMORY && (rc != OK || (reached && !may_pass)))
            fprintf(stderr, "%s, number %ld: %d \"%s\"\n", call, n, (int)rc, err.text);
        CU_ASSERT(rc == NO_MEMORY || (rc == OK && (!reached || may_pass)));
        CU_ASSERT((rc == OK) == (b != NULL));
        close_cuda(b);
        if (!reached) return;
    }
}

static void every_call_of_a_start_may_fail(void)
{
    char    *folder = tiny_folder_make();
    backend *b = NULL;
    error    err;
    open_model();
    CU_ASSERT_EQUAL_FATAL(open_cuda(&b, folder, &err), OK); /* leaves its choices: the next starts are short */
    close_cuda(b);
    for (int i = 0; i < CALLS; i++)
        if (!gives_back(calls[i]) && fake_cuda_calls(calls[i])) sweep(calls[i], folder, !*BEELINE_SANITIZED);
    tiny_folder_remove(folder);
    fake_cuda_reset();
    model_close(m);
}

static void every_call_of_a_first_start_may_fail(void)
{
    static const char *const timing[] = {"cudaEventElapsedTime", "cudaStreamBeginCapture", "cudaStreamEndCapture",
                                         "cudaGraphInstantiate", "cudaGraphLaunch", "cudaEventRecord",
                                         "cudaStreamSynchronize", "cublasLtMatmulAlgoGetHeuristic", "cublasLtMatmul"};
    open_model();
    for (size_t i = 0; i < sizeof timing / sizeof *timing; i++)
        if (!*BEELINE_SANITIZED || i < 3) sweep(timing[i], NULL, false);
    fake_cuda_reset();
    model_close(m);
}

static bool start_is_lost(const void *call)
{
    backend *b = NULL;
    error    err;
    plant("fail", call, 1, 719);
    const status rc = open_cuda(&b, NULL, &err);
    return rc == GPU_LOST && !b && strstr(err.text, "719 cudaErrorLaunchFailure");
}

static void a_sticky_error_loses_a_start(void)
{
    static const char *const some[] = {"cudaSetDevice", "cudaMalloc", "cudaMemcpyAsync", "cudaStreamEndCapture",
                                       "cudaGraphInstantiate", "cudaGraphLaunch", "cudaLaunchKernel",
                                       "cudaStreamSynchronize"};
    open_model();
    for (size_t i = 0; i < sizeof some / sizeof *some; i++) {
        const bool lost = in_child(start_is_lost, some[i]);
        if (!lost) fprintf(stderr, "%s\n", some[i]);
        CU_ASSERT(lost);
    }
    model_close(m);
}

static void an_algorithm_that_does_not_run_is_passed_over(void)
{
    backend    *b = NULL;
    error       err;
    small_batch in;
    float       truth[3 * H];
    open_model();
    small_batch_make(&in, lengths, 3, 1);
    small_model_truth(m, &in.in, truth);
    fake_cuda_configure("fail=cublasLtMatmul:9:15"); /* the first candidate: two golden forwards of 4 come first */
    CU_ASSERT_EQUAL_FATAL(open_cuda(&b, NULL, &err), OK);
    CU_ASSERT(fake_cuda_calls("cublasLtMatmul") >= 9);
    CU_ASSERT_EQUAL(run(b, 0, &in.in, &err), OK);
    CU_ASSERT(small_model_cosine(out, truth, 3, H) >= 0.99999);
    close_cuda(b);
    model_close(m);
}

/* ---- a batch ---- */

static small_batch in_slot[SLOTS];
static float alone[SLOTS][3 * H];
static backend *b;

/* Three batches and the rows that each has by itself. */
static void open_and_run_alone(void)
{
    error err;
    open_model();
    CU_ASSERT_EQUAL_FATAL(open_cuda(&b, NULL, &err), OK);
    for (int i = 0; i < SLOTS; i++) {
        small_batch_make(&in_slot[i], lengths, 3, (unsigned)i);
        CU_ASSERT_EQUAL_FATAL(run(b, i, &in_slot[i].in, &err), OK);
        memcpy(alone[i], out, sizeof alone[i]);
    }
}

static bool good(int i) { return !memcmp(out, alone[i], sizeof alone[i]); }

static void a_call_that_fails_costs_its_batch_alone(void)
{
    static const struct { const char *call; int at, code; status wanted; } faults[] = {
        {"cudaMemcpyAsync", 1, 2, NO_MEMORY},      {"cudaMemcpyAsync", 2, 1, GPU_FAILED},
        {"cudaEventRecord", 1, 1, GPU_FAILED},     {"cudaEventRecord", 2, 2, NO_MEMORY},
        {"cudaEventRecord", 3, 1, GPU_FAILED},     {"cudaStreamWaitEvent", 1, 1, GPU_FAILED},
        {"cudaStreamWaitEvent", 2, 2, NO_MEMORY},  {"cudaGraphLaunch", 1, 701, GPU_FAILED},
        {"cudaGraphLaunch", 1, 2, NO_MEMORY},      {"cudaGraphLaunch", 1, 9, GPU_FAILED},
    };
    error err;
    open_and_run_alone();
    for (int round = 0; round < 5 * (int)(sizeof faults / sizeof *faults); round++) {
        const int i = round % (int)(sizeof faults / sizeof *faults), other = (round + 1) % SLOTS, slot = round % SLOTS;
        char      setting[32];
        snprintf(setting, sizeof setting, "seed=%d", round + 1);
        fake_cuda_configure(setting);
        CU_ASSERT_EQUAL(beeline_backend.submit(b, other, &in_slot[other].in, &err), OK); /* in flight meanwhile */
        plant("fail", faults[i].call, faults[i].at, faults[i].code);
        CU_ASSERT_EQUAL(beeline_backend.submit(b, slot, &in_slot[slot].in, &err), faults[i].wanted);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.text, faults[i].call));
        CU_ASSERT_EQUAL(beeline_backend.submit(b, slot, &in_slot[slot].in, &err), OK); /* free at once, and sound */
        CU_ASSERT(collect(b, slot, &err) == OK && good(slot));
        CU_ASSERT(collect(b, other, &err) == OK && good(other));
    }
    close_cuda(b);
    model_close(m);
}

static void a_late_failure_answers_no_batch_with_rubbish(void)
{
    static const struct { const char *late; int own; status wanted; } faults[] = {
        {"cudaMemcpyAsync:1:1", 0, GPU_FAILED}, {"cudaGraphLaunch:1:1", 0, GPU_FAILED},
        {"cudaGraphLaunch:2:2", 1, NO_MEMORY},  {"cudaMemcpyAsync:4:2", 1, NO_MEMORY},
        {"cudaGraphLaunch:3:1", 2, GPU_FAILED}, {"cudaMemcpyAsync:6:1", 2, GPU_FAILED},
    };
    open_and_run_alone();
    for (int round = 0; round < 48; round++) {
        const int i = round % 6;
        error     err = {""};
        char      setting[64];
        int       n_failed = 0;
        bool      own_failed = false;
        snprintf(setting, sizeof setting, "seed=%d;late=%s", round + 1, faults[i].late);
        fake_cuda_configure(setting);
        for (int slot = 0; slot < SLOTS; slot++)
            CU_ASSERT_EQUAL(beeline_backend.submit(b, slot, &in_slot[slot].in, &err), OK);
        for (int slot = 0; slot < SLOTS; slot++) {
            const status rc = collect(b, slot, &err);
            if (rc == OK) CU_ASSERT(good(slot));
            if (rc != OK) CU_ASSERT_EQUAL(rc, faults[i].wanted);
            n_failed += rc != OK;
            own_failed |= rc != OK && slot == faults[i].own;
        }
        CU_ASSERT(n_failed >= 1 && own_failed);
        for (int slot = 0; slot < SLOTS; slot++) CU_ASSERT(run(b, slot, &in_slot[slot].in, &err) == OK && good(slot));
    }
    close_cuda(b);
    model_close(m);
}

/* ---- a lost device ---- */

typedef struct { const char *setting; const char *words; } loss;

/* Three in flight; then every one is lost with the first cause, later calls too, and none touches CUDA. */
static bool device_is_lost(const void *context)
{
    const loss *l = context;
    error       err = {""}, first = {""};
    bool        lost = false;
    fake_cuda_configure(l->setting);
    for (int slot = 0; slot < SLOTS && !lost; slot++) {
        const status rc = beeline_backend.submit(b, slot, &in_slot[slot].in, &err);
        if (rc != OK && rc != GPU_LOST) return false;
        lost = rc == GPU_LOST;
    }
    for (int slot = 0; slot < SLOTS && !lost; slot++) {
        const status rc = collect(b, slot, &err);
        if (rc == OK && !good(slot)) return false;
        lost = rc == GPU_LOST;
    }
    first = err;
    if (!lost || !strstr(first.text, l->words)) return false;
    const long before = calls_so_far();
    for (int slot = 0; slot < SLOTS; slot++) {
        const status rc = beeline_backend.collect(b, slot, out, is_finite, &err);
        if (rc != BAD_INPUT && (rc != GPU_LOST || strcmp(err.text, first.text))) return false; /* else it is empty */
        if (beeline_backend.submit(b, slot, &in_slot[slot].in, &err) != GPU_LOST || strcmp(err.text, first.text))
            return false;
    }
    beeline_backend.close(b);
    return calls_so_far() == before;
}

static void expect_loss(const loss *list, size_t n)
{
    open_and_run_alone();
    for (size_t i = 0; i < n; i++) {
        const bool right = in_child(device_is_lost, &list[i]);
        if (!right) fprintf(stderr, "%s\n", list[i].setting);
        CU_ASSERT(right);
    }
    close_cuda(b);
    model_close(m);
}

static void an_illegal_address_loses_everything_with_its_cause(void)
{
    static const loss list[] = {
        {"seed=1;late=cudaGraphLaunch:1:700", "700 cudaErrorIllegalAddress"},
        {"seed=2;late=cudaGraphLaunch:2:700", "700 cudaErrorIllegalAddress"},
        {"seed=3;late=cudaGraphLaunch:3:700", "700 cudaErrorIllegalAddress"},
        {"seed=4;late=cudaMemcpyAsync:3:716", "716 "},
        {"fail=cudaGraphLaunch:2:719", "cudaGraphLaunch: 719 cudaErrorLaunchFailure"},
        {"fail=cudaEventQuery:1:702", "cudaEventQuery: 702 "},
        {"fail=cudaEventRecord:2:226", "226 cudaErrorContained"}, /* in no table of ours: taken for the worst */
    };
    expect_loss(list, sizeof list / sizeof *list);
}

static void memory_and_link_errors_are_fatal(void)
{
    static const loss list[] = {
        {"fail=cudaEventQuery:1:214", "214 cudaErrorECCUncorrectable"},
        {"late=cudaGraphLaunch:2:214", "214 cudaErrorECCUncorrectable"},
        {"fail=cudaMemcpyAsync:3:220", "220 cudaErrorNvlinkUncorrectable"},
        {"fail=cudaEventQuery:2:46", "46 cudaErrorDevicesUnavailable"},
        {"fail=cudaEventQuery:2:999", "999 cudaErrorUnknown"},
    };
    expect_loss(list, sizeof list / sizeof *list);
}

/* A hung device is PENDING for ever: the watchdog's case.  A failure on it is not waited for without end. */
static bool hang_is_pending(const void *context)
{
    error err = {""};
    (void)context;
    fake_cuda_configure("hang=work:2");
    if (beeline_backend.submit(b, 0, &in_slot[0].in, &err) != OK) return false;
    for (int i = 0; i < 2000; i++)
        if (beeline_backend.collect(b, 0, out, is_finite, &err) != PENDING) return false;
    fake_cuda_configure("fail=cudaGraphLaunch:1:2");
    const status rc = beeline_backend.submit(b, 1, &in_slot[1].in, &err);
    if (rc != GPU_LOST || !strstr(err.text, "did not finish")) return false;
    if (beeline_backend.collect(b, 0, out, is_finite, &err) != GPU_LOST) return false;
    beeline_backend.close(b);
    return true;
}

static void a_hang_is_pending_and_never_waited_for(void)
{
    open_and_run_alone();
    CU_ASSERT(in_child(hang_is_pending, NULL));
    close_cuda(b);
    model_close(m);
}

/* ---- rows ---- */

static void nan_stays_with_its_row(void)
{
    error err;
    open_model();
    fake_cuda_configure("seed=5");
    small_batch_make(&in_slot[0], lengths, 3, 0);
    for (int t = 0; t < in_slot[0].in.T; t++)
        if (in_slot[0].ids[t] == SMALL_WORDS - 1) in_slot[0].ids[t] = 0;
    in_slot[0].ids[5] = SMALL_WORDS - 1; /* the one token of row 1 */
    small_model_set(m->embedding.word, (SMALL_WORDS - 1) * H, NAN);
    CU_ASSERT_EQUAL_FATAL(open_cuda(&b, NULL, &err), OK);
    for (int slot = 0; slot < SLOTS; slot++) {
        CU_ASSERT_EQUAL(run(b, slot, &in_slot[0].in, &err), OK);
        CU_ASSERT(is_finite[0] == 1 && is_finite[1] == 0 && is_finite[2] == 1);
        for (int i = 0; i < H; i++) CU_ASSERT(isfinite(out[i]) && !isfinite(out[H + i]) && isfinite(out[2 * H + i]));
    }
    in_slot[0].ids[5] = 1; /* and in no later batch */
    CU_ASSERT_EQUAL(run(b, 0, &in_slot[0].in, &err), OK);
    CU_ASSERT(is_finite[0] == 1 && is_finite[1] == 1 && is_finite[2] == 1);
    close_cuda(b);
    model_close(m);
}

void cuda_faults_suite(CU_pSuite s)
{
    CU_add_test(s, "G88 no driver, no GPU: not found; an old driver, a broken device: lost, with the numbers",
                no_device_is_not_found_a_broken_one_is_lost);
    CU_add_test(s, "G82 G92 G93 no memory, no pinned memory, no library: refused with sizes, nothing is held",
                too_little_memory_is_refused_with_both_sizes);
    CU_add_test(s, "G82 every call of a start may fail, each time it is made: nothing is held",
                every_call_of_a_start_may_fail);
    CU_add_test(s, "G82 every call of a start that times its products may fail: nothing is held",
                every_call_of_a_first_start_may_fail);
    CU_add_test(s, "G89 a sticky error loses a start", a_sticky_error_loses_a_start);
    CU_add_test(s, "an algorithm that does not run here is passed over", an_algorithm_that_does_not_run_is_passed_over);
    CU_add_test(s, "G83 G85 a call that fails costs its batch alone, and its slot is free and sound at once",
                a_call_that_fails_costs_its_batch_alone);
    CU_add_test(s, "G94 a late failure answers no batch with rubbish", a_late_failure_answers_no_batch_with_rubbish);
    CU_add_test(s, "G84 G85 an illegal address loses everything with its cause, and CUDA is not touched again",
                an_illegal_address_loses_everything_with_its_cause);
    CU_add_test(s, "G87 ECC, NVLink and unknown errors are fatal", memory_and_link_errors_are_fatal);
    CU_add_test(s, "G86 a hang is pending, and never waited for without end", a_hang_is_pending_and_never_waited_for);
    CU_add_test(s, "G91 NaN stays with its row, which says so", nan_stays_with_its_row);
}
