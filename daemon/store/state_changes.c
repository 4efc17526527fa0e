/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/assert.h"
#include "daemon/store/state_internal.h"

#include <stdlib.h>
#include <string.h>

enum { ROOM_FIRST = 64, ROW_HEADER_BYTES = 8 };

bool hulse_state_changed(struct change_list *list, void *object, uint32_t *place)
{
    if (*place != 0) {
        return true;
    }
    if (list->count == list->room) {
        const uint32_t room = list->room == 0 ? ROOM_FIRST : list->room * 2;
        void **larger = realloc(list->list, room * sizeof(*larger));
        if (larger == NULL) {
            return false;
        }
        list->list = larger;
        list->room = room;
    }
    list->list[list->count++] = object;
    *place = list->count;
    return true;
}

void hulse_state_unchanged(struct change_list *list, uint32_t *place)
{
    if (*place != 0) {
        HULSE_ASSERT(*place <= list->count);
        list->list[*place - 1] = NULL;
        *place = 0;
    }
}

bool hulse_state_removed(struct state *s, const struct value_key *key, bool prefix)
{
    return s->all_changed || hulse_value_list_add(&s->removed, key, prefix, 0) != NULL;
}

void hulse_state_all_changed(struct state *s)
{
    s->all_changed = true;
    hulse_value_list_clear(&s->removed);
}

/* A row: u32 value bytes, u8 table, u8 key bytes, u8 prefix, u8 0, key, value. */
uint8_t *hulse_value_list_add(struct value_list *list,
                              const struct value_key *key,
                              bool prefix,
                              size_t value_bytes)
{
    HULSE_ASSERT(key->bytes <= VALUE_KEY_BYTES_MAX);
    const size_t needed = list->bytes + ROW_HEADER_BYTES + key->bytes + value_bytes;

    if (value_bytes > UINT32_MAX) {
        return NULL;
    }
    if (needed > list->room) {
        const size_t room = needed + needed / 2 + 1024;
        uint8_t *larger = realloc(list->data, room);
        if (larger == NULL) {
            return NULL;
        }
        list->data = larger;
        list->room = room;
    }
    uint8_t *at = list->data + list->bytes;
    const uint32_t length = (uint32_t)value_bytes;
    memcpy(at, &length, sizeof(length));
    at[4] = key->table;
    at[5] = key->bytes;
    at[6] = prefix ? 1 : 0;
    at[7] = 0;
    memcpy(at + ROW_HEADER_BYTES, key->data, key->bytes);
    list->bytes = needed;
    return at + ROW_HEADER_BYTES + key->bytes;
}

bool hulse_value_list_next(const struct value_list *list, size_t *at, struct value_row *out)
{
    uint32_t length = 0;

    if (*at == list->bytes) {
        return false;
    }
    const uint8_t *row = list->data + *at;
    memcpy(&length, row, sizeof(length));
    *out = (struct value_row){.key = {.table = row[4], .bytes = row[5]},
                              .prefix = row[6] != 0,
                              .value = row + ROW_HEADER_BYTES + row[5],
                              .value_bytes = length};
    memcpy(out->key.data, row + ROW_HEADER_BYTES, row[5]);
    *at += ROW_HEADER_BYTES + row[5] + length;
    HULSE_ASSERT(*at <= list->bytes);
    return true;
}

void hulse_value_list_clear(struct value_list *list)
{
    free(list->data);
    *list = (struct value_list){0};
}

void hulse_checkpoint_free(struct checkpoint **cp)
{
    if (*cp != NULL) {
        hulse_value_list_clear(&(*cp)->removed);
        hulse_value_list_clear(&(*cp)->values);
        free(*cp);
        *cp = NULL;
    }
}
