#include "scripted_server.h"
#include <CUnit/CUnit.h>
#include <arpa/inet.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "runtime/base/clock.h"

enum { REQUESTS = 256, ROOM = 4 << 20 };

struct scripted_server {
    script does;
    SSL_CTX *tls;
    pthread_t thread;
    int listener, port;
    pthread_mutex_t lock; /* of the rest */
    int connection;       /* -1: none */
    bool silent, ends;
    int n, left;
    char *request[REQUESTS]; /* [n] */
    long long asked_ns[REQUESTS];
};

static void nap(int ms) { nanosleep(&(struct timespec){.tv_nsec = ms * 1000000L}, NULL); }

/* ---- a connection ---- */

/* It and its body are there. */
static bool is_whole(const char *p, size_t n)
{
    const char *end = strstr(p, "\r\n\r\n"), *length = strcasestr(p, "\r\ncontent-length:");
    if (!end) return false;
    return n >= (size_t)(end + 4 - p) + (length && length < end ? strtoull(length + 17, NULL, 10) : 0);
}

/* NULL: the client ended before. */
static char *read_request(int fd, SSL *session)
{
    char *p = malloc(ROOM + 1);
    size_t n = 0;
    for (ssize_t got = 1; p && got > 0 && n < ROOM;) {
        got = session ? SSL_read(session, p + n, (int)(ROOM - n)) : recv(fd, p + n, ROOM - n, 0);
        if (got <= 0) break;
        n += (size_t)got;
        p[n] = 0;
        if (is_whole(p, n)) return realloc(p, n + 1);
    }
    free(p);
    return NULL;
}

/* Its answer. */
static const char *keep(scripted_server *s, char *request)
{
    int i = 0;
    pthread_mutex_lock(&s->lock);
    while (i < s->n && s->does.answers[i + 1]) i++;
    s->asked_ns[s->n] = clock_ns();
    s->request[s->n++] = request;
    if (s->n == REQUESTS) s->ends = true;
    pthread_mutex_unlock(&s->lock);
    return s->does.answers[i];
}

static bool is_silent(scripted_server *s)
{
    pthread_mutex_lock(&s->lock);
    const bool silent = s->silent && !s->ends;
    pthread_mutex_unlock(&s->lock);
    return silent;
}

/* false: the client went before. */
static bool may_speak(scripted_server *s, int fd)
{
    char byte;
    while (is_silent(s)) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        if (poll(&p, 1, 2) <= 0 || recv(fd, &byte, 1, MSG_PEEK) > 0) continue;
        pthread_mutex_lock(&s->lock);
        s->left++;
        pthread_mutex_unlock(&s->lock);
        return false;
    }
    return true;
}

static void write_answer(const scripted_server *s, int fd, SSL *session, const char *p)
{
    size_t left = strlen(p);
    ssize_t sent = 1;
    while (left && sent > 0) {
        const size_t part = s->does.drip_ms ? 1 : left < 1 << 20 ? left : 1 << 20;
        sent = session ? SSL_write(session, p, (int)part) : send(fd, p, part, MSG_NOSIGNAL);
        p += sent > 0 ? sent : 0;
        left -= sent > 0 ? (size_t)sent : 0;
        if (s->does.drip_ms) nap(s->does.drip_ms);
    }
}

static void serve(scripted_server *s, int fd)
{
    SSL *session = s->tls ? SSL_new(s->tls) : NULL;
    const bool open = !session || (SSL_set_fd(session, fd) == 1 && SSL_accept(session) == 1);
    char *request = open ? read_request(fd, session) : NULL;
    if (request) {
        const char *answer = keep(s, request);
        if (may_speak(s, fd)) write_answer(s, fd, session, answer);
        if (session && !s->does.breaks_off) SSL_shutdown(session);
    }
    SSL_free(session);
}

/* false: it ends. */
static bool is_at(scripted_server *s, int fd)
{
    pthread_mutex_lock(&s->lock);
    const bool ends = s->ends;
    s->connection = ends ? -1 : fd;
    pthread_mutex_unlock(&s->lock);
    return !ends;
}

static void *run(void *arg)
{
    scripted_server *s = arg;
    for (int fd; (fd = accept(s->listener, NULL, NULL)) >= 0; close(fd)) {
        if (is_at(s, fd)) serve(s, fd);
        is_at(s, -1);
    }
    return NULL;
}

/* ---- the test's side ---- */

static void listen_at(scripted_server *s, const char *path)
{
    struct sockaddr_un local = {.sun_family = AF_UNIX};
    struct sockaddr_in remote = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const struct sockaddr *at = path ? (const struct sockaddr *)&local : (const struct sockaddr *)&remote;
    socklen_t n = path ? sizeof local : sizeof remote;
    if (path) strncpy(local.sun_path, path, sizeof local.sun_path - 1);
    s->listener = socket(at->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CU_ASSERT_FATAL(s->listener >= 0 && !bind(s->listener, at, n) && !listen(s->listener, 16));
    if (path) return;
    CU_ASSERT_EQUAL_FATAL(getsockname(s->listener, (struct sockaddr *)&remote, &n), 0);
    s->port = ntohs(remote.sin_port);
}

scripted_server *scripted_open(script does)
{
    scripted_server *s = calloc(1, sizeof *s);
    CU_ASSERT_PTR_NOT_NULL_FATAL(s);
    s->does = does;
    s->silent = does.silent;
    s->connection = -1;
    pthread_mutex_init(&s->lock, NULL);
    listen_at(s, does.unix_path);
    if (does.certificate) {
        s->tls = SSL_CTX_new(TLS_server_method());
        CU_ASSERT_EQUAL_FATAL(SSL_CTX_use_certificate_file(s->tls, does.certificate, SSL_FILETYPE_PEM), 1);
        CU_ASSERT_EQUAL_FATAL(SSL_CTX_use_PrivateKey_file(s->tls, does.private_key, SSL_FILETYPE_PEM), 1);
    }
    CU_ASSERT_EQUAL_FATAL(pthread_create(&s->thread, NULL, run, s), 0);
    return s;
}

void scripted_close(scripted_server *s)
{
    pthread_mutex_lock(&s->lock);
    s->ends = true;
    if (s->connection >= 0) shutdown(s->connection, SHUT_RDWR);
    shutdown(s->listener, SHUT_RDWR); /* ends accept() */
    pthread_mutex_unlock(&s->lock);
    pthread_join(s->thread, NULL);
    close(s->listener);
    if (s->does.unix_path) unlink(s->does.unix_path);
    SSL_CTX_free(s->tls);
    for (int i = 0; i < s->n; i++) free(s->request[i]);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

void scripted_speak(scripted_server *s)
{
    pthread_mutex_lock(&s->lock);
    s->silent = false;
    pthread_mutex_unlock(&s->lock);
}

int scripted_port(const scripted_server *s) { return s->port; }

int scripted_asked(scripted_server *s)
{
    pthread_mutex_lock(&s->lock);
    const int n = s->n;
    pthread_mutex_unlock(&s->lock);
    return n;
}

int scripted_left(scripted_server *s)
{
    pthread_mutex_lock(&s->lock);
    const int left = s->left;
    pthread_mutex_unlock(&s->lock);
    return left;
}

const char *scripted_request(scripted_server *s, int i)
{
    for (int naps = 0; scripted_asked(s) <= i && naps < 30000; naps++) nap(1);
    pthread_mutex_lock(&s->lock);
    const char *request = i < s->n ? s->request[i] : NULL;
    pthread_mutex_unlock(&s->lock);
    CU_ASSERT_PTR_NOT_NULL_FATAL(request);
    return request;
}

long long scripted_asked_ns(scripted_server *s, int i)
{
    pthread_mutex_lock(&s->lock);
    const long long ns = s->asked_ns[i];
    pthread_mutex_unlock(&s->lock);
    return ns;
}
