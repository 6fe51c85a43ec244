/* planted.h - kernels on the emulator for test_simt.c: some right, some with one bug planted. */
#ifndef TESTS_EMULATE_PLANTED_H
#define TESTS_EMULATE_PLANTED_H
#include <stdbool.h>
#ifdef __cplusplus
extern "C" {
#endif

/* Runs the named kernel.  0: its result is right.  1: it is not, and stderr says "wrong: ...".  2: no such kernel.
 * A bug that the emulator or a sanitizer names ends the process. */
int planted_run(const char *name, unsigned seed, bool copies_late, int os_threads);

#ifdef __cplusplus
}
#endif
#endif
