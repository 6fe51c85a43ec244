#include "process.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static status unread(const char *what, error *err)
{
    return fail(err, IO_FAILED, "%s: %s", what, errno ? strerror(errno) : "not as expected");
}

/* /proc/self/stat: the name in brackets may hold blanks and brackets, so what follows its last bracket is counted. */
static status read_stat(process_facts *facts, error *err)
{
    static const char file[] = "/proc/self/stat";
    char text[1024];
    long long threads, virtual_bytes, resident_pages;
    unsigned long long user, system, start;
    errno = 0;
    const int fd = open(file, O_RDONLY | O_CLOEXEC);
    const ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (fd >= 0) close(fd);
    if (n < 0) return unread(file, err);
    text[n] = 0;
    const char *rest = strrchr(text, ')');
    if (!rest || sscanf(rest + 1,
                        " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu %*d %*d %*d %*d %lld %*d %llu %lld "
                        "%lld",
                        &user, &system, &threads, &start, &virtual_bytes, &resident_pages) != 6)
        return unread(file, err);
    struct timespec now, up;
    clock_gettime(CLOCK_REALTIME, &now);
    clock_gettime(CLOCK_BOOTTIME, &up); /* which `start` counts */
    const double tick = (double)sysconf(_SC_CLK_TCK);
    const double booted = (double)(now.tv_sec - up.tv_sec) + (double)(now.tv_nsec - up.tv_nsec) * 1e-9;
    facts->cpu_s = (double)(user + system) / tick;
    facts->start_unix_s = booted + (double)start / tick;
    facts->threads = threads;
    facts->virtual_bytes = virtual_bytes;
    facts->resident_bytes = resident_pages * sysconf(_SC_PAGESIZE);
    return OK;
}

static status count_fds(process_facts *facts, error *err)
{
    static const char folder[] = "/proc/self/fd";
    errno = 0;
    DIR *d = opendir(folder);
    if (!d) return unread(folder, err);
    for (const struct dirent *entry; (entry = readdir(d));) facts->open_fds += entry->d_name[0] != '.';
    closedir(d);
    facts->open_fds--; /* the folder itself */
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit)) return unread("RLIMIT_NOFILE", err);
    facts->max_fds = limit.rlim_cur > INT64_MAX ? INT64_MAX : (int64_t)limit.rlim_cur;
    return OK;
}

status process_read(process_facts *facts, error *err)
{
    *facts = (process_facts){0};
    status rc = read_stat(facts, err);
    if (rc == OK) rc = count_fds(facts, err);
    if (rc != OK) *facts = (process_facts){0};
    return rc;
}
