#include "http_tls.h"
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdlib.h>

struct http_tls {
    const char *certificate, *private_key;
    pthread_mutex_t lock; /* of context */
    SSL_CTX *context;
};

static status refused(const char *file, error *err)
{
    char why[160];
    const unsigned long code = ERR_peek_error(); /* the cause; those after it say only what failed by it */
    ERR_error_string_n(code, why, sizeof why);
    ERR_clear_error();
    return fail(err, BAD_INPUT, "%.80s: %s", file, code ? why : "refused");
}

/* Else the library asks at the terminal, and waits. */
static int no_password(char *p, int n, int writing, void *unused)
{
    (void)p, (void)n, (void)writing, (void)unused;
    return 0;
}

static status make_context(SSL_CTX **made, const http_tls *t, error *err)
{
    SSL_CTX *c = SSL_CTX_new(TLS_server_method());
    status rc = c ? OK : fail(err, NO_MEMORY, "no memory for TLS");
    ERR_clear_error();
    if (c) {
        SSL_CTX_set_default_passwd_cb(c, no_password);
        SSL_CTX_set_min_proto_version(c, TLS1_2_VERSION);
        SSL_CTX_set_options(c, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_IGNORE_UNEXPECTED_EOF);
    }
    if (rc == OK && SSL_CTX_use_certificate_chain_file(c, t->certificate) != 1) rc = refused(t->certificate, err);
    if (rc == OK && SSL_CTX_use_PrivateKey_file(c, t->private_key, SSL_FILETYPE_PEM) != 1)
        rc = refused(t->private_key, err);
    if (rc == OK && SSL_CTX_check_private_key(c) != 1) rc = refused(t->private_key, err);
    if (rc != OK) SSL_CTX_free(c);
    *made = rc == OK ? c : NULL;
    return rc;
}

status http_tls_open(http_tls **out, const char *certificate, const char *private_key, error *err)
{
    http_tls *t = calloc(1, sizeof *t);
    *out = NULL;
    if (!t) return fail(err, NO_MEMORY, "no memory for TLS");
    t->certificate = certificate;
    t->private_key = private_key;
    pthread_mutex_init(&t->lock, NULL);
    const status rc = make_context(&t->context, t, err);
    if (rc == OK) *out = t;
    else http_tls_close(t);
    return rc;
}

void http_tls_close(http_tls *t)
{
    if (!t) return;
    SSL_CTX_free(t->context);
    pthread_mutex_destroy(&t->lock);
    free(t);
}

status http_tls_reload(http_tls *t, error *err)
{
    SSL_CTX *next, *before;
    const status rc = make_context(&next, t, err);
    if (rc != OK) return rc;
    pthread_mutex_lock(&t->lock);
    before = t->context;
    t->context = next;
    pthread_mutex_unlock(&t->lock);
    SSL_CTX_free(before); /* connections that began with it hold it */
    return OK;
}

struct bufferevent *http_tls_stream(http_tls *t, struct event_base *base, int fd)
{
    pthread_mutex_lock(&t->lock);
    SSL *session = SSL_new(t->context);
    pthread_mutex_unlock(&t->lock);
    if (!session) return NULL;
    struct bufferevent *stream =
        bufferevent_openssl_socket_new(base, fd, session, BUFFEREVENT_SSL_ACCEPTING, BEV_OPT_CLOSE_ON_FREE);
    if (!stream) SSL_free(session);
    return stream;
}

void http_tls_finish(struct bufferevent *stream)
{
    SSL_shutdown(bufferevent_openssl_get_ssl(stream));
    ERR_clear_error();
}
