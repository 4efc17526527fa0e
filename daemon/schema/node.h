/* SPDX-License-Identifier: Apache-2.0 */
/*
 * node - a definition of Avro in flat tables: types, fields, names. A type that is used twice, or
 *        within itself, is one node; all references are places in the tables.
 *
 *     nodes    what each type is
 *     fields   of all records, those of a record in a row
 *     links    branches of unions
 *     words    symbols of enums, aliases
 *     texts    all names, one behind the other
 *     values   defaults of fields
 *     names    hash table: name of a type, or of a field or a symbol within its type -> place
 *
 * Threads: written by the one that reads the definition, constant then.
 */
#ifndef HULSE_SCHEMA_NODE_H
#define HULSE_SCHEMA_NODE_H

#include "daemon/schema/names.h"
#include "daemon/schema/schema.h"

#define SCHEMA_NONE UINT32_MAX

/* The first eight, in this order, are the primitive ones. */
enum schema_kind {
    KIND_NULL = 0,
    KIND_BOOLEAN,
    KIND_INT,
    KIND_LONG,
    KIND_FLOAT,
    KIND_DOUBLE,
    KIND_BYTES,
    KIND_STRING,
    KIND_RECORD,
    KIND_ENUM,
    KIND_FIXED,
    KIND_ARRAY,
    KIND_MAP,
    KIND_UNION
};
#define KIND_PRIMITIVES 8U

/* A word in `texts`. */
struct schema_word {
    uint32_t at;
    uint32_t bytes;
};

/* A run in a table. */
struct schema_run {
    uint32_t first;
    uint32_t count;
};

struct schema_node {
    enum schema_kind kind;
    bool logical;            /* has a logical type, whose JSON is of a form of its own */
    bool nullable;           /* null, or a union with it */
    struct schema_run parts; /* record: fields; enum: words; union: links */
    uint32_t item;           /* array, map: node of the items */
    uint32_t size;           /* fixed: bytes */
    uint32_t
        fallback; /* enum: the symbol that a reader takes for those it does not have; SCHEMA_NONE */
    struct schema_word name;   /* full name of record, enum, fixed */
    struct schema_run aliases; /* words: full names */
};

struct schema_field {
    struct schema_word name;
    uint32_t node;
    struct schema_run aliases; /* words */
    bool has_default;
    bool default_good;        /* the default is a value of the field's type */
    bool encoded;             /* `value` is it; of AVRO, while all of them are within a bound */
    struct schema_word value; /* in `values` */
};

/* Grows by doubling; `item` bytes each. */
struct schema_table {
    void *items;
    uint32_t count;
    uint32_t capacity;
};

struct schema {
    enum schema_type type;
    uint32_t root; /* SCHEMA_NONE: payloads are not looked into by tables */
    struct schema_table nodes;
    struct schema_table fields;
    struct schema_table links;
    struct schema_table words;
    struct schema_table texts;
    struct schema_table values; /* defaults, as Avro encodes them */
    struct schema_names names;
    char *definition; /* terminated; behind it the properties */
    size_t definition_bytes;
    const char *properties;
    size_t properties_bytes;
    struct schema *key; /* of KEY_VALUE; NULL: not looked into */
    struct schema *value;
    bool separated;
};

static inline const struct schema_node *schema_node(const struct schema *s, uint32_t node)
{
    return (const struct schema_node *)s->nodes.items + node;
}

static inline const struct schema_field *schema_field(const struct schema *s, uint32_t field)
{
    return (const struct schema_field *)s->fields.items + field;
}

static inline uint32_t schema_link(const struct schema *s, uint32_t link)
{
    return ((const uint32_t *)s->links.items)[link];
}

static inline struct schema_word schema_word(const struct schema *s, uint32_t word)
{
    return ((const struct schema_word *)s->words.items)[word];
}

static inline const char *schema_text(const struct schema *s, struct schema_word word)
{
    return word.bytes == 0 ? "" : (const char *)s->texts.items + word.at;
}

/* Names of types have scope 0; fields and symbols that of their type. */
static inline uint32_t schema_scope(uint32_t node)
{
    return node + 1;
}

#endif
