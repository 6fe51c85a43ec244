#include "certificate.h"
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void need(int good, const char *what)
{
    if (good) return;
    perror(what);
    abort();
}

static void write_pem(const char *path, EVP_PKEY *key, X509 *certificate)
{
    FILE *f = fopen(path, "w");
    need(f != NULL, path);
    if (certificate) need(PEM_write_X509(f, certificate), path);
    else need(PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL), path);
    need(fclose(f) == 0, path);
}

void certificate_write(const char *certificate, const char *private_key, const char *type, const char *common_name)
{
    const int ec = !strcmp(type, "EC");
    EVP_PKEY *key = ec ? EVP_PKEY_Q_keygen(NULL, NULL, type, "P-256") : EVP_PKEY_Q_keygen(NULL, NULL, type);
    X509 *x = X509_new();
    need(key && x, "a certificate");
    X509_NAME *name = X509_get_subject_name(x);
    X509_set_version(x, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
    X509_gmtime_adj(X509_getm_notBefore(x), -3600);
    X509_gmtime_adj(X509_getm_notAfter(x), 3600);
    X509_set_pubkey(x, key);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)common_name, -1, -1, 0);
    X509_set_issuer_name(x, name);
    need(X509_sign(x, key, ec ? EVP_sha256() : NULL) > 0, "its signature");
    write_pem(certificate, NULL, x);
    write_pem(private_key, key, NULL);
    X509_free(x);
    EVP_PKEY_free(key);
}
