/* healthcheck.c - `beeline healthcheck`: 0 when the server at --listen is ready; for a container's HEALTHCHECK. */
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "commands.h"

enum { TIMEOUT_S = 2 };
static const char request[] = "GET /health/ready HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";

static int connect_to(const options *o, error *err)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list;
    struct timeval  limit = {.tv_sec = TIMEOUT_S};
    char port[8];
    snprintf(port, sizeof port, "%d", o->port);
    int fd = -1, bad = getaddrinfo(o->host, port, &hints, &list);
    for (struct addrinfo *a = bad ? NULL : list; a && fd < 0; a = a->ai_next) {
        fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC, a->ai_protocol);
        if (fd < 0) continue;
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
        if (!connect(fd, a->ai_addr, a->ai_addrlen)) continue;
        close(fd);
        fd = -1;
    }
    if (!bad) freeaddrinfo(list);
    if (fd < 0 && fail(err, IO_FAILED, "%s: %s", o->listen, bad ? gai_strerror(bad) : "no connection") == OK) return -1;
    return fd;
}

int healthcheck_command(const options *o, const char *dir)
{
    error err = {""};
    char reply[1024];
    size_t n = 0;
    (void)dir;
    int fd = connect_to(o, &err);
    if (fd >= 0 && send(fd, request, sizeof request - 1, MSG_NOSIGNAL) == (ssize_t)sizeof request - 1)
        for (ssize_t got; n + 1 < sizeof reply && (got = recv(fd, reply + n, sizeof reply - 1 - n, 0)) > 0;)
            n += (size_t)got;
    reply[n] = 0;
    if (fd >= 0) close(fd);
    if (!strncmp(reply, "HTTP/1.1 200", 12)) return EXIT_OK;
    const char *body = strstr(reply, "\r\n\r\n");
    fprintf(stderr, "beeline: not ready: %s\n", body ? body + 4 : *err.text ? err.text : "no answer");
    return EXIT_REFUSED;
}
