/* SPDX-License-Identifier: Apache-2.0 */
/*
 * compatibility - whether a topic may get a new schema, judged as Pulsar's brokers do.
 *
 *     BACKWARD   the new schema reads what was written with the last one
 *     FORWARD    the last one reads what is written with the new schema
 *     FULL       both
 *     ..._TRANSITIVE   the same with all schemas of the topic instead of the last one
 *
 * Threads: pure functions; they allocate.
 * Trust:   definitions may be anything.
 */
#ifndef HULSE_SCHEMA_COMPATIBILITY_H
#define HULSE_SCHEMA_COMPATIBILITY_H

#include "daemon/schema/schema.h"

enum schema_strategy {
    SCHEMA_ALWAYS_INCOMPATIBLE = 0,
    SCHEMA_ALWAYS_COMPATIBLE,
    SCHEMA_BACKWARD,
    SCHEMA_FORWARD,
    SCHEMA_FULL,
    SCHEMA_BACKWARD_TRANSITIVE,
    SCHEMA_FORWARD_TRANSITIVE,
    SCHEMA_FULL_TRANSITIVE,
    SCHEMA_STRATEGIES
};

/* "FULL_TRANSITIVE", ...: static; the words that Pulsar's tools use. */
const char *hulse_schema_strategy_name(enum schema_strategy strategy);
/* The strategy of such a name, in any case; NONE is ALWAYS_COMPATIBLE. False: there is none. */
bool hulse_schema_strategy_find(const char *name, enum schema_strategy *out);

/*
 * Judges `fresh` as the successor of `count` schemas, the oldest first; without any it is the first.
 * HULSE_OK; HULSE_REFUSED: *err tells which of them, the field and why; UNSUPPORTED: they are of a type whose definitions
 * are not read here; NO_MEMORY.
 */
hulse_status hulse_schema_compatible(enum schema_strategy strategy,
                                     const struct schema *const *old,
                                     size_t count,
                                     const struct schema *fresh,
                                     struct error *err);

#endif
