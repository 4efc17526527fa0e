/* SPDX-License-Identifier: Apache-2.0 */
/*
 * chunks - a message that is too large for a broker goes as several entries: consecutive, with one sequence id and one
 * uuid (5.9). Its record is the last one's, whose receipt is the answer.
 *
 * Consumers find the chunks of a message by its uuid. One that comes twice is taken as damage by some (C++ up to 4.2.0, Java
 * before pull request 21070, 2023), and the message is lost to them, though all of it is stored. So the uuid, `<name>-<sequence id>-` and
 * eight random digits, is one of this attempt: after a loss that leaves open what was stored, and after the daemon's end,
 * the message goes from its first chunk with another. Chunks of the earlier attempt are nobody's.
 *
 * Java and C++ compress the whole payload before they cut it, and put it together before they decompress; so does this.
 * A broker with deduplication judges the last chunk alone: what goes again after the daemon's end leaves the others behind.
 * When it opens a topic it believes the number in every entry there; so those others say the one before (wire/draft.c).
 *
 * Threads: the worker's.
 */
#ifndef HULSE_PULSAR_PRODUCER_CHUNKS_H
#define HULSE_PULSAR_PRODUCER_CHUNKS_H

#include "daemon/broker/pulsar/producer/sender.h"
#include "daemon/broker/pulsar/wire/metadata.h"

enum chunks_rc {
    CHUNKS_PUT,
    CHUNKS_TOO_LARGE, /* its metadata leave no room beside them */
    CHUNKS_NO_MEMORY  /* for all of it; nothing was taken */
};

struct chunks_message {
    uint64_t token;
    uint64_t deadline_ns;
    struct broker_span payload; /* compressed as the draft says; copied */
    uint32_t message_bytes_max; /* of metadata and payload of each entry */
};

/* `d` has all but the chunks' fields. */
enum chunks_rc hulse_pulsar_chunks_put(struct pulsar_sender *s,
                                       struct pulsar_producer *p,
                                       struct wire_draft *d,
                                       const struct chunks_message *m);
/* Everything goes again, and nobody has a piece. */
void hulse_pulsar_chunks_again(struct pulsar_sender *s);

#endif
