/* SPDX-License-Identifier: Apache-2.0 */
/*
 * oauth2 - see oauth2.h.
 */
#include "daemon/control/oauth2.h"

#include "daemon/control/token.h"
#include "daemon/core/assert.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define ANSWER_BYTES_MAX 65536U
#define LIFE_SECONDS_MAX 1e9
#define HTTP_OK 200U

static const char discovery[] = "/.well-known/openid-configuration";

struct oauth2_source {
    char *issuer; /* without a slash at its end */
    char *client_id;
    char *client_secret_file;
    char *audience;
    char *scope;
    char *ca_file;
    char *cert_file;
    char *key_file;
    bool any_host;
};

/* ---- source ---- */

/* False: no memory. NULL stays NULL. */
static bool copy(char **to, const char *text)
{
    *to = text == NULL ? NULL : strdup(text);
    return text == NULL || *to != NULL;
}

static bool copy_all(struct oauth2_source *s, const struct oauth2_params *params)
{
    s->any_host = params->tls.any_host;
    return copy(&s->issuer, params->issuer) && copy(&s->client_id, params->client_id) &&
           copy(&s->client_secret_file, params->client_secret_file) &&
           copy(&s->audience, params->audience) && copy(&s->scope, params->scope) &&
           copy(&s->ca_file, params->tls.ca_file) && copy(&s->cert_file, params->tls.cert_file) &&
           copy(&s->key_file, params->tls.key_file);
}

static bool is_missing(const char *text)
{
    return text == NULL || text[0] == '\0';
}

hulse_status hulse_oauth2_source_create(struct oauth2_source **out,
                                        const struct oauth2_params *params,
                                        struct error *err)
{
    *out = NULL;
    if (is_missing(params->issuer) || is_missing(params->client_id) ||
        is_missing(params->client_secret_file)) {
        return hulse_fail(
            err, HULSE_INVAL, "oauth2 needs issuer, client_id and client_secret_file");
    }
    struct oauth2_source *s = calloc(1, sizeof(*s));
    if (s == NULL || !copy_all(s, params)) {
        hulse_oauth2_source_destroy(&s);
        return hulse_fail(err, HULSE_NO_MEMORY, "no memory");
    }
    for (size_t end = strlen(s->issuer); end > 0 && s->issuer[end - 1] == '/'; end--) {
        s->issuer[end - 1] = '\0';
    }
    *out = s;
    return HULSE_OK;
}

void hulse_oauth2_source_destroy(struct oauth2_source **source)
{
    struct oauth2_source *s = *source;

    *source = NULL;
    if (s != NULL) {
        free(s->issuer);
        free(s->client_id);
        free(s->client_secret_file);
        free(s->audience);
        free(s->scope);
        free(s->ca_file);
        free(s->cert_file);
        free(s->key_file);
        free(s);
    }
}

static bool same(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

bool hulse_oauth2_source_equal(const struct oauth2_source *a, const struct oauth2_source *b)
{
    return same(a->issuer, b->issuer) && same(a->client_id, b->client_id) &&
           same(a->client_secret_file, b->client_secret_file) && same(a->audience, b->audience) &&
           same(a->scope, b->scope) && same(a->ca_file, b->ca_file) &&
           same(a->cert_file, b->cert_file) && same(a->key_file, b->key_file) &&
           a->any_host == b->any_host;
}

/* ---- ends ---- */

static void finish(struct oauth2_fetch *fetch, const struct oauth2_result *result)
{
    fetch->source = NULL;
    fetch->done(fetch, result);
}

static void fail(struct oauth2_fetch *fetch, hulse_status status, const char *why)
{
    const struct oauth2_result result = {.status = status, .token = "", .why = why};

    finish(fetch, &result);
}

/* Codes of errors are words; anything else is not repeated. */
static bool is_word(const char *text)
{
    static const char chars[] = "abcdefghijklmnopqrstuvwxyz_ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-";
    const size_t bytes = strlen(text);

    return bytes > 0 && bytes <= 64 && strspn(text, chars) == bytes;
}

/* True: it was not the answer that was hoped for, and this is told. */
static bool has_failed(struct oauth2_fetch *fetch, const struct http_result *r, const char *what)
{
    char why[192];

    if (r->status != HULSE_OK) {
        fail(fetch, r->status, r->why);
        return true;
    }
    if (r->code == HTTP_OK) {
        return false;
    }
    json_t *root = json_loadb(r->body, r->body_bytes, 0, NULL);
    const char *code = json_string_value(json_object_get(root, "error"));
    const bool told = code != NULL && is_word(code);
    (void)snprintf(
        why, sizeof(why), "%s: HTTP %u%s%s", what, r->code, told ? ": " : "", told ? code : "");
    json_decref(root);
    fail(fetch, HULSE_DENIED, why);
    return true;
}

/* ---- the token ---- */

static uint64_t read_life(const json_t *root)
{
    const double seconds = json_number_value(json_object_get(root, "expires_in"));

    return seconds > 0 && seconds < LIFE_SECONDS_MAX ? (uint64_t)(seconds * 1000) : 0;
}

static void take_token(struct oauth2_fetch *fetch, const json_t *root)
{
    json_t *token = json_object_get(root, "access_token");
    const char *type = json_string_value(json_object_get(root, "token_type"));
    const struct oauth2_result result = {
        .status = HULSE_OK,
        .token = json_string_value(token),
        .token_bytes = json_string_length(token),
        .life_ms = read_life(root),
        .why = "",
    };

    if (result.token == NULL) {
        fail(fetch, HULSE_PROTOCOL, "the token endpoint's answer has no access_token");
    } else if (type != NULL && strcasecmp(type, "bearer") != 0) {
        fail(fetch, HULSE_PROTOCOL, "the token endpoint gives no bearer token");
    } else {
        finish(fetch, &result);
    }
}

static void token_came(struct http_call *call, const struct http_result *r)
{
    struct oauth2_fetch *fetch = HULSE_CONTAINER(call, struct oauth2_fetch, call);

    if (has_failed(fetch, r, "token endpoint")) {
        return;
    }
    json_t *root = json_loadb(r->body, r->body_bytes, 0, NULL);
    take_token(fetch, root);
    /* jansson wipes its copies of the token (answer.h). */
    json_decref(root);
}

/* ---- asking for it ---- */

struct form {
    char *text;
    size_t used;
};

static void put_text(struct form *f, const char *text)
{
    const size_t bytes = strlen(text);

    memcpy(f->text + f->used, text, bytes);
    f->used += bytes;
}

/* Percent-encoded (RFC 6749, appendix B); there is room. */
static void put(struct form *f, const char *name, const char *value, size_t bytes)
{
    static const char plain[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~";
    static const char digits[] = "0123456789ABCDEF";

    put_text(f, f->used == 0 ? "" : "&");
    put_text(f, name);
    put_text(f, "=");
    for (size_t i = 0; i < bytes; i++) {
        const unsigned char c = (unsigned char)value[i];
        if (c != '\0' && strchr(plain, c) != NULL) {
            f->text[f->used++] = value[i];
        } else {
            f->text[f->used++] = '%';
            f->text[f->used++] = digits[c >> 4];
            f->text[f->used++] = digits[c & 15];
        }
    }
}

static size_t length(const char *text)
{
    return text == NULL ? 0 : strlen(text);
}

/* False: no memory. */
static bool
fill_form(struct form *f, const struct oauth2_source *s, const char *secret, size_t secret_bytes)
{
    static const char kind[] = "client_credentials";
    const size_t values =
        sizeof(kind) + length(s->client_id) + secret_bytes + length(s->audience) + length(s->scope);

    /* Three characters for each, and 128 for the names. */
    *f = (struct form){.text = malloc((3 * values) + 128)};
    if (f->text == NULL) {
        return false;
    }
    put(f, "grant_type", kind, sizeof(kind) - 1);
    put(f, "client_id", s->client_id, strlen(s->client_id));
    put(f, "client_secret", secret, secret_bytes);
    if (s->audience != NULL) {
        put(f, "audience", s->audience, strlen(s->audience));
    }
    if (s->scope != NULL) {
        put(f, "scope", s->scope, strlen(s->scope));
    }
    return true;
}

static hulse_status
request(struct oauth2_fetch *fetch, const char *url, const struct form *form, struct error *err)
{
    static const char *const headers[] = {"Accept: application/json", NULL};
    const struct oauth2_source *s = fetch->source;
    const uint64_t now_ms = hulse_loop_now_ms(fetch->http->loop);
    const struct http_request wanted = {
        .url = url,
        .method = form == NULL ? HTTP_GET : HTTP_POST,
        .headers = headers,
        .body = form == NULL ? NULL : form->text,
        .body_bytes = form == NULL ? 0 : form->used,
        .timeout_ms = fetch->deadline_ms > now_ms ? (uint32_t)(fetch->deadline_ms - now_ms) : 1,
        .answer_bytes_max = ANSWER_BYTES_MAX,
        .tls = {.ca_file = s->ca_file,
                .cert_file = s->cert_file,
                .key_file = s->key_file,
                .any_host = s->any_host},
    };

    return hulse_http_client_start(fetch->http, &fetch->call, &wanted, err);
}

static hulse_status show_secret(struct oauth2_fetch *fetch, const char *endpoint, struct error *err)
{
    char text[HULSE_TOKEN_BYTES_MAX + 64];
    size_t bytes = 0;
    struct form form = {NULL, 0};
    struct token secret;
    hulse_status st =
        hulse_token_read(fetch->source->client_secret_file, text, sizeof(text), &bytes, err);

    if (st == HULSE_OK) {
        st = hulse_token_parse_client(&secret, text, bytes, err);
    }
    if (st == HULSE_OK && !fill_form(&form, fetch->source, secret.data, secret.bytes)) {
        st = hulse_fail(err, HULSE_NO_MEMORY, "no memory");
    }
    if (st == HULSE_OK) {
        fetch->call.done = token_came;
        st = request(fetch, endpoint, &form, err);
    }
    if (form.text != NULL) {
        explicit_bzero(form.text, form.used);
        free(form.text);
    }
    explicit_bzero(text, bytes);
    return st;
}

static bool is_tls(const char *url)
{
    return strncasecmp(url, "https://", 8) == 0;
}

static void endpoint_came(struct http_call *call, const struct http_result *r)
{
    struct oauth2_fetch *fetch = HULSE_CONTAINER(call, struct oauth2_fetch, call);
    struct error err;

    if (has_failed(fetch, r, "issuer")) {
        return;
    }
    json_t *root = json_loadb(r->body, r->body_bytes, 0, NULL);
    const char *endpoint = json_string_value(json_object_get(root, "token_endpoint"));
    if (endpoint == NULL) {
        fail(fetch, HULSE_PROTOCOL, "the issuer's answer has no token_endpoint");
    } else if (is_tls(fetch->source->issuer) && !is_tls(endpoint)) {
        fail(fetch, HULSE_DENIED, "the issuer's token_endpoint is not https");
    } else if (show_secret(fetch, endpoint, &err) != HULSE_OK) {
        fail(fetch, err.status, err.text);
    }
    json_decref(root);
}

/* ---- calls ---- */

hulse_status hulse_oauth2_start(struct oauth2_fetch *fetch,
                                struct http_client *http,
                                const struct oauth2_source *source,
                                uint32_t timeout_ms,
                                struct error *err)
{
    const size_t bytes = strlen(source->issuer) + sizeof(discovery);
    char *url = malloc(bytes);

    HULSE_ASSERT(fetch->source == NULL);
    HULSE_ASSERT(timeout_ms > 0);

    if (url == NULL) {
        return hulse_fail(err, HULSE_NO_MEMORY, "no memory");
    }
    (void)snprintf(url, bytes, "%s%s", source->issuer, discovery);
    fetch->http = http;
    fetch->source = source;
    fetch->deadline_ms = hulse_loop_now_ms(http->loop) + timeout_ms;
    fetch->call.done = endpoint_came;
    const hulse_status st = request(fetch, url, NULL, err);
    free(url);
    if (st != HULSE_OK) {
        fetch->source = NULL;
    }
    return st;
}

void hulse_oauth2_cancel(struct oauth2_fetch *fetch)
{
    hulse_http_client_cancel(&fetch->call);
    fetch->source = NULL;
}
