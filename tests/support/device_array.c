#include "device_array.h"
#include <cuda_runtime_api.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

__attribute__((weak)) void fake_cuda_configure(const char *settings); /* on a GPU nobody has it */

static void need(cudaError_t rc, const char *call)
{
    if (rc == cudaSuccess) return;
    fprintf(stderr, "%s: %s\n", call, cudaGetErrorString(rc));
    abort();
}

device_array device_array_of(void *host, size_t bytes)
{
    device_array a = {host, NULL, bytes};
    need(cudaMalloc(&a.device, bytes), "cudaMalloc");
    device_array_push(&a);
    return a;
}

device_array device_array_filled(int value, size_t bytes)
{
    return device_array_of(memset(malloc(bytes), value, bytes), bytes);
}

void device_array_push(const device_array *a)
{
    need(cudaMemcpy(a->device, a->host, a->bytes, cudaMemcpyHostToDevice), "cudaMemcpy");
}

void device_array_pull(const device_array *a)
{
    need(cudaDeviceSynchronize(), "cudaDeviceSynchronize");
    need(cudaMemcpy(a->host, a->device, a->bytes, cudaMemcpyDeviceToHost), "cudaMemcpy");
}

void device_array_free(device_array *a, int n)
{
    for (int i = 0; i < n; i++) {
        free(a[i].host);
        need(cudaFree(a[i].device), "cudaFree");
    }
}

void device_schedule(unsigned seed)
{
    char settings[32];
    snprintf(settings, sizeof settings, "seed=%u", seed);
    if (fake_cuda_configure) fake_cuda_configure(settings);
}
