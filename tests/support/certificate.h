/* certificate.h - a new key and a certificate that it signed itself, as PEM files. */
#ifndef TESTS_SUPPORT_CERTIFICATE_H
#define TESTS_SUPPORT_CERTIFICATE_H

/* type: "EC" (P-256) or "ED25519".  Replaces what is there; ends the process where it cannot. */
void certificate_write(const char *certificate, const char *private_key, const char *type, const char *common_name);
#endif
