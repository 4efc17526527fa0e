/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log_record - see the header.
 */
#include "daemon/core/log_record.h"

#include "daemon/core/assert.h"

#include <string.h>

enum {
    CHARACTER_BYTES = 4 /* the longest in UTF-8 */
};

/* How much of a text is kept: a character is not cut in two. */
static size_t kept_bytes(const char *text, size_t bytes)
{
    if (bytes <= HULSE_LOG_TEXT_BYTES) {
        return bytes;
    }
    size_t kept = HULSE_LOG_TEXT_BYTES;
    while (kept > HULSE_LOG_TEXT_BYTES - CHARACTER_BYTES &&
           ((unsigned char)text[kept] & 0xC0) == 0x80) {
        kept--;
    }
    return kept;
}

void hulse_log_record_build(union log_record_room *out,
                            const struct log_site *site,
                            const struct log_field *fields,
                            size_t count,
                            uint64_t wall_ns)
{
    HULSE_ASSERT(count <= HULSE_LOG_FIELDS_MAX);

    struct log_item *items = (struct log_item *)(&out->record + 1);
    size_t used = sizeof(struct log_record) + count * sizeof(*items);
    for (size_t i = 0; i < count; i++) {
        const struct log_field *f = &fields[i];
        const bool has_text = f->kind == HULSE_LOG_STRING && f->text != NULL;
        const size_t text_bytes = has_text ? kept_bytes(f->text, f->text_bytes) : 0;
        items[i] = (struct log_item){
            .key = f->key,
            .number = f->number,
            .kind = (uint16_t)f->kind,
            .text_offset = (uint16_t)used,
            .text_bytes = (uint16_t)text_bytes,
            .cut = has_text && text_bytes < f->text_bytes,
        };
        if (text_bytes != 0) {
            memcpy(out->bytes + used, f->text, text_bytes);
            used += text_bytes;
        }
    }
    out->record = (struct log_record){
        .bytes = (uint32_t)((used + 7) & ~(size_t)7),
        .count = (uint16_t)count,
        .level = (uint16_t)site->level,
        .event = site->event,
        .wall_ns = wall_ns,
    };
}
