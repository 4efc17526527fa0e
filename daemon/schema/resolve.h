/* SPDX-License-Identifier: Apache-2.0 */
/*
 * resolve - whether a reader with one schema can read all that is written with another: the schema
 *           resolution of Avro, with the verdicts of the Java library that brokers run.
 *
 * Where that library differs from the text of Avro, so does this: a record may have another name
 * unless a union has to choose; an enum may lose symbols.
 *
 * Threads: the caller's.
 * Limits:  RESOLVE_DEPTH_MAX types below each other; beyond it the answer is no.
 */
#ifndef HULSE_SCHEMA_RESOLVE_H
#define HULSE_SCHEMA_RESOLVE_H

#include "daemon/schema/node.h"
#include "daemon/schema/path.h"

#define RESOLVE_DEPTH_MAX 512U

struct resolve_answer {
    bool readable;
    bool no_memory;
    const char *why; /* static; path and reason when it is not readable */
    struct schema_path path;
};

void hulse_schema_resolve(const struct schema *writer,
                          const struct schema *reader,
                          struct resolve_answer *out);

#endif
