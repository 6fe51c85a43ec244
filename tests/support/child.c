/* child.c - see child.h. */
#include "child.h"
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

int child_run(void (*f)(void), int limit_ms, char *text, size_t cap)
{
    int fds[2];
    fflush(NULL);
    if (pipe(fds)) abort();
    const pid_t pid = fork();
    if (pid < 0) abort();
    if (pid == 0) {
        const struct rlimit no_core = {0, 0};
        const struct itimerval limit = {{0, 0}, {limit_ms / 1000, limit_ms % 1000 * 1000}};
        setrlimit(RLIMIT_CORE, &no_core);
        setitimer(ITIMER_REAL, &limit, NULL);
        dup2(fds[1], STDERR_FILENO);
        close(fds[0]);
        close(fds[1]);
        f();
        _exit(0);
    }
    close(fds[1]);
    size_t  n = 0;
    ssize_t got;
    char    rest[256];
    while ((got = n + 1 < cap ? read(fds[0], text + n, cap - 1 - n) : read(fds[0], rest, sizeof rest)) > 0)
        if (n + 1 < cap) n += (size_t)got;
    text[n] = 0;
    close(fds[0]);
    int state;
    if (waitpid(pid, &state, 0) != pid) abort();
    return WIFSIGNALED(state) ? -WTERMSIG(state) : WEXITSTATUS(state);
}
