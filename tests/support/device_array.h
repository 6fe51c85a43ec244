/* device_array.h - an array on the host and its copy in device memory, of a GPU or of the fake device.
 *
 * For tests: a call that fails ends the program. */
#ifndef TESTS_SUPPORT_DEVICE_ARRAY_H
#define TESTS_SUPPORT_DEVICE_ARRAY_H
#include <stddef.h>

typedef struct { void *host, *device; size_t bytes; } device_array;

device_array device_array_of(void *host, size_t bytes);      /* takes host, which is malloc's, and copies it */
device_array device_array_filled(int value, size_t bytes);   /* every byte is `value` */
void         device_array_push(const device_array *a);       /* host -> device, once more */
void         device_array_pull(const device_array *a);       /* device -> host, after all work that was queued */
void         device_array_free(device_array *a, int n);
/* On the fake device: threads in the order of this seed, copies to shared memory as late as they may be; 0: in order.
 * On a GPU nothing. */
void         device_schedule(unsigned seed);
#endif
