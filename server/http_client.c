/* http_client.c - connect, write, read to the end of the answer, all before one deadline. */
#include "http_client.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "http_chunk.h"
#include "runtime/base/clock.h"

enum { ANSWER_MOST = 16 << 20, AT_ONCE = 16 << 10, LABEL = 256 };

typedef struct {
    const http_question *q;
    const char *host; /* of http and https: as in Host, with the port; of unix "localhost" */
    bool secure, local;
    int fd;
    SSL_CTX *context;
    SSL *session;
    int64_t until_ns;
} talk;

/* ---- where ---- */

static status read_where(talk *t, error *err)
{
    static const char schemes[3][9] = {"http://", "https://", "unix:"};
    for (int i = 0; i < 3; i++) {
        const size_t n = strlen(schemes[i]);
        if (strncmp(t->q->where, schemes[i], n) || !t->q->where[n]) continue;
        t->secure = i == 1;
        t->local = i == 2;
        t->host = t->local ? "localhost" : t->q->where + n;
        if (!strpbrk(t->q->where + n, t->local ? "\r\n" : "/?#@ \r\n")) return OK;
    }
    return fail(err, BAD_INPUT, "\"%.100s\": wanted http://HOST:PORT, https://HOST:PORT or unix:PATH", t->q->where);
}

status http_split_url(const char *url, char where[256], const char **target, error *err)
{
    const bool secure = !strncmp(url, "https://", 8);
    const char *host = url + (secure ? 8 : 7);
    if (!secure && strncmp(url, "http://", 7))
        return fail(err, BAD_INPUT, "\"%.100s\": wanted http://HOST[:PORT]/... or https://...", url);
    const size_t n = strcspn(host, "/?#");
    if (n == 0 || n > 200 || strpbrk(url, "@ \r\n\t#"))
        return fail(err, BAD_INPUT, "\"%.100s\": no URL to post to", url);
    snprintf(where, 256, "%.*s", (int)(host - url + (ptrdiff_t)n), url);
    *target = host[n] ? host + n : "/";
    if (**target != '/') return fail(err, BAD_INPUT, "\"%.100s\": a path is wanted before the query", url);
    return OK;
}

/* "host:port", "[::1]:port" or "host", which has the scheme's port. */
static void split_host(const talk *t, char name[LABEL], char port[16])
{
    const char *host = t->host, *colon = strrchr(host, ':'), *bracket = strchr(host, ']');
    if (colon && bracket && colon < bracket) colon = NULL;
    const char *end = colon ? colon : host + strlen(host);
    snprintf(port, 16, "%.15s", colon ? colon + 1 : t->secure ? "443" : "80");
    if (*host == '[' && bracket) snprintf(name, LABEL, "%.*s", (int)(bracket - host - 1), host + 1);
    else snprintf(name, LABEL, "%.*s", (int)(end - host), host);
}

/* ---- waiting ---- */

static status await(const talk *t, short events, error *err)
{
    struct pollfd p = {.fd = t->fd, .events = events};
    for (int64_t left_ns; (left_ns = t->until_ns - clock_ns()) > 0;) /* a signal ends poll() before its time */
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
    char name[LABEL], port[16];
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV}, *found = NULL;
    split_host(t, name, port);
    const int failed = getaddrinfo(name, port, &hints, &found);
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
    char why[120];
    const long verdict = t->session ? SSL_get_verify_result(t->session) : X509_V_OK;
    ERR_error_string_n(ERR_peek_last_error(), why, sizeof why);
    return fail(err, IO_FAILED, "%.100s: TLS: %s", t->q->where,
                verdict != X509_V_OK ? X509_verify_cert_error_string(verdict) : why);
}

static status make_session(talk *t, error *err)
{
    char name[LABEL], port[16];
    unsigned char literal[16];
    const char *ca = t->q->ca_file;
    split_host(t, name, port);
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
    case SSL_ERROR_WANT_READ: return await(t, POLLIN, err);
    case SSL_ERROR_WANT_WRITE: return await(t, POLLOUT, err);
    default: return refused_by_tls(t, err);
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

/* *n 0: the end. */
static status receive(talk *t, char *p, size_t *n, error *err)
{
    for (status rc = OK;;) {
        const ssize_t got = t->secure ? SSL_read(t->session, p, AT_ONCE) : recv(t->fd, p, AT_ONCE, 0);
        *n = got > 0 ? (size_t)got : 0;
        if (got > 0) return OK;
        if (t->secure) {
            const int why = SSL_get_error(t->session, (int)got);
            if (why == SSL_ERROR_ZERO_RETURN || ERR_GET_REASON(ERR_peek_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING)
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

/* We ask for no second answer, so the server closes behind the first. */
static status receive_all(talk *t, out *all, error *err)
{
    size_t n;
    do {
        if (!out_reserve(all, AT_ONCE)) return fail(err, NO_MEMORY, "no memory for an answer of %zu bytes", all->n);
        const status rc = receive(t, all->p + all->n, &n, err);
        if (rc != OK) return rc;
        all->n += n;
        if (all->n > ANSWER_MOST)
            return fail(err, IO_FAILED, "%.120s answers with more than %d bytes", t->q->where, ANSWER_MOST);
    } while (n);
    return OK;
}

/* ---- the answer ---- */

static status no_http(const talk *t, const char *what, error *err)
{
    return fail(err, IO_FAILED, "%.120s answers %s", t->q->where, what);
}

/* The value of a field of the head, NULL: it is not there; the first where it is there twice. */
static const char *field_of(const char *head, const char *name)
{
    for (const char *line = strstr(head, "\r\n"); line; line = strstr(line + 2, "\r\n")) {
        const size_t n = strlen(name);
        if (strncasecmp(line + 2, name, n) || line[2 + n] != ':') continue;
        const char *value = line + 3 + n;
        return value + strspn(value, " \t");
    }
    return NULL;
}

static status take_chunks(const talk *t, const char *p, size_t n, out *body, error *err)
{
    http_chunks chunks = {0};
    const char *why;
    for (size_t used;; p += used, n -= used) {
        switch (http_chunk_next(&chunks, p, n, &used, &why)) {
        case CHUNK_FRAMING: break;
        case CHUNK_PAYLOAD: out_bytes(body, p, used); break;
        case CHUNK_END: return OK;
        case CHUNK_NEEDS_MORE: return no_http(t, "with half a body", err);
        case CHUNK_MALFORMED: return no_http(t, "with a broken chunk", err);
        }
    }
}

/* all is NUL-terminated; `n` bytes. */
static status take_answer(const talk *t, const char *p, size_t n, int *code, out *body, error *err)
{
    const char *end;
    do {
        int minor;
        end = strstr(p, "\r\n\r\n");
        if (!end || sscanf(p, "HTTP/1.%1d %3d", &minor, code) != 2 || *code < 100) return no_http(t, "no HTTP", err);
        n -= (size_t)(end + 4 - p);
        if (*code < 200) p = end + 4;
    } while (*code < 200); /* interim ones come before */
    char *head = strndup(p, (size_t)(end + 2 - p));
    if (!head) return fail(err, NO_MEMORY, "no memory for an answer");
    const char *length = field_of(head, "content-length"), *coding = field_of(head, "transfer-encoding");
    status rc = OK;
    if (coding && !strncasecmp(coding, "chunked", 7)) {
        rc = take_chunks(t, end + 4, n, body, err);
    } else if (length && (*length < '0' || *length > '9')) {
        rc = no_http(t, "with a broken length", err);
    } else if (length && strtoull(length, NULL, 10) > n) {
        rc = no_http(t, "with half a body", err);
    } else {
        out_bytes(body, end + 4, length ? (size_t)strtoull(length, NULL, 10) : n);
    }
    free(head);
    if (rc == OK && body->failed) rc = fail(err, NO_MEMORY, "no memory for an answer of %zu bytes", n);
    return rc;
}

/* ---- all of it ---- */

static bool one_line(const char *text) { return !strpbrk(text, "\r\n"); }

static status write_question(const talk *t, out *o, error *err)
{
    const http_question *q = t->q;
    if (!one_line(q->method) || !one_line(q->target) || *q->target != '/' || strchr(q->target, ' '))
        return fail(err, BAD_INPUT, "\"%.60s %.100s\" is no request", q->method, q->target);
    out_format(o, "%s %s HTTP/1.1\r\nhost: %s\r\nconnection: close\r\n%s", q->method, q->target, t->host, q->headers);
    if (q->body) out_format(o, "content-type: application/json\r\ncontent-length: %zu\r\n", q->body_bytes);
    else if (strcmp(q->method, "GET")) out_text(o, "content-length: 0\r\n");
    out_text(o, "\r\n");
    if (q->body) out_bytes(o, q->body, q->body_bytes);
    return o->failed ? fail(err, NO_MEMORY, "no memory for a request") : OK;
}

status http_ask(const http_question *q, int *code, out *answer, error *err)
{
    talk t = {.q = q, .fd = -1, .until_ns = clock_ns() + (int64_t)q->limit_ms * 1000000};
    const size_t before = answer->n;
    out question = {0}, all = {0};
    *code = 0;
    status rc = read_where(&t, err);
    if (rc == OK) rc = write_question(&t, &question, err);
    if (rc == OK) rc = t.local ? connect_local(&t, err) : connect_remote(&t, err);
    if (rc == OK && t.secure) rc = shake_hands(&t, err);
    if (rc == OK) rc = send_all(&t, question.p, question.n, err);
    if (rc == OK) rc = receive_all(&t, &all, err);
    out_bytes(&all, "", 1);
    if (rc == OK && all.failed) rc = fail(err, NO_MEMORY, "no memory for an answer");
    if (rc == OK) rc = take_answer(&t, all.p, all.n - 1, code, answer, err);
    if (rc != OK) {
        *code = 0;
        answer->n = before;
    }
    SSL_free(t.session);
    SSL_CTX_free(t.context);
    if (t.fd >= 0) close(t.fd);
    out_free(&question);
    out_free(&all);
    return rc;
}
