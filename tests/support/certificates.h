/* SPDX-License-Identifier: Apache-2.0 */
/*
 * certificates - authorities and certificates of the test's own, made as they are needed.
 */
#ifndef HULSE_TESTS_SUPPORT_CERTIFICATES_H
#define HULSE_TESTS_SUPPORT_CERTIFICATES_H

#include <openssl/ssl.h>

struct test_certificate {
    X509 *cert;
    EVP_PKEY *key;
};

struct test_certificate_params {
    const struct test_certificate *issuer; /* NULL: it is an authority, its own */
    const char *name;
    const char *hosts; /* "DNS:localhost,IP:127.0.0.1"; NULL: none */
    long from_s;       /* against now */
    long until_s;
};

void hulse_test_certificate_make(struct test_certificate *out,
                                 const struct test_certificate_params *params);
void hulse_test_certificate_free(struct test_certificate *c);
/* As PEM; either path may be NULL. */
void hulse_test_certificate_write(const struct test_certificate *c,
                                  const char *cert_path,
                                  const char *key_path);
/* A server that shows it; with `clients`, wants one of that authority from whoever comes. */
SSL_CTX *hulse_test_certificate_server(const struct test_certificate *c,
                                       const struct test_certificate *clients);

#endif
