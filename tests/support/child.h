/* child.h - runs a function in a process of its own, for tests of what ends a process. */
#ifndef TESTS_SUPPORT_CHILD_H
#define TESTS_SUPPORT_CHILD_H
#include <stddef.h>

/* What f() writes to stderr goes into text, cut at cap and NUL-terminated.  The exit status, 0 where f() returns, or
 * -signal; -SIGALRM after `limit_ms`, if that is not 0. */
int child_run(void (*f)(void), int limit_ms, char *text, size_t cap);
#endif
