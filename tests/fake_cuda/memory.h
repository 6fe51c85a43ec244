/* memory.h - the device's own address range, and pinned memory of the host.
 *
 *   | guard | pad ... | what was asked for | slack < 256 | guard |        pad, slack and fresh memory: 0xff, NaN
 *
 * An allocation begins on 256 bytes and ends within 256 bytes of a page that nothing may touch; an address is never
 * given out twice before a reset.  Device memory is open only between memory_open() and memory_close(), while work
 * runs, and to whichever thread touches it then. */
#ifndef TESTS_FAKE_CUDA_MEMORY_H
#define TESTS_FAKE_CUDA_MEMORY_H
#include "device.h"

enum memory_place { MEMORY_PAGEABLE, MEMORY_PINNED, MEMORY_DEVICE };
static constexpr int MEMORY_POISON = 0xff;

/* cudaErrorMemoryAllocation where a device has no more. *out is NULL for no bytes. */
cudaError_t  memory_allocate(void **out, memory_place place, size_t bytes);
void         memory_free(void *pointer, memory_place place);
size_t       memory_used();
memory_place memory_place_of(const void *pointer);
/* A breach unless these bytes are within one living allocation (or, pageable, of nobody's). */
void         memory_require(const void *pointer, size_t bytes, const char *what);
bool         memory_overlap(const void *a, size_t a_bytes, const void *b, size_t b_bytes);

void memory_open();
void memory_close();
/* Puts the handler of faults on top; one that came in between is the emulator's, and is asked within a kernel. */
void memory_watch();
void memory_check(); /* a breach where something wrote beside an allocation */
void memory_forget();
#endif
