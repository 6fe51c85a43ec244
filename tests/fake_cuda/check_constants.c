/* check_constants.c - holds the fake device's numbers and prototypes against the real toolkit's headers.
 *
 * Compiled where a toolkit is, with its include folder and without the fake's; nothing of it runs. */
#include <cuda_runtime_api.h>
#include <cublasLt.h>
#include "tests/fake_cuda/include/constants.inc"
#include "tests/fake_cuda/include/calls.inc"

#define SAME_NUMBER(name, value) _Static_assert((long long)(name) == (value), #name " is " #value);
CONSTANTS_cudaError(SAME_NUMBER)
CONSTANTS_cudaMemcpyKind(SAME_NUMBER)
CONSTANTS_cudaStreamCaptureMode(SAME_NUMBER)
CONSTANTS_cudaStreamCaptureStatus(SAME_NUMBER)
CONSTANTS_cudaDeviceAttr(SAME_NUMBER)
CONSTANTS_cudaFuncAttribute(SAME_NUMBER)
CONSTANTS_flags(SAME_NUMBER)
CONSTANTS_cudaDataType(SAME_NUMBER)
CONSTANTS_cublasStatus(SAME_NUMBER)
CONSTANTS_cublasOperation(SAME_NUMBER)
CONSTANTS_cublasComputeType(SAME_NUMBER)
CONSTANTS_cublasLtPointerMode(SAME_NUMBER)
CONSTANTS_cublasLtOrder(SAME_NUMBER)
CONSTANTS_cublasLtEpilogue(SAME_NUMBER)
CONSTANTS_cublasLtMatmulDescAttributes(SAME_NUMBER)
CONSTANTS_cublasLtMatrixLayoutAttribute(SAME_NUMBER)
CONSTANTS_cublasLtMatmulPreferenceAttributes(SAME_NUMBER)

#define SAME_PROTOTYPE(result, name, arguments, when) \
    _Static_assert(__builtin_types_compatible_p(__typeof__(name), result arguments), #name " has the real prototype");
CALLS_cuda(SAME_PROTOTYPE)
CALLS_cublasLt(SAME_PROTOTYPE)

_Static_assert(CUDART_VERSION / 1000 == 13, "of CUDA 13");
_Static_assert(sizeof(cublasLtMatmulAlgo_t) == 8 * sizeof(uint64_t), "an algorithm is eight words");
