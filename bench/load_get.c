#include "load_get.h"
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "load_reply.h"

enum { PATIENCE_S = 5, ANSWER_MAX = 8 << 20 };

static status dial(int *out, const char *host, const char *port, error *err)
{
    struct addrinfo wanted = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV}, *address = NULL;
    const struct timeval patience = {.tv_sec = PATIENCE_S};
    const int rc = getaddrinfo(host, port, &wanted, &address);
    if (rc) return fail(err, NOT_FOUND, "%s: %s", host, gai_strerror(rc));
    const int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    const bool open = fd >= 0 && !connect(fd, address->ai_addr, address->ai_addrlen);
    const int why = errno;
    freeaddrinfo(address);
    *out = fd;
    if (open) return OK;
    if (fd >= 0) close(fd);
    return fail(err, UNAVAILABLE, "%s port %s: %s", host, port, why == EINPROGRESS ? "no connection" : strerror(why));
}

/* The whole reply, until the parser has seen its end. */
static status receive(char *bytes, size_t *n, int fd, load_reply *reply)
{
    for (load_reply_state state = LOAD_REPLY_WANTS_MORE; state == LOAD_REPLY_WANTS_MORE;) {
        const ssize_t got = *n < ANSWER_MAX ? recv(fd, bytes + *n, ANSWER_MAX - *n, 0) : 0;
        if (got <= 0) return UNAVAILABLE;
        state = load_reply_feed(reply, bytes + *n, (size_t)got);
        *n += (size_t)got;
        if (state == LOAD_REPLY_MALFORMED) return MALFORMED;
    }
    return OK;
}

status load_get(char **body, const char *host, const char *port, const char *path, error *err)
{
    char request[1024];
    int fd = -1;
    size_t n = 0;
    *body = NULL;
    const int length = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nhost: %s:%s\r\nconnection: close\r\n\r\n",
                                path, host, port);
    char *bytes = malloc(ANSWER_MAX + 1);
    load_reply *reply = calloc(1, sizeof *reply);
    status rc = bytes && reply ? dial(&fd, host, port, err) : fail(err, NO_MEMORY, "no memory for %s", path);
    if (rc == OK) {
        if (send(fd, request, (size_t)length, MSG_NOSIGNAL) != length) rc = UNAVAILABLE;
        else rc = receive(bytes, &n, fd, reply);
        if (rc != OK)
            rc = fail(err, rc, "%s port %s: %s %s", host, port, path, rc == MALFORMED ? "is no HTTP" : "has no answer");
        close(fd);
    }
    if (rc == OK && reply->code != 200)
        rc = fail(err, UNAVAILABLE, "%s port %s: %s answers %d, wanted 200", host, port, path, reply->code);
    if (rc == OK) {
        bytes[n] = 0;
        const char *text = strstr(bytes, "\r\n\r\n") + 4;
        memmove(bytes, text, n + 1 - (size_t)(text - bytes));
        *body = bytes;
        bytes = NULL;
    }
    free(bytes);
    free(reply);
    return rc;
}
