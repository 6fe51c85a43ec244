#include "tls_client.h"
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

static ssize_t send_session(void *session, const char *p, size_t n) { return SSL_write(session, p, (int)n); }

static ssize_t receive_session(void *session, char *p, size_t n)
{
    ERR_clear_error();
    const int got = SSL_read(session, p, (int)n);
    const int why = SSL_get_error(session, got);
    if (got > 0) return got;
    errno = why == SSL_ERROR_WANT_READ ? EAGAIN : EIO;
    return why == SSL_ERROR_ZERO_RETURN ? 0 : -1;
}

static void close_session(void *session) { SSL_free(session); }

static const client_layer tls_layer = {send_session, receive_session, close_session};

int tls_client_handshake(client *c, int version)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    SSL *session = context ? SSL_new(context) : NULL;
    SSL_CTX_free(context); /* the session holds it */
    if (!session) return -1;
    SSL_set_cipher_list(session, "DEFAULT@SECLEVEL=0"); /* or the library itself would not offer what is old */
    SSL_set_min_proto_version(session, version);
    SSL_set_max_proto_version(session, version);
    SSL_set_fd(session, c->fd);
    c->layer = &tls_layer;
    c->session = session;
    ERR_clear_error();
    if (SSL_connect(session) == 1) return 0;
    const unsigned long code = ERR_peek_error();
    return code ? ERR_GET_REASON(code) : -1;
}

bool tls_client_open(client *c, int port)
{
    if (!client_open(c, port)) return false;
    if (tls_client_handshake(c, 0) == 0) return true;
    client_close(c);
    return false;
}

void tls_client_name(const client *c, char *name, size_t cap)
{
    X509 *certificate = SSL_get1_peer_certificate(c->session);
    name[0] = 0;
    if (certificate) X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, name, (int)cap);
    X509_free(certificate);
}

void tls_client_notify(client *c) { SSL_shutdown(c->session); }

bool tls_client_notified(const client *c) { return SSL_get_shutdown(c->session) & SSL_RECEIVED_SHUTDOWN; }

client_reply tls_client_ask(client *c, int port, const char *text)
{
    if (!tls_client_open(c, port) || !client_text(c, text)) return (client_reply){0};
    return client_read_final(c);
}
