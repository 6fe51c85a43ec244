#include "small_server.h"
#include <CUnit/CUnit.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void pause_ms(int ms) { poll(NULL, 0, ms); }

/* false: the client has left, or shall. */
static bool answer(small_server *s, int fd)
{
    char text[4096];
    const ssize_t n = recv(fd, text, sizeof text - 1, 0);
    if (n <= 0) return false;
    text[n] = 0;
    if (!strncmp(text, "GET ", 4)) {
        atomic_fetch_add(&s->documents, 1);
        const char *document = s->document;
        if (document) send(fd, document, strlen(document), MSG_NOSIGNAL);
        return document != NULL;
    }
    if (strncmp(text, "POST /embed HTTP/1.1\r\n", 22) || strcmp(text + n - 2, "\"}")) return false; /* not whole */
    const int at = atomic_fetch_add(&s->requests, 1);
    if (at == s->stall_at) pause_ms(SMALL_SERVER_STALL_MS);
    const int ms = s->slower_from && at >= s->slower_from ? s->later_ms : s->each_ms;
    if (ms) pause_ms(ms);
    if (s->reply) {
        const size_t all = strlen(s->reply), first = s->halves ? all / 2 : all;
        send(fd, s->reply, first, MSG_NOSIGNAL);
        if (s->halves) pause_ms(1);
        if (s->halves) send(fd, s->reply + first, all - first, MSG_NOSIGNAL);
    }
    return !s->closes;
}

static void *serve(void *arg)
{
    small_server *s = arg;
    struct pollfd p[1 + SMALL_SERVER_CLIENTS] = {{.fd = s->listener, .events = POLLIN}};
    int n = 1;
    while (!atomic_load(&s->stop)) {
        poll(p, (nfds_t)n, 20);
        for (int i = n - 1; i > 0; i--) {
            if (!p[i].revents || answer(s, p[i].fd)) continue;
            close(p[i].fd);
            p[i] = p[--n];
        }
        if (n <= SMALL_SERVER_CLIENTS && p[0].revents) {
            p[n] = (struct pollfd){.fd = accept(s->listener, NULL, NULL), .events = POLLIN};
            if (p[n].fd >= 0 && s->drops-- > 0) close(p[n].fd);
            else if (p[n].fd >= 0) n++;
        }
    }
    while (--n > 0) close(p[n].fd);
    return NULL;
}

void small_server_start(small_server *s)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof a;
    s->listener = socket(AF_INET, SOCK_STREAM, 0);
    CU_ASSERT_FATAL(!bind(s->listener, (struct sockaddr *)&a, n) && !listen(s->listener, SMALL_SERVER_CLIENTS));
    getsockname(s->listener, (struct sockaddr *)&a, &n);
    s->port = ntohs(a.sin_port);
    CU_ASSERT_EQUAL_FATAL(pthread_create(&s->thread, NULL, serve, s), 0);
}

void small_server_stop(small_server *s)
{
    atomic_store(&s->stop, 1);
    pthread_join(s->thread, NULL);
    close(s->listener);
}
