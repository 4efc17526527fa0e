/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config - what the operator wants, from defaults, a file, environment and flags.
 *
 * The keys, their types and ranges are in key.c and nowhere else.
 *
 * Threads: one at a time until it is loaded, constant afterwards.
 * Trust:   texts are the operator's; an error names its place, the range and the nearest known key.
 * See:     interfaces 3.
 */
#ifndef HULSE_CONFIG_CONFIG_H
#define HULSE_CONFIG_CONFIG_H

#include "daemon/config/problem.h"
#include "daemon/config/rules.h"
#include "daemon/core/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#define HULSE_CONFIG_TEXT_BYTES 256U
/* sockaddr_un.sun_path, the terminating zero included. */
#define HULSE_CONFIG_SOCKET_BYTES 108U
#define HULSE_CONFIG_KEYS_MAX 48U
/* Name of a broker or a role, and pattern of topic names, the terminating zero included. */
#define HULSE_CONFIG_NAME_BYTES 65U
#define HULSE_CONFIG_DIRECTORY_BYTES 1024U
#define HULSE_CONFIG_PATTERN_BYTES 1088U
/* What a configuration with `local` and `null` may have. */
#define HULSE_CONFIG_BROKERS_MAX 8U

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

enum config_origin_kind {
    CONFIG_ORIGIN_DEFAULT = 0,
    CONFIG_ORIGIN_FILE, /* the configuration's or that of --env-file */
    CONFIG_ORIGIN_ENVIRONMENT,
    CONFIG_ORIGIN_FLAG
};

struct config_origin {
    enum config_origin_kind kind;
    const char *name; /* of the file or of the variable */
    uint32_t line;    /* of a file, from 1 */
    uint32_t column;
};

/* A file as it was when it was read; all 0 = none. */
struct config_stamp {
    dev_t device;
    ino_t inode;
    uint64_t bytes;
    uint64_t modified_ns;
};

struct config_body;

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
    uint64_t chunked_max; /* of one that goes in chunks */
    uint64_t drain_timeout_ns;
    struct {
        char topic[HULSE_CONFIG_TEXT_BYTES]; /* that is looked up; "" = none */
        char tenant
            [HULSE_CONFIG_TEXT_BYTES]; /* whose namespaces are counted; "" = that of default_namespace */
        uint64_t timeout_ns;
    } health;
    uint64_t watchdog_timeout_ns; /* 0 = off */
    struct {
        bool filter; /* of system calls */
        bool dumpable;
    } sandbox;
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
    char state_directory[HULSE_CONFIG_DIRECTORY_BYTES]; /* where stores are by default; no key */
    char default_broker[HULSE_CONFIG_NAME_BYTES];
    char default_namespace[HULSE_CONFIG_TEXT_BYTES];
    struct config_rate session_rate; /* of each application */
    uint32_t topics_max;             /* entries of the topic table */
    bool watch;                      /* reload when the file changes */

    const struct config_broker *brokers; /* `local` and `null` among them */
    size_t broker_count;

    const struct config_topic_rule *topics;
    size_t topic_count;
    const struct config_role *roles;
    size_t role_count;

    struct config_origin origins[HULSE_CONFIG_KEYS_MAX]; /* by the key's place in its table */
    struct config_stamp stamp;                           /* of the file */
    const char *file;                                    /* that was read, or NULL */
    struct config_body *body; /* memory of all that is behind a pointer; NULL = none yet */
};

/* Where a configuration comes from. Borrowed; a reload reads all of it again. */
struct config_sources {
    const char *file;     /* NULL = the default one, if there is one */
    const char *env_file; /* NULL = none */
    char *const *environment;
    const char *const *sets; /* PATH=VALUE, in order */
    size_t set_count;
};

/*
 * Reads all sources and checks the whole. NULL: *problems says why; without that there may be
 * warnings in it. Blocks: file I/O.
 */
struct config *hulse_config_load(const struct config_sources *sources,
                                 struct config_problems *problems);
/* Ends and frees what load gave; sets *c to NULL. */
void hulse_config_destroy(struct config **c);

/* The steps of load, in their order. */

/* Defaults, for the calling user and its XDG_RUNTIME_DIR. Nothing needs to be freed yet. */
void hulse_config_init(struct config *c, char *const *environment);
void hulse_config_fini(struct config *c);
/* The text of a YAML file; `name` is for messages. */
void hulse_config_yaml(struct config *c,
                       const char *name,
                       const char *text,
                       size_t bytes,
                       struct config_problems *problems);
/* The text of an environment file: NAME=VALUE a line. */
void hulse_config_env_text(struct config *c,
                           const char *name,
                           const char *text,
                           size_t bytes,
                           struct config_problems *problems);
/*
 * Takes aliases such as LOG_LEVEL, HULSE_SOCKET, HULSE_ADMIN_SOCKET and HULSE_<PATH with __ between
 * levels>. A variable with a `__` must be a key; others are somebody else's and ignored, as is an
 * empty one.
 */
void hulse_config_environment(struct config *c,
                              char *const *environment,
                              struct config_problems *problems);
/* Applies one `PATH=VALUE`. */
hulse_status hulse_config_set(struct config *c, const char *assignment, struct error *err);
/* What no key can say alone. */
void hulse_config_check(const struct config *c, struct config_problems *problems);

/* The effective configuration as YAML, each value with its origin as a comment. */
void hulse_config_print(const struct config *c, FILE *out);
/* The table of keys for people: path, default, range, help. */
void hulse_config_print_keys(FILE *out);
/* The reference page, as Markdown. */
void hulse_config_print_reference(FILE *out);
/* JSON Schema of the file. False: no memory. */
bool hulse_config_print_schema(FILE *out);

/* A rule that says nothing: every key has its default, every list and text is empty. */
void hulse_config_topic_defaults(struct config_topic_rule *out);
/* The same of a broker, but for its name and type. */
void hulse_config_broker_defaults(struct config_broker *out);

/* `memory_max`, or with auto a quarter of the cgroup limit, at most 512 MiB. */
uint64_t hulse_config_memory_max(const struct config *c);

#endif
