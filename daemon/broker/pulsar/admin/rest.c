/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rest - see the header.
 */
#include "daemon/broker/pulsar/admin/rest.h"

#include "daemon/core/assert.h"
#include "daemon/core/mem.h"
#include "daemon/core/secret.h"

#include <openssl/evp.h>

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define BASE "/admin/v2"
#define BEARER "Authorization: Bearer "
#define BASIC "Authorization: Basic "
#define URL_BYTES (PULSAR_REST_PATH_BYTES + PULSAR_HOST_TEXT_BYTES + 32U)
/* A redirect is a header, of which a whole answer has 64 KiB. */
#define REDIRECT_BYTES_MAX 16384U

void hulse_rest_call_init(struct rest_call *c,
                          struct rest *rest,
                          void (*done)(struct rest_call *call, const struct rest_answer *answer))
{
    *c = (struct rest_call){.rest = rest,
                            .done = done,
                            .base = BASE,
                            .redirects_max = REST_REDIRECTS_MAX,
                            .answer_bytes_max = REST_ANSWER_BYTES_MAX};
    hulse_rest_path_init(&c->path);
}

static void drop_redirect(struct rest_call *c)
{
    if (c->redirect != NULL) {
        hulse_mem_free(HULSE_MEM_HTTP, c->redirect, strlen(c->redirect) + 1);
        c->redirect = NULL;
    }
}

static void drop_body(struct rest_call *c)
{
    hulse_mem_free(HULSE_MEM_HTTP, c->body, c->body_bytes);
    c->body = NULL;
    c->body_bytes = 0;
}

void hulse_rest_call_fini(struct rest_call *c)
{
    HULSE_ASSERT(c->http.exchange == NULL);
    drop_redirect(c);
    drop_body(c);
}

/* Everything that the call has for one question is let go first: `done` may begin another one. */
static void end(struct rest_call *c, const struct rest_answer *answer)
{
    struct rest_answer own = *answer;

    drop_redirect(c);
    drop_body(c);
    c->done(c, &own);
    /* The call may be gone. */
    hulse_rest_answer_fini(&own);
}

static void fail(struct rest_call *c, hulse_status status, const char *text)
{
    struct rest_answer a = {.status = status};

    (void)snprintf(a.text, sizeof(a.text), "%.*s", (int)sizeof(a.text) - 1, text);
    end(c, &a);
}

/* ---- sending ---- */

static hulse_status send_with(struct rest_call *c,
                              const char *url,
                              const char *authorization,
                              uint32_t timeout_ms,
                              struct error *err)
{
    const struct pulsar_params *p = c->rest->params;
    const char *headers[4] = {"Accept: application/json"};
    unsigned count = 1;

    if (c->method == HTTP_POST || c->method == HTTP_PUT) {
        headers[count++] = "Content-Type: application/json";
    }
    if (authorization != NULL) {
        headers[count++] = authorization;
    }
    const struct http_request request = {
        .url = url,
        .method = c->method,
        .headers = headers,
        .body = c->body,
        .body_bytes = c->body == NULL ? 0 : c->body_bytes - 1,
        .timeout_ms = timeout_ms,
        .answer_bytes_max = c->answer_bytes_max,
        .tls = {.ca_file = p->tls.ca_file,
                .cert_file = p->tls.cert_file,
                .key_file = p->tls.key_file,
                .any_host = p->tls.any_host,
                .version_1_3_alone = p->tls.version_1_3_alone},
    };
    return hulse_http_client_start(p->http, &c->http, &request, err);
}

/* Of hulse_mem_alloc(), *bytes of it; NULL: no memory. */
static char *basic_header(const struct secret *token, size_t *bytes)
{
    /* Base64 has four characters for three bytes (RFC 4648, 4). */
    *bytes = sizeof(BASIC) + ((token->bytes + 2) / 3) * 4;
    char *header = hulse_mem_alloc(HULSE_MEM_HTTP, *bytes);

    if (header != NULL) {
        memcpy(header, BASIC, sizeof(BASIC) - 1);
        (void)EVP_EncodeBlock((unsigned char *)header + sizeof(BASIC) - 1,
                              (const unsigned char *)token->data,
                              (int)token->bytes);
    }
    return header;
}

/* As above. */
static char *authorization(const struct secret *token, const struct pulsar_params *p, size_t *bytes)
{
    if (p->auth == PULSAR_AUTH_BASIC) {
        return basic_header(token, bytes);
    }
    const bool role = p->auth == PULSAR_AUTH_ATHENZ;
    const char *name = role ? p->role_header : BEARER;
    const char *colon = role ? ": " : "";
    *bytes = strlen(name) + strlen(colon) + token->bytes + 1;
    char *header = hulse_mem_alloc(HULSE_MEM_HTTP, *bytes);
    if (header != NULL) {
        (void)snprintf(header, *bytes, "%s%s%s", name, colon, token->data);
    }
    return header;
}

static hulse_status
send_authorized(struct rest_call *c, const char *url, uint32_t timeout_ms, struct error *err)
{
    const struct pulsar_params *p = c->rest->params;

    if (p->token == NULL) {
        return send_with(c, url, NULL, timeout_ms, err);
    }
    struct secret *token = hulse_secret_slot_hold(*p->token);
    if (token == NULL) {
        return hulse_fail(err,
                          HULSE_DENIED,
                          "there is no %s for the cluster yet",
                          hulse_pulsar_auth_noun(p->auth));
    }
    size_t bytes = 0;
    char *header = authorization(token, p, &bytes);
    hulse_status st = HULSE_NO_MEMORY;
    if (header == NULL) {
        (void)hulse_fail(err, st, "no memory for a request");
    } else {
        c->generation = token->generation;
        st = send_with(c, url, header, timeout_ms, err);
        explicit_bzero(header, bytes);
        hulse_mem_free(HULSE_MEM_HTTP, header, bytes);
    }
    hulse_secret_release(&token);
    return st;
}

/* While there are other hosts to try, one has half of what is left. */
static uint32_t time_for(const struct rest_call *c)
{
    const uint64_t now_ms = hulse_loop_now_ms(c->rest->params->http->loop);
    const uint64_t left_ms = c->deadline_ms > now_ms ? c->deadline_ms - now_ms : 1;
    const bool others = c->redirect == NULL && c->tries < c->rest->url.host_count;

    return (uint32_t)(others ? (left_ms + 1) / 2 : left_ms);
}

static hulse_status send_once(struct rest_call *c, struct error *err)
{
    char url[URL_BYTES];
    char host[PULSAR_HOST_TEXT_BYTES];
    const struct service_url *u = &c->rest->url;

    if (c->redirect != NULL) {
        return send_authorized(c, c->redirect, time_for(c), err);
    }
    hulse_pulsar_host_print(&u->hosts[c->rest->host], host);
    (void)snprintf(
        url, sizeof(url), "%s://%s%s%s", u->tls ? "https" : "http", host, c->base, c->path.text);
    return send_authorized(c, url, time_for(c), err);
}

static void send_again(struct rest_call *c)
{
    struct error err = {0};
    const hulse_status st = send_once(c, &err);

    if (st != HULSE_OK) {
        fail(c, st, err.text);
    }
}

/* ---- answers ---- */

static bool may_try_another(const struct rest_call *c)
{
    return c->redirect == NULL && c->tries < c->rest->url.host_count &&
           hulse_loop_now_ms(c->rest->params->http->loop) < c->deadline_ms;
}

static void try_next_host(struct rest_call *c)
{
    c->rest->host = (c->rest->host + 1) % c->rest->url.host_count;
    c->tries++;
    send_again(c);
}

static bool is_redirect(unsigned code)
{
    return code == 301 || code == 302 || code == 307 || code == 308;
}

static void follow(struct rest_call *c, const char *to)
{
    const bool tls = strncasecmp(to, "https://", 8) == 0;
    const size_t bytes = strlen(to) + 1;

    if (c->redirects == c->redirects_max) {
        fail(c, HULSE_PROTOCOL, "the cluster sends us from one broker to the next, and on");
        return;
    }
    if ((c->rest->url.tls && !tls) || bytes > REDIRECT_BYTES_MAX) {
        fail(c, HULSE_PROTOCOL, "the cluster sends us to an address that is not safe to use");
        return;
    }
    char *copy = hulse_mem_alloc(HULSE_MEM_HTTP, bytes);
    if (copy == NULL) {
        fail(c, HULSE_NO_MEMORY, "no memory for a request");
        return;
    }
    memcpy(copy, to, bytes);
    drop_redirect(c);
    c->redirect = copy;
    c->redirects++;
    send_again(c);
}

static void judge(struct rest_call *c, const struct http_result *result)
{
    const struct pulsar_params *p = c->rest->params;
    struct rest_answer a;

    if (is_redirect(result->code) && result->redirect != NULL) {
        follow(c, result->redirect);
        return;
    }
    if (result->code == 503 && may_try_another(c)) {
        try_next_host(c);
        return;
    }
    if (result->code == 401 && c->generation != 0 && p->refused != NULL) {
        p->refused(p->refused_context, c->generation);
    }
    hulse_rest_answer_read(&a, c->method, result->code, result->body, result->body_bytes);
    end(c, &a);
}

/* Of a request without an answer. */
static hulse_status status_of(hulse_status status)
{
    switch (status) {
    case HULSE_IO:
    case HULSE_FAILED:
        return HULSE_REFUSED;
    case HULSE_TOOBIG:
        return HULSE_LIMIT;
    default:
        return status;
    }
}

static void answered(struct http_call *call, const struct http_result *result)
{
    struct rest_call *c = HULSE_CONTAINER(call, struct rest_call, http);

    if (result->status == HULSE_OK) {
        judge(c, result);
    } else if (!result->reached && result->status != HULSE_CLOSED && may_try_another(c)) {
        try_next_host(c);
    } else {
        fail(c, status_of(result->status), result->why);
    }
}

hulse_status hulse_rest_start(struct rest_call *c,
                              enum http_method method,
                              const char *body,
                              uint64_t deadline_ms,
                              struct error *err)
{
    HULSE_ASSERT(c->body == NULL && c->redirect == NULL);
    if (!c->path.whole) {
        return hulse_fail(err, HULSE_INVAL, "the name is too long");
    }
    if (body != NULL) {
        const size_t bytes = strlen(body) + 1;
        c->body = hulse_mem_alloc(HULSE_MEM_HTTP, bytes);
        if (c->body == NULL) {
            return hulse_fail(err, HULSE_NO_MEMORY, "no memory for a request");
        }
        memcpy(c->body, body, bytes);
        c->body_bytes = bytes;
    }
    c->http.done = answered;
    c->method = method;
    c->deadline_ms = deadline_ms;
    c->generation = 0;
    c->tries = 1;
    c->redirects = 0;
    const hulse_status st = send_once(c, err);
    if (st != HULSE_OK) {
        drop_body(c);
    }
    return st;
}
