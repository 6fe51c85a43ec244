/* http_client.c - connect, write, read until the answer is whole, all before one deadline. */
#include "http_client.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "http_answer.h"
#include "http_parse.h"
#include "runtime/base/clock.h"

enum { AT_ONCE = 16 << 10, LABEL = 256, PORT = 6, URL_HOST_MAX = 200 };

typedef struct {
    const http_question *q;
    const char *host; /* as in Host: of http and https with the port, of unix "localhost" */
    char name[LABEL], port[PORT];
    bool secure, local;
    int fd;
    SSL_CTX *context;
    SSL *session;
    int64_t until_ns;
} talk;

/* ---- where ---- */

static bool is_visible(const char *p, size_t n)
{
    size_t i = 0;
    while (i < n && p[i] > ' ' && p[i] < 0x7f) i++;
    return i == n;
}

/* "host", "host:port", "[::1]:port"; without a port that is "". */
static bool split_authority(const char *p, size_t n, char name[LABEL], char port[PORT])
{
    const bool bracket = n && *p == '[';
    const char *end = p + n, *from = p + bracket, *stop = n ? memchr(p, bracket ? ']' : ':', n) : NULL;
    const size_t length = (size_t)((stop ? stop : end) - from);
    const char *rest = stop ? stop + bracket : end;
    if (length == 0 || length >= LABEL || (bracket && !stop) || !is_visible(p, n) || memchr(p, '@', n)) return false;
    memcpy(name, from, length);
    name[length] = 0;
    *port = 0;
    if (rest == end) return true;
    const size_t digits = (size_t)(end - rest) - 1;
    if (*rest != ':' || digits < 1 || digits >= PORT) return false;
    memcpy(port, rest + 1, digits);
    port[digits] = 0;
    const int number = atoi(port);
    return strspn(port, "0123456789") == digits && number >= 1 && number <= 65535;
}

static status read_where(talk *t, error *err)
{
    static const char schemes[3][9] = {"http://", "https://", "unix:"};
    for (int i = 0; i < 3; i++) {
        const size_t n = strlen(schemes[i]);
        if (strncmp(t->q->where, schemes[i], n) || !t->q->where[n]) continue;
        const char *at = t->q->where + n;
        t->secure = i == 1;
        t->local = i == 2;
        t->host = t->local ? "localhost" : at;
        if (t->local || (!strpbrk(at, "/?#") && split_authority(at, strlen(at), t->name, t->port))) return OK;
    }
    return fail(err, BAD_INPUT, "\"%.100s\": wanted http://HOST:PORT, https://HOST:PORT or unix:PATH", t->q->where);
}

/* Its path is often a secret, so only what comes before it is shown. */
status http_split_url(const char *url, char where[256], const char **target, error *err)
{
    char name[LABEL], port[PORT];
    const size_t scheme = !strncmp(url, "https://", 8) ? 8 : !strncmp(url, "http://", 7) ? 7 : 0;
    if (!scheme) return fail(err, BAD_INPUT, "\"%.8s...\": wanted http://HOST[:PORT]/... or https://...", url);
    const size_t n = strcspn(url + scheme, "/?#");
    if (n > URL_HOST_MAX || !split_authority(url + scheme, n, name, port))
        return fail(err, BAD_INPUT, "\"%.*s\" is no scheme, host and port of a URL", (int)(n < 100 ? n + scheme : 100),
                    url);
    const char *rest = url + scheme + n;
    snprintf(where, 256, "%.*s", (int)(rest - url), url);
    *target = *rest ? rest : "/";
    if (**target == '/' && is_visible(*target, strlen(*target)) && !strchr(*target, '#')) return OK;
    return fail(err, BAD_INPUT, "%s...: wanted a path of visible ASCII, without a fragment", where);
}

/* ---- waiting ---- */

static status await(const talk *t, short events, error *err)
{
    struct pollfd p = {.fd = t->fd, .events = events};
    for (int64_t left_ns; (left_ns = t->until_ns - clock_ns()) > 0;)
        if (poll(&p, 1, (int)(left_ns / 1000000) + 1) > 0) return OK;
    return fail(err, EXPIRED, "%.120s has not answered within %d ms", t->q->where, t->q->limit_ms);
}

static status broken(const talk *t, const char *what, error *err)
{
    return fail(err, IO_FAILED, "%.120s: %s: %s", t->q->where, what, strerror(errno));
}

/* ---- connecting ---- */

static status connect_to(talk *t, const struct sockaddr *at, socklen_t n, error *err)
{
    int failed = 0;
    socklen_t size = sizeof failed;
    t->fd = socket(at->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (t->fd < 0) return broken(t, "no socket", err);
    if (!connect(t->fd, at, n)) return OK;
    if (errno != EINPROGRESS) return broken(t, "cannot connect", err);
    const status rc = await(t, POLLOUT, err);
    if (rc != OK) return rc;
    if (!getsockopt(t->fd, SOL_SOCKET, SO_ERROR, &failed, &size) && !failed) return OK;
    errno = failed;
    return broken(t, "cannot connect", err);
}

static status connect_local(talk *t, error *err)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    const char *path = t->q->where + strlen("unix:");
    if (strlen(path) >= sizeof at.sun_path)
        return fail(err, BAD_INPUT, "%.120s: a path of %zu bytes, at most %zu", t->q->where, strlen(path),
                    sizeof at.sun_path - 1);
    memcpy(at.sun_path, path, strlen(path));
    return connect_to(t, (const struct sockaddr *)&at, sizeof at, err);
}

/* The addresses of a name in turn. */
static status connect_remote(talk *t, error *err)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV}, *found = NULL;
    const int failed = getaddrinfo(t->name, *t->port ? t->port : t->secure ? "443" : "80", &hints, &found);
    if (failed) return fail(err, IO_FAILED, "%.120s: %s", t->q->where, gai_strerror(failed));
    status rc = fail(err, IO_FAILED, "%.120s has no address", t->q->where);
    for (const struct addrinfo *a = found; a && rc != OK && rc != EXPIRED; a = a->ai_next) {
        if (t->fd >= 0) close(t->fd);
        rc = connect_to(t, a->ai_addr, a->ai_addrlen, err);
    }
    freeaddrinfo(found);
    return rc;
}

/* ---- TLS ---- */

static status refused_by_tls(const talk *t, error *err)
{
    const int seen = errno;
    const long verdict = t->session ? SSL_get_verify_result(t->session) : X509_V_OK;
    const char *why = ERR_reason_error_string(ERR_peek_last_error());
    if (verdict != X509_V_OK) why = X509_verify_cert_error_string(verdict);
    return fail(err, IO_FAILED, "%.120s: TLS: %.100s", t->q->where, why ? why : strerror(seen));
}

static status make_session(talk *t, error *err)
{
    unsigned char literal[16];
    const char *ca = t->q->ca_file, *name = t->name;
    ERR_clear_error();
    t->context = SSL_CTX_new(TLS_client_method());
    if (!t->context) return fail(err, NO_MEMORY, "no memory for TLS");
    SSL_CTX_set_min_proto_version(t->context, TLS1_2_VERSION);
    SSL_CTX_set_verify(t->context, SSL_VERIFY_PEER, NULL);
    if (ca && *ca ? SSL_CTX_load_verify_locations(t->context, ca, NULL) != 1
                  : SSL_CTX_set_default_verify_paths(t->context) != 1)
        return fail(err, BAD_INPUT, "%.100s holds no certificate to trust", ca && *ca ? ca : "the system");
    t->session = SSL_new(t->context);
    if (!t->session || SSL_set_fd(t->session, t->fd) != 1) return fail(err, NO_MEMORY, "no memory for TLS");
    const bool address = inet_pton(AF_INET, name, literal) == 1 || inet_pton(AF_INET6, name, literal) == 1;
    if (address && X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(t->session), name) == 1) return OK;
    if (!address && SSL_set1_host(t->session, name) == 1 && SSL_set_tlsext_host_name(t->session, name) == 1) return OK;
    return refused_by_tls(t, err);
}

/* What a call that did not succeed waits for. */
static status await_tls(talk *t, int result, error *err)
{
    switch (SSL_get_error(t->session, result)) {
    case SSL_ERROR_WANT_READ:
        return await(t, POLLIN, err);
    case SSL_ERROR_WANT_WRITE:
        return await(t, POLLOUT, err);
    default:
        return refused_by_tls(t, err);
    }
}

static status shake_hands(talk *t, error *err)
{
    status rc = make_session(t, err);
    while (rc == OK) {
        const int result = SSL_connect(t->session);
        if (result == 1) break;
        rc = await_tls(t, result, err);
    }
    return rc;
}

/* ---- bytes ---- */

static status send_all(talk *t, const char *p, size_t n, error *err)
{
    status rc = OK;
    while (n && rc == OK) {
        const int part = n < AT_ONCE ? (int)n : AT_ONCE;
        const ssize_t sent = t->secure ? SSL_write(t->session, p, part) : send(t->fd, p, (size_t)part, MSG_NOSIGNAL);
        if (sent > 0) {
            p += sent;
            n -= (size_t)sent;
        } else if (t->secure) {
            rc = await_tls(t, (int)sent, err);
        } else {
            rc = errno == EAGAIN ? await(t, POLLOUT, err) : broken(t, "cannot send", err);
        }
    }
    return rc;
}

/* *n 0: the end, which a TLS peer need not announce: framing shows whether an answer is whole. */
static status receive(talk *t, char *p, size_t room, size_t *n, error *err)
{
    for (status rc = OK;;) {
        const ssize_t got = t->secure ? SSL_read(t->session, p, (int)room) : recv(t->fd, p, room, 0);
        *n = got > 0 ? (size_t)got : 0;
        if (got > 0) return OK;
        if (t->secure) {
            const int why = SSL_get_error(t->session, (int)got);
            if (why == SSL_ERROR_ZERO_RETURN ||
                ERR_GET_REASON(ERR_peek_last_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING)
                return OK;
            rc = await_tls(t, (int)got, err);
        } else if (got == 0) {
            return OK;
        } else {
            rc = errno == EAGAIN ? await(t, POLLIN, err) : broken(t, "cannot read", err);
        }
        if (rc != OK) return rc;
    }
}

/* Never out of room: of what it needs more of, http_answer takes no more than 16 KiB. */
static status receive_answer(talk *t, int *code, out *body, error *err)
{
    char seen[AT_ONCE];
    size_t n = 0, got, used;
    http_answer a = {.code = 0};
    error why;
    status rc;
    do {
        rc = receive(t, seen + n, sizeof seen - n, &got, err);
        if (rc != OK) return rc;
        n += got;
        rc = got ? http_answer_take(&a, seen, n, &used, body, &why) : http_answer_end(&a, &why);
        if (got) memmove(seen, seen + used, n -= used);
    } while (rc == PENDING);
    *code = a.code;
    return rc == OK ? OK : fail(err, rc, "%.100s answers no HTTP: %.120s", t->q->where, why.text);
}

/* ---- all of it ---- */

/* Where the message ends and whom it is for is ours to say. */
static bool is_ours(http_slice name)
{
    return http_is(name, "host") || http_is(name, "connection") || http_is(name, "content-length") ||
           http_is(name, "transfer-encoding");
}

static bool are_headers(const char *p)
{
    for (http_slice name, value; *p;) {
        const char *end = strstr(p, "\r\n");
        if (!end || !http_parse_field(p, (size_t)(end - p), &name, &value) || is_ours(name)) return false;
        p = end + 2;
    }
    return true;
}

static status write_question(const talk *t, out *o, error *err)
{
    const http_question *q = t->q;
    const size_t method = strlen(q->method);
    if (strspn(q->method, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != method || !method || *q->target != '/' ||
        !is_visible(q->target, strlen(q->target)))
        return fail(err, BAD_INPUT, "\"%.20s %.100s\" is no request", q->method, q->target);
    if (!are_headers(q->headers)) /* one of them may be a key */
        return fail(err, BAD_INPUT, "%s %.100s: its headers are no lines \"name: value\", or are ours to say",
                    q->method, q->target);
    out_format(o, "%s %s HTTP/1.1\r\nhost: %s\r\nconnection: close\r\n%s", q->method, q->target, t->host, q->headers);
    if (q->body) out_format(o, "content-type: application/json\r\ncontent-length: %zu\r\n", q->body_bytes);
    else if (strcmp(q->method, "GET")) out_text(o, "content-length: 0\r\n");
    out_text(o, "\r\n");
    if (q->body) out_bytes(o, q->body, q->body_bytes);
    return o->failed ? fail(err, NO_MEMORY, "no memory for a request") : OK;
}

/* libssl has no MSG_NOSIGNAL: a peer that has left must be an error and not our end. */
static void hold_sigpipe(sigset_t *pipe, sigset_t *before)
{
    sigemptyset(pipe);
    sigaddset(pipe, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, pipe, before);
}

static void forget_sigpipe(const sigset_t *pipe, const sigset_t *before)
{
    while (!sigismember(before, SIGPIPE) && sigtimedwait(pipe, NULL, &(struct timespec){0}) > 0) continue;
    pthread_sigmask(SIG_SETMASK, before, NULL);
}

status http_ask(const http_question *q, int *code, out *answer, error *err)
{
    talk t = {.q = q, .fd = -1, .until_ns = clock_ns() + (int64_t)q->limit_ms * 1000000};
    out question = {0};
    sigset_t pipe, before;
    *code = 0;
    hold_sigpipe(&pipe, &before);
    status rc = read_where(&t, err);
    if (rc == OK) rc = write_question(&t, &question, err);
    if (rc == OK) rc = t.local ? connect_local(&t, err) : connect_remote(&t, err);
    if (rc == OK && t.secure) rc = shake_hands(&t, err);
    if (rc == OK) rc = send_all(&t, question.p, question.n, err);
    if (rc == OK) rc = receive_answer(&t, code, answer, err);
    if (rc != OK) *code = 0;
    if (rc != OK) out_free(answer);
    SSL_free(t.session);
    SSL_CTX_free(t.context);
    if (t.fd >= 0) close(t.fd);
    out_free(&question);
    forget_sigpipe(&pipe, &before);
    return rc;
}
