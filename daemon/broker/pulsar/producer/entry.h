/* SPDX-License-Identifier: Apache-2.0 */
/*
 * entry - one SEND: a batch or a message alone, with the records it has to answer for. Its bytes are kept as they were
 * sent until its receipt, so it is sent again unchanged, but for the uuid of a chunk.
 *
 *   open (of the sender, a batch that grows) -> sealed, in the outbox: unsent <-> sent -> answered
 *
 * Memory: two blocks: this with its slots, and the frame's. A piece that a connection still has when the entry is
 *          answered keeps both until `released`.
 *
 * Threads: the worker's.
 */
#ifndef HULSE_PULSAR_PRODUCER_ENTRY_H
#define HULSE_PULSAR_PRODUCER_ENTRY_H

#include "daemon/broker/broker.h"
#include "daemon/broker/pulsar/connection/connection.h"
#include "daemon/broker/pulsar/producer/block.h"
#include "daemon/broker/pulsar/wire/batch_writer.h"

struct pulsar_producer;
struct pulsar_sender;

/* A record without an answer. */
struct pulsar_slot {
    struct pulsar_producer *producer;
    uint64_t token;
    uint32_t bytes; /* that it counts for */
    uint32_t round; /* how many flushes were before it */
};

struct pulsar_entry {
    struct pulsar_piece piece; /* the frame, once it is sealed */
    TAILQ_ENTRY(pulsar_entry) link;
    struct pulsar_sender *sender; /* NULL: it is gone, and so are the blocks */
    uint8_t *memory;
    uint32_t memory_room;
    uint32_t room; /* of this block */
    uint32_t count;
    uint32_t slots_max;
    uint64_t sequence;
    uint64_t highest;       /* the same when it is no batch */
    uint64_t deadline_ns;   /* the latest of its records'; 0: none */
    uint32_t message_bytes; /* metadata and payload: what brokers limit */
    uint32_t checked_at;    /* of the frame: where the checksum's part begins */
    bool batched;
    bool chunk;     /* one of several that are one message; the records are the last one's */
    bool sent;      /* on the connection that the sender has */
    bool ever_sent; /* on any */
    bool out;       /* a connection has the piece */
    bool over;      /* answered */
    /* A broker has refused it once, or another chunk of its message: what one calls a copy of it may be none. */
    bool damaged;
    /* It came damaged on the connection that the sender has: a receipt of it is another chunk's. */
    bool refused;
    struct pulsar_slot slots[];
};

TAILQ_HEAD(pulsar_entries, pulsar_entry);

/* With room for a frame of `bytes` and `slots` records, at least. NULL: no memory. */
struct pulsar_entry *
hulse_pulsar_entry_create(struct pulsar_blocks *b, uint32_t bytes, uint32_t slots);
/* Nobody has its piece. */
void hulse_pulsar_entry_destroy(struct pulsar_blocks *b, struct pulsar_entry *e);
/* Another with twice the slots, which replaces it: it is in no list. NULL: no memory, it stays. */
struct pulsar_entry *hulse_pulsar_entry_more_slots(struct pulsar_blocks *b, struct pulsar_entry *e);
/*
 * Writes the head of the frame for a payload of which the draft tells, and makes the piece. `payload` lies in the
 * entry's memory from `head_room` on, or elsewhere: then it is copied there.
 */
void hulse_pulsar_entry_seal(struct pulsar_entry *e,
                             uint64_t producer_id,
                             const struct wire_draft *d,
                             struct broker_span payload,
                             uint32_t head_room);
/* Whether the bytes still are what was sealed. */
bool hulse_pulsar_entry_intact(const struct pulsar_entry *e);
/* Nobody has its piece. The end of a chunk's uuid is overwritten; one that is not intact stays as it is. */
void hulse_pulsar_entry_rename(struct pulsar_entry *e, const char *end, uint32_t bytes);

#endif
