/* process.h - what the kernel says of this process: for the metrics that every exporter has. */
#ifndef SERVER_PROCESS_H
#define SERVER_PROCESS_H
#include <stdint.h>
#include "runtime/base/status.h"

typedef struct {
    double cpu_s, start_unix_s;
    int64_t resident_bytes, virtual_bytes, threads, open_fds, max_fds;
} process_facts;

/* Any thread.  IO_FAILED where there is no /proc. */
status process_read(process_facts *facts, error *err);
#endif
