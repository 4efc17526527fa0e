/* SPDX-License-Identifier: Apache-2.0 */
/*
 * oauth2 - an access token by client credentials (RFC 6749, 4.4; pulsar-protocol 3.4).
 *
 * Each fetch asks the issuer for its token endpoint (OpenID Connect Discovery, section 4), reads
 * the client's secret from its file and shows it to that endpoint. An issuer asked over TLS cannot
 * send the secret over a connection without.
 *
 * Threads: control.
 * Trust:   the issuer's answers are bounded and parsed; of an error only its code is told
 *          (RFC 6749, 5.2). Texts of errors hold neither secret nor token.
 * Limits:  16 KiB of secret, 64 KiB of each answer.
 */
#ifndef HULSE_CONTROL_OAUTH2_H
#define HULSE_CONTROL_OAUTH2_H

#include "daemon/core/error.h"
#include "daemon/net/http_client.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Read by create and not kept. */
struct oauth2_params {
    const char *issuer; /* http[s]://… */
    const char *client_id;
    const char *client_secret_file;
    const char *audience; /* NULL = none */
    const char *scope;    /* NULL = none */
    struct http_tls tls;
};

struct oauth2_source;

struct oauth2_result {
    hulse_status status; /* OK, or as http_client.h; DENIED: the issuer refuses */
    const char *token;   /* borrowed during done() */
    size_t token_bytes;
    uint64_t life_ms; /* from now on; 0 = it does not say */
    const char *why;  /* unless OK */
};

/* One fetch at a time. The caller's memory. */
struct oauth2_fetch {
    struct http_call call;
    struct http_client *http;
    const struct oauth2_source *source; /* NULL = not on its way */
    uint64_t deadline_ms;               /* on the loop's clock */
    /* Comes once, never from within start. It may start the fetch again. */
    void (*done)(struct oauth2_fetch *fetch, const struct oauth2_result *result);
};

/* INVAL: issuer, client or file is missing; NO_MEMORY. */
hulse_status hulse_oauth2_source_create(struct oauth2_source **out,
                                        const struct oauth2_params *params,
                                        struct error *err);
/* No fetch uses it any more. NULL is harmless. */
void hulse_oauth2_source_destroy(struct oauth2_source **source);
/* Made from the same parameters; what is in their files does not count. */
bool hulse_oauth2_source_equal(const struct oauth2_source *a, const struct oauth2_source *b);

/* Within timeout_ms, all in all. As hulse_http_client_start(). */
hulse_status hulse_oauth2_start(struct oauth2_fetch *fetch,
                                struct http_client *http,
                                const struct oauth2_source *source,
                                uint32_t timeout_ms,
                                struct error *err);
/* done() will not come. Harmless on a fetch that is not on its way. */
void hulse_oauth2_cancel(struct oauth2_fetch *fetch);

#endif
