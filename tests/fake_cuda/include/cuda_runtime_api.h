/* cuda_runtime_api.h - the part of the CUDA 13 runtime that we call, as the fake device of tests/fake_cuda has it.
 *
 * Plain C.  Same names, numbers and prototypes as the real header's; structs hold only the members that we read. */
#ifndef FAKE_CUDA_RUNTIME_API_H
#define FAKE_CUDA_RUNTIME_API_H
#include <stddef.h>
#include <stdint.h>
#include "constants.inc"
#include "calls.inc"

#ifdef __cplusplus
extern "C" {
#endif

#define CUDART_VERSION 13000
#define CUDART_CB

#define FAKE_CONSTANT(name, value) name = value,
typedef enum cudaError { CONSTANTS_cudaError(FAKE_CONSTANT) } cudaError_t;
enum cudaMemcpyKind { CONSTANTS_cudaMemcpyKind(FAKE_CONSTANT) };
enum cudaStreamCaptureMode { CONSTANTS_cudaStreamCaptureMode(FAKE_CONSTANT) };
enum cudaStreamCaptureStatus { CONSTANTS_cudaStreamCaptureStatus(FAKE_CONSTANT) };
enum cudaDeviceAttr { CONSTANTS_cudaDeviceAttr(FAKE_CONSTANT) };
enum cudaFuncAttribute { CONSTANTS_cudaFuncAttribute(FAKE_CONSTANT) };
enum { CONSTANTS_flags(FAKE_CONSTANT) };

typedef struct CUstream_st    *cudaStream_t;
typedef struct CUevent_st     *cudaEvent_t;
typedef struct CUgraph_st     *cudaGraph_t;
typedef struct CUgraphExec_st *cudaGraphExec_t;
typedef struct CUgraphNode_st *cudaGraphNode_t;

struct cudaDeviceProp {
    char   name[256];
    size_t totalGlobalMem, sharedMemPerBlock, sharedMemPerMultiprocessor, sharedMemPerBlockOptin;
    int    regsPerBlock, warpSize, maxThreadsPerBlock, major, minor, multiProcessorCount, integrated, ECCEnabled;
    int    asyncEngineCount, memoryBusWidth, l2CacheSize, maxThreadsPerMultiProcessor, regsPerMultiprocessor;
    int    pciBusID, pciDeviceID, pciDomainID;
};

struct cudaFuncAttributes {
    size_t sharedSizeBytes, constSizeBytes, localSizeBytes;
    int    maxThreadsPerBlock, numRegs, ptxVersion, binaryVersion, maxDynamicSharedSizeBytes;
};

#define FAKE_PROTOTYPE(result, name, arguments, when) result name arguments;
CALLS_cuda(FAKE_PROTOTYPE)

#ifdef __cplusplus
}
#endif
#endif
