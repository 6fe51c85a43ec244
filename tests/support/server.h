/* server.h - the real program in a process of its own, for tests over real sockets. */
#ifndef TESTS_SUPPORT_SERVER_H
#define TESTS_SUPPORT_SERVER_H
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define SERVER_MODEL BEELINE_SOURCE_DIR "/models/all-MiniLM-L6-v2"

typedef struct { pid_t pid; int port, ops_port, log_fd; char log[1 << 16]; size_t log_bytes; } server_process;

/* "NAME=VALUE", NULL-ended, for every process started from now on; NULL: none.  Unless said,
 * BEELINE_BACKEND is cpu, BEELINE_OPS a free port of 127.0.0.1 and BEELINE_CACHE_DIR empty. */
void server_environment(const char *const *variables);

/* `beeline serve DIR --listen 127.0.0.1:0` and the words of `more` (NULL-ended; may be NULL); waits until it is
 * ready. */
bool server_start(server_process *s, const char *dir, const char *const *more);
/* Sends sig (0: none), reads the log to its end, waits; returns the exit status, or -signal.  Where the log says what
 * became of all requests, it must add up: a test that ends a server asserts that. */
int  server_end(server_process *s, int sig);
/* "VmRSS" of /proc/PID/status in KiB. */
long server_resident_kib(const server_process *s);

/* Runs `beeline` with the words (NULL-ended), stdin from `input`; stdout and stderr together into out. */
int server_command(const char *const *words, const char *input, char *text, size_t cap);
#endif
