/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pulsar - a cluster of Apache Pulsar as a broker: an exact client of its binary protocol.
 *
 * Threads: create and destroy by main, around the workers' lives.
 * See:     README.md beside this file; broker.h for what it promises.
 */
#ifndef HULSE_PULSAR_PULSAR_H
#define HULSE_PULSAR_PULSAR_H

#include "daemon/broker/broker.h"
#include "daemon/broker/pulsar/auth.h"

struct http_client;
struct login_desk;
struct secret_slot;

struct pulsar_tls_params {
    const char *ca_file;   /* NULL: what the system trusts */
    const char *cert_file; /* of ours, with its key_file; NULL: none */
    const char *key_file;
    bool any_host;          /* the certificate's host is not compared */
    bool version_1_3_alone; /* else 1.2 as well */
    /*
     * With files that have changed, connections that began with those before are made anew, one of a worker in such a
     * time; 0: they stay.
     */
    uint32_t reconnect_every_ms;
};

/* Read by create and not kept, but for `token`, its trouble and `refused`. */
struct pulsar_params {
    const char
        *service_url;      /* service_url.h: of either kind; over HTTP topics are looked up alone */
    const char *admin_url; /* of its REST API, as service_url.h; NULL: service_url if that is one */
    struct http_client *http; /* control's, begun before the workers; with a URL of HTTP */
    const char *listener;     /* advertised listener; NULL: none */
    const char *daemon_name;  /* first part of producers' names, any UTF-8 */
    /*
     * Where the slot of its token is said before the workers start, which outlives them; NULL: no authentication. An
     * empty slot gets a token soon.
     */
    struct secret_slot *const *token;
    enum pulsar_auth auth;   /* what it is */
    const char *role_header; /* of PULSAR_AUTH_ATHENZ: name of the HTTP header of a role token */
    struct secret_slot *const
        *token_trouble;       /* the same, of why there is none; NULL: nobody says */
    struct login_desk *login; /* by which each connection logs in ("sasl"); NULL: by none */
    /* A broker has refused the token of this generation; on a worker's thread. May be NULL. */
    void (*refused)(void *context, uint64_t generation);
    void *refused_context;
    struct pulsar_tls_params tls; /* with pulsar+ssl:// */
    uint32_t connect_timeout_ms;  /* for each address; none of the three is 0 */
    uint32_t operation_timeout_ms;
    uint32_t keep_alive_ms;
    uint32_t lag_period_ms; /* between two questions how far a subscription is behind; 0: never */
    uint32_t partitions_refresh_ms; /* between two looks at how many a topic has; 0: a minute */
    uint32_t topics_refresh_ms; /* between two lists of a namespace that is watched; 0: a minute */
    uint32_t message_bytes_max; /* of the daemon; the broker's own may be less */
    uint32_t chunked_bytes_max; /* of a message in chunks, both ways */
};

/* Zeros with the defaults of docs/reference-config.md. */
void hulse_pulsar_params_default(struct pulsar_params *p);
/* Connects to nothing: that is the first producer's or consumer's. INVAL: one of the URLs. */
struct broker *
hulse_pulsar_create(const char *name, const struct pulsar_params *params, struct error *err);
/* After the workers. */
void hulse_pulsar_destroy(struct broker **b);
/* Is it a service URL or one of HTTP, and one with TLS? INVAL with what is wrong. */
hulse_status hulse_pulsar_url_check(const char *service_url, bool *tls, struct error *err);
/* The same of an admin URL. */
hulse_status hulse_pulsar_admin_url_check(const char *admin_url, bool *tls, struct error *err);
/* Can its files be used, as they are now? IO with what is wrong. */
hulse_status hulse_pulsar_tls_check(const struct pulsar_tls_params *params, struct error *err);

#endif
