/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log_record - one log line before it is text: what the caller's thread copies and nothing more.
 *
 *     struct log_record | struct log_item x count | texts
 *
 * Threads: built by the one that logs, read by the one that writes.
 * Limits:  HULSE_LOG_FIELDS_MAX items, texts cut at HULSE_LOG_TEXT_BYTES (at a character's begin).
 */
#ifndef HULSE_CORE_LOG_RECORD_H
#define HULSE_CORE_LOG_RECORD_H

#include "daemon/core/log.h"

struct log_record {
    uint32_t bytes; /* all of it, a multiple of 8 */
    uint16_t count;
    uint16_t level;
    const char *event; /* static */
    uint64_t wall_ns;
    uint64_t suppressed; /* lines of this site that were not written before this one */
};

struct log_item {
    const char *key; /* static */
    uint64_t number;
    uint16_t kind;
    uint16_t text_offset; /* from the begin of the record */
    uint16_t text_bytes;
    uint16_t cut; /* the text was longer */
};

#define HULSE_LOG_RECORD_BYTES                                                                     \
    (sizeof(struct log_record) +                                                                   \
     HULSE_LOG_FIELDS_MAX * (sizeof(struct log_item) + HULSE_LOG_TEXT_BYTES))

_Static_assert(HULSE_LOG_RECORD_BYTES % 8 == 0, "a full record needs no padding");
_Static_assert(HULSE_LOG_RECORD_BYTES <= UINT16_MAX, "offsets are 16 bits");

/* Room for any record. */
union log_record_room {
    struct log_record record;
    unsigned char bytes[HULSE_LOG_RECORD_BYTES];
};

/* Fills all but `suppressed`, which becomes 0. */
void hulse_log_record_build(union log_record_room *out,
                            const struct log_site *site,
                            const struct log_field *fields,
                            size_t count,
                            uint64_t wall_ns);

static inline const struct log_item *hulse_log_record_items(const struct log_record *r)
{
    return (const struct log_item *)(r + 1);
}

static inline const char *hulse_log_record_text(const struct log_record *r,
                                                const struct log_item *item)
{
    return (const char *)r + item->text_offset;
}

#endif
