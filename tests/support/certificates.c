/* SPDX-License-Identifier: Apache-2.0 */
/*
 * certificates - see the header.
 */
#include "tests/support/certificates.h"

#include "tests/support/check.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <stdio.h>

static void extend(X509 *cert, X509 *issuer, int what, const char *value)
{
    X509V3_CTX context;

    X509V3_set_ctx(&context, issuer, cert, NULL, NULL, 0);
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &context, what, value);
    assert_non_null(e);
    assert_int_equal(X509_add_ext(cert, e, -1), 1);
    X509_EXTENSION_free(e);
}

void hulse_test_certificate_make(struct test_certificate *out,
                                 const struct test_certificate_params *params)
{
    static long serial;
    X509 *cert = X509_new();
    EVP_PKEY *key = EVP_EC_gen("P-256");

    assert_non_null(cert);
    assert_non_null(key);
    assert_int_equal(X509_set_version(cert, X509_VERSION_3), 1);
    assert_int_equal(ASN1_INTEGER_set(X509_get_serialNumber(cert), ++serial), 1);
    assert_non_null(X509_gmtime_adj(X509_getm_notBefore(cert), params->from_s));
    assert_non_null(X509_gmtime_adj(X509_getm_notAfter(cert), params->until_s));
    assert_int_equal(X509_set_pubkey(cert, key), 1);
    X509_NAME *name = X509_get_subject_name(cert);
    assert_int_equal(X509_NAME_add_entry_by_txt(
                         name, "CN", MBSTRING_ASC, (const unsigned char *)params->name, -1, -1, 0),
                     1);
    X509 *issuer = params->issuer == NULL ? cert : params->issuer->cert;
    assert_int_equal(X509_set_issuer_name(cert, X509_get_subject_name(issuer)), 1);
    if (params->issuer == NULL) {
        extend(cert, issuer, NID_basic_constraints, "critical,CA:TRUE");
        extend(cert, issuer, NID_key_usage, "critical,keyCertSign,cRLSign");
    }
    if (params->hosts != NULL) {
        extend(cert, issuer, NID_subject_alt_name, params->hosts);
    }
    EVP_PKEY *signer = params->issuer == NULL ? key : params->issuer->key;
    assert_true(X509_sign(cert, signer, EVP_sha256()) > 0);
    *out = (struct test_certificate){.cert = cert, .key = key};
}

void hulse_test_certificate_free(struct test_certificate *c)
{
    X509_free(c->cert);
    EVP_PKEY_free(c->key);
    *c = (struct test_certificate){0};
}

void hulse_test_certificate_write(const struct test_certificate *c,
                                  const char *cert_path,
                                  const char *key_path)
{
    if (cert_path != NULL) {
        FILE *f = fopen(cert_path, "we");
        assert_non_null(f);
        assert_int_equal(PEM_write_X509(f, c->cert), 1);
        assert_int_equal(fclose(f), 0);
    }
    if (key_path != NULL) {
        FILE *f = fopen(key_path, "we");
        assert_non_null(f);
        assert_int_equal(PEM_write_PrivateKey(f, c->key, NULL, NULL, 0, NULL, NULL), 1);
        assert_int_equal(fclose(f), 0);
    }
}

SSL_CTX *hulse_test_certificate_server(const struct test_certificate *c,
                                       const struct test_certificate *clients)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

    assert_non_null(ctx);
    assert_int_equal(SSL_CTX_use_certificate(ctx, c->cert), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(ctx, c->key), 1);
    (void)SSL_CTX_set_mode(ctx,
                           SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    if (clients != NULL) {
        assert_int_equal(X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), clients->cert), 1);
        SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    }
    return ctx;
}
