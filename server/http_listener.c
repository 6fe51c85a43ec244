#include "http_listener.h"
#include <errno.h>
#include <linux/filter.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static int listen_at(const struct addrinfo *a)
{
    int fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
    if (!bind(fd, a->ai_addr, a->ai_addrlen) && !listen(fd, SOMAXCONN)) return fd;
    int why = errno;
    close(fd);
    errno = why;
    return -1;
}

status http_listener_open(int *fd, const char *host, int *port, error *err)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV}, *found = NULL;
    struct sockaddr_storage at;
    socklen_t n = sizeof at;
    char digits[16];
    *fd = -1;
    snprintf(digits, sizeof digits, "%d", *port);
    int failed = getaddrinfo(host, digits, &hints, &found);
    if (failed) return fail(err, IO_FAILED, "cannot listen on %s:%d: %s", host, *port, gai_strerror(failed));
    for (struct addrinfo *a = found; a && *fd < 0; a = a->ai_next) *fd = listen_at(a);
    int why = errno;
    freeaddrinfo(found);
    if (*fd < 0) return fail(err, IO_FAILED, "cannot listen on %s:%d: %s", host, *port, strerror(why));
    getsockname(*fd, (struct sockaddr *)&at, &n);
    *port = ntohs(at.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&at)->sin6_port
                                           : ((struct sockaddr_in *)&at)->sin_port);
    return OK;
}

/* A crashed server leaves its socket behind. */
static status remove_stale(const struct sockaddr_un *at, error *err)
{
    struct stat what;
    if (lstat(at->sun_path, &what)) return OK;
    if (!S_ISSOCK(what.st_mode)) return fail(err, IO_FAILED, "%s is there, and is no socket", at->sun_path);
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    const int answered = fd >= 0 && connect(fd, (const struct sockaddr *)at, sizeof *at) ? errno : 0;
    if (fd >= 0) close(fd);
    if (answered != ECONNREFUSED) return fail(err, IO_FAILED, "somebody listens on %s already", at->sun_path);
    if (unlink(at->sun_path)) return fail(err, IO_FAILED, "cannot remove %s: %s", at->sun_path, strerror(errno));
    return OK;
}

status http_listener_open_unix(int *fd, const char *path, error *err)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    *fd = -1;
    if (strlen(path) >= sizeof at.sun_path)
        return fail(err, IO_FAILED, "cannot listen on a path of %zu bytes, at most %zu", strlen(path),
                    sizeof at.sun_path - 1);
    memcpy(at.sun_path, path, strlen(path));
    status rc = remove_stale(&at, err);
    if (rc != OK) return rc;
    const int made = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    const mode_t before = umask(0177); /* of the process: nothing else is made while a server starts */
    const bool bound = made >= 0 && !bind(made, (const struct sockaddr *)&at, sizeof at);
    umask(before);
    if (bound && !listen(made, SOMAXCONN)) {
        *fd = made;
        return OK;
    }
    rc = fail(err, IO_FAILED, "cannot listen on %s: %s", path, strerror(errno));
    if (bound) unlink(path);
    if (made >= 0) close(made);
    return rc;
}

int http_listener_accept(int fd)
{
    int accepted = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (accepted >= 0) return accepted;
    switch (errno) {
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM: return LISTENER_STARVED;
    case ECONNABORTED:
    case EPROTO:
    case EINTR: return LISTENER_LOST;
    default: return LISTENER_EMPTY;
    }
}

void http_listener_deafen(int fd)
{
    struct sock_filter drop_syn[] = {
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 13), /* the flags of the TCP header, where a filter of TCP begins to see */
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 0x02, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, 0),
        BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
    };
    struct sock_fprog program = {.len = sizeof drop_syn / sizeof *drop_syn, .filter = drop_syn};
    setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program); /* refused: a few clients are reset */
}
