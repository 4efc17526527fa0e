/* SPDX-License-Identifier: Apache-2.0 */
/*
 * names - a hash table from (scope, name) to a number. Open addressing; names are places in a text
 *         that the caller keeps.
 *
 * Threads: the caller's.
 */
#ifndef HULSE_SCHEMA_NAMES_H
#define HULSE_SCHEMA_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct schema_name {
    uint64_t hash;
    uint32_t at; /* place of the name in the text */
    uint32_t bytes;
    uint32_t scope;
    uint32_t value; /* UINT32_MAX: the slot is free */
};

struct schema_names {
    struct schema_name *slots;
    uint32_t capacity; /* a power of two, or 0 */
    uint32_t count;
};

/* A name that is looked for. */
struct schema_key {
    uint32_t scope;
    const void *name;
    size_t bytes;
};

/* The number of a name; UINT32_MAX when it is not there. */
uint32_t
hulse_schema_names_find(const struct schema_names *n, const char *text, const struct schema_key *k);
/* Adds one that is not there; `value` is not UINT32_MAX. False: no memory. */
bool hulse_schema_names_add(struct schema_names *n,
                            const struct schema_key *k,
                            uint32_t at,
                            uint32_t value);
void hulse_schema_names_fini(struct schema_names *n);

#endif
