/* fake_cuda.h - what a test may ask of the fake device, and make it do.
 *
 * libfake_cuda.so stands in for the CUDA runtime and cuBLASLt: the part that we call, as strict as the documentation.
 * Kernels run in the emulator (../emulate).  Streams and events are queues that a seeded scheduler runs as late and as
 * oddly ordered as the rules allow, inside the calls of the program that may make progress (queries, synchronisation).
 * A breach of the rules prints one line that says which call broke which rule, and aborts.
 *
 * A text of settings, separated by ';', is read from the environment (FAKE_CUDA) when the library is first called, and
 * by fake_cuda_configure():
 *
 *   seed=N            the schedule: of streams, and of threads within a block; 0: all in order, at the first query
 *   device=none       no driver: cudaErrorInsufficientDriver with driver version 0
 *   device=absent     a driver and no GPU: cudaErrorNoDevice
 *   device=old        a driver older than the runtime: cudaErrorInsufficientDriver with a driver version
 *   device=broken     every call says cudaErrorUnknown (999)
 *   device=there      as without the setting
 *   memory=BYTES      of the device, 8 GiB without it
 *   fail=CALL:N:CODE  the Nth call of CALL from now returns CODE, and so does every call after it where CODE is sticky
 *   late=CALL:N:CODE  the Nth call succeeds and its work fails while it runs: a later query or wait says CODE
 *   hang=CALL:N       the Nth call never returns; CALL "work": from the Nth piece of queued work on nothing completes
 *   wrong=N           from the Nth matrix product on, one of its numbers is wrong: the first of row 0
 *   leaks=fatal       what is still held at exit makes the process end with 99, not only with a line each
 *   clock=1           elapsed times between events are counted, not measured: 1 us for each piece of work
 *
 * CALL is a name such as cudaMalloc or cublasLtMatmul (then CODE is a cublasStatus_t); a kernel's launch is
 * cudaLaunchKernel.  A piece of queued work is a copy, a fill, a kernel, a kernel of a product, or a graph. */
#ifndef TESTS_FAKE_CUDA_H
#define TESTS_FAKE_CUDA_H
#include <stdbool.h>
#ifdef __cplusplus
extern "C" {
#endif

void fake_cuda_reset(void);                      /* as when the process began; the program must hold nothing */
void fake_cuda_configure(const char *settings);
long fake_cuda_calls(const char *call);          /* how often "cudaMalloc"... was called since the reset */
/* From now on (true) allocating, freeing, capturing, instantiating and device-wide synchronising are breaches. */
void fake_cuda_serving(bool serving);
int  fake_cuda_held(void);                       /* allocations, streams, events, graphs, handles not given back */
void fake_cuda_print_held(void);                 /* each of them, and the number of the call that made it */
/* What a timeline would show: the largest number of streams that had work ready at one moment at which one of them
 * could copy while another computed; 0: copies and kernels of different streams were never free to overlap. */
int  fake_cuda_overlap(void);

#ifdef __cplusplus
}
#endif
#endif
