/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_exchange - one request and its answer, as http_client drives it: what libcurl is told, where
 * the answer is kept, and what its end means.
 *
 * Threads: control.
 * Trust:   as http_client.h.
 */
#ifndef HULSE_NET_HTTP_EXCHANGE_H
#define HULSE_NET_HTTP_EXCHANGE_H

#include "daemon/net/http_client.h"

#include <curl/curl.h>

/* "https://", a host, ":65535" */
#define HULSE_HTTP_ORIGIN_BYTES (HULSE_RESOLVER_NAME_BYTES + 16U)

struct http_exchange {
    LIST_ENTRY(http_exchange) link;
    struct http_client *client;
    struct http_call *call;
    struct resolver_lookup lookup;
    struct timer deadline;
    uint32_t timeout_ms;
    uint32_t
        connect_ms; /* for connecting, where that is less than all of the rest; 0 = all of it */
    enum http_method method;
    CURL *easy;
    bool added; /* to the client's multi handle */
    bool too_large;
    bool no_memory;
    uint16_t port;
    struct curl_slist *headers;
    struct curl_slist *addresses;
    char *posted;
    size_t posted_bytes;
    char *answer;
    size_t answer_bytes;
    size_t answer_room;
    size_t answer_max;
    size_t head_bytes;
    char host[HULSE_RESOLVER_NAME_BYTES];
    char origin[HULSE_HTTP_ORIGIN_BYTES]; /* scheme, host and port, for texts */
    char detail[CURL_ERROR_SIZE];
    char why[CURL_ERROR_SIZE + HULSE_HTTP_ORIGIN_BYTES + 64];
};

/* Checks and copies the request; nothing is sent. INVAL, NO_MEMORY. */
hulse_status hulse_http_exchange_create(struct http_exchange **out,
                                        const struct http_request *request,
                                        struct error *err);
/* Removed from the multi handle, its lookup and timer stopped. */
void hulse_http_exchange_destroy(struct http_exchange **exchange);
/* Where the host is, and how long all that follows may take, not 0. False: no memory. */
bool hulse_http_exchange_locate(struct http_exchange *x,
                                const struct resolver_result *where,
                                uint32_t left_ms);
/* What the end of the transfer means. The result borrows from the exchange. */
struct http_result hulse_http_exchange_end(struct http_exchange *x, CURLcode code);
/* An end of our own making. */
struct http_result
hulse_http_exchange_fail(struct http_exchange *x, hulse_status status, const char *why);

#endif
