/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls_stream - see the header.
 */
#include "daemon/broker/pulsar/connection/tls_stream.h"

#include "daemon/core/mem.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define STAGE_BYTES 16384U

struct tls_stream {
    SSL *ssl;
    bool wants_write; /* to go on with what it was doing */
    size_t staged;    /* of stage: what is not written yet is [sent, staged) */
    size_t sent;
    char host[256];
    char why[PULSAR_TLS_WHY_BYTES];
    uint8_t stage[STAGE_BYTES];
};

/* ---- its life ---- */

static bool is_address(const char *host)
{
    struct in6_addr any;

    return inet_pton(AF_INET, host, &any) == 1 || inet_pton(AF_INET6, host, &any) == 1;
}

static bool set_host(SSL *ssl, const char *host, bool any_host)
{
    const bool address = is_address(host);

    /* RFC 6066, 3: no addresses. */
    if (!address && SSL_set_tlsext_host_name(ssl, host) != 1) {
        return false;
    }
    if (any_host) {
        return true;
    }
    return address ? X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1
                   : SSL_set1_host(ssl, host) == 1;
}

/* Certificates and the name that is asked for have no dot at the end (RFC 6066, 3). */
static void take_host(struct tls_stream *t, const char *host)
{
    size_t bytes = strlen(host);

    bytes -= bytes > 1 && host[bytes - 1] == '.' ? 1 : 0;
    (void)snprintf(t->host, sizeof(t->host), "%.*s", (int)bytes, host);
}

struct tls_stream *hulse_tls_stream_create(SSL_CTX *ctx, int fd, const char *host, bool any_host)
{
    struct tls_stream *t = hulse_mem_zalloc(HULSE_MEM_BROKER, sizeof(*t));

    if (t == NULL) {
        return NULL;
    }
    take_host(t, host);
    t->ssl = SSL_new(ctx);
    if (t->ssl == NULL || SSL_set_fd(t->ssl, fd) != 1 || !set_host(t->ssl, t->host, any_host)) {
        ERR_clear_error();
        hulse_tls_stream_free(t);
        return NULL;
    }
    SSL_set_connect_state(t->ssl);
    return t;
}

void hulse_tls_stream_free(struct tls_stream *t)
{
    if (t != NULL) {
        SSL_free(t->ssl);
        explicit_bzero(t->stage, sizeof(t->stage));
        hulse_mem_free(HULSE_MEM_BROKER, t, sizeof(*t));
    }
}

const char *hulse_tls_stream_why(const struct tls_stream *t)
{
    return t->why;
}

/* ---- what went wrong ---- */

/* False: the certificate is not what is wrong. */
static bool explain_certificate(struct tls_stream *t)
{
    const long found = SSL_get_verify_result(t->ssl);

    switch (found) {
    case X509_V_OK:
        return false;
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
        (void)snprintf(
            t->why, sizeof(t->why), "TLS: the certificate is of another host than %.80s", t->host);
        return true;
    case X509_V_ERR_CERT_HAS_EXPIRED:
        (void)snprintf(t->why, sizeof(t->why), "TLS: the certificate has expired");
        return true;
    case X509_V_ERR_CERT_NOT_YET_VALID:
        (void)snprintf(t->why, sizeof(t->why), "TLS: the certificate is not valid yet");
        return true;
    default:
        (void)snprintf(t->why,
                       sizeof(t->why),
                       "TLS: the certificate is not trusted: %s",
                       X509_verify_cert_error_string(found));
        return true;
    }
}

static enum stream_rc fail(struct tls_stream *t, int error)
{
    const unsigned long code = ERR_peek_last_error();
    const char *reason = code == 0 ? NULL : ERR_reason_error_string(code);

    if (!explain_certificate(t)) {
        (void)snprintf(t->why,
                       sizeof(t->why),
                       "TLS: %s",
                       reason != NULL                             ? reason
                       : error == SSL_ERROR_SYSCALL && errno != 0 ? strerrordesc_np(errno)
                                                                  : "the stream has failed");
    }
    ERR_clear_error();
    return STREAM_FAILED;
}

/* After a call of OpenSSL that gave `rc`, not a success. */
static enum stream_rc judge(struct tls_stream *t, int rc)
{
    const int error = SSL_get_error(t->ssl, rc);

    switch (error) {
    case SSL_ERROR_WANT_READ:
        return STREAM_AGAIN;
    case SSL_ERROR_WANT_WRITE:
        t->wants_write = true;
        return STREAM_AGAIN;
    case SSL_ERROR_ZERO_RETURN:
        return STREAM_ENDED;
    default:
        return fail(t, error);
    }
}

/* ---- bytes ---- */

/* What other streams of this thread have left would be taken for ours. */
static void begin(struct tls_stream *t)
{
    ERR_clear_error();
    errno = 0;
    t->wants_write = false;
}

enum stream_rc hulse_tls_stream_shake(struct tls_stream *t)
{
    begin(t);
    const int rc = SSL_do_handshake(t->ssl);
    if (rc == 1) {
        return STREAM_OK;
    }
    const enum stream_rc became = judge(t, rc);
    if (became == STREAM_ENDED) {
        (void)snprintf(t->why, sizeof(t->why), "TLS: the broker has closed the connection");
        return STREAM_FAILED;
    }
    return became;
}

enum stream_rc hulse_tls_stream_read(struct tls_stream *t, void *out, size_t room, size_t *got)
{
    begin(t);
    const int rc = SSL_read_ex(t->ssl, out, room, got);
    return rc == 1 ? STREAM_OK : judge(t, rc);
}

static enum stream_rc push(struct tls_stream *t)
{
    size_t gone = 0;

    while (t->sent < t->staged) {
        begin(t);
        const int rc = SSL_write_ex(t->ssl, t->stage + t->sent, t->staged - t->sent, &gone);
        if (rc != 1) {
            return judge(t, rc);
        }
        t->sent += gone;
    }
    t->sent = 0;
    t->staged = 0;
    return STREAM_OK;
}

enum stream_rc
hulse_tls_stream_write(struct tls_stream *t, const struct iovec *parts, size_t count, size_t *taken)
{
    *taken = 0;
    enum stream_rc rc = push(t);
    if (rc != STREAM_OK) {
        return rc;
    }
    for (size_t i = 0; i < count && t->staged < STAGE_BYTES; i++) {
        const size_t room = STAGE_BYTES - t->staged;
        const size_t bytes = parts[i].iov_len < room ? parts[i].iov_len : room;
        memcpy(t->stage + t->staged, parts[i].iov_base, bytes);
        t->staged += bytes;
        *taken += bytes;
    }
    rc = push(t);
    return rc == STREAM_AGAIN && *taken > 0 ? STREAM_OK : rc;
}

bool hulse_tls_stream_owes(const struct tls_stream *t)
{
    return t->staged > 0 || t->wants_write;
}

bool hulse_tls_stream_holds(const struct tls_stream *t)
{
    return SSL_pending(t->ssl) > 0;
}
