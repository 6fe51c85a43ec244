/* cublasLt.h - the part of cuBLASLt 13 that we call, as the fake device of tests/fake_cuda has it. */
#ifndef FAKE_CUBLASLT_H
#define FAKE_CUBLASLT_H
#include "cuda_runtime_api.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum cudaDataType_t { CONSTANTS_cudaDataType(FAKE_CONSTANT) } cudaDataType;
typedef enum cudaDataType_t cudaDataType_t;
typedef enum { CONSTANTS_cublasStatus(FAKE_CONSTANT) } cublasStatus_t;
typedef enum { CONSTANTS_cublasOperation(FAKE_CONSTANT) } cublasOperation_t;
typedef enum { CONSTANTS_cublasComputeType(FAKE_CONSTANT) } cublasComputeType_t;
typedef enum { CONSTANTS_cublasLtPointerMode(FAKE_CONSTANT) } cublasLtPointerMode_t;
typedef enum { CONSTANTS_cublasLtOrder(FAKE_CONSTANT) } cublasLtOrder_t;
typedef enum { CONSTANTS_cublasLtEpilogue(FAKE_CONSTANT) } cublasLtEpilogue_t;
typedef enum { CONSTANTS_cublasLtMatmulDescAttributes(FAKE_CONSTANT) } cublasLtMatmulDescAttributes_t;
typedef enum { CONSTANTS_cublasLtMatrixLayoutAttribute(FAKE_CONSTANT) } cublasLtMatrixLayoutAttribute_t;
typedef enum { CONSTANTS_cublasLtMatmulPreferenceAttributes(FAKE_CONSTANT) } cublasLtMatmulPreferenceAttributes_t;

typedef struct cublasLtContext              *cublasLtHandle_t;
typedef struct cublasLtMatmulDescOpaque     *cublasLtMatmulDesc_t;
typedef struct cublasLtMatrixLayoutOpaque   *cublasLtMatrixLayout_t;
typedef struct cublasLtMatmulPreferenceOpaque *cublasLtMatmulPreference_t;
typedef struct { uint64_t data[8]; } cublasLtMatmulAlgo_t;

typedef struct {
    cublasLtMatmulAlgo_t algo;
    size_t               workspaceSize;
    cublasStatus_t       state;
    float                wavesCount;
    int                  reserved[4];
} cublasLtMatmulHeuristicResult_t;

CALLS_cublasLt(FAKE_PROTOTYPE)

#ifdef __cplusplus
}
#endif
#endif
