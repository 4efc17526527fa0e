/* SPDX-License-Identifier: Apache-2.0 */
/*
 * id_map - from a number to an object: open addressing, 16 bytes a place, three quarters filled at most.
 *
 * Threads: one owner. Owns: nothing of what it points to.
 */
#ifndef HULSE_STORE_ID_MAP_H
#define HULSE_STORE_ID_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct id_place {
    uint64_t id;
    void *object; /* NULL = empty */
};

/* All zeros is an empty map. */
struct id_map {
    struct id_place *places;
    size_t room; /* 0 or a power of two */
    size_t count;
};

void hulse_id_map_clear(struct id_map *m);
/* NULL: not there. */
void *hulse_id_map_get(const struct id_map *m, uint64_t id);
/* Replaces what was there. False: no memory, nothing has changed; never when something was there. */
bool hulse_id_map_put(struct id_map *m, uint64_t id, void *object);
void hulse_id_map_remove(struct id_map *m, uint64_t id);
/* Walks in no order: *at begins as 0; NULL at the end. Nothing is put or removed meanwhile. */
void *hulse_id_map_next(const struct id_map *m, size_t *at);

#endif
