#include "http_listener.h"
#include <errno.h>
#include <linux/filter.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
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
    struct sock_filter drop = BPF_STMT(BPF_RET | BPF_K, 0);
    struct sock_fprog program = {.len = 1, .filter = &drop};
    setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program); /* refused: a few clients are reset */
}
