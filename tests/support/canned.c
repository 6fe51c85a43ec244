#include "canned.h"
#include <CUnit/CUnit.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { REQUESTS_MAX = 256, REQUEST_MAX = 1 << 20, PAUSE_NS = 1000000 };

struct canned {
    canned_options o;
    int listener, port;
    SSL_CTX *context;
    pthread_t thread;
    pthread_mutex_t lock; /* of all below */
    char *request[REQUESTS_MAX];
    int n;
    int fd; /* of the connection that is open, which its thread closes; -1: none */
    bool closing, open;
};

typedef struct {
    int fd;
    SSL *session;
} peer;

static ssize_t peer_read(const peer *p, char *to, size_t n)
{
    return p->session ? SSL_read(p->session, to, (int)n) : recv(p->fd, to, n, 0);
}

static bool peer_write(const peer *p, const char *from, size_t n)
{
    while (n) {
        const ssize_t sent = p->session ? SSL_write(p->session, from, (int)n) : send(p->fd, from, n, MSG_NOSIGNAL);
        if (sent <= 0) return false;
        from += sent, n -= (size_t)sent;
    }
    return true;
}

static size_t whole(const char *text)
{
    const char *end = strstr(text, "\r\n\r\n"), *length = strcasestr(text, "\r\ncontent-length:");
    if (!end) return SIZE_MAX;
    return (size_t)(end + 4 - text) + (length && length < end ? strtoul(length + 17, NULL, 10) : 0);
}

/* NULL: it never came whole. */
static char *read_request(const peer *p)
{
    char *text = calloc(1, REQUEST_MAX + 1);
    size_t n = 0;
    while (text && n < REQUEST_MAX && n < whole(text)) {
        const ssize_t got = peer_read(p, text + n, REQUEST_MAX - n);
        if (got <= 0) break;
        n += (size_t)got;
    }
    if (text && n >= whole(text)) return text;
    free(text);
    return NULL;
}

static void answer(const peer *p, const canned_answer *a)
{
    const size_t n = !a->text ? 0 : a->bytes ? a->bytes : strlen(a->text), piece = a->piece ? a->piece : n;
    for (size_t at = 0; at < n; at += piece) {
        if (!peer_write(p, a->text + at, n - at < piece ? n - at : piece)) return;
        if (a->piece) nanosleep(&(struct timespec){.tv_nsec = PAUSE_NS}, NULL);
    }
}

/* Until the client closes, or canned_close() comes; what has not been read stays so. */
static void hold(const peer *p)
{
    struct pollfd look = {.fd = p->fd, .events = POLLRDHUP};
    while (poll(&look, 1, -1) < 0) continue;
}

static bool is_open(canned *c)
{
    pthread_mutex_lock(&c->lock);
    const bool open = c->open || c->closing;
    pthread_mutex_unlock(&c->lock);
    return open;
}

static void serve(canned *c, peer *p)
{
    if (c->context) {
        p->session = SSL_new(c->context);
        SSL_set_fd(p->session, p->fd);
        if (SSL_accept(p->session) != 1) return;
    }
    pthread_mutex_lock(&c->lock);
    const canned_answer *a = &c->o.answers[c->n < c->o.n ? c->n : c->o.n - 1];
    pthread_mutex_unlock(&c->lock);
    char *request = a->unread ? strdup("") : read_request(p);
    if (!request) return;
    pthread_mutex_lock(&c->lock);
    const bool kept = c->n < REQUESTS_MAX;
    if (kept) c->request[c->n++] = request;
    pthread_mutex_unlock(&c->lock);
    if (!kept) free(request);
    while (a->gated && !is_open(c)) nanosleep(&(struct timespec){.tv_nsec = PAUSE_NS}, NULL);
    answer(p, a);
    if (a->then == CANNED_HOLDS) hold(p);
    if (a->then == CANNED_LEAVES) {
        shutdown(p->fd, SHUT_WR);
        nanosleep(&(struct timespec){.tv_nsec = PAUSE_NS}, NULL);
    }
    if (a->then == CANNED_RESETS || a->then == CANNED_LEAVES)
        setsockopt(p->fd, SOL_SOCKET, SO_LINGER, &(struct linger){.l_onoff = 1}, sizeof(struct linger));
    else if (p->session && a->then != CANNED_QUITS) SSL_shutdown(p->session);
}

static bool begin(canned *c, int fd)
{
    pthread_mutex_lock(&c->lock);
    const bool closing = c->closing;
    if (!closing) c->fd = fd;
    pthread_mutex_unlock(&c->lock);
    return !closing;
}

static void end(canned *c, const peer *p)
{
    pthread_mutex_lock(&c->lock);
    c->fd = -1;
    pthread_mutex_unlock(&c->lock);
    SSL_free(p->session);
    close(p->fd);
}

static void *run(void *arg)
{
    canned *c = arg;
    for (;;) {
        peer p = {.fd = accept(c->listener, NULL, NULL)};
        if (p.fd < 0) return NULL; /* the listener was shut down */
        if (!c->o.unix_path) setsockopt(p.fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
        if (!begin(c, p.fd)) {
            close(p.fd);
            return NULL;
        }
        serve(c, &p);
        end(c, &p);
    }
}

static void listen_at(canned *c)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_un local = {.sun_family = AF_UNIX};
    socklen_t n = sizeof at;
    const bool here = c->o.unix_path;
    if (here) snprintf(local.sun_path, sizeof local.sun_path, "%s", c->o.unix_path);
    c->listener = socket(here ? AF_UNIX : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CU_ASSERT_FATAL(c->listener >= 0);
    const int bad = here ? bind(c->listener, (struct sockaddr *)&local, sizeof local)
                         : bind(c->listener, (struct sockaddr *)&at, sizeof at);
    CU_ASSERT_EQUAL_FATAL(bad, 0);
    CU_ASSERT_EQUAL_FATAL(listen(c->listener, 16), 0);
    if (here) return;
    CU_ASSERT_EQUAL_FATAL(getsockname(c->listener, (struct sockaddr *)&at, &n), 0);
    c->port = ntohs(at.sin_port);
}

canned *canned_open(canned_options o)
{
    canned *c = calloc(1, sizeof *c);
    CU_ASSERT_PTR_NOT_NULL_FATAL(c);
    c->o = o;
    c->fd = -1;
    pthread_mutex_init(&c->lock, NULL);
    listen_at(c);
    if (o.certificate) {
        c->context = SSL_CTX_new(TLS_server_method());
        CU_ASSERT_EQUAL_FATAL(SSL_CTX_use_certificate_file(c->context, o.certificate, SSL_FILETYPE_PEM), 1);
        CU_ASSERT_EQUAL_FATAL(SSL_CTX_use_PrivateKey_file(c->context, o.private_key, SSL_FILETYPE_PEM), 1);
    }
    CU_ASSERT_EQUAL_FATAL(pthread_create(&c->thread, NULL, run, c), 0);
    return c;
}

void canned_close(canned *c)
{
    pthread_mutex_lock(&c->lock);
    c->closing = true;
    if (c->fd >= 0) shutdown(c->fd, SHUT_RDWR);
    pthread_mutex_unlock(&c->lock);
    shutdown(c->listener, SHUT_RDWR);
    pthread_join(c->thread, NULL);
    close(c->listener);
    SSL_CTX_free(c->context);
    for (int i = 0; i < c->n; i++) free(c->request[i]);
    pthread_mutex_destroy(&c->lock);
    free(c);
}

int canned_port(const canned *c) { return c->port; }

void canned_open_gate(canned *c)
{
    pthread_mutex_lock(&c->lock);
    c->open = true;
    pthread_mutex_unlock(&c->lock);
}

bool canned_busy(canned *c)
{
    pthread_mutex_lock(&c->lock);
    const bool busy = c->fd >= 0;
    pthread_mutex_unlock(&c->lock);
    return busy;
}

int canned_count(canned *c)
{
    pthread_mutex_lock(&c->lock);
    const int n = c->n;
    pthread_mutex_unlock(&c->lock);
    return n;
}

const char *canned_request(canned *c, int i)
{
    pthread_mutex_lock(&c->lock);
    const char *text = i < c->n ? c->request[i] : "";
    pthread_mutex_unlock(&c->lock);
    return text;
}

void canned_certificate(const char *certificate, const char *private_key, const char *name)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *x = X509_new();
    CU_ASSERT_FATAL(key && x);
    X509_set_version(x, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
    X509_gmtime_adj(X509_getm_notBefore(x), -3600);
    X509_gmtime_adj(X509_getm_notAfter(x), 86400);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC, (const unsigned char *)"a test", -1, -1,
                               0);
    X509_set_issuer_name(x, X509_get_subject_name(x));
    X509_set_pubkey(x, key);
    X509_EXTENSION *names = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, name);
    X509_add_ext(x, names, -1);
    CU_ASSERT_FATAL(X509_sign(x, key, EVP_sha256()) > 0);
    FILE *f = fopen(certificate, "w");
    CU_ASSERT_FATAL(f && PEM_write_X509(f, x) == 1);
    fclose(f);
    f = fopen(private_key, "w");
    CU_ASSERT_FATAL(f && PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL) == 1);
    fclose(f);
    X509_EXTENSION_free(names);
    X509_free(x);
    EVP_PKEY_free(key);
}
