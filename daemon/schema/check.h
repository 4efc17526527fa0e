/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check - payloads against the tables of node.h. Called by hulse_schema_check() alone.
 *
 * Threads: any; nothing is allocated.
 * Trust:   the payload may be anything. Its depth is bounded, and so is the work for each of its bytes.
 */
#ifndef HULSE_SCHEMA_CHECK_H
#define HULSE_SCHEMA_CHECK_H

#include "daemon/schema/node.h"
#include "daemon/schema/path.h"

/* What a check goes through; `path` and `why` say what is wrong once something is. */
struct schema_walk {
    const struct schema *schema;
    const uint8_t *at;
    const uint8_t *end;
    uint64_t steps; /* left, for what costs work and takes no bytes */
    unsigned depth;
    const char *why; /* static */
    struct schema_path path;
};

/* The binary encoding of Avro, without a header. */
bool hulse_schema_check_avro(struct schema_walk *w);
/* JSON text as Pulsar's JSON schema has it: unions are plain, bytes and enums are texts. */
bool hulse_schema_check_json(struct schema_walk *w);

/* Says what is wrong; gives false. */
static inline bool schema_walk_fail(struct schema_walk *w, const char *why)
{
    w->why = why;
    return false;
}

#endif
