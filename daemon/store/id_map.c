/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/store/id_map.h"

#include "daemon/core/assert.h"

#include <stdlib.h>

enum { ROOM_FIRST = 16 };

void hulse_id_map_clear(struct id_map *m)
{
    free(m->places);
    *m = (struct id_map){0};
}

/* Ids are counted up: the multiplication spreads them, its high bits are the good ones. */
static size_t home(const struct id_map *m, uint64_t id)
{
    const uint64_t mixed = (id ^ id >> 32U) * UINT64_C(0x9e3779b97f4a7c15);

    return (size_t)(mixed >> 20U) & (m->room - 1);
}

static size_t place_of(const struct id_map *m, uint64_t id)
{
    size_t at = home(m, id);

    while (m->places[at].object != NULL && m->places[at].id != id) {
        at = (at + 1) & (m->room - 1);
    }
    return at;
}

void *hulse_id_map_get(const struct id_map *m, uint64_t id)
{
    return m->room == 0 ? NULL : m->places[place_of(m, id)].object;
}

static bool grow(struct id_map *m)
{
    struct id_map larger = {.room = m->room == 0 ? ROOM_FIRST : m->room * 2, .count = m->count};

    larger.places = calloc(larger.room, sizeof(*larger.places));
    if (larger.places == NULL) {
        return false;
    }
    for (size_t i = 0; i < m->room; i++) {
        if (m->places[i].object != NULL) {
            larger.places[place_of(&larger, m->places[i].id)] = m->places[i];
        }
    }
    free(m->places);
    *m = larger;
    return true;
}

bool hulse_id_map_put(struct id_map *m, uint64_t id, void *object)
{
    HULSE_ASSERT(object != NULL);

    if (hulse_id_map_get(m, id) == NULL) {
        if (m->count >= m->room / 4 * 3 && !grow(m)) {
            return false;
        }
        m->count++;
    }
    m->places[place_of(m, id)] = (struct id_place){.id = id, .object = object};
    return true;
}

/* What stands behind the gap and would not be found over it moves into it. */
void hulse_id_map_remove(struct id_map *m, uint64_t id)
{
    if (hulse_id_map_get(m, id) == NULL) {
        return;
    }
    const size_t mask = m->room - 1;
    size_t gap = place_of(m, id);

    for (size_t at = (gap + 1) & mask; m->places[at].object != NULL; at = (at + 1) & mask) {
        const size_t wanted = home(m, m->places[at].id);
        if (((at - wanted) & mask) >= ((at - gap) & mask)) {
            m->places[gap] = m->places[at];
            gap = at;
        }
    }
    m->places[gap] = (struct id_place){0};
    m->count--;
}

void *hulse_id_map_next(const struct id_map *m, size_t *at)
{
    while (*at < m->room) {
        void *object = m->places[(*at)++].object;
        if (object != NULL) {
            return object;
        }
    }
    return NULL;
}
