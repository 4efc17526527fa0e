/* SPDX-License-Identifier: Apache-2.0 */
/*
 * batch_writer - the payload of a batch, written into the caller's buffer message by message:
 * {u32 bytes of its metadata, SingleMessageMetadata, payload} repeated.
 *
 * Threads: one.
 * Limits:  the buffer, which does not grow: what does not fit is refused and nothing changed.
 */
#ifndef HULSE_PULSAR_WIRE_BATCH_WRITER_H
#define HULSE_PULSAR_WIRE_BATCH_WRITER_H

#include "daemon/broker/broker.h"
#include "daemon/broker/pulsar/wire/metadata.h"

#include <stdbool.h>
#include <stdint.h>

struct wire_batch {
    uint8_t *data; /* borrowed */
    uint32_t room;
    uint32_t bytes;
    uint32_t count;
    uint32_t payload_bytes; /* of the messages alone */
    uint64_t first_sequence_id;
    uint64_t last_sequence_id;
    struct broker_span key; /* the first message's, in `data` */
    struct broker_span ordering_key;
    enum wire_key_form key_form;
    bool has_ordering_key;
};

void hulse_wire_batch_begin(struct wire_batch *b, uint8_t *buffer, uint32_t room);
/* What a record takes at most; the room that a batch of it alone must have. */
uint64_t hulse_wire_batch_room(const struct broker_record *r);
/*
 * Copies the record, under a sequence id above that of the one before. False: there is not the room that
 * batch_room says.
 */
bool hulse_wire_batch_add(struct wire_batch *b,
                          const struct broker_record *r,
                          uint64_t sequence_id);
/*
 * Sets what metadata take from a batch of at least one message: count, sequence ids, size, the first one's keys,
 * which are borrowed from the buffer. The payload is b->data, b->bytes.
 */
void hulse_wire_batch_draft(const struct wire_batch *b, struct wire_draft *d);

#endif
