/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config - what the operator wants, from defaults, environment and flags.
 *
 * Sources are applied in the order of their rank: hulse_config_init(), _environment(), then one
 * hulse_config_set() for each flag; hulse_config_check() ends it. The keys, their types and
 * ranges are in key.c and nowhere else.
 *
 * Threads: filled by main before other threads start, constant afterwards.
 * Trust:   texts are the operator's; an error names the key, its range and the nearest known key.
 */
#ifndef HULSE_CONFIG_CONFIG_H
#define HULSE_CONFIG_CONFIG_H

#include "daemon/config/rules.h"
#include "daemon/core/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define HULSE_CONFIG_TEXT_BYTES 256U
/* sockaddr_un.sun_path, the terminating zero included. */
#define HULSE_CONFIG_SOCKET_BYTES 108U
#define HULSE_CONFIG_KEYS_MAX 48U
#define HULSE_CONFIG_ORIGIN_BYTES 64U

enum config_spin {
    CONFIG_SPIN_AUTO = 0, /* measured at start */
    CONFIG_SPIN_OFF,
    CONFIG_SPIN_BUSY
};

/* In the order of enum log_level and enum log_format of core. */
enum config_level {
    CONFIG_LEVEL_ERROR = 0,
    CONFIG_LEVEL_WARN,
    CONFIG_LEVEL_INFO,
    CONFIG_LEVEL_DEBUG
};
enum config_format { CONFIG_FORMAT_JSON = 0, CONFIG_FORMAT_TEXT };

enum config_origin { CONFIG_ORIGIN_DEFAULT = 0, CONFIG_ORIGIN_ENVIRONMENT, CONFIG_ORIGIN_FLAG };

/* A text of length zero is a null. */
struct config {
    char name[HULSE_CONFIG_TEXT_BYTES];
    struct {
        uint32_t count; /* 0 = auto */
        bool pin;
        char cpus[HULSE_CONFIG_TEXT_BYTES]; /* list such as 0-3,6 */
    } workers;
    struct {
        uint32_t mode; /* enum config_spin */
        uint64_t min_ns;
        uint64_t max_ns;
    } spin;
    struct {
        uint64_t publish_ring; /* bytes */
        uint64_t deliver_ring;
        uint64_t verdict_ring;
        uint64_t ring_max;
        uint64_t memory_max;
        uint32_t receipts; /* slots */
        uint32_t receipts_max;
        uint32_t unacked_max;
        uint32_t channels_max;
        uint32_t sessions_max;
    } session;
    uint64_t memory_max; /* bytes, 0 = auto */
    uint64_t message_max;
    uint64_t drain_timeout_ns;
    struct {
        uint32_t level;  /* enum config_level */
        uint32_t format; /* enum config_format */
    } log;
    struct {
        char socket[HULSE_CONFIG_SOCKET_BYTES];
        char admin_socket[HULSE_CONFIG_SOCKET_BYTES];
        char group[HULSE_CONFIG_TEXT_BYTES];
        uint32_t mode;
    } listen;
    uint32_t default_broker; /* enum config_broker_type */
    char default_namespace[HULSE_CONFIG_TEXT_BYTES];
    struct config_rate session_rate; /* of each application */
    uint32_t topics_max;             /* entries of the topic table */

    const struct config_topic_rule *topics;
    size_t topic_count;
    const struct config_role *roles;
    size_t role_count;

    /* By the key's place in the table. */
    struct {
        enum config_origin origin;
        char name[HULSE_CONFIG_ORIGIN_BYTES]; /* of the variable */
    } origins[HULSE_CONFIG_KEYS_MAX];
};

/* Defaults, for the calling user and its XDG_RUNTIME_DIR. */
void hulse_config_init(struct config *c, char *const *environment);
/*
 * Takes HULSE_SOCKET, HULSE_ADMIN_SOCKET and HULSE_<PATH with __ between levels>.
 * A variable with a `__` must be a key; others are somebody else's and ignored, as is an empty one.
 */
hulse_status
hulse_config_environment(struct config *c, char *const *environment, struct error *err);
/* Applies one `PATH=VALUE`. */
hulse_status hulse_config_set(struct config *c, const char *assignment, struct error *err);
/* What no key can say alone. */
hulse_status hulse_config_check(const struct config *c, struct error *err);
/* The effective configuration as YAML, each value with its origin as a comment. */
void hulse_config_print(const struct config *c, FILE *out);
/* The table of keys for people: path, default, range, help. */
void hulse_config_print_keys(FILE *out);

/* The name of a broker, as in the file. */
const char *hulse_config_broker_name(const struct config *c);
/* `memory_max`, or with auto a quarter of the cgroup limit, at most 512 MiB. */
uint64_t hulse_config_memory_max(const struct config *c);

#endif
