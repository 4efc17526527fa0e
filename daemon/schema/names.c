/* SPDX-License-Identifier: Apache-2.0 */
/*
 * names - see the header.
 */
#include "daemon/schema/names.h"

#include "daemon/core/assert.h"
#include "daemon/core/hash.h"

#include <stdlib.h>
#include <string.h>

#define CAPACITY_MIN 64U

static uint64_t hash_of(const struct schema_key *k)
{
    const char *name = k->name;
    uint64_t hash = HULSE_HASH_START;

    for (size_t i = 0; i < k->bytes; i++) {
        hash = hulse_hash_byte(hash, name[i]);
    }
    hash += (uint64_t)k->scope * UINT64_C(0x9e3779b97f4a7c15);
    return hash ^ (hash >> 32U); /* the low bits of FNV are weak */
}

uint32_t
hulse_schema_names_find(const struct schema_names *n, const char *text, const struct schema_key *k)
{
    if (n->capacity == 0) {
        return UINT32_MAX;
    }
    const uint64_t hash = hash_of(k);
    for (uint64_t at = hash;; at++) {
        const struct schema_name *slot = &n->slots[at & (n->capacity - 1)];
        if (slot->value == UINT32_MAX) {
            return UINT32_MAX;
        }
        if (slot->hash == hash && slot->scope == k->scope && slot->bytes == k->bytes &&
            memcmp(text + slot->at, k->name, k->bytes) == 0) {
            return slot->value;
        }
    }
}

static void put(struct schema_names *n, const struct schema_name *name)
{
    uint64_t at = name->hash;

    while (n->slots[at & (n->capacity - 1)].value != UINT32_MAX) {
        at++;
    }
    n->slots[at & (n->capacity - 1)] = *name;
}

static bool grow(struct schema_names *n)
{
    struct schema_names more = {.capacity = n->capacity == 0 ? CAPACITY_MIN : 2 * n->capacity,
                                .count = n->count};

    more.slots = calloc(more.capacity, sizeof(more.slots[0]));
    if (more.slots == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < more.capacity; i++) {
        more.slots[i].value = UINT32_MAX;
    }
    for (uint32_t i = 0; i < n->capacity; i++) {
        if (n->slots[i].value != UINT32_MAX) {
            put(&more, &n->slots[i]);
        }
    }
    free(n->slots);
    *n = more;
    return true;
}

bool hulse_schema_names_add(struct schema_names *n,
                            const struct schema_key *k,
                            uint32_t at,
                            uint32_t value)
{
    HULSE_ASSERT(value != UINT32_MAX);
    if (n->count >= n->capacity / 2 && !grow(n)) {
        return false;
    }
    put(n,
        &(struct schema_name){.hash = hash_of(k),
                              .at = at,
                              .bytes = (uint32_t)k->bytes,
                              .scope = k->scope,
                              .value = value});
    n->count++;
    return true;
}

void hulse_schema_names_fini(struct schema_names *n)
{
    free(n->slots);
    *n = (struct schema_names){0};
}
