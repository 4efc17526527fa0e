/* SPDX-License-Identifier: Apache-2.0 */
/*
 * entry - see the header.
 */
#include "daemon/broker/pulsar/producer/entry.h"

#include "daemon/broker/pulsar/wire/frame.h"
#include "daemon/core/assert.h"

#include <string.h>

/* Between what the command ends with and the metadata: the checksum, and before it its magic number. */
enum { MAGIC_BYTES = 2, CHECKSUM_BYTES = 4 };

static uint32_t slots_in(uint32_t room)
{
    return (uint32_t)((room - sizeof(struct pulsar_entry)) / sizeof(struct pulsar_slot));
}

static uint32_t bytes_for(uint32_t slots)
{
    return (uint32_t)(sizeof(struct pulsar_entry) + (size_t)slots * sizeof(struct pulsar_slot));
}

struct pulsar_entry *
hulse_pulsar_entry_create(struct pulsar_blocks *b, uint32_t bytes, uint32_t slots)
{
    uint32_t room = 0;
    struct pulsar_entry *e = hulse_pulsar_block_take(b, bytes_for(slots), &room);

    if (e == NULL) {
        return NULL;
    }
    *e = (struct pulsar_entry){.room = room, .slots_max = slots_in(room)};
    e->memory = hulse_pulsar_block_take(b, bytes, &e->memory_room);
    if (e->memory == NULL) {
        hulse_pulsar_block_give(b, e, room);
        return NULL;
    }
    return e;
}

void hulse_pulsar_entry_destroy(struct pulsar_blocks *b, struct pulsar_entry *e)
{
    HULSE_ASSERT(!e->out);

    hulse_pulsar_block_give(b, e->memory, e->memory_room);
    hulse_pulsar_block_give(b, e, e->room);
}

struct pulsar_entry *hulse_pulsar_entry_more_slots(struct pulsar_blocks *b, struct pulsar_entry *e)
{
    uint32_t room = 0;
    struct pulsar_entry *more = hulse_pulsar_block_take(b, bytes_for(2 * e->slots_max), &room);

    if (more != NULL) {
        memcpy(more, e, bytes_for(e->count));
        more->room = room;
        more->slots_max = slots_in(room);
        hulse_pulsar_block_give(b, e, e->room);
    }
    return more;
}

void hulse_pulsar_entry_seal(struct pulsar_entry *e,
                             uint64_t producer_id,
                             const struct wire_draft *d,
                             struct broker_span payload,
                             uint32_t head_room)
{
    const struct wire_send send = {.producer_id = producer_id,
                                   .sequence_id = d->sequence_id,
                                   .highest_sequence_id = d->highest_sequence_id,
                                   .num_messages = d->batch_count,
                                   .is_chunk = d->chunk_count > 0};
    struct wire_send_head head;
    uint8_t *at = hulse_wire_send_begin(&head, &send, e->memory);

    at = hulse_wire_draft_put(at, d);
    const uint32_t head_bytes = hulse_wire_send_end(&head, at, payload);
    HULSE_ASSERT(head_bytes <= head_room);
    HULSE_ASSERT((uint64_t)head_room + payload.bytes <= e->memory_room);
    const uint32_t checked_at = (uint32_t)(head.checksum - e->memory) - MAGIC_BYTES;
    uint8_t *const begin = e->memory + (head_room - head_bytes);

    /* The head moves up to the payload. What the draft borrows may lie there, and was copied by now. */
    memmove(begin, e->memory, head_bytes);
    if (payload.bytes > 0 && payload.data != e->memory + head_room) {
        memcpy(e->memory + head_room, payload.data, payload.bytes);
    }
    e->piece.data = begin;
    e->piece.bytes = head_bytes + payload.bytes;
    e->checked_at = checked_at;
    e->message_bytes = e->piece.bytes - checked_at - MAGIC_BYTES - CHECKSUM_BYTES;
    e->batched = d->batch_count > 0;
    e->chunk = d->chunk_count > 0;
    e->sequence = d->sequence_id;
    e->highest = e->batched ? d->highest_sequence_id : d->sequence_id;
}

static bool read_again(const struct pulsar_entry *e, struct wire_message *m)
{
    const struct broker_span rest = {.data = e->piece.data + e->checked_at,
                                     .bytes = e->piece.bytes - e->checked_at};
    const char *why = NULL;

    return hulse_wire_message_read(rest, m, &why) == WIRE_MESSAGE_OK && m->checked;
}

bool hulse_pulsar_entry_intact(const struct pulsar_entry *e)
{
    struct wire_message m;

    return read_again(e, &m);
}

void hulse_pulsar_entry_rename(struct pulsar_entry *e, const char *end, uint32_t bytes)
{
    struct wire_message m;
    struct wire_metadata metadata;
    const char *why = NULL;

    HULSE_ASSERT(e->chunk && !e->out);

    if (!read_again(e, &m) || !hulse_wire_metadata_read(m.metadata, &metadata, &why)) {
        return;
    }
    HULSE_ASSERT(metadata.uuid.bytes >= bytes);
    const size_t uuid_ends_at = (size_t)(metadata.uuid.data + metadata.uuid.bytes - e->piece.data);
    uint8_t *const frame = e->memory + (e->piece.data - e->memory);
    memcpy(frame + uuid_ends_at - bytes, end, bytes);
    hulse_wire_send_again(frame + e->checked_at, e->piece.bytes - e->checked_at);
}
