/* SPDX-License-Identifier: Apache-2.0 */
/*
 * option_list - elements in one block, sent in packets of whole elements.
 *
 * Threads: an object has one owner; sending is under the session lock.
 */
#include "shmlib/client/option_list.h"

#include "shmlib/client/session.h"
#include "shmlib/ring/tlv.h"

#include <stdlib.h>
#include <string.h>

#define ROOM_MIN 64U
#define VALUE_BYTES_MAX (HULSE_OPTIONS_BYTES_MAX - HULSE_TLV_HEADER_BYTES)

hulse_status hulse_option_list_add(struct hulse_option_list *list,
                                   enum hulse_option option,
                                   const void *value,
                                   size_t bytes)
{
    const struct hulse_tlv element = {
        .tag = (uint8_t)option, .bytes = (uint16_t)bytes, .value = value};
    const size_t needed = list->used + HULSE_TLV_HEADER_BYTES + bytes;
    uint32_t room = list->room == 0 ? ROOM_MIN : list->room;
    size_t at = list->used;

    if (bytes > VALUE_BYTES_MAX || needed > HULSE_OPTIONS_TOTAL_MAX) {
        return HULSE_TOOBIG;
    }
    while (room < needed) {
        room *= 2;
    }
    if (room != list->room) {
        uint8_t *larger = realloc(list->bytes, room);
        if (larger == NULL) {
            return HULSE_NO_MEMORY;
        }
        list->bytes = larger;
        list->room = room;
    }
    (void)hulse_tlv_put(list->bytes, list->room, &at, &element);
    list->used = (uint32_t)at;
    return HULSE_OK;
}

hulse_status hulse_option_list_set(struct hulse_option_list *list,
                                   enum hulse_option option,
                                   const void *value,
                                   size_t bytes)
{
    const uint32_t before = list->used;
    const hulse_status st = hulse_option_list_add(list, option, value, bytes);
    struct hulse_tlv element;
    size_t at = 0;
    size_t begin = 0;

    if (st != HULSE_OK) {
        return st;
    }
    uint32_t end = before; /* of the elements that were there */
    while (at < end && hulse_tlv_next(list->bytes, end, &at, &element) > 0) {
        if (element.tag == option) {
            memmove(list->bytes + begin, list->bytes + at, list->used - at);
            list->used -= (uint32_t)(at - begin);
            end -= (uint32_t)(at - begin);
            at = begin;
        }
        begin = at;
    }
    return HULSE_OK;
}

bool hulse_option_list_copy(struct hulse_option_list *to, const struct hulse_option_list *from)
{
    *to = (struct hulse_option_list){0};
    if (from->used == 0) {
        return true;
    }
    to->bytes = malloc(from->used);
    if (to->bytes == NULL) {
        return false;
    }
    memcpy(to->bytes, from->bytes, from->used);
    to->used = from->used;
    to->room = from->used;
    return true;
}

void hulse_option_list_clear(struct hulse_option_list *list)
{
    free(list->bytes);
    *list = (struct hulse_option_list){0};
}

hulse_status
hulse_option_list_send(struct hulse_session *s, const struct hulse_option_list *list, uint32_t req)
{
    struct hulse_tlv element;
    size_t begin = 0;
    hulse_status st = HULSE_OK;

    if (list->used != 0 && !s->options) {
        return hulse_session_fault(
            s,
            HULSE_UNSUPPORTED,
            "hulsed is older than this library and knows none of these options");
    }
    while (st == HULSE_OK && begin < list->used) {
        size_t end = begin;
        size_t at = begin;
        while (hulse_tlv_next(list->bytes, list->used, &at, &element) > 0 &&
               at - begin <= HULSE_OPTIONS_BYTES_MAX) {
            end = at;
        }
        const struct hulse_ctl_options m = {.options_len = (uint16_t)(end - begin)};
        struct hulse_packet p;
        hulse_packet_begin(&p, HULSE_CTL_OPTIONS, req, &m);
        hulse_packet_append(&p, list->bytes + begin, end - begin);
        st = hulse_control_send(s, &p, -1);
        begin = end;
    }
    return st;
}
