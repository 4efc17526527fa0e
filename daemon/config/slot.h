/* SPDX-License-Identifier: Apache-2.0 */
/*
 * slot - the place in a configuration that a path leads to.
 *
 *   log.level                 a key of the whole
 *   roles.orders.sessions_max the role `orders`, made when there is none
 *   topics.0.publish.ttl      the first rule; the number of rules itself appends one
 *
 * Trust: the path is the operator's.
 */
#ifndef HULSE_CONFIG_SLOT_H
#define HULSE_CONFIG_SLOT_H

#include "daemon/config/body.h"

/* Paths are shorter than this; longer ones are unknown keys. */
#define HULSE_SLOT_PATH_BYTES 192U

struct config_slot {
    const struct key *key;
    size_t index; /* of the element; 0 for a global key */
};

/* Finds the slot of a path; `what` is put in front of an error's text. */
hulse_status hulse_slot_find(struct config *c,
                             const char *what,
                             const char *path,
                             struct config_slot *out,
                             struct error *err);
/* The struct that the key's offset counts from. */
void *hulse_slot_base(struct config *c, const struct config_slot *slot);
struct config_origin *hulse_slot_origin(struct config *c, const struct config_slot *slot);
/* Stores a value given as text, with its origin; a list cannot be. */
hulse_status hulse_slot_store(struct config *c,
                              const struct config_slot *slot,
                              const char *text,
                              struct config_origin origin,
                              struct error *err);

#endif
