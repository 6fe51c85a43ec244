/* failing_disk.c - loaded before the C library: files below one folder are on a disk that fails when it is told to.
 *
 *     FAILING_DISK=/folder:kill=7    the process is killed before the seventh write, fsync or rename there
 *     FAILING_DISK=/folder:torn=7    likewise, and a write has brought half of its bytes by then
 *     FAILING_DISK=/folder:full=7    from the seventh on there is no space left
 *
 * Anything else is a disk that works. */
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char folder[512], how[8];
static int at;
static atomic_int calls;

__attribute__((constructor)) static void read_setting(void)
{
    const char *given = getenv("FAILING_DISK");
    if (!given || sscanf(given, "%511[^:]:%7[a-z]=%d", folder, how, &at) != 3) at = 0;
}

static bool is_below(const char *path) { return at > 0 && !strncmp(path, folder, strlen(folder)); }

static bool is_there(int fd)
{
    char link[64], path[512];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    const ssize_t n = at > 0 ? readlink(link, path, sizeof path - 1) : -1;
    path[n > 0 ? n : 0] = 0;
    return n > 0 && is_below(path);
}

/* This call is the one, or, of a full disk, one of those. */
static bool fails(void)
{
    const int n = atomic_fetch_add(&calls, 1) + 1;
    if (!strcmp(how, "full")) return n >= at;
    return n == at;
}

static int no_space(void)
{
    if (strcmp(how, "full")) kill(getpid(), SIGKILL);
    errno = ENOSPC;
    return -1;
}

ssize_t write(int fd, const void *bytes, size_t n)
{
    ssize_t (*next)(int, const void *, size_t) = (ssize_t (*)(int, const void *, size_t))dlsym(RTLD_NEXT, "write");
    if (!is_there(fd) || !fails()) return next(fd, bytes, n);
    if (!strcmp(how, "torn")) (void)!next(fd, bytes, n / 2);
    return no_space();
}

int fsync(int fd)
{
    int (*next)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
    return is_there(fd) && fails() ? no_space() : next(fd);
}

int rename(const char *from, const char *to)
{
    int (*next)(const char *, const char *) = (int (*)(const char *, const char *))dlsym(RTLD_NEXT, "rename");
    return is_below(to) && fails() ? no_space() : next(from, to);
}
