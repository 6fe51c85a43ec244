/* test_fake_cublaslt.c - the stand-in for cuBLASLt: its products are right, and every wrong use of it is refused. */
#include <CUnit/CUnit.h>
#include <cublasLt.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "fake_cuda.h"
#include "kernels/half.h"
#include "tests/support/child.h"

/* D [M,N] = A [M,K] B [K,N], column-major, in memory [K x M] for A (op T) and [K x N] for B: N is the batch. */
enum { M = 40, N = 27, K = 304, LD = 48, WORKSPACE = 1 << 16 };
#define GOOD(call) CU_ASSERT_EQUAL_FATAL((int)(call), 0)

typedef struct {
    cublasLtHandle_t           library;
    cublasLtMatmulDesc_t       desc;
    cublasLtMatrixLayout_t     a, b, d;
    cublasLtMatmulPreference_t preference;
    cudaStream_t               stream;
    element_type               element;
    uint16_t                  *device_a, *device_b, *device_bias, *device_d;
    char                      *workspace;
    uint16_t                   host_a[M * K], host_b[N * K], bias[M], c[N * LD], out[N * LD];
} things;
static things t;

static float random_unit(void) { return (float)rand() / (float)RAND_MAX - 0.5f; }

static void fill(uint16_t *host, uint16_t **device, size_t n)
{
    for (size_t i = 0; i < n; i++) host[i] = element_from_f32(t.element, random_unit());
    GOOD(cudaMalloc((void **)device, n * 2));
    GOOD(cudaMemcpy(*device, host, n * 2, cudaMemcpyHostToDevice));
}

static void set_desc(cublasLtMatmulDescAttributes_t attribute, const void *value, size_t bytes)
{
    GOOD(cublasLtMatmulDescSetAttribute(t.desc, attribute, value, bytes));
}

static void set_epilogue(uint32_t epilogue) { set_desc(CUBLASLT_MATMUL_DESC_EPILOGUE, &epilogue, sizeof epilogue); }

static void begin(element_type element, unsigned seed)
{
    char           text[40];
    const int32_t  transposed = CUBLAS_OP_T;
    const uint64_t workspace = WORKSPACE;
    const cudaDataType type = element == ELEMENT_F16 ? CUDA_R_16F : CUDA_R_16BF;
    snprintf(text, sizeof text, "seed=%u", seed);
    fake_cuda_reset();
    fake_cuda_configure(text);
    srand(1);
    t.element = element;
    GOOD(cudaStreamCreateWithFlags(&t.stream, cudaStreamNonBlocking));
    fill(t.host_a, &t.device_a, M * K);
    fill(t.host_b, &t.device_b, N * K);
    fill(t.bias, &t.device_bias, M);
    fill(t.c, &t.device_d, N * LD);
    GOOD(cudaMalloc((void **)&t.workspace, WORKSPACE));
    GOOD(cudaDeviceSynchronize());
    GOOD(cublasLtCreate(&t.library));
    GOOD(cublasLtMatmulDescCreate(&t.desc, CUBLAS_COMPUTE_32F, CUDA_R_32F));
    set_desc(CUBLASLT_MATMUL_DESC_TRANSA, &transposed, sizeof transposed);
    set_desc(CUBLASLT_MATMUL_DESC_BIAS_POINTER, &t.device_bias, sizeof t.device_bias);
    GOOD(cublasLtMatrixLayoutCreate(&t.a, type, K, M, K));
    GOOD(cublasLtMatrixLayoutCreate(&t.b, type, K, N, K));
    GOOD(cublasLtMatrixLayoutCreate(&t.d, type, M, N, LD));
    GOOD(cublasLtMatmulPreferenceCreate(&t.preference));
    GOOD(cublasLtMatmulPreferenceSetAttribute(t.preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &workspace,
                                              sizeof workspace));
}

static void end(void)
{
    GOOD(cublasLtMatmulPreferenceDestroy(t.preference));
    GOOD(cublasLtMatrixLayoutDestroy(t.a));
    GOOD(cublasLtMatrixLayoutDestroy(t.b));
    GOOD(cublasLtMatrixLayoutDestroy(t.d));
    GOOD(cublasLtMatmulDescDestroy(t.desc));
    GOOD(cublasLtDestroy(t.library));
    void *const all[] = {t.device_a, t.device_b, t.device_bias, t.device_d, t.workspace};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) GOOD(cudaFree(all[i]));
    GOOD(cudaStreamDestroy(t.stream));
    CU_ASSERT_EQUAL(fake_cuda_held(), 0);
}

static int heuristic(cublasLtMatmulHeuristicResult_t *out, int most, int *n)
{
    return cublasLtMatmulAlgoGetHeuristic(t.library, t.desc, t.a, t.b, t.d, t.d, t.preference, most, out, n);
}

static int matmul(float beta, const cublasLtMatmulAlgo_t *algo, size_t workspace_bytes)
{
    const float one = 1;
    return cublasLtMatmul(t.library, t.desc, &one, t.device_a, t.a, t.device_b, t.b, &beta, t.device_d, t.d, t.device_d,
                          t.d, algo, t.workspace, workspace_bytes, t.stream);
}

static void fetch(void)
{
    GOOD(cudaStreamSynchronize(t.stream));
    GOOD(cudaMemcpy(t.out, t.device_d, sizeof t.out, cudaMemcpyDeviceToHost));
}

static double wanted(int row, int column, uint32_t epilogue, float beta)
{
    double x = 0;
    for (int k = 0; k < K; k++)
        x += (double)element_to_f32(t.element, t.host_a[row * K + k]) *
             element_to_f32(t.element, t.host_b[column * K + k]);
    x += (double)beta * element_to_f32(t.element, t.c[column * LD + row]);
    if (epilogue & CUBLASLT_EPILOGUE_BIAS) x += element_to_f32(t.element, t.bias[row]);
    if ((epilogue & CUBLASLT_EPILOGUE_RELU) && x < 0) x = 0;
    if (epilogue & CUBLASLT_EPILOGUE_GELU)
        x *= 0.5 * (1 + tanh(sqrt(2 / 3.14159265358979) * (x + 0.044715 * x * x * x)));
    return x;
}

static void every_algorithm_and_epilogue_is_right_and_writes_nothing_between_the_columns(void)
{
    static const uint32_t epilogues[] = {CUBLASLT_EPILOGUE_DEFAULT, CUBLASLT_EPILOGUE_BIAS, CUBLASLT_EPILOGUE_RELU_BIAS,
                                         CUBLASLT_EPILOGUE_GELU_BIAS};
    for (int element = ELEMENT_F16; element <= ELEMENT_BF16; element++)
        for (size_t e = 0; e < sizeof epilogues / sizeof *epilogues; e++)
            for (int algorithm = -1; algorithm < 5; algorithm++) {
                cublasLtMatmulHeuristicResult_t found[8];
                int                             n;
                const float                     beta = (float)(e & 1);
                begin((element_type)element, 1);
                set_epilogue(epilogues[e]);
                GOOD(heuristic(found, 8, &n));
                CU_ASSERT_EQUAL_FATAL(n, 5);
                GOOD(matmul(beta, algorithm < 0 ? NULL : &found[algorithm].algo, WORKSPACE));
                fetch();
                const double unit = element == ELEMENT_F16 ? 1.0 / 2048 : 1.0 / 256;
                bool         right = true;
                for (int column = 0; column < N; column++) {
                    for (int row = 0; row < M; row++) {
                        const double x = wanted(row, column, epilogues[e], beta);
                        right = right &&
                                fabs(element_to_f32(t.element, t.out[column * LD + row]) - x) <= unit * fabs(x) + 1e-4;
                    }
                    right = right && !memcmp(&t.out[column * LD + M], &t.c[column * LD + M], (LD - M) * 2);
                }
                CU_ASSERT(right);
                end();
            }
}

static void a_column_is_the_same_number_in_every_batch(void)
{
    uint16_t all[N * LD];
    begin(ELEMENT_F16, 0);
    GOOD(matmul(0, NULL, WORKSPACE));
    fetch();
    memcpy(all, t.out, sizeof all);
    for (uint64_t n = 1; n < N; n++) {
        GOOD(cublasLtMatrixLayoutSetAttribute(t.b, CUBLASLT_MATRIX_LAYOUT_COLS, &n, sizeof n));
        GOOD(cublasLtMatrixLayoutSetAttribute(t.d, CUBLASLT_MATRIX_LAYOUT_COLS, &n, sizeof n));
        GOOD(matmul(0, NULL, WORKSPACE));
        fetch();
        for (uint64_t column = 0; column < n; column++)
            CU_ASSERT_EQUAL(memcmp(&t.out[column * LD], &all[column * LD], M * 2), 0);
    }
    end();
}

/* --- wrong use --- */

static void a_descriptor_that_breaks_the_tables_is_refused_by_each_call(void)
{
    enum { LD_SMALL, ROWS, BATCH, ROW_ORDER, TYPE_MIXED, BIAS_TYPE, SCALE, EPILOGUE, TRANSPOSED, DEVICE_ALPHA, BREAKS };
    static const int statuses[BREAKS] = {
        [LD_SMALL] = CUBLAS_STATUS_INVALID_VALUE,   [ROWS] = CUBLAS_STATUS_INVALID_VALUE,
        [BATCH] = CUBLAS_STATUS_NOT_SUPPORTED,      [ROW_ORDER] = CUBLAS_STATUS_NOT_SUPPORTED,
        [TYPE_MIXED] = CUBLAS_STATUS_NOT_SUPPORTED, [BIAS_TYPE] = CUBLAS_STATUS_NOT_SUPPORTED,
        [SCALE] = CUBLAS_STATUS_NOT_SUPPORTED,      [EPILOGUE] = CUBLAS_STATUS_NOT_SUPPORTED,
        [TRANSPOSED] = CUBLAS_STATUS_INVALID_VALUE, [DEVICE_ALPHA] = CUBLAS_STATUS_NOT_SUPPORTED};
    const int64_t    ld = M - 8;
    const uint64_t   rows = M + 8;
    const int32_t    two = 2, row_order = CUBLASLT_ORDER_ROW, f32 = CUDA_R_32F, f16 = CUDA_R_16F, op_n = CUBLAS_OP_N;
    const uint32_t   bf16 = CUDA_R_16BF;
    for (int broken = 0; broken < BREAKS; broken++) {
        cublasLtMatmulHeuristicResult_t good, found[8], checked;
        int                             n;
        begin(ELEMENT_F16, 0);
        set_epilogue(CUBLASLT_EPILOGUE_BIAS);
        GOOD(heuristic(&good, 1, &n));
        switch (broken) {
        case LD_SMALL: GOOD(cublasLtMatrixLayoutSetAttribute(t.d, CUBLASLT_MATRIX_LAYOUT_LD, &ld, sizeof ld)); break;
        case ROWS: GOOD(cublasLtMatrixLayoutSetAttribute(t.d, CUBLASLT_MATRIX_LAYOUT_ROWS, &rows, sizeof rows)); break;
        case BATCH:
            GOOD(cublasLtMatrixLayoutSetAttribute(t.b, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, &two, sizeof two));
            break;
        case ROW_ORDER:
            GOOD(cublasLtMatrixLayoutSetAttribute(t.a, CUBLASLT_MATRIX_LAYOUT_ORDER, &row_order, sizeof row_order));
            break;
        case TYPE_MIXED:
            GOOD(cublasLtMatrixLayoutSetAttribute(t.b, CUBLASLT_MATRIX_LAYOUT_TYPE, &bf16, sizeof bf16));
            break;
        case BIAS_TYPE: set_desc(CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, &f32, sizeof f32); break;
        case SCALE: set_desc(CUBLASLT_MATMUL_DESC_SCALE_TYPE, &f16, sizeof f16); break;
        case EPILOGUE: set_epilogue(CUBLASLT_EPILOGUE_GELU_AUX_BIAS); break;
        case TRANSPOSED: set_desc(CUBLASLT_MATMUL_DESC_TRANSA, &op_n, sizeof op_n); break;
        case DEVICE_ALPHA:
            set_desc(CUBLASLT_MATMUL_DESC_POINTER_MODE, &(int32_t){CUBLASLT_POINTER_MODE_DEVICE}, 4);
            break;
        }
        CU_ASSERT_EQUAL(heuristic(found, 8, &n), statuses[broken]);
        CU_ASSERT_EQUAL(n, 0);
        CU_ASSERT_EQUAL(matmul(0, NULL, WORKSPACE), statuses[broken]);
        CU_ASSERT_EQUAL(matmul(0, &good.algo, WORKSPACE), statuses[broken]);
        CU_ASSERT_EQUAL(cublasLtMatmulAlgoCheck(t.library, t.desc, t.a, t.b, t.d, t.d, &good.algo, &checked),
                        statuses[broken]);
        end();
    }
}

static int check(const cublasLtMatmulAlgo_t *algo)
{
    cublasLtMatmulHeuristicResult_t result;
    memset(&result, 0, sizeof result);
    const int rc = cublasLtMatmulAlgoCheck(t.library, t.desc, t.a, t.b, t.d, t.d, algo, &result);
    if (rc == 0) CU_ASSERT_EQUAL(result.algo.data[0], 0); /* never updated */
    return rc;
}

static void an_algorithm_is_good_for_its_problem_only_and_no_byte_of_it_may_change(void)
{
    cublasLtMatmulHeuristicResult_t found;
    int                             n;
    const uint64_t                  columns = N - 1;
    begin(ELEMENT_BF16, 0);
    GOOD(heuristic(&found, 1, &n));
    GOOD(check(&found.algo));
    for (size_t byte = 0; byte < sizeof found.algo; byte++) {
        cublasLtMatmulAlgo_t bad = found.algo;
        ((unsigned char *)&bad)[byte] ^= 0x10;
        CU_ASSERT_EQUAL(check(&bad), CUBLAS_STATUS_NOT_SUPPORTED);
        CU_ASSERT_EQUAL(matmul(0, &bad, WORKSPACE), CUBLAS_STATUS_NOT_SUPPORTED);
    }
    set_epilogue(CUBLASLT_EPILOGUE_GELU_BIAS);
    CU_ASSERT_EQUAL(check(&found.algo), CUBLAS_STATUS_INVALID_VALUE);
    set_epilogue(CUBLASLT_EPILOGUE_DEFAULT);
    GOOD(cublasLtMatrixLayoutSetAttribute(t.b, CUBLASLT_MATRIX_LAYOUT_COLS, &columns, sizeof columns));
    GOOD(cublasLtMatrixLayoutSetAttribute(t.d, CUBLASLT_MATRIX_LAYOUT_COLS, &columns, sizeof columns));
    CU_ASSERT_EQUAL(check(&found.algo), CUBLAS_STATUS_INVALID_VALUE);
    CU_ASSERT_EQUAL(matmul(0, &found.algo, WORKSPACE), CUBLAS_STATUS_INVALID_VALUE);
    end();
}

static void addresses_workspace_and_bias_are_as_the_algorithm_was_asked_for(void)
{
    cublasLtMatmulHeuristicResult_t found[8];
    int                             n;
    const uint32_t                  two = 2;
    const uint64_t                  none = 0;
    begin(ELEMENT_F16, 0);
    GOOD(heuristic(found, 8, &n));
    CU_ASSERT_EQUAL(found[1].workspaceSize, (M * N * 4 + 255) / 256 * 256);
    CU_ASSERT_EQUAL(matmul(0, &found[1].algo, found[1].workspaceSize - 1), CUBLAS_STATUS_INVALID_VALUE);
    t.workspace += 16;
    CU_ASSERT_EQUAL(matmul(0, &found[1].algo, found[1].workspaceSize), CUBLAS_STATUS_INVALID_VALUE);
    t.workspace -= 16;
    t.device_a += 1; /* still within: the last column is not read to its end */
    GOOD(cublasLtMatrixLayoutSetAttribute(t.a, CUBLASLT_MATRIX_LAYOUT_COLS, &(uint64_t){M - 8}, 8));
    GOOD(cublasLtMatrixLayoutSetAttribute(t.d, CUBLASLT_MATRIX_LAYOUT_ROWS, &(uint64_t){M - 8}, 8));
    GOOD(heuristic(found, 8, &n));
    CU_ASSERT_EQUAL(matmul(0, &found[0].algo, WORKSPACE), CUBLAS_STATUS_INVALID_VALUE);
    GOOD(matmul(0, &found[3].algo, WORKSPACE));
    t.device_a -= 1;

    GOOD(cublasLtMatmulPreferenceSetAttribute(t.preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, &two,
                                              sizeof two));
    GOOD(heuristic(found, 8, &n));
    CU_ASSERT_EQUAL(n, 2);
    GOOD(cublasLtMatmulPreferenceSetAttribute(t.preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &none,
                                              sizeof none));
    GOOD(heuristic(found, 8, &n));
    CU_ASSERT_EQUAL(n, 1);
    CU_ASSERT_EQUAL(
        cublasLtMatmulPreferenceSetAttribute(t.preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &none, 4),
        CUBLAS_STATUS_INVALID_VALUE);

    const void *bias = NULL;
    set_epilogue(CUBLASLT_EPILOGUE_BIAS);
    set_desc(CUBLASLT_MATMUL_DESC_BIAS_POINTER, &bias, sizeof bias);
    CU_ASSERT_EQUAL(matmul(0, NULL, WORKSPACE), CUBLAS_STATUS_INVALID_VALUE);
    bias = t.device_bias + 1;
    GOOD(heuristic(found, 8, &n)); /* with NULL: any bias would be on 16 bytes */
    set_desc(CUBLASLT_MATMUL_DESC_BIAS_POINTER, &bias, sizeof bias);
    CU_ASSERT_EQUAL(matmul(0, &found[0].algo, WORKSPACE), CUBLAS_STATUS_INVALID_VALUE);
    GOOD(cudaStreamSynchronize(t.stream));
    end();
}

static void product_of_host_memory(void)
{
    begin(ELEMENT_F16, 0);
    t.device_a = t.host_a;
    (void)matmul(0, NULL, WORKSPACE);
}
static void product_past_the_end(void)
{
    begin(ELEMENT_F16, 0);
    t.device_b += 8;
    (void)matmul(0, NULL, WORKSPACE);
}
static void product_in_place_of_its_input(void)
{
    begin(ELEMENT_F16, 0);
    t.device_d = t.device_b;
    (void)matmul(0, NULL, WORKSPACE);
}
static void product_over_freed_memory(void)
{
    begin(ELEMENT_F16, 0);
    GOOD(cudaStreamBeginCapture(t.stream, cudaStreamCaptureModeGlobal));
    GOOD(matmul(0, NULL, WORKSPACE));
    cudaGraph_t     graph;
    cudaGraphExec_t exec;
    GOOD(cudaStreamEndCapture(t.stream, &graph));
    GOOD(cudaGraphInstantiate(&exec, graph, 0));
    GOOD(cudaFree(t.device_b));
    GOOD(cudaGraphLaunch(exec, t.stream));
    GOOD(cudaStreamSynchronize(t.stream));
}

static void a_product_outside_its_memory_is_a_breach(void)
{
    static const struct { void (*f)(void); const char *rule; } rows[] = {
        {product_of_host_memory, "A is not in device memory"},
        {product_past_the_end, "B of 16416 bytes ends 16 bytes past the end of the device memory block"},
        {product_in_place_of_its_input, "B and D overlap"},
        {product_over_freed_memory, "work of cublasLtMatmul (number 1): B begins in the device memory block"},
    };
    static char said[1 << 16];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        CU_ASSERT_EQUAL(child_run(rows[i].f, 0, said, sizeof said), -SIGABRT);
        CU_ASSERT_PTR_NOT_NULL(strstr(said, rows[i].rule));
    }
}

/* Two products on two streams, with the same workspace or each with its own. */
static bool two_at_once_are_right(unsigned seed, bool shared)
{
    cublasLtMatmulHeuristicResult_t found[8];
    int                             n;
    cudaStream_t                    other;
    char                           *workspace;
    uint16_t                       *d, first[N * LD];
    const float                     one = 1, two = 2, zero = 0;
    begin(ELEMENT_F16, seed);
    GOOD(cudaMalloc((void **)&workspace, WORKSPACE));
    GOOD(cudaMalloc((void **)&d, sizeof first));
    GOOD(cudaStreamCreateWithFlags(&other, cudaStreamNonBlocking));
    GOOD(heuristic(found, 8, &n));
    GOOD(matmul(0, &found[1].algo, WORKSPACE));
    GOOD(cublasLtMatmul(t.library, t.desc, &two, t.device_a, t.a, t.device_b, t.b, &zero, d, t.d, d, t.d,
                        &found[1].algo, shared ? t.workspace : workspace, WORKSPACE, other));
    /* one more, so that the other stream has sums in the workspace while the first one finishes, on some seed */
    GOOD(cublasLtMatmul(t.library, t.desc, &one, t.device_a, t.a, t.device_a, t.b, &zero, d, t.d, d, t.d,
                        &found[1].algo, shared ? t.workspace : workspace, WORKSPACE, other));
    GOOD(cudaDeviceSynchronize());
    fetch();
    bool right = true;
    for (int column = 0; column < N; column++)
        right = right && fabs(element_to_f32(t.element, t.out[column * LD]) - wanted(0, column, 1, 0)) < 0.01;
    GOOD(cudaStreamDestroy(other));
    GOOD(cudaFree(workspace));
    GOOD(cudaFree(d));
    end();
    return right;
}

static void a_workspace_that_two_streams_share_shows(void)
{
    int wrong = 0;
    for (unsigned seed = 1; seed < 20; seed++) {
        CU_ASSERT(two_at_once_are_right(seed, false));
        wrong += !two_at_once_are_right(seed, true);
    }
    CU_ASSERT(wrong > 0);
}

static void from_the_nth_product_on_one_number_is_wrong(void)
{
    begin(ELEMENT_F16, 0);
    fake_cuda_configure("wrong=2");
    for (int k = 0; k < 3; k++) {
        GOOD(matmul(0, NULL, WORKSPACE));
        fetch();
        int wrong = 0;
        for (int column = 0; column < N; column++)
            for (int row = 0; row < M; row++)
                wrong += fabs(element_to_f32(t.element, t.out[column * LD + row]) - wanted(row, column, 1, 0)) > 1;
        CU_ASSERT_EQUAL(wrong, k > 0);
    }
    end();
}

static void a_call_of_cublaslt_fails_by_its_count(void)
{
    begin(ELEMENT_F16, 0);
    fake_cuda_configure("fail=cublasLtMatmul:1:13;late=cublasLtMatmul:2:700");
    CU_ASSERT_EQUAL(matmul(0, NULL, WORKSPACE), CUBLAS_STATUS_EXECUTION_FAILED);
    GOOD(matmul(0, NULL, WORKSPACE));
    CU_ASSERT_EQUAL(cudaStreamSynchronize(t.stream), cudaErrorIllegalAddress);
    CU_ASSERT_EQUAL(matmul(0, NULL, WORKSPACE), CUBLAS_STATUS_EXECUTION_FAILED);
    CU_ASSERT_EQUAL(cublasLtGetVersion(), 130100);
    (void)cudaFree(t.device_a);
    (void)cudaFree(t.device_b);
    (void)cudaFree(t.device_bias);
    (void)cudaFree(t.device_d);
    (void)cudaFree(t.workspace);
    (void)cudaStreamDestroy(t.stream);
    GOOD(cublasLtMatmulPreferenceDestroy(t.preference));
    GOOD(cublasLtMatrixLayoutDestroy(t.a));
    GOOD(cublasLtMatrixLayoutDestroy(t.b));
    GOOD(cublasLtMatrixLayoutDestroy(t.d));
    GOOD(cublasLtMatmulDescDestroy(t.desc));
    GOOD(cublasLtDestroy(t.library));
    fake_cuda_reset();
}

void fake_cublaslt_suite(CU_pSuite s)
{
    CU_ADD_TEST(s, every_algorithm_and_epilogue_is_right_and_writes_nothing_between_the_columns);
    CU_ADD_TEST(s, a_column_is_the_same_number_in_every_batch);
    CU_ADD_TEST(s, a_descriptor_that_breaks_the_tables_is_refused_by_each_call);
    CU_ADD_TEST(s, an_algorithm_is_good_for_its_problem_only_and_no_byte_of_it_may_change);
    CU_ADD_TEST(s, addresses_workspace_and_bias_are_as_the_algorithm_was_asked_for);
    CU_ADD_TEST(s, a_product_outside_its_memory_is_a_breach);
    CU_ADD_TEST(s, a_workspace_that_two_streams_share_shows);
    CU_ADD_TEST(s, from_the_nth_product_on_one_number_is_wrong);
    CU_ADD_TEST(s, a_call_of_cublaslt_fails_by_its_count);
}
