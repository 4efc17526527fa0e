/* SPDX-License-Identifier: Apache-2.0 */
/*
 * athenz - see athenz.h.
 */
#include "daemon/control/athenz.h"

#include "daemon/control/token.h"
#include "daemon/core/assert.h"
#include "daemon/core/clock.h"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>

#include <ctype.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    PRINCIPAL_SECONDS = 3600, /* life of a principal token */
    ROLE_SECONDS_MIN = 7200,  /* of a role token */
    ROLE_SECONDS_MAX = 86400,
    SALT_BYTES = 8,
    SIGNATURE_BYTES_MAX = 2048, /* of RSA with 16384 bits */
    HTTP_OK = 200
};

#define ANSWER_BYTES_MAX 65536U
#define EXPIRY_SECONDS_MAX 1e11
/* Base64 has four characters for three bytes (RFC 4648, 4). */
#define SIGNATURE_TEXT_BYTES ((((SIGNATURE_BYTES_MAX + 2) / 3) * 4) + 1)

struct athenz_source {
    char *url; /* of the request, whole */
    char *tenant_domain;
    char *tenant_service;
    char *private_key_file;
    char *key_id;
    char *cert_file;
    char *ca_file;
    char *principal_header;
};

/* ---- source ---- */

static bool is_missing(const char *text)
{
    return text == NULL || text[0] == '\0';
}

/* False: no memory. NULL stays NULL. */
static bool copy(char **to, const char *text)
{
    *to = text == NULL ? NULL : strdup(text);
    return text == NULL || *to != NULL;
}

/* Names are in lower case in Athenz. */
static bool copy_name(char **to, const char *text)
{
    if (!copy(to, text)) {
        return false;
    }
    for (char *at = *to; at != NULL && *at != '\0'; at++) {
        *at = (char)tolower((unsigned char)*at);
    }
    return true;
}

static bool make_url(struct athenz_source *s, const struct athenz_params *params)
{
    static const char api[] = "/zts/v1";
    size_t base = strlen(params->zts_url);

    while (base > 0 && params->zts_url[base - 1] == '/') {
        base--;
    }
    if (base >= sizeof(api) - 1 &&
        memcmp(params->zts_url + base - (sizeof(api) - 1), api, sizeof(api) - 1) == 0) {
        base -= sizeof(api) - 1;
    }
    return asprintf(&s->url,
                    "%.*s%s/domain/%s/token?minExpiryTime=%d&maxExpiryTime=%d",
                    (int)base,
                    params->zts_url,
                    api,
                    params->provider_domain,
                    ROLE_SECONDS_MIN,
                    ROLE_SECONDS_MAX) >= 0;
}

static bool copy_all(struct athenz_source *s, const struct athenz_params *params)
{
    if (!make_url(s, params)) {
        s->url = NULL;
        return false;
    }
    return copy_name(&s->tenant_domain, params->tenant_domain) &&
           copy_name(&s->tenant_service, params->tenant_service) &&
           copy_name(&s->key_id, params->key_id) &&
           copy(&s->private_key_file, params->private_key_file) &&
           copy(&s->cert_file, params->cert_file) && copy(&s->ca_file, params->ca_file) &&
           copy(&s->principal_header, params->principal_header);
}

hulse_status hulse_athenz_source_create(struct athenz_source **out,
                                        const struct athenz_params *params,
                                        struct error *err)
{
    *out = NULL;
    if (is_missing(params->zts_url) || is_missing(params->provider_domain) ||
        is_missing(params->private_key_file)) {
        return hulse_fail(
            err, HULSE_INVAL, "athenz needs zts_url, provider_domain and private_key_file");
    }
    if (params->cert_file == NULL &&
        (is_missing(params->tenant_domain) || is_missing(params->tenant_service) ||
         is_missing(params->key_id) || is_missing(params->principal_header))) {
        return hulse_fail(
            err, HULSE_INVAL, "athenz needs tenant_domain and tenant_service, or cert_file");
    }
    struct athenz_source *s = calloc(1, sizeof(*s));
    if (s == NULL || !copy_all(s, params)) {
        hulse_athenz_source_destroy(&s);
        return hulse_fail(err, HULSE_NO_MEMORY, "no memory");
    }
    *out = s;
    return HULSE_OK;
}

void hulse_athenz_source_destroy(struct athenz_source **source)
{
    struct athenz_source *s = *source;

    *source = NULL;
    if (s != NULL) {
        free(s->url);
        free(s->tenant_domain);
        free(s->tenant_service);
        free(s->private_key_file);
        free(s->key_id);
        free(s->cert_file);
        free(s->ca_file);
        free(s->principal_header);
        free(s);
    }
}

static bool same(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

bool hulse_athenz_source_equal(const struct athenz_source *a, const struct athenz_source *b)
{
    return same(a->url, b->url) && same(a->tenant_domain, b->tenant_domain) &&
           same(a->tenant_service, b->tenant_service) &&
           same(a->private_key_file, b->private_key_file) && same(a->key_id, b->key_id) &&
           same(a->cert_file, b->cert_file) && same(a->ca_file, b->ca_file) &&
           same(a->principal_header, b->principal_header);
}

/* ---- the principal token ---- */

/* Nobody is asked on a terminal. The type is OpenSSL's. NOLINTNEXTLINE(readability-non-const-parameter) */
static int no_passphrase(char *buffer, int size, int writing, void *context)
{
    (void)buffer;
    (void)size;
    (void)writing;
    (void)context;
    return -1;
}

/* With OK *out is the caller's. */
static hulse_status read_key(const char *path, EVP_PKEY **out, struct error *err)
{
    char text[HULSE_TOKEN_BYTES_MAX];
    size_t bytes = 0;
    hulse_status st = hulse_token_read(path, text, sizeof(text), &bytes, err);

    *out = NULL;
    if (st == HULSE_OK) {
        BIO *bio = BIO_new_mem_buf(text, (int)bytes);
        *out = bio == NULL ? NULL : PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
        BIO_free(bio);
        if (*out == NULL) {
            st = hulse_fail(
                err, HULSE_INVAL, "%s: not a private key in PEM without a passphrase", path);
        }
    }
    explicit_bzero(text, bytes);
    return st;
}

hulse_status hulse_athenz_key_check(const char *private_key_file, struct error *err)
{
    EVP_PKEY *key = NULL;
    const hulse_status st = read_key(private_key_file, &key, err);

    EVP_PKEY_free(key);
    return st;
}

/* As base64 of Yahoo: '.', '_' and '-' for '+', '/' and '='. False: the key cannot sign. */
static bool sign(EVP_PKEY *key, const char *text, char out[static SIGNATURE_TEXT_BYTES])
{
    unsigned char signature[SIGNATURE_BYTES_MAX];
    size_t bytes = sizeof(signature);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    const bool done =
        context != NULL && EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, key) == 1 &&
        EVP_DigestSign(context, signature, &bytes, (const unsigned char *)text, strlen(text)) == 1;

    EVP_MD_CTX_free(context);
    if (!done) {
        return false;
    }
    (void)EVP_EncodeBlock((unsigned char *)out, signature, (int)bytes);
    for (char *at = out; *at != '\0'; at++) {
        *at = (char)(*at == '+' ? '.' : *at == '/' ? '_' : *at == '=' ? '-' : *at);
    }
    return true;
}

static bool make_salt(char out[static(2 * SALT_BYTES) + 1])
{
    unsigned char salt[SALT_BYTES];

    if (RAND_bytes(salt, sizeof(salt)) != 1) {
        return false;
    }
    for (size_t i = 0; i < sizeof(salt); i++) {
        (void)snprintf(out + (2 * i), 3, "%02x", salt[i]);
    }
    return true;
}

/* The header with the principal token; the caller's to wipe and free. NULL: *err says why. */
static char *make_header(const struct athenz_source *s, struct error *err)
{
    char salt[(2 * SALT_BYTES) + 1];
    char signature[SIGNATURE_TEXT_BYTES];
    char *token = NULL;
    char *header = NULL;
    EVP_PKEY *key = NULL;
    const uint64_t now_s = hulse_clock_wall_ms() / 1000;

    if (read_key(s->private_key_file, &key, err) != HULSE_OK) {
        return NULL;
    }
    if (!make_salt(salt) || asprintf(&token,
                                     "v=S1;d=%s;n=%s;a=%s;t=%" PRIu64 ";e=%" PRIu64 ";k=%s",
                                     s->tenant_domain,
                                     s->tenant_service,
                                     salt,
                                     now_s,
                                     now_s + PRINCIPAL_SECONDS,
                                     s->key_id) < 0) {
        token = NULL;
        (void)hulse_fail(err, HULSE_NO_MEMORY, "no memory");
    } else if (!sign(key, token, signature)) {
        (void)hulse_fail(err, HULSE_INVAL, "%s: the key cannot sign", s->private_key_file);
    } else if (asprintf(&header, "%s: %s;s=%s", s->principal_header, token, signature) < 0) {
        header = NULL;
        (void)hulse_fail(err, HULSE_NO_MEMORY, "no memory");
    }
    EVP_PKEY_free(key);
    free(token);
    explicit_bzero(signature, sizeof(signature));
    return header;
}

/* ---- the role token ---- */

hulse_status hulse_athenz_read_answer(const char *body,
                                      size_t body_bytes,
                                      char **token,
                                      size_t *bytes,
                                      uint64_t *expires_wall_ms,
                                      struct error *err)
{
    json_t *root = json_loadb(body, body_bytes, 0, NULL);
    const json_t *text = json_object_get(root, "token");
    const double seconds = json_number_value(json_object_get(root, "expiryTime"));
    hulse_status st = HULSE_OK;

    *token = NULL;
    if (json_string_value(text) == NULL) {
        st = hulse_fail(err, HULSE_PROTOCOL, "the ZTS's answer has no token");
    } else if (!(seconds >= 1 && seconds < EXPIRY_SECONDS_MAX)) {
        st = hulse_fail(err, HULSE_PROTOCOL, "the ZTS's answer has no expiryTime");
    } else {
        *bytes = json_string_length(text);
        *expires_wall_ms = (uint64_t)(seconds * 1000);
        *token = malloc(*bytes + 1);
        if (*token == NULL) {
            st = hulse_fail(err, HULSE_NO_MEMORY, "no memory");
        } else {
            memcpy(*token, json_string_value(text), *bytes + 1);
        }
    }
    /* jansson wipes its copies of the token (answer.h). */
    json_decref(root);
    return st;
}

static void finish(struct athenz_fetch *fetch, const struct athenz_result *result)
{
    fetch->source = NULL;
    fetch->done(fetch, result);
}

static void fail(struct athenz_fetch *fetch, hulse_status status, const char *why)
{
    const struct athenz_result result = {.status = status, .token = "", .why = why};

    finish(fetch, &result);
}

static void came(struct http_call *call, const struct http_result *r)
{
    struct athenz_fetch *fetch = HULSE_CONTAINER(call, struct athenz_fetch, call);
    struct athenz_result result = {.status = HULSE_OK, .why = ""};
    struct error err;
    char *token = NULL;

    if (r->status != HULSE_OK) {
        fail(fetch, r->status, r->why);
        return;
    }
    if (r->code != HTTP_OK) {
        (void)hulse_fail(&err, HULSE_DENIED, "ZTS: HTTP %u", r->code);
        fail(fetch, err.status, err.text);
        return;
    }
    if (hulse_athenz_read_answer(
            r->body, r->body_bytes, &token, &result.token_bytes, &result.expires_wall_ms, &err) !=
        HULSE_OK) {
        fail(fetch, err.status, err.text);
        return;
    }
    result.token = token;
    finish(fetch, &result);
    explicit_bzero(token, result.token_bytes);
    free(token);
}

/* ---- calls ---- */

hulse_status hulse_athenz_start(struct athenz_fetch *fetch,
                                struct http_client *http,
                                const struct athenz_source *source,
                                uint32_t timeout_ms,
                                struct error *err)
{
    struct error why = {0};
    char *header = NULL;

    HULSE_ASSERT(fetch->source == NULL);
    HULSE_ASSERT(timeout_ms > 0);

    if (source->cert_file == NULL) {
        header = make_header(source, &why);
        if (header == NULL) {
            return hulse_fail(err, why.status, "%s", why.text);
        }
    }
    const char *const headers[] = {"Accept: application/json", header, NULL};
    const struct http_request wanted = {
        .url = source->url,
        .method = HTTP_GET,
        .headers = headers,
        .timeout_ms = timeout_ms,
        .answer_bytes_max = ANSWER_BYTES_MAX,
        .tls = {.ca_file = source->ca_file,
                .cert_file = source->cert_file,
                .key_file = source->cert_file == NULL ? NULL : source->private_key_file},
    };
    fetch->source = source;
    fetch->call.done = came;
    const hulse_status st = hulse_http_client_start(http, &fetch->call, &wanted, err);
    if (header != NULL) {
        explicit_bzero(header, strlen(header));
        free(header);
    }
    if (st != HULSE_OK) {
        fetch->source = NULL;
    }
    return st;
}

void hulse_athenz_cancel(struct athenz_fetch *fetch)
{
    hulse_http_client_cancel(&fetch->call);
    fetch->source = NULL;
}
