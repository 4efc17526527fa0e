/* SPDX-License-Identifier: Apache-2.0 */
/*
 * resolution - two definitions while they are compared: which field, type and symbol of the reader's is meant by what the
 *              writer has. Shared by resolve.c and plan.c.
 *
 * Pairs of types are walked together; w is a node of the writer's, v one of the reader's. A pair of records that is under
 * way, or was judged, is not walked again: the tables have one byte for each pair of nodes.
 *
 * Threads: the caller's.
 */
#ifndef HULSE_SCHEMA_RESOLUTION_H
#define HULSE_SCHEMA_RESOLUTION_H

#include "daemon/schema/resolve.h"

enum pair_state { PAIR_NEW = 0, PAIR_GOOD, PAIR_BAD };

struct resolution {
    const struct schema *writer;
    const struct schema *reader;
    bool renames;        /* the reader's aliases count */
    uint8_t *readable;   /* of pairs of records: what is below them, too */
    uint8_t *matching;   /* the same: their fields as they stand, for the choice of a union */
    uint8_t *equivalent; /* the same: one written as the other */
    unsigned depth;
    struct resolve_answer *answer;
};

/* A name; of the writer's or of the reader's texts. */
struct resolution_name {
    const char *text;
    size_t bytes;
};

/* False, with the reason in the answer: no memory, or more pairs. End it in both cases. */
bool hulse_resolution_begin(struct resolution *r,
                            const struct schema *writer,
                            const struct schema *reader,
                            uint64_t pairs_max,
                            struct resolve_answer *answer);
void hulse_resolution_end(struct resolution *r);

/* Notes the first reason; gives false. */
bool hulse_resolution_fail(struct resolution *r, const char *why);
/* Of two nodes, in the tables of pairs. */
static inline size_t hulse_resolution_pair(const struct resolution *r, uint32_t w, uint32_t v)
{
    return (size_t)w * r->reader->nodes.count + v;
}
/* Whether a word of the writer's is one of the reader's. */
bool hulse_resolution_same_word(const struct resolution *r,
                                struct schema_word w,
                                struct schema_word v);
/* Names of types without their namespaces, the writer's as the reader's aliases have it. */
bool hulse_resolution_same_name(const struct resolution *r, uint32_t w, uint32_t v);
/* A type, field or symbol of a schema by its name in a scope; SCHEMA_NONE. */
uint32_t
hulse_resolution_find(const struct schema *s, uint32_t scope, const char *name, size_t bytes);
/* The record of the reader whose fields' aliases hold for a record of the writer's; SCHEMA_NONE. */
uint32_t hulse_resolution_renaming(const struct resolution *r, uint32_t w);
/* What a field of the writer is called for the reader. */
struct resolution_name hulse_resolution_field(const struct resolution *r,
                                              uint32_t renaming,
                                              const struct schema_field *field);
/* Numbers that are read as wider ones, bytes as text and back. */
bool hulse_resolution_promotes(enum schema_kind w, enum schema_kind v);
/*
 * Walks the fields of two records: each of the writer's that the reader has, then what the reader has alone. `each`
 * judges a pair of types.
 */
bool hulse_resolution_fields(struct resolution *r,
                             uint32_t w,
                             uint32_t v,
                             bool (*each)(struct resolution *r, uint32_t w, uint32_t v));
/* The type of a reader's union that takes what the writer has, which is none; SCHEMA_NONE. */
uint32_t hulse_resolution_choose(struct resolution *r, uint32_t w, uint32_t v);
/* Whether two types are one, whatever their defaults. */
bool hulse_resolution_equivalent(struct resolution *r, uint32_t w, uint32_t v);

#endif
