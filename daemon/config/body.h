/* SPDX-License-Identifier: Apache-2.0 */
/*
 * body - the parts of a configuration that there are many of, while it is filled.
 *
 * Threads: one at a time; nothing is added to a configuration that is in use.
 */
#ifndef HULSE_CONFIG_BODY_H
#define HULSE_CONFIG_BODY_H

#include "daemon/config/arena.h"
#include "daemon/config/config.h"
#include "daemon/config/key.h"

/* One of the lists; its elements are in the struct config, too, as constants. */
struct config_items {
    char *items; /* key_list.item_bytes each */
    char *blank; /* one with the defaults */
    /* A row for each element: one for each key of the scope, then the element's own. */
    struct config_origin *origins;
    size_t count;
    size_t room;
};

struct config_body {
    struct config_arena arena;
    struct config_items items[KEY_SCOPES]; /* that of KEY_GLOBAL is unused */
};

/* The body, made when there is none yet; NULL = no memory. */
struct config_body *hulse_body_get(struct config *c);
/* A copy that lives as long as the configuration; NULL = no memory. */
const char *hulse_body_text(struct config *c, const char *text, size_t bytes);
/* Adds an element with the defaults of its scope, and that name if it has one. */
hulse_status hulse_body_add(
    struct config *c, enum key_scope scope, const char *name, size_t *index, struct error *err);
/* Makes room for so many more elements at once; false = no memory. */
bool hulse_body_reserve(struct config *c, enum key_scope scope, size_t more);
/* Takes all elements out; false = no memory. */
bool hulse_body_clear(struct config *c, enum key_scope scope);
/* The place of the element with that name, or the count. */
size_t hulse_body_find(const struct config *c, enum key_scope scope, const char *name);
size_t hulse_body_count(const struct config *c, enum key_scope scope);
const void *hulse_body_item(const struct config *c, enum key_scope scope, size_t index);
void *hulse_body_item_mutable(struct config *c, enum key_scope scope, size_t index);
/* Of one key of an element; of the element itself when `key` is NULL. */
const struct config_origin *hulse_body_origin(const struct config *c,
                                              enum key_scope scope,
                                              size_t index,
                                              const struct key *key);
struct config_origin *hulse_body_origin_mutable(struct config *c,
                                                enum key_scope scope,
                                                size_t index,
                                                const struct key *key);
/* Where a value was written; no place for a default, an environment or a flag. */
struct config_place hulse_body_place(const struct config_origin *origin);
/* The same of a key by its path; `index` counts for what there are many of. */
struct config_place
hulse_body_place_of(const struct config *c, enum key_scope scope, size_t index, const char *path);

#endif
