/* info.cc - what the device is, and the names of errors: the calls. */
#include "info.h"
#include "device.h"
#include <cstdio>
#include <cstring>

static const struct { cudaError_t code; const char *name; } errors[] = {
#define ERROR_ROW(name, value) {name, #name},
    CONSTANTS_cudaError(ERROR_ROW)};

static const struct { cudaError_t code; const char *text; } texts[] = {
    {cudaSuccess, "no error"},
    {cudaErrorInvalidValue, "invalid argument"},
    {cudaErrorMemoryAllocation, "out of memory"},
    {cudaErrorInvalidConfiguration, "invalid configuration argument"},
    {cudaErrorInsufficientDriver, "CUDA driver version is insufficient for CUDA runtime version"},
    {cudaErrorNoDevice, "no CUDA-capable device is detected"},
    {cudaErrorECCUncorrectable, "uncorrectable ECC error encountered"},
    {cudaErrorNotReady, "device not ready"},
    {cudaErrorIllegalAddress, "an illegal memory access was encountered"},
    {cudaErrorLaunchFailure, "unspecified launch failure"},
    {cudaErrorUnknown, "unknown error"},
};

const char *cudaGetErrorName(cudaError_t error)
{
    for (const auto &row : errors)
        if (row.code == error) return row.name;
    return "unrecognized error code";
}

const char *cudaGetErrorString(cudaError_t error)
{
    for (const auto &row : texts)
        if (row.code == error) return row.text;
    return cudaGetErrorName(error);
}

cudaError_t cudaGetLastError(void)
{
    call c(CALL_cudaGetLastError);
    return c.refused ? c.no() : device_last_error(true);
}

cudaError_t cudaPeekAtLastError(void)
{
    call c(CALL_cudaPeekAtLastError);
    return c.refused ? c.no() : device_last_error(false);
}

cudaError_t cudaDriverGetVersion(int *version)
{
    call c(CALL_cudaDriverGetVersion);
    if (c.refused) return c.no();
    const device_presence p = the_device.settings.presence;
    *version = p == DEVICE_NO_DRIVER ? 0 : p == DEVICE_OLD_DRIVER ? INFO_OLD_DRIVER : INFO_DRIVER;
    return c.answer(cudaSuccess);
}

cudaError_t cudaRuntimeGetVersion(int *version)
{
    call c(CALL_cudaRuntimeGetVersion);
    if (c.refused) return c.no();
    *version = CUDART_VERSION;
    return c.answer(cudaSuccess);
}

cudaError_t cudaGetDeviceCount(int *count)
{
    call c(CALL_cudaGetDeviceCount);
    *count = c.refused ? 0 : 1;
    return c.refused ? c.no() : c.answer(cudaSuccess);
}

cudaError_t cudaSetDevice(int device)
{
    call c(CALL_cudaSetDevice);
    return c.refused ? c.no() : c.answer(device ? cudaErrorInvalidDevice : cudaSuccess);
}

cudaError_t cudaGetDevice(int *device)
{
    call c(CALL_cudaGetDevice);
    if (c.refused) return c.no();
    *device = 0;
    return c.answer(cudaSuccess);
}

static cudaDeviceProp properties()
{
    cudaDeviceProp p = {};
    snprintf(p.name, sizeof p.name, "fake device");
    p.totalGlobalMem = the_device.settings.memory;
    p.sharedMemPerBlock = INFO_SHARED_BYTES;
    p.sharedMemPerBlockOptin = INFO_SHARED_BYTES_OPTIN;
    p.sharedMemPerMultiprocessor = size_t(228) << 10;
    p.regsPerBlock = p.regsPerMultiprocessor = 65536;
    p.warpSize = 32;
    p.maxThreadsPerBlock = 1024;
    p.maxThreadsPerMultiProcessor = 2048;
    p.major = 9;
    p.multiProcessorCount = 132;
    p.ECCEnabled = 1;
    p.asyncEngineCount = 3;
    p.memoryBusWidth = 5120;
    p.l2CacheSize = 50 << 20;
    return p;
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp *out, int device)
{
    call c(CALL_cudaGetDeviceProperties);
    if (c.refused) return c.no();
    if (device) return c.answer(cudaErrorInvalidDevice);
    *out = properties();
    return c.answer(cudaSuccess);
}

cudaError_t cudaDeviceGetAttribute(int *value, cudaDeviceAttr attribute, int device)
{
    call c(CALL_cudaDeviceGetAttribute);
    if (c.refused) return c.no();
    if (device) return c.answer(cudaErrorInvalidDevice);
    const cudaDeviceProp p = properties();
    const struct { cudaDeviceAttr attribute; size_t value; } rows[] = {
        {cudaDevAttrMaxThreadsPerBlock, static_cast<size_t>(p.maxThreadsPerBlock)},
        {cudaDevAttrMaxSharedMemoryPerBlock, p.sharedMemPerBlock},
        {cudaDevAttrWarpSize, 32},
        {cudaDevAttrClockRate, 1980000},
        {cudaDevAttrMultiProcessorCount, static_cast<size_t>(p.multiProcessorCount)},
        {cudaDevAttrMemoryClockRate, 2619000},
        {cudaDevAttrGlobalMemoryBusWidth, static_cast<size_t>(p.memoryBusWidth)},
        {cudaDevAttrL2CacheSize, static_cast<size_t>(p.l2CacheSize)},
        {cudaDevAttrAsyncEngineCount, static_cast<size_t>(p.asyncEngineCount)},
        {cudaDevAttrComputeCapabilityMajor, static_cast<size_t>(p.major)},
        {cudaDevAttrComputeCapabilityMinor, static_cast<size_t>(p.minor)},
        {cudaDevAttrMaxSharedMemoryPerMultiprocessor, p.sharedMemPerMultiprocessor},
        {cudaDevAttrMaxSharedMemoryPerBlockOptin, p.sharedMemPerBlockOptin},
    };
    for (const auto &row : rows)
        if (row.attribute == attribute) {
            *value = static_cast<int>(row.value);
            return c.answer(cudaSuccess);
        }
    return c.answer(cudaErrorInvalidValue);
}
