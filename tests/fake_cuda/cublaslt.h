/* cublaslt.h - what stands behind cuBLASLt's descriptors, and the rules that they must keep.
 *
 * A problem is everything about a product but its addresses; an algorithm is good for one problem and says so in its
 * bytes.  "Documentation" is "cuBLAS 13, Using the cuBLASLt API". */
#ifndef TESTS_FAKE_CUDA_CUBLASLT_H
#define TESTS_FAKE_CUDA_CUBLASLT_H
#include "device.h"

enum { CUBLASLT_VERSION = 130100 };

struct matmul_desc : held {
    matmul_desc(cublasComputeType_t compute_, cudaDataType_t scale_)
        : held("matmul descriptor", 0), compute(compute_), scale(scale_)
    {
    }
    int32_t     compute, scale, pointer_mode = CUBLASLT_POINTER_MODE_HOST;
    int32_t     a_op = CUBLAS_OP_N, b_op = CUBLAS_OP_N, c_op = CUBLAS_OP_N, multiprocessors = 0, bias_type = -1;
    uint32_t    epilogue = CUBLASLT_EPILOGUE_DEFAULT;
    const void *bias = nullptr;
};

struct matrix_layout : held {
    matrix_layout(uint32_t type_, uint64_t rows_, uint64_t cols_, int64_t ld_)
        : held("matrix layout", 0), type(type_), rows(rows_), cols(cols_), ld(ld_) {}
    uint32_t type;
    int32_t  order = CUBLASLT_ORDER_COL, batch = 1;
    uint64_t rows, cols;
    int64_t  ld, stride = 0;
};

struct matmul_preference : held {
    matmul_preference() : held("matmul preference", 0) {}
    uint32_t search = 0, reduction = ~0u;
    uint64_t workspace = 0;
    uint32_t alignment[4] = {256, 256, 256, 256}; /* of A, B, C, D */
};

struct matmul_side { cudaDataType_t type; uint64_t rows, cols, ld; };
struct matmul_problem {
    uint64_t    m, n, k;
    matmul_side a, b, c, d;
    bool        a_transposed, b_transposed, has_bias, relu, gelu;
    cudaDataType_t bias_type;
};

/* SUCCESS, or the documented status after a line that says why. */
cublasStatus_t cublaslt_problem(const matmul_desc *desc, const matrix_layout *a, const matrix_layout *b,
                                const matrix_layout *c, const matrix_layout *d, matmul_problem *out);
size_t         cublaslt_bytes(const matmul_side &s); /* from the first to the end of the last element */

/* What an algorithm's eight words say. */
struct matmul_algorithm {
    uint64_t magic, problem, index, workspace, alignment, bias_alignment, version, sum;
};
static_assert(sizeof(matmul_algorithm) == sizeof(cublasLtMatmulAlgo_t), "eight words");

/* The algorithms for a problem, best first, at most `most`. */
int cublaslt_algorithms(const matmul_problem &p, const matmul_preference *preference, const void *bias, int most,
                        matmul_algorithm *out);
/* NOT_SUPPORTED: these bytes are no algorithm of this version; INVALID_VALUE: one for another problem. */
cublasStatus_t cublaslt_algorithm(const matmul_problem &p, const cublasLtMatmulAlgo_t *bytes, matmul_algorithm *out);
#endif
