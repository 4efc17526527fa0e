/* SPDX-License-Identifier: Apache-2.0 */
/*
 * request - one line from the admin socket, parsed.
 *
 * Threads: any; pure function but for jansson's allocations.
 * Trust:   the bytes may be anything; the sender has the daemon's uid or is root.
 */
#ifndef HULSE_ADMIN_REQUEST_H
#define HULSE_ADMIN_REQUEST_H

#include "daemon/broker/broker.h"
#include "daemon/core/error.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HULSE_ADMIN_NAMESPACE_BYTES 512U
#define HULSE_ADMIN_TOPIC_BYTES 1088U
#define HULSE_ADMIN_SUBSCRIPTION_BYTES 1024U
#define HULSE_ADMIN_TYPE_BYTES 32U
#define HULSE_ADMIN_DIRECTORY_BYTES 4096U
#define HULSE_ADMIN_PARTITIONS_MAX 10000U

enum admin_command {
    ADMIN_STATS = 0,
    ADMIN_HEALTH,
    ADMIN_TOPICS_LIST,
    ADMIN_TOPICS_CREATE,
    ADMIN_TOPICS_DELETE,
    ADMIN_TOPICS_STATS,
    ADMIN_TOPICS_UNLOAD,
    ADMIN_SUBS_LIST,
    ADMIN_SUBS_STATS,
    ADMIN_SUBS_SEEK,
    ADMIN_SUBS_SKIP,
    ADMIN_SUBS_DELETE,
    ADMIN_SCHEMA_LIST,
    ADMIN_SCHEMA_GET,
    ADMIN_SCHEMA_PUT,
    ADMIN_CONFIG,
    ADMIN_RELOAD,
    ADMIN_DRAIN,
    ADMIN_STORE_CHECK,
    ADMIN_STORE_BACKUP,
    ADMIN_COMMANDS
};

struct admin_request {
    enum admin_command command;
    char namespace_name[HULSE_ADMIN_NAMESPACE_BYTES]; /* topics.list; empty = all */
    char topic
        [HULSE_ADMIN_TOPIC_BYTES]; /* the other topics.…, subs.…, schema.…; as it came, not empty */
    char subscription[HULSE_ADMIN_SUBSCRIPTION_BYTES]; /* subs.…; empty in subs.stats = all */
    struct broker_position position;                   /* subs.seek */
    uint64_t count;                                    /* subs.skip; 0 = all */
    uint64_t version;                  /* schema.get; counted from 1, 0 = the newest */
    char type[HULSE_ADMIN_TYPE_BYTES]; /* schema.put; as it came, not empty */
    char *definition;                  /* schema.put, terminated; else NULL */
    size_t definition_bytes;
    json_t *properties;                          /* schema.put, an object; NULL: none */
    uint32_t partitions;                         /* topics.create; 0 = not partitioned */
    bool force;                                  /* topics.delete, subs.delete */
    bool deep;                                   /* health; its broker is asked */
    bool now;                                    /* drain; sessions are not waited for */
    char directory[HULSE_ADMIN_DIRECTORY_BYTES]; /* store.backup; absolute */
};

/* Frees what it holds, and only that; harmless on one of zeros. */
void hulse_admin_request_fini(struct admin_request *request);
/*
 * Parses one line without its newline. INVAL: malformed, a member missing, surplus or of the wrong
 * type; UNSUPPORTED: a command that is not known; NO_MEMORY. *err has the detail. *out is
 * hulse_admin_request_fini()'s only when this is OK.
 */
hulse_status
hulse_admin_parse(const char *line, size_t bytes, struct admin_request *out, struct error *err);

#endif
