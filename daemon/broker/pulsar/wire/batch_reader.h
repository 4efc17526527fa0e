/* SPDX-License-Identifier: Apache-2.0 */
/*
 * batch_reader - the messages of a batch, one after the other, from its decompressed payload.
 *
 * Threads: one. What it gives borrows from the payload.
 * Trust:   payload and metadata may be anything. BAD concerns this entry alone: it is to be discarded.
 */
#ifndef HULSE_PULSAR_WIRE_BATCH_READER_H
#define HULSE_PULSAR_WIRE_BATCH_READER_H

#include "daemon/broker/broker.h"
#include "daemon/broker/pulsar/wire/metadata.h"

#include <stdbool.h>
#include <stdint.h>

enum wire_batch_rc { WIRE_BATCH_OK, WIRE_BATCH_END, WIRE_BATCH_BAD };

struct wire_batch_message {
    uint32_t index; /* its batch_index, below num_messages_in_batch */
    struct wire_single meta;
    struct broker_span payload;
};

struct wire_batch_reader {
    struct broker_span rest;
    struct wire_compacted indexes; /* of what compaction has left; none: every index */
    uint32_t batch_count;
    uint32_t left; /* messages to come */
    uint32_t next_index;
};

/*
 * `m` says that it is a batch (WIRE_META_BATCH). False: its count cannot be true, *why is a static text.
 * Compaction leaves placeholders (`compacted_out`, given like messages), or messages out; both are read.
 */
bool hulse_wire_batch_open(struct wire_batch_reader *r,
                           const struct wire_metadata *m,
                           struct broker_span payload,
                           const char **why);
/* BAD: *why is a static text; what was given before is good. After END or BAD it is not asked again. */
enum wire_batch_rc hulse_wire_batch_next(struct wire_batch_reader *r,
                                         struct wire_batch_message *out,
                                         const char **why);

#endif
