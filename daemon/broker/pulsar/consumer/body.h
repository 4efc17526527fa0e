/* SPDX-License-Identifier: Apache-2.0 */
/*
 * body - the bytes of an entry that was received, decompressed once, and how far its messages were taken from it.
 *
 * Threads: the worker's.
 * Owns:    one reference while it is read, and one for each delivery whose bytes lie in it.
 * Trust:   read judges bytes that may be anything.
 */
#ifndef HULSE_PULSAR_CONSUMER_BODY_H
#define HULSE_PULSAR_CONSUMER_BODY_H

#include "daemon/broker/pulsar/wire/batch_reader.h"
#include "daemon/broker/pulsar/wire/compression.h"
#include "daemon/broker/pulsar/wire/frame.h"
#include "daemon/broker/pulsar/wire/metadata.h"

#include <sys/queue.h>

struct entry;
struct body_side;

/* What is kept of bodies, by whoever keeps them: a consumer, or all of a worker. */
struct body_tally {
    struct body_tally *all; /* which has it as well; NULL: that is all */
    size_t bytes;
};

struct body {
    STAILQ_ENTRY(body) link; /* of what waits to be handed out */
    struct entry *entry;     /* NULL until it has one */
    struct body_side *sides; /* keys and properties in the encoding of broker_meta */
    struct body_tally *kept; /* counted there; NULL: not kept */
    struct wire_metadata meta;
    struct wire_entry added; /* by the broker */
    struct broker_span payload;
    struct wire_batch_reader reader; /* of a batch */
    size_t object_bytes;
    size_t bytes; /* with its sides */
    uint32_t refs;
    uint32_t redelivery;
    uint32_t count;  /* of messages */
    uint32_t chunks; /* that it came in; 0: in none */
    uint32_t metadata_bytes;
    uint32_t left; /* counted as queued */
    uint32_t next; /* above the index of the last one that was read */
    uint16_t partition;
    bool batch;
    bool taken;     /* the one message that is no batch */
    uint8_t data[]; /* metadata, payload */
};

STAILQ_HEAD(body_queue, body);

enum body_rc {
    BODY_OK,
    BODY_METADATA,  /* cannot be decoded */
    BODY_TOO_LARGE, /* decompressed */
    BODY_DAMAGED,   /* cannot be decompressed */
    BODY_BATCH,     /* its batch cannot be true */
    BODY_UNKNOWN,   /* compressed in a way that this client does not know */
    BODY_NO_MEMORY
};

/*
 * Copies what a MESSAGE brings; `m` are its metadata, read. Decompressed to at most `bytes_max`. Otherwise *why is a
 * static text.
 */
enum body_rc hulse_body_create(struct body **out,
                               struct wire_contexts *contexts,
                               const struct wire_message *message,
                               const struct wire_metadata *m,
                               uint32_t bytes_max,
                               const char **why);
/*
 * Of a message that comes in several: the metadata of its first one, and room for the payload of all, of which there is
 * nothing yet. NULL: no memory.
 */
struct body *hulse_body_begin(const struct wire_message *first, uint32_t payload_bytes);
/* The next part, for which there is room. */
void hulse_body_append(struct body *b, struct broker_span part);
/* All of it is there. Otherwise than OK *b is as it was, and *why is a static text. */
enum body_rc hulse_body_finish(struct body **b,
                               struct wire_contexts *contexts,
                               uint32_t bytes_max,
                               const char **why);
void hulse_body_release(struct body *b);
/* Counted until it goes. */
void hulse_body_keep(struct body *b, struct body_tally *tally);

/* One message of it. */
struct body_message {
    uint32_t index;
    bool passed_over; /* a placeholder that compaction has left */
    bool single_meta; /* `single` has what it says of itself */
    struct wire_single single;
    struct broker_span payload;
};

/* The next one. BAD: what is behind cannot be read; *why is a static text. */
enum wire_batch_rc hulse_body_next(struct body *b, struct body_message *out, const char **why);
/* Nothing is behind what was given last. */
static inline bool hulse_body_is_read(const struct body *b)
{
    return b->batch ? b->reader.left == 0 && b->reader.rest.bytes == 0 : b->taken;
}
/* What a delivery says of it; its bytes lie in the body. False: no memory, and nothing changed. */
bool hulse_body_fill(struct body *b, const struct body_message *m, struct broker_delivery *d);

#endif
