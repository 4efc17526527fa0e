/* SPDX-License-Identifier: Apache-2.0 */
/*
 * athenz - a role token of Athenz: who the tenant is, signed with its private key, shown to the ZTS.
 *
 * Each fetch reads the private key, makes a principal token with it (N-token: v=S1;d=…;n=…;a=…;t=…;e=…;k=…;s=…, as
 * PrincipalToken of Athenz) and asks GET zts_url/zts/v1/domain/PROVIDER/token for a role token. With a certificate
 * (Copper Argos) the tenant is who its certificate says, and there is no principal token. Role tokens are asked for
 * with 2 to 24 hours of life, as Pulsar's own clients do.
 *
 * Threads: control. A signature by RSA takes 1 to 5 ms.
 * Trust:   the ZTS's answer is bounded and parsed; nothing of it is told. Texts of errors hold neither key nor token.
 * Limits:  16 KiB of key, 64 KiB of an answer. Keys without a passphrase: RSA or EC, PEM.
 */
#ifndef HULSE_CONTROL_ATHENZ_H
#define HULSE_CONTROL_ATHENZ_H

#include "daemon/core/error.h"
#include "daemon/net/http_client.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Read by create and not kept. */
struct athenz_params {
    const char *zts_url;         /* http[s]://…, with or without /zts/v1 */
    const char *provider_domain; /* that owns the roles */
    const char *tenant_domain;   /* these two without cert_file; in lower case they are signed */
    const char *tenant_service;
    const char *private_key_file;
    const char *key_id;           /* that the ZTS knows the public key by */
    const char *cert_file;        /* NULL: a principal token; else whom the ZTS sees */
    const char *ca_file;          /* NULL: what the system trusts */
    const char *principal_header; /* name of the HTTP header of the principal token */
};

struct athenz_source;

struct athenz_result {
    hulse_status status; /* OK, or as http_client.h; DENIED: the ZTS refuses; INVAL: no such key */
    const char *token;   /* borrowed during done() */
    size_t token_bytes;
    uint64_t expires_wall_ms;
    const char *why; /* unless OK */
};

/* One fetch at a time. The caller's memory. */
struct athenz_fetch {
    struct http_call call;
    const struct athenz_source *source; /* NULL = not on its way */
    /* Comes once, never from within start. It may start the fetch again. */
    void (*done)(struct athenz_fetch *fetch, const struct athenz_result *result);
};

/* INVAL: something is missing; NO_MEMORY. */
hulse_status hulse_athenz_source_create(struct athenz_source **out,
                                        const struct athenz_params *params,
                                        struct error *err);
/* No fetch uses it any more. NULL is harmless. */
void hulse_athenz_source_destroy(struct athenz_source **source);
/* Made from the same parameters; what is in their files does not count. */
bool hulse_athenz_source_equal(const struct athenz_source *a, const struct athenz_source *b);

/* Within timeout_ms. As hulse_http_client_start(); IO, INVAL, TOOBIG: the private key. */
hulse_status hulse_athenz_start(struct athenz_fetch *fetch,
                                struct http_client *http,
                                const struct athenz_source *source,
                                uint32_t timeout_ms,
                                struct error *err);
/* done() will not come. Harmless on a fetch that is not on its way. */
void hulse_athenz_cancel(struct athenz_fetch *fetch);

/* A private key as above is in the file. IO, INVAL, TOOBIG. */
hulse_status hulse_athenz_key_check(const char *private_key_file, struct error *err);

/*
 * What a ZTS answered with 200: {"token": …, "expiryTime": seconds since 1970}. PROTOCOL: it is not that. The token is a
 * copy that the caller frees, `bytes` long and terminated.
 */
hulse_status hulse_athenz_read_answer(const char *body,
                                      size_t body_bytes,
                                      char **token,
                                      size_t *bytes,
                                      uint64_t *expires_wall_ms,
                                      struct error *err);

#endif
