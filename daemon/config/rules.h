/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rules - the parts of a configuration of which there are many: brokers, topic rules and roles.
 *
 * All of it, strings and arrays included, belongs to the struct config that holds it and lives as
 * long. A list has no NULL at its end; its count is beside it. "" or a count of 0 is a null.
 *
 * Threads: constant once the configuration has been read.
 * See:     interfaces 3; the keys, their types and ranges are in key.c.
 */
#ifndef HULSE_CONFIG_RULES_H
#define HULSE_CONFIG_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* A token bucket that holds one second's worth; 0 = no limit. */
struct config_rate {
    uint64_t messages; /* per second */
    uint64_t bytes;    /* of payload, per second */
};

enum config_broker_type { CONFIG_BROKER_LOCAL = 0, CONFIG_BROKER_NULL, CONFIG_BROKER_PULSAR };

enum config_tls_version { CONFIG_TLS_1_2 = 0, CONFIG_TLS_1_3 };

enum config_routing { CONFIG_ROUND_ROBIN = 0, CONFIG_SINGLE };

enum config_batch_by { CONFIG_BY_ARRIVAL = 0, CONFIG_BY_KEY };
enum config_hashing { CONFIG_JAVASTRING = 0, CONFIG_MURMUR3, CONFIG_BOOST };

enum config_compression { CONFIG_PLAIN = 0, CONFIG_LZ4, CONFIG_ZLIB, CONFIG_ZSTD, CONFIG_SNAPPY };

/* Of payloads. In the order of the schemas' own types, which `none` stands first of; of publishers AUTO, the topic's own,
 * stands last. */
enum config_schema_type {
    CONFIG_SCHEMA_NONE = 0,
    CONFIG_SCHEMA_TYPES = 21,
    CONFIG_SCHEMA_AUTO = 21
};

struct config_schema {
    uint32_t type;    /* enum config_schema_type */
    const char *file; /* with its definition, read at load; "" = none */
    const char *text; /* what stands there; NULL without a file */
    size_t bytes;
};

enum config_durability { CONFIG_DISK = 0, CONFIG_MEMORY };

/* `brokers.NAME`. `local` and `null` exist without being written down. */
struct config_broker {
    const char *name;
    uint32_t type; /* enum config_broker_type */
    /* It would have a store, but exists by itself alone: not written down, not the default one, and no rule leads to it.
     * Not a key. */
    bool unused;
    /* Of a local one: */
    const char *directory; /* of its store; "" = hulse_config_directory() chooses */
    uint32_t durability;   /* enum config_durability */
    uint64_t size_max;     /* of its log */
    /* Of one of Pulsar; texts are "" where there is none: */
    const char *service_url;
    const char *admin_url;
    const char *listener;
    uint64_t connect_timeout_ms;
    uint64_t operation_timeout_ms;
    uint64_t keep_alive_ms;
    uint64_t partitions_refresh_ms;
    uint64_t topics_refresh_ms;
    struct {
        const char *token; /* at most one of the seven */
        const char *token_file;
        const char *token_command;
        struct {
            const char *issuer; /* the first three, or none */
            const char *client_id;
            const char *client_secret_file;
            const char *audience;
            const char *scope;
            const char *ca_file; /* "system": what the system trusts */
        } oauth2;
        struct {
            const char *zts_url; /* the first three and either the next two or cert_file, or none */
            const char *provider_domain;
            const char *private_key_file;
            const char *tenant_domain;
            const char *tenant_service;
            const char *key_id;
            const char *cert_file;
            const char *ca_file; /* "system": what the system trusts */
            const char *principal_header;
            const char *role_header;
        } athenz;
        struct {
            const char *principal; /* the first two, or none */
            const char *keytab_file;
            const char *service;
        } kerberos;
        struct {
            const char *user; /* both or none */
            const char *password_file;
        } basic;
        struct {
            const char *cert_file; /* both or none */
            const char *key_file;
        } tls;
    } auth;
    struct {
        const char *ca_file; /* "system": what the system trusts */
        bool verify_hostname;
        uint32_t min_version;        /* enum config_tls_version */
        uint64_t reconnect_every_ms; /* 0: never */
    } tls;
};

/* One element of `topics`; the first whose pattern matches a full name counts. */
struct config_topic_rule {
    const char *match;  /* glob: * without slash, ** with, ? one character */
    const char *broker; /* name; "" = default_broker */
    struct {
        struct config_rate rate;
        uint64_t ttl_ms; /* of messages without one of their own; 0 = none */
        uint64_t
            pending_bytes;    /* without an answer, or held for a producer that drops the oldest */
        bool auto_create;     /* false: unknown topics are NO_TOPIC */
        bool dedup;           /* producers of their own, whose records the broker stores once */
        bool chunking;        /* what is above the broker's maximum goes in chunks */
        uint32_t routing;     /* enum config_routing */
        uint32_t hashing;     /* enum config_hashing */
        uint32_t compression; /* enum config_compression */
        uint32_t batch_max;   /* messages */
        uint64_t batch_bytes;
        uint32_t batch_by; /* enum config_batch_by */
        uint64_t batch_delay_ms;
        uint32_t eager_max;       /* batches */
        uint32_t pending_max;     /* messages; 0 = no bound */
        uint64_t send_timeout_ms; /* 0 = none */
        struct config_schema schema;
        bool validate; /* payloads are checked against the schema */
    } publish;
    struct {
        uint64_t ack_timeout_ms; /* 0 = none */
        uint64_t nack_delay_ms;
        double nack_multiplier; /* of the delay, with each redelivery */
        uint64_t nack_delay_max_ms;
        uint32_t redeliver_max;               /* with a dead-letter topic */
        const char *dead_letter;              /* template of its name; "" = none */
        const char *retry_letter;             /* the same */
        const char *dead_letter_subscription; /* created with it; "" = none */
        struct {
            uint32_t pending_max; /* messages */
            uint64_t expire_ms;   /* 0 = never */
            bool auto_ack;
        } chunks;                          /* of messages that are not whole */
        bool replicate_subscription_state; /* of new subscriptions of persistent topics */
        struct config_schema schema;       /* that payloads are read with */
    } consume;
    struct {
        uint64_t ttl_ms; /* not delivered when older; 0 = none */
    } policy;
};

/* `roles.NAME`. */
struct config_role {
    const char *name;
    const uid_t *uids;
    size_t uid_count;
    const gid_t *gids;
    size_t gid_count;
    const char *tokens_file; /* one token a line, read at load; "" = none */
    const char *const *tokens;
    size_t token_count;
    uint32_t sessions_max; /* 0 = no limit of its own */
    uint64_t memory_max;   /* bytes of its sessions' rings and tables; 0 = no limit of its own */
    struct config_rate rate;
    const char *const *produce; /* globs on the full name */
    size_t produce_count;
    const char *const *consume;
    size_t consume_count;
    const char *const *admin;
    size_t admin_count;
    const char *topic_name; /* POSIX extended regular expression on the full name; "" = any */
};

#endif
