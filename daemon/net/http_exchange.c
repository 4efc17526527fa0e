/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_exchange - see http_exchange.h.
 */
#include "daemon/net/http_exchange.h"

#include "daemon/core/assert.h"
#include "daemon/core/mem.h"
#include "daemon/net/curl_library.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HEAD_BYTES_MAX = 65536, ANSWER_BYTES_FIRST = 4096 };

/*
 * For connecting to one of several addresses, TLS included. Each has half of what the one before
 * left, so that the first, which may swallow packets, has half of this and not all of the time.
 */
#define CONNECT_MS 8000U

/* ---- the answer ---- */

static void drop_answer(struct http_exchange *x)
{
    if (x->answer != NULL) {
        explicit_bzero(x->answer, x->answer_bytes);
        hulse_mem_free(HULSE_MEM_HTTP, x->answer, x->answer_room);
        x->answer = NULL;
    }
}

/* Not realloc(): it would leave a copy behind. */
static bool make_room(struct http_exchange *x, size_t bytes)
{
    size_t room = x->answer_room == 0 ? ANSWER_BYTES_FIRST : 2 * x->answer_room;
    const size_t used = x->answer_bytes;

    if (bytes <= x->answer_room) {
        return true;
    }
    room = room < bytes ? bytes : room;
    room = room > x->answer_max ? x->answer_max : room;
    char *larger = hulse_mem_alloc(HULSE_MEM_HTTP, room);
    if (larger == NULL) {
        return false;
    }
    if (x->answer != NULL) {
        memcpy(larger, x->answer, used);
    }
    drop_answer(x);
    x->answer = larger;
    x->answer_room = room;
    return true;
}

/* Anything but `bytes` ends the transfer. */
static size_t take_body(char *data, size_t one, size_t bytes, void *ctx)
{
    struct http_exchange *x = ctx;

    (void)one;
    if (bytes > x->answer_max - x->answer_bytes) {
        x->too_large = true;
        return 0;
    }
    if (!make_room(x, x->answer_bytes + bytes)) {
        x->no_memory = true;
        return 0;
    }
    if (bytes > 0) {
        memcpy(x->answer + x->answer_bytes, data, bytes);
        x->answer_bytes += bytes;
    }
    return bytes;
}

/* libcurl keeps every header; without this a server could send them for ever. */
/* The type is libcurl's. NOLINTNEXTLINE(readability-non-const-parameter) */
static size_t take_head(char *data, size_t one, size_t bytes, void *ctx)
{
    struct http_exchange *x = ctx;

    (void)data;
    (void)one;
    if (bytes > HEAD_BYTES_MAX - x->head_bytes) {
        x->too_large = true;
        return 0;
    }
    x->head_bytes += bytes;
    return bytes;
}

/* ---- the request ---- */

static bool is_plain(const char *text)
{
    for (const char *c = text; *c != '\0'; c++) {
        if ((unsigned char)*c < ' ' || *c == 0x7f) {
            return false;
        }
    }
    return true;
}

/* What libcurl and the resolver read alike; others could end up in a lookup of libcurl's own. */
static bool is_host(const char *host)
{
    static const char chars[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";
    const size_t bytes = strlen(host);

    return bytes > 0 && bytes < HULSE_RESOLVER_NAME_BYTES && strspn(host, chars) == bytes &&
           host[bytes - 1] != '.';
}

static bool take_host(struct http_exchange *x, const char *host)
{
    struct in6_addr v6;
    const size_t bytes = strlen(host);

    if (bytes > 2 && bytes - 2 < sizeof(x->host) && host[0] == '[' && host[bytes - 1] == ']') {
        memcpy(x->host, host + 1, bytes - 2);
        return inet_pton(AF_INET6, x->host, &v6) == 1;
    }
    if (!is_host(host)) {
        return false;
    }
    memcpy(x->host, host, bytes);
    return true;
}

/* Of an URL that libcurl has understood. */
static bool take_parts(struct http_exchange *x, CURLU *url)
{
    char *scheme = NULL;
    char *host = NULL;
    char *port = NULL;
    char *user = NULL;
    bool fine = hulse_curl.url_get(url, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
                (strcmp(scheme, "http") == 0 || strcmp(scheme, "https") == 0) &&
                hulse_curl.url_get(url, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
                take_host(x, host) &&
                hulse_curl.url_get(url, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK &&
                hulse_curl.url_get(url, CURLUPART_USER, &user, 0) == CURLUE_NO_USER;

    if (fine) {
        x->port = (uint16_t)strtoul(port, NULL, 10);
        (void)snprintf(x->origin, sizeof(x->origin), "%s://%s:%s", scheme, host, port);
        fine = x->port != 0;
    }
    hulse_curl.free(scheme);
    hulse_curl.free(host);
    hulse_curl.free(port);
    hulse_curl.free(user);
    return fine;
}

static hulse_status take_url(struct http_exchange *x, const char *text, struct error *err)
{
    CURLU *url = hulse_curl.url();

    if (url == NULL) {
        return hulse_fail(err, HULSE_NO_MEMORY, "no memory");
    }
    const bool fine =
        hulse_curl.url_set(url, CURLUPART_URL, text, 0) == CURLUE_OK && take_parts(x, url);
    hulse_curl.url_cleanup(url);
    if (!fine) {
        return hulse_fail(err, HULSE_INVAL, "an URL is http[s]://HOST[:PORT]/PATH");
    }
    return HULSE_OK;
}

static void drop_list(struct curl_slist **list)
{
    for (struct curl_slist *one = *list; one != NULL; one = one->next) {
        explicit_bzero(one->data, strlen(one->data));
    }
    hulse_curl.slist_free_all(*list);
    *list = NULL;
}

static bool append(struct curl_slist **list, const char *text)
{
    struct curl_slist *longer = hulse_curl.slist_append(*list, text);

    if (longer == NULL) {
        return false;
    }
    *list = longer;
    return true;
}

static hulse_status
take_headers(struct http_exchange *x, const char *const *headers, struct error *err)
{
    /* What libcurl would add to large bodies, and wait for. */
    bool fine = append(&x->headers, "Expect:");

    for (size_t i = 0; headers != NULL && headers[i] != NULL; i++) {
        if (!is_plain(headers[i])) {
            return hulse_fail(err, HULSE_INVAL, "a header has a control character");
        }
        fine = fine && append(&x->headers, headers[i]);
    }
    return fine ? HULSE_OK : hulse_fail(err, HULSE_NO_MEMORY, "no memory");
}

static hulse_status
take_body_to_post(struct http_exchange *x, const struct http_request *request, struct error *err)
{
    /* One byte at least, because malloc(0) may give nothing. */
    x->posted = malloc(request->body_bytes + 1);
    if (x->posted == NULL) {
        return hulse_fail(err, HULSE_NO_MEMORY, "no memory");
    }
    if (request->body_bytes > 0) {
        memcpy(x->posted, request->body, request->body_bytes);
    }
    x->posted_bytes = request->body_bytes;
    return HULSE_OK;
}

/* ---- what libcurl is told ---- */

/* A lookup of its own would start a thread: there is none, whatever the reason. */
static int refuse_lookup(void *state, void *reserved, void *ctx)
{
    (void)state;
    (void)reserved;
    (void)ctx;
    return 1;
}

static CURLcode set_manners(CURL *easy)
{
    CURLcode rc = hulse_curl.easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);

    rc = rc != CURLE_OK ? rc : hulse_curl.easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    rc = rc != CURLE_OK ? rc : hulse_curl.easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    rc = rc != CURLE_OK ? rc : hulse_curl.easy_setopt(easy, CURLOPT_PROXY, "");
    rc =
        rc != CURLE_OK ? rc : hulse_curl.easy_setopt(easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    rc = rc != CURLE_OK
             ? rc
             : hulse_curl.easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    return rc != CURLE_OK ? rc : hulse_curl.easy_setopt(easy, CURLOPT_USERAGENT, "hulse");
}

static CURLcode set_tls(CURL *easy, const struct http_tls *tls)
{
    const long version = tls->version_1_3_alone ? CURL_SSLVERSION_TLSv1_3 : CURL_SSLVERSION_TLSv1_2;
    CURLcode rc = hulse_curl.easy_setopt(easy, CURLOPT_SSLVERSION, version);

    rc = rc != CURLE_OK ? rc : hulse_curl.easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
    rc = rc != CURLE_OK
             ? rc
             : hulse_curl.easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, tls->any_host ? 0L : 2L);
    if (rc == CURLE_OK && tls->ca_file != NULL) {
        rc = hulse_curl.easy_setopt(easy, CURLOPT_CAINFO, tls->ca_file);
        /* Instead of the system's authorities, not beside them. */
        rc = rc != CURLE_OK ? rc : hulse_curl.easy_setopt(easy, CURLOPT_CAPATH, NULL);
    }
    if (rc == CURLE_OK && tls->cert_file != NULL) {
        rc = hulse_curl.easy_setopt(easy, CURLOPT_SSLCERT, tls->cert_file);
        rc = rc != CURLE_OK ? rc : hulse_curl.easy_setopt(easy, CURLOPT_SSLKEY, tls->key_file);
    }
    return rc;
}

static CURLcode set_callbacks(struct http_exchange *x)
{
    CURL *easy = x->easy;
    CURLcode rc = hulse_curl.easy_setopt(easy, CURLOPT_PRIVATE, x);

    rc = rc != CURLE_OK ? rc : hulse_curl.easy_setopt(easy, CURLOPT_ERRORBUFFER, x->detail);
    rc = rc != CURLE_OK ? rc : hulse_curl.easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body);
    rc = rc != CURLE_OK ? rc : hulse_curl.easy_setopt(easy, CURLOPT_WRITEDATA, x);
    rc = rc != CURLE_OK ? rc : hulse_curl.easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_head);
    return rc != CURLE_OK ? rc : hulse_curl.easy_setopt(easy, CURLOPT_HEADERDATA, x);
}

static CURLcode set_request(struct http_exchange *x, const char *url)
{
    CURL *easy = x->easy;
    CURLcode rc = hulse_curl.easy_setopt(easy, CURLOPT_URL, url);

    rc = rc != CURLE_OK ? rc : hulse_curl.easy_setopt(easy, CURLOPT_HTTPHEADER, x->headers);
    if (rc == CURLE_OK && x->posted != NULL) {
        rc = hulse_curl.easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)x->posted_bytes);
        rc = rc != CURLE_OK ? rc : hulse_curl.easy_setopt(easy, CURLOPT_POSTFIELDS, x->posted);
    }
    if (rc == CURLE_OK && (x->method == HTTP_PUT || x->method == HTTP_DELETE)) {
        rc = hulse_curl.easy_setopt(
            easy, CURLOPT_CUSTOMREQUEST, x->method == HTTP_PUT ? "PUT" : "DELETE");
    }
    return rc;
}

static hulse_status
tell_curl(struct http_exchange *x, const struct http_request *request, struct error *err)
{
    x->easy = hulse_curl.easy_init();
    if (x->easy == NULL) {
        return hulse_fail(err, HULSE_NO_MEMORY, "no memory");
    }
    CURLcode rc = set_manners(x->easy);
    rc = rc != CURLE_OK ? rc : set_tls(x->easy, &request->tls);
    rc = rc != CURLE_OK ? rc : set_callbacks(x);
    rc = rc != CURLE_OK ? rc : set_request(x, request->url);
    if (rc != CURLE_OK) {
        return hulse_fail(err,
                          rc == CURLE_OUT_OF_MEMORY ? HULSE_NO_MEMORY : HULSE_FAILED,
                          "libcurl: %s",
                          hulse_curl.easy_strerror(rc));
    }
    return HULSE_OK;
}

/* ---- life ---- */

hulse_status hulse_http_exchange_create(struct http_exchange **out,
                                        const struct http_request *request,
                                        struct error *err)
{
    HULSE_ASSERT(request->timeout_ms > 0);
    const bool posts = request->method == HTTP_POST || request->method == HTTP_PUT;
    HULSE_ASSERT(posts || request->body_bytes == 0);

    struct http_exchange *x = calloc(1, sizeof(*x));
    if (x == NULL) {
        return hulse_fail(err, HULSE_NO_MEMORY, "no memory");
    }
    x->method = request->method;
    x->timeout_ms = request->timeout_ms;
    x->answer_max = request->answer_bytes_max;
    hulse_status st = take_url(x, request->url, err);
    if (st == HULSE_OK) {
        st = take_headers(x, request->headers, err);
    }
    if (st == HULSE_OK && posts) {
        st = take_body_to_post(x, request, err);
    }
    if (st == HULSE_OK) {
        st = tell_curl(x, request, err);
    }
    if (st != HULSE_OK) {
        hulse_http_exchange_destroy(&x);
    }
    *out = x;
    return st;
}

void hulse_http_exchange_destroy(struct http_exchange **exchange)
{
    struct http_exchange *x = *exchange;

    HULSE_ASSERT(!x->added);
    *exchange = NULL;
    hulse_curl.easy_cleanup(x->easy);
    drop_list(&x->headers);
    drop_list(&x->addresses);
    if (x->posted != NULL) {
        explicit_bzero(x->posted, x->posted_bytes);
        free(x->posted);
    }
    drop_answer(x);
    free(x);
}

static bool is_literal(const char *host)
{
    struct in6_addr address;

    return inet_pton(AF_INET, host, &address) == 1 || inet_pton(AF_INET6, host, &address) == 1;
}

static bool set_times(struct http_exchange *x, uint32_t address_count, uint32_t left_ms)
{
    if (address_count > 1 && left_ms > CONNECT_MS) {
        x->connect_ms = CONNECT_MS;
    }
    /* libcurl's own limit is 5 minutes, and an address's share of them longer than most requests. */
    const long connect_ms = (long)(x->connect_ms != 0 ? x->connect_ms : left_ms);

    return hulse_curl.easy_setopt(x->easy, CURLOPT_TIMEOUT_MS, (long)left_ms) == CURLE_OK &&
           hulse_curl.easy_setopt(x->easy, CURLOPT_CONNECTTIMEOUT_MS, connect_ms) == CURLE_OK;
}

/* libcurl is told the addresses of a name. */
static bool set_addresses(struct http_exchange *x, const struct resolver_result *where)
{
    char text[HULSE_RESOLVER_NAME_BYTES + 8 +
              (HULSE_RESOLVER_ADDRESSES_MAX * (INET6_ADDRSTRLEN + 3))];
    char address[INET6_ADDRSTRLEN];

    size_t used = (size_t)snprintf(text, sizeof(text), "%s:%u:", x->host, x->port);
    for (uint32_t i = 0; i < where->address_count; i++) {
        const union resolver_address *a = &where->addresses[i];
        const bool v6 = a->any.sa_family == AF_INET6;
        const void *bytes = v6 ? (const void *)&a->v6.sin6_addr : (const void *)&a->v4.sin_addr;
        (void)inet_ntop(a->any.sa_family, bytes, address, sizeof(address));
        used += (size_t)snprintf(text + used,
                                 sizeof(text) - used,
                                 "%s%s%s%s",
                                 i == 0 ? "" : ",",
                                 v6 ? "[" : "",
                                 address,
                                 v6 ? "]" : "");
    }
    return append(&x->addresses, text) &&
           hulse_curl.easy_setopt(x->easy, CURLOPT_RESOLVE, x->addresses) == CURLE_OK &&
           hulse_curl.easy_setopt(x->easy, CURLOPT_RESOLVER_START_FUNCTION, refuse_lookup) ==
               CURLE_OK;
}

bool hulse_http_exchange_locate(struct http_exchange *x,
                                const struct resolver_result *where,
                                uint32_t left_ms)
{
    return set_times(x, where->address_count, left_ms) &&
           (is_literal(x->host) || set_addresses(x, where));
}

/* ---- ends ---- */

static hulse_status status_of(const struct http_exchange *x, CURLcode code)
{
    if (x->too_large) {
        return HULSE_TOOBIG;
    }
    if (x->no_memory) {
        return HULSE_NO_MEMORY;
    }
    switch (code) {
    case CURLE_OK:
        return HULSE_OK;
    case CURLE_OUT_OF_MEMORY:
        return HULSE_NO_MEMORY;
    case CURLE_OPERATION_TIMEDOUT:
        return HULSE_TIMED_OUT;
    case CURLE_COULDNT_CONNECT:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_GOT_NOTHING:
    case CURLE_PARTIAL_FILE:
        return HULSE_IO;
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_BAD_CONTENT_ENCODING:
        return HULSE_PROTOCOL;
    default:
        return HULSE_FAILED;
    }
}

/* The handshake, if there is one, is over: what follows is the request. */
static bool has_reached(const struct http_exchange *x)
{
    curl_off_t connected_us = 0;

    (void)hulse_curl.easy_getinfo(x->easy, CURLINFO_PRETRANSFER_TIME_T, &connected_us);
    return connected_us != 0;
}

struct http_result
hulse_http_exchange_fail(struct http_exchange *x, hulse_status status, const char *why)
{
    (void)snprintf(x->why, sizeof(x->why), "%s: %s", x->origin, why);
    return (struct http_result){
        .status = status, .body = "", .why = x->why, .reached = has_reached(x)};
}

/* libcurl's clock and ours end a request alike. */
static struct http_result time_over(struct http_exchange *x)
{
    char why[64];

    if (!has_reached(x) && x->connect_ms != 0) {
        (void)snprintf(why, sizeof(why), "no connection within %u ms", x->connect_ms);
    } else {
        (void)snprintf(why, sizeof(why), "no answer within %u ms", x->timeout_ms);
    }
    return hulse_http_exchange_fail(x, HULSE_TIMED_OUT, why);
}

struct http_result hulse_http_exchange_end(struct http_exchange *x, CURLcode code)
{
    const hulse_status status = status_of(x, code);
    long answered = 0;
    char *redirect = NULL;

    if (status == HULSE_TOOBIG) {
        return hulse_http_exchange_fail(x, status, "the answer is too large");
    }
    if (status == HULSE_NO_MEMORY) {
        return hulse_http_exchange_fail(x, status, "no memory for the answer");
    }
    if (status == HULSE_TIMED_OUT) {
        return time_over(x);
    }
    if (status != HULSE_OK) {
        return hulse_http_exchange_fail(
            x, status, x->detail[0] != '\0' ? x->detail : hulse_curl.easy_strerror(code));
    }
    (void)hulse_curl.easy_getinfo(x->easy, CURLINFO_RESPONSE_CODE, &answered);
    (void)hulse_curl.easy_getinfo(x->easy, CURLINFO_REDIRECT_URL, &redirect);
    return (struct http_result){
        .status = HULSE_OK,
        .code = (unsigned)answered,
        .body = x->answer != NULL ? x->answer : "",
        .body_bytes = x->answer_bytes,
        .redirect = redirect,
        .why = "",
    };
}
