/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reader - how the text of a definition becomes the tables of node.h. Shared by read_*.c and
 *          default.c alone.
 *
 * Threads: the caller's.
 * Trust:   the text may be anything: depth, sizes and numbers are bounded by schema.h.
 */
#ifndef HULSE_SCHEMA_READER_H
#define HULSE_SCHEMA_READER_H

#include "daemon/schema/node.h"
#include "daemon/schema/path.h"

#include <jansson.h>

struct schema_reader {
    struct schema *schema;
    struct schema_path path;
    hulse_status status;                  /* of what is wrong */
    char why[128];                        /* what is wrong; set once, terminated */
    uint32_t primitives[KIND_PRIMITIVES]; /* their nodes, or SCHEMA_NONE */
    /* json_t *: the default of each field, borrowed from the tree; NULL: none */
    struct schema_table defaults;
    uint64_t steps; /* left for defaults */
};

/* Where a type stands. */
struct schema_place {
    struct schema_word space; /* the namespace around it */
    unsigned depth;
};

/* Says what is wrong, in words; gives false. */
bool hulse_reader_fail(struct schema_reader *r, hulse_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Room for `more` items. False: no memory. */
bool hulse_reader_reserve(struct schema_reader *r,
                          struct schema_table *table,
                          uint32_t more,
                          uint32_t item_bytes);
/* Appends one item. False: no memory, or `max` is reached. */
bool hulse_reader_append(struct schema_reader *r,
                         struct schema_table *table,
                         const void *item,
                         uint32_t item_bytes);
/* Copies a text behind the texts. */
bool hulse_reader_word(struct schema_reader *r,
                       const char *text,
                       size_t bytes,
                       struct schema_word *out);
/* A new node of that kind, else empty. SCHEMA_NONE: see hulse_reader_append(). */
uint32_t hulse_reader_node(struct schema_reader *r, enum schema_kind kind);
struct schema_node *hulse_reader_at(struct schema_reader *r, uint32_t node);

/* The node of a type, at any depth; SCHEMA_NONE: wrong, as the reader says. */
uint32_t hulse_read_type(struct schema_reader *r, json_t *t, struct schema_place place);
/* The same of an object that is a record, an enum or a fixed. */
uint32_t hulse_read_named(struct schema_reader *r,
                          json_t *t,
                          enum schema_kind kind,
                          struct schema_place place);
/* The full name of `name` within `space`; as it stands if it has a dot. False: too long. */
bool hulse_read_full_name(struct schema_reader *r,
                          const char *name,
                          struct schema_word space,
                          char out[SCHEMA_NAME_BYTES_MAX]);
/* Notes for each default whether it is a value of its field. False: one is none of any kind. */
bool hulse_read_defaults(struct schema_reader *r);
/* Encodes the good defaults of AVRO, in the order of the fields, until SCHEMA_DEFAULTS_BYTES_MAX. False: no memory. */
bool hulse_encode_defaults(struct schema_reader *r);
/* Whether each record has values of finite size. */
bool hulse_read_ends(struct schema_reader *r);

#endif
