#include "client.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

enum { WAIT_S = 30, READ_BYTES = 64 << 10 };

static bool open_at(client *c, const struct sockaddr *at, socklen_t n)
{
    struct timeval wait = {WAIT_S, 0};
    *c = (client){.fd = socket(at->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    if (c->fd < 0) return false;
    setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    setsockopt(c->fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait);
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    if (!connect(c->fd, at, n)) return true;
    client_close(c);
    return false;
}

bool client_open(client *c, int port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port)};
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return open_at(c, (const struct sockaddr *)&at, sizeof at);
}

bool client_open_unix(client *c, const char *path)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    snprintf(at.sun_path, sizeof at.sun_path, "%s", path);
    return open_at(c, (const struct sockaddr *)&at, sizeof at);
}

void client_close(client *c)
{
    if (c->layer) c->layer->close(c->session);
    if (c->fd >= 0) close(c->fd);
    free(c->p);
    free(c->reply);
    *c = (client){.fd = -1};
}

void client_reset(client *c)
{
    struct linger now = {.l_onoff = 1};
    setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    client_close(c);
}

bool client_send(client *c, const char *p, size_t n)
{
    while (n) {
        ssize_t sent = c->layer ? c->layer->send(c->session, p, n) : send(c->fd, p, n, MSG_NOSIGNAL);
        if (sent <= 0) return false;
        p += sent, n -= (size_t)sent;
    }
    return true;
}

bool client_text(client *c, const char *text) { return client_send(c, text, strlen(text)); }

void client_finish(client *c) { shutdown(c->fd, SHUT_WR); }

static ssize_t receive(client *c, char *p, size_t n)
{
    return c->layer ? c->layer->receive(c->session, p, n) : recv(c->fd, p, n, 0);
}

/* Reads once; false at the end, a reset, or after WAIT_S. */
static bool fill(client *c)
{
    if (c->cap - c->n <= READ_BYTES) {
        size_t cap = c->cap * 2 + READ_BYTES * 2;
        char *p = realloc(c->p, cap);
        if (!p) return false;
        c->p = p;
        c->cap = cap;
    }
    ssize_t n = receive(c, c->p + c->n, READ_BYTES);
    if (n <= 0) return false;
    c->n += (size_t)n;
    return true;
}

static client_reply read_reply(client *c, bool has_body)
{
    client_reply none = {0}, r = {0};
    char length[32], *end;
    free(c->reply);
    c->reply = NULL;
    while (!(end = c->n ? memmem(c->p, c->n, "\r\n\r\n", 4) : NULL))
        if (!fill(c)) return none;
    size_t head = (size_t)(end - c->p) + 4, body = 0;
    char *text = strndup(c->p, head);
    if (!text) return none;
    r.head = text;
    if (has_body && client_field(&r, "content-length", length, sizeof length)) body = strtoul(length, NULL, 10);
    if (sscanf(text, "HTTP/1.1 %d ", &r.status) != 1) r.status = 0;
    while (c->n < head + body)
        if (!fill(c)) break;
    c->reply = c->n >= head + body ? realloc(text, head + body + 2) : NULL;
    if (!c->reply) {
        free(text);
        return none;
    }
    memcpy(c->reply + head + 1, c->p + head, body);
    c->reply[head + 1 + body] = 0;
    c->n -= head + body;
    memmove(c->p, c->p + head + body, c->n);
    return (client_reply){r.status, c->reply, c->reply + head + 1, body};
}

client_reply client_read(client *c) { return read_reply(c, true); }

client_reply client_read_head(client *c) { return read_reply(c, false); }

client_reply client_read_final(client *c)
{
    client_reply r = client_read(c);
    while (r.status / 100 == 1) r = client_read(c);
    return r;
}

bool client_ended(client *c)
{
    char byte;
    ssize_t n = c->n ? 1 : receive(c, &byte, 1);
    return n == 0 || (n < 0 && errno != EAGAIN);
}

bool client_silent(client *c, int ms)
{
    struct pollfd readable = {.fd = c->fd, .events = POLLIN};
    return c->n == 0 && poll(&readable, 1, ms) == 0;
}

bool client_field(const client_reply *r, const char *name, char *value, size_t cap)
{
    size_t n = strlen(name);
    if (!r->head) return false; /* there was no reply */
    for (const char *line = strstr(r->head, "\r\n"); line && line[2] != '\r'; line = strstr(line + 2, "\r\n")) {
        if (strncasecmp(line + 2, name, n) || line[2 + n] != ':') continue;
        const char *from = line + 2 + n + 1, *end = strstr(from, "\r\n");
        while (*from == ' ') from++;
        snprintf(value, cap, "%.*s", (int)(end - from), from);
        return true;
    }
    return false;
}

bool client_has(const client_reply *r, const char *name, const char *value)
{
    char seen[256];
    return r->status && client_field(r, name, seen, sizeof seen) && !strcmp(seen, value);
}

client_reply client_ask(client *c, int port, const char *text)
{
    if (!client_open(c, port) || !client_text(c, text)) return (client_reply){0};
    return client_read_final(c);
}
