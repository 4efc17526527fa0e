/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls_context - see the header.
 */
#include "daemon/broker/pulsar/connection/tls_context.h"

#include "daemon/core/hash.h"
#include "daemon/core/log.h"

#include <openssl/err.h>

#include <string.h>
#include <time.h>

enum { FILE_CA, FILE_CERT, FILE_KEY };

static void take_stamp(struct tls_stamp *out, const char *file)
{
    struct stat st;

    /* Compared as bytes. */
    memset(out, 0, sizeof(*out));
    if (file != NULL && stat(file, &st) == 0) {
        out->device = st.st_dev;
        out->inode = st.st_ino;
        out->bytes = st.st_size;
        out->written = st.st_mtim;
        out->changed = st.st_ctim;
    }
}

static bool same(const struct tls_stamp *a, const struct tls_stamp *b)
{
    return memcmp(a, b, sizeof(*a) * PULSAR_TLS_FILES) == 0;
}

/* The system's error if there is one, else the newest of OpenSSL; none of them stays. */
static const char *reason(void)
{
    const char *text = NULL;
    const char *of_system = NULL;
    unsigned long error = 0;

    while ((error = ERR_get_error()) != 0) {
        if (ERR_SYSTEM_ERROR(error)) {
            of_system = strerrordesc_np(ERR_GET_REASON(error));
        } else {
            text = ERR_reason_error_string(error);
        }
    }
    text = of_system != NULL ? of_system : text;
    return text == NULL ? "it cannot be read" : text;
}

/* A key with a password cannot be asked for here. The type is OpenSSL's. */
/* NOLINTNEXTLINE(readability-non-const-parameter) */
static int no_password(char *out, int room, int writing, void *data)
{
    (void)out;
    (void)room;
    (void)writing;
    (void)data;
    return -1;
}

static hulse_status
load_own(SSL_CTX *ctx, const struct pulsar_tls_params *params, struct error *err)
{
    if (SSL_CTX_use_certificate_chain_file(ctx, params->cert_file) != 1) {
        return hulse_fail(err, HULSE_IO, "the certificate in %s: %s", params->cert_file, reason());
    }
    if (params->key_file == NULL ||
        SSL_CTX_use_PrivateKey_file(ctx, params->key_file, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_check_private_key(ctx) != 1) {
        return hulse_fail(err,
                          HULSE_IO,
                          "the key in %s: %s",
                          params->key_file == NULL ? "no file" : params->key_file,
                          reason());
    }
    return HULSE_OK;
}

static hulse_status load(SSL_CTX *ctx, const struct pulsar_tls_params *params, struct error *err)
{
    const bool trusts = params->ca_file != NULL
                            ? SSL_CTX_load_verify_file(ctx, params->ca_file) == 1
                            : SSL_CTX_set_default_verify_paths(ctx) == 1;

    if (!trusts) {
        return hulse_fail(err,
                          HULSE_IO,
                          "the authorities in %s: %s",
                          params->ca_file == NULL ? "the system" : params->ca_file,
                          reason());
    }
    return params->cert_file == NULL ? HULSE_OK : load_own(ctx, params, err);
}

static SSL_CTX *make(const struct pulsar_tls_params *params, struct error *err)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

    if (ctx == NULL) {
        (void)hulse_fail(err, HULSE_NO_MEMORY, "no memory for TLS");
        return NULL;
    }
    (void)SSL_CTX_set_min_proto_version(
        ctx, params->version_1_3_alone ? TLS1_3_VERSION : TLS1_2_VERSION);
    (void)SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_IGNORE_UNEXPECTED_EOF);
    (void)SSL_CTX_set_mode(ctx,
                           SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                               SSL_MODE_RELEASE_BUFFERS);
    (void)SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_default_passwd_cb(ctx, no_password);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    ERR_clear_error();
    if (load(ctx, params, err) != HULSE_OK) {
        SSL_CTX_free(ctx);
        return NULL;
    }
    return ctx;
}

/* 0: no certificate, or no time. */
static uint64_t end_of(const X509 *certificate)
{
    struct tm when;

    if (certificate == NULL || ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &when) != 1) {
        return 0;
    }
    const time_t s = timegm(&when);
    return s < 0 ? 0 : (uint64_t)s * 1000U;
}

/* The first end of those that a file of ours has; what the system trusts is the system's matter. */
static uint64_t ca_end(const SSL_CTX *ctx, const struct pulsar_tls_params *params)
{
    const STACK_OF(X509_OBJECT) *all = X509_STORE_get0_objects(SSL_CTX_get_cert_store(ctx));
    uint64_t first = 0;

    for (int i = 0; params->ca_file != NULL && i < sk_X509_OBJECT_num(all); i++) {
        const uint64_t end = end_of(X509_OBJECT_get0_X509(sk_X509_OBJECT_value(all, i)));
        first = end != 0 && (first == 0 || end < first) ? end : first;
    }
    return first;
}

/* Of files and what became of them. */
static uint64_t hash_of(const struct tls_stamp *stamps, bool taken)
{
    const char *bytes = (const char *)stamps;
    uint64_t hash = hulse_hash_byte(HULSE_HASH_START, taken ? '+' : '-');

    for (size_t i = 0; i < sizeof(*stamps) * PULSAR_TLS_FILES; i++) {
        hash = hulse_hash_byte(hash, bytes[i]);
    }
    return hash;
}

static bool is_news(const struct tls_context *t, const struct tls_stamp *now, bool taken)
{
    return t->news != NULL && hulse_tls_news_is(t->news, hash_of(now, taken));
}

/* The files are not what they should be. A rotation may be half done: what is in force stays, and it is said once. */
static hulse_status
keep(struct tls_context *t, const struct tls_stamp *now, const struct error *why, struct error *err)
{
    if (t->ctx == NULL) {
        return hulse_fail(err, why->status, "%s", why->text);
    }
    if (is_news(t, now, false)) {
        t->failures++;
        HULSE_LOG_WARNF("pulsar.tls_files", hulse_log_str("why", why->text));
    }
    return HULSE_OK;
}

static void take(struct tls_context *t, SSL_CTX *fresh, const struct pulsar_tls_params *params)
{
    SSL_CTX_free(t->ctx);
    t->ctx = fresh;
    t->generation++;
    t->own_expires_wall_ms = end_of(SSL_CTX_get0_certificate(fresh));
    t->ca_expires_wall_ms = ca_end(fresh, params);
}

hulse_status hulse_tls_context_update(struct tls_context *t,
                                      const struct pulsar_tls_params *params,
                                      struct error *err)
{
    struct tls_stamp now[PULSAR_TLS_FILES];
    struct error why = {0};

    take_stamp(&now[FILE_CA], params->ca_file);
    take_stamp(&now[FILE_CERT], params->cert_file);
    take_stamp(&now[FILE_KEY], params->key_file);
    if (t->ctx != NULL && same(now, t->stamps)) {
        return HULSE_OK;
    }
    SSL_CTX *fresh = make(params, &why);
    if (fresh == NULL) {
        return keep(t, now, &why, err);
    }
    const bool again = t->ctx != NULL;
    take(t, fresh, params);
    memcpy(t->stamps, now, sizeof(now));
    if (again && is_news(t, now, true)) {
        HULSE_LOG_STATE("pulsar.tls_renewed",
                        hulse_log_u64("certificate_expires_ms", t->own_expires_wall_ms),
                        hulse_log_u64("ca_certificate_expires_ms", t->ca_expires_wall_ms));
    }
    return HULSE_OK;
}

void hulse_tls_context_fini(struct tls_context *t)
{
    SSL_CTX_free(t->ctx);
    *t = (struct tls_context){0};
}
