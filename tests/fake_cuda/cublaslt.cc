/* cublaslt.cc - cuBLASLt's calls: handles, descriptors, and products queued on a stream.
 *
 * A product whose algorithm has a workspace runs as two pieces, sums into the workspace and then the rest: two products
 * that share one workspace at once spoil each other, as they would on a GPU. */
#include "cublaslt.h"
#include "handles.h"
#include "memory.h"
#include "product.h"
#include "stream.h"
#include <cstring>

struct library : held {
    library() : held("cuBLASLt handle", 0) {}
};

static auto &libraries = *new handles<cublasLtHandle_t, library>("cuBLASLt handle");
static auto &descs = *new handles<cublasLtMatmulDesc_t, matmul_desc>("matmul descriptor");
static auto &layouts = *new handles<cublasLtMatrixLayout_t, matrix_layout>("matrix layout");
static auto &preferences = *new handles<cublasLtMatmulPreference_t, matmul_preference>("matmul preference");

size_t cublasLtGetVersion(void) { return CUBLASLT_VERSION; }
size_t cublasLtGetCudartVersion(void) { return CUDART_VERSION; }

const char *cublasLtGetStatusName(cublasStatus_t status)
{
    static const struct { cublasStatus_t status; const char *name; } rows[] = {
#define STATUS_ROW(name, value) {name, #name},
        CONSTANTS_cublasStatus(STATUS_ROW)};
    for (const auto &row : rows)
        if (row.status == status) return row.name;
    return "unknown status";
}

const char *cublasLtGetStatusString(cublasStatus_t status) { return cublasLtGetStatusName(status); }

cublasStatus_t cublasLtCreate(cublasLtHandle_t *out)
{
    call c(CALL_cublasLtCreate);
    if (c.refused) return c.no_blas();
    libraries.add(std::make_unique<library>(), out);
    return CUBLAS_STATUS_SUCCESS;
}

/* Waits for the device, as documented. */
cublasStatus_t cublasLtDestroy(cublasLtHandle_t handle)
{
    call c(CALL_cublasLtDestroy);
    if (c.keeps()) return c.no_blas();
    schedule_drain();
    libraries.take(handle);
    return c.no_blas();
}

/* --- attributes: each is a member of its descriptor --- */

struct attribute { int number; size_t at, bytes; };
#define ATTRIBUTE(number, type, member) {number, offsetof(type, member), sizeof(type::member)}
#pragma GCC diagnostic ignored "-Winvalid-offsetof" /* a base without virtual members: every compiler lays it out so */

static cublasStatus_t set(const attribute *rows, size_t n, void *object, int number, const void *value, size_t bytes)
{
    for (size_t i = 0; i < n; i++) {
        if (rows[i].number != number) continue;
        if (!value || bytes != rows[i].bytes) {
            complain("attribute %d has %zu bytes, not %zu", number, rows[i].bytes, bytes);
            return CUBLAS_STATUS_INVALID_VALUE;
        }
        memcpy(static_cast<char *>(object) + rows[i].at, value, bytes);
        return CUBLAS_STATUS_SUCCESS;
    }
    complain("the stand-in has no attribute %d here", number);
    return CUBLAS_STATUS_INVALID_VALUE;
}

cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t *out, cublasComputeType_t compute, cudaDataType_t scale)
{
    call c(CALL_cublasLtMatmulDescCreate);
    if (c.refused) return c.no_blas();
    descs.add(std::make_unique<matmul_desc>(compute, scale), out);
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t desc)
{
    call c(CALL_cublasLtMatmulDescDestroy);
    if (c.keeps()) return c.no_blas();
    descs.take(desc);
    return c.no_blas();
}

cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t desc, cublasLtMatmulDescAttributes_t number,
                                              const void *value, size_t bytes)
{
    static const attribute rows[] = {
        ATTRIBUTE(CUBLASLT_MATMUL_DESC_COMPUTE_TYPE, matmul_desc, compute),
        ATTRIBUTE(CUBLASLT_MATMUL_DESC_SCALE_TYPE, matmul_desc, scale),
        ATTRIBUTE(CUBLASLT_MATMUL_DESC_POINTER_MODE, matmul_desc, pointer_mode),
        ATTRIBUTE(CUBLASLT_MATMUL_DESC_TRANSA, matmul_desc, a_op),
        ATTRIBUTE(CUBLASLT_MATMUL_DESC_TRANSB, matmul_desc, b_op),
        ATTRIBUTE(CUBLASLT_MATMUL_DESC_TRANSC, matmul_desc, c_op),
        ATTRIBUTE(CUBLASLT_MATMUL_DESC_EPILOGUE, matmul_desc, epilogue),
        ATTRIBUTE(CUBLASLT_MATMUL_DESC_BIAS_POINTER, matmul_desc, bias),
        ATTRIBUTE(CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, matmul_desc, bias_type),
        ATTRIBUTE(CUBLASLT_MATMUL_DESC_SM_COUNT_TARGET, matmul_desc, multiprocessors),
    };
    call c(CALL_cublasLtMatmulDescSetAttribute);
    return c.refused ? c.no_blas() : set(rows, sizeof rows / sizeof *rows, descs.get(desc), number, value, bytes);
}

cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t *out, cudaDataType type, uint64_t rows, uint64_t cols,
                                          int64_t ld)
{
    call c(CALL_cublasLtMatrixLayoutCreate);
    if (c.refused) return c.no_blas();
    layouts.add(std::make_unique<matrix_layout>(static_cast<uint32_t>(type), rows, cols, ld), out);
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t layout)
{
    call c(CALL_cublasLtMatrixLayoutDestroy);
    if (c.keeps()) return c.no_blas();
    layouts.take(layout);
    return c.no_blas();
}

cublasStatus_t cublasLtMatrixLayoutSetAttribute(cublasLtMatrixLayout_t layout, cublasLtMatrixLayoutAttribute_t number,
                                                const void *value, size_t bytes)
{
    static const attribute rows[] = {
        ATTRIBUTE(CUBLASLT_MATRIX_LAYOUT_TYPE, matrix_layout, type),
        ATTRIBUTE(CUBLASLT_MATRIX_LAYOUT_ORDER, matrix_layout, order),
        ATTRIBUTE(CUBLASLT_MATRIX_LAYOUT_ROWS, matrix_layout, rows),
        ATTRIBUTE(CUBLASLT_MATRIX_LAYOUT_COLS, matrix_layout, cols),
        ATTRIBUTE(CUBLASLT_MATRIX_LAYOUT_LD, matrix_layout, ld),
        ATTRIBUTE(CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, matrix_layout, batch),
        ATTRIBUTE(CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, matrix_layout, stride),
    };
    call c(CALL_cublasLtMatrixLayoutSetAttribute);
    return c.refused ? c.no_blas() : set(rows, sizeof rows / sizeof *rows, layouts.get(layout), number, value, bytes);
}

cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t *out)
{
    call c(CALL_cublasLtMatmulPreferenceCreate);
    if (c.refused) return c.no_blas();
    preferences.add(std::make_unique<matmul_preference>(), out);
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t preference)
{
    call c(CALL_cublasLtMatmulPreferenceDestroy);
    if (c.keeps()) return c.no_blas();
    preferences.take(preference);
    return c.no_blas();
}

cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t preference,
                                                    cublasLtMatmulPreferenceAttributes_t number, const void *value,
                                                    size_t bytes)
{
    static const attribute rows[] = {
        ATTRIBUTE(CUBLASLT_MATMUL_PREF_SEARCH_MODE, matmul_preference, search),
        ATTRIBUTE(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, matmul_preference, workspace),
        ATTRIBUTE(CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, matmul_preference, reduction),
        ATTRIBUTE(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, matmul_preference, alignment[0]),
        ATTRIBUTE(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, matmul_preference, alignment[1]),
        ATTRIBUTE(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, matmul_preference, alignment[2]),
        ATTRIBUTE(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, matmul_preference, alignment[3]),
    };
    call c(CALL_cublasLtMatmulPreferenceSetAttribute);
    return c.refused ? c.no_blas()
                     : set(rows, sizeof rows / sizeof *rows, preferences.get(preference), number, value, bytes);
}

/* --- algorithms --- */

static cublasLtMatmulHeuristicResult_t result_of(const matmul_problem &p, const matmul_algorithm &a)
{
    cublasLtMatmulHeuristicResult_t r = {};
    memcpy(&r.algo, &a, sizeof r.algo);
    r.workspaceSize = a.workspace;
    r.state = CUBLAS_STATUS_SUCCESS;
    r.wavesCount = static_cast<float>(p.m * p.n) / (132.0f * 128.0f * 128.0f);
    return r;
}

cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t handle, cublasLtMatmulDesc_t desc,
                                              cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
                                              cublasLtMatrixLayout_t c_layout, cublasLtMatrixLayout_t d,
                                              cublasLtMatmulPreference_t preference, int most,
                                              cublasLtMatmulHeuristicResult_t *out, int *n)
{
    call c(CALL_cublasLtMatmulAlgoGetHeuristic);
    if (c.refused) return c.no_blas();
    libraries.get(handle);
    if (most <= 0 || !out || !n) return CUBLAS_STATUS_INVALID_VALUE;
    *n = 0;
    const matmul_desc   *o = descs.get(desc);
    matmul_problem       p;
    const cublasStatus_t rc =
        cublaslt_problem(o, layouts.get(a), layouts.get(b), layouts.get(c_layout), layouts.get(d), &p);
    if (rc) return rc;
    std::vector<matmul_algorithm> found(static_cast<size_t>(most));
    *n = cublaslt_algorithms(p, preferences.get(preference), o->bias, most, found.data());
    for (int i = 0; i < *n; i++) out[i] = result_of(p, found[static_cast<size_t>(i)]);
    return *n ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_NOT_SUPPORTED;
}

cublasStatus_t cublasLtMatmulAlgoCheck(cublasLtHandle_t handle, cublasLtMatmulDesc_t desc, cublasLtMatrixLayout_t a,
                                       cublasLtMatrixLayout_t b, cublasLtMatrixLayout_t c_layout,
                                       cublasLtMatrixLayout_t d, const cublasLtMatmulAlgo_t *algo,
                                       cublasLtMatmulHeuristicResult_t *out)
{
    call c(CALL_cublasLtMatmulAlgoCheck);
    if (c.refused) return c.no_blas();
    libraries.get(handle);
    if (!algo || !out) return CUBLAS_STATUS_INVALID_VALUE;
    matmul_problem   p;
    matmul_algorithm found;
    cublasStatus_t rc =
        cublaslt_problem(descs.get(desc), layouts.get(a), layouts.get(b), layouts.get(c_layout), layouts.get(d), &p);
    if (rc == CUBLAS_STATUS_SUCCESS) rc = cublaslt_algorithm(p, algo, &found);
    if (rc) return rc;
    const cublasLtMatmulAlgo_t kept = out->algo; /* "algo field is never updated" */
    *out = result_of(p, found);
    out->algo = kept;
    return rc;
}

/* --- the product --- */

struct operand { const char *name; const void *at; size_t bytes; uint64_t alignment; };

/* A breach where an operand is not wholly in device memory. */
static cublasStatus_t check_operand(const operand &o)
{
    if (!o.at) {
        complain("%s is NULL", o.name);
        return CUBLAS_STATUS_INVALID_VALUE;
    }
    if (memory_place_of(o.at) != MEMORY_DEVICE) breach("%s is not in device memory", o.name);
    memory_require(o.at, o.bytes, o.name);
    if (reinterpret_cast<uintptr_t>(o.at) % o.alignment == 0) return CUBLAS_STATUS_SUCCESS;
    complain("%s at %p is not aligned to the %llu bytes that its algorithm was asked for with", o.name, o.at,
             static_cast<unsigned long long>(o.alignment));
    return CUBLAS_STATUS_INVALID_VALUE;
}

static cublasStatus_t submit(cudaStream_t stream, const std::vector<operand> &operands, cudaError_t late,
                             std::function<void()> run)
{
    work w = {WORK_COMPUTE, nullptr, {}, {}, the_device.current, late};
    w.run = [=] {
        for (const operand &o : operands) memory_require(o.at, o.bytes, o.name); /* may be freed by now */
        run();
    };
    const cudaError_t rc = stream_submit(stream, w);
    if (rc) complain("the stream takes no work: %s", cudaGetErrorName(rc));
    return rc ? CUBLAS_STATUS_EXECUTION_FAILED : CUBLAS_STATUS_SUCCESS;
}

static bool this_one_is_wrong()
{
    long &left = the_device.settings.wrong_product;
    if (left > 1) left--;
    else if (left == 1) return true;
    return false;
}

cublasStatus_t cublasLtMatmul(cublasLtHandle_t handle, cublasLtMatmulDesc_t desc, const void *alpha, const void *a,
                              cublasLtMatrixLayout_t a_layout, const void *b, cublasLtMatrixLayout_t b_layout,
                              const void *beta, const void *c_matrix, cublasLtMatrixLayout_t c_layout, void *d,
                              cublasLtMatrixLayout_t d_layout, const cublasLtMatmulAlgo_t *algo, void *workspace,
                              size_t workspace_bytes, cudaStream_t stream)
{
    call c(CALL_cublasLtMatmul);
    if (c.refused) return c.no_blas();
    libraries.get(handle);
    const matmul_desc *o = descs.get(desc);
    matmul_problem     s;
    cublasStatus_t     rc = cublaslt_problem(o, layouts.get(a_layout), layouts.get(b_layout), layouts.get(c_layout),
                                             layouts.get(d_layout), &s);
    if (rc) return rc;
    if (!alpha || !beta) return CUBLAS_STATUS_INVALID_VALUE;

    /* Without an algorithm the heuristic is asked with default preferences. */
    matmul_algorithm chosen;
    if (algo) {
        rc = cublaslt_algorithm(s, algo, &chosen);
    } else {
        const matmul_preference defaults;
        if (!cublaslt_algorithms(s, &defaults, o->bias, 1, &chosen)) rc = CUBLAS_STATUS_NOT_SUPPORTED;
    }
    if (rc) return rc;

    product p = {};
    p.m = s.m;
    p.n = s.n;
    p.k = s.k;
    p.a_transposed = s.a_transposed;
    p.b_transposed = s.b_transposed;
    p.a = {a, s.a.type, s.a.ld};
    p.b = {b, s.b.type, s.b.ld};
    p.c = {c_matrix, s.c.type, s.c.ld};
    p.d = {d, s.d.type, s.d.ld};
    p.bias = {o->bias, s.bias_type, 1};
    p.has_bias = s.has_bias;
    p.relu = s.relu;
    p.gelu = s.gelu;
    memcpy(&p.alpha, alpha, sizeof p.alpha);
    memcpy(&p.beta, beta, sizeof p.beta);

    std::vector<operand> reads = {{"A", a, cublaslt_bytes(s.a), chosen.alignment},
                                  {"B", b, cublaslt_bytes(s.b), chosen.alignment}};
    if (p.beta != 0.0f) reads.push_back({"C", c_matrix, cublaslt_bytes(s.c), chosen.alignment});
    if (p.has_bias)
        reads.push_back({"the bias", o->bias, s.m * product_element_bytes(s.bias_type), chosen.bias_alignment});
    std::vector<operand> writes = {{"D", d, cublaslt_bytes(s.d), chosen.alignment}};
    /* Documentation, cublasLtMatmul(): the workspace lies on 256 bytes; INVALID_VALUE where it is less than the
     * algorithm requires. */
    if (chosen.workspace > workspace_bytes) {
        complain("a workspace of %zu bytes, the algorithm needs %zu", workspace_bytes,
                 static_cast<size_t>(chosen.workspace));
        return CUBLAS_STATUS_INVALID_VALUE;
    }
    if (workspace_bytes) writes.push_back({"the workspace", workspace, workspace_bytes, 256});
    for (const auto *list : {&reads, &writes})
        for (const operand &x : *list)
            if ((rc = check_operand(x))) return rc;
    /* C and D may be the same, then with the same layout; nothing else may meet what is written. */
    const bool in_place = c_matrix == d && p.beta != 0.0f;
    if (in_place && s.c.ld != s.d.ld) {
        complain("C is D, with leading dimensions %zu and %zu", p.c.ld, p.d.ld);
        return CUBLAS_STATUS_INVALID_VALUE;
    }
    for (const operand &w : writes)
        for (const operand &r : reads)
            if (memory_overlap(w.at, w.bytes, r.at, r.bytes) && !(in_place && r.at == d && w.at == d))
                breach("%s and %s overlap", r.name, w.name);
    if (writes.size() == 2 && memory_overlap(d, writes[0].bytes, workspace, workspace_bytes))
        breach("D and the workspace overlap");

    std::vector<operand> all = reads;
    all.insert(all.end(), writes.begin(), writes.end());
    if (chosen.workspace) {
        auto *sums = static_cast<float *>(workspace);
        rc = submit(stream, all, c.late, [=] { product_sums(p, sums); });
        return rc ? rc : submit(stream, all, cudaSuccess, [=] { product_finish(p, sums, this_one_is_wrong()); });
    }
    return submit(stream, all, c.late, [=] {
        std::vector<float> sums(p.m * p.n);
        product_sums(p, sums.data());
        product_finish(p, sums.data(), this_one_is_wrong());
    });
}
