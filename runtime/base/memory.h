/* memory.h - how much more memory this process may take before the system is short of it. */
#ifndef RUNTIME_BASE_MEMORY_H
#define RUNTIME_BASE_MEMORY_H
#include <stdint.h>

/* Bytes: the smaller of the kernel's MemAvailable and what the control group (version 2) leaves, whose file cache counts
 * as free.  -1: neither is known.  Any thread; reads files. */
int64_t memory_available(void);
/* As memory_available(), from the files below these folders instead of /proc and /sys/fs/cgroup. */
int64_t memory_available_at(const char *proc, const char *group);
#endif
