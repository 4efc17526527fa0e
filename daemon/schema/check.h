/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check - payloads against the tables of node.h. Called by hulse_schema_check() and transcode.c alone.
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
/* One value of that node, checked; w->at moves behind it. */
bool hulse_schema_skip_avro(struct schema_walk *w, uint32_t node);
/* JSON text as Pulsar's JSON schema has it: unions are plain, bytes and enums are texts. */
bool hulse_schema_check_json(struct schema_walk *w);

/* At the beginning of a payload. */
void hulse_schema_walk_start(struct schema_walk *w,
                             const struct schema *s,
                             struct schema_bytes payload);
/* What is wrong. */
void hulse_schema_walk_fault(struct schema_walk *w, struct schema_fault *fault);

/* Says what is wrong; gives false. */
static inline bool schema_walk_fail(struct schema_walk *w, const char *why)
{
    w->why = why;
    return false;
}

#endif
