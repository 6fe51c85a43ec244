/* gemm_cublaslt.c - gemm.h by cuBLASLt.
 *
 * The library counts columns first, so a row-major [M,N] is its [N,M] with leading dimension N:
 *
 *     D [N,M] ld N  =  op(A) B,   A = w [K,N] ld K with op T,   B = x [K,M] ld K,   bias [N] along D's rows
 *
 * The descriptors of a product are made for each call and ended before it returns: products are called while choices
 * are timed and graphs are captured, never while a batch is served. */
#include "gemm.h"
#include <cublasLt.h>
#include <string.h>

enum { ALIGNMENT = 16 /* of every operand, as kernels.h says */, MULTIPLE = 8 };

_Static_assert(sizeof(cuda_gemm_algorithm) == sizeof(cublasLtMatmulAlgo_t), "an algorithm is stored as its bytes");

/* ---- one product, described ---- */

typedef struct {
    cublasLtMatmulDesc_t   product;
    cublasLtMatrixLayout_t w, x, out; /* out: of C and D, which are one matrix or alike */
} description;

static cublasLtEpilogue_t epilogue_of(cuda_gemm_then then)
{
    switch (then) {
    case CUDA_GEMM_PLAIN: break;
    case CUDA_GEMM_BIAS:
    case CUDA_GEMM_BIAS_RESIDUAL: return CUBLASLT_EPILOGUE_BIAS; /* the residual enters as C */
    case CUDA_GEMM_BIAS_GELU: return CUBLASLT_EPILOGUE_GELU_BIAS;
    case CUDA_GEMM_BIAS_RELU: return CUBLASLT_EPILOGUE_RELU_BIAS;
    }
    return CUBLASLT_EPILOGUE_DEFAULT;
}

static void forget(description *d)
{
    if (d->product) cublasLtMatmulDescDestroy(d->product);
    if (d->w) cublasLtMatrixLayoutDestroy(d->w);
    if (d->x) cublasLtMatrixLayoutDestroy(d->x);
    if (d->out) cublasLtMatrixLayoutDestroy(d->out);
}

static cublasStatus_t set(cublasLtMatmulDesc_t d, cublasLtMatmulDescAttributes_t name, const void *value, size_t bytes)
{
    return cublasLtMatmulDescSetAttribute(d, name, value, bytes);
}

static cublasStatus_t describe_product(cublasLtMatmulDesc_t d, cuda_gemm_then then, cudaDataType_t type,
                                       const void *bias)
{
    const cublasOperation_t  transposed = CUBLAS_OP_T, as_it_is = CUBLAS_OP_N;
    const cublasLtEpilogue_t epilogue = epilogue_of(then);
    cublasStatus_t rc = set(d, CUBLASLT_MATMUL_DESC_TRANSA, &transposed, sizeof transposed);
    if (!rc) rc = set(d, CUBLASLT_MATMUL_DESC_TRANSB, &as_it_is, sizeof as_it_is);
    if (!rc) rc = set(d, CUBLASLT_MATMUL_DESC_EPILOGUE, &epilogue, sizeof epilogue);
    if (rc || then == CUDA_GEMM_PLAIN) return rc;
    rc = set(d, CUBLASLT_MATMUL_DESC_BIAS_POINTER, &bias, sizeof bias);
    if (!rc) rc = set(d, CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, &type, sizeof type);
    return rc;
}

/* Fills *out; on failure nothing is left to forget. */
static cublasStatus_t describe(description *out, const cuda_gemm *g, cuda_gemm_shape s, const void *bias)
{
    const cudaDataType_t type = g->element == ELEMENT_F16 ? CUDA_R_16F : CUDA_R_16BF;
    const uint64_t       M = (uint64_t)s.M, N = (uint64_t)s.N, K = (uint64_t)s.K;
    *out = (description){0};
    cublasStatus_t rc = cublasLtMatmulDescCreate(&out->product, CUBLAS_COMPUTE_32F, CUDA_R_32F);
    if (!rc) rc = describe_product(out->product, s.then, type, bias);
    if (!rc) rc = cublasLtMatrixLayoutCreate(&out->w, type, K, N, s.K);
    if (!rc) rc = cublasLtMatrixLayoutCreate(&out->x, type, K, M, s.K);
    if (!rc) rc = cublasLtMatrixLayoutCreate(&out->out, type, N, M, s.N);
    if (rc) forget(out);
    return rc;
}

static bool fits(cuda_gemm_shape s)
{
    return s.M >= 1 && s.N >= MULTIPLE && s.K >= MULTIPLE && s.N % MULTIPLE == 0 && s.K % MULTIPLE == 0;
}

/* Where no operands are known yet the library reads the bias's alignment from its address: one with the least that
 * kernels.h promises, and no more. */
static const void *stand_in(const cuda_gemm *g)
{
    return (const char *)g->workspace + ALIGNMENT;
}

/* ---- the interface ---- */

int cuda_gemm_open(cuda_gemm *out, element_type element, void *workspace, size_t workspace_bytes)
{
    *out = (cuda_gemm){0};
    cublasLtHandle_t library;
    cublasStatus_t   rc = cublasLtCreate(&library);
    if (!rc) *out = (cuda_gemm){library, element, workspace, workspace_bytes};
    return (int)rc;
}

void cuda_gemm_close(cuda_gemm *g)
{
    if (g->library) cublasLtDestroy((cublasLtHandle_t)g->library);
    *g = (cuda_gemm){0};
}

size_t cuda_gemm_version(void)
{
    return cublasLtGetVersion();
}

static cublasStatus_t prefer(cublasLtMatmulPreference_t p, uint64_t workspace_bytes)
{
    static const cublasLtMatmulPreferenceAttributes_t operands[] = {
        CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
        CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES};
    const uint32_t alignment = ALIGNMENT;
    cublasStatus_t rc = cublasLtMatmulPreferenceSetAttribute(p, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES,
                                                             &workspace_bytes, sizeof workspace_bytes);
    for (size_t i = 0; !rc && i < sizeof operands / sizeof *operands; i++)
        rc = cublasLtMatmulPreferenceSetAttribute(p, operands[i], &alignment, sizeof alignment);
    return rc;
}

int cuda_gemm_candidates(cuda_gemm *g, cuda_gemm_shape shape, cuda_gemm_algorithm *out, int most, int *n)
{
    enum { MOST = 32 };
    cublasLtMatmulHeuristicResult_t found[MOST];
    cublasLtMatmulPreference_t      preference = NULL;
    description                     d;
    int                             count = 0;
    *n = 0;
    if (!fits(shape)) return KERNEL_BAD_SHAPE;
    cublasStatus_t rc = describe(&d, g, shape, stand_in(g));
    if (rc) return (int)rc;
    rc = cublasLtMatmulPreferenceCreate(&preference);
    if (!rc) rc = prefer(preference, g->workspace_bytes);
    if (!rc)
        rc = cublasLtMatmulAlgoGetHeuristic((cublasLtHandle_t)g->library, d.product, d.w, d.x, d.out, d.out, preference,
                                            most < MOST ? most : MOST, found, &count);
    for (int i = 0; !rc && i < count; i++) {
        if (found[i].state != CUBLAS_STATUS_SUCCESS || found[i].workspaceSize > g->workspace_bytes) continue;
        memcpy(&out[(*n)++], &found[i].algo, sizeof *out);
    }
    if (preference) cublasLtMatmulPreferenceDestroy(preference);
    forget(&d);
    return (int)rc;
}

bool cuda_gemm_usable(cuda_gemm *g, cuda_gemm_shape shape, const cuda_gemm_algorithm *a)
{
    cublasLtMatmulAlgo_t            algorithm;
    cublasLtMatmulHeuristicResult_t result = {0};
    description                     d;
    if (!fits(shape) || describe(&d, g, shape, stand_in(g))) return false;
    memcpy(&algorithm, a, sizeof algorithm);
    const cublasStatus_t rc = cublasLtMatmulAlgoCheck((cublasLtHandle_t)g->library, d.product, d.w, d.x, d.out, d.out,
                                                      &algorithm, &result);
    forget(&d);
    return !rc && result.workspaceSize <= g->workspace_bytes;
}

int cuda_gemm_run(cuda_gemm *g, cuda_gemm_shape shape, const cuda_gemm_algorithm *a, cuda_gemm_operands o,
                  kernel_stream stream)
{
    const bool           residual = shape.then == CUDA_GEMM_BIAS_RESIDUAL;
    const float          alpha = 1, beta = residual ? 1 : 0;
    cublasLtMatmulAlgo_t algorithm;
    description          d;
    if (!fits(shape)) return KERNEL_BAD_SHAPE;
    cublasStatus_t rc = describe(&d, g, shape, o.bias);
    if (rc) return (int)rc;
    memcpy(&algorithm, a, sizeof algorithm);
    rc = cublasLtMatmul((cublasLtHandle_t)g->library, d.product, &alpha, o.w, d.w, o.x, d.x, &beta,
                        residual ? o.residual : o.out, d.out, o.out, d.out, &algorithm, g->workspace,
                        g->workspace_bytes, stream);
    forget(&d);
    return (int)rc;
}
